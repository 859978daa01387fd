//! What is written down of a look.

use jiff::Timestamp;

use super::World;
use crate::domain::case::{Case, Outcome};
use crate::domain::facts::{Facts, Gap};
use crate::domain::plan::Step;
use crate::domain::policy::Mode;
use crate::domain::record::{AsRead, Call, Cause, Record, RecordEvent, Signals};
use crate::domain::roster::Tenant;

/// A look, for the records of its cases.
pub(super) struct OfLook {
    signals: Signals,
    read_at: Timestamp,
    decided: Timestamp,
    gaps: Vec<Gap>,
    seen: AsRead,
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
        let (seen, gaps) = (AsRead::of(facts, tenant, read_at), facts.gaps.clone());
        Self { signals, read_at, decided, gaps, seen, calls: Vec::new() }
    }

    /// What led to what was decided.
    pub(super) fn cause(&self) -> Cause {
        Cause::of(self.signals.first.as_ref(), self.decided)
    }

    /// A step was carried out, or it was tried. In `observe` nothing is asked of Graph.
    pub(super) fn called(&mut self, mode: Mode, step: &Step, outcome: &Outcome) {
        if mode != Mode::Observe {
            self.calls.push(Call::of(&step.id, step.summary(), outcome));
        }
    }

    /// The record of a case.
    pub(super) fn record(&self, world: &World, case: &Case) -> Record {
        let record = Record::of(RecordEvent::Looked, self.decided, &world.policy.hash, case);
        let its = |call: &&Call| case.has_step(&call.step);
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
