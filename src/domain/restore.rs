//! What was taken away, put back: planned and guarded before anything is done.
//!
//! What is put back is exactly what the record of the step says was taken: the same principal, role,
//! scope and end. Nothing is taken from the request of whoever asks.

mod holder;
mod lasting;
pub mod there;
mod undo;

use jiff::Timestamp;

use self::lasting::Next;
use super::case::{Case, Row, StepRow};
use super::facts::Facts;
use super::grant::{Grant, Held};
use super::id::{PartnerId, PrincipalId, StepId, TenantId};
use super::plan::{Remediation, StepState, Target};
use super::policy::Policy;
use super::proof::Seen;
use super::roster::{AffectedPartner, Tenant};
use super::stop::Stop;
use super::text;

/// What puts something back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restoration {
    /// A role assignment of its own.
    AssignRole {
        /// Who is to hold the role.
        principal: PrincipalId,
        /// The role.
        role_definition_id: String,
        /// Where.
        scope: String,
    },
    /// A role by a schedule of Privileged Identity Management.
    AssignSchedule {
        /// Whether it may only be activated.
        eligible: bool,
        /// Who is to hold the role.
        principal: PrincipalId,
        /// The role.
        role_definition_id: String,
        /// Where.
        scope: String,
        /// When it ends; nothing for one without an end.
        ends: Option<Timestamp>,
    },
    /// Membership of a group.
    AddGroupMember {
        /// The groups that the member was directly in.
        groups: Vec<PrincipalId>,
        /// The member.
        member: PrincipalId,
    },
    /// An application permission.
    AssignAppRole {
        /// The service principal that is to have it.
        app: PrincipalId,
        /// The service principal of the API.
        resource: String,
        /// The permission.
        app_role_id: String,
    },
    /// Signing in, to an account.
    EnableAccount {
        /// The account.
        account: PrincipalId,
    },
    /// Signing in, to an application.
    EnableApp {
        /// The service principal.
        app: PrincipalId,
    },
    /// The partner's people are let in again.
    EndQuarantine {
        /// The partner.
        partner: PartnerId,
    },
    /// A relationship extends itself again.
    AutoExtend {
        /// The relationship.
        relationship: String,
        /// By how much, ISO 8601.
        duration: String,
    },
    /// What a relationship gave to a group.
    CreateAccessAssignment {
        /// The relationship.
        relationship: String,
        /// The group.
        group: PrincipalId,
        /// The roles, by template id.
        roles: Vec<String>,
    },
}

impl Restoration {
    /// The application permissions it takes, the weakest that do.
    ///
    /// Source: the "Permissions" tables of the Microsoft Graph documentation of each call.
    pub fn permissions(&self) -> &'static [&'static str] {
        let undoes = match self {
            Self::AssignRole { .. } => Remediation::RevokeRoleAssignment,
            Self::AssignSchedule { eligible: true, .. } => Remediation::RemoveEligibility,
            Self::AssignSchedule { eligible: false, .. } => Remediation::RemoveScheduledAssignment,
            Self::AddGroupMember { .. } => Remediation::RemoveGroupMember,
            Self::AssignAppRole { .. } => Remediation::RemoveAppRole,
            Self::EnableAccount { .. } => Remediation::DisableGuest,
            Self::EnableApp { .. } => Remediation::DisableApp,
            Self::EndQuarantine { .. } => Remediation::Quarantine,
            Self::AutoExtend { .. } => Remediation::StopAutoExtend,
            Self::CreateAccessAssignment { .. } => Remediation::DeleteAccessAssignment,
        };
        undoes.permissions()
    }
}

/// What is to be put back of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// The partner that gets it back.
    pub partner: AffectedPartner,
    /// One entry for each step of the record that was carried out.
    pub items: Vec<Item>,
    /// Whether it is put back although all is stopped.
    pub while_stopped: bool,
}

/// One step that was carried out, and whether it is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The step.
    pub step: StepId,
    /// What it had done, with names.
    pub had_done: String,
    /// What is to happen.
    pub verdict: Verdict,
    /// What the policy will make of it once it is put back, for whoever decides; nothing where it
    /// is left alone.
    pub afterwards: Option<String>,
}

