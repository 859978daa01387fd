//! Every way to hold a role, one after the other: assignments, schedules, groups, permissions.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::holder::{Holder, Known, shown};
use super::{Grant, Held, Role};
use crate::domain::app_role::{self, MICROSOFT_GRAPH};
use crate::domain::facts::{
    AppRoleAssignment, DirectoryObject, Facts, RoleAssignment, ScheduleInstance,
};
use crate::domain::id::{AssignmentId, PrincipalId};
use crate::domain::role::{self, RoleTemplateId};
use crate::domain::roster::Tenant;
use crate::domain::text;

/// Every grant of a partner, and everything held of which it cannot be told whose it is.
///
/// Takes time in proportion to the facts.
pub fn grants(facts: &Facts, tenant: &Tenant) -> Vec<Grant> {
    let known = Known::new(facts, tenant);
    let (terms, unmatched) = terms(facts);
    let mut found = Vec::new();
    let mut groups = Vec::new();
    for (assignment, term) in facts.assignments.iter().zip(terms) {
        let term = term.unwrap_or_default();
        let at = At::of_assignment(assignment);
        let home = assignment.principal_organization_id.as_deref();
        if let Some(holder) = known.of_assignment(at.principal, home) {
            let held = Held::Assignment { assignment: assignment.id.clone() };
            found.push(grant(facts, at, holder, held, term));
        }
        groups.extend(own_group(facts, &assignment.id, at, term, false));
    }
    let mut derived = Vec::new();
    let active = unmatched.into_iter().map(|schedule| (schedule, false));
    let eligible = facts.eligible.iter().map(|schedule| (schedule, true));
    for (schedule, eligible) in active.chain(eligible) {
        let at = At::of_schedule(schedule);
        let term = Term::of(schedule);
        groups.extend(own_group(facts, &schedule.id, at, term, eligible));
        let Some(holder) = known.of_principal(at.principal) else { continue };
        let id = schedule.id.clone();
        let held = match eligible {
            true => Held::Eligible { eligibility: id },
            false => Held::Scheduled { schedule: id },
        };
        let to = if is_derived(schedule) { &mut derived } else { &mut found };
        to.push(grant(facts, at, holder, held, term));
    }
    for group in groups {
        through(&known, &group, &mut found);
    }
    add_derived(derived, &mut found);
    for app in &facts.apps {
        let Some(holder) = known.of_app(&app.id, &app.app) else { continue };
        let granted = app.app_roles.iter().filter_map(|it| Some((it, permission(it)?)));
        found.extend(granted.map(|(it, role)| {
            let held = Held::AppRole { app_role: it.id.clone() };
            let scope = "/".to_owned();
            made(holder.clone(), app.id.clone(), held, role, (scope, None), Term::default())
        }));
    }
    found
}

/// Whether somebody of the tenant's own holds Global Administrator over the whole directory.
///
/// It is answered by what was seen. Where too little was read to see one, the answer is no.
pub fn keeps_a_global_administrator(facts: &Facts, tenant: &Tenant) -> bool {
    let known = Known::new(facts, tenant);
    facts.assignments.iter().any(|assignment| {
        assignment.directory_scope_id == "/"
            && template(facts, &assignment.role_definition_id) == Some(role::GLOBAL_ADMINISTRATOR)
            && known.is_own_person(
                &assignment.principal_id,
                assignment.principal_organization_id.as_deref(),
            )
    })
}

/// Who holds which role where.
#[derive(Clone, Copy)]
struct At<'a> {
    principal: &'a PrincipalId,
    definition: &'a str,
    scope: &'a str,
}

impl<'a> At<'a> {
    fn of_assignment(it: &'a RoleAssignment) -> Self {
        let (definition, scope) = (&it.role_definition_id, &it.directory_scope_id);
        Self { principal: &it.principal_id, definition, scope }
    }

    fn of_schedule(it: &'a ScheduleInstance) -> Self {
        let (definition, scope) = (&it.role_definition_id, &it.directory_scope_id);
        Self { principal: &it.principal_id, definition, scope }
    }

    /// The same for the same role in the same place, however it is written.
    fn key(self) -> (&'a PrincipalId, Cow<'a, str>, Cow<'a, str>) {
        (self.principal, lower(self.definition), lower(self.scope))
    }
}

