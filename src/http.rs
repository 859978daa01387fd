//! The router in front: what `serve` and a Lambda function answer alike.
//!
//! It verifies and enqueues, and can do nothing else: it holds no way to read Graph or to write.

mod answer;
mod body;
pub mod decisions;
mod edge;
mod partner_center;
pub mod renewing;
pub mod replays;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Router, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use jiff::Timestamp;
use serde_json::json;
use tracing::{error, info, warn};
use url::Url;

use self::answer::{busy, echo, json_response, refused, status_only};
use self::decisions::Decisions;
use self::replays::Replays;
use crate::domain::policy::Policy;
use crate::domain::secret::Secret;
use crate::domain::signal::Sender;
use crate::domain::stop::Stop;
use crate::domain::text::count;
use crate::ports::{Clock, Enqueue, PortError, SenderCertificates, SigningKeys, StopSwitch, chain};
use crate::telemetry::metric::{self, Lack};
use crate::wire::audit::Whose;
use crate::wire::bearer::Allowed;
use crate::wire::graph::{NotificationKey, Proofs};
use crate::wire::standard_webhooks::{Headers, WebhookSecret};
use crate::wire::token::{KeySet, Measure};
use crate::wire::{Received, Reject, audit, event_grid, graph, o365};

/// Marks an answer to a sender who might have proven itself, had we other keys.
#[derive(Debug, Clone, Copy)]
pub struct Unproven;

/// What the router needs.
pub struct Front {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The tenants it knows.
    pub policy: Arc<Policy>,
    /// The keys of `clientState`: the current one, and the previous one while they are rotated.
    pub client_state_keys: Vec<Secret>,
    /// The keys that notifications' resource data is encrypted for, likewise.
    pub notification_keys: Vec<Arc<NotificationKey>>,
    /// The keys that tokens are signed with.
    pub signing_keys: Arc<dyn SigningKeys>,
    /// Whom tokens must be for.
    pub audiences: Vec<String>,
    /// The sign-in's origin.
    pub login: Url,
    /// The keys of forwarded audit events, likewise.
    pub audit_keys: Vec<WebhookSecret>,
    /// The auth ids of the Management Activity API, likewise.
    pub o365_auth_ids: Vec<Secret>,
    /// The Management Activity API's origin.
    pub management: Url,
    /// Whether all writing is stopped.
    pub stop: Arc<dyn StopSwitch>,
    /// The application ids this program signs in with.
    pub own_apps: Vec<String>,
    /// The application roles of which a sender with a token must hold one.
    pub sender_roles: Vec<String>,
    /// Where Partner Center's certificates may be published; nowhere where it is not listened to.
    pub certificate_origins: Vec<Url>,
    /// The certificates it signs with.
    pub certificates: Arc<dyn SenderCertificates>,
    /// Where signals go.
    pub enqueue: Arc<dyn Enqueue>,
    /// What people are asked, and how they are known.
    pub decisions: Decisions,
    /// The messages that were taken in of late.
    pub replays: Arc<Mutex<Replays>>,
}

/// The router, a `tower::Service`.
pub fn router(front: Front) -> Router {
    let front = Arc::new(front);
    let edge = from_fn_with_state(Arc::clone(&front), edge::edge);
    Router::new()
        .route("/hooks/graph", post(hooks_graph))
        .route("/hooks/audit", post(hooks_audit))
        .route("/hooks/o365", post(hooks_o365))
        .route("/hooks/event-grid", post(hooks_event_grid).options(event_grid_handshake))
        .route("/hooks/partner-center", post(partner_center::receive))
        .route(decisions::SIGNED_IN, post(decisions::signed_in))
        .route("/decisions/{token}", get(decisions::show).post(decisions::decide))
        .route("/health", get(health))
        .layer(edge)
        .with_state(front)
}

async fn health(State(front): State<Arc<Front>>) -> Response {
    let mut body = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "mode": front.policy.mode,
        "tenants": front.policy.roster.tenants.len(),
    });
    // What cannot be read counts as stopped here too, and nobody can tell since when. Why is nobody's
    // affair at this door.
    let stop = front.stop.stopped().await.unwrap_or_else(|error| {
        error!("the stop switch cannot be read: {}", chain(&error));
        Some(Stop::unreadable())
    });
    if let Some(stop) = stop {
        body["stopped"] = true.into();
        if let Some(since) = stop.since {
            body["stoppedSince"] = since.to_string().into();
        }
    }
    json_response(StatusCode::OK, &body)
}

