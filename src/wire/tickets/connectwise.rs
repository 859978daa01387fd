//! `ConnectWise` PSA: the HMAC of the body in `x-content-signature`, whose key is the SHA-256 of the
//! signing key (<https://developer.connectwise.com/Products/ConnectWise_PSA/Developer_Guide>).
//!
//! The body names an address of that key in `Metadata.key_url`. Whoever writes a body writes that
//! address too, so that it is never looked at: the signing key is configured, like any other secret.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Callback, Incoming, callback, ids, in_base64, object, once, signed, usable};
use crate::domain::secret::Secret;
use crate::wire::{Reject, Verified};

const SIGNATURE: &str = "x-content-signature";

/// Verifies a callback and reads the id of the ticket it is about.
///
/// # Errors
/// See [`super::Scheme::receive`].
pub fn receive(incoming: Incoming<'_>, secrets: &[Secret]) -> Result<Verified<Callback>, Reject> {
    let keys: Vec<_> = usable(secrets)?.iter().map(Sha256::digest).collect();
    let signature = in_base64(incoming.header(SIGNATURE)?)
        .and_then(|offered| signed(&keys, &[incoming.body], &[offered]))
        .ok_or(Reject::NotAuthentic(SIGNATURE))?;
    let json = object(incoming.body)?;
    let kind = json.get("Type").and_then(Value::as_str).unwrap_or_default();
    let about = if kind.eq_ignore_ascii_case("ticket") { ids(&json, &["/ID"])? } else { vec![] };
    Ok(callback(about, is_dated(&json).then(|| once(signature))))
}

/// Whether the body holds the time of the change. Without it, two changes of a ticket look alike.
fn is_dated(json: &Value) -> bool {
    // The entity is JSON within a text.
    let entity = json.get("Entity").and_then(Value::as_str);
    let entity: Option<Value> = entity.and_then(|text| serde_json::from_str(text).ok());
    entity.is_some_and(|entity| entity.pointer("/_info/lastUpdated").is_some_and(Value::is_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tickets::Scheme;
    use crate::wire::tickets::testing::{Trial, base64_mac, some};

    const BODY: &[u8] = br#"{"Action":"updated","CompanyId":"woodgrove","Entity":"{\"id\":471,\"_info\":{\"lastUpdated\":\"2026-11-25T12:00:00Z\"}}","ID":471,"Metadata":{"key_url":"https://api.example.com/v4_6_release/apis/3.0/system/callbacks/key"},"Type":"ticket"}"#;

    fn sign(secret: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        let key = Sha256::digest(secret.as_bytes());
        vec![(SIGNATURE, base64_mac(&key, &[body]))]
    }

    #[test]
    fn the_key_is_the_digest_of_the_signing_key() {
        // Made with another implementation of HMAC and SHA-256.
        let body = br#"{"Action":"updated","ID":471,"Type":"ticket"}"#;
        let it = Trial::of(Scheme::ConnectWise, "signing-key-of-connectwise", body);
        it.is_authentic(&[(SIGNATURE, "ZdkKrn+kNH9S9jDctuMXu0wJFe42rKPWeF4aIu0o8NY=")]);
        // With the signing key itself.
        it.is_forged(&[(SIGNATURE, "RY/UGg5IyYtS8VD7pctIOMMurI1ZRHBQNfREsJxjluw=")]);
    }

    #[test]
    fn a_ticket_is_read_again_by_its_id() {
        let it = Trial::of(Scheme::ConnectWise, "s3cret", BODY);
        it.holds_what_every_scheme_must(&sign);
        assert_eq!(it.signed(&sign).unwrap().ids, ["471"]);
        let company = some(BODY).replace("\"ticket\"", "\"company\"");
        assert_eq!(it.body(company.as_bytes()).signed(&sign).unwrap().ids, [""; 0]);
    }

    #[test]
    fn two_changes_that_look_alike_are_both_taken() {
        let it = Trial::of(Scheme::ConnectWise, "s3cret", BODY);
        assert!(it.signed(&sign).unwrap().delivery.is_some());
        let undated = it.body(br#"{"Action":"updated","ID":471,"Type":"ticket"}"#);
        assert_eq!(undated.signed(&sign).unwrap().delivery, None);
    }
}
