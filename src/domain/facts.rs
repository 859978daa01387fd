//! One snapshot of a tenant: what was read, and what could not be.

mod directory;
mod gap;
mod policies;
mod relationships;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::id::{PartnerId, PrincipalId, Sha256Hex, TenantId};
use super::roster::AccountName;

pub use self::directory::{
    AppRoleAssignment, DirectoryObject, GivenAccount, Group, Member, Named, PartnerApp,
    PartnerReference, RoleAssignment, RoleDefinition, ScheduleInstance, ServicePrincipal, SignIn,
    User,
};
pub use self::gap::{Gap, GapCause, Part};
pub use self::policies::{
    GovernanceRelationship, InboundTrust, PartnerEntry, ServiceProviderConstraints,
};
pub use self::relationships::{
    AccessAssignment, AccessContainer, AccessDetails, Customer, DelegatedAdminRelationship,
    Operation, UnifiedRole, are_same_roles, length,
};

/// What a tenant looked like at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// Directory role assignments.
    pub assignments: Vec<RoleAssignment>,
    /// What Privileged Identity Management says of roles held; empty without it.
    pub active: Vec<ScheduleInstance>,
    /// Roles that may be activated; empty without Privileged Identity Management.
    pub eligible: Vec<ScheduleInstance>,
    /// The principals that hold roles or may activate them, as far as they could be resolved.
    pub objects: BTreeMap<PrincipalId, DirectoryObject>,
    /// Who is in the tenant's own groups that hold roles, through groups in groups too.
    pub members: BTreeMap<PrincipalId, Vec<Member>>,
    /// Who is directly in a group that has groups in it, and in each of these. Members of a group
    /// that is not here are directly in it, unless there are groups among them: then nobody asked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub direct_members: BTreeMap<PrincipalId, BTreeSet<PrincipalId>>,
    /// Accounts of other organisations.
    pub guests: BTreeMap<PrincipalId, User>,
    /// The accounts that the policy says were given to partners, by the name it gives, in lower
    /// case.
    pub accounts: BTreeMap<String, GivenAccount>,
    /// The accounts that the policy protects, by the name it gives, in lower case. One that is not
    /// here was not asked about.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub protected: BTreeMap<String, GivenAccount>,
    /// The groups that partners' accounts are in, through groups in groups too. An account that
    /// is not here was not asked about.
    pub memberships: BTreeMap<PrincipalId, BTreeSet<PrincipalId>>,
    /// Applications registered in partners' tenants.
    pub apps: Vec<PartnerApp>,
    /// Partner entries of the cross-tenant access policy.
    pub partner_entries: Vec<PartnerEntry>,
    /// What is trusted of a tenant without an entry, or whose entry does not say.
    pub default_trust: Option<InboundTrust>,
    /// The roles a service provider may be given, by template id, where that could be read.
    pub constraints: BTreeMap<PartnerId, Vec<String>>,
    /// Since when a service provider may be given those roles (`lastModifiedDateTime`), where that
    /// could be read.
    pub constraints_since: BTreeMap<PartnerId, Timestamp>,
    /// Tenant governance relationships.
    pub governance: Vec<GovernanceRelationship>,
    /// Conditional access policies, as Graph gives them.
    pub conditional_access: Vec<Value>,
    /// Whether security defaults are on; nothing where nobody asked.
    pub security_defaults: Option<bool>,
    /// Role definitions read live, by definition id in lower case.
    pub roles: BTreeMap<String, RoleDefinition>,
    /// Names of administrative units, by the scope that means them (`/administrativeUnits/…`), in
    /// lower case.
    pub units: BTreeMap<String, String>,
    /// Names of other tenants, as they call themselves.
    pub tenant_names: BTreeMap<PartnerId, String>,
    /// A partner's own tenant: what it holds over its customers.
    pub relationships: Vec<DelegatedAdminRelationship>,
    /// A partner's own tenant: whether Partner Center says that a customer lets it administer by
    /// the old, unlimited way (DAP).
    pub delegated_access: BTreeMap<PartnerId, bool>,
    /// Access that this program has taken away and seen to be gone, by [`Grant::likeness`], with how
    /// often.
    ///
    /// [`Grant::likeness`]: super::grant::Grant::likeness
    pub taken_away: BTreeMap<Sha256Hex, u32>,
    /// Whether principals may sign in, and since when their sessions count; read where a step is
    /// verified. One that does not exist any more has nothing.
    #[serde(skip)]
    pub sign_ins: BTreeMap<PrincipalId, Option<SignIn>>,
    /// What could not be read. A gap is never read as an absence.
    pub gaps: Vec<Gap>,
}

