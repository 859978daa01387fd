//! What the work queue carries: signals, and errands the program gave itself for later.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::TenantId;
use super::signal::{Signal, Subject};

/// A message of the work queue. Every version ever written stays readable; the first is the same as
/// [`Envelope`](super::signal::Envelope)'s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum Queued {
    /// A reason to look.
    #[serde(rename = "1")]
    Signal {
        /// The signal.
        signal: Signal,
    },
    /// Something put off.
    #[serde(rename = "2")]
    Errand {
        /// The errand.
        errand: Errand,
    },
}

impl Queued {
    /// The tenant it is about.
    pub fn tenant(&self) -> TenantId {
        match self {
            Self::Signal { signal } => signal.tenant,
            Self::Errand { errand } => errand.tenant,
        }
    }
}

/// Something to do in one tenant, not before a certain time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// The tenant.
    pub tenant: TenantId,
    /// When it is to be done.
    pub due: Timestamp,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Task {
    /// Look at the tenant: once more since Graph may not have replicated, or again since a look did
    /// not succeed.
    Look {
        /// What the look is about.
        subject: Subject,
        /// How many signals no look has satisfied yet.
        signals: u32,
        /// Whether this is the later look that catches what Graph had not replicated at the first.
        settling: bool,
        /// The first of the signals.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<Signal>,
        /// How often it was tried without success.
        attempts: u32,
    },
    /// Read again what steps took away, as far as that is due.
    Verify,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signal::Envelope;

    #[test]
    fn every_version_ever_written_stays_readable() {
        for (text, version) in [
            (include_str!("../../events/queue/signal-v1.json"), "1"),
            (include_str!("../../events/queue/errand-look-v2.json"), "2"),
            (include_str!("../../events/queue/errand-verify-v2.json"), "2"),
        ] {
            let queued: Queued = serde_json::from_str(text).unwrap();
            assert_eq!(queued.tenant().to_string(), "11111111-1111-1111-1111-111111111111");
            let written = serde_json::to_value(&queued).unwrap();
            assert_eq!(written["version"], version);
            assert_eq!(written, serde_json::from_str::<serde_json::Value>(text).unwrap());
        }
    }

    #[test]
    fn a_signal_is_the_same_in_both_stores() {
        let text = include_str!("../../events/queue/signal-v1.json");
        let envelope: Envelope = serde_json::from_str(text).unwrap();
        let queued = Queued::Signal { signal: envelope.clone().signal() };
        let written = serde_json::to_string(&queued).unwrap();
        assert_eq!(written, serde_json::to_string(&envelope).unwrap());
    }
}
