//! What grants have in common that give the same access, whatever their ids.
//!
//! Microsoft gives a new id to a schedule, and to a permission of an application, that is given anew.
//! Two of them may be there at the same time; each is taken away for itself.

use super::{Grant, Held};
use crate::domain::facts::{AppRoleAssignment, Facts, RoleAssignment, ScheduleInstance};
use crate::domain::id::Sha256Hex;

impl Grant {
    /// What grants have in common by which the same principal holds the same role, in the same place
    /// and by the same way. An active schedule and an assignment are one way: what is assigned by a
    /// schedule shows as both.
    pub fn likeness(&self) -> Sha256Hex {
        let (way, by) = match &self.held {
            Held::Assignment { .. } | Held::Scheduled { .. } => ("active", ""),
            Held::Eligible { .. } => ("eligible", ""),
            Held::ThroughGroup { eligible: false, group, .. } => ("member", group.as_str()),
            Held::ThroughGroup { eligible: true, group, .. } => ("eligible-member", group.as_str()),
            Held::AppRole { resource, .. } => ("app-role", resource.as_deref().unwrap_or_default()),
        };
        Sha256Hex::of_fields(&[
            "likeness/v1",
            way,
            &by.to_ascii_lowercase(),
            self.principal.as_str(),
            &self.role.definition_id.to_ascii_lowercase(),
            &self.scope.to_ascii_lowercase(),
        ])
    }

    /// Whether `facts` show it, or another one like it.
    pub fn is_alike_in(&self, facts: &Facts) -> bool {
        let assigned = || facts.assignments.iter().any(|held| self.is_like_assignment(held));
        match &self.held {
            Held::Assignment { .. } | Held::Scheduled { .. } => {
                assigned() || facts.active.iter().any(|held| self.is_like_schedule(held))
            }
            Held::Eligible { .. } => facts.eligible.iter().any(|held| self.is_like_schedule(held)),
            Held::ThroughGroup { group, eligible, .. } => {
                let of_group = Self { principal: group.clone(), ..self.clone() };
                let direct = |held| of_group.is_like_schedule(held);
                let holds = if *eligible {
                    facts.eligible.iter().any(direct)
                } else {
                    facts.assignments.iter().any(|held| of_group.is_like_assignment(held))
                        || facts.active.iter().any(direct)
                };
                let members = facts.members.get(group);
                holds && members.is_some_and(|all| all.iter().any(|m| m.id == self.principal))
            }
            Held::AppRole { .. } => {
                let own = facts.apps.iter().filter(|app| app.id == self.principal);
                own.flat_map(|app| &app.app_roles).any(|held| self.is_like_app_role(held))
            }
        }
    }

    /// Whether an assignment gives its principal its role in its place.
    pub fn is_like_assignment(&self, held: &RoleAssignment) -> bool {
        held.principal_id == self.principal
            && self.is_role_at(&held.role_definition_id, &held.directory_scope_id)
    }

