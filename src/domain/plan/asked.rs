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
    if about.policy.mode == Mode::Observe {
        return;
    }
    let before = about.history.proposals.get(&case.partner.key());
    let begun = before.filter(|it| it.begun_at.is_some()).map(|it| it.question.id.as_str());
    finish(case, about, guard, begun);
    let waits = |step: &Step| step.verdict == Verdict::AwaitApproval;
    let plan = plan_hash(case, about.policy);
    if !case.steps.iter().any(waits) {
        case.asked = before.map(|it| Asked::of(it, about.now));
        let void = before.and_then(|it| left_over(it, facts, about.now));
        if let (Some(asked), Some(_)) = (&mut case.asked, &void) {
            asked.standing = Standing::Void;
        }
        case.changes.extend(void);
        return;
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
            OnExpiry::AskAgain => ask(case, about),
            OnExpiry::Hold => {
                let until = minute(before.question.expires_at);
                hold(case, &format!("not enough people agreed to it until {until}"));
            }
            OnExpiry::CarryOut if about.policy.mode == Mode::Enforce => {
                carry_out(case, guard, before);
            }
            OnExpiry::CarryOut => ask(case, about),
        },
        Standing::Void => ask(case, about),
    }
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
            step.verdict = guard.allow(step);
            step.approval = begun.map(str::to_owned);
        }
    }
}

fn carry_out(case: &mut PlannedCase, guard: &mut Guard<'_>, proposal: &Proposal) {
    let waiting = case.steps.iter_mut().filter(|step| step.verdict == Verdict::AwaitApproval);
    for step in waiting {
        step.verdict = guard.allow(step);
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
