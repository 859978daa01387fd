//! Microsoft Graph change notifications and lifecycle notifications.
//!
//! Source: Microsoft Graph documentation, "Receive change notifications through webhooks" and
//! "Reduce missing change notifications" (lifecycle).

mod rich;
#[cfg(test)]
mod rich_tests;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use self::rich::{EncryptedContent, decrypt, published_for};
pub use self::rich::{NotAKey, NotificationKey};
use super::token::{KeySet, Measure};
use super::{Received, Reject, Verified, misshapen, not_json, shaped, unreadable};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::roster::Roster;
use crate::domain::secret::Secret;
use crate::domain::signal::{Sender, Signal, Subject};
use crate::domain::text;

/// Most bytes of a `validationToken` that is echoed.
const TOKEN_MAX: usize = 4096;

/// Fewest characters of a key for `clientState`.
pub const CLIENT_STATE_KEY_MIN: usize = 32;

/// The answer to Graph's question whether anybody is here: the decoded `validationToken` of the
/// query, if there is one. The token proves nothing and changes nothing.
///
/// # Errors
/// [`Reject::Malformed`] for a token of more than 4 KiB.
pub fn handshake(query: &str) -> Option<Result<String, Reject>> {
    let (_, token) = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "validationToken")?;
    Some(if token.len() > TOKEN_MAX {
        let what = format!("longer than {TOKEN_MAX} bytes");
        Err(Reject::Malformed { path: "validationToken".to_owned(), what })
    } else {
        Ok(token.into_owned())
    })
}

/// The `clientState` that a subscription for `tenant` carries.
pub fn client_state(key: &Secret, tenant: TenantId) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).expect("any key");
    mac.update(b"partner-warden/client-state/v1\n");
    mac.update(tenant.to_string().as_bytes());
    format!("v1.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// A collection whose items are not looked into yet. Anybody may send one, and a mebibyte of small
/// objects takes 130 mebibytes once it is parsed as a whole.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Collection<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
    #[serde(default)]
    validation_tokens: Option<Vec<String>>,
}

fn collection(body: &[u8]) -> Result<Collection<'_>, Reject> {
    if !body.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice::<IgnoredAny>(body).map_err(|error| not_json(&error))?;
        let what = "not an object".to_owned();
        return Err(Reject::Malformed { path: "$".to_owned(), what });
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let collection = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let of_shape = error.inner().is_data();
        if of_shape { misshapen("$", &error) } else { not_json(error.inner()) }
    })?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(collection)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangeNotification {
    tenant_id: Option<String>,
    client_state: Option<String>,
    id: Option<String>,
    change_type: Option<String>,
    lifecycle_event: Option<String>,
    resource: Option<String>,
    encrypted_content: Option<EncryptedContent>,
}

/// What proves that a notification is genuine.
#[derive(Debug, Clone, Copy)]
pub struct Proofs<'a> {
    /// The keys of `clientState`: one, or two while they are rotated.
    pub client_state_keys: &'a [Secret],
    /// The keys that resource data is encrypted for, likewise.
    pub notification_keys: &'a [Arc<NotificationKey>],
    /// The keys that validation tokens are signed with.
    pub key_set: &'a KeySet,
    /// Whom validation tokens must be for: our application id.
    pub audiences: &'a [String],
    /// The sign-in's origin, with a slash at its end.
    pub login: &'a str,
}

/// Reads a collection of notifications. Each item stands alone: one that is not authentic does
/// not keep the others from being heard.
///
/// # Errors
/// [`Reject::Malformed`] when the body is not JSON or not a collection.
pub fn receive(
    body: &[u8],
    proofs: Proofs<'_>,
    roster: &Roster,
    now: Timestamp,
) -> Result<Received, Reject> {
    let collection = collection(body)?;
    let tokens = collection.validation_tokens.unwrap_or_default();
    let digest = Sha256Hex::of(body);
    let reader = Reader { sender: Sender::Graph, proofs, tokens: &tokens, roster, digest, now };
    let mut received = Received::default();
    for (index, item) in collection.value.into_iter().enumerate() {
        let path = format!("$.value[{index}]");
        let item = serde_json::from_str(item.get()).map_err(|error| unreadable(&path, &error))?;
        reader.item(&path, item, &mut received);
    }
    Ok(received)
}

