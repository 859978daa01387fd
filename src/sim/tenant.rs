//! A scenario's tenant: who is in it, who holds which role, which partners it knows.

use serde::Deserialize;

use super::ids;
use super::principal::Principal;
use super::roles::Role;

/// One simulated Microsoft 365 tenant as the scenario starts it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tenant {
    /// The tenant's id, a GUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its default domain; `<name>.example` when absent.
    #[serde(default)]
    pub domain: Option<String>,
    /// Roles beside the built-in ones.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Who is in it.
    #[serde(default)]
    pub principals: Vec<Principal>,
    /// Who holds which role.
    #[serde(default)]
    pub assignments: Vec<Assignment>,
    /// Its cross-tenant access settings.
    #[serde(default)]
    pub partners: Vec<PartnerEntry>,
    /// Other tenants that `findTenantInformationByTenantId` knows.
    #[serde(default)]
    pub known_tenants: Vec<KnownTenant>,
}

/// One directory role assignment
/// (<https://learn.microsoft.com/graph/api/resources/unifiedroleassignment>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assignment {
    /// The holder, by name or id. An id nobody has is a principal that cannot be resolved.
    pub principal: String,
    /// The role, by name or id.
    pub role: String,
    /// The assignment's id; derived from tenant, holder, role and scope when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// Where it holds; `/`, the whole tenant, when absent.
    #[serde(default = "whole_tenant")]
    pub directory_scope_id: String,
    /// `principalOrganizationId` for a holder that cannot be resolved.
    #[serde(default)]
    pub principal_organization_id: Option<String>,
}

fn whole_tenant() -> String {
    "/".to_owned()
}

impl Assignment {
    /// `principal` holds `role` over the whole tenant; both by name or id.
    pub fn new(principal: &str, role: &str) -> Self {
        Self {
            principal: principal.to_owned(),
            role: role.to_owned(),
            id: None,
            directory_scope_id: whole_tenant(),
            principal_organization_id: None,
        }
    }
}

/// A partner-specific cross-tenant access setting
/// (<https://learn.microsoft.com/graph/api/resources/crosstenantaccesspolicyconfigurationpartner>).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartnerEntry {
    /// The partner's tenant.
    pub tenant_id: String,
    /// Whether it is a Cloud Solution Provider of this tenant.
    #[serde(default)]
    pub is_service_provider: bool,
    /// What this tenant trusts of the partner's own sign-in.
    #[serde(default)]
    pub inbound_trust: Option<InboundTrust>,
}

/// Claims trusted from a partner's own conditional access
/// (<https://learn.microsoft.com/graph/api/resources/crosstenantaccesspolicyinboundtrust>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InboundTrust {
    /// `isMfaAccepted`.
    #[serde(default)]
    pub mfa: bool,
    /// `isCompliantDeviceAccepted`.
    #[serde(default)]
    pub compliant_device: bool,
    /// `isHybridAzureADJoinedDeviceAccepted`.
    #[serde(default)]
    pub hybrid_joined_device: bool,
}

/// What Microsoft tells about another tenant
/// (<https://learn.microsoft.com/graph/api/resources/tenantinformation>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KnownTenant {
    /// The tenant's id.
    pub tenant_id: String,
    /// The name that tenant gave itself.
    pub name: String,
    /// Its default domain; `<name>.example` when absent.
    #[serde(default)]
    pub domain: Option<String>,
}

impl Tenant {
    /// An empty tenant.
    pub fn new(id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            domain: None,
            roles: Vec::new(),
            principals: Vec::new(),
            assignments: Vec::new(),
            partners: Vec::new(),
            known_tenants: Vec::new(),
        }
    }

    /// With the default domain `domain`.
    #[must_use]
    pub fn domain(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_owned());
        self
    }

    /// With one more role definition.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// With one more principal, holding `role` if one is given.
    #[must_use]
    pub fn principal<'r>(mut self, principal: Principal, role: impl Into<Option<&'r str>>) -> Self {
        if let Some(role) = role.into() {
            self.assignments.push(Assignment::new(&principal.id_in(&self.id), role));
        }
        self.principals.push(principal);
        self
    }

    /// With a user of its own.
    #[must_use]
    pub fn member<'r>(self, name: &str, upn: &str, role: impl Into<Option<&'r str>>) -> Self {
        self.principal(Principal::member(name, upn), role)
    }

    /// With a B2B guest.
    #[must_use]
    pub fn guest<'r>(self, name: &str, mail: &str, role: impl Into<Option<&'r str>>) -> Self {
        self.principal(Principal::guest(name, mail), role)
    }

    /// With a group of its own.
    #[must_use]
    pub fn group<'r>(self, name: &str, members: &[&str], role: impl Into<Option<&'r str>>) -> Self {
        self.principal(Principal::group(name, members), role)
    }

    /// With the service principal of an app that belongs to tenant `owner`.
    #[must_use]
    pub fn service_principal<'r>(
        self,
        name: &str,
        app_id: &str,
        owner: &str,
        role: impl Into<Option<&'r str>>,
    ) -> Self {
        self.principal(Principal::service_principal(name, app_id, owner), role)
    }

    /// With a group in the tenant `partner` as a holder of `role`, the way delegated
    /// administration (DAP, GDAP) shows up in a customer's tenant.
    #[must_use]
    pub fn partner_group<'r>(
        self,
        name: &str,
        partner: &str,
        role: impl Into<Option<&'r str>>,
    ) -> Self {
        self.principal(Principal::partner_group(name, partner), role)
    }

    /// With an assignment whose holder nobody can resolve.
    #[must_use]
    pub fn unresolvable(self, principal_id: &str, role: &str) -> Self {
        self.assignment(Assignment::new(principal_id, role))
    }

    /// With one more assignment.
    #[must_use]
    pub fn assignment(mut self, assignment: Assignment) -> Self {
        self.assignments.push(assignment);
        self
    }

    /// With a service provider: its cross-tenant access entry, and its name.
    #[must_use]
    pub fn partner(self, tenant_id: &str, name: &str) -> Self {
        self.known_tenant(tenant_id, name).partner_entry(PartnerEntry {
            tenant_id: tenant_id.to_owned(),
            is_service_provider: true,
            inbound_trust: None,
        })
    }

    /// With one more cross-tenant access entry.
    #[must_use]
    pub fn partner_entry(mut self, entry: PartnerEntry) -> Self {
        self.partners.push(entry);
        self
    }

    /// With the name of another tenant.
    #[must_use]
    pub fn known_tenant(mut self, tenant_id: &str, name: &str) -> Self {
        let tenant_id = tenant_id.to_owned();
        self.known_tenants.push(KnownTenant { tenant_id, name: name.to_owned(), domain: None });
        self
    }

    pub(crate) fn default_domain(&self) -> String {
        default_domain(self.domain.as_deref(), &self.name)
    }
}

impl KnownTenant {
    pub(crate) fn default_domain(&self) -> String {
        default_domain(self.domain.as_deref(), &self.name)
    }
}

fn default_domain(given: Option<&str>, name: &str) -> String {
    given.map_or_else(|| format!("{}.example", ids::label(name)), str::to_owned)
}