/// For how long something is held.
#[derive(Clone, Copy, Default)]
struct Term {
    ends: Option<Timestamp>,
    activated: bool,
}

impl Term {
    fn of(schedule: &ScheduleInstance) -> Self {
        let kind = schedule.assignment_type.as_deref();
        let activated = kind.is_some_and(|kind| kind.eq_ignore_ascii_case("Activated"));
        Self { ends: schedule.end_date_time, activated }
    }

    /// The term of what is held by both: the longer one counts.
    fn longer(self, other: Self) -> Self {
        let ends = self.ends.zip(other.ends).map(|(one, other)| one.max(other));
        Self { ends, activated: self.activated && other.activated }
    }
}

/// The term of each assignment that has a schedule, and the active schedules that belong to no
/// assignment.
///
/// A schedule names its assignment by `roleAssignmentOriginId`. Where that leads nowhere, it is
/// the same principal, role and scope. One that is there only because of a group is not the term
/// of that group's assignment.
fn terms(facts: &Facts) -> (Vec<Option<Term>>, Vec<&ScheduleInstance>) {
    let mut terms = vec![None; facts.assignments.len()];
    if facts.active.is_empty() {
        return (terms, Vec::new());
    }
    let numbered = || facts.assignments.iter().enumerate();
    let by_id: HashMap<&AssignmentId, usize> = numbered().map(|(n, it)| (&it.id, n)).collect();
    let by_place: HashMap<_, usize> =
        numbered().map(|(n, it)| (At::of_assignment(it).key(), n)).collect();
    let mut unmatched = Vec::new();
    for schedule in &facts.active {
        let named = schedule.role_assignment_origin_id.as_ref().and_then(|id| by_id.get(id));
        let is_its = |n: &&usize| {
            facts.assignments.get(**n).is_some_and(|it| it.principal_id == schedule.principal_id)
        };
        let found = named.filter(is_its).or_else(|| by_place.get(&At::of_schedule(schedule).key()));
        match found.and_then(|n| terms.get_mut(*n)) {
            Some(term) => {
                let new = Term::of(schedule);
                *term = Some(term.map_or(new, |known: Term| known.longer(new)));
            }
            None => unmatched.push(schedule),
        }
    }
    (terms, unmatched)
}

/// Whether a schedule is only the shadow of another: of a group's, or of one for a wider scope.
fn is_derived(schedule: &ScheduleInstance) -> bool {
    schedule.member_type.as_deref().is_some_and(|kind| {
        kind.eq_ignore_ascii_case("Group") || kind.eq_ignore_ascii_case("Inherited")
    })
}

/// Adds what is held by the shadow of a schedule, unless that schedule itself was seen.
fn add_derived(derived: Vec<Grant>, found: &mut Vec<Grant>) {
    if derived.is_empty() {
        return;
    }
    let place = |grant: &Grant, scope: &str| {
        let definition = grant.role.definition_id.to_ascii_lowercase();
        let must_be_activated = grant.held.must_be_activated();
        (grant.principal.clone(), definition, scope.to_ascii_lowercase(), must_be_activated)
    };
    let seen: HashSet<_> = found.iter().map(|grant| place(grant, &grant.scope)).collect();
    let news = derived.into_iter().filter(|grant| {
        !seen.contains(&place(grant, &grant.scope)) && !seen.contains(&place(grant, "/"))
    });
    found.extend(news);
}

/// A group of the tenant's own that holds a role or may activate it.
struct OwnGroup<'a> {
    through: &'a AssignmentId,
    at: At<'a>,
    name: String,
    term: Term,
    eligible: bool,
}

fn own_group<'a>(
    facts: &Facts,
    through: &'a AssignmentId,
    at: At<'a>,
    term: Term,
    eligible: bool,
) -> Option<OwnGroup<'a>> {
    let Some(DirectoryObject::Group(group)) = facts.objects.get(at.principal) else { return None };
    let name = shown(group.display_name.as_deref(), at.principal);
    Some(OwnGroup { through, at, name, term, eligible })
}

