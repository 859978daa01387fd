//! The rows of a case: made by a look, and closed by a later one.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::{Outcome, Row, StepRow};
use crate::domain::facts::{Facts, GapCause, Part};
use crate::domain::finding::{Finding, FindingName};
use crate::domain::grant::Grant;
use crate::domain::id::Sha256Hex;
use crate::domain::plan::{Remediation, Step, StepState, Target, Verdict};
use crate::domain::proof::is_gone_from_relationship;

/// Why a row no longer stands.
pub(super) enum Closing {
    /// What it speaks of is gone.
    Gone,
    /// What it speaks of is there, and breaks the policy no more.
    Allowed,
    /// It is a step that nothing asks for any more.
    Unasked,
    /// It is there under another id, and has a row by that.
    Replaced,
}

impl Row {
    /// Why this, which was not found again, no longer stands; nothing where it may only be unread.
    /// `found` has the likenesses of the grants that were found.
    pub(super) fn why_closed(&self, facts: &Facts, found: &BTreeSet<Sha256Hex>) -> Option<Closing> {
        let unread = |part| facts.gaps.iter().any(|gap| gap.part == part);
        // A step about no grant that is not asked for any more: what it answered is judged in rows
        // of its own. What was done and is not proven is not over.
        if self.findings.is_empty() {
            let unproven = self.step.as_ref().is_some_and(|step| {
                matches!(
                    step.state,
                    StepState::Revoked | StepState::Reappeared | StepState::Unverified
                )
            });
            return match &self.step {
                Some(step) if step.is_seen_done(facts) => Some(Closing::Gone),
                // Such a step rests on the relationships alone.
                Some(StepRow {
                    target: Some(Target::Relationship { .. } | Target::AccessAssignment { .. }),
                    ..
                }) => (!unread(Part::Relationships) && !unproven).then_some(Closing::Unasked),
                _ => (facts.is_complete() && !unproven).then_some(Closing::Unasked),
            };
        }
        let grant = self.findings.first().and_then(|finding| finding.grant.as_ref());
        let unreadable =
            self.findings.iter().any(|finding| finding.finding == FindingName::Unreadable);
        let is_gone = match grant {
            Some(grant) if grant.is_seen_in(facts) => {
                return facts.is_complete().then_some(Closing::Allowed);
            }
            // The same access is there under another id, so nothing is proven of this one.
            Some(grant) if grant.is_alike_in(facts) => {
                return if !found.contains(&grant.likeness()) {
                    facts.is_complete().then_some(Closing::Allowed)
                } else if self.step.as_ref().is_some_and(StepRow::may_be_done) {
                    None
                } else {
                    Some(Closing::Replaced)
                };
            }
            Some(grant) => !grant.rests_on().any(unread),
            // The part it speaks of was read this time, or its gap would have been found again;
            // unless nobody was let in at all.
            None if unreadable => {
                !facts.gaps.iter().any(|gap| gap.cause == GapCause::SignInRefused)
            }
            None => {
                let mut parts = self.findings.iter().flat_map(Finding::rests_on);
                !parts.any(|part| unread(*part))
            }
        };
        (is_gone || facts.is_complete()).then_some(Closing::Gone)
    }

    pub(super) fn close(&mut self, now: Timestamp) {
        self.open = false;
        if let Some(step) = &mut self.step {
            if step.state == StepState::Intended {
                step.gone_unanswered = Some(now);
            }
            step.state = StepState::Verified;
            step.verified_at = Some(now);
        }
    }

    /// The access stands, and nothing is wrong with it any more.
    pub(super) fn allow(&mut self) {
        self.open = false;
        if let Some(step) = &mut self.step {
            step.detail = Some("it stands, and the policy allows it now".to_owned());
        }
    }

    /// Another row speaks of it from now on, and of what is done about it. What was refused stays
    /// told.
    pub(super) fn give_way(&mut self) {
        self.open = false;
        self.step = self.step.take().filter(|step| step.state == StepState::Refused);
    }

    /// The newer view of the same thing. What a step's call said is kept.
    pub(super) fn replace(&mut self, new: Self) {
        let old = std::mem::replace(self, new);
        let (Some(new), Some(old)) = (&mut self.step, old.step) else { return };
        if new.id != old.id {
            // What still waits is owed since it was wanted first.
            if new.waits && old.waits {
                new.cause = old.cause;
            }
            return;
        }
        new.cause = old.cause;
        new.restoring = old.restoring;
        new.undone_at = old.undone_at;
        if new.acted_at.is_none() {
            new.detail = new.detail.take().or(old.detail);
            new.request_id = old.request_id;
            new.acted_at = old.acted_at;
            if new.state == StepState::Verified {
                new.verified_at = old.verified_at;
            }
            new.stuck = old.stuck && new.state == old.state;
        }
    }
}

impl StepRow {
    /// Whether Graph took it, or may have.
    fn may_be_done(&self) -> bool {
        match self.state {
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

    /// Whether a look shows that a guest was disabled, or that what was begun to be taken from a
    /// relationship is gone: whoever was to write down its outcome may have died before.
    fn is_seen_done(&self, facts: &Facts) -> bool {
        match &self.target {
            Some(Target::Principal { principal, .. }) => {
                let guest = facts.guests.get(principal);
                self.remediation == Remediation::DisableGuest
                    && guest.is_some_and(|guest| guest.account_enabled == Some(false))
            }
            Some(target @ (Target::Relationship { .. } | Target::AccessAssignment { .. })) => {
                let begun = matches!(
                    self.state,
                    StepState::Intended
                        | StepState::Revoked
                        | StepState::Reappeared
                        | StepState::Unverified
                );
                begun && is_gone_from_relationship(self.remediation, target, facts)
            }
            Some(Target::Grant(_) | Target::Partner) | None => false,
        }
    }
}

pub(super) fn rows(
    findings: Vec<Finding>,
    steps: &[Step],
    recorded: &BTreeSet<Sha256Hex>,
    outcome: impl Fn(&Step) -> Outcome,
) -> IndexMap<Sha256Hex, Row> {
    let mut rows: IndexMap<Sha256Hex, Row> = IndexMap::new();
    for finding in findings {
        let key = finding.grant.as_ref().map_or_else(|| finding.key(), Grant::key);
        let (findings, step) = (Vec::new(), None);
        let row = Row { key: key.clone(), findings, step, open: true, quiet: true };
        let row = rows.entry(key).or_insert(row);
        row.quiet &= recorded.contains(&finding.key());
        row.findings.push(finding);
    }
    for step in steps {
        let key = step.key();
        let (findings, step_row) = (Vec::new(), Some(step_row(step, outcome(step))));
        // What is in force already keeps no case open by itself.
        let open = step.verdict != Verdict::Already(StepState::Verified);
        let row = Row { key: key.clone(), findings, step: None, open, quiet: false };
        let row = rows.entry(key).or_insert(row);
        (row.step, row.quiet) = (step_row, false);
    }
    rows
}

fn step_row(step: &Step, outcome: Outcome) -> StepRow {
    StepRow {
        id: step.id.clone(),
        remediation: step.remediation,
        target: step.grant().is_none().then(|| step.target.clone()),
        answers: step.answers.clone(),
        summary: step.summary(),
        state: outcome.state,
        detail: outcome.detail,
        request_id: outcome.request_id,
        acted_at: outcome.acted_at,
        verified_at: None,
        undone_at: None,
        by_hand: step.by_hand(),
        reappeared: step.episode > 0,
        stuck: false,
        restoring: false,
        waits: step.waits,
        gone_unanswered: None,
        cause: None,
    }
}
