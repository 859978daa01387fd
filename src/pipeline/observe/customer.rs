//! A customer's tenant: every way a partner can hold power in it.
//!
//! What does not depend on anything is asked for at once; then who the holders of roles are; then
//! who is in their groups, and what applications of the partners' there are; then, if it matters
//! to conditional access, which groups the partners' accounts are in. So there are at most six
//! round trips one after another, further pages aside.
//!
//! In a tenant all of whose collections fit on one page, these are the requests, with ⌈n⌉ standing
//! for n divided by 20 and rounded up, the requests of one `$batch`:
//!
//! - 8 always: role assignments, role definitions, active and eligible schedules, guests, partner
//!   entries, the default trust, governance relationships;
//! - ⌈A⌉ for A accounts that the policy gives to partners, or protects if it speaks of quarantine;
//! - 2 for conditional access, if a partner's multifactor authentication is required, if the policy
//!   speaks of quarantine, or if it is to be shown, and 1 more if a policy does not say what its authentication strength requires;
//! - 1 if anybody holds or may activate a role (for each 1000 of them), and 1 if any of these roles
//!   holds in an administrative unit only;
//! - ⌈S⌉ for S partner entries of service providers;
//! - ⌈G⌉ for G groups of the tenant's own that hold or may activate roles, 1 if any application or
//!   group is in one of them, and ⌈N⌉ for N groups with groups in them and the groups in these;
//! - ⌈P⌉ for P partners, those of the policy and those found, and ⌈Q⌉ for Q applications of theirs;
//! - 1 for the name of each partner that was found and is not in the policy;
//! - ⌈M⌉ for M accounts of partners that hold power or are named by the policy, if conditional
//!   access was read and names groups.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::Value;

use super::reading::Reading;
use super::{Purpose, Readers};
use crate::domain::facts::{DirectoryObject, Facts, GivenAccount, Member, Part};
use crate::domain::grant::{PrincipalKind, grants};
use crate::domain::id::{PartnerId, PrincipalId, TenantId};
use crate::domain::roster::{AccountName, Tenant};
use crate::ports::{Listed, PortError};

/// How the scope of a role begins that holds in an administrative unit only.
const UNIT: &str = "/administrativeunits/";

pub(super) async fn facts(readers: &Readers, tenant: &Tenant, purpose: Purpose<'_>) -> Facts {
    let (mut reading, mut facts) = (Reading::of(tenant), Facts::default());
    collections(readers, tenant, purpose, &mut reading, &mut facts).await;
    if reading.was_refused() {
        facts.gaps = reading.gaps();
        return facts;
    }
    holders(readers, tenant, &mut reading, &mut facts).await;
    groups_and_apps(readers, tenant, &mut reading, &mut facts).await;
    memberships(readers, tenant, &mut reading, &mut facts).await;
    facts.gaps = reading.gaps();
    facts
}

/// What depends on nothing else.
async fn collections(
    readers: &Readers,
    tenant: &Tenant,
    purpose: Purpose<'_>,
    reading: &mut Reading<'_>,
    facts: &mut Facts,
) {
    let id = tenant.id;
    let (quarantine, protected): (bool, &[AccountName]) = match purpose {
        Purpose::Quarantine(protected) => (true, protected),
        Purpose::Decide | Purpose::Show => (false, &[]),
    };
    let required = quarantine || tenant.partners.iter().any(|partner| partner.require.mfa);
    let (
        assignments,
        definitions,
        guests,
        partner_entries,
        default_trust,
        active,
        eligible,
        accounts,
        governance,
        conditional_access,
    ) = tokio::join!(
        readers.roles.assignments(id),
        readers.roles.definitions(id),
        readers.users.guests(id),
        readers.cross_tenant_access.partner_entries(id),
        readers.cross_tenant_access.default_trust(id),
        readers.active.active(id),
        readers.eligible.eligible(id),
        accounts(readers, tenant, protected),
        readers.governance.governance(id),
        conditional_access(readers, tenant, required || purpose == Purpose::Show),
    );
    facts.assignments = reading.taken(Part::RoleAssignments, assignments);
    let definitions = reading.taken(Part::RoleDefinitions, definitions);
    facts.roles = definitions.into_iter().map(|r| (r.id.to_ascii_lowercase(), r)).collect();
    facts.guests = reading.taken(Part::Guests, guests).into_iter().collect();
    facts.partner_entries = reading.taken(Part::PartnerEntries, partner_entries);
    facts.default_trust = reading.got(Part::PartnerEntries, default_trust);
    facts.active = reading.taken(Part::ActiveSchedules, active);
    facts.eligible = reading.taken(Part::EligibleSchedules, eligible);
    let accounts = reading.taken(Part::Accounts, accounts);
    for (name, found) in accounts {
        if protected.contains(&name) {
            facts.protected.insert(name.as_str().to_owned(), found.clone());
        }
        if given(tenant).any(|given| *given == name) {
            facts.accounts.insert(name.as_str().to_owned(), found);
        }
    }
    facts.governance = reading.taken(Part::Governance, governance);
    let Some((policies, security_defaults)) = conditional_access else { return };
    let whole = policies.failure.is_none() && security_defaults.is_ok();
    if required || whole {
        facts.conditional_access = reading.taken(Part::ConditionalAccess, policies);
        facts.security_defaults = reading.got(Part::ConditionalAccess, security_defaults);
    }
}

