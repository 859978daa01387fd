//! When what holds steps back for a time has passed, so that they are taken up then.

use jiff::{SignedDuration, Timestamp};

use super::{Circumstances, PlannedCase, Verdict};
use crate::domain::policy::Mode;

/// A revocation at this moment still counts when the guardrail's window has just passed over it.
const BEYOND: SignedDuration = SignedDuration::from_secs(1);

/// When what holds steps back for a time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// At this time, if nothing else comes in between.
    At(Timestamp),
    /// Once somebody resumes what was stopped.
    OnceResumed,
}

/// The first that passes of all that holds steps back: the stop switch before all else, then
/// planned changes and the guardrail's window. Where nothing is written, nothing is taken up.
pub(super) fn passes(
    cases: &[PlannedCase],
    about: Circumstances<'_>,
    held_by_limit: u32,
) -> Option<Passes> {
    let Circumstances { policy, tenant, history, now, .. } = about;
    let is_held = |case: &&PlannedCase| {
        case.steps.iter().any(|step| matches!(step.verdict, Verdict::Held(_)))
    };
    let mut held = cases.iter().filter(is_held).peekable();
    if policy.mode == Mode::Observe || held.peek().is_none() {
        return None;
    }
    if about.stopped.is_some() {
        return Some(Passes::OnceResumed);
    }
    let rails = &policy.guardrails;
    let changes = held.filter_map(|case| rails.planned_change(tenant.id, case.partner.id, now));
    let changes = changes.map(|change| change.until);
    // A limit of none at all never passes.
    let limit = (held_by_limit > 0 && rails.max_revocations > 0)
        .then(|| history.first_revocation.unwrap_or(now).checked_add(rails.per + BEYOND).ok());
    changes.chain(limit.flatten()).min().map(Passes::At)
}
