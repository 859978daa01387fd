//! A Signal is a reason to look at a tenant. It never says what to do there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::{Sha256Hex, TenantId};

/// Who told us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sender {
    /// A Microsoft Graph change or lifecycle notification.
    Graph,
    /// A directory audit event, forwarded by the tenant's own plumbing.
    Audit,
    /// The Office 365 Management Activity API.
    O365,
    /// A Graph change notification that came by way of Azure Event Grid.
    EventGrid,
    /// The tenant's own audit log, read from Microsoft Graph.
    AuditLog,
    /// Our own schedule.
    Schedule,
}

impl Sender {
    /// The name used in paths, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Audit => "audit",
            Self::O365 => "o365",
            Self::EventGrid => "event-grid",
            Self::AuditLog => "audit-log",
            Self::Schedule => "schedule",
        }
    }
}

/// What a signal is about, as far as that helps to coalesce signals. Nothing is decided by it.
///
/// While a tenant waits for its settling look, further signals of a subject already looked at
/// wait for that look; a subject not yet seen is looked at without delay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(String);

impl Subject {
    /// The tenant as a whole.
    pub fn tenant() -> Self {
        Self("tenant".to_owned())
    }

    /// The periodic look at everything.
    pub fn sweep() -> Self {
        Self("sweep".to_owned())
    }

    /// The tenant's subscriptions, beside the tenant as a whole: one is gone, or notifications
    /// were missed.
    pub fn subscriptions() -> Self {
        Self("subscriptions".to_owned())
    }

    /// The tenant's subscriptions, which are to be authorized again.
    pub fn reauthorization() -> Self {
        Self("reauthorization".to_owned())
    }

    /// One directory object. The id is hashed, because it comes from the event.
    pub fn object(id: &str) -> Self {
        let id = id.trim().to_ascii_lowercase();
        Self(format!("object-{}", Sha256Hex::of(id.as_bytes()).short()))
    }

    /// The text stored with the queue entry.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A verified reason to look at one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signal {
    /// The tenant to look at.
    pub tenant: TenantId,
    /// Who told us.
    pub sender: Sender,
    /// What is said to have happened: an audit activity, a lifecycle event. For people only.
    pub what: String,
    /// What to coalesce it with.
    pub subject: Subject,
    /// The event's own id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// When it is said to have happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_at: Option<Timestamp>,
    /// When it reached us.
    pub received_at: Timestamp,
    /// The digest of the bytes it came in.
    pub digest: Sha256Hex,
}

/// A signal as the queue keeps it. Every version ever written stays readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum Envelope {
    /// The first form.
    #[serde(rename = "1")]
    V1 {
        /// The signal.
        signal: Signal,
    },
}

impl Envelope {
    /// The signal inside.
    pub fn signal(self) -> Signal {
        match self {
            Self::V1 { signal } => signal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_of_the_first_version_stays_readable() {
        let stored = r#"{"version":"1","signal":{"tenant":"11111111-1111-1111-1111-111111111111",
            "sender":"audit","what":"Add member to role","subject":"object-0123456789ab",
            "receivedAt":"2026-03-04T05:06:07Z",
            "digest":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}"#;
        let envelope: Envelope = serde_json::from_str(stored).unwrap();
        let again: Envelope =
            serde_json::from_str(&serde_json::to_string(&envelope).unwrap()).unwrap();
        assert_eq!(envelope, again);
        assert_eq!(envelope.signal().what, "Add member to role");
    }

    #[test]
    fn an_object_is_one_subject_however_its_id_is_written() {
        assert_eq!(Subject::object("ABC"), Subject::object(" abc"));
        assert_ne!(Subject::object("abc"), Subject::object("abd"));
        assert_ne!(Subject::object("tenant"), Subject::tenant());
    }
}