async fn hooks_graph(
    State(front): State<Arc<Front>>,
    uri: Uri,
    request: Request<Body>,
) -> Response {
    match graph::handshake(uri.query().unwrap_or_default()) {
        Some(Ok(token)) => return echo(token),
        Some(Err(reject)) => return turned_away(Sender::Graph, &reject),
        None => {}
    }
    let body = match body(Sender::Graph, request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let read = |keys: &KeySet| {
        graph::receive(&body, front.proofs(keys), &front.policy.roster, front.clock.now())
    };
    take_in(&front, Sender::Graph, judged(&front, read).await).await
}

async fn hooks_event_grid(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Response {
    let body = match body(Sender::EventGrid, request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let proof = event_grid::Headers {
        authorization: header(&headers, "authorization"),
        content_type: header(&headers, "content-type"),
        spec_version: header(&headers, "ce-specversion"),
    };
    let read = |keys: &KeySet| {
        let (roster, now) = (&front.policy.roster, front.clock.now());
        let (by, proofs) = (front.allowed(keys, now), front.proofs(keys));
        event_grid::receive(&body, proof, by, proofs, roster, now)
    };
    take_in(&front, Sender::EventGrid, judged(&front, read).await).await
}

async fn event_grid_handshake(headers: HeaderMap) -> Response {
    match event_grid::handshake(header(&headers, "webhook-request-origin")) {
        Ok(origin) => {
            let mut response = status_only(StatusCode::OK);
            if let Ok(origin) = HeaderValue::from_str(origin) {
                response.headers_mut().insert("webhook-allowed-origin", origin);
            }
            let any = HeaderValue::from_static("*");
            response.headers_mut().insert("webhook-allowed-rate", any);
            response
        }
        Err(reject) => {
            metric::rejected(Sender::EventGrid, &reject, 1);
            let status = StatusCode::BAD_REQUEST;
            refused(status, reject.reason(), &reject.to_string())
        }
    }
}

async fn hooks_o365(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Response {
    let body = match body(Sender::O365, request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let proof = o365::Headers {
        auth_id: header(&headers, "webhook-authid"),
        validation_code: header(&headers, "webhook-validationcode"),
    };
    let (roster, now) = (&front.policy.roster, front.clock.now());
    let (ids, management) = (&front.o365_auth_ids, &front.management);
    let received = o365::receive(&body, proof, ids, management, roster, now);
    let mut response = take_in(&front, Sender::O365, Ok(received)).await;
    if response.status() == StatusCode::ACCEPTED {
        // This service takes nothing but 200 for an answer.
        *response.status_mut() = StatusCode::OK;
    }
    response
}

async fn hooks_audit(
    State(front): State<Arc<Front>>,
    uri: Uri,
    headers: HeaderMap,
    request: Request<Body>,
) -> Response {
    let body = match body(Sender::Audit, request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let proof = Headers {
        id: header(&headers, "webhook-id"),
        timestamp: header(&headers, "webhook-timestamp"),
        signature: header(&headers, "webhook-signature"),
    };
    let token = header(&headers, "authorization");
    let tenant = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "tenant")
        .map(|(_, value)| value);
    let (roster, own_apps, now) = (&front.policy.roster, &front.own_apps, front.clock.now());
    let whose = Whose { tenant: tenant.as_deref(), roster, own_apps, now };
    let received = if token.is_some() && proof.signature.is_none() {
        let read = |keys: &KeySet| {
            let by = front.allowed(keys, now);
            audit::receive_with_token(&body, token, by, whose)
        };
        judged(&front, read).await
    } else {
        Ok(audit::receive(&body, proof, &front.audit_keys, whose))
    };
    take_in(&front, Sender::Audit, received).await
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Front {
    fn replays(&self) -> MutexGuard<'_, Replays> {
        self.replays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn proofs<'a>(&'a self, key_set: &'a KeySet) -> Proofs<'a> {
        Proofs {
            client_state_keys: &self.client_state_keys,
            notification_keys: &self.notification_keys,
            key_set,
            audiences: &self.audiences,
            login: self.login.as_str(),
        }
    }

    fn allowed<'a>(&'a self, keys: &'a KeySet, now: Timestamp) -> Allowed<'a> {
        let (audiences, login) = (&self.audiences, self.login.as_str());
        Allowed { measure: Measure { keys, audiences, login, now }, roles: &self.sender_roles }
    }
}

/// Reads with the signing keys in hand, and once more with newer ones if one is missing. What
/// cannot be judged for want of keys is not turned away: the sender is asked to come again.
async fn judged(
    front: &Front,
    read: impl Fn(&KeySet) -> Result<Received, Reject>,
) -> Result<Result<Received, Reject>, PortError> {
    let received = read(&front.signing_keys.held());
    let misses_key = match &received {
        Ok(received) => received.misses_key,
        Err(reject) => *reject == Reject::UnknownKey,
    };
    if misses_key {
        drop(received);
        return Ok(read(front.signing_keys.refreshed().await?.as_ref()));
    }
    Ok(received)
}

/// 202 once the signals are durable.
async fn take_in(
    front: &Front,
    sender: Sender,
    received: Result<Result<Received, Reject>, PortError>,
) -> Response {
    let received = match received {
        Ok(Ok(received)) => received,
        Ok(Err(reject)) => return turned_away(sender, &reject),
        Err(error) => return unavailable(sender, Lack::Keys, &error),
    };
    let Received { signals, rejects, irrelevant, passed_over, message, .. } = received;
    if let Some(message) = &message
        && front.replays().knows(message, front.clock.now())
    {
        info!(sender = sender.name(), "heard before");
        metric::replayed(sender);
        return by(sender, status_only(StatusCode::ACCEPTED));
    }
    let unproven = rejects.iter().any(Reject::is_unproven);
    let rejects = tell_rejects(sender, rejects);
    let heard = signals.len();
    if heard > 0 {
        if let Err(error) = front.enqueue.enqueue(signals).await {
            return unavailable(sender, Lack::Queue, &error);
        }
        if let Some(message) = message {
            front.replays().remember(message, front.clock.now());
        }
    }
    let passed_over: Vec<String> = passed_over.into_iter().collect();
    let passed_over = (!passed_over.is_empty()).then(|| passed_over.join(", "));
    info!(sender = sender.name(), signals = heard, irrelevant, rejects, passed_over, "heard");
    metric::heard(sender, heard, irrelevant);
    marked(unproven, by(sender, status_only(StatusCode::ACCEPTED)))
}

/// Tells of items that were turned away, and how many they were. There is one line for each reason:
/// a stranger's request may hold some hundred thousand items.
fn tell_rejects(sender: Sender, rejects: Vec<Reject>) -> usize {
    let mut by_reason: BTreeMap<&str, (Reject, usize)> = BTreeMap::new();
    let all = rejects.len();
    for reject in rejects {
        by_reason.entry(reject.reason()).or_insert((reject, 0)).1 += 1;
    }
    for (reason, (first, items)) in by_reason {
        let (sender_name, what) = (sender.name(), count(items, "item"));
        warn!(sender = sender_name, reason, items, "{what} turned away, the first: {first}");
        metric::rejected(sender, &first, items);
    }
    all
}

/// Nothing was taken; the sender is to try again.
fn unavailable(sender: Sender, lack: Lack, error: &PortError) -> Response {
    let why = match lack {
        Lack::Queue => "the queue refuses",
        Lack::Keys => "the keys that prove it cannot be had",
    };
    error!(sender = sender.name(), "{why}: {}", chain(error));
    metric::unavailable(sender, lack);
    by(sender, busy())
}

/// The whole body, unless it is too large or too slow.
async fn body(sender: Sender, request: Request<Body>) -> Result<Bytes, Response> {
    body::read(request).await.map_err(|reject| turned_away(sender, &reject))
}

/// Nothing was taken, whatever it was.
fn turned_away(sender: Sender, reject: &Reject) -> Response {
    let reason = reject.reason();
    warn!(sender = sender.name(), reason, "a request was turned away: {reject}");
    metric::rejected(sender, reject, 1);
    let status = StatusCode::from_u16(reject.status()).unwrap_or(StatusCode::BAD_REQUEST);
    marked(reject.is_unproven(), by(sender, refused(status, reason, &reject.to_string())))
}

fn marked(unproven: bool, mut answer: Response) -> Response {
    if unproven {
        answer.extensions_mut().insert(Unproven);
    }
    answer
}

/// An answer, with word of whom it answers.
fn by(sender: Sender, mut answer: Response) -> Response {
    answer.extensions_mut().insert(sender);
    answer
}
