//! What a verification reads: only the parts in which it shows whether a step has come about.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Readers;
use super::reading::Reading;
use crate::domain::facts::{Facts, Part};
use crate::domain::grant::{Grant, Held};
use crate::domain::id::{PartnerId, PrincipalId, TenantId};
use crate::domain::plan::{Remediation, Step, Target};
use crate::domain::proof::parts;
use crate::domain::record::Reread;
use crate::ports::Clock;

/// What became of each step, in their order.
pub(super) async fn seen_again(
    readers: &Readers,
    clock: &dyn Clock,
    tenant: TenantId,
    name: &str,
    steps: &[&Step],
) -> Vec<Reread> {
    let begun = clock.now();
    let shared = shared(readers, tenant, name, steps).await;
    let mut of_principals: BTreeMap<&PrincipalId, (Facts, Timestamp)> = BTreeMap::new();
    for principal in principals(steps) {
        let begun = clock.now();
        let mut reading = Reading::named(name);
        let read = readers.roles.assignments_of(tenant, principal).await;
        let assignments = reading.got(Part::RoleAssignments, read).unwrap_or_default();
        let facts = Facts { assignments, gaps: reading.gaps(), ..Facts::default() };
        of_principals.insert(principal, (facts, begun));
    }
    let of = |step: &&Step| {
        let its = assigned(step).and_then(|principal| of_principals.get(principal));
        match its {
            Some((facts, begun)) => Reread::of(step, facts, *begun),
            None => Reread::of(step, &shared, begun),
        }
    };
    steps.iter().map(of).collect()
}

/// What does not depend on a single principal.
async fn shared(readers: &Readers, tenant: TenantId, name: &str, steps: &[&Step]) -> Facts {
    let (mut reading, mut facts) = (Reading::named(name), Facts::default());
    let parts: BTreeSet<Part> = steps.iter().flat_map(|step| parts(step)).copied().collect();
    for part in parts {
        match part {
            Part::ActiveSchedules => {
                facts.active = reading.taken(part, readers.active.active(tenant).await);
            }
            Part::EligibleSchedules => {
                facts.eligible = reading.taken(part, readers.eligible.eligible(tenant).await);
            }
            Part::GroupMembers => {
                let groups = groups(steps);
                let members = readers.groups.members(tenant, &groups).await;
                facts.members = reading.taken(part, members).into_iter().collect();
            }
            Part::Accounts => {
                let accounts = principals_to(steps, Remediation::DisableApp, false);
                let read = readers.users.sign_ins(tenant, &accounts).await;
                facts.sign_ins.extend(reading.taken(part, read));
            }
            Part::ConditionalAccess => {
                let policies = readers.conditional_access.policies(tenant).await;
                facts.conditional_access = reading.taken(part, policies);
            }
            Part::PartnerApps => {
                let apps = principals_to(steps, Remediation::DisableApp, true);
                if !apps.is_empty() {
                    let read = readers.partner_apps.app_sign_ins(tenant, &apps).await;
                    facts.sign_ins.extend(reading.taken(part, read));
                }
                if !steps.iter().any(|step| step.grant().is_some_and(is_app_role)) {
                    continue;
                }
                let owners: BTreeSet<PartnerId> =
                    steps.iter().filter_map(|step| step.partner.id).collect();
                let owners: Vec<PartnerId> = owners.into_iter().collect();
                let apps = readers.partner_apps.partner_apps(tenant, &owners).await;
                facts.apps = reading.taken(part, apps);
            }
            Part::Relationships => {
                let ids = relationships(steps);
                let now = readers.relationships.relationships_now(tenant, &ids).await;
                facts.relationships = reading.taken(part, now);
            }
            // Read by principal, or nothing that a step changes.
            Part::RoleAssignments
            | Part::RoleDefinitions
            | Part::Principals
            | Part::Guests
            | Part::Memberships
            | Part::PartnerEntries
            | Part::ServiceProviderConstraints
            | Part::Governance
            | Part::DelegatedAccess => {}
        }
    }
    facts.gaps = reading.gaps();
    facts
}

/// Who held a role by an assignment of their own.
fn principals<'a>(steps: &[&'a Step]) -> BTreeSet<&'a PrincipalId> {
    steps.iter().filter_map(|step| assigned(step)).collect()
}

fn assigned(step: &Step) -> Option<&PrincipalId> {
    let grant = step.grant().filter(|grant| matches!(grant.held, Held::Assignment { .. }))?;
    Some(&grant.principal)
}

/// The principals that steps are about: those of this remediation, or those of every other.
fn principals_to(steps: &[&Step], remediation: Remediation, is_it: bool) -> Vec<PrincipalId> {
    let of = |step: &&Step| match &step.target {
        Target::Principal { principal, .. } if (step.remediation == remediation) == is_it => {
            Some(principal.clone())
        }
        Target::Principal { .. }
        | Target::Grant(_)
        | Target::Partner
        | Target::Relationship { .. }
        | Target::AccessAssignment { .. } => None,
    };
    let all: BTreeSet<PrincipalId> = steps.iter().filter_map(of).collect();
    all.into_iter().collect()
}

fn is_app_role(grant: &Grant) -> bool {
    matches!(grant.held, Held::AppRole { .. })
}

fn relationships(steps: &[&Step]) -> Vec<String> {
    let relationship = |step: &&Step| match &step.target {
        Target::Relationship { relationship, .. }
        | Target::AccessAssignment { relationship, .. } => Some(relationship.clone()),
        Target::Grant(_) | Target::Principal { .. } | Target::Partner => None,
    };
    let ids: BTreeSet<String> = steps.iter().filter_map(relationship).collect();
    ids.into_iter().collect()
}

fn groups(steps: &[&Step]) -> Vec<PrincipalId> {
    let group = |step: &&Step| match &step.grant()?.held {
        Held::ThroughGroup { group, .. } => Some(group.clone()),
        Held::Assignment { .. }
        | Held::Eligible { .. }
        | Held::Scheduled { .. }
        | Held::AppRole { .. } => None,
    };
    let groups: BTreeSet<PrincipalId> = steps.iter().filter_map(group).collect();
    groups.into_iter().collect()
}
