//! What is written down of a look and of a proof.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::World;
use crate::domain::case::{Case, Outcome};
use crate::domain::facts::{Facts, Gap, RoleAssignment};
use crate::domain::id::PrincipalId;
use crate::domain::plan::Step;
use crate::domain::policy::Mode;
use crate::domain::record::{
    After, Call, Cause, Record, RecordEvent, Reread, Seen, Sight, Signals,
};
use crate::domain::roster::Tenant;
use crate::ports::{DueVerification, PortError};

/// A look, for the records of its cases.
pub(super) struct OfLook {
    signals: Signals,
    read_at: Timestamp,
    decided: Timestamp,
    gaps: Vec<Gap>,
    seen: Seen,
    calls: Vec<Call>,
}

impl OfLook {
    /// What was read of a tenant because of signals, from `read_at` on, and was decided about at
    /// `decided`.
    pub(super) fn new(
        signals: Signals,
        (tenant, facts): (&Tenant, &Facts),
        read_at: Timestamp,
        decided: Timestamp,
    ) -> Self {
        let (seen, gaps) = (Seen::of(facts, tenant, read_at), facts.gaps.clone());
        Self { signals, read_at, decided, gaps, seen, calls: Vec::new() }
    }

    /// What led to what was decided.
    pub(super) fn cause(&self) -> Cause {
        Cause::of(self.signals.first.as_ref(), self.decided)
    }

    /// A step was carried out, or it was tried. Outside of `enforce` nothing is asked of Graph.
    pub(super) fn called(&mut self, mode: Mode, step: &Step, outcome: &Outcome) {
        if mode != Mode::Observe {
            self.calls.push(Call::of(&step.id, step.summary(), outcome));
        }
    }

    /// The record of a case.
    pub(super) fn record(&self, world: &World, case: &Case) -> Record {
        let record = Record::of(RecordEvent::Looked, self.decided, &world.policy.hash, case);
        let its = |call: &&Call| {
            let mut steps = case.rows.iter().filter_map(|row| row.step.as_ref());
            steps.any(|step| step.id == call.step)
        };
        Record {
            at: world.clock.now(),
            mode: world.policy.mode,
            signals: self.signals.clone(),
            read_at: Some(self.read_at),
            gaps: self.gaps.clone(),
            before: Some(self.seen.before(&case.partner.key())),
            calls: self.calls.iter().filter(its).cloned().collect(),
            timeline: record.timeline.or(&self.cause()),
            ..record
        }
    }
}

/// What principals hold, as it was read again.
pub(super) type Held = BTreeMap<PrincipalId, Result<Vec<RoleAssignment>, PortError>>;

/// What reading steps again showed, for the record of a case.
pub(super) fn after(
    case: &Case,
    due: &[DueVerification],
    held: &Held,
    read_at: Timestamp,
    is_held: impl Fn(&Step, &[RoleAssignment]) -> bool,
) -> After {
    let its = |due: &&DueVerification| {
        let mut steps = case.rows.iter().filter_map(|row| row.step.as_ref());
        steps.any(|step| step.id == due.step.id)
    };
    let steps = due.iter().filter(its).map(|due| {
        let read = held.get(&due.step.grant.principal);
        let (seen, holds) = match read {
            Some(Ok(held)) if is_held(&due.step, held) => (Sight::There, Some(held.clone())),
            Some(Ok(held)) => (Sight::Gone, Some(held.clone())),
            Some(Err(_)) | None => (Sight::Unread, None),
        };
        Reread { step: due.step.id.clone(), seen, holds }
    });
    After { read_at, steps: steps.collect() }
}