/// Adds what partners' principals hold by being in a group.
fn through(known: &Known<'_>, group: &OwnGroup<'_>, found: &mut Vec<Grant>) {
    let members = known.facts.members.get(group.at.principal);
    for member in members.into_iter().flatten() {
        let Some(holder) = known.of_member(&member.id, &member.object) else { continue };
        let held = Held::ThroughGroup {
            through: group.through.clone(),
            group: group.at.principal.clone(),
            group_name: group.name.clone(),
            eligible: group.eligible,
        };
        let at = At { principal: &member.id, ..group.at };
        found.push(grant(known.facts, at, holder, held, group.term));
    }
}

fn grant(facts: &Facts, at: At<'_>, holder: Holder, held: Held, term: Term) -> Grant {
    let unit = facts.units.get(lower(at.scope).as_ref());
    let unit = unit.map(|name| text::foreign(name)).filter(|name| !name.is_empty());
    let scope = (at.scope.to_owned(), unit);
    made(holder, at.principal.clone(), held, role_of(facts, at.definition), scope, term)
}

fn made(
    holder: Holder,
    principal: PrincipalId,
    held: Held,
    role: Role,
    (scope, scope_name): (String, Option<String>),
    Term { ends, activated }: Term,
) -> Grant {
    Grant {
        partner: holder.partner,
        held,
        principal,
        kind: holder.kind,
        principal_name: holder.name,
        user_principal_name: holder.upn,
        app_id: holder.app_id,
        role,
        scope,
        scope_name,
        ends,
        activated,
    }
}

/// The template of a role, by its definition id.
fn template(facts: &Facts, definition_id: &str) -> Option<RoleTemplateId> {
    let live = facts.roles.get(lower(definition_id).as_ref());
    let told = live.and_then(|role| role.template_id.as_deref()).and_then(|id| id.parse().ok());
    told.or_else(|| definition_id.parse().ok())
}

/// A role by its definition id: what Graph says of it, else what the catalogue knows.
fn role_of(facts: &Facts, definition_id: &str) -> Role {
    let live = facts.roles.get(lower(definition_id).as_ref());
    let template_id = template(facts, definition_id);
    let built_in = template_id.and_then(role::by_id);
    let live_name = || live.and_then(|role| role.display_name.as_deref()).map(text::foreign);
    let name = built_in
        .map(|role| role.name.to_owned())
        .or_else(live_name)
        .unwrap_or_else(|| format!("unknown role {}", text::foreign(definition_id)));
    // A role is harmless only if nobody calls it privileged.
    let privileged =
        match (live.and_then(|role| role.is_privileged), built_in.map(|role| role.privileged)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), _) | (_, Some(false)) => Some(false),
            (None, None) => None,
        };
    Role { definition_id: definition_id.to_owned(), template_id, name, privileged }
}

/// An application permission as a role, unless it is known to give no power.
///
/// One of Microsoft Graph that the catalogue does not have is newer than it, so nobody has said
/// that it is harmless; the same where the API is not named. Those of other APIs have no list,
/// and most of them are a partner's own: without a row in the catalogue they are not told.
fn permission(granted: &AppRoleAssignment) -> Option<Role> {
    let api = granted.resource_display_name.as_deref().map(text::foreign);
    let api = api.filter(|api| !api.is_empty());
    let id = granted.app_role_id.parse::<Uuid>().ok();
    // Access to an API without any permission there.
    if id.is_some_and(|id| id.is_nil()) {
        return None;
    }
    let (name, privileged) = match id.and_then(app_role::by_id) {
        Some(known) if !known.powerful => return None,
        Some(known) => {
            let api = api.unwrap_or_else(|| known.api.to_owned());
            (format!("{} of {api}", known.name), Some(true))
        }
        None if api.as_ref().is_some_and(|api| !api.eq_ignore_ascii_case(MICROSOFT_GRAPH)) => {
            return None;
        }
        None => {
            let api = api.unwrap_or_else(|| "an API without a name".to_owned());
            (format!("{} of {api}", text::foreign(&granted.app_role_id)), None)
        }
    };
    let definition_id = granted.app_role_id.clone();
    Some(Role { definition_id, template_id: id.map(RoleTemplateId::new), name, privileged })
}

/// `text` in lower case; ids and scopes are ASCII.
fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}
