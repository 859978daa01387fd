//! Tests of records, chains and bundles.

use super::*;
use crate::domain::finding::testing::{Case as Given, noon};
use crate::domain::id::PrincipalId;

#[test]
fn what_was_seen_of_a_partner_is_kept_whole_or_says_what_is_left_out() {
    let given = Given::new()
        .member("Megan", "Global Administrator")
        .foreign_group("Agents", "Directory Readers")
        .foreign_group("Helpers", "Reports Reader");
    let policy = given.policy();
    let mut seen = Seen::of(&given.facts, &policy.roster.tenants[0], noon());
    let key = seen.grants[0].partner.key();
    let before = seen.before(&key);
    assert_eq!((before.grants.len(), before.more), (2, 0));
    assert_eq!(before.facts, Sha256Hex::of(&serde_json::to_vec(&given.facts).unwrap()));
    assert!(seen.before("somebody else").grants.is_empty());
    let grant = seen.grants[0].clone();
    seen.grants = (0..GRANTS_MAX + 7)
        .map(|n| Grant { principal: PrincipalId::new(&n.to_string()), ..grant.clone() })
        .collect();
    let before = seen.before(&key);
    assert_eq!((before.grants.len(), before.more), (GRANTS_MAX, 7));
}

#[test]
fn one_thing_read_differently_is_another_digest() {
    let given = Given::new().foreign_group("Agents", "Directory Readers");
    let digest = facts_digest(&given.facts);
    assert_eq!(digest, facts_digest(&given.facts.clone()));
    assert_ne!(digest, facts_digest(&given.foreign_group("B", "Reports Reader").facts));
}

#[test]
fn an_event_is_stored_by_its_name() {
    for event in [
        RecordEvent::Looked,
        RecordEvent::Verified,
        RecordEvent::Unverified,
        RecordEvent::Reappeared,
        RecordEvent::Restored,
        RecordEvent::Decided,
        RecordEvent::Expired,
    ] {
        let stored = serde_json::to_string(&event).unwrap();
        assert_eq!(stored, format!("\"{}\"", event.as_str()));
    }
}
