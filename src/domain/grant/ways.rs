//! Every way to hold a role, one after the other: assignments, schedules, groups, permissions.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::groups::{own_group, through};
use super::holder::{Holder, Known};
use super::{Grant, Held, Role};
use crate::domain::app_role::{self, MICROSOFT_GRAPH};
use crate::domain::facts::{AppRoleAssignment, Facts, RoleAssignment, ScheduleInstance};
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
        let scheduled = term.is_some();
        let term = term.unwrap_or_default();
        let at = At::of_assignment(assignment);
        let home = assignment.principal_organization_id.as_deref();
        if let Some(holder) = known.of_assignment(at.principal, home) {
            let held = Held::Assignment { assignment: assignment.id.clone(), scheduled };
            found.push(grant(facts, at, holder, held, term));
        }
        groups.extend(own_group(&known, &assignment.id, at, term, false));
    }
    let mut derived = Vec::new();
    let active = unmatched.into_iter().map(|schedule| (schedule, false));
    let eligible = facts.eligible.iter().map(|schedule| (schedule, true));
    for (schedule, eligible) in active.chain(eligible) {
        let at = At::of_schedule(schedule);
        let term = Term::of(schedule);
        groups.extend(own_group(&known, &schedule.id, at, term, eligible));
        let Some(holder) = known.of_principal(at.principal) else { continue };
        let (id, shadow) = (schedule.id.clone(), is_derived(schedule));
        let held = if eligible {
            Held::Eligible { eligibility: id, derived: shadow }
        } else {
            Held::Scheduled { schedule: id, derived: shadow }
        };
        let to = if shadow { &mut derived } else { &mut found };
        to.push(grant(facts, at, holder, held, term));
    }
    found.extend(through(&known, &groups));
    add_derived(derived, &mut found);
    for app in &facts.apps {
        let Some(holder) = known.of_app(&app.id, &app.app) else { continue };
        let granted = app.app_roles.iter().filter_map(|it| Some((it, permission(it)?)));
        found.extend(granted.map(|(it, role)| {
            let (app_role, resource) = (it.id.clone(), it.resource_id.clone());
            let held = Held::AppRole { app_role, resource };
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
pub(super) struct At<'a> {
    pub(super) principal: &'a PrincipalId,
    pub(super) definition: &'a str,
    pub(super) scope: &'a str,
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
pub(super) struct Term {
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
    // Seldom asked for.
    let by_place = LazyCell::new(|| -> HashMap<_, usize> {
        numbered().map(|(n, it)| (At::of_assignment(it).key(), n)).collect()
    });
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

pub(super) fn grant(facts: &Facts, at: At<'_>, holder: Holder, held: Held, term: Term) -> Grant {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{DirectoryObject, PartnerReference};
    use crate::domain::finding::testing::{CONTOSO, Case, noon};

    const SVC: &str = "svc-contoso@woodgrove.example";
    const ROLE: &str = "Reports Reader";

    fn grants_of(case: &Case) -> Vec<Grant> {
        let policy = case.policy();
        grants(&case.facts, &policy.roster.tenants[0])
    }

    /// The holder and what it may do, one line for each grant.
    fn told(case: &Case) -> Vec<String> {
        let grants = grants_of(case);
        grants.iter().map(|grant| format!("{} {}", grant.holder(), grant.deed(""))).collect()
    }

    #[test]
    fn a_schedule_belongs_to_the_assignment_it_names() {
        let mut case = Case::new()
            .dedicated_account(SVC, ROLE)
            .holds_too(SVC, "Directory Readers")
            .activated(SVC, ROLE, "2026-11-23T20:00:00Z");
        let grants = grants_of(&case);
        let terms = |grants: &[Grant]| -> Vec<(Option<Timestamp>, bool)> {
            grants.iter().map(|grant| (grant.ends, grant.activated)).collect()
        };
        let ends = "2026-11-23T20:00:00Z".parse().ok();
        assert_eq!(terms(&grants), [(ends, true), (None, false)], "by what it is about");
        case.facts.active[0].role_definition_id.make_ascii_uppercase();
        assert_eq!(terms(&grants_of(&case)), terms(&grants), "however it is written");
        let second = case.facts.assignments[1].id.clone();
        case.facts.active[0].role_assignment_origin_id = Some(second);
        assert_eq!(terms(&grants_of(&case)), [(None, false), (ends, true)], "by what it names");
        case.facts.active[0].role_assignment_origin_id = Some(AssignmentId("gone".to_owned()));
        assert_eq!(terms(&grants_of(&case)), terms(&grants), "where that leads nowhere");
    }

    #[test]
    fn a_members_schedule_is_no_term_of_the_groups_assignment() {
        let mut case = Case::new()
            .own_group("Admins", ROLE)
            .guest_in("Admins", "Alice", "alice@contoso-reseller.example")
            .shadow("Alice", ROLE);
        let active = &mut case.facts.active[0];
        active.role_assignment_origin_id = Some(case.facts.assignments[0].id.clone());
        active.assignment_type = Some("Activated".to_owned());
        active.end_date_time = Some(noon());
        let grants = grants_of(&case);
        assert_eq!(grants.len(), 1, "{grants:#?}");
        assert_eq!((grants[0].ends, grants[0].activated), (None, false));
    }

    #[test]
    fn a_schedule_that_no_assignment_shows_is_a_grant_of_its_own() {
        let case = Case::new().account(SVC).active(SVC, ROLE, Some("2026-12-01T00:00:00Z"));
        let grants = grants_of(&case);
        assert!(matches!(grants[0].held, Held::Scheduled { .. }));
        assert_eq!(grants[0].ends, "2026-12-01T00:00:00Z".parse().ok());
        let own = Case::new().member("Megan", "User Administrator").active("Megan", ROLE, None);
        assert_eq!(grants_of(&own), []);
    }

    #[test]
    fn the_shadow_of_a_wider_scope_is_not_told_twice() {
        let mut case = Case::new().account(SVC).eligible(SVC, ROLE, None).eligible(SVC, ROLE, None);
        let inherited = &mut case.facts.eligible[1];
        inherited.id = AssignmentId("inherited".to_owned());
        inherited.member_type = Some("Inherited".to_owned());
        inherited.directory_scope_id = "/administrativeUnits/au-1".to_owned();
        assert_eq!(told(&case), [format!("{SVC} may activate {ROLE}")]);
        case.facts.eligible.remove(0);
        assert_eq!(
            told(&case),
            [format!("{SVC} may activate {ROLE} (scope /administrativeUnits/au-1)")]
        );
    }

    #[test]
    fn a_principal_of_which_only_an_assignment_tells_the_home_is_known_by_it_elsewhere() {
        let id = "dddddddd-0000-0000-0000-000000000001";
        let mut case = Case::new().unresolvable_from(id, CONTOSO, ROLE);
        let mut eligible = Case::new().eligible("x", "Directory Readers", None).facts.eligible;
        eligible[0].principal_id = PrincipalId::new(id);
        case.facts.eligible = eligible;
        let grants = grants_of(&case);
        assert_eq!(grants.len(), 2);
        assert!(grants.iter().all(|grant| grant.partner.name == "Contoso Reseller"), "{grants:#?}");
    }

    #[test]
    fn a_partners_own_group_within_a_group_is_the_partners() {
        let mut case = Case::new().own_group("Admins", ROLE).member_in("Admins", "Megan");
        let group = case.facts.assignments[0].principal_id.clone();
        let members = case.facts.members.get_mut(&group).unwrap();
        members[0].object = DirectoryObject::PartnerReference(PartnerReference {
            display_name: Some("Agents".to_owned()),
            external_partner_tenant_id: Some(CONTOSO.to_owned()),
            object_type: Some("Group".to_owned()),
        });
        assert_eq!(told(&case), ["Agents holds Reports Reader by being in Admins"]);
        case.facts.members.get_mut(&group).unwrap()[0].object = DirectoryObject::Other;
        assert_eq!(told(&case), [""; 0]);
    }

    #[test]
    fn an_administrative_unit_is_called_by_its_name_if_that_was_read() {
        let scope = "/administrativeUnits/AU-1";
        let mut case = Case::new().scoped("Agents", ROLE, scope);
        assert_eq!(told(&case), [format!("Agents holds {ROLE} (scope {scope})")]);
        case.facts.units.insert(scope.to_lowercase(), "Berlin\u{202e}\n office".to_owned());
        assert_eq!(
            told(&case),
            [format!("Agents holds {ROLE} (in the administrative unit Berlin office)")]
        );
    }

    #[test]
    fn who_cannot_sign_in_keeps_no_tenant() {
        let mut case = Case::new().member("Megan", "Global Administrator");
        let keeps = |case: &Case| {
            keeps_a_global_administrator(&case.facts, &case.policy().roster.tenants[0])
        };
        assert!(keeps(&case));
        for object in case.facts.objects.values_mut() {
            if let DirectoryObject::User(user) = object {
                user.account_enabled = Some(false);
            }
        }
        assert!(!keeps(&case));
    }
}
