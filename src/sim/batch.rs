//! `$batch`: several requests to Microsoft Graph in one
//! (<https://learn.microsoft.com/graph/json-batching>).

use std::collections::HashSet;

use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::ids;
use super::reply::{Asked, GraphError, Reply};
use super::signin;

/// The most requests in one batch.
const MOST: usize = 20;

/// One request of a batch.
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) method: Method,
    /// Path and query, with the version of Graph that the batch is sent to.
    pub(crate) target: String,
    /// The ids of the requests that have to succeed first.
    pub(crate) depends_on: Vec<String>,
    headers: HeaderMap,
    body: Bytes,
}

/// Whether a request is a batch.
pub(crate) fn is_one(asked: &Asked) -> bool {
    asked.method == Method::POST && matches!(asked.path(), "/v1.0/$batch" | "/beta/$batch")
}

impl Item {
    /// The request by itself, as number `sequence` in the log of calls.
    pub(crate) fn asked(&self, batch: &Asked, sequence: u64) -> Asked {
        Asked {
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            now: batch.now,
            sequence,
        }
    }

    fn read(batch: &Asked, given: &Value) -> Result<Self, GraphError> {
        let text = |name: &str| given.get(name).and_then(Value::as_str);
        let needed = |name: &str| {
            let found = text(name).filter(|it| !it.is_empty());
            found.ok_or_else(|| {
                GraphError::bad_request(format!("A batch request has no valid '{name}'."))
            })
        };
        let id = needed("id")?.to_owned();
        let method = needed("method")?.to_ascii_uppercase();
        let wrong = |what: &str| GraphError::bad_request(format!("Request id : {id} {what}"));
        let method = Method::from_bytes(method.as_bytes());
        let method = method.map_err(|_| wrong("has no valid 'method'."))?;
        let url = needed("url")?;
        if url.contains("://") {
            return Err(wrong("must have a relative 'url'."));
        }
        let version = if batch.path().starts_with("/beta/") { "/beta/" } else { "/v1.0/" };
        let target = format!("{version}{}", url.trim_start_matches('/').replace(' ', "%20"));
        let mut headers = headers(given).ok_or_else(|| wrong("has no valid 'headers'."))?;
        let body = match given.get("body") {
            None => Bytes::new(),
            Some(Value::String(encoded)) => {
                let decoded = STANDARD.decode(encoded);
                Bytes::from(decoded.map_err(|_| wrong("has a 'body' that is not base64."))?)
            }
            Some(body) => Bytes::from(body.to_string()),
        };
        let writes = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        let bare = given.get("body").is_none() || !headers.contains_key("content-type");
        if writes && bare {
            let message =
                format!("Write request id : {id} does not contain Content-Type header or body.");
            return Err(GraphError::bad_request(message));
        }
        for name in [AUTHORIZATION, HOST] {
            if let Some(value) = batch.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let depends_on = given.get("dependsOn").and_then(Value::as_array);
        let depends_on = depends_on.into_iter().flatten().filter_map(Value::as_str);
        let depends_on = depends_on.map(str::to_ascii_lowercase).collect();
        Ok(Self { id, method, target, depends_on, headers, body })
    }
}

fn headers(given: &Value) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let Some(all) = given.get("headers") else { return Some(headers) };
    for (name, value) in all.as_object()? {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.insert(name, HeaderValue::from_str(value.as_str()?).ok()?);
    }
    Some(headers)
}

/// The requests of a batch. One that cannot be read spoils it all.
pub(crate) fn read(batch: &Asked) -> Result<Vec<Item>, GraphError> {
    signin::bearer(batch).ok_or_else(GraphError::unauthenticated)?;
    let invalid = || GraphError::bad_request("Invalid batch payload format.");
    let body: Value = serde_json::from_slice(&batch.body).map_err(|_| invalid())?;
    let requests = body.get("requests").and_then(Value::as_array).ok_or_else(invalid)?;
    if requests.is_empty() {
        return Err(invalid());
    }
    if requests.len() > MOST {
        let message = format!("Number of batch request steps exceeds the maximum value of {MOST}.");
        return Err(GraphError::new(StatusCode::BAD_REQUEST, "MaximumValueExceeded", message));
    }
    let items = requests.iter().map(|given| Item::read(batch, given));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    let mut earlier = HashSet::new();
    for item in &items {
        if item.depends_on.iter().any(|id| !earlier.contains(id)) {
            let message = format!("Request id : {} depends on one that is not before it.", item.id);
            return Err(GraphError::bad_request(message));
        }
        if !earlier.insert(item.id.to_ascii_lowercase()) {
            let message = format!("Request id : {} is there more than once.", item.id);
            return Err(GraphError::bad_request(message));
        }
    }
    Ok(items)
}

/// The answer to a request that depends on one that failed.
pub(crate) fn failed_dependency(asked: &Asked) -> Reply {
    let message = "A request that this one depends on has failed.";
    GraphError::new(StatusCode::FAILED_DEPENDENCY, "FailedDependency", message).into_reply(asked)
}

/// The answer to a batch: those of its requests, in another order than they were asked in.
pub(crate) fn answer(batch: &Asked, replies: Vec<(String, Reply)>) -> Reply {
    let sequence = batch.sequence.to_string();
    let asked: Vec<String> = replies.iter().map(|(id, _)| id.clone()).collect();
    let mut responses: Vec<(String, String, Reply)> = replies
        .into_iter()
        .map(|(id, reply)| (ids::token(&["batch", &sequence, &id]), id, reply))
        .collect();
    responses.sort_by(|one, other| one.0.cmp(&other.0));
    if responses.iter().map(|(_, id, _)| id).eq(&asked) {
        responses.reverse();
    }
    let responses: Vec<Value> =
        responses.into_iter().map(|(_, id, reply)| reply.into_part(&id)).collect();
    Reply::json(StatusCode::OK, &json!({ "responses": responses }))
}
