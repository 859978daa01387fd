//! Whether a partner's relationship gives what a step was to take from it.

use super::Seen;
use crate::domain::facts::{DelegatedAdminRelationship, Facts, Operation};
use crate::domain::plan::{Remediation, Step, Target};
use crate::domain::role::{GLOBAL_ADMINISTRATOR, RoleTemplateId};
use crate::domain::text::foreign;

/// What became of a step about a relationship. One that was read and is not there is gone, and so is
/// all that it gave.
pub(super) fn seen(step: &Step, facts: &Facts) -> Seen {
    let (relationship, access_assignment) = match &step.target {
        Target::Relationship { relationship, .. } => (relationship, None),
        Target::AccessAssignment { relationship, access_assignment, .. } => {
            (relationship, Some(access_assignment.as_str()))
        }
        Target::Grant(_) | Target::Principal { .. } | Target::Partner => return Seen::Unread,
    };
    let Some(given) = facts.relationships.iter().find(|it| it.id == *relationship) else {
        return Seen::Gone;
    };
    // What has ended gives nothing.
    if !given.gives_power() {
        return Seen::Gone;
    }
    let is_there = match (step.remediation, access_assignment) {
        (Remediation::TerminateRelationship, _) => Some(true),
        (Remediation::StopAutoExtend, _) => given.extends_itself(),
        (Remediation::DropGlobalAdministrator, _) => includes_global_administrator(given),
        (_, Some(id)) => {
            Some(given.access_assignments.iter().any(|it| it.id == id && it.is_in_force()))
        }
        (_, None) => None,
    };
    match is_there {
        None => Seen::Unread,
        Some(false) => Seen::Gone,
        Some(true) => match latest(given, step.remediation, access_assignment) {
            Some(Operation { kind, created_date_time: Some(begun), .. }) => Seen::Failed {
                what: kind.as_deref().map_or_else(|| "an operation".to_owned(), foreign),
                begun: *begun,
            },
            _ => Seen::There,
        },
    }
}

/// Whether Global Administrator is among the roles agreed on; nothing where they are not told. What
/// a group may have beyond them is the next look's to find.
fn includes_global_administrator(given: &DelegatedAdminRelationship) -> Option<bool> {
    let is = |id: &str| id.trim().parse::<RoleTemplateId>().ok() == Some(GLOBAL_ADMINISTRATOR);
    given.access_details.is_some().then(|| given.roles().any(is))
}

/// The last thing Microsoft was asked to do of the kind that a step asks for, if that failed.
fn latest<'a>(
    given: &'a DelegatedAdminRelationship,
    remediation: Remediation,
    access_assignment: Option<&str>,
) -> Option<&'a Operation> {
    let ends = |it: &Operation| it.kind.as_deref() == Some("terminate");
    let is_an_assignment =
        |id: &String| given.access_assignments.iter().any(|used| used.id.eq_ignore_ascii_case(id));
    let is_one = |it: &&Operation| match (remediation, access_assignment) {
        (Remediation::TerminateRelationship, _) => ends(it),
        (Remediation::StopAutoExtend, _) => it.is_about_extension(),
        (_, Some(own)) => {
            !ends(it) && it.about().is_none_or(|about| about.eq_ignore_ascii_case(own))
        }
        (_, None) => {
            let about_one = it.about().as_ref().is_some_and(is_an_assignment);
            !ends(it) && !about_one && !it.is_about_extension()
        }
    };
    let all = given.operations.iter().filter(is_one);
    all.max_by_key(|it| it.created_date_time).filter(|it| it.has_failed())
}