impl Facts {
    /// Whether everything was read.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// The domains, in lower case, of the accounts that were read: this tenant's own, since a domain
    /// belongs to one tenant at a time. There may be more.
    pub fn domains(&self) -> BTreeSet<String> {
        let user = |object: &DirectoryObject| match object {
            DirectoryObject::User(user) => user.user_principal_name.clone(),
            DirectoryObject::Group(_)
            | DirectoryObject::ServicePrincipal(_)
            | DirectoryObject::PartnerReference(_)
            | DirectoryObject::Other => None,
        };
        let given = |account: &GivenAccount| match account {
            GivenAccount::Present { user, .. } => user.user_principal_name.clone(),
            GivenAccount::Missing => None,
        };
        let guests = self.guests.values().filter_map(|user| user.user_principal_name.clone());
        let objects = self.objects.values().filter_map(user);
        let members = self.members.values().flatten().filter_map(|member| user(&member.object));
        let accounts = self.accounts.values().chain(self.protected.values()).filter_map(given);
        let names = guests.chain(objects).chain(members).chain(accounts);
        names.filter_map(|upn| Some(upn.trim().rsplit_once('@')?.1.to_lowercase())).collect()
    }

    /// As if these accounts had been read and were all there: for facts that nobody read.
    pub fn suppose_there(&mut self, protected: &[AccountName]) {
        for name in protected {
            let name = name.as_str();
            let digest = Sha256Hex::of(name.as_bytes());
            let made_up = digest.as_str().get(..32).and_then(|it| Uuid::try_parse(it).ok());
            let id = made_up.filter(|_| name.contains('@')).map(|id| id.to_string());
            let id = PrincipalId::new(id.as_deref().unwrap_or(name));
            let found = GivenAccount::Present { id, user: User::default() };
            self.protected.entry(name.to_owned()).or_insert(found);
        }
    }

    /// The tenants whose names would help a reader: those that hold roles, are partners here or
    /// govern.
    pub fn foreign_tenants(&self, own: TenantId) -> Vec<PartnerId> {
        let references = self.objects.values().filter_map(|object| match object {
            DirectoryObject::PartnerReference(reference) => {
                reference.external_partner_tenant_id.as_deref()
            }
            DirectoryObject::User(_)
            | DirectoryObject::Group(_)
            | DirectoryObject::ServicePrincipal(_)
            | DirectoryObject::Other => None,
        });
        let holders =
            self.assignments.iter().filter_map(|a| a.principal_organization_id.as_deref());
        let entries = self
            .partner_entries
            .iter()
            .filter(|entry| entry.is_service_provider == Some(true))
            .map(|entry| entry.tenant_id.as_str());
        let governing = self.governance.iter().filter_map(|it| it.governing_tenant_id.as_deref());
        let mut tenants: Vec<PartnerId> = references
            .chain(holders)
            .chain(entries)
            .chain(governing)
            .filter_map(|id| id.parse().ok())
            .filter(|id: &PartnerId| id.tenant() != own)
            .collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_domains_are_those_of_every_account_that_was_read() {
        let case = crate::domain::finding::testing::Case::new()
            .member("Megan", "Reports Reader")
            .guest("Alice", "alice@contoso-reseller.example", "Reports Reader");
        let domains = case.facts.domains();
        assert!(domains.iter().map(String::as_str).eq(["woodgrove.example"]), "{domains:?}");
        assert!(super::Facts::default().domains().is_empty());
    }

    #[test]
    fn foreign_tenants_are_those_of_references_holders_service_providers_and_governors() {
        let own = "11111111-1111-1111-1111-111111111111";
        let mut case = crate::domain::finding::testing::Case::new()
            .stranger_group("Strangers", "Reports Reader")
            .member_from("Megan", own, "Reports Reader")
            .unresolvable_from("p", "44444444-4444-4444-4444-444444444444", "Reports Reader")
            .service_provider("55555555-5555-5555-5555-555555555555")
            .collaborator("66666666-6666-6666-6666-666666666666");
        let governed = |by: &str| super::GovernanceRelationship {
            governing_tenant_id: Some(by.to_owned()),
            ..Default::default()
        };
        case.facts.governance =
            vec![governed(own), governed("77777777-7777-7777-7777-777777777777")];
        let found = case.facts.foreign_tenants(own.parse().unwrap());
        let first: Vec<String> =
            found.iter().map(|id| id.to_string().chars().take(1).collect()).collect();
        assert_eq!(first, ["3", "4", "5", "7"]);
    }
}
