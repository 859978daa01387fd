//! What is handed from one function to another through a queue.

use serde::{Deserialize, Serialize};

use super::id::TenantId;
use super::signal::Envelope;

/// A message in the work queue. Every version ever written stays readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Work {
    /// A verified reason to look.
    Signal(Box<Envelope>),
    /// Something of a tenant has come due; the store says what.
    Due(Due),
}

/// That something of a tenant has come due: a settling look, a step to read again, a message to
/// deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum Due {
    /// The first form.
    #[serde(rename = "1")]
    V1 {
        /// The tenant.
        due: TenantId,
    },
}

impl Work {
    /// Something of this tenant has come due.
    pub fn due(tenant: TenantId) -> Self {
        Self::Due(Due::V1 { due: tenant })
    }

    /// The tenant to work on.
    pub fn tenant(&self) -> TenantId {
        match self {
            Self::Signal(envelope) => {
                let Envelope::V1 { signal } = envelope.as_ref();
                signal.tenant
            }
            Self::Due(Due::V1 { due }) => *due,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNAL: &str = r#"{"version":"1","signal":{"tenant":"11111111-1111-1111-1111-111111111111","sender":"audit","what":"Add member to role","subject":"object-0123456789ab","receivedAt":"2026-03-04T05:06:07Z","digest":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}"#;
    const DUE: &str = r#"{"version":"1","due":"11111111-1111-1111-1111-111111111111"}"#;

    #[test]
    fn a_message_of_the_first_version_stays_readable() {
        for text in [SIGNAL, DUE] {
            let work: Work = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&work).unwrap(), text);
            assert_eq!(work.tenant().to_string(), "11111111-1111-1111-1111-111111111111");
        }
        assert!(matches!(serde_json::from_str(SIGNAL), Ok(Work::Signal(_))));
        assert!(matches!(serde_json::from_str(DUE), Ok(Work::Due(_))));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "{}", r#"{"version":"2","due":"11111111-1111-1111-1111-111111111111"}"#] {
            assert!(serde_json::from_str::<Work>(text).is_err(), "{text}");
        }
    }
}
