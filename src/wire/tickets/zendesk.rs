//! Zendesk: the HMAC of time and body, in that order and with nothing between them, in
//! `X-Zendesk-Webhook-Signature` (<https://developer.zendesk.com/documentation/webhooks/verifying/>).
//! The key is the secret as it is shown, which looks like base64 and is not decoded.
//!
//! An older version of that page has them in the other order, with a sample that verifies in that
//! order alone. `X-Zendesk-Webhook-Invocation-Id` is not signed.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Callback, Incoming, SECRET, callback, id, ids, in_base64, object, once, signed, usable,
};
use crate::domain::secret::Secret;
use crate::wire::{Reject, Verified};

const SIGNATURE: &str = "X-Zendesk-Webhook-Signature";
const SENT: &str = "X-Zendesk-Webhook-Signature-Timestamp";

/// What every test request from Zendesk's form for new webhooks is signed with. It is published, so
/// that it proves nothing.
const KNOWN_TO_ALL: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";

/// Verifies a callback and reads the id of the ticket it is about: of an event that a webhook is
/// subscribed to, or `ticket_id` in a body that a trigger writes.
///
/// # Errors
/// See [`super::Scheme::receive`].
pub fn receive(incoming: Incoming<'_>, secrets: &[Secret]) -> Result<Verified<Callback>, Reject> {
    let mut keys = usable(secrets)?;
    keys.retain(|key| key.trim() != KNOWN_TO_ALL);
    if keys.is_empty() {
        return Err(Reject::NoKey(SECRET));
    }
    let sent = incoming.header(SENT)?;
    let offered = in_base64(incoming.header(SIGNATURE)?);
    // With nothing between them, where the time ends must follow from the time alone.
    let at: Option<Timestamp> = sent.ends_with('Z').then(|| sent.parse().ok()).flatten();
    incoming.fresh(at.ok_or(Reject::NotAuthentic(SENT))?)?;
    let signature = offered
        .and_then(|offered| signed(&keys, &[sent.as_bytes(), incoming.body], &[offered]))
        .ok_or(Reject::NotAuthentic(SIGNATURE))?;
    let json = object(incoming.body)?;
    let event = json.get("type").and_then(Value::as_str);
    let event = event.and_then(|name| name.strip_prefix("zen:event-type:"));
    let (about, own_id): (&[&str], _) = match event {
        Some(name) if name.starts_with("ticket.") => (&["/detail/id"], id(&json, "/id")?),
        Some(_) => (&[], id(&json, "/id")?),
        None => (&["/ticket_id"], None),
    };
    Ok(callback(ids(&json, about)?, Some(own_id.unwrap_or_else(|| once(signature)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tickets::Scheme;
    use crate::wire::tickets::testing::{NOW, Trial, base64_mac};

    const BODY: &[u8] = br#"{"account_id":22129848,"type":"zen:event-type:ticket.status_changed","id":"cbe4028c-7239-495d-b020-f22348516046","subject":"zen:ticket:35436","detail":{"id":"35436","status":"OPEN"},"event":{"current":"OPEN","previous":"NEW"}}"#;

    fn at(sent: i64) -> impl Fn(&str, &[u8]) -> Vec<(&'static str, String)> {
        move |secret, body| {
            let sent = Timestamp::from_second(sent).unwrap().to_string();
            let mac = base64_mac(secret.as_bytes(), &[sent.as_bytes(), body]);
            vec![(SIGNATURE, mac), (SENT, sent)]
        }
    }

    #[test]
    fn the_sample_of_the_older_page_is_no_proof() {
        let secret = "HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=";
        let sent = "2021-07-25T10:00:00Z";
        let second = sent.parse::<Timestamp>().unwrap().as_second();
        let body = br#"{"say": "hello"}"#;
        let published = "tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw=";
        assert_eq!(base64_mac(secret.as_bytes(), &[body, sent.as_bytes()]), published);
        let it = Trial::of(Scheme::Zendesk, secret, body).now(second);
        it.is_forged(&[(SIGNATURE, published), (SENT, sent)]);
        let in_order = "Rry/4TtIdFyawtXXp8QdI6tlAUUQ/5kL1OTp5qo/ZIk=";
        it.is_authentic(&[(SIGNATURE, in_order), (SENT, sent)]);
    }

    #[test]
    fn a_ticket_is_read_again_by_its_id() {
        let it = Trial::of(Scheme::Zendesk, "s3cret", BODY);
        it.holds_what_every_scheme_must(&at(NOW));
        let taken = it.signed(&at(NOW)).unwrap();
        assert_eq!(taken.ids, ["35436"]);
        assert_eq!(taken.delivery.as_deref(), Some("cbe4028c-7239-495d-b020-f22348516046"));
        for body in [r#"{"ticket_id":"35436"}"#, r#"{"ticket_id":35436}"#] {
            let trigger = it.body(body.as_bytes());
            let taken = trigger.signed(&at(NOW)).unwrap();
            assert_eq!(taken.ids, ["35436"]);
            assert_ne!(taken.delivery, trigger.signed(&at(NOW + 1)).unwrap().delivery);
        }
        let user = br#"{"type":"zen:event-type:user.created","id":"e","detail":{"id":"35436"}}"#;
        assert_eq!(it.body(user).signed(&at(NOW)).unwrap().ids, [""; 0]);
    }

    #[test]
    fn a_request_is_good_for_five_minutes_either_way() {
        let it = Trial::of(Scheme::Zendesk, "s3cret", BODY);
        for (off, stale) in [(300, false), (301, true), (-300, false), (-301, true)] {
            let became = it.signed(&at(NOW + off)).map(drop);
            assert_eq!(became, if stale { Err(Reject::Stale) } else { Ok(()) }, "{off}");
        }
        for garbled in ["", "1764072000", "2026-11-25", "2026-11-25T12:00:00+00:00"] {
            let became = it.receive(&[(SENT, garbled), (SIGNATURE, "AAAA")]);
            assert_eq!(became, Err(Reject::NotAuthentic(SENT)), "{garbled}");
        }
    }

    #[test]
    fn the_secret_that_everybody_knows_is_none() {
        let it = Trial::of(Scheme::Zendesk, KNOWN_TO_ALL, BODY);
        assert_eq!(it.signed(&at(NOW)), Err(Reject::NoKey(SECRET)));
    }
}
