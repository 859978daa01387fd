//! The ticket inbox: takes webhooks signed by Standard Webhooks and remembers them
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::reply::{Asked, Reply};
use super::scenario::{ScenarioError, Sink};

/// How far a timestamp may be off, in seconds.
const TOLERANCE: u64 = 300;

/// A webhook that a sink has accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its `webhook-id`.
    pub id: String,
    /// Its body.
    pub body: Value,
    /// How often it was delivered; the body is the first one's.
    pub count: u64,
    /// Whether its signature was checked; false only in a sink without a secret.
    pub verified: bool,
}

/// All sinks.
pub(crate) struct Inbox {
    sinks: IndexMap<String, Received>,
}

struct Received {
    key: Option<Vec<u8>>,
    deliveries: Vec<Delivery>,
    rejected: u64,
}

impl Inbox {
    pub(crate) fn new(sinks: &IndexMap<String, Sink>) -> Result<Self, ScenarioError> {
        let mut inbox = Self { sinks: IndexMap::new() };
        for (name, sink) in sinks {
            let key = sink.secret.as_deref().map(|secret| key(name, secret)).transpose()?;
            let received = Received { key, deliveries: Vec::new(), rejected: 0 };
            inbox.sinks.insert(name.clone(), received);
        }
        Ok(inbox)
    }

    pub(crate) fn deliveries(&self, sink: &str) -> &[Delivery] {
        self.sinks.get(sink).map_or(&[], |received| &received.deliveries)
    }

    pub(crate) fn rejected(&self, sink: &str) -> u64 {
        self.sinks.get(sink).map_or(0, |received| received.rejected)
    }

    /// `POST /inbox/{sink}`.
    pub(crate) fn receive(&mut self, sink: &str, asked: &Asked) -> Reply {
        let Some(received) = self.sinks.get_mut(sink) else {
            return problem(StatusCode::NOT_FOUND, "there is no such sink");
        };
        let id = asked.header("webhook-id").unwrap_or_default();
        if let Some(key) = &received.key
            && !authentic(key, id, asked)
        {
            received.rejected += 1;
            return problem(StatusCode::UNAUTHORIZED, "the signature does not verify");
        }
        if id.is_empty() {
            return problem(StatusCode::BAD_REQUEST, "there is no webhook-id");
        }
        let Ok(body) = serde_json::from_slice(&asked.body) else {
            return problem(StatusCode::BAD_REQUEST, "the body is not JSON");
        };
        if let Some(known) = received.deliveries.iter_mut().find(|delivery| delivery.id == id) {
            known.count += 1;
        } else {
            let (id, verified) = (id.to_owned(), received.key.is_some());
            received.deliveries.push(Delivery { id, body, count: 1, verified });
        }
        Reply::json(StatusCode::ACCEPTED, &json!({ "accepted": true }))
    }

    pub(crate) fn to_json(&self) -> Value {
        let sinks = self.sinks.iter().map(|(name, received)| {
            let deliveries: Vec<_> = received.deliveries.iter().map(Delivery::to_json).collect();
            let sink = json!({ "deliveries": deliveries, "rejected": received.rejected });
            (name.clone(), sink)
        });
        json!({ "sinks": sinks.collect::<Map<_, _>>() })
    }
}

impl Delivery {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "body": self.body,
            "count": self.count,
            "verified": self.verified,
        })
    }
}

fn key(sink: &str, secret: &str) -> Result<Vec<u8>, ScenarioError> {
    let encoded = secret.strip_prefix("whsec_");
    encoded.and_then(|encoded| STANDARD.decode(encoded).ok()).ok_or_else(|| {
        let what = "the secret must be `whsec_` and base64";
        ScenarioError::new(format!("inbox.{sink}"), what)
    })
}

/// Whether one of the `v1` signatures is right and the time is near.
fn authentic(key: &[u8], id: &str, asked: &Asked) -> bool {
    let timestamp = asked.header("webhook-timestamp").unwrap_or_default();
    let Ok(time) = timestamp.parse::<i64>() else { return false };
    if id.is_empty() || time.abs_diff(asked.now.as_second()) > TOLERANCE {
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&asked.body);
    let signatures = asked.header("webhook-signature").unwrap_or_default();
    signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,")).any(|signature| {
        let signature = STANDARD.decode(signature).unwrap_or_default();
        mac.clone().verify_slice(&signature).is_ok()
    })
}

fn problem(status: StatusCode, what: &str) -> Reply {
    Reply::json(status, &json!({ "error": what }))
}