/// The accounts that the policy says were given to partners.
fn given(tenant: &Tenant) -> impl Iterator<Item = &AccountName> {
    tenant.partners.iter().flat_map(|partner| &partner.accounts)
}

async fn accounts(
    readers: &Readers,
    tenant: &Tenant,
    protected: &[AccountName],
) -> Listed<(AccountName, GivenAccount)> {
    let mut names: Vec<AccountName> = Vec::new();
    let accounts = protected.iter().filter(|name| !name.is_relationship());
    for name in given(tenant).chain(accounts) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if names.is_empty() {
        return Listed::nothing();
    }
    readers.users.accounts(tenant.id, &names).await
}

async fn conditional_access(
    readers: &Readers,
    tenant: &Tenant,
    wanted: bool,
) -> Option<(Listed<Value>, Result<bool, PortError>)> {
    let reader = &readers.conditional_access;
    if !wanted {
        return None;
    }
    Some(tokio::join!(reader.policies(tenant.id), reader.security_defaults(tenant.id)))
}

/// Who holds roles or may activate them, where these hold, and what service providers may hold.
async fn holders(readers: &Readers, tenant: &Tenant, reading: &mut Reading<'_>, facts: &mut Facts) {
    let scheduled = facts.active.iter().chain(&facts.eligible);
    let assigned =
        facts.assignments.iter().map(|held| (&held.principal_id, &held.directory_scope_id));
    let held = assigned.chain(scheduled.map(|held| (&held.principal_id, &held.directory_scope_id)));
    let (holders, scopes): (BTreeSet<&PrincipalId>, BTreeSet<&String>) = held.unzip();
    let holders: Vec<PrincipalId> = holders.into_iter().cloned().collect();
    let scopes = scopes.into_iter().map(|scope| scope.to_ascii_lowercase());
    let units: BTreeSet<PrincipalId> =
        scopes.filter_map(|scope| Some(PrincipalId::new(scope.strip_prefix(UNIT)?))).collect();
    let units: Vec<PrincipalId> = units.into_iter().collect();
    let providers = facts.partner_entries.iter().filter(|it| it.is_service_provider == Some(true));
    let providers: Vec<PartnerId> =
        providers.filter_map(|entry| entry.tenant_id.parse().ok()).collect();

    let (objects, names, constraints) = tokio::join!(
        async {
            if holders.is_empty() {
                return Listed::nothing();
            }
            readers.objects.objects(tenant.id, &holders).await
        },
        async {
            if units.is_empty() {
                return Vec::new();
            }
            readers.objects.unit_names(tenant.id, &units).await
        },
        async {
            if providers.is_empty() {
                return Listed::nothing();
            }
            readers.cross_tenant_access.constraints(tenant.id, &providers).await
        },
    );
    facts.objects = reading.taken(Part::Principals, objects).into_iter().collect();
    facts.units = names.into_iter().map(|(id, name)| (format!("{UNIT}{id}"), name)).collect();
    let constraints = reading.taken(Part::ServiceProviderConstraints, constraints);
    for (provider, constraints) in constraints {
        let since = constraints.last_modified_date_time.or(constraints.created_date_time);
        facts.constraints_since.extend(since.map(|since| (provider, since)));
        facts.constraints.insert(provider, constraints.allowed_role_template_ids);
    }
}

/// Who is in the tenant's own groups that hold roles, what applications partners have here, and
/// what partners that the policy does not name call themselves.
async fn groups_and_apps(
    readers: &Readers,
    tenant: &Tenant,
    reading: &mut Reading<'_>,
    facts: &mut Facts,
) {
    let id = tenant.id;
    let own = |(id, object): (&PrincipalId, &DirectoryObject)| {
        matches!(object, DirectoryObject::Group(_)).then(|| id.clone())
    };
    let groups: Vec<PrincipalId> = facts.objects.iter().filter_map(own).collect();
    let found = facts.foreign_tenants(id);
    let strangers: Vec<PartnerId> =
        found.into_iter().filter(|partner| tenant.partner(*partner).is_none()).collect();
    let mut partners: Vec<PartnerId> = tenant.partners.iter().map(|partner| partner.id).collect();
    partners.extend(&strangers);
    let names = strangers.into_iter().map(|partner| async move {
        Some((partner, readers.tenant_names.tenant_name(id, partner).await?))
    });

    let (members, apps, names) = tokio::join!(
        async {
            if groups.is_empty() {
                return (Listed::nothing(), Listed::nothing(), Listed::nothing());
            }
            members(readers, id, &groups).await
        },
        async {
            if partners.is_empty() {
                return Listed::nothing();
            }
            readers.partner_apps.partner_apps(id, &partners).await
        },
        join_all(names),
    );
    let (members, told, direct) = members;
    facts.members = reading.taken(Part::GroupMembers, members).into_iter().collect();
    facts.direct_members = reading.taken(Part::GroupMembers, direct).into_iter().collect();
    reading.taken(Part::Principals, told);
    facts.apps = reading.taken(Part::PartnerApps, apps);
    facts.tenant_names = names.into_iter().flatten().collect();
}

