//! Systems that sign nothing and can send a secret of ours in `Authorization`: as a bearer token
//! (RFC 6750) or as the password of any user (RFC 7617). Azure DevOps, Freshservice, Halo, iTop,
//! Request Tracker, `TOPdesk`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::{Callback, Incoming, callback, id, object, usable};
use crate::domain::secret::Secret;
use crate::wire::{Reject, Verified};

const PROOF: &str = "Authorization";

/// Where a body has the ticket's id, the surest place first: in what Azure DevOps sends of a changed
/// work item, `id` is the notification's and `resource.id` the change's; in what Halo sends, `id` is
/// the notification's. A body that is written by hand has just `id`.
const PLACES: [&str; 4] = ["/resource/workItemId", "/resource/id", "/ticket/id", "/id"];

/// Verifies a callback and reads the id of the ticket it is about. `delivery` in the body tells it
/// from others, or the notification's id where that is not the ticket's.
///
/// # Errors
/// See [`super::Scheme::receive`].
pub fn receive(incoming: Incoming<'_>, secrets: &[Secret]) -> Result<Verified<Callback>, Reject> {
    let keys = usable(secrets)?;
    let offered = offered(incoming.header(PROOF)?).ok_or(Reject::NotAuthentic(PROOF))?;
    // Digests are of one length, so that the time tells nothing of the secret's; and all of the
    // secrets are compared.
    let offered = Sha256::digest(&offered);
    let same = keys.iter().fold(Choice::from(0), |same, key| {
        same | Sha256::digest(key.trim()).as_slice().ct_eq(offered.as_slice())
    });
    if !bool::from(same) {
        return Err(Reject::NotAuthentic(PROOF));
    }
    let json = object(incoming.body)?;
    let mut about = None;
    for place in PLACES {
        if let Some(ticket) = id(&json, place)? {
            about = Some((place, ticket));
            break;
        }
    }
    let delivery = match (id(&json, "/delivery")?, &about) {
        (None, Some((place, _))) if *place != "/id" => id(&json, "/id")?,
        (delivery, _) => delivery,
    };
    Ok(callback(about.into_iter().map(|(_, ticket)| ticket).collect(), delivery))
}

/// The token or password of a header.
fn offered(authorization: &str) -> Option<Vec<u8>> {
    let (scheme, rest) = authorization.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.as_bytes().to_vec());
    }
    let pair =
        scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest).ok()).flatten()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tickets::Scheme;
    use crate::wire::tickets::testing::Trial;

    const BODY: &[u8] = br#"{"id":"4711"}"#;

    fn token(secret: &str, _: &[u8]) -> Vec<(&'static str, String)> {
        vec![(PROOF, format!("Bearer {secret}"))]
    }

    fn password(secret: &str, _: &[u8]) -> Vec<(&'static str, String)> {
        vec![(PROOF, format!("Basic {}", STANDARD.encode(format!("warden:{secret}"))))]
    }

    #[test]
    fn the_secret_is_taken_as_token_or_password() {
        let it = Trial::of(Scheme::Bearer, "s3c:ret", BODY);
        it.holds_what_every_unsigned_scheme_must(&token);
        it.holds_what_every_unsigned_scheme_must(&password);
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        it.is_authentic(&[(PROOF, "bearer  s3c:ret ")]);
        for wrong in [
            "s3c:ret".to_owned(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            "Bearer s3c:re".to_owned(),
            "Bearer s3c:rett".to_owned(),
            "Token s3c:ret".to_owned(),
            "Basic s3c:ret".to_owned(),
            basic("s3c:ret"),
            basic("s3cret"),
            basic("s3c:ret:"),
            basic("warden"),
        ] {
            it.is_forged(&[(PROOF, &wrong)]);
        }
    }

    #[test]
    fn a_ticket_is_read_again_by_the_surest_id() {
        let it = Trial::of(Scheme::Bearer, "s3cret", BODY);
        for (body, id, delivery) in [
            (r#"{"id":4711}"#, Some("4711"), None),
            (r#"{"id":"4711","delivery":"d-1"}"#, Some("4711"), Some("d-1")),
            (r#"{"id":"n-1","ticket":{"id":4711}}"#, Some("4711"), Some("n-1")),
            (
                r#"{"id":"n-1","eventType":"workitem.updated","resource":{"id":2,"workItemId":4711}}"#,
                Some("4711"),
                Some("n-1"),
            ),
            (
                r#"{"id":"n-1","eventType":"workitem.created","resource":{"id":4711}}"#,
                Some("4711"),
                Some("n-1"),
            ),
            ("{}", None, None),
        ] {
            let taken = it.body(body.as_bytes()).signed(&token).unwrap();
            assert_eq!(taken.ids, id.into_iter().collect::<Vec<_>>(), "{body}");
            assert_eq!(taken.delivery.as_deref(), delivery, "{body}");
        }
    }
}
