//! `PagerDuty`, webhooks of version 3: one or more HMACs of the body in `X-PagerDuty-Signature`,
//! each after `v1=` and with a comma between them, of which one must be right
//! (<https://developer.pagerduty.com/docs/webhooks/webhook-signatures/>).
//!
//! There is no time in the header; the event's id, which is signed, is the same in each attempt.

use super::{Callback, Incoming, callback, id, ids, in_hex, object, once, signed, usable};
use crate::domain::secret::Secret;
use crate::wire::{Reject, Verified};

const SIGNATURE: &str = "X-PagerDuty-Signature";

/// Verifies a callback and reads id and incident key of the incident it is about.
///
/// # Errors
/// See [`super::Scheme::receive`].
pub fn receive(incoming: Incoming<'_>, secrets: &[Secret]) -> Result<Verified<Callback>, Reject> {
    let keys = usable(secrets)?;
    let list = incoming.header(SIGNATURE)?.split(',');
    let offered: Vec<_> =
        list.filter_map(|one| one.trim().strip_prefix("v1=").and_then(in_hex)).collect();
    let signature = signed(&keys, &[incoming.body], &offered);
    let signature = signature.ok_or(Reject::NotAuthentic(SIGNATURE))?;
    let json = object(incoming.body)?;
    let kind = json.pointer("/event/data/type").and_then(serde_json::Value::as_str);
    let about = if kind == Some("incident") {
        let mut names = ids(&json, &["/event/data/id"])?;
        // Others give their incidents keys of any form, and those are none of ours.
        names.extend(id(&json, "/event/data/incident_key").ok().flatten());
        names
    } else {
        // Of a note, a status update or a responder, the incident stands beside it.
        ids(&json, &["/event/data/incident/id"])?
    };
    let delivery = id(&json, "/event/id")?.unwrap_or_else(|| once(signature));
    Ok(callback(about, Some(delivery)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tickets::Scheme;
    use crate::wire::tickets::testing::{Trial, hex_mac};

    const BODY: &[u8] = br#"{"event":{"id":"01BU9T8KG2CCI3HX48Y1KTNGDE","event_type":"incident.acknowledged","resource_type":"incident","occurred_at":"2026-11-25T12:00:00Z","data":{"id":"PGR0VU2","type":"incident","incident_key":"pw1-0123456789abcdef0123456789","status":"acknowledged"}}}"#;

    fn sign(secret: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        vec![(SIGNATURE, format!("v1={}", hex_mac(secret.as_bytes(), &[body])))]
    }

    #[test]
    fn an_incident_is_read_again_by_its_id_and_key() {
        let it = Trial::of(Scheme::PagerDuty, "s3cret", BODY);
        it.holds_what_every_scheme_must(&sign);
        let taken = it.signed(&sign).unwrap();
        assert_eq!(taken.ids, ["PGR0VU2", "pw1-0123456789abcdef0123456789"]);
        assert_eq!(taken.delivery.as_deref(), Some("01BU9T8KG2CCI3HX48Y1KTNGDE"));
        let note = br#"{"event":{"id":"E2","event_type":"incident.annotated","data":{"id":"PNOTE","type":"incident_note","incident":{"id":"PGR0VU2"}}}}"#;
        assert_eq!(it.body(note).signed(&sign).unwrap().ids, ["PGR0VU2"]);
        let foreign = br#"{"event":{"id":"E4","data":{"id":"PGR0VU2","type":"incident","incident_key":"a disk/is full"}}}"#;
        assert_eq!(it.body(foreign).signed(&sign).unwrap().ids, ["PGR0VU2"]);
        let ping = br#"{"event":{"id":"E3","event_type":"pagey.ping","data":{"type":"ping","message":"Hello"}}}"#;
        assert_eq!(it.body(ping).signed(&sign).unwrap().ids, [""; 0]);
    }

    #[test]
    fn one_good_signature_of_several_is_enough() {
        let it = Trial::of(Scheme::PagerDuty, "s3cret", BODY);
        let [good, other] = ["s3cret", "before"].map(|key| hex_mac(key.as_bytes(), &[BODY]));
        it.is_authentic(&[(SIGNATURE, &format!("v1={other},v1={good}"))]);
        it.is_authentic(&[(SIGNATURE, &format!("v2=abc, v1={good}, v1="))]);
        for list in [
            String::new(),
            good.clone(),
            format!("v1={other}"),
            format!("v2={good}"),
            format!("v1={other}{good}"),
            format!("v1={other} v1={good}"),
        ] {
            it.is_forged(&[(SIGNATURE, &list)]);
        }
    }
}
