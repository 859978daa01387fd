//! What is kept of a case: enough to prove later what was seen, decided and done.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::facts::Gap;
use super::id::{Sha256Hex, TenantId};
use super::policy::Mode;
use super::signal::Signal;

/// One entry of the ledger's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its name: tickets refer to it.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub event: RecordEvent,
    /// The digest of the policy that decided.
    pub policy: Sha256Hex,
    /// The ceiling in force.
    pub mode: Mode,
    /// The signals behind it, counted, with the first of them.
    pub signals: Signals,
    /// When the tenant was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// The case as it stood afterwards.
    pub case: Case,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordEvent {
    /// A tenant was looked at and the case changed.
    Looked,
    /// Access was seen to be gone.
    Verified,
    /// Access was still there at the last reading.
    Reappeared,
    /// It could not be read at the last reading whether access is gone.
    Unverified,
}

/// The signals a look satisfied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signals {
    /// How many.
    pub count: u64,
    /// The one that was received first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Signal>,
}

/// The name of the record of `event` about a case at a moment.
pub fn record_id(tenant: TenantId, partner_key: &str, event: RecordEvent, at: Timestamp) -> String {
    let event = format!("{event:?}");
    let digest = Sha256Hex::of_fields(&[&tenant.to_string(), partner_key, &event, &at.to_string()]);
    format!("rec-{}", digest.short())
}

/// A record's link in the chain: the hash over the link before it and the record's own bytes.
///
/// The first record's predecessor is the empty text.
pub fn link(previous: &str, record_json: &str) -> Sha256Hex {
    Sha256Hex::of_fields(&["record-chain/v1", previous, record_json])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_record_or_order_changes_every_later_link() {
        let first = link("", "a");
        let second = link(first.as_str(), "b");
        assert_ne!(link("", "b"), first);
        assert_ne!(link(link("", "c").as_str(), "b"), second);
        assert_eq!(link(first.as_str(), "b"), second);
    }
}
