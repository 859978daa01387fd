//! What every request meets first and last: an id, a limit of its line, and a time limit.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use tracing::{Instrument as _, error, error_span};
use uuid::Uuid;

use super::Front;
use super::answer::{busy, refused};
use crate::domain::signal::Sender;
use crate::telemetry::metric;

/// The header that carries the id of a request in its answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers in which senders give an id of their own; the last two are Microsoft's.
const SENDERS_IDS: [&str; 3] = ["x-request-id", "request-id", "client-request-id"];

/// Most characters of a sender's own id.
const SENDERS_ID_MAX: usize = 64;

/// Most bytes of a request's target. A validation token of 4 KiB takes 12 when each byte of it is
/// escaped.
const TARGET_MAX: usize = 16 * 1024;

/// How long anything may take. Reading a body has a shorter limit of its own.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Gives a request an id, which stands in the answer and in everything that is logged meanwhile.
pub(super) async fn edge(
    State(front): State<Arc<Front>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let began = front.clock.now();
    #[expect(clippy::disallowed_methods, reason = "the edge at which a request's id is made")]
    let id = Uuid::new_v4();
    let senders = senders_id(request.headers());
    // A span of the highest level is there whatever is logged.
    let span = error_span!("request", request.id = %id, sender.request_id = senders);
    let mut answer = answered(request, next).instrument(span).await;
    if let Some(sender) = answer.extensions().get::<Sender>() {
        metric::answered(*sender, front.clock.now().duration_since(began));
    }
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

async fn answered(request: Request<Body>, next: Next) -> Response {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_MAX {
        let text = format!("the request's target is longer than {TARGET_MAX} bytes");
        return refused(StatusCode::URI_TOO_LONG, "too-large", &text);
    }
    let answer = tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        error!("a request was not answered within {} s", ANSWER_WITHIN.as_secs());
        busy()
    })
}

/// The id that a sender gave its request, if it is a short and plain one: it goes into the log.
fn senders_id(headers: &HeaderMap) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let given = SENDERS_IDS.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
    given
        .into_iter()
        .find(|id| !id.is_empty() && id.len() <= SENDERS_ID_MAX && id.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], expect: Option<&str>) {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        assert_eq!(senders_id(&headers.collect()), expect);
    }

    #[test]
    fn a_sender_may_give_a_short_and_plain_id_and_no_other() {
        const LONGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        const LONGER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.";
        check(&[], None);
        check(&[("request-id", "5b1d0c6e-92f4-4e7a")], Some("5b1d0c6e-92f4-4e7a"));
        check(&[("client-request-id", "b"), ("x-request-id", "a")], Some("a"));
        check(&[("client-request-id", "b"), ("x-request-id", "not plain")], Some("b"));
        check(&[("x-request-id", LONGEST)], Some(LONGEST));
        for odd in [LONGER, "", "a b", "a\"b", "a\tb", "{\"level\":\"ERROR\"}", "<b>", "a=b", "a/b"]
        {
            check(&[("x-request-id", odd)], None);
        }
    }
}
