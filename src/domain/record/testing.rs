//! Records and chains for tests.

use jiff::{SignedDuration, Timestamp};

use super::chain::Entry;
use super::{Record, RecordEvent};
use crate::domain::case::{Case, Row};
use crate::domain::finding::testing::{CONTOSO, STRANGER, WOODGROVE, noon};
use crate::domain::id::Sha256Hex;
use crate::domain::policy::Mode;
use crate::domain::roster::AffectedPartner;

/// So many hours after noon.
pub(crate) fn hours(hours: i64) -> Timestamp {
    noon() + SignedDuration::from_hours(hours)
}

/// A record written so many hours after noon, about a partner whose case then stands, or not.
pub(crate) fn record(at: i64, partner: &str, open: bool) -> Record {
    let id = if partner == "Contoso Reseller" { CONTOSO } else { STRANGER };
    let partner = AffectedPartner { id: id.parse().ok(), name: partner.to_owned(), listed: true };
    let mut case = Case::open(WOODGROVE.parse().unwrap(), "Woodgrove", partner, Mode::Enforce);
    let key = Sha256Hex::of(b"row");
    case.rows = vec![Row { key, findings: Vec::new(), step: None, open, quiet: false }];
    Record::of(RecordEvent::Looked, hours(at), &Sha256Hex::of(b"policy"), &case)
}

/// As it is written down.
pub(crate) fn text(record: &Record) -> String {
    serde_json::to_string(record).unwrap()
}

/// A chain of records.
pub(crate) fn chained(records: &[Record]) -> Vec<Entry> {
    let mut chain: Vec<Entry> = Vec::new();
    for (sequence, record) in (1..).zip(records) {
        let previous = chain.last().map_or("", |entry| entry.link.as_str());
        chain.push(Entry::new(sequence, &record.id, previous, text(record)));
    }
    chain
}
