//! Whether what a step was to bring about is so, as far as was read.

use serde::{Deserialize, Serialize};

use super::facts::{Facts, Part, RoleAssignment, ScheduleInstance};
use super::grant::{Grant, Held};
use super::plan::{Step, Target};

/// What reading again showed of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// What it was to take away is gone, or what it was to bring about is so.
    Gone,
    /// It is still there.
    There,
    /// That could not be read.
    Unread,
}

/// The parts of a tenant that have to be read to see what became of a step.
pub fn parts(step: &Step) -> &'static [Part] {
    match &step.target {
        Target::Grant(grant) => match &grant.held {
            Held::Assignment { .. } => &[Part::RoleAssignments],
            Held::Scheduled { .. } => &[Part::ActiveSchedules],
            Held::Eligible { .. } => &[Part::EligibleSchedules],
            // Whether the group still holds the role has no bearing: it is about being in it.
            Held::ThroughGroup { .. } => &[Part::GroupMembers],
            Held::AppRole { .. } => &[Part::PartnerApps],
        },
        Target::Principal { .. }
        | Target::Partner
        | Target::Relationship { .. }
        | Target::AccessAssignment { .. } => &[],
    }
}

/// What `facts`, of which [`parts`] were read, show of a step. What was seen counts also where not
/// all of it could be read.
pub fn seen(step: &Step, facts: &Facts) -> Seen {
    let there = match &step.target {
        Target::Grant(grant) => still_held(grant, facts),
        Target::Principal { .. }
        | Target::Partner
        | Target::Relationship { .. }
        | Target::AccessAssignment { .. } => return Seen::Unread,
    };
    let unread = facts.gaps.iter().any(|gap| parts(step).contains(&gap.part));
    match there {
        true => Seen::There,
        false if unread => Seen::Unread,
        false => Seen::Gone,
    }
}

/// Whether the grant is there, under its own id or another.
fn still_held(grant: &Grant, facts: &Facts) -> bool {
    match &grant.held {
        Held::Assignment { assignment } => {
            let same = |held: &RoleAssignment| {
                held.id == *assignment
                    || (held.principal_id == grant.principal
                        && is_role(grant, &held.role_definition_id, &held.directory_scope_id))
            };
            facts.assignments.iter().any(same)
        }
        Held::Scheduled { schedule } => {
            facts.active.iter().any(|held| held.id == *schedule || is_same(grant, held))
        }
        Held::Eligible { eligibility } => {
            facts.eligible.iter().any(|held| held.id == *eligibility || is_same(grant, held))
        }
        Held::ThroughGroup { group, .. } => facts
            .members
            .get(group)
            .is_some_and(|members| members.iter().any(|member| member.id == grant.principal)),
        Held::AppRole { app_role, .. } => {
            let own = facts.apps.iter().filter(|app| app.id == grant.principal);
            own.flat_map(|app| &app.app_roles).any(|role| role.id == *app_role)
        }
    }
}

fn is_same(grant: &Grant, held: &ScheduleInstance) -> bool {
    held.principal_id == grant.principal
        && is_role(grant, &held.role_definition_id, &held.directory_scope_id)
        && !held.member_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("group"))
}

fn is_role(grant: &Grant, definition: &str, scope: &str) -> bool {
    definition.eq_ignore_ascii_case(&grant.role.definition_id) && *scope == grant.scope
}
