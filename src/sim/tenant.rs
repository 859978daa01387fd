//! A scenario's tenant: who is in it, who holds which role, which partners it knows.

use serde::Deserialize;
use serde_json::Value;

use super::administrative_units::AdministrativeUnit;
use super::assignment::Assignment;
use super::fault::Refusal;
use super::ids;
use super::partner_side::PartnerSide;
use super::pim::NoLicence;
use super::policies::ServiceProviderConstraints;
use super::principal::Principal;
use super::roles::Role;
use super::service_principals::AppRoleAssignment;

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
    /// The roles whose holders have to activate them first (Privileged Identity Management).
    #[serde(default)]
    pub eligible: Vec<Assignment>,
    /// Active instances that have no role assignment of their own, such as those of a group's
    /// members.
    #[serde(default)]
    pub derived_instances: Vec<Assignment>,
    /// Privileged Identity Management answers that the tenant has no licence for it.
    #[serde(default)]
    pub without_licence: Option<NoLicence>,
    /// Its administrative units.
    #[serde(default)]
    pub administrative_units: Vec<AdministrativeUnit>,
    /// The application permissions that its service principals were granted.
    #[serde(default)]
    pub app_role_assignments: Vec<AppRoleAssignment>,
    /// The other tenants of its multi-tenant organisation. Those that have a cross-tenant access
    /// entry are marked there.
    #[serde(default)]
    pub multi_tenant_organization: Vec<String>,
    /// What its default cross-tenant access settings trust; Microsoft's own default, nothing, when
    /// absent.
    #[serde(default)]
    pub default_inbound_trust: Option<InboundTrust>,
    /// The roles that service providers may hold. The metadata of Graph has them, its
    /// documentation does not.
    #[serde(default)]
    pub service_provider_constraints: Vec<ServiceProviderConstraints>,
    /// Those constraints are refused, whatever there is.
    #[serde(default)]
    pub refuse_service_provider_constraints: Option<Refusal>,
    /// Conditional access policies as Graph shows them; an id is made up when absent.
    #[serde(default)]
    pub conditional_access: Vec<Value>,
    /// Named locations as Graph shows them; an id is made up when absent.
    #[serde(default)]
    pub named_locations: Vec<Value>,
    /// Authentication strengths beside the built-in ones, as Graph shows them; an id is made up
    /// when absent.
    #[serde(default)]
    pub authentication_strengths: Vec<Value>,
    /// Whether the security defaults are on.
    #[serde(default)]
    pub security_defaults: bool,
    /// Governance relationships as Graph shows them; an id is made up when absent.
    #[serde(default)]
    pub governance_relationships: Vec<Value>,
    /// What it is to its own customers, where it is a partner of Microsoft.
    #[serde(default)]
    pub partner_side: Option<PartnerSide>,
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
            eligible: Vec::new(),
            derived_instances: Vec::new(),
            without_licence: None,
            administrative_units: Vec::new(),
            app_role_assignments: Vec::new(),
            multi_tenant_organization: Vec::new(),
            default_inbound_trust: None,
            service_provider_constraints: Vec::new(),
            refuse_service_provider_constraints: None,
            conditional_access: Vec::new(),
            named_locations: Vec::new(),
            authentication_strengths: Vec::new(),
            security_defaults: false,
            governance_relationships: Vec::new(),
            partner_side: None,
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

    /// With a role whose holder has to activate it first.
    #[must_use]
    pub fn eligible(mut self, assignment: Assignment) -> Self {
        self.eligible.push(assignment);
        self
    }

    /// With an active instance that has no role assignment of its own.
    #[must_use]
    pub fn derived_instance(mut self, assignment: Assignment) -> Self {
        self.derived_instances.push(assignment);
        self
    }

    /// Without a licence for Privileged Identity Management.
    #[must_use]
    pub fn without_licence(mut self) -> Self {
        self.without_licence = Some(NoLicence::default());
        self
    }

    /// With an administrative unit and its members, by name or id.
    #[must_use]
    pub fn administrative_unit(mut self, name: &str, members: &[&str]) -> Self {
        self.administrative_units.push(AdministrativeUnit::new(name, members));
        self
    }

    /// With an application permission of Microsoft Graph for a service principal.
    #[must_use]
    pub fn app_role(mut self, principal: &str, permission: &str) -> Self {
        self.app_role_assignments.push(AppRoleAssignment::of_graph(principal, permission));
        self
    }

    /// With another tenant of its own multi-tenant organisation: its name, and its cross-tenant
    /// access entry.
    #[must_use]
    pub fn sister_tenant(mut self, tenant_id: &str, name: &str) -> Self {
        self.multi_tenant_organization.push(tenant_id.to_owned());
        let tenant_id = tenant_id.to_owned();
        let entry = PartnerEntry { tenant_id: tenant_id.clone(), ..PartnerEntry::default() };
        self.known_tenant(&tenant_id, name).partner_entry(entry)
    }

    /// Where the default cross-tenant access settings trust this of every other tenant.
    #[must_use]
    pub fn default_inbound_trust(mut self, trust: InboundTrust) -> Self {
        self.default_inbound_trust = Some(trust);
        self
    }

    /// Where a service provider may hold these roles and no others.
    #[must_use]
    pub fn constrained(mut self, constraints: ServiceProviderConstraints) -> Self {
        self.service_provider_constraints.push(constraints);
        self
    }

    /// Where the constraints of service providers may not be read (403).
    #[must_use]
    pub fn refuse_service_provider_constraints(mut self) -> Self {
        self.refuse_service_provider_constraints = Some(Refusal::default());
        self
    }

    /// With a conditional access policy as Graph shows it.
    #[must_use]
    pub fn conditional_access(mut self, policy: Value) -> Self {
        self.conditional_access.push(policy);
        self
    }

    /// With a named location as Graph shows it.
    #[must_use]
    pub fn named_location(mut self, location: Value) -> Self {
        self.named_locations.push(location);
        self
    }

    /// With an authentication strength of its own as Graph shows it.
    #[must_use]
    pub fn authentication_strength(mut self, strength: Value) -> Self {
        self.authentication_strengths.push(strength);
        self
    }

    /// Where the security defaults are on.
    #[must_use]
    pub fn security_defaults(mut self) -> Self {
        self.security_defaults = true;
        self
    }

    /// With a governance relationship as Graph shows it.
    #[must_use]
    pub fn governance_relationship(mut self, relationship: Value) -> Self {
        self.governance_relationships.push(relationship);
        self
    }

    /// As a partner of Microsoft, with these customers and relationships.
    #[must_use]
    pub fn partner_side(mut self, side: PartnerSide) -> Self {
        self.partner_side = Some(side);
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

/// The domain given, or one made from a name.
pub(crate) fn default_domain(given: Option<&str>, name: &str) -> String {
    given.map_or_else(|| format!("{}.example", ids::label(name)), str::to_owned)
}
