//! The router in front: what `serve` and a Lambda function answer alike.
//!
//! It verifies and enqueues, and can do nothing else: it holds no way to read Graph or to write.

pub mod renewing;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Router, response::Response};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::json;
use tracing::{error, info, warn};
use url::Url;

use crate::domain::policy::Policy;
use crate::domain::secret::Secret;
use crate::domain::signal::Sender;
use crate::ports::{Clock, Enqueue, PortError, SigningKeys, chain};
use crate::wire::bearer::Allowed;
use crate::wire::graph::{NotificationKey, Proofs};
use crate::wire::standard_webhooks::{Headers, WebhookSecret};
use crate::wire::token::{KeySet, Measure};
use crate::wire::{BODY_MAX, Received, Reject, audit, event_grid, graph, o365};

/// How long a sender may take to hand over a body.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Most bytes of a body that is too large which are taken in and thrown away.
const DRAIN_MAX: usize = 16 * 1024 * 1024;

/// How long the next part of a body that is too large is waited for.
const DRAIN_PAUSE: Duration = Duration::from_millis(250);

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
    /// The application roles of which a sender with a token must hold one.
    pub sender_roles: Vec<String>,
    /// Where signals go.
    pub enqueue: Arc<dyn Enqueue>,
}

/// The router, a `tower::Service`.
pub fn router(front: Front) -> Router {
    Router::new()
        .route("/hooks/graph", post(hooks_graph))
        .route("/hooks/audit", post(hooks_audit))
        .route("/hooks/o365", post(hooks_o365))
        .route("/hooks/event-grid", post(hooks_event_grid).options(event_grid_handshake))
        .route("/health", get(health))
        .with_state(Arc::new(front))
}

async fn health(State(front): State<Arc<Front>>) -> Response {
    let body = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "mode": front.policy.mode,
        "tenants": front.policy.roster.tenants.len(),
    });
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
    let received = o365::receive(&body, proof, &front.o365_auth_ids, roster, now);
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
    let (roster, now) = (&front.policy.roster, front.clock.now());
    let (tenant, keys) = (tenant.as_deref(), &front.audit_keys);
    let received = if token.is_some() && proof.signature.is_none() {
        let read = |keys: &KeySet| {
            let by = front.allowed(keys, now);
            audit::receive_with_token(&body, token, by, tenant, roster, now)
        };
        judged(&front, read).await
    } else {
        Ok(audit::receive(&body, proof, keys, tenant, roster, now))
    };
    take_in(&front, Sender::Audit, received).await
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Front {
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
        Err(error) => return unavailable(sender, "the signing keys cannot be had", &error),
    };
    for reject in &received.rejects {
        let (sender, reason) = (sender.name(), reject.reason());
        warn!(sender, reason, "an item was turned away: {reject}");
    }
    let (signals, irrelevant) = (received.signals.len(), received.irrelevant);
    if signals > 0
        && let Err(error) = front.enqueue.enqueue(received.signals).await
    {
        return unavailable(sender, "the queue refuses", &error);
    }
    let rejects = received.rejects.len();
    info!(sender = sender.name(), signals, irrelevant, rejects, "heard");
    let mut response = status_only(StatusCode::ACCEPTED);
    if received.rejects.iter().any(Reject::is_unproven) {
        response.extensions_mut().insert(Unproven);
    }
    response
}

/// Nothing was taken; the sender is to try again.
fn unavailable(sender: Sender, why: &str, error: &PortError) -> Response {
    error!(sender = sender.name(), "{why}: {}", chain(error));
    let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, "busy", "try again later");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// The whole body, unless it is too large or too slow.
async fn body(sender: Sender, request: Request<Body>) -> Result<Bytes, Response> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse().ok()).is_some_and(|n: usize| n > BODY_MAX) {
        drain(&mut request.into_body()).await;
        return Err(turned_away(sender, &Reject::TooLarge));
    }
    let mut body = request.into_body();
    let reading = tokio::time::timeout(BODY_WITHIN, whole(&mut body));
    match reading.await {
        Ok(Ok(Some(whole))) => Ok(whole),
        Ok(Ok(None)) => {
            drain(&mut body).await;
            Err(turned_away(sender, &Reject::TooLarge))
        }
        Ok(Err(_)) => Err(refused(StatusCode::BAD_REQUEST, "broken-off", "the body broke off")),
        Err(_) => {
            warn!(sender = sender.name(), reason = "slow", "a request was turned away");
            let text = "the body took too long to arrive";
            Err(refused(StatusCode::REQUEST_TIMEOUT, "slow", text))
        }
    }
}

/// The body, or nothing where it is too large.
async fn whole(body: &mut Body) -> Result<Option<Bytes>, axum::Error> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            if read.len() + data.len() > BODY_MAX {
                return Ok(None);
            }
            read.extend_from_slice(&data);
        }
    }
    Ok(Some(read.freeze()))
}

/// Takes in what a sender is still writing, within reason. Closing the connection on it would keep
/// it from reading the answer.
async fn drain(body: &mut Body) {
    let mut left = DRAIN_MAX;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(DRAIN_PAUSE, body.frame()).await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            break;
        }
    }
}

fn turned_away(sender: Sender, reject: &Reject) -> Response {
    let reason = reject.reason();
    warn!(sender = sender.name(), reason, "a request was turned away: {reject}");
    let status = StatusCode::from_u16(reject.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = refused(status, reason, &reject.to_string());
    if reject.is_unproven() {
        response.extensions_mut().insert(Unproven);
    }
    response
}

fn refused(status: StatusCode, reason: &str, message: &str) -> Response {
    json_response(status, &json!({"error": {"reason": reason, "message": message}}))
}

fn echo(token: String) -> Response {
    let mut response = Response::new(Body::from(token));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn status_only(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
