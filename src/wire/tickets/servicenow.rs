//! ServiceNow, by a business rule that signs as Standard Webhooks 1.0.0 asks:
//! `GlideCertificateEncryption.generateMac` with the secret's base64 and `HmacSHA256` makes what
//! stands after `v1,`.

use super::{Callback, Incoming, SECRET, callback, ids, is_id, object, usable};
use crate::domain::secret::Secret;
use crate::wire::standard_webhooks::{Headers, WebhookSecret, verify};
use crate::wire::{Reject, Verified};

/// Most bytes of the list of signatures. The body is hashed again for each one in it.
const LIST_MAX: usize = 512;

const SIGNATURE: &str = "webhook-signature";

/// Verifies a callback and reads the `sys_id` of the record it is about.
///
/// # Errors
/// See [`super::Scheme::receive`]; [`Reject::NoKey`] too where no secret is of the form `whsec_…`.
pub fn receive(incoming: Incoming<'_>, secrets: &[Secret]) -> Result<Verified<Callback>, Reject> {
    let texts = usable(secrets)?.into_iter().map(Secret::new);
    let keys: Vec<_> = texts.filter_map(|text| WebhookSecret::parse(&text).ok()).collect();
    if keys.is_empty() {
        return Err(Reject::NoKey(SECRET));
    }
    let delivery = incoming.header("webhook-id")?;
    let headers = Headers {
        id: Some(delivery),
        timestamp: Some(incoming.header("webhook-timestamp")?),
        signature: Some(incoming.header(SIGNATURE)?),
    };
    if headers.signature.is_some_and(|list| list.len() > LIST_MAX) {
        return Err(Reject::NotAuthentic(SIGNATURE));
    }
    verify(&keys, headers, incoming.body, incoming.now)?;
    if !is_id(delivery) {
        let (path, what) = ("webhook-id".to_owned(), "not an id".to_owned());
        return Err(Reject::Malformed { path, what });
    }
    let json = object(incoming.body)?;
    Ok(callback(ids(&json, &["/sys_id", "/data/sys_id"])?, Some(delivery.to_owned())))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::wire::tickets::Scheme;
    use crate::wire::tickets::testing::{NOW, Trial};

    const OURS: &str = "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0";
    const BODY: &[u8] = br#"{"sys_id":"9d385017c611228701d22104cc95c371","number":"INC0010023"}"#;

    fn at(sent: i64) -> impl Fn(&str, &[u8]) -> Vec<(&'static str, String)> {
        move |secret, body| {
            let secret = WebhookSecret::parse(&Secret::new(secret))
                .unwrap_or_else(|_| WebhookSecret::parse(&Secret::new(OURS)).unwrap());
            let signature = secret.sign("change-1", Timestamp::from_second(sent).unwrap(), body);
            vec![
                (SIGNATURE, signature),
                ("webhook-timestamp", sent.to_string()),
                ("webhook-id", "change-1".to_owned()),
            ]
        }
    }

    /// The one in the specification; its body is about no ticket.
    #[test]
    fn the_published_signature_verifies() {
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let it = Trial::of(Scheme::ServiceNow, secret, body).now(1_649_367_553);
        let headers = [
            ("Webhook-Id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
            ("Webhook-Timestamp", "1649367553"),
            ("Webhook-Signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
        ];
        it.is_authentic(&headers);
        let taken = it.receive(&headers).unwrap();
        assert_eq!(taken.ids, [""; 0]);
        assert_eq!(taken.delivery.as_deref(), Some("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"));
    }

    #[test]
    fn a_record_is_read_again_by_its_sys_id() {
        let it = Trial::of(Scheme::ServiceNow, OURS, BODY);
        it.holds_what_every_scheme_must(&at(NOW));
        assert_eq!(it.signed(&at(NOW)).unwrap().ids, ["9d385017c611228701d22104cc95c371"]);
        let typed = it.body(br#"{"type":"incident.updated","data":{"sys_id":"9d385017"}}"#);
        assert_eq!(typed.signed(&at(NOW)).unwrap().ids, ["9d385017"]);
        for (off, stale) in [(300, false), (301, true), (-300, false), (-301, true)] {
            let became = it.signed(&at(NOW + off)).map(drop);
            assert_eq!(became, if stale { Err(Reject::Stale) } else { Ok(()) }, "{off}");
        }
    }

    #[test]
    fn a_secret_of_another_form_is_none() {
        let it = Trial::of(Scheme::ServiceNow, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0", BODY);
        assert_eq!(it.signed(&at(NOW)), Err(Reject::NoKey(SECRET)));
    }

    #[test]
    fn a_list_of_signatures_without_end_is_not_gone_through() {
        let endless = |secret: &str, body: &[u8]| {
            let mut headers = at(NOW)(secret, body);
            headers[0].1 = format!("{}{}", "v1,AAAA ".repeat(LIST_MAX / 8), headers[0].1);
            headers
        };
        let it = Trial::of(Scheme::ServiceNow, OURS, BODY);
        assert_eq!(it.signed(&endless), Err(Reject::NotAuthentic(SIGNATURE)));
    }
}
