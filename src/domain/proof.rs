//! Whether what a step was to bring about is so, as far as was read.

mod found;
mod relationship;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Part};
use super::grant::{Grant, Held};
use super::id::PrincipalId;
use super::plan::{Remediation, Step, Target};

pub use self::found::found;

/// How far Microsoft's clock may be behind ours: by it sessions are said to have ended.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// What reading again showed of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// What it was to take away is gone, or what it was to bring about is so.
    Gone,
    /// It is still there.
    There,
    /// It is still there, and the last thing that Microsoft was asked to do about it in its own time
    /// came to nothing.
    Failed {
        /// What that was, in Microsoft's word for it, fit to show.
        what: String,
        /// When it was begun.
        begun: Timestamp,
    },
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
        Target::Principal { .. } if step.remediation == Remediation::DisableApp => {
            &[Part::PartnerApps]
        }
        Target::Principal { .. } => &[Part::Accounts],
        Target::Partner => &[Part::ConditionalAccess],
        Target::Relationship { .. } | Target::AccessAssignment { .. } => &[Part::Relationships],
    }
}

/// What `facts`, of which [`parts`] were read, show of a step. What was seen counts also where not
/// all of it could be read.
pub fn seen(step: &Step, facts: &Facts) -> Seen {
    let there = match &step.target {
        Target::Grant(grant) => still_held(grant, facts),
        Target::Principal { principal, .. } => return signs_in(step, principal, facts),
        Target::Partner => return comes_in(step, facts),
        Target::Relationship { .. } | Target::AccessAssignment { .. } => {
            match relationship::seen(step.remediation, &step.target, facts) {
                Seen::Gone => false,
                seen @ (Seen::There | Seen::Failed { .. } | Seen::Unread) => return seen,
            }
        }
    };
    let unread = facts.gaps.iter().any(|gap| parts(step).contains(&gap.part));
    match there {
        true => Seen::There,
        false if unread => Seen::Unread,
        false => Seen::Gone,
    }
}

/// Whether a whole look shows that what was to be taken from a relationship is gone.
pub fn is_gone_from_relationship(remediation: Remediation, target: &Target, facts: &Facts) -> bool {
    let unread = facts.gaps.iter().any(|gap| gap.part == Part::Relationships);
    !unread && relationship::seen(remediation, target, facts) == Seen::Gone
}

/// Whether a principal may sign in still, or by a session it had. One that does not exist any more
/// does neither; of one that was read without the answer nothing is known.
fn signs_in(step: &Step, principal: &PrincipalId, facts: &Facts) -> Seen {
    let sign_in = match facts.sign_ins.get(principal) {
        Some(Some(sign_in)) => sign_in,
        Some(None) => return Seen::Gone,
        None => return Seen::Unread,
    };
    let ended = if step.remediation == Remediation::RevokeSessions {
        let since = sign_in.sign_in_sessions_valid_from_date_time.zip(step.since);
        since.map(|(valid_from, since)| since - CLOCKS_APART <= valid_from)
    } else {
        sign_in.account_enabled.map(|enabled| !enabled)
    };
    match ended {
        Some(true) => Seen::Gone,
        Some(false) => Seen::There,
        None => Seen::Unread,
    }
}

/// Whether a partner's people are not kept out by the policy that was made. One that was seen to
/// be as it should be counts also where not all could be read.
fn comes_in(step: &Step, facts: &Facts) -> Seen {
    let Some(quarantine) = &step.quarantine else { return Seen::Unread };
    let found = quarantine.found_in(&facts.conditional_access);
    if found.is_some_and(|policy| quarantine.is_met_by(policy)) {
        Seen::Gone
    } else if facts.gaps.iter().any(|gap| gap.part == Part::ConditionalAccess) {
        Seen::Unread
    } else {
        Seen::There
    }
}

