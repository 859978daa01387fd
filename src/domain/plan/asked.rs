//! What people were asked about a case, and what becomes of its steps by what they said.

use jiff::Timestamp;

use super::guard::Guard;
use super::{Circumstances, PlannedCase, Step, StepState, Verdict};
use crate::domain::approval::{
    Answer, Asked, OnExpiry, Proposal, ProposalChange, Standing, Void, plan_hash, question,
};
use crate::domain::facts::{Facts, Gap};
use crate::domain::policy::Mode;

/// Decides about the steps of a case that wait for a person: carried out where people agreed to this
/// very plan, held back where one of them refused, and asked about where nobody was asked.
pub(super) fn settle(
    case: &mut PlannedCase,
    facts: &Facts,
    about: Circumstances<'_>,
    guard: &mut Guard<'_>,
) {
    let before = about.history.proposals.get(&case.partner.key());
    if about.policy.mode == Mode::Observe {
        return put_aside(case, before, facts, about.now);
    }
    let begun = before.filter(|it| it.begun_at.is_some()).map(|it| it.question.id.as_str());
    finish(case, about, guard, begun);
    let waits = |step: &Step| step.verdict == Verdict::AwaitApproval;
    let plan = plan_hash(case, about.policy);
    if !case.steps.iter().any(waits) {
        return put_aside(case, before, facts, about.now);
    }
    case.asks = true;
    let Some(before) = before else { return ask(case, about) };
    if before.question.plan != plan {
        // What could not be read this time may be as it was.
        if is_pending(before, about.now) && may_be_unread(facts) {
            case.asked = Some(Asked::of(before, about.now));
            return;
        }
        if is_pending(before, about.now) {
            case.changes.push(withdrawn(before, about.now));
        }
        return ask(case, about);
    }
    case.asked = Some(Asked::of(before, about.now));
    match before.standing(about.now) {
        Standing::Open | Standing::SecondWanted => {}
        Standing::Approved if before.may_begin(about.now) => carry_out(case, guard, before),
        Standing::Refused => {
            let by = before.refusal().map(|it| (it.who(), it.at));
            let reason = by.map_or_else(
                || "a person refused it".to_owned(),
                |(who, at)| format!("{who} refused it at {}", minute(at)),
            );
            hold(case, &reason);
        }
        Standing::Approved | Standing::Expired => match about.policy.approvals.on_expiry {
            OnExpiry::Hold => {
                let until = minute(before.question.expires_at);
                hold(
                    case,
                    &if before.standing(about.now) == Standing::Approved {
                        "it was agreed to, and not begun for so long that this no longer counts"
                            .into()
                    } else {
                        format!("not enough people agreed to it until {until}")
                    },
                );
            }
            OnExpiry::CarryOut if about.policy.mode == Mode::Enforce => {
                carry_out(case, guard, before);
            }
            OnExpiry::AskAgain | OnExpiry::CarryOut => ask(case, about),
        },
        Standing::Void => ask(case, about),
    }
}

/// Nothing waits for a person any more: what is pending counts for nothing.
fn put_aside(case: &mut PlannedCase, before: Option<&Proposal>, facts: &Facts, now: Timestamp) {
    let Some(before) = before else { return };
    let void = left_over(before, facts, now);
    let mut asked = Asked::of(before, now);
    if void.is_some() {
        asked.standing = Standing::Void;
    }
    case.asked = Some(asked);
    case.changes.extend(void);
}

/// What becomes of a proposal about a partner of whom nothing is found any more.
pub(super) fn left_over(
    proposal: &Proposal,
    facts: &Facts,
    now: Timestamp,
) -> Option<ProposalChange> {
    (is_pending(proposal, now) && !may_be_unread(facts)).then(|| withdrawn(proposal, now))
}

