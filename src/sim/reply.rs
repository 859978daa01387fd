//! One request as the simulator reads it, and its answer.

use axum::body::{Body, Bytes};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ids;

/// A request, read to its end.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query as sent.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) now: Timestamp,
    /// Its number in the log of calls.
    pub(crate) sequence: u64,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The path's segments, decoded.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path().split('/').filter(|part| !part.is_empty()).map(percent_decoded).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "))
    }

    /// The origin the client used, so that links lead back the same way.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.header(HOST.as_str()).unwrap_or("localhost"))
    }

    /// The answer's `request-id`.
    pub(crate) fn request_id(&self) -> String {
        ids::guid(&["request", &self.sequence.to_string()])
    }

    fn client_request_id(&self) -> String {
        let given = self.header("client-request-id").map(str::to_owned);
        given.unwrap_or_else(|| self.request_id())
    }
}

fn percent_decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Vec::new() }
    }

    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self { body: body.to_string().into_bytes(), ..Self::empty(status) }
            .with(CONTENT_TYPE, "application/json; charset=utf-8")
    }

    /// JSON as it was given, be it any or not.
    pub(crate) fn raw_json(json: &str) -> Self {
        Self { body: json.as_bytes().to_vec(), ..Self::empty(StatusCode::OK) }
            .with(CONTENT_TYPE, "application/json; charset=utf-8")
    }

    pub(crate) fn html(page: &str) -> Self {
        Self { body: page.as_bytes().to_vec(), ..Self::empty(StatusCode::OK) }
            .with(CONTENT_TYPE, "text/html; charset=utf-8")
    }

    pub(crate) fn file(bytes: &[u8]) -> Self {
        Self { body: bytes.to_vec(), ..Self::empty(StatusCode::OK) }
            .with(CONTENT_TYPE, "application/octet-stream")
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(crate) fn retry_after(self, seconds: Option<u64>) -> Self {
        match seconds {
            Some(seconds) => self.with(RETRY_AFTER, &seconds.to_string()),
            None => self,
        }
    }

    /// With the headers every answer of Graph has
    /// (<https://learn.microsoft.com/graph/best-practices-concept>).
    pub(crate) fn traced(self, asked: &Asked) -> Self {
        self.with(HeaderName::from_static("request-id"), &asked.request_id())
            .with(HeaderName::from_static("client-request-id"), &asked.client_request_id())
    }

    /// As one of the answers in that to a batch: what is not JSON is in base64.
    pub(crate) fn into_part(self, id: &str) -> Value {
        let headers = self.headers.iter().map(|(name, value)| {
            let value = Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned());
            // The other two go by names in small letters.
            let name = match name.as_str() {
                "content-type" => "Content-Type",
                "retry-after" => "Retry-After",
                name => name,
            };
            (name.to_owned(), value)
        });
        let headers: Value = headers.collect::<serde_json::Map<_, _>>().into();
        let mut part = json!({ "id": id, "status": self.status.as_u16(), "headers": headers });
        if !self.body.is_empty() {
            let parsed = serde_json::from_slice(&self.body);
            part["body"] = parsed.unwrap_or_else(|_| Value::from(STANDARD.encode(&self.body)));
        }
        part
    }

    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// An error in Graph's shape (<https://learn.microsoft.com/graph/errors>).
#[derive(Debug)]
pub(crate) struct GraphError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl GraphError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    pub(crate) fn not_found(id: &str) -> Self {
        let message = format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are \
             not present."
        );
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    pub(crate) fn unauthenticated() -> Self {
        let message = "Access token is missing, invalid or expired.";
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    /// The usual error with this status.
    pub(crate) fn of(status: StatusCode) -> Self {
        let (code, message) = match status.as_u16() {
            400 => ("Request_BadRequest", "The request is not valid."),
            401 => return Self::unauthenticated(),
            403 => (
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            ),
            404 => ("Request_ResourceNotFound", "The resource does not exist."),
            405 => ("BadRequest", "Specified HTTP method is not allowed for the request target."),
            429 => ("TooManyRequests", "Too many requests."),
            500 => ("InternalServerError", "An internal server error occurred."),
            503 => ("ServiceUnavailable", "The service is temporarily unavailable."),
            504 => ("GatewayTimeout", "The gateway timed out."),
            _ => ("UnknownError", "The request could not be completed."),
        };
        Self::new(status, code, message)
    }

    pub(crate) fn into_reply(self, asked: &Asked) -> Reply {
        let body = json!({ "error": {
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": asked.now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                "request-id": asked.request_id(),
                "client-request-id": asked.client_request_id(),
            },
        }});
        Reply::json(self.status, &body)
    }
}