/// Whether a step is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is put back.
    PutBack(Restoration),
    /// An earlier attempt put it back, and how that ended was not written down. That is done now.
    WriteDown,
    /// There is nothing to put back, and why.
    Needless(String),
    /// It is not put back, and why.
    Refused(String),
}

/// What a step had been done to, as its row tells.
pub fn target_of(row: &Row) -> Option<Target> {
    let step = row.step.as_ref()?;
    let grant = || row.findings.iter().find_map(|finding| finding.grant.clone());
    step.target.clone().or_else(|| grant().map(|grant| Target::Grant(Box::new(grant))))
}

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Only these steps; all of the record where it is empty.
    pub only: Vec<StepId>,
    /// Whether to put back even what the policy would take away again.
    pub anyway: bool,
    /// Whether to put it back although all is stopped.
    pub while_stopped: bool,
}

/// What reading showed of a step, and what is written down of putting it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// Whether what it took away is there.
    pub seen: Seen,
    /// Whether somebody began to put it back, and it was not seen to be there since.
    pub begun: bool,
}

/// What a restoration is judged by.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The tenant, as the policy names it.
    pub tenant: &'a Tenant,
    /// What was read to tell whose the principals are; nothing where no step is about one.
    pub facts: Option<&'a Facts>,
    /// That nothing is to be written.
    pub stopped: Option<&'a Stop>,
    /// The moment of the decision.
    pub now: Timestamp,
}

/// Plans to put back what the steps of a case took away. `now` says of a step what its target looks
/// like. What the policy would take away again at the next look is refused unless the wish insists
/// on it, and so is everything while all is stopped.
pub fn restore_plan(
    case: &Case,
    wish: &Wish,
    now: impl Fn(&StepId) -> Now,
    about: About<'_>,
) -> RestorePlan {
    let rows = case.rows.iter().filter_map(|row| Some((row, row.step.as_ref()?)));
    let wanted = rows.filter(|(_, step)| wish.only.is_empty() || wish.only.contains(&step.id));
    let items = wanted.filter(|(_, step)| was_begun(step.state)).map(|(row, step)| {
        let decided = decide(case, row, step, &now(&step.id), wish, about);
        let (verdict, afterwards) = match decided {
            Ok((restoration, afterwards)) => (Verdict::PutBack(restoration), afterwards),
            Err(verdict) => (verdict, None),
        };
        Item { step: step.id.clone(), had_done: step.summary.clone(), verdict, afterwards }
    });
    RestorePlan {
        tenant: case.tenant,
        tenant_name: case.tenant_name.clone(),
        partner: case.partner.clone(),
        items: items.collect(),
        while_stopped: wish.while_stopped,
    }
}

/// Whether Graph may have taken the step.
fn was_begun(state: StepState) -> bool {
    match state {
        StepState::Intended
        | StepState::Revoked
        | StepState::Verified
        | StepState::Reappeared
        | StepState::Unverified
        | StepState::Restored => true,
        StepState::Described
        | StepState::AwaitingApproval
        | StepState::Held
        | StepState::Refused => false,
    }
}

/// What puts a step back, and what comes of that; else why it is not put back.
fn decide(
    case: &Case,
    row: &Row,
    step: &StepRow,
    now: &Now,
    wish: &Wish,
    about: About<'_>,
) -> Result<(Restoration, Option<String>), Verdict> {
    let refused = |why: &str| Verdict::Refused(why.to_owned());
    let needless = |why: &str| Verdict::Needless(why.to_owned());
    if let Some(why) = step.remediation.cannot_be_undone() {
        return Err(refused(why));
    }
    match &now.seen {
        Seen::There if now.begun => return Err(Verdict::WriteDown),
        Seen::There => return Err(needless("it is there already")),
        Seen::Unread => {
            return Err(refused("it could not be read whether it is there; try again later"));
        }
        // A long-running operation that failed took nothing away.
        Seen::Failed { .. } => return Err(needless("it is there still")),
        Seen::Gone => {}
    }
    let target = target_of(row);
    let target = target.ok_or_else(|| refused("the record does not say what it was done to"))?;
    let partner = case.partner.id;
    let restoration = restoration(step.remediation, &target, partner, about.now);
    let restoration = restoration.map_err(Verdict::Refused)?;
    holder::check(&target, &case.partner, about).map_err(Verdict::Refused)?;
    let afterwards = match lasting::next(case, row, step, &target, about) {
        Next::Left => None,
        Next::TakenAway { mend, .. } if !wish.anyway => {
            return Err(Verdict::Refused(format!("{mend}, or say --anyway")));
        }
        Next::Told(what) | Next::TakenAway { what, .. } => Some(what),
    };
    match about.stopped {
        Some(all) if !wish.while_stopped => Err(Verdict::Refused(format!(
            "{}, or say --while-stopped to put this back all the same",
            all.holds()
        ))),
        _ => Ok((restoration, afterwards)),
    }
}

