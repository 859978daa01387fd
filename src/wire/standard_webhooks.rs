//! Standard Webhooks 1.0.0: signatures made and verified, with the time as an argument.
//!
//! Source: the specification at <https://github.com/standard-webhooks/standard-webhooks>. The
//! published crate takes the time from the clock and refuses bodies that are not UTF-8, hence
//! these few lines over `hmac`.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use super::Reject;
use crate::domain::secret::Secret;

/// How far `webhook-timestamp` may be off, either way.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Fewest bytes of a secret.
const SECRET_MIN: usize = 16;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A decoded `whsec_…` secret.
#[derive(Clone)]
pub struct WebhookSecret(Vec<u8>);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The text is no Standard Webhooks secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a secret of the form whsec_ followed by the base64 of at least {SECRET_MIN} bytes")]
pub struct NotASecret;

impl WebhookSecret {
    /// Decodes `whsec_…`.
    pub fn parse(secret: &Secret) -> Result<Self, NotASecret> {
        let encoded = secret.expose().trim().strip_prefix("whsec_").ok_or(NotASecret)?;
        let bytes = LENIENT.decode(encoded).map_err(|_| NotASecret)?;
        if bytes.len() < SECRET_MIN { Err(NotASecret) } else { Ok(Self(bytes)) }
    }