/// Finishes what was begun with a person's word and has no outcome yet.
fn finish(
    case: &mut PlannedCase,
    about: Circumstances<'_>,
    guard: &mut Guard<'_>,
    begun: Option<&str>,
) {
    let waiting = case.steps.iter_mut().filter(|step| step.verdict == Verdict::AwaitApproval);
    for step in waiting {
        let past = about.history.steps.get(&step.key());
        let is_begun = past.is_some_and(|past| {
            past.approved && past.state == StepState::Intended && past.episode == step.episode
        });
        if is_begun {
            guard.allow(step);
            step.approval = begun.map(str::to_owned);
        }
    }
}

fn carry_out(case: &mut PlannedCase, guard: &mut Guard<'_>, proposal: &Proposal) {
    let waiting = case.steps.iter_mut().filter(|step| step.verdict == Verdict::AwaitApproval);
    for step in waiting {
        guard.allow(step);
        step.approval = Some(proposal.question.id.as_str().to_owned());
    }
}

fn hold(case: &mut PlannedCase, reason: &str) {
    let waiting = case.steps.iter_mut().filter(|step| step.verdict == Verdict::AwaitApproval);
    waiting.for_each(|step| step.verdict = Verdict::Held(reason.to_owned()));
}

fn ask(case: &mut PlannedCase, about: Circumstances<'_>) {
    let plan = plan_hash(case, about.policy);
    let tenant = (about.tenant.id, about.tenant.name.as_str());
    let question = question(case, about.policy, plan, tenant, about.now);
    let proposal = Proposal::new(question);
    case.asked = Some(Asked::of(&proposal, about.now));
    case.changes.push(ProposalChange::Put(Box::new(proposal.question)));
}

/// Whether anything may still come of a proposal.
fn is_pending(proposal: &Proposal, now: Timestamp) -> bool {
    match proposal.standing(now) {
        Standing::Open | Standing::SecondWanted => true,
        Standing::Approved => proposal.begun_at.is_none(),
        Standing::Refused | Standing::Expired | Standing::Void => false,
    }
}

fn may_be_unread(facts: &Facts) -> bool {
    facts.gaps.iter().any(Gap::may_pass)
}

fn withdrawn(proposal: &Proposal, now: Timestamp) -> ProposalChange {
    let agreed = proposal.decisions.iter().any(|it| it.decision == Answer::Approve);
    let said = if agreed { ", so what was said about it does not count" } else { "" };
    ProposalChange::Void {
        id: proposal.question.id.clone(),
        tenant: proposal.question.tenant,
        partner: proposal.question.partner.key(),
        void: Void { at: now, why: format!("what it is about is no longer as it was{said}") },
    }
}

