//! What reading again found of whom, or of what, a step was done to, in Microsoft's own terms.

use crate::domain::facts::{Facts, ScheduleInstance};
use crate::domain::grant::{Grant, Held};
use crate::domain::plan::{Step, Target};
use crate::domain::text::foreign;

/// What `facts`, of which [`parts`](super::parts) were read, show of a step's target, one line each:
/// every role that the principal still holds in the same way, the groups it is still in, or what the
/// account, policy or relationship is now. Nothing where nothing is there, or nothing was read.
pub fn found(step: &Step, facts: &Facts) -> Vec<String> {
    match &step.target {
        Target::Grant(grant) => still_there(grant, facts),
        Target::Principal { principal, .. } => match facts.sign_ins.get(principal) {
            Some(Some(sign_in)) => {
                let enabled = sign_in.account_enabled.map(|enabled| enabled.to_string());
                let since = sign_in.sign_in_sessions_valid_from_date_time.map(|at| at.to_string());
                let told = |value: Option<String>| value.unwrap_or_else(|| "not told".to_owned());
                vec![
                    format!("accountEnabled: {}", told(enabled)),
                    format!("signInSessionsValidFromDateTime: {}", told(since)),
                ]
            }
            Some(None) => vec!["no such object".to_owned()],
            None => Vec::new(),
        },
        Target::Partner => {
            let found = step
                .quarantine
                .as_ref()
                .and_then(|quarantine| quarantine.found_in(&facts.conditional_access));
            let text = |policy: &serde_json::Value, name: &str| {
                foreign(policy.get(name).and_then(|it| it.as_str()).unwrap_or("not told"))
            };
            let line = |policy| {
                format!(
                    "conditional access policy {}: {}",
                    text(policy, "id"),
                    text(policy, "state")
                )
            };
            found.map(line).into_iter().collect()
        }
        Target::Relationship { relationship, .. }
        | Target::AccessAssignment { relationship, .. } => relations(relationship, facts),
    }
}

fn still_there(grant: &Grant, facts: &Facts) -> Vec<String> {
    let role = |definition: &str, scope: &str| {
        format!("role {} for {}", foreign(definition), foreign(scope))
    };
    let schedules = |kind: &str, all: &[ScheduleInstance]| {
        let its = all.iter().filter(|held| held.principal_id == grant.principal);
        its.map(|held| {
            let role = role(&held.role_definition_id, &held.directory_scope_id);
            format!("{kind} {}: {role}", foreign(&held.id.0))
        })
        .collect()
    };
    match &grant.held {
        Held::Assignment { .. } => {
            let its = facts.assignments.iter().filter(|held| held.principal_id == grant.principal);
            its.map(|held| {
                let role = role(&held.role_definition_id, &held.directory_scope_id);
                format!("role assignment {}: {role}", foreign(&held.id.0))
            })
            .collect()
        }
        Held::Scheduled { .. } => schedules("active schedule", &facts.active),
        Held::Eligible { .. } => schedules("eligibility", &facts.eligible),
        Held::ThroughGroup { .. } => {
            let is_in = |members: &[crate::domain::facts::Member]| {
                members.iter().any(|member| member.id == grant.principal)
            };
            let groups = facts.members.iter().filter(|(_, members)| is_in(members));
            groups.map(|(group, _)| format!("in group {}", foreign(group.as_str()))).collect()
        }
        Held::AppRole { .. } => {
            let own = facts.apps.iter().filter(|app| app.id == grant.principal);
            own.flat_map(|app| &app.app_roles)
                .map(|role| {
                    let of = role.resource_display_name.as_deref().unwrap_or("an API not told");
                    let (id, permission) = (foreign(&role.id.0), foreign(&role.app_role_id));
                    format!("application permission {id}: {permission} of {}", foreign(of))
                })
                .collect()
        }
    }
}

fn relations(relationship: &str, facts: &Facts) -> Vec<String> {
    let Some(given) = facts.relationships.iter().find(|it| it.id == *relationship) else {
        return Vec::new();
    };
    let told =
        |text: &Option<String>| text.as_deref().map_or_else(|| "not told".to_owned(), foreign);
    let roles: Vec<String> = given.roles().map(foreign).collect();
    let mut lines = vec![
        format!("relationship {}: {}", foreign(relationship), told(&given.status)),
        format!("autoExtendDuration: {}", told(&given.auto_extend_duration)),
        format!("roles: {}", if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }),
    ];
    let assignments = given.access_assignments.iter();
    lines.extend(
        assignments
            .filter(|it| it.is_in_force())
            .map(|it| format!("access assignment {}: in force", foreign(&it.id))),
    );
    lines
}
