//! Other tenants: what the cross-tenant access policy says of them, which of them govern, and what
//! they call themselves.

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;

use super::super::Graph;
use super::super::batch::{Asked, Get};
use super::{garbled, unless_absent};
use crate::domain::facts::{GovernanceRelationship, InboundTrust, PartnerEntry};
use crate::domain::id::{PartnerId, TenantId};
use crate::ports::{
    Failure, Listed, PortError, ReadCrossTenantAccess, ReadGovernance, ReadTenantNames,
};

/// Both versions have it, as Graph's metadata says; the documentation began with beta.
const GOVERNANCE: [&str; 2] = [
    "v1.0/directory/tenantGovernance/governanceRelationships",
    "beta/directory/tenantGovernance/governanceRelationships",
];

/// `crossTenantAccessPolicyConfigurationDefault`, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DefaultSettings {
    /// It may be null, but not left out.
    #[serde(deserialize_with = "Option::deserialize")]
    inbound_trust: Option<InboundTrust>,
}

/// `delegatedAdminServiceProviderConstraints`, as far as it is used.
///
/// Source: Microsoft Graph metadata (v1.0); the documentation does not have it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Constraints {
    allowed_role_template_ids: Vec<String>,
}

#[async_trait]
impl ReadCrossTenantAccess for Graph {
    async fn partner_entries(&self, tenant: TenantId) -> Listed<PartnerEntry> {
        self.list(tenant, &["v1.0/policies/crossTenantAccessPolicy/partners"]).await
    }

    async fn default_trust(&self, tenant: TenantId) -> Result<InboundTrust, PortError> {
        let url = self.url("v1.0/policies/crossTenantAccessPolicy/default")?;
        let json = self.json(tenant, Method::GET, &url, None).await?;
        let settings: DefaultSettings =
            serde_json::from_value(json).map_err(|error| garbled(&error))?;
        Ok(settings.inbound_trust.unwrap_or_default())
    }

    async fn constraints(
        &self,
        tenant: TenantId,
        providers: &[PartnerId],
    ) -> Listed<(PartnerId, Vec<String>)> {
        let of = |provider: &PartnerId| {
            let (id, what) = (provider.to_string(), "serviceProviderConstraints");
            Get::new(&["policies", "crossTenantAccessPolicy", "partners", &id, what], "")
        };
        let Asked { whom, gets, mut failures } = Asked::of(providers, of);
        let mut items = Vec::new();
        for (provider, answer) in whom.into_iter().zip(self.batch(tenant, "v1.0", &gets).await) {
            match answer {
                Ok(json) => {
                    // In whatever other shape it comes, it tells of no constraints.
                    if let Ok(constraints) = serde_json::from_value::<Constraints>(json) {
                        items.push((*provider, constraints.allowed_role_template_ids));
                    }
                }
                // Microsoft does not say who may read them, nor that there are any.
                Err(error)
                    if matches!(error.kind, Failure::Denied | Failure::Gone | Failure::Refused) => {
                }
                Err(error) => failures.push(error),
            }
        }
        Listed::new(items, failures)
    }
}

#[async_trait]
impl ReadGovernance for Graph {
    async fn governance(&self, tenant: TenantId) -> Listed<GovernanceRelationship> {
        let listed = self.list(tenant, &GOVERNANCE).await;
        unless_absent(listed, &[Failure::Gone, Failure::Refused])
    }
}

#[async_trait]
impl ReadTenantNames for Graph {
    async fn tenant_name(&self, tenant: TenantId, other: PartnerId) -> Option<String> {
        let path =
            format!("v1.0/tenantRelationships/findTenantInformationByTenantId(tenantId='{other}')");
        let json = self.json(tenant, Method::GET, &self.url(&path).ok()?, None).await.ok()?;
        json.get("displayName")?.as_str().map(str::to_owned)
    }
}
