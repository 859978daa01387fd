//! GitHub: the HMAC of the body in `X-Hub-Signature-256`
//! (<https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>).
//!
//! `X-GitHub-Delivery` is not signed, so that it is not what a repeated request is known by: the
//! body is, which holds the time of the change. `X-Hub-Signature`, with SHA-1, is never looked at.

use super::{Callback, Incoming, callback, ids, object, once, payload, sha256_header};
use crate::domain::secret::Secret;
use crate::wire::{Reject, Verified};

const SIGNATURE: &str = "X-Hub-Signature-256";

/// Verifies a callback and reads the number of the issue it is about. GitHub sends JSON, or a form
/// with JSON in it where the webhook was made without a content type.
///
/// # Errors
/// See [`super::Scheme::receive`].
pub fn receive(incoming: Incoming<'_>, secrets: &[Secret]) -> Result<Verified<Callback>, Reject> {
    let signature = sha256_header(incoming, secrets, SIGNATURE)?;
    let form = incoming.body.starts_with(b"payload=").then(|| payload(incoming.body)).flatten();
    let json = object(form.as_deref().unwrap_or(incoming.body))?;
    Ok(callback(ids(&json, &["/issue/number"])?, Some(once(signature))))
}

#[cfg(test)]
mod tests {
    use url::form_urlencoded;

    use super::*;
    use crate::wire::tickets::Scheme;
    use crate::wire::tickets::testing::{Trial, hex_mac, some};

    /// The one in GitHub's documentation.
    const PUBLISHED: &str =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn sign(secret: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        vec![(SIGNATURE, format!("sha256={}", hex_mac(secret.as_bytes(), &[body])))]
    }

    const BODY: &[u8] = br#"{"action":"labeled","issue":{"id":73464126,"number":73,"updated_at":"2026-11-25T12:00:00Z"},"label":{"name":"approved"}}"#;

    #[test]
    fn the_published_signature_verifies() {
        let it = Trial::of(Scheme::Github, "It's a Secret to Everybody", b"Hello, World!");
        it.is_authentic(&[(SIGNATURE, PUBLISHED)]);
        it.body(b"Hello World!").is_forged(&[(SIGNATURE, PUBLISHED)]);
    }

    #[test]
    fn an_issue_is_read_again_by_its_number() {
        let it = Trial::of(Scheme::Github, "s3cret", BODY);
        it.holds_what_every_scheme_must(&sign);
        assert_eq!(it.signed(&sign).unwrap().ids, ["73"]);
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", std::str::from_utf8(BODY).unwrap())
            .finish();
        assert_eq!(it.body(form.as_bytes()).signed(&sign).unwrap().ids, ["73"]);
        let ping = it.body(br#"{"zen":"Keep it logically awesome.","hook_id":1}"#);
        assert_eq!(ping.signed(&sign).unwrap().ids, [""; 0]);
    }

    #[test]
    fn a_repeated_delivery_is_known_by_what_is_signed() {
        let it = Trial::of(Scheme::Github, "s3cret", BODY);
        let first = it.signed(&sign).unwrap().delivery;
        assert!(first.is_some());
        let renamed = |secret: &str, body: &[u8]| {
            let mut headers = sign(secret, body);
            headers.push(("X-GitHub-Delivery", "another".to_owned()));
            headers
        };
        assert_eq!(it.signed(&renamed).unwrap().delivery, first);
        let later = some(BODY).replace("12:00:00", "12:00:01");
        assert_ne!(it.body(later.as_bytes()).signed(&sign).unwrap().delivery, first);
    }

    #[test]
    fn sha_1_is_no_proof() {
        let it = Trial::of(Scheme::Github, "s3cret", BODY);
        it.lacks_proof(&[("X-Hub-Signature", &sign("s3cret", BODY)[0].1)]);
        let mac = hex_mac(b"s3cret", &[BODY]);
        for other in [mac.clone(), format!("sha1={mac}"), format!("SHA256={mac}"), String::new()] {
            it.is_forged(&[(SIGNATURE, &other)]);
        }
    }
}
