//! Graph change notifications that Azure Event Grid delivers as CloudEvents 1.0.
//!
//! Sources: CloudEvents 1.0.2 "HTTP Protocol Binding" and "HTTP 1.1 Web Hooks for Event Delivery";
//! Microsoft Graph documentation, "Receive Microsoft Graph API change notifications through Azure
//! Event Grid".

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::graph::{Proofs, receive_items};
use super::{Received, Reject, bearer, not_json, shaped};
use crate::domain::id::Sha256Hex;
use crate::domain::roster::Roster;
use crate::domain::signal::Sender;

/// Longest origin that is answered.
const ORIGIN_MAX: usize = 253;

/// The answer to the question whether events may be sent here: the origin that asked, which is
/// allowed to send. What it sends must still prove itself.
///
/// # Errors
/// [`Reject::Missing`] without a `WebHook-Request-Origin`, [`Reject::Malformed`] when that is no
/// host name.
pub fn handshake(origin: Option<&str>) -> Result<&str, Reject> {
    let origin = origin.ok_or(Reject::Missing("WebHook-Request-Origin"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    if origin.is_empty() || origin.len() > ORIGIN_MAX || !origin.chars().all(plain) {
        let path = "WebHook-Request-Origin".to_owned();
        return Err(Reject::Malformed { path, what: "not a host name".to_owned() });
    }
    Ok(origin)
}

/// The headers that matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `Content-Type`, which tells the mode.
    pub content_type: Option<&'a str>,
    /// `ce-specversion`, in binary mode.
    pub spec_version: Option<&'a str>,
}

#[derive(Deserialize)]
struct CloudEvent {
    specversion: String,
    data: Value,
}

/// Verifies a delivery and reads the notifications in it: one event in structured or binary mode,
/// or a batch. Each event is proven by its own `clientState` as well.
///
/// # Errors
/// Those of [`bearer::verify`]; [`Reject::Malformed`] when the body is no event.
pub fn receive(
    body: &[u8],
    headers: Headers<'_>,
    by: bearer::Allowed<'_>,
    proofs: Proofs<'_>,
    roster: &Roster,
    now: Timestamp,
) -> Result<Received, Reject> {
    bearer::verify(headers.authorization, by, roster)?;
    let json: Value = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let kind = headers.content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    let events = match kind.trim().to_ascii_lowercase().as_str() {
        "application/cloudevents+json" => vec![event("$", json)],
        "application/cloudevents-batch+json" => batch(json)?,
        _ => {
            spec_version("ce-specversion", headers.spec_version.unwrap_or_default())?;
            vec![Ok(("$".to_owned(), json))]
        }
    };
    let (events, rejects): (Vec<_>, Vec<_>) = events.into_iter().partition(Result::is_ok);
    let mut rejects: Vec<Reject> = rejects.into_iter().filter_map(Result::err).collect();
    if events.is_empty() && rejects.len() == 1 {
        return Err(rejects.swap_remove(0));
    }
    let items = events.into_iter().flatten();
    let digest = Sha256Hex::of(body);
    let mut received = receive_items(Sender::EventGrid, items, digest, proofs, roster, now);
    received.rejects.extend(rejects);
    Ok(received)
}

/// The notification in an event, with its path.
type Inside = Result<(String, Value), Reject>;

fn batch(json: Value) -> Result<Vec<Inside>, Reject> {
    let Value::Array(events) = json else {
        let what = "not an array of events".to_owned();
        return Err(Reject::Malformed { path: "$".to_owned(), what });
    };
    let events = events.into_iter().enumerate();
    Ok(events.map(|(index, json)| event(&format!("$[{index}]"), json)).collect())
}

fn event(path: &str, json: Value) -> Inside {
    let event: CloudEvent = shaped(path, json)?;
    spec_version(&format!("{path}.specversion"), &event.specversion)?;
    Ok((format!("{path}.data"), event.data))
}

fn spec_version(path: &str, version: &str) -> Result<(), Reject> {
    if version == "1.0" {
        return Ok(());
    }
    let what = "not CloudEvents 1.0".to_owned();
    Err(Reject::Malformed { path: path.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{Case, WOODGROVE, noon};
    use crate::domain::secret::Secret;
    use crate::wire::graph::client_state;
    use crate::wire::token::{KeySet, Measure};

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";
    const BATCH: &str = "application/cloudevents-batch+json";
    const VECTORS: &str = include_str!("../../tests/data/rich-notification-openssl.json");

    /// The payload with the `clientState` that Woodgrove's subscriptions carry.
    fn payload() -> Value {
        let state = client_state(&Secret::new(KEY), WOODGROVE.parse().unwrap());
        let text = include_str!("../../events/event-grid/structured.json");
        serde_json::from_str(&text.replace("{{clientState}}", &state)).unwrap()
    }

    fn given(
        body: &Value,
        content_type: &str,
        spec_version: Option<&str>,
        token: &str,
    ) -> Result<Received, Reject> {
        let vectors: Value = serde_json::from_str(VECTORS).unwrap();
        let keys = KeySet::parse(vectors["keySet"].to_string().as_bytes()).unwrap();
        let audiences = ["33333333-3333-3333-3333-333333333333".to_owned()];
        let login = "https://login.microsoftonline.com/";
        let measure = Measure { keys: &keys, audiences: &audiences, login, now: noon() };
        let roles = ["AzureEventGridSecureWebhookSubscriber".to_owned()];
        let authorization = vectors["bearer"][token].as_str().map(|t| format!("Bearer {t}"));
        let headers = Headers {
            authorization: authorization.as_deref(),
            content_type: Some(content_type),
            spec_version,
        };
        let proofs = Proofs {
            client_state_keys: &[Secret::new(KEY)],
            notification_keys: &[],
            key_set: &keys,
            audiences: &audiences,
            login,
        };
        let by = bearer::Allowed { measure, roles: &roles };
        let roster = Case::new().policy().roster;
        receive(body.to_string().as_bytes(), headers, by, proofs, &roster, noon())
    }

    const TOKEN: &str = "Event Grid, version 1.0";

    #[track_caller]
    fn heard(received: Result<Received, Reject>, signals: usize, rejects: &[&str]) {
        let received = received.unwrap();
        let reasons: Vec<String> = received.rejects.iter().map(ToString::to_string).collect();
        assert_eq!(
            (received.signals.len(), reasons),
            (signals, rejects.iter().map(ToString::to_string).collect())
        );
        assert!(received.signals.iter().all(|s| s.as_ref().sender == Sender::EventGrid));
    }

    #[test]
    fn one_event_is_heard_in_either_mode_and_many_in_a_batch() {
        let event = payload();
        heard(given(&event, STRUCTURED, None, TOKEN), 1, &[]);
        heard(given(&event["data"], "application/json", Some("1.0"), TOKEN), 1, &[]);
        let batch = Value::Array(vec![event.clone(), event.clone(), event]);
        heard(given(&batch, BATCH, None, TOKEN), 3, &[]);
        heard(given(&Value::Array(vec![]), BATCH, None, TOKEN), 0, &[]);
    }

    #[test]
    fn a_bad_event_does_not_silence_the_good_ones_beside_it() {
        let mut forged = payload();
        forged["data"]["clientState"] = "v1.forged".into();
        let mut old = payload();
        old["specversion"] = "0.3".into();
        let batch = Value::Array(vec![payload(), forged, old, 7.into(), payload()]);
        heard(
            given(&batch, BATCH, None, TOKEN),
            2,
            &[
                "clientState does not verify",
                "$[2].specversion: not CloudEvents 1.0",
                "$[3]: not an object",
            ],
        );
    }

    #[test]
    fn neither_the_token_nor_the_client_state_is_enough_alone() {
        for token in ["expired", "another role", "no such token"] {
            assert_eq!(given(&payload(), STRUCTURED, None, token).unwrap_err().status(), 401);
        }
        let mut forged = payload();
        forged["data"]["clientState"] = Value::Null;
        heard(given(&forged, STRUCTURED, None, TOKEN), 0, &["clientState is missing"]);
    }

    #[test]
    fn what_is_no_event_is_refused_with_its_place() {
        let text = |body: Value, kind: &str, version: Option<&str>| {
            given(&body, kind, version, TOKEN).unwrap_err().to_string()
        };
        assert_eq!(text(7.into(), STRUCTURED, None), "$: not an object");
        assert_eq!(text(payload(), BATCH, None), "$: not an array of events");
        assert_eq!(
            text(payload(), "application/json", None),
            "ce-specversion: not CloudEvents 1.0"
        );
    }

    #[test]
    fn the_handshake_answers_a_host_name_and_nothing_else() {
        assert_eq!(handshake(Some("eventgrid.azure.net")), Ok("eventgrid.azure.net"));
        assert_eq!(handshake(None), Err(Reject::Missing("WebHook-Request-Origin")));
        for origin in ["", "a b", "<script>", "a\r\nb", &"x".repeat(254)] {
            assert_eq!(handshake(Some(origin)).unwrap_err().status(), 400, "{origin:?}");
        }
    }
}