/// Reads notifications that came one by one, in another envelope. Each is proven by its own
/// `clientState`.
pub(super) fn receive_items(
    sender: Sender,
    items: impl Iterator<Item = (String, Value)>,
    digest: Sha256Hex,
    proofs: Proofs<'_>,
    roster: &Roster,
    now: Timestamp,
) -> Received {
    Reader { sender, proofs, tokens: &[], roster, digest, now }.read(items)
}

struct Reader<'a> {
    sender: Sender,
    proofs: Proofs<'a>,
    tokens: &'a [String],
    roster: &'a Roster,
    digest: Sha256Hex,
    now: Timestamp,
}

impl Reader<'_> {
    fn read(&self, items: impl Iterator<Item = (String, Value)>) -> Received {
        let mut received = Received::default();
        for (path, item) in items {
            self.item(&path, item, &mut received);
        }
        received
    }

    fn item(&self, path: &str, item: Value, received: &mut Received) {
        match self.signal(path, item) {
            Ok(signal) => received.signals.push(Verified::new(signal)),
            Err(reject) => {
                received.misses_key |= reject == Reject::UnknownKey;
                received.rejects.push(reject);
            }
        }
    }

    fn signal(&self, path: &str, item: Value) -> Result<Signal, Reject> {
        let item: ChangeNotification = shaped(path, item)?;
        let keys = self.proofs.client_state_keys;
        if keys.is_empty() {
            return Err(Reject::NoKey("clientStateKey"));
        }
        let given = item.client_state.as_deref().ok_or(Reject::Missing("clientState"))?;
        let tenant: TenantId = item
            .tenant_id
            .as_deref()
            .and_then(|id| id.parse().ok())
            .ok_or(Reject::Missing("tenantId"))?;
        let genuine = keys.iter().fold(false, |genuine, key| {
            let expected = client_state(key, tenant);
            bool::from(expected.as_bytes().ct_eq(given.as_bytes())) | genuine
        });
        if !genuine {
            return Err(Reject::NotAuthentic("clientState"));
        }
        if self.roster.tenant(tenant).is_none() {
            return Err(Reject::UnknownTenant);
        }
        let subject = match (&item.encrypted_content, &item.lifecycle_event) {
            (Some(content), _) => self.rich(tenant, content)?,
            (None, Some(event)) => lifecycle(event),
            (None, None) => Subject::tenant(),
        };
        Ok(self.signal_of(tenant, &item, subject))
    }

    fn signal_of(&self, tenant: TenantId, item: &ChangeNotification, subject: Subject) -> Signal {
        let what = match (&item.lifecycle_event, &item.change_type) {
            (Some(event), _) => format!("lifecycle {event}"),
            (None, Some(change)) => {
                let resource = item.resource.as_deref().unwrap_or("resource");
                let first = resource.split('/').find(|part| !part.is_empty()).unwrap_or_default();
                format!("{first} {change}")
            }
            (None, None) => "change".to_owned(),
        };
        Signal {
            tenant,
            sender: self.sender,
            what: text::foreign(&what),
            subject,
            event_id: item.id.as_deref().map(text::foreign),
            event_at: None,
            received_at: self.now,
            digest: self.digest.clone(),
            initiator: None,
            removal: false,
            about: Vec::new(),
            content_uri: None,
        }
    }

    /// Resource data counts only from Microsoft Graph itself, for this very tenant.
    fn rich(&self, tenant: TenantId, content: &EncryptedContent) -> Result<Subject, Reject> {
        let Proofs { key_set, audiences, login, notification_keys, .. } = self.proofs;
        let measure = Measure { keys: key_set, audiences, login, now: self.now };
        published_for(tenant, self.tokens, measure)?;
        let resource = decrypt(content, notification_keys)?;
        let id = resource.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        Ok(id.map_or_else(Subject::tenant, Subject::object))
    }
}

