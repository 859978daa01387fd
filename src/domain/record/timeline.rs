//! When each thing about a case happened.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::case::{Case, StepRow};
use crate::domain::plan::StepState;
use crate::domain::signal::Signal;

/// What led to a step: the first signal behind the look that decided it, and the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// When the event is said to have happened, by the event itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Timestamp>,
    /// When it reached us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Timestamp>,
    /// When it was decided what to do.
    pub decided: Timestamp,
}

impl Cause {
    /// What was decided at a moment because of a signal, where there was one.
    pub fn of(first: Option<&Signal>, decided: Timestamp) -> Self {
        let event = first.and_then(|signal| signal.event_at);
        Self { event, received: first.map(|signal| signal.received_at), decided }
    }

    /// The moments there are, by name, the earliest kind first.
    pub fn moments(&self) -> impl Iterator<Item = (&'static str, Timestamp)> {
        let all =
            [("event", self.event), ("received", self.received), ("decided", Some(self.decided))];
        all.into_iter().filter_map(|(name, at)| Some((name, at?)))
    }
}

/// When each thing about a case happened first or, of what was done, last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// When the first event is said to have happened, by the event itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Timestamp>,
    /// When the first event reached us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Timestamp>,
    /// When it was first decided what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Timestamp>,
    /// When Graph took the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
    /// When the last step was seen to have had its effect; nothing while one was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Timestamp>,
}

impl Timeline {
    /// The timeline of a case, as its steps tell.
    pub fn of(case: &Case) -> Self {
        let steps = || case.rows.iter().filter_map(|row| row.step.as_ref());
        let causes = || steps().filter_map(|step| step.cause.as_ref());
        // What was refused or held back after a part of it was taken is not taken.
        let partly = |step: &StepRow| matches!(step.state, StepState::Refused | StepState::Held);
        let taken = |step: &&StepRow| step.acted_at.is_some() && !partly(step);
        let proven = steps().filter(taken).all(|step| step.verified_at.is_some());
        Self {
            event: causes().filter_map(|cause| cause.event).min(),
            received: causes().filter_map(|cause| cause.received).min(),
            decided: causes().map(|cause| cause.decided).min(),
            revoked: steps().filter(taken).filter_map(|step| step.acted_at).max(),
            verified: steps().filter_map(|step| step.verified_at).max().filter(|_| proven),
        }
    }

    /// With what led to a look, where no step tells of it.
    #[must_use]
    pub fn or(self, cause: &Cause) -> Self {
        if self.decided.is_some() {
            return self;
        }
        let Cause { event, received, decided } = *cause;
        Self { event, received, decided: Some(decided), ..self }
    }

    /// The moments there are, by name, in the order in which they are expected.
    pub fn moments(&self) -> Vec<(&'static str, Timestamp)> {
        let all = [
            ("event", self.event),
            ("received", self.received),
            ("decided", self.decided),
            ("revoked", self.revoked),
            ("verified", self.verified),
        ];
        all.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
    }

    /// How long access that was taken away had been known of: from the event, or from when it
    /// reached us where the event does not say when it was.
    pub fn time_to_revoke(&self) -> Option<SignedDuration> {
        let from = self.event.or(self.received)?;
        Some(self.revoked?.duration_since(from))
    }

    /// How long from there until all of it was seen to be gone.
    pub fn time_to_verify(&self) -> Option<SignedDuration> {
        let from = self.event.or(self.received)?;
        Some(self.verified?.duration_since(from))
    }
}
