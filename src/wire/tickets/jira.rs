//! Jira Cloud and Data Center: the HMAC-SHA256 of the body in `X-Hub-Signature`
//! (<https://developer.atlassian.com/cloud/jira/platform/webhooks/>,
//! <https://confluence.atlassian.com/adminjiraserver/managing-webhooks-938846912.html>).
//!
//! The header has the name of GitHub's old one with SHA-1 and is not it. The body holds the time of
//! the event in milliseconds; `X-Atlassian-Webhook-Identifier` is not signed.

use super::{Callback, Incoming, callback, ids, object, once, sha256_header};
use crate::domain::secret::Secret;
use crate::wire::{Reject, Verified};

const SIGNATURE: &str = "X-Hub-Signature";

/// Verifies a callback and reads id and key of the issue it is about.
///
/// # Errors
/// See [`super::Scheme::receive`].
pub fn receive(incoming: Incoming<'_>, secrets: &[Secret]) -> Result<Verified<Callback>, Reject> {
    let signature = sha256_header(incoming, secrets, SIGNATURE)?;
    let json = object(incoming.body)?;
    Ok(callback(ids(&json, &["/issue/id", "/issue/key"])?, Some(once(signature))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tickets::Scheme;
    use crate::wire::tickets::testing::{Trial, hex_mac};

    /// The one in Atlassian's documentation.
    const PUBLISHED: &str =
        "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";

    const BODY: &[u8] = br#"{"timestamp":1764072000000,"webhookEvent":"jira:issue_updated","issue":{"id":"10002","key":"SEC-17","fields":{"status":{"statusCategory":{"key":"done"}}}},"user":{"accountId":"5b10a2844c20165700ede21g"}}"#;

    fn sign(secret: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        vec![(SIGNATURE, format!("sha256={}", hex_mac(secret.as_bytes(), &[body])))]
    }

    #[test]
    fn the_published_signature_verifies() {
        let it = Trial::of(Scheme::Jira, "It's a Secret to Everybody", b"Hello World!");
        it.is_authentic(&[(SIGNATURE, PUBLISHED)]);
        it.body(b"Hello, World!").is_forged(&[(SIGNATURE, PUBLISHED)]);
    }

    #[test]
    fn an_issue_is_read_again_by_its_id_and_key() {
        let it = Trial::of(Scheme::Jira, "s3cret", BODY);
        it.holds_what_every_scheme_must(&sign);
        assert_eq!(it.signed(&sign).unwrap().ids, ["10002", "SEC-17"]);
        let about_a_project = br#"{"timestamp":1,"webhookEvent":"project_created"}"#;
        assert_eq!(it.body(about_a_project).signed(&sign).unwrap().ids, [""; 0]);
    }

    #[test]
    fn a_signature_of_githubs_old_kind_is_none() {
        let it = Trial::of(Scheme::Jira, "s3cret", BODY);
        let mac = hex_mac(b"s3cret", &[BODY]);
        it.is_forged(&[(SIGNATURE, &format!("sha1={mac}"))]);
        it.is_forged(&[(SIGNATURE, &format!("sha1={}", &mac[..40]))]);
    }
}
