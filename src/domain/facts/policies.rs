//! What a tenant's policies say about other organisations, as Microsoft Graph tells it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `crossTenantAccessPolicyConfigurationPartner`, as far as it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerEntry {
    /// The other tenant.
    pub tenant_id: String,
    /// Whether it is a service provider: shown for granular delegated admin relationships.
    #[serde(default)]
    pub is_service_provider: Option<bool>,
    /// Whether the two belong to one multi-tenant organisation.
    #[serde(default)]
    pub is_in_multi_tenant_organization: Option<bool>,
    /// What is trusted of its own sign-in; nothing means what the tenant's default says.
    #[serde(default)]
    pub inbound_trust: Option<InboundTrust>,
}

/// `crossTenantAccessPolicyInboundTrust`: which claims of another tenant's sign-in are taken as
/// proven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InboundTrust {
    /// That multifactor authentication took place over there.
    #[serde(default)]
    pub is_mfa_accepted: Option<bool>,
    /// That the device complies over there.
    #[serde(default)]
    pub is_compliant_device_accepted: Option<bool>,
    /// That the device is joined over there.
    #[serde(default, rename = "isHybridAzureADJoinedDeviceAccepted")]
    pub is_hybrid_joined_device_accepted: Option<bool>,
}

/// `delegatedAdminServiceProviderConstraints`: what a service provider may be given.
///
/// Source: Microsoft Graph metadata (v1.0); the documentation does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceProviderConstraints {
    /// The roles, by template id.
    pub allowed_role_template_ids: Vec<String>,
    /// When they were changed last.
    #[serde(default)]
    pub last_modified_date_time: Option<Timestamp>,
    /// When they were made.
    #[serde(default)]
    pub created_date_time: Option<Timestamp>,
}

/// A tenant governance relationship: one more way to let another tenant administer this one.
///
/// Source: Microsoft Graph metadata, type `microsoft.graph.tenantGovernanceServices.governanceRelationship`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GovernanceRelationship {
    /// Its id.
    pub id: String,
    /// How far it has come, such as `active`.
    #[serde(default)]
    pub status: Option<String>,
    /// The tenant that governs.
    #[serde(default)]
    pub governing_tenant_id: Option<String>,
    /// The governing tenant, as it calls itself.
    #[serde(default)]
    pub governing_tenant_name: Option<String>,
}

impl GovernanceRelationship {
    /// Whether it still gives power: it was not terminated. What is only asked to end has not
    /// ended, and a state nobody knows is not one either.
    ///
    /// Source: Microsoft Graph documentation, enumeration `relationshipStatus` (active,
    /// terminated, terminationRequestedByGoverningTenant).
    pub fn stands(&self) -> bool {
        !self.status.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("terminated"))
    }
}