/// Whether the grant is there, under its own id or another.
fn still_held(grant: &Grant, facts: &Facts) -> bool {
    match &grant.held {
        Held::Assignment { assignment, .. } => {
            let mut all = facts.assignments.iter();
            all.any(|held| held.id == *assignment || grant.is_like_assignment(held))
        }
        Held::Scheduled { schedule: id, .. } => {
            facts.active.iter().any(|held| held.id == *id || grant.is_like_schedule(held))
        }
        Held::Eligible { eligibility: id, .. } => {
            facts.eligible.iter().any(|held| held.id == *id || grant.is_like_schedule(held))
        }
        Held::ThroughGroup { group, .. } => facts
            .members
            .get(group)
            .is_some_and(|members| members.iter().any(|member| member.id == grant.principal)),
        Held::AppRole { app_role, .. } => {
            let own = facts.apps.iter().filter(|app| app.id == grant.principal);
            own.flat_map(|app| &app.app_roles)
                .any(|held| held.id == *app_role || grant.is_like_app_role(held))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::GapCause;
    use crate::domain::finding::testing::Case;
    use crate::domain::grant::grants;
    use crate::domain::id::{AssignmentId, Sha256Hex, StepId};
    use crate::domain::plan::{Remediation, Verdict};

    const UPN: &str = "svc@woodgrove.example";
    const ROLE: &str = "Reports Reader";

    fn step(case: &Case) -> Step {
        let grants = grants(&case.facts, &case.policy().roster.tenants[0]);
        let [grant] = grants.as_slice() else { panic!("{grants:#?}") };
        Step {
            id: StepId(Sha256Hex::of_fields(&["step"])),
            episode: 0,
            partner: grant.partner.clone(),
            remediation: Remediation::of(&grant.held),
            target: Target::Grant(Box::new(grant.clone())),
            because: Vec::new(),
            answers: Vec::new(),
            verdict: Verdict::CarryOut,
            approval: None,
            waits: false,
            quarantine: None,
            since: None,
        }
    }

    fn group() -> Case {
        group_with("Alice")
    }

    fn group_with(name: &str) -> Case {
        let case = Case::new().own_group("Admins", ROLE);
        case.guest_in("Admins", name, &format!("{name}@contoso-reseller.example"))
    }

    fn app() -> Case {
        app_called("Sync")
    }

    fn app_called(name: &str) -> Case {
        let id = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8";
        Case::new().app_with(name, id, "Microsoft Graph").account(UPN)
    }

    /// A way to hold a role, what is read to see it, and what takes it away.
    type Way = (Case, Part, fn(&mut Facts));

    fn ways() -> Vec<Way> {
        let account = || Case::new().account(UPN);
        vec![
            (Case::new().dedicated_account(UPN, ROLE), Part::RoleAssignments, |facts| {
                facts.assignments.clear();
            }),
            (account().active(UPN, ROLE, None), Part::ActiveSchedules, |facts| {
                facts.active.clear();
            }),
            (account().eligible(UPN, ROLE, None), Part::EligibleSchedules, |facts| {
                facts.eligible.clear();
            }),
            (group(), Part::GroupMembers, |facts| {
                facts.members.values_mut().for_each(Vec::clear);
            }),
            (app(), Part::PartnerApps, |facts| {
                facts.apps.iter_mut().for_each(|app| app.app_roles.clear());
            }),
        ]
    }

    #[test]
    fn what_is_seen_is_there_and_what_was_read_and_is_not_seen_is_gone() {
        for (case, part, take_away) in ways() {
            let step = step(&case);
            assert_eq!(parts(&step), [part]);
            assert_eq!(seen(&step, &case.facts), Seen::There, "{step:#?}");
            let [line] = found(&step, &case.facts).try_into().unwrap();
            let held = &step.grant().unwrap().held;
            let id = held.within().first().map_or(held.id().0.as_str(), |it| it.group.as_str());
            assert!(line.contains(id), "{line}");
            let there = case.clone().gap(part, GapCause::Unavailable);
            assert_eq!(seen(&step, &there.facts), Seen::There, "though not all was read");
            let mut gone = case.clone();
            take_away(&mut gone.facts);
            assert_eq!(seen(&step, &gone.facts), Seen::Gone, "{step:#?}");
            assert_eq!(found(&step, &gone.facts), [""; 0], "{step:#?}");
            let other = gone.clone().gap(Part::ConditionalAccess, GapCause::Denied);
            assert_eq!(seen(&step, &other.facts), Seen::Gone, "no matter what else was not read");
            let unread = gone.gap(part, GapCause::Denied);
            assert_eq!(seen(&step, &unread.facts), Seen::Unread, "{step:#?}");
        }
    }

    #[test]
    fn what_came_back_under_another_id_is_there() {
        let rename = |id: &mut AssignmentId| *id = AssignmentId("another".to_owned());
        let mut case = Case::new().dedicated_account(UPN, ROLE);
        let before = step(&case);
        rename(&mut case.facts.assignments[0].id);
        case.facts.assignments[0].role_definition_id.make_ascii_uppercase();
        assert_eq!(seen(&before, &case.facts), Seen::There);
        for mut case in [
            Case::new().account(UPN).active(UPN, ROLE, None),
            Case::new().account(UPN).eligible(UPN, ROLE, None),
        ] {
            let before = step(&case);
            let facts = &mut case.facts;
            let all = || Some("Direct".to_owned());
            for held in facts.active.iter_mut().chain(&mut facts.eligible) {
                rename(&mut held.id);
                held.member_type = all();
            }
            assert_eq!(seen(&before, &case.facts), Seen::There);
            for held in case.facts.active.iter_mut().chain(&mut case.facts.eligible) {
                held.member_type = Some("group".to_owned());
            }
            assert_eq!(seen(&before, &case.facts), Seen::Gone, "a group's is another grant");
            for held in case.facts.active.iter_mut().chain(&mut case.facts.eligible) {
                held.member_type = all();
                held.directory_scope_id = "/administrativeUnits/au-1".to_owned();
            }
            assert_eq!(seen(&before, &case.facts), Seen::Gone, "elsewhere it is another grant");
        }
    }

    #[test]
    fn what_another_holds_or_what_is_held_besides_is_another_grant() {
        const OTHER: &str = "svc2@woodgrove.example";
        let account = || Case::new().account(UPN).account(OTHER);
        for (one, others) in [
            (
                Case::new().dedicated_account(UPN, ROLE),
                Case::new().dedicated_account(OTHER, ROLE).dedicated_account(UPN, "Search Editor"),
            ),
            (
                account().active(UPN, ROLE, None),
                account().active(OTHER, ROLE, None).active(UPN, "Search Editor", None),
            ),
            (
                account().eligible(UPN, ROLE, None),
                account().eligible(OTHER, ROLE, None).eligible(UPN, "Search Editor", None),
            ),
            (group(), group_with("Bob")),
            (app(), app_called("Backup")),
        ] {
            let step = step(&one);
            assert_eq!(seen(&step, &one.facts), Seen::There, "{step:#?}");
            assert_eq!(seen(&step, &others.facts), Seen::Gone, "{step:#?}");
        }
    }

    #[test]
    fn somebody_is_in_a_group_as_long_as_any_way_leads_into_it() {
        let case = group();
        let step = step(&case);
        let mut other = case.clone();
        let everybody = other.facts.members.clone();
        other.facts.members.values_mut().for_each(Vec::clear);
        let elsewhere = everybody.values().next().unwrap().clone();
        let id = PrincipalId::new("99999999-0000-0000-0000-000000000001");
        other.facts.members.insert(id, elsewhere);
        assert_eq!(seen(&step, &other.facts), Seen::Gone, "another group is another grant");
    }
}

#[cfg(test)]
mod tests_beside_grants {
    use serde_json::Value;

    use super::*;
    use crate::domain::facts::{Gap, GapCause, SignIn};
    use crate::domain::finding::testing::{Case, noon};
    use crate::domain::plan::{Circumstances, History, plan};

    /// The steps about no grant that a policy asks for.
    fn steps(respond: &str) -> Vec<Step> {
        let case = Case::new()
            .with_policy(respond)
            .member("Megan", "Global Administrator")
            .foreign_group("Agents", "Global Administrator")
            .partner_app("Backup", "Directory Readers")
            .guest("Al", "al@contoso-reseller.example", "Reports Reader");
        let (policy, history) = (case.policy(), History::default());
        let (policy, history, own_apps) = (&policy, &history, &[]);
        let tenant = &policy.roster.tenants[0];
        let about = Circumstances { policy, tenant, history, own_apps, stopped: None, now: noon() };
        let steps = plan(&case.facts, about).cases.into_iter().flat_map(|case| case.steps);
        steps.filter(|step| step.grant().is_none()).collect()
    }

    fn gap(part: Part) -> Gap {
        Gap { part, cause: GapCause::Unavailable, detail: String::new() }
    }

    #[test]
    fn a_quarantine_is_proven_by_a_policy_that_is_as_it_was_made() {
        let [step] = steps("respond: {privileged-role: {do: quarantine}}").try_into().unwrap();
        assert_eq!(parts(&step), [Part::ConditionalAccess]);
        let made = step.quarantine.as_ref().unwrap().document();
        let mut off = made.clone();
        off["state"] = "disabled".into();
        let mut wider = made.clone();
        wider["conditions"]["users"]["includeUsers"] = serde_json::json!(["All"]);
        let read = |policies: &[Value], gaps: &[Gap]| {
            let (conditional_access, gaps) = (policies.to_vec(), gaps.to_vec());
            seen(&step, &Facts { conditional_access, gaps, ..Facts::default() })
        };
        let unread = [gap(Part::ConditionalAccess)];
        assert_eq!(read(&[off.clone(), made.clone()], &[]), Seen::Gone);
        assert_eq!(read(&[made], &unread), Seen::Gone, "what was seen counts");
        for other in [vec![], vec![off], vec![wider]] {
            assert_eq!(read(&other, &[]), Seen::There);
            assert_eq!(read(&other, &unread), Seen::Unread);
        }
    }

    #[test]
    fn whether_a_principal_may_sign_in_is_read_by_its_id() {
        let steps = steps(
            "respond: {role-not-allowed: {do: revoke, also: [revoke-sessions, disable-guest, \
             disable-app]}}",
        );
        let of = |remediation| steps.iter().find(|step| step.remediation == remediation).unwrap();
        let (sessions, guest) = (of(Remediation::RevokeSessions), of(Remediation::DisableGuest));
        let app = of(Remediation::DisableApp);
        assert_eq!(parts(sessions), [Part::Accounts]);
        assert_eq!((parts(guest), parts(app)), (&[Part::Accounts][..], &[Part::PartnerApps][..]));
        let read = |step: &Step, sign_in: Option<SignIn>| {
            let Target::Principal { principal, .. } = &step.target else { panic!("{step:#?}") };
            let sign_ins = [(principal.clone(), sign_in)].into();
            seen(step, &Facts { sign_ins, ..Facts::default() })
        };
        let enabled = |is| Some(SignIn { account_enabled: is, ..SignIn::default() });
        for step in [guest, app] {
            assert_eq!(read(step, enabled(Some(false))), Seen::Gone);
            assert_eq!(read(step, enabled(Some(true))), Seen::There);
            assert_eq!(read(step, enabled(None)), Seen::Unread);
        }
        let ended = |seconds| {
            let at = noon() + SignedDuration::from_secs(seconds);
            let sign_in_sessions_valid_from_date_time = Some(at);
            Some(SignIn { sign_in_sessions_valid_from_date_time, account_enabled: Some(false) })
        };
        for (seconds, expect) in
            [(1, Seen::Gone), (0, Seen::Gone), (-300, Seen::Gone), (-301, Seen::There)]
        {
            assert_eq!(read(sessions, ended(seconds)), expect, "{seconds}");
        }
        assert_eq!(read(sessions, enabled(Some(false))), Seen::Unread);
        for step in [sessions, guest, app] {
            assert_eq!(read(step, None), Seen::Gone, "it does not exist any more");
            assert_eq!(seen(step, &Facts::default()), Seen::Unread);
        }
    }
}