/// Who is in groups, what could not be told of them, and, where there are groups in a group, who is
/// directly in which.
async fn members(
    readers: &Readers,
    tenant: TenantId,
    groups: &[PrincipalId],
) -> (Listed<(PrincipalId, Vec<Member>)>, Listed<()>, Listed<(PrincipalId, BTreeSet<PrincipalId>)>)
{
    let mut members = readers.groups.members(tenant, groups).await;
    let (untold, nested) = (untold(&members.items), nested(&members.items));
    let (objects, direct) = tokio::join!(
        async {
            if untold.is_empty() {
                return Listed::nothing();
            }
            readers.objects.objects(tenant, &untold).await
        },
        async {
            if nested.is_empty() {
                return Listed::nothing();
            }
            readers.groups.direct_members(tenant, &nested).await
        },
    );
    let told: BTreeMap<PrincipalId, DirectoryObject> = objects.items.into_iter().collect();
    for member in members.items.iter_mut().flat_map(|(_, members)| members) {
        if let Some(object) = told.get(&member.id) {
            member.object = object.clone();
        }
    }
    (members, Listed { items: Vec::new(), failure: objects.failure }, direct)
}

/// The applications and groups in groups. Whose application it is, and whether members can be taken
/// out of a group, is not told where groups are listed.
fn untold(groups: &[(PrincipalId, Vec<Member>)]) -> Vec<PrincipalId> {
    let members = groups.iter().flat_map(|(_, members)| members);
    let untold: BTreeSet<&PrincipalId> = members
        .filter(|member| {
            matches!(
                member.object,
                DirectoryObject::ServicePrincipal(_) | DirectoryObject::Group(_)
            )
        })
        .map(|member| &member.id)
        .collect();
    untold.into_iter().cloned().collect()
}

/// The groups with groups in them, and these.
fn nested(groups: &[(PrincipalId, Vec<Member>)]) -> Vec<PrincipalId> {
    let mut nested = BTreeSet::new();
    for (group, members) in groups {
        let inner = members.iter().filter(|it| matches!(it.object, DirectoryObject::Group(_)));
        let inner: Vec<PrincipalId> = inner.map(|member| member.id.clone()).collect();
        if !inner.is_empty() {
            nested.insert(group.clone());
            nested.extend(inner);
        }
    }
    nested.into_iter().collect()
}

/// The groups that partners' accounts are in, where a conditional access policy names groups.
async fn memberships(
    readers: &Readers,
    tenant: &Tenant,
    reading: &mut Reading<'_>,
    facts: &mut Facts,
) {
    if !facts.conditional_access.iter().any(names_groups) {
        return;
    }
    let powerful = grants(facts, tenant).into_iter().filter_map(|grant| match grant.kind {
        PrincipalKind::Guest | PrincipalKind::DedicatedAccount => Some(grant.principal),
        PrincipalKind::ForeignGroup | PrincipalKind::App | PrincipalKind::Unclassified => None,
    });
    let given = facts.accounts.values().filter_map(|account| match account {
        GivenAccount::Present { id, .. } => Some(id.clone()),
        GivenAccount::Missing => None,
    });
    let accounts: BTreeSet<PrincipalId> = powerful.chain(given).collect();
    let accounts: Vec<PrincipalId> = accounts.into_iter().collect();
    if accounts.is_empty() {
        return;
    }
    let memberships = readers.groups.memberships(tenant.id, &accounts).await;
    facts.memberships = reading.taken(Part::Memberships, memberships).into_iter().collect();
}

/// Whether it depends on groups for whom a policy is. One that is off is for nobody.
fn names_groups(policy: &Value) -> bool {
    let off = policy.get("state").and_then(Value::as_str) == Some("disabled");
    let names = |what: &str| {
        let groups = policy.pointer(&format!("/conditions/users/{what}")).and_then(Value::as_array);
        groups.is_some_and(|groups| !groups.is_empty())
    };
    !off && (names("includeGroups") || names("excludeGroups"))
}
