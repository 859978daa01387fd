//! A tenant after a step was carried out that takes a grant away.

use crate::domain::facts::{DirectoryObject, Facts, RoleAssignment, ScheduleInstance};
use crate::domain::grant::{Grant, Held, Within};
use crate::domain::id::PrincipalId;

/// Takes a grant away.
pub(super) fn take_away(facts: &mut Facts, grant: &Grant) {
    let is_it = |principal: &PrincipalId, definition: &str, scope: &str| {
        *principal == grant.principal
            && definition.eq_ignore_ascii_case(&grant.role.definition_id)
            && scope.eq_ignore_ascii_case(&grant.scope)
    };
    match &grant.held {
        Held::Assignment { assignment, .. } => {
            facts.assignments.retain(|held| held.id != *assignment);
            facts.active.retain(|held| !is_scheduled(held, &is_it));
        }
        Held::Scheduled { schedule, .. } => {
            facts.active.retain(|held| held.id != *schedule && !is_scheduled(held, &is_it));
            let is_it = |held: &RoleAssignment| {
                is_it(&held.principal_id, &held.role_definition_id, &held.directory_scope_id)
            };
            facts.assignments.retain(|held| !is_it(held));
        }
        Held::Eligible { eligibility, .. } => {
            facts.eligible.retain(|held| held.id != *eligibility && !is_scheduled(held, &is_it));
        }
        Held::ThroughGroup { within, .. } => take_out(facts, within, &grant.principal),
        Held::AppRole { app_role, .. } => {
            for app in &mut facts.apps {
                app.app_roles.retain(|role| role.id != *app_role);
            }
        }
    }
}

/// Whether it is a schedule of the principal's own, for the same role in the same place.
fn is_scheduled(
    held: &ScheduleInstance,
    is_it: &impl Fn(&PrincipalId, &str, &str) -> bool,
) -> bool {
    let of_group = held.member_type.as_deref().is_some_and(|it| it.eq_ignore_ascii_case("group"));
    !of_group && is_it(&held.principal_id, &held.role_definition_id, &held.directory_scope_id)
}

/// Takes somebody out of the groups that it is directly in, and so out of those that these are in.
fn take_out(facts: &mut Facts, groups: &[Within], principal: &PrincipalId) {
    let left = |group: &PrincipalId| groups.iter().any(|within| within.group == *group);
    let Facts { members, direct_members, active, eligible, .. } = facts;
    for (group, direct) in direct_members.iter_mut() {
        if left(group) {
            direct.remove(principal);
        }
    }
    for (group, members) in members {
        let inner = members.iter().filter(|it| matches!(it.object, DirectoryObject::Group(_)));
        let inner: Vec<&PrincipalId> = inner.map(|member| &member.id).collect();
        let mut all = std::iter::once(group).chain(inner.iter().copied());
        let stays = if inner.is_empty() {
            !left(group)
        } else {
            all.any(|group| direct_members.get(group).is_some_and(|it| it.contains(principal)))
        };
        if !stays {
            members.retain(|member| member.id != *principal);
        }
    }
    // Their schedules of this principal are there because of the groups.
    let of_group = |held: &ScheduleInstance| {
        held.principal_id == *principal
            && held.member_type.as_deref().is_some_and(|it| it.eq_ignore_ascii_case("group"))
    };
    active.retain(|held| !of_group(held));
    eligible.retain(|held| !of_group(held));
}
