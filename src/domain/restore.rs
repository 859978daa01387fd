//! What was taken away, put back: planned and guarded before anything is done.
//!
//! What is put back is exactly what the record of the step says was taken: the same principal, role,
//! scope and end. Nothing is taken from the request of whoever asks.

use jiff::Timestamp;

use super::case::{Case, Row, StepRow};
use super::finding::{Severity, may_stand};
use super::grant::{Grant, Held};
use super::id::{PartnerId, PrincipalId, StepId, TenantId};
use super::plan::{Remediation, StepState, Target};
use super::policy::{Do, Mode, Policy};
use super::proof::Seen;
use super::roster::{AffectedPartner, Tenant};
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

impl Remediation {
    /// Why it cannot be undone; nothing where it can. People are told before it is done.
    pub fn cannot_be_undone(self) -> Option<&'static str> {
        match self {
            Self::RevokeRoleAssignment
            | Self::RemoveEligibility
            | Self::RemoveScheduledAssignment
            | Self::RemoveGroupMember
            | Self::RemoveAppRole
            | Self::DisableGuest
            | Self::DisableApp
            | Self::Quarantine
            | Self::StopAutoExtend
            | Self::DeleteAccessAssignment => None,
            Self::RevokeSessions => Some("sessions that were ended stay ended; sign in anew"),
            Self::DropGlobalAdministrator => Some(
                "Microsoft lets no role be added to an active relationship; ask the customer for a \
                 new one",
            ),
            Self::TerminateRelationship => {
                Some("a relationship that has ended stays ended; ask the customer for a new one")
            }
        }
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
}

/// Whether a step is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is put back.
    PutBack(Restoration),
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

/// Plans to put back what the steps of a case took away: those of `only`, or all of them where it
/// is empty. `seen` says of a step what its target looks like now. What the policy would take away
/// again at the next look is refused, unless `anyway`.
pub fn restore_plan(
    case: &Case,
    only: &[StepId],
    seen: impl Fn(&StepId) -> Seen,
    about: About<'_>,
) -> RestorePlan {
    let rows = case.rows.iter().filter_map(|row| Some((row, row.step.as_ref()?)));
    let wanted = rows.filter(|(_, step)| only.is_empty() || only.contains(&step.id));
    let items = wanted.filter(|(_, step)| was_begun(step.state)).map(|(row, step)| Item {
        step: step.id.clone(),
        had_done: step.summary.clone(),
        verdict: verdict(case, row, step, &seen(&step.id), about),
    });
    RestorePlan {
        tenant: case.tenant,
        tenant_name: case.tenant_name.clone(),
        partner: case.partner.clone(),
        items: items.collect(),
    }
}

/// What a restoration is judged by.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The tenant, as the policy names it.
    pub tenant: &'a Tenant,
    /// The moment of the decision.
    pub now: Timestamp,
    /// Whether to put back even what the policy would take away again.
    pub anyway: bool,
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

fn verdict(case: &Case, row: &Row, step: &StepRow, seen: &Seen, about: About<'_>) -> Verdict {
    if let Some(why) = step.remediation.cannot_be_undone() {
        return Verdict::Refused(why.to_owned());
    }
    match seen {
        Seen::There => return Verdict::Needless("it is there already".to_owned()),
        Seen::Unread => {
            let why = "it could not be read whether it is there; try again later";
            return Verdict::Refused(why.to_owned());
        }
        // A long-running operation that failed took nothing away.
        Seen::Failed { .. } => return Verdict::Needless("it is there still".to_owned()),
        Seen::Gone => {}
    }
    let Some(target) = target_of(row) else {
        return Verdict::Refused("the record does not say what it was done to".to_owned());
    };
    if let Some(why) = would_not_last(case, row, step, &target, about) {
        return Verdict::Refused(why);
    }
    match restoration(step.remediation, &target, case.partner.id, about.now) {
        Ok(restoration) => Verdict::PutBack(restoration),
        Err(why) => Verdict::Refused(why),
    }
}

/// Why it would be taken away again at the next look.
fn would_not_last(
    case: &Case,
    row: &Row,
    step: &StepRow,
    target: &Target,
    about: About<'_>,
) -> Option<String> {
    let About { policy, tenant, now, anyway } = about;
    let stands = match target {
        Target::Grant(grant) => may_stand(grant, tenant, policy, now),
        Target::Principal { .. }
        | Target::Partner
        | Target::Relationship { .. }
        | Target::AccessAssignment { .. } => false,
    };
    let answered = case.rows.iter().filter(|other| step.answers.contains(&other.key));
    let findings = answered.chain([row]).flat_map(|row| &row.findings);
    let act = |severity: Severity, finding| policy.response(finding, severity).act;
    let strongest = findings.map(|found| act(found.severity, found.finding)).max();
    let taken_away = strongest.is_some_and(|act| act >= Do::Quarantine);
    if anyway || stands || !taken_away || policy.mode != Mode::Enforce {
        return None;
    }
    Some(match target {
        Target::Grant(grant) => format!(
            "the policy would take it away again at the next look; allow {} to {} first \
             (`allow.roles`, or an exception with an end), or say --anyway",
            grant.role.name, grant.partner.name
        ),
        Target::Principal { .. }
        | Target::Partner
        | Target::Relationship { .. }
        | Target::AccessAssignment { .. } => {
            "the policy would do the same again at the next look; change it first, or say --anyway"
                .to_owned()
        }
    })
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
    if grant.activated {
        return Err(
            "it had been activated for some hours; its holder may activate it again while \
                    eligible"
                .to_owned(),
        );
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
    use crate::domain::finding::testing::{CONTOSO, Case as Given, noon};
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

    fn restored(case: &Case, given: &Given, seen: &Seen, anyway: bool) -> Vec<Verdict> {
        let policy = given.policy();
        let tenant = &policy.roster.tenants[0];
        let about = About { policy: &policy, tenant, now: noon(), anyway };
        let plan = restore_plan(case, &[], |_| seen.clone(), about);
        plan.items.into_iter().map(|item| item.verdict).collect()
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
        let verdicts = restored(&case, &without, &Seen::Gone, true);
        assert!(matches!(&verdicts[..], [Verdict::Refused(why)] if why.contains("which API")));
    }

    #[test]
    fn what_is_there_already_or_cannot_be_read_is_left_alone() {
        let given = given().foreign_group("Agents", "Reports Reader");
        let case = done(&given, StepState::Verified);
        let verdicts = restored(&case, &given, &Seen::There, true);
        assert_eq!(verdicts, [Verdict::Needless("it is there already".into())]);
        let verdicts = restored(&case, &given, &Seen::Unread, true);
        assert!(
            matches!(&verdicts[..], [Verdict::Refused(why)] if why.contains("could not be read"))
        );
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
        let about = About { policy: &policy, tenant, now: noon(), anyway: true };
        let steps = |only: &[StepId]| -> Vec<StepId> {
            let plan = restore_plan(&case, only, |_| Seen::Gone, about);
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
            assert!(
                matches!(&verdicts[..], [Verdict::Refused(why)] if why.contains(expect)),
                "{verdicts:?}"
            );
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