/// `2026-03-04 05:06 UTC`.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::{History, PastStep, Plan, plan};
    use super::*;
    use crate::domain::approval::Decision;
    use crate::domain::facts::{GapCause, Part};
    use crate::domain::finding::testing::{Case as Given, noon};

    const ASKS: &str = "respond: {role-not-allowed: {do: approve}}";

    fn given(more: &str) -> Given {
        Given::new()
            .with_policy(&format!("{ASKS}\n{more}"))
            .member("Megan", "Global Administrator")
            .foreign_group("Agents", "Reports Reader")
    }

    fn planned(given: &Given, history: &History, hours: i64) -> Plan {
        let policy = given.policy();
        let tenant = &policy.roster.tenants[0];
        let now = noon() + SignedDuration::from_hours(hours);
        plan(
            &given.facts,
            Circumstances { policy: &policy, tenant, history, own_apps: &[], stopped: None, now },
        )
    }

    /// The proposal that a first look puts.
    fn put(plan: &Plan) -> Proposal {
        let [ProposalChange::Put(question)] = plan.cases[0].changes.as_slice() else {
            panic!("{:?}", plan.cases[0].changes)
        };
        Proposal::new((**question).clone())
    }

    fn said(proposal: &Proposal, answer: Answer) -> Proposal {
        let at = noon() + SignedDuration::from_hours(1);
        let decision = Decision::by_name(answer, "Megan Bowen", at).unwrap();
        proposal.decide(decision, at).unwrap()
    }

    fn with(proposal: Proposal) -> History {
        let partner = proposal.question.partner.key();
        History { proposals: [(partner, proposal)].into(), ..History::default() }
    }

    fn verdicts(plan: &Plan) -> Vec<&str> {
        let steps = plan.cases.iter().flat_map(|case| &case.steps);
        steps
            .map(|step| match &step.verdict {
                Verdict::CarryOut => "now",
                Verdict::AwaitApproval => "ask",
                Verdict::Held(_) => "held",
                Verdict::Already(_) => "already",
            })
            .collect()
    }

    /// What becomes of the proposals: each `put` or `void`.
    fn changes(plan: &Plan) -> Vec<&str> {
        let changes = plan.cases.iter().flat_map(|case| &case.changes).chain(&plan.left_over);
        changes
            .map(|change| match change {
                ProposalChange::Put(_) => "put",
                ProposalChange::Void { .. } => "void",
            })
            .collect()
    }

    #[track_caller]
    fn check(given: &Given, history: &History, hours: i64, steps: &[&str], becomes: &[&str]) {
        let plan = planned(given, history, hours);
        assert_eq!((verdicts(&plan).as_slice(), changes(&plan).as_slice()), (steps, becomes));
    }

    #[test]
    fn it_is_asked_once_and_done_once_a_person_agrees_to_this_very_plan() {
        let given = given("");
        let first = put(&planned(&given, &History::default(), 0));
        check(&given, &with(first.clone()), 1, &["ask"], &[]);
        let approved = with(said(&first, Answer::Approve));
        check(&given, &approved, 2, &["now"], &[]);
        let plan = planned(&given, &approved, 2);
        let step = &plan.cases[0].steps[0];
        assert_eq!(step.approval.as_deref(), Some(first.question.id.as_str()));
        check(&given, &with(said(&first, Answer::Refuse)), 2, &["held"], &[]);
        check(&given, &with(said(&first, Answer::Refuse)), 9000, &["held"], &[]);
    }

    #[test]
    fn an_approval_of_another_plan_does_nothing() {
        let first = put(&planned(&given(""), &History::default(), 0));
        let more = given("").foreign_group("Others", "Search Editor");
        check(&more, &with(said(&first, Answer::Approve)), 2, &["ask", "ask"], &["void", "put"]);
        check(&more, &with(said(&first, Answer::Refuse)), 2, &["ask", "ask"], &["put"]);
        check(&more, &with(first.clone()), 2, &["ask", "ask"], &["void", "put"]);
        let other_policy = given("approvals: {people: 2}");
        check(&other_policy, &with(said(&first, Answer::Approve)), 2, &["ask"], &["void", "put"]);
        let begun = Proposal { begun_at: Some(noon()), ..said(&first, Answer::Approve) };
        check(&more, &with(begun), 2, &["ask", "ask"], &["put"]);
    }

    #[test]
    fn what_may_only_be_unread_voids_nothing_and_does_nothing() {
        let first = put(&planned(&given(""), &History::default(), 0));
        let unread = given("").gap(Part::Guests, GapCause::Unavailable);
        let more = unread.clone().foreign_group("Others", "Search Editor");
        let approved = with(said(&first, Answer::Approve));
        check(&more, &approved, 2, &["ask", "ask"], &[]);
        let gone = Given::new()
            .with_policy(ASKS)
            .member("Megan", "Global Administrator")
            .gap(Part::RoleAssignments, GapCause::Unavailable);
        check(&gone, &approved, 2, &[], &[]);
        let denied = more.gap(Part::Guests, GapCause::Denied);
        assert_eq!(verdicts(&planned(&denied, &approved, 2)), ["ask", "ask"]);
    }

    #[test]
    fn what_is_gone_by_itself_is_withdrawn() {
        let first = put(&planned(&given(""), &History::default(), 0));
        let gone = Given::new().with_policy(ASKS).member("Megan", "Global Administrator");
        for pending in [first.clone(), said(&first, Answer::Approve)] {
            check(&gone, &with(pending), 2, &[], &["void"]);
        }
        let why = |proposal: &Proposal| {
            let changes = planned(&gone, &with(proposal.clone()), 2).left_over;
            let [ProposalChange::Void { void, .. }] = changes.as_slice() else {
                panic!("{changes:?}")
            };
            void.why.clone()
        };
        assert_eq!(why(&first), "what it is about is no longer as it was");
        assert_eq!(
            why(&said(&first, Answer::Approve)),
            "what it is about is no longer as it was, so what was said about it does not count"
        );
        check(&gone, &with(said(&first, Answer::Refuse)), 2, &[], &[]);
        check(&gone, &with(first), 100, &[], &[]);
    }

    #[test]
    fn what_nobody_answered_becomes_what_the_policy_says() {
        for (then, steps, becomes) in [
            ("", "ask", &["put"][..]),
            ("approvals: {onExpiry: ask-again}", "ask", &["put"]),
            ("approvals: {onExpiry: hold}", "held", &[]),
            ("approvals: {onExpiry: carry-out}", "now", &[]),
        ] {
            let given = given(then);
            let first = put(&planned(&given, &History::default(), 0));
            check(&given, &with(first.clone()), 71, &["ask"], &[]);
            check(&given, &with(first.clone()), 72, &[steps], becomes);
            // An approval that lapsed before anything came of it is as good as none.
            check(&given, &with(said(&first, Answer::Approve)), 74, &[steps], becomes);
        }
    }

    #[test]
    fn what_is_held_after_its_time_says_whether_anybody_had_agreed() {
        let given = given("approvals: {onExpiry: hold}");
        let first = put(&planned(&given, &History::default(), 0));
        let reason = |proposal: &Proposal| {
            let verdict =
                planned(&given, &with(proposal.clone()), 74).cases[0].steps[0].verdict.clone();
            let Verdict::Held(reason) = verdict else { panic!("{verdict:?}") };
            reason
        };
        assert_eq!(reason(&first), "not enough people agreed to it until 2026-11-26 12:00 UTC");
        assert_eq!(
            reason(&said(&first, Answer::Approve)),
            "it was agreed to, and not begun for so long that this no longer counts"
        );
        assert_eq!(
            reason(&said(&first, Answer::Refuse)),
            "Megan Bowen (name as given, not proven) refused it at 2026-11-23 13:00 UTC"
        );
    }

    #[test]
    fn in_approve_mode_nobodys_silence_takes_anything_away() {
        let given = given("approvals: {onExpiry: carry-out}");
        let verdict_in = |mode| {
            // No policy file can say so; what it is read into could.
            let mut policy = given.policy();
            policy.mode = mode;
            let planned = |history: &History, hours| {
                let (tenant, now) =
                    (&policy.roster.tenants[0], noon() + SignedDuration::from_hours(hours));
                let about = Circumstances {
                    policy: &policy,
                    tenant,
                    history,
                    own_apps: &[],
                    stopped: None,
                    now,
                };
                plan(&given.facts, about)
            };
            let first = put(&planned(&History::default(), 0));
            let late = planned(&with(first), 72);
            (late.cases[0].steps[0].verdict.clone(), changes(&late).len())
        };
        assert_eq!(verdict_in(Mode::Enforce), (Verdict::CarryOut, 0));
        assert_eq!(verdict_in(Mode::Approve), (Verdict::AwaitApproval, 1));
    }

    #[test]
    fn what_was_begun_with_a_persons_word_is_finished_without_another() {
        let given = given("");
        let first = planned(&given, &History::default(), 0);
        let step = &first.cases[0].steps[0];
        let past = |state, approved| PastStep { episode: 0, state, at: noon(), approved };
        let after = |past| History { steps: [(step.key(), past)].into(), ..History::default() };
        check(&given, &after(past(StepState::Intended, true)), 1, &["now"], &[]);
        check(&given, &after(past(StepState::Intended, false)), 1, &["ask"], &["put"]);
        check(&given, &after(past(StepState::Refused, true)), 1, &["already"], &[]);
        check(&given, &after(past(StepState::Refused, true)), 25, &["ask"], &["put"]);
        let begun = Proposal { begun_at: Some(noon()), ..said(&put(&first), Answer::Approve) };
        let history =
            History { steps: after(past(StepState::Intended, true)).steps, ..with(begun) };
        check(&given, &history, 1, &["now"], &[]);
    }

    #[test]
    fn guardrails_are_asked_again_once_a_person_agreed() {
        let limited =
            given("guardrails: {maxRevocations: 1}").foreign_group("Others", "Search Editor");
        let first = put(&planned(&limited, &History::default(), 0));
        assert_eq!(first.question.shown.steps.len(), 2);
        let approved = with(said(&first, Answer::Approve));
        check(&limited, &approved, 2, &["now", "held"], &[]);
        let full = History { revocations: 1, ..approved };
        check(&limited, &full, 2, &["held", "held"], &[]);
        // How much was done of late makes no other question.
        check(&limited, &History { revocations: 1, ..with(first) }, 2, &["ask", "ask"], &[]);
    }

    #[test]
    fn what_was_begun_with_a_persons_word_counts_once() {
        let limited =
            given("guardrails: {maxRevocations: 1}").foreign_group("Others", "Search Editor");
        let first = planned(&limited, &History::default(), 0);
        let after = |step: usize, state, revocations| {
            let past = PastStep { episode: 0, state, at: noon(), approved: true };
            let steps = [(first.cases[0].steps[step].key(), past)].into();
            let before = History { steps, revocations, ..History::default() };
            // People are asked about what was not begun.
            let asked = put(&planned(&limited, &before, 0));
            History { proposals: with(said(&asked, Answer::Approve)).proposals, ..before }
        };
        check(&limited, &after(0, StepState::Intended, 0), 2, &["now", "held"], &[]);
        check(&limited, &after(1, StepState::Intended, 0), 2, &["held", "now"], &[]);
        check(&limited, &after(0, StepState::Intended, 1), 2, &["held", "held"], &[]);
        // What was only asked about was not begun.
        for state in [StepState::AwaitingApproval, StepState::Described, StepState::Held] {
            check(&limited, &after(0, state, 0), 2, &["now", "held"], &[]);
            check(&limited, &after(0, state, 1), 2, &["held", "held"], &[]);
        }
    }

    #[test]
    fn a_stop_holds_what_was_agreed_to_and_the_question_outlasts_it() {
        let given = given("");
        let first = put(&planned(&given, &History::default(), 0));
        let stopped = |history: &History| {
            let policy = given.policy();
            let tenant = &policy.roster.tenants[0];
            let stop = crate::domain::stop::Stop::new("INC-7", noon());
            let (stopped, now) = (Some(&stop), noon() + SignedDuration::from_hours(2));
            let about =
                Circumstances { policy: &policy, tenant, history, own_apps: &[], stopped, now };
            plan(&given.facts, about)
        };
        let waiting = stopped(&with(first.clone()));
        assert_eq!((verdicts(&waiting), changes(&waiting)), (vec!["ask"], vec![]));
        let approved = with(said(&first, Answer::Approve));
        let held = stopped(&approved);
        assert_eq!((verdicts(&held), changes(&held)), (vec!["held"], vec![]));
        check(&given, &approved, 3, &["now"], &[]);
        let waits = |plan: &Plan| plan.cases[0].steps[0].waits;
        assert!(waits(&held), "nothing else holds it back");
        assert!(!waits(&waiting) && !waits(&planned(&given, &approved, 3)));
        let step = &held.cases[0].steps[0];
        let (episode, state, at) = (0, StepState::Intended, noon());
        let begun = PastStep { episode, state, at, approved: true };
        let begun = History { steps: [(step.key(), begun)].into(), ..History::default() };
        assert_eq!(verdicts(&stopped(&begun)), ["held"]);
    }

    #[test]
    fn observe_asks_nobody_and_withdraws_what_was_asked() {
        let first = put(&planned(&given(""), &History::default(), 0));
        let observes = given("").mode("observe");
        check(&observes, &History::default(), 1, &["ask"], &[]);
        check(&observes, &with(said(&first, Answer::Approve)), 2, &["ask"], &["void"]);
    }
}
