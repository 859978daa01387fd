//! The forms of an answer.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde_json::json;

/// A status and nothing else.
pub(super) fn status_only(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A JSON document.
pub(super) fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A reason for programs and a message for people.
pub(super) fn refused(status: StatusCode, reason: &str, message: &str) -> Response {
    json_response(status, &json!({"error": {"reason": reason, "message": message}}))
}

/// Nothing was taken; the sender is to try again.
pub(super) fn busy() -> Response {
    let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, "busy", "try again later");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// A text that the sender wants to see again, and that nobody may take for a page.
pub(super) fn echo(token: String) -> Response {
    let mut response = Response::new(Body::from(token));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