    /// Whether a schedule of its principal's own gives it its role in its place.
    pub fn is_like_schedule(&self, held: &ScheduleInstance) -> bool {
        held.principal_id == self.principal
            && self.is_role_at(&held.role_definition_id, &held.directory_scope_id)
            && !held.member_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("group"))
    }

    /// Whether what an application was granted is the same permission of the same API.
    pub fn is_like_app_role(&self, held: &AppRoleAssignment) -> bool {
        let Held::AppRole { resource, .. } = &self.held else { return false };
        held.app_role_id.eq_ignore_ascii_case(&self.role.definition_id)
            && held.resource_id == *resource
    }

    fn is_role_at(&self, definition: &str, scope: &str) -> bool {
        definition.eq_ignore_ascii_case(&self.role.definition_id)
            && scope.eq_ignore_ascii_case(&self.scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::Case;
    use crate::domain::grant::grants;
    use crate::domain::id::{AssignmentId, PrincipalId};

    const UPN: &str = "svc@woodgrove.example";
    const ROLE: &str = "Reports Reader";
    const MAIL: &str = "alice@contoso-reseller.example";

    fn grant(case: &Case) -> Grant {
        let grants = grants(&case.facts, &case.policy().roster.tenants[0]);
        let [grant] = grants.as_slice() else { panic!("{grants:#?}") };
        grant.clone()
    }

    fn account() -> Case {
        Case::new().account(UPN)
    }

    fn member() -> Case {
        Case::new().own_group("Admins", ROLE).guest_in("Admins", "Alice", MAIL)
    }

    fn eligible_member() -> Case {
        Case::new().eligible_group("Admins", ROLE).guest_in("Admins", "Alice", MAIL)
    }

    fn app() -> Case {
        let id = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8";
        let mut case = Case::new().app_with("Sync", id, "Microsoft Graph");
        case.facts.apps[0].app_roles[0].resource_id = Some("api".into());
        case
    }

    /// One case for each way.
    fn ways() -> [Case; 6] {
        [
            Case::new().dedicated_account(UPN, ROLE),
            account().active(UPN, ROLE, None),
            account().eligible(UPN, ROLE, None),
            member(),
            eligible_member(),
            app(),
        ]
    }

    /// The same access as Microsoft shows it once it was given anew: by other ids, in other case.
    fn anew(case: &Case) -> Case {
        let mut case = case.clone();
        let id = AssignmentId("anew".to_owned());
        let facts = &mut case.facts;
        for held in &mut facts.assignments {
            held.id = id.clone();
            held.role_definition_id.make_ascii_uppercase();
        }
        for held in facts.active.iter_mut().chain(&mut facts.eligible) {
            held.id = id.clone();
            held.role_definition_id.make_ascii_uppercase();
        }
        for held in facts.apps.iter_mut().flat_map(|app| &mut app.app_roles) {
            held.id = id.clone();
            held.app_role_id.make_ascii_uppercase();
        }
        case
    }

    #[test]
    fn what_is_given_anew_is_another_grant_like_it() {
        for case in ways() {
            let (before, after) = (grant(&case), grant(&anew(&case)));
            assert_ne!(before.key(), after.key(), "{after:#?}");
            assert_eq!(before.likeness(), after.likeness(), "{after:#?}");
            assert!(before.is_alike_in(&anew(&case).facts) && before.is_alike_in(&case.facts));
            assert!(!before.is_seen_in(&anew(&case).facts), "{after:#?}");
        }
    }

    #[test]
    fn ways_are_alike_in_themselves_alone_but_for_an_assignment_and_its_schedule() {
        let all = ways();
        for (n, one) in all.iter().enumerate() {
            for (m, other) in all.iter().enumerate() {
                let alike = n == m || (n < 2 && m < 2);
                let (of_one, of_other) = (grant(one), grant(other));
                assert_eq!(of_one.likeness() == of_other.likeness(), alike, "{n} {m}");
                assert_eq!(of_one.is_alike_in(&other.facts), alike, "{n} {m}");
            }
        }
    }

    #[test]
    fn who_holds_it_what_it_is_and_where_make_the_likeness() {
        const SCOPE: &str = "/administrativeUnits/AU-1";
        for case in ways() {
            let it = grant(&case);
            let changed = |change: fn(&mut Grant)| {
                let mut other = it.clone();
                change(&mut other);
                other
            };
            let others = [
                changed(|it| it.principal = PrincipalId::new("another")),
                changed(|it| it.role.definition_id = "another".to_owned()),
                changed(|it| it.scope = SCOPE.to_owned()),
                changed(|it| match &mut it.held {
                    Held::AppRole { resource, .. } => *resource = Some("another".to_owned()),
                    Held::ThroughGroup { group, .. } => *group = PrincipalId::new("another"),
                    Held::Eligible { .. } => it.scope = "/another".to_owned(),
                    Held::Assignment { .. } | Held::Scheduled { .. } => {
                        let eligibility = AssignmentId("e".to_owned());
                        it.held = Held::Eligible { eligibility, derived: false };
                    }
                }),
            ];
            for (n, other) in others.iter().enumerate() {
                assert_ne!(it.likeness(), other.likeness(), "{n}: {other:#?}");
                // Where an application has a permission is not told.
                let told = n != 2 || !matches!(it.held, Held::AppRole { .. });
                assert_eq!(other.is_alike_in(&case.facts), !told, "{n}: {other:#?}");
            }
            let mut scoped = it.clone();
            SCOPE.clone_into(&mut scoped.scope);
            let mut lower = scoped.clone();
            lower.scope.make_ascii_lowercase();
            assert_eq!(scoped.likeness(), lower.likeness());
            let renamed = changed(|it| it.partner.name = "Renamed".to_owned());
            assert_eq!(it.likeness(), renamed.likeness());
        }
    }

    #[test]
    fn a_schedule_that_is_there_for_a_group_is_not_like_ones_own() {
        for mut case in [account().active(UPN, ROLE, None), account().eligible(UPN, ROLE, None)] {
            let it = grant(&case);
            for held in case.facts.active.iter_mut().chain(&mut case.facts.eligible) {
                held.member_type = Some("GROUP".to_owned());
            }
            assert!(!it.is_alike_in(&case.facts));
        }
    }

    #[test]
    fn who_is_out_of_the_group_or_in_one_without_the_role_has_not_the_same_access() {
        for case in [member(), eligible_member()] {
            let it = grant(&case);
            let mut out = case.clone();
            out.facts.members.values_mut().for_each(Vec::clear);
            assert!(!it.is_alike_in(&out.facts));
            let mut without = case;
            without.facts.assignments.clear();
            without.facts.eligible.clear();
            assert!(!it.is_alike_in(&without.facts));
        }
        let mut scheduled = member();
        scheduled.facts.assignments.clear();
        let scheduled = scheduled.scheduled_group("Admins", ROLE);
        assert!(grant(&member()).is_alike_in(&scheduled.facts), "the group has it by a schedule");
    }
}
