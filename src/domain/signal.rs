//! A Signal is a reason to look at a tenant. It never says what to do there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approval::ProposalId;
use super::id::{PrincipalId, Sha256Hex, TenantId};

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
    /// A webhook of Partner Center.
    PartnerCenter,
    /// The tenant's own audit log, read from Microsoft Graph.
    AuditLog,
    /// Our own schedule.
    Schedule,
    /// A person who decided about what they were asked.
    Decision,
}

impl Sender {
    /// The name used in paths, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Audit => "audit",
            Self::O365 => "o365",
            Self::EventGrid => "event-grid",
            Self::PartnerCenter => "partner-center",
            Self::AuditLog => "audit-log",
            Self::Schedule => "schedule",
            Self::Decision => "decision",
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

    /// Steps that wait in the tenant for what passes, and are taken up then.
    pub fn held() -> Self {
        Self("held".to_owned())
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

    /// Whether it is about the tenant's subscriptions, of which no reading of its roles tells.
    pub fn is_about_subscriptions(&self) -> bool {
        [Self::subscriptions(), Self::reauthorization()].contains(self)
    }

    /// One directory object. The id is hashed, because it comes from the event.
    pub fn object(id: &str) -> Self {
        let id = id.trim().to_ascii_lowercase();
        Self(format!("object-{}", Sha256Hex::of(id.as_bytes()).short()))
    }

    /// One piece of audit content, by where it is fetched from. Each has a subject of its own, so
    /// that none is lost behind another.
    pub fn content(uri: &str) -> Self {
        Self(format!("content-{}", Sha256Hex::of(uri.as_bytes()).short()))
    }

    /// What a person decided about. Each has a subject of its own, so that nothing is waited for.
    pub fn decision(id: &ProposalId) -> Self {
        Self(format!("decision-{}", Sha256Hex::of(id.as_str().as_bytes()).short()))
    }

    /// The text stored with the queue entry.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The application in whose name something is said to have happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Initiator {
    /// The one this program signs in as, by its application id.
    OurApp,
    /// The one with this service principal in the tenant, by its object id.
    ServicePrincipal(PrincipalId),
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
    /// The application in whose name it was done, where it was one and can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<Initiator>,
    /// Whether all that was done is to take something away, as our own revocations do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removal: bool,
    /// Everything that it is said to have been done to, where that is more than the subject tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<Subject>,
    /// Where the audit records are that tell whether there is a reason to look: an address within
    /// the tenant's own feed of the Management Activity API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_uri: Option<String>,
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
        let signal = envelope.signal();
        assert_eq!(signal.what, "Add member to role");
        assert_eq!((signal.initiator, signal.removal, signal.content_uri), (None, false, None));
        assert_eq!(signal.about, []);
    }

    #[test]
    fn who_removed_and_where_the_content_is_survive_the_queue() {
        let stored = r#"{"version":"1","signal":{"tenant":"11111111-1111-1111-1111-111111111111",
            "sender":"o365","what":"x","subject":"content-0123456789ab",
            "receivedAt":"2026-03-04T05:06:07Z",
            "digest":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "initiator":{"servicePrincipal":"D1F68B05-47E2-4A9C-83B0-C6E59127D4FA"},
            "removal":true,"about":["object-0123456789ab"],
            "contentUri":"https://manage.example/x"}}"#;
        let envelope: Envelope = serde_json::from_str(stored).unwrap();
        let again = serde_json::from_str(&serde_json::to_string(&envelope).unwrap()).unwrap();
        assert_eq!(envelope, again);
        let signal = envelope.signal();
        let id = PrincipalId::new("d1f68b05-47e2-4a9c-83b0-c6e59127d4fa");
        assert_eq!(signal.initiator, Some(Initiator::ServicePrincipal(id)));
        assert!(signal.removal);
        assert_eq!(
            signal.about.iter().map(Subject::as_str).collect::<Vec<_>>(),
            ["object-0123456789ab"]
        );
        assert_eq!(signal.content_uri.as_deref(), Some("https://manage.example/x"));
    }

    #[test]
    fn every_content_is_a_subject_of_its_own() {
        assert_ne!(Subject::content("https://a/b"), Subject::content("https://a/B"));
        assert_ne!(Subject::content("x").as_str(), Subject::object("x").as_str());
    }

    #[test]
    fn a_sender_is_stored_by_its_name() {
        for sender in [
            Sender::Graph,
            Sender::Audit,
            Sender::O365,
            Sender::EventGrid,
            Sender::PartnerCenter,
            Sender::Schedule,
            Sender::Decision,
        ] {
            let stored = serde_json::to_string(&sender).unwrap();
            assert_eq!(stored, format!("\"{}\"", sender.name()));
            assert_eq!(serde_json::from_str::<Sender>(&stored).unwrap(), sender);
        }
    }

    #[test]
    fn an_object_is_one_subject_however_its_id_is_written() {
        assert_eq!(Subject::object("ABC"), Subject::object(" abc"));
        assert_ne!(Subject::object("abc"), Subject::object("abd"));
        assert_ne!(Subject::object("tenant"), Subject::tenant());
    }
}