/// What a lifecycle notification is about. Whatever it says, the tenant is looked at too.
fn lifecycle(event: &str) -> Subject {
    if event.eq_ignore_ascii_case("reauthorizationRequired") {
        Subject::reauthorization()
    } else {
        Subject::subscriptions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{Case, noon};

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "abcdef0123456789abcdef0123456789";

    fn woodgrove() -> TenantId {
        "11111111-1111-1111-1111-111111111111".parse().unwrap()
    }

    fn receive_text(body: &str, keys: &[&str]) -> Result<Received, Reject> {
        let keys: Vec<Secret> = keys.iter().map(|key| Secret::new(*key)).collect();
        let proofs = Proofs {
            client_state_keys: &keys,
            notification_keys: &[],
            key_set: &KeySet::default(),
            audiences: &[],
            login: "https://login.microsoftonline.com/",
        };
        receive(body.as_bytes(), proofs, &Case::new().policy().roster, noon())
    }

    #[test]
    fn lifecycle_notifications_are_about_the_subscriptions() {
        let subject = |payload: &str| {
            let received = receive_text(&genuine(payload), &[KEY]).unwrap();
            received.signals[0].as_ref().subject.clone()
        };
        let again = include_str!("../../events/graph/lifecycle-reauthorization-required.json");
        assert_eq!(subject(again), Subject::reauthorization());
        for other in [
            include_str!("../../events/graph/lifecycle-subscription-removed.json"),
            include_str!("../../events/graph/lifecycle-missed.json"),
            include_str!("../../events/graph/unknown-lifecycle.json"),
        ] {
            assert_eq!(subject(other), Subject::subscriptions());
        }
        let change = include_str!("../../events/graph/user-updated.json");
        assert_eq!(subject(change), Subject::tenant());
    }

    /// A payload with the `clientState` that each item's own tenant should have.
    fn genuine(payload: &str) -> String {
        let mut json: Value = serde_json::from_str(payload).unwrap();
        for item in json["value"].as_array_mut().unwrap() {
            let tenant = item["tenantId"].as_str().unwrap().parse().unwrap();
            item["clientState"] = client_state(&Secret::new(KEY), tenant).into();
        }
        json.to_string()
    }

    /// Checks what each item of a payload became.
    #[track_caller]
    fn check(payload: &str, signals: &[&str], rejects: &[&str]) {
        let received = receive_text(&genuine(payload), &[KEY]).unwrap();
        let heard: Vec<&str> = received.signals.iter().map(|s| s.as_ref().what.as_str()).collect();
        let reasons: Vec<&str> = received.rejects.iter().map(Reject::reason).collect();
        assert_eq!((heard.as_slice(), reasons.as_slice()), (signals, rejects));
        assert!(received.signals.iter().all(|s| s.as_ref().tenant == woodgrove()));
    }

    #[test]
    fn client_state_is_what_the_contract_says() {
        // Made by OpenSSL: printf 'partner-warden/client-state/v1\n11111111-…' |
        // openssl dgst -sha256 -hmac KEY -binary | base64, in the URL-safe alphabet.
        assert_eq!(
            client_state(&Secret::new(KEY), woodgrove()),
            "v1.QGoHgiBvDqUjr2sdj0znP5G1vrQ4PyaSqkXP1VTCm_c"
        );
    }

    #[test]
    fn every_payload_is_heard() {
        check(include_str!("../../events/graph/user-updated.json"), &["Users updated"], &[]);
        check(
            include_str!("../../events/graph/batch-three-items.json"),
            &["Users updated", "Groups updated", "users deleted"],
            &[],
        );
        check(
            include_str!("../../events/graph/two-tenants.json"),
            &["Users updated"],
            &["unknown-tenant"],
        );
        check(include_str!("../../events/graph/empty-collection.json"), &[], &[]);
        check(
            include_str!("../../events/graph/lifecycle-reauthorization-required.json"),
            &["lifecycle reauthorizationRequired"],
            &[],
        );
        check(
            include_str!("../../events/graph/lifecycle-subscription-removed.json"),
            &["lifecycle subscriptionRemoved"],
            &[],
        );
        check(include_str!("../../events/graph/lifecycle-missed.json"), &["lifecycle missed"], &[]);
        check(
            include_str!("../../events/graph/unknown-lifecycle.json"),
            &["lifecycle subscriptionPaused"],
            &[],
        );
    }

    #[test]
    fn only_the_tenants_own_client_state_opens_the_door() {
        let body = |tenant: &str, state: Option<&str>| {
            serde_json::json!({"value": [{"tenantId": tenant, "clientState": state}]}).to_string()
        };
        let own = client_state(&Secret::new(KEY), woodgrove());
        let upper = woodgrove().to_string().to_uppercase();
        let others = client_state(
            &Secret::new(KEY),
            "22222222-2222-2222-2222-222222222222".parse().unwrap(),
        );
        let woodgrove = woodgrove().to_string();
        for (tenant, state, keys, reason) in [
            (woodgrove.as_str(), Some(own.as_str()), &[KEY][..], None),
            (&upper, Some(&own), &[KEY], None),
            (&woodgrove, Some(&own), &[OTHER, KEY], None),
            (&woodgrove, Some(&own), &[OTHER], Some("not-authentic")),
            (&woodgrove, Some(&own), &[], Some("no-key")),
            (&woodgrove, Some(&others), &[KEY], Some("not-authentic")),
            (&woodgrove, Some(""), &[KEY], Some("not-authentic")),
            (&woodgrove, Some(&own[..own.len() - 1]), &[KEY], Some("not-authentic")),
            (&woodgrove, None, &[KEY], Some("missing-proof")),
            ("not-a-tenant", Some(&own), &[KEY], Some("missing-proof")),
        ] {
            let received = receive_text(&body(tenant, state), keys).unwrap();
            let reasons: Vec<&str> = received.rejects.iter().map(Reject::reason).collect();
            assert_eq!(reasons.first().copied(), reason, "{tenant} {state:?} {keys:?}");
            assert_eq!(received.signals.len(), usize::from(reason.is_none()));
        }
    }

    #[test]
    fn a_bad_item_does_not_silence_the_good_ones_beside_it() {
        let good = serde_json::json!({"tenantId": woodgrove(), "changeType": "updated",
            "clientState": client_state(&Secret::new(KEY), woodgrove())});
        let mut encrypted = good.clone();
        encrypted["encryptedContent"] = serde_json::json!({"data": "x"});
        for (bad, reason) in [
            (serde_json::json!(7), "malformed"),
            (serde_json::json!({"tenantId": 7}), "malformed"),
            (serde_json::json!(null), "malformed"),
            (serde_json::json!({}), "missing-proof"),
            (encrypted, "malformed"),
        ] {
            let body = serde_json::json!({"value": [good, bad, good]}).to_string();
            let received = receive_text(&body, &[KEY]).unwrap();
            assert_eq!(received.signals.len(), 2, "{bad}");
            assert_eq!(received.rejects[0].reason(), reason, "{bad}");
        }
    }

    #[test]
    fn what_is_no_collection_is_refused_without_being_quoted() {
        for (body, expect) in [
            ("", "$: not JSON at line 1, column 0"),
            ("secret{", "$: not JSON at line 1, column 1"),
            ("[]", "$: not an object"),
            ("[[]]", "$: not an object"),
            ("{}", "$: the field value is missing"),
            (r#"{"value":"secret"}"#, "$.value: not of the expected type"),
            (r#""secret""#, "$: not an object"),
        ] {
            assert_eq!(receive_text(body, &[KEY]).unwrap_err().to_string(), expect, "{body}");
        }
        let deep = format!("{{\"value\":[{}{}]}}", "[".repeat(5000), "]".repeat(5000));
        assert!(receive_text(&deep, &[KEY]).is_err());
    }

    #[test]
    fn the_handshake_echoes_the_decoded_token_and_nothing_else() {
        let token = |query: &str| handshake(query).map(|token| token.map_err(|r| r.to_string()));
        assert_eq!(
            token("validationToken=Validation%3A+Testing+%3Cb%3E"),
            Some(Ok("Validation: Testing <b>".into()))
        );
        assert_eq!(token("a=b&validationToken=x"), Some(Ok("x".into())));
        assert_eq!(token("validationToken="), Some(Ok(String::new())));
        assert_eq!(token("validationtoken=x"), None);
        assert_eq!(token(""), None);
        let long = |length| format!("validationToken={}", "x".repeat(length));
        assert!(token(&long(4096)).unwrap().is_ok());
        assert_eq!(token(&long(4097)), Some(Err("validationToken: longer than 4096 bytes".into())));
    }
}
