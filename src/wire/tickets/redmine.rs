//! Redmine 7: the HMAC of the body in `X-Redmine-Signature-256` (`app/models/webhook.rb` and
//! `webhook_payload.rb` of <https://github.com/redmine/redmine>). The body holds the time of the
//! change.

use super::{Callback, Incoming, callback, ids, object, once, sha256_header};
use crate::domain::secret::Secret;
use crate::wire::{Reject, Verified};

const SIGNATURE: &str = "X-Redmine-Signature-256";

/// Verifies a callback and reads the id of the issue it is about.
///
/// # Errors
/// See [`super::Scheme::receive`].
pub fn receive(incoming: Incoming<'_>, secrets: &[Secret]) -> Result<Verified<Callback>, Reject> {
    let signature = sha256_header(incoming, secrets, SIGNATURE)?;
    let json = object(incoming.body)?;
    Ok(callback(ids(&json, &["/data/issue/id"])?, Some(once(signature))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tickets::Scheme;
    use crate::wire::tickets::testing::{Trial, hex_mac};

    const BODY: &[u8] = br#"{"type":"issue.updated","timestamp":"2026-11-25T12:00:00Z","data":{"issue":{"id":4711,"status":{"id":5}},"journal":{"id":9}}}"#;

    fn sign(secret: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        vec![(SIGNATURE, format!("sha256={}", hex_mac(secret.as_bytes(), &[body])))]
    }

    #[test]
    fn an_issue_is_read_again_by_its_id() {
        let it = Trial::of(Scheme::Redmine, "s3cret", BODY);
        it.holds_what_every_scheme_must(&sign);
        assert_eq!(it.signed(&sign).unwrap().ids, ["4711"]);
        let page = br#"{"type":"wiki_page.updated","timestamp":"2026-11-25T12:00:00Z","data":{"wiki_page":{"title":"Start"}}}"#;
        assert_eq!(it.body(page).signed(&sign).unwrap().ids, [""; 0]);
    }
}