/// What puts back what a step did.
fn restoration(
    remediation: Remediation,
    target: &Target,
    partner: Option<PartnerId>,
    now: Timestamp,
) -> Result<Restoration, String> {
    let missing = || "the record does not say enough to put it back".to_owned();
    match (target, remediation) {
        (Target::Grant(grant), _) => of_grant(grant, now),
        (Target::Principal { principal, .. }, Remediation::DisableGuest) => {
            Ok(Restoration::EnableAccount { account: principal.clone() })
        }
        (Target::Principal { principal, .. }, Remediation::DisableApp) => {
            Ok(Restoration::EnableApp { app: principal.clone() })
        }
        (Target::Partner, Remediation::Quarantine) => {
            Ok(Restoration::EndQuarantine { partner: partner.ok_or_else(missing)? })
        }
        (Target::Relationship { relationship, auto_extend, .. }, Remediation::StopAutoExtend) => {
            let duration = auto_extend.clone().ok_or_else(missing)?;
            Ok(Restoration::AutoExtend { relationship: relationship.clone(), duration })
        }
        (
            Target::AccessAssignment { relationship, group, roles, .. },
            Remediation::DeleteAccessAssignment,
        ) => Ok(Restoration::CreateAccessAssignment {
            relationship: relationship.clone(),
            group: group.clone(),
            roles: roles.clone(),
        }),
        _ => Err(missing()),
    }
}