    /// The `webhook-signature` of a message.
    pub fn sign(&self, id: &str, timestamp: Timestamp, body: &[u8]) -> String {
        let mac = self.mac(id, &timestamp.as_second().to_string(), body).finalize();
        format!("v1,{}", STANDARD.encode(mac.into_bytes()))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

/// The three headers, as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `webhook-id`.
    pub id: Option<&'a str>,
    /// `webhook-timestamp`, in seconds since 1970.
    pub timestamp: Option<&'a str>,
    /// `webhook-signature`: one or more signatures with a space between them.
    pub signature: Option<&'a str>,
}

/// Verifies a message against each of the keys: one, or two while they are rotated. Returns the
/// signature that verifies, which no other id, timestamp or body has.
///
/// # Errors
/// [`Reject::NoKey`], [`Reject::Missing`], [`Reject::Stale`] or [`Reject::NotAuthentic`].
pub fn verify(
    keys: &[WebhookSecret],
    headers: Headers<'_>,
    body: &[u8],
    now: Timestamp,
) -> Result<Vec<u8>, Reject> {
    if keys.is_empty() {
        return Err(Reject::NoKey("auditWebhookSecret"));
    }
    let id = headers.id.filter(|id| !id.is_empty()).ok_or(Reject::Missing("webhook-id"))?;
    let timestamp = headers.timestamp.ok_or(Reject::Missing("webhook-timestamp"))?;
    let signatures = headers.signature.ok_or(Reject::Missing("webhook-signature"))?;
    let sent = timestamp
        .parse()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or(Reject::NotAuthentic("webhook-timestamp"))?;
    if now.duration_since(sent).abs() > TOLERANCE {
        return Err(Reject::Stale);
    }
    // The body is hashed once for each key, however many signatures a stranger offers.
    let macs: Vec<_> = keys.iter().map(|key| key.mac(id, timestamp, body)).collect();
    let offered = signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,"));
    for signature in offered.filter_map(|encoded| STANDARD.decode(encoded).ok()) {
        // `verify_slice` compares in constant time.
        if macs.iter().any(|mac| mac.clone().verify_slice(&signature).is_ok()) {
            return Ok(signature);
        }
    }
    Err(Reject::NotAuthentic("webhook-signature"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const TIMESTAMP: &str = "1649367553";
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

    fn key(text: &str) -> WebhookSecret {
        WebhookSecret::parse(&Secret::new(text)).unwrap()
    }

    fn published() -> WebhookSecret {
        key("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    }

    fn headers() -> Headers<'static> {
        Headers { id: Some(ID), timestamp: Some(TIMESTAMP), signature: Some(SIGNATURE) }
    }

    fn at(offset: i64) -> Timestamp {
        Timestamp::from_second(1_649_367_553 + offset).unwrap()
    }

    #[track_caller]
    fn check(
        keys: &[WebhookSecret],
        headers: Headers<'_>,
        body: &[u8],
        expect: &Result<(), Reject>,
    ) {
        assert_eq!(verify(keys, headers, body, at(0)).map(drop), *expect);
    }

    #[test]
    fn the_published_vector_verifies_and_is_what_we_sign() {
        check(&[published()], headers(), BODY, &Ok(()));
        assert_eq!(published().sign(ID, at(0), BODY), SIGNATURE);
        let verified = verify(&[published()], headers(), BODY, at(0));
        assert_eq!(format!("v1,{}", STANDARD.encode(verified.unwrap())), SIGNATURE);
    }

    #[test]
    fn one_good_signature_among_several_is_enough_and_so_is_one_of_two_keys() {
        let list = format!("v1a,abc v1,!!! v1,AAAA {SIGNATURE}");
        let several = Headers { signature: Some(&list), ..headers() };
        check(&[published()], several, BODY, &Ok(()));
        let other = key("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0");
        check(&[other.clone(), published()], headers(), BODY, &Ok(()));
        check(&[other], headers(), BODY, &Err(Reject::NotAuthentic("webhook-signature")));
    }

    #[test]
    fn whatever_is_changed_does_not_verify() {
        let keys = [published()];
        let wrong = || Err(Reject::NotAuthentic("webhook-signature"));
        check(&keys, headers(), b"{}", &wrong());
        check(&keys, Headers { id: Some("msg_other"), ..headers() }, BODY, &wrong());
        check(&keys, Headers { timestamp: Some("1649367554"), ..headers() }, BODY, &wrong());
        let unversioned = SIGNATURE.trim_start_matches("v1,");
        for signature in ["", "v1,", "v1", unversioned, &SIGNATURE.replace("v1", "v2")] {
            check(&keys, Headers { signature: Some(signature), ..headers() }, BODY, &wrong());
        }
        let garbled = Err(Reject::NotAuthentic("webhook-timestamp"));
        for timestamp in ["", "now", "1e9", "99999999999999999999"] {
            let headers = Headers { timestamp: Some(timestamp), ..headers() };
            check(&keys, headers, BODY, &garbled.clone());
        }
    }

    #[test]
    fn whatever_is_missing_is_named() {
        let keys = [published()];
        check(&[], headers(), BODY, &Err(Reject::NoKey("auditWebhookSecret")));
        for (headers, name) in [
            (Headers { id: None, ..headers() }, "webhook-id"),
            (Headers { id: Some(""), ..headers() }, "webhook-id"),
            (Headers { timestamp: None, ..headers() }, "webhook-timestamp"),
            (Headers { signature: None, ..headers() }, "webhook-signature"),
        ] {
            check(&keys, headers, BODY, &Err(Reject::Missing(name)));
        }
    }

    #[test]
    fn a_message_is_good_for_five_minutes_either_way() {
        for (offset, expect) in
            [(300, Ok(())), (301, Err(Reject::Stale)), (-300, Ok(())), (-301, Err(Reject::Stale))]
        {
            let verified = verify(&[published()], headers(), BODY, at(offset));
            assert_eq!(verified.map(drop), expect, "{offset}");
        }
    }

    #[test]
    fn a_secret_has_one_form() {
        let parse = |text: &str| WebhookSecret::parse(&Secret::new(text)).err();
        assert_eq!(parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"), None);
        assert_eq!(parse("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc"), None, "padding may be left out");
        assert_eq!(parse("\n\nwhsec_MTIzNDU2Nzg5MDEyMzQ1Njc=\n"), None, "a file ends with a line");
        for text in ["", "whsec_", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_c2hvcnQ=", "whsec_!"]
        {
            assert_eq!(parse(text), Some(NotASecret), "{text}");
        }
        assert_eq!(format!("{:?}", published()), "[redacted]");
    }
}