fn of_grant(grant: &Grant, now: Timestamp) -> Result<Restoration, String> {
    let principal = grant.principal.clone();
    let role_definition_id = grant.role.definition_id.clone();
    let scope = grant.scope.clone();
    if let Some(ends) = grant.ends.filter(|ends| *ends <= now) {
        return Err(format!("it would have ended by itself at {ends}"));
    }
    if let Some(why) = undo::of_grant(grant) {
        return Err(why.to_owned());
    }
    let scheduled = |eligible, principal, role_definition_id, scope| Restoration::AssignSchedule {
        eligible,
        principal,
        role_definition_id,
        scope,
        ends: grant.ends,
    };
    Ok(match &grant.held {
        // What had a schedule gets one again; an end can be given by nothing else.
        Held::Assignment { scheduled: is, .. } if *is || grant.ends.is_some() => {
            scheduled(false, principal, role_definition_id, scope)
        }
        Held::Assignment { .. } => Restoration::AssignRole { principal, role_definition_id, scope },
        Held::Scheduled { .. } => scheduled(false, principal, role_definition_id, scope),
        Held::Eligible { .. } => scheduled(true, principal, role_definition_id, scope),
        Held::ThroughGroup { group, within, .. } => {
            let mut groups: Vec<PrincipalId> = within.iter().map(|it| it.group.clone()).collect();
            if groups.is_empty() {
                groups.push(group.clone());
            }
            Restoration::AddGroupMember { groups, member: principal }
        }
        Held::AppRole { resource: Some(resource), .. } => Restoration::AssignAppRole {
            app: principal,
            resource: resource.clone(),
            app_role_id: role_definition_id,
        },
        Held::AppRole { resource: None, .. } => {
            let holder = text::foreign(&grant.principal_name);
            return Err(format!("the record does not say of which API {holder} had it"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::case::{Outcome, after_look};
    use crate::domain::facts::{DirectoryObject, Gap, GapCause, Part};
    use crate::domain::finding::testing::{CONTOSO, Case as Given, STRANGER, noon};
    use crate::domain::grant::PrincipalKind;
    use crate::domain::plan::{Circumstances, History, plan};

    const REVOKE: &str = "respond: {role-not-allowed: {do: revoke}, guest-with-role: {do: revoke}, \
                          standing-access: {do: revoke}, role-via-group: {do: revoke}, \
                          partner-app-privileged: {do: revoke}, privileged-role: {do: revoke}}";

    fn given() -> Given {
        Given::new().with_policy(REVOKE).member("Megan", "Global Administrator")
    }

    /// The case after everything was carried out that it gives reason to.
    fn done(given: &Given, state: StepState) -> Case {
        let policy = given.policy();
        let (tenant, history) = (&policy.roster.tenants[0], &History::default());
        let about = Circumstances {
            policy: &policy,
            tenant,
            history,
            own_apps: &[],
            stopped: None,
            now: noon(),
        };
        let planned = plan(&given.facts, about);
        let mut case = after_look(&[], &planned, &given.facts, noon()).swap_remove(0);
        let steps: Vec<StepId> =
            case.rows.iter().filter_map(|row| Some(row.step.as_ref()?.id.clone())).collect();
        for step in &steps {
            case.settle(step, &Outcome { state, detail: None, request_id: None, acted_at: None });
        }
        case
    }

    /// What is read before anything is put back: everybody is looked up by id.
    fn looked_up(given: &Given) -> Facts {
        let mut facts = given.facts.clone();
        let members = given.facts.members.values().flatten();
        let members = members.map(|it| (it.id.clone(), it.object.clone()));
        let apps = given.facts.apps.iter();
        let apps =
            apps.map(|it| (it.id.clone(), DirectoryObject::ServicePrincipal(it.app.clone())));
        let guests = given.facts.guests.iter();
        let guests = guests.map(|(id, user)| (id.clone(), DirectoryObject::User(user.clone())));
        for (id, object) in members.chain(apps).chain(guests) {
            facts.objects.entry(id).or_insert(object);
        }
        facts
    }

    fn items(case: &Case, given: &Given, seen: &Seen, wish: &Wish) -> Vec<Item> {
        let policy = given.policy();
        let tenant = &policy.roster.tenants[0];
        let facts = looked_up(given);
        let facts = Some(&facts);
        let about = About { policy: &policy, tenant, facts, stopped: None, now: noon() };
        let now = Now { seen: seen.clone(), begun: false };
        restore_plan(case, wish, |_| now.clone(), about).items
    }

    fn restored(case: &Case, given: &Given, seen: &Seen, anyway: bool) -> Vec<Verdict> {
        let items = items(case, given, seen, &Wish { anyway, ..Wish::default() });
        items.into_iter().map(|item| item.verdict).collect()
    }

    /// Why nothing is put back.
    #[track_caller]
    fn why(verdicts: &[Verdict]) -> &str {
        let [Verdict::Refused(why)] = verdicts else { panic!("{verdicts:?}") };
        why
    }

    #[track_caller]
    fn check(given: &Given, expect: &Restoration) {
        let case = done(given, StepState::Verified);
        let verdicts = restored(&case, given, &Seen::Gone, true);
        assert_eq!(verdicts, [Verdict::PutBack(expect.clone())]);
    }

    fn reader() -> String {
        crate::domain::role::by_name("Reports Reader").unwrap().template_id.to_string()
    }

    #[test]
    fn exactly_what_was_taken_is_put_back() {
        let ends = "2026-12-31T00:00:00Z";
        let scheduled = |eligible, principal, ends: Option<&str>| Restoration::AssignSchedule {
            eligible,
            principal,
            role_definition_id: reader(),
            scope: "/".into(),
            ends: ends.map(|ends| ends.parse().unwrap()),
        };
        let group = given().foreign_group("Agents", "Reports Reader");
        let principal =
            |given: &Given| given.facts.assignments.last().unwrap().principal_id.clone();
        let assigned = Restoration::AssignRole {
            principal: principal(&group),
            role_definition_id: reader(),
            scope: "/".into(),
        };
        check(&group, &assigned);
        let scope = "/administrativeUnits/aaaaaaaa-0000-0000-0000-000000000001";
        let scoped = given().scoped("Agents", "Reports Reader", scope);
        let assigned = Restoration::AssignRole {
            principal: principal(&scoped),
            role_definition_id: reader(),
            scope: scope.into(),
        };
        check(&scoped, &assigned);
        let guest = || given().guest_alone("Alice", "alice@contoso-reseller.example");
        for until in [None, Some(ends)] {
            let eligible = guest().eligible("Alice", "Reports Reader", until);
            let id = eligible.facts.eligible[0].principal_id.clone();
            check(&eligible, &scheduled(true, id, until));
            let active = guest().active("Alice", "Reports Reader", until);
            let id = active.facts.active[0].principal_id.clone();
            check(&active, &scheduled(false, id, until));
            // An assignment that had a schedule gets one again.
            let mail = "alice@contoso-reseller.example";
            let both = given().guest("Alice", mail, "Reports Reader");
            let both = both.active("Alice", "Reports Reader", until);
            check(&both, &scheduled(false, principal(&both), until));
        }
        let member = given().own_group("Readers", "Reports Reader").guest_in(
            "Readers",
            "Alice",
            "alice@contoso-reseller.example",
        );
        let (group, members) = member.facts.members.iter().next().unwrap();
        check(
            &member,
            &Restoration::AddGroupMember {
                groups: vec![group.clone()],
                member: members[0].id.clone(),
            },
        );
    }

    #[test]
    fn an_application_gets_its_permission_of_the_same_api() {
        let given =
            given().app_with("Backup", "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", "Microsoft Graph");
        let mut resource = given.clone();
        resource.facts.apps[0].app_roles[0].resource_id = Some("api".into());
        let app = &resource.facts.apps[0];
        check(
            &resource,
            &Restoration::AssignAppRole {
                app: app.id.clone(),
                resource: "api".into(),
                app_role_id: app.app_roles[0].app_role_id.clone(),
            },
        );
        let mut without = given;
        without.facts.apps[0].app_roles[0].resource_id = None;
        let case = done(&without, StepState::Verified);
        assert!(why(&restored(&case, &without, &Seen::Gone, true)).contains("which API"));
        assert!(case.rows.iter().any(|row| row.cannot_be_undone().is_some()), "said before");
    }

    #[test]
    fn what_is_there_already_or_cannot_be_read_is_left_alone() {
        let given = given().foreign_group("Agents", "Reports Reader");
        let case = done(&given, StepState::Verified);
        let verdicts = restored(&case, &given, &Seen::There, true);
        assert_eq!(verdicts, [Verdict::Needless("it is there already".into())]);
        let verdicts = restored(&case, &given, &Seen::Unread, true);
        assert!(why(&verdicts).contains("could not be read"));
    }

    #[test]
    fn what_an_earlier_attempt_put_back_is_written_down_and_not_done_again() {
        let given = given().foreign_group("Agents", "Reports Reader");
        let case = done(&given, StepState::Verified);
        let policy = given.policy();
        let tenant = &policy.roster.tenants[0];
        let about = About { policy: &policy, tenant, facts: None, stopped: None, now: noon() };
        let wish = Wish { anyway: true, ..Wish::default() };
        let verdict = |seen: Seen, begun| {
            let now = Now { seen, begun };
            restore_plan(&case, &wish, |_| now.clone(), about).items.remove(0).verdict
        };
        assert_eq!(verdict(Seen::There, true), Verdict::WriteDown);
        assert_eq!(verdict(Seen::There, false), Verdict::Needless("it is there already".into()));
        assert!(matches!(verdict(Seen::Gone, true), Verdict::PutBack(_)), "it came to nothing");
        assert!(matches!(verdict(Seen::Unread, true), Verdict::Refused(_)));
    }

    #[test]
    fn nothing_is_put_back_while_all_is_stopped_unless_somebody_insists() {
        let given = given().foreign_group("Agents", "Reports Reader");
        let case = done(&given, StepState::Verified);
        let policy = given.policy();
        let tenant = &policy.roster.tenants[0];
        for stop in [Stop::new("INC-7", noon()), Stop::unreadable()] {
            let stopped = Some(&stop);
            let about = About { policy: &policy, tenant, facts: None, stopped, now: noon() };
            let planned = |while_stopped, seen: Seen| {
                let wish = Wish { anyway: true, while_stopped, ..Wish::default() };
                let now = Now { seen, begun: true };
                restore_plan(&case, &wish, |_| now.clone(), about)
            };
            let held = planned(false, Seen::Gone);
            let Verdict::Refused(why) = &held.items[0].verdict else { panic!("{held:?}") };
            assert!(why.starts_with("nothing is written"), "{why}");
            assert!(why.ends_with("or say --while-stopped to put this back all the same"), "{why}");
            let insisted = planned(true, Seen::Gone);
            assert!(matches!(insisted.items[0].verdict, Verdict::PutBack(_)));
            assert!(insisted.while_stopped);
            // To write down what is there changes no tenant.
            assert_eq!(planned(false, Seen::There).items[0].verdict, Verdict::WriteDown);
        }
    }

    #[test]
    fn only_the_steps_that_were_named_are_undone() {
        let given = given()
            .foreign_group("Agents", "Reports Reader")
            .foreign_group("Others", "Search Editor");
        let case = done(&given, StepState::Verified);
        let all = items(&case, &given, &Seen::Gone, &Wish { anyway: true, ..Wish::default() });
        assert_eq!(all.len(), 2);
        let only = vec![all[1].step.clone()];
        let wish = Wish { only, anyway: true, ..Wish::default() };
        assert_eq!(items(&case, &given, &Seen::Gone, &wish), all[1..]);
    }

    /// What is said where the directory has changed since.
    #[track_caller]
    fn refused_since(given: &Given, change: impl Fn(&mut Given), expect: &str) {
        let case = done(given, StepState::Verified);
        assert!(matches!(&restored(&case, given, &Seen::Gone, true)[..], [Verdict::PutBack(_)]));
        let mut since = given.clone();
        change(&mut since);
        let verdicts = restored(&case, &since, &Seen::Gone, true);
        assert!(why(&verdicts).contains(expect), "{verdicts:?}");
    }

    fn gap(given: &mut Given, part: Part) {
        given.facts.gaps.push(Gap { part, cause: GapCause::Unavailable, detail: String::new() });
    }

    #[test]
    fn whoever_is_nobody_or_somebody_elses_by_now_gets_nothing_back() {
        let alice = given().guest("Alice", "alice@contoso-reseller.example", "Reports Reader");
        let forget = |given: &mut Given| {
            given.facts.objects.clear();
            given.facts.guests.clear();
        };
        refused_since(&alice, forget, "Alice is not in the directory of Woodgrove any more");
        let become_own = |given: &mut Given| {
            given.facts.guests.clear();
            for object in given.facts.objects.values_mut() {
                if let DirectoryObject::User(user) = object {
                    user.user_principal_name = Some("alice@woodgrove.example".into());
                    user.mail = Some("alice@woodgrove.example".into());
                    user.user_type = Some("Member".into());
                }
            }
        };
        refused_since(
            &alice,
            become_own,
            "Alice is not Contoso Reseller's any more, but Woodgrove's",
        );
        refused_since(
            &alice,
            |given| gap(given, Part::Principals),
            "could not be read whose Alice",
        );
        let app = given().partner_app("Backup", "Reports Reader");
        let sold = |given: &mut Given| {
            for object in given.facts.objects.values_mut() {
                if let DirectoryObject::ServicePrincipal(app) = object {
                    app.app_owner_organization_id = Some(STRANGER.into());
                }
            }
            *given = given.clone().service_provider(STRANGER);
        };
        refused_since(&app, sold, "by now, and not to Contoso Reseller");
        // Of a partner's own directory this one need not know anything.
        let group = given().foreign_group("Agents", "Reports Reader");
        let case = done(&group, StepState::Verified);
        let mut unknown = group.clone();
        unknown.facts.objects.clear();
        let verdicts = restored(&case, &unknown, &Seen::Gone, true);
        assert!(matches!(&verdicts[..], [Verdict::PutBack(_)]), "{verdicts:?}");
    }

    #[test]
    fn whoever_decides_is_told_what_the_policy_will_make_of_it() {
        let alice = given().guest("Alice", "alice@contoso-reseller.example", "Reports Reader");
        let case = done(&alice, StepState::Verified);
        let told = |given: &Given, anyway| {
            let wish = Wish { anyway, ..Wish::default() };
            let item = items(&case, given, &Seen::Gone, &wish).swap_remove(0);
            assert!(matches!(item.verdict, Verdict::PutBack(_)), "{item:?}");
            item.afterwards.unwrap_or_default()
        };
        let mode = |mode| alice.clone().mode(mode);
        let taken = "the next look takes it away again, unless you allow Reports Reader to Contoso \
                     Reseller first (`allow.roles`, or an exception with an end)";
        assert_eq!(told(&alice, true), taken);
        assert!(told(&mode("observe"), false).ends_with("mode observe changes nothing"));
        assert!(told(&mode("approve"), false).starts_with("the next look asks people"));
        assert_eq!(told(&alice.clone().allow(&["Reports Reader"]), false), "");
        let respond = |act: &str| {
            let names =
                ["role-not-allowed", "guest-with-role", "privileged-role", "standing-access"];
            let all: Vec<String> = names.iter().map(|it| format!("{it}: {{do: {act}}}")).collect();
            Given::new()
                .with_policy(&format!("respond: {{{}}}", all.join(", ")))
                .member("Megan", "Global Administrator")
                .guest("Alice", "alice@contoso-reseller.example", "Reports Reader")
        };
        assert_eq!(told(&respond("record"), false), "");
        assert_eq!(told(&respond("ticket"), false), "the next look opens a ticket about it");
        assert!(told(&respond("approve"), false).starts_with("the next look asks people"));
        let upn = "alice_contoso-reseller.example#EXT#@woodgrove.example";
        let protect = format!("guardrails: {{protected: ['{upn}']}}");
        let protected = told(&alice.clone().with_policy(&protect), false);
        assert!(protected.starts_with("it is protected by the policy"), "{protected}");
    }

    #[test]
    fn what_was_never_carried_out_is_not_put_back() {
        let given = given().foreign_group("Agents", "Reports Reader");
        for (state, expect) in [
            (StepState::Described, 0),
            (StepState::AwaitingApproval, 0),
            (StepState::Held, 0),
            (StepState::Refused, 0),
            (StepState::Intended, 1),
            (StepState::Revoked, 1),
            (StepState::Verified, 1),
            (StepState::Reappeared, 1),
            (StepState::Unverified, 1),
            (StepState::Restored, 1),
        ] {
            let case = done(&given, state);
            assert_eq!(restored(&case, &given, &Seen::Gone, true).len(), expect, "{state:?}");
        }
    }

    #[test]
    fn what_an_operation_that_failed_had_left_there_is_left_alone() {
        let given = given().foreign_group("Agents", "Reports Reader");
        let case = done(&given, StepState::Verified);
        let failed = Seen::Failed { what: "terminate".into(), begun: noon() };
        let verdicts = restored(&case, &given, &failed, true);
        assert_eq!(verdicts, [Verdict::Needless("it is there still".into())]);
    }

    #[test]
    fn only_the_steps_that_are_named_are_undone() {
        let given = given()
            .foreign_group("Agents", "Reports Reader")
            .foreign_group("Helpdesk", "Search Editor");
        let case = done(&given, StepState::Verified);
        let policy = given.policy();
        let tenant = &policy.roster.tenants[0];
        let facts = Some(&given.facts);
        let about = About { policy: &policy, tenant, facts, stopped: None, now: noon() };
        let steps = |only: &[StepId]| -> Vec<StepId> {
            let wish = Wish { only: only.to_vec(), anyway: true, ..Wish::default() };
            let now = |_: &StepId| Now { seen: Seen::Gone, begun: false };
            let plan = restore_plan(&case, &wish, now, about);
            plan.items.into_iter().map(|item| item.step).collect()
        };
        let all = steps(&[]);
        assert_eq!(all.len(), 2);
        assert_eq!(steps(&all[1..]), all[1..]);
        assert_eq!(steps(&[]), all, "none named is all");
    }

    #[test]
    fn what_the_policy_would_take_away_again_takes_an_allowance_or_insistence() {
        let given = given().foreign_group("Agents", "Reports Reader");
        let case = done(&given, StepState::Verified);
        let verdict =
            |given: &Given, anyway| restored(&case, given, &Seen::Gone, anyway).swap_remove(0);
        let Verdict::Refused(why) = verdict(&given, false) else { panic!("it would not last") };
        assert!(why.contains("allow Reports Reader to Contoso Reseller first"), "{why}");
        let lasts = |given: &Given, anyway| matches!(verdict(given, anyway), Verdict::PutBack(_));
        assert!(lasts(&given, true));
        assert!(lasts(&given.clone().allow(&["Reports Reader"]), false));
        assert!(lasts(&given.clone().except("Reports Reader", "2026-12-31"), false));
        assert!(!lasts(&given.clone().except("Reports Reader", "2026-01-31"), false));
        assert!(lasts(&given.clone().mode("observe"), false));
        assert!(lasts(&given.clone().mode("approve"), false));
        let told = Given::new()
            .with_policy("respond: {role-not-allowed: {do: ticket}}")
            .foreign_group("Agents", "Reports Reader");
        assert!(lasts(&told, false));
    }

    #[test]
    fn what_has_ended_by_itself_is_not_put_back() {
        let guest = || given().guest_alone("Alice", "alice@contoso-reseller.example");
        let ended = guest().eligible("Alice", "Reports Reader", Some("2026-11-01T00:00:00Z"));
        let activated = guest().activated("Alice", "Reports Reader", "2027-01-01T00:00:00Z");
        for (given, expect) in [(ended, "ended by itself"), (activated, "activate it again")] {
            let case = done(&given, StepState::Verified);
            let verdicts = restored(&case, &given, &Seen::Gone, true);
            assert!(why(&verdicts).contains(expect), "{verdicts:?}");
        }
    }

    #[test]
    fn every_remediation_can_be_undone_or_says_why_not() {
        let principal = Target::Principal {
            principal: PrincipalId::new("p"),
            kind: PrincipalKind::Guest,
            name: "Alice".into(),
            user_principal_name: None,
            app_id: None,
        };
        let relationship = Target::Relationship {
            relationship: "r".into(),
            name: "Everything".into(),
            etag: None,
            roles: Vec::new(),
            auto_extend: Some("P180D".into()),
            last: false,
        };
        let assignment = Target::AccessAssignment {
            relationship: "r".into(),
            name: "Everything".into(),
            access_assignment: "a".into(),
            etag: None,
            group: PrincipalId::new("g"),
            group_name: "Agents".into(),
            roles: vec![reader()],
        };
        for remediation in Remediation::ALL {
            let target = match remediation {
                // A grant is put back by what holds it; the tests above see to them.
                Remediation::RevokeRoleAssignment
                | Remediation::RemoveEligibility
                | Remediation::RemoveScheduledAssignment
                | Remediation::RemoveGroupMember
                | Remediation::RemoveAppRole => continue,
                Remediation::RevokeSessions
                | Remediation::DisableGuest
                | Remediation::DisableApp => &principal,
                Remediation::Quarantine => &Target::Partner,
                Remediation::DropGlobalAdministrator
                | Remediation::StopAutoExtend
                | Remediation::TerminateRelationship => &relationship,
                Remediation::DeleteAccessAssignment => &assignment,
            };
            let undone = restoration(remediation, target, CONTOSO.parse().ok(), noon());
            let can = remediation.cannot_be_undone().is_none();
            assert_eq!(undone.is_ok(), can, "{remediation:?}: {undone:?}");
            if let Ok(undone) = undone {
                assert_eq!(undone.permissions(), remediation.permissions());
            }
        }
    }
}
