//! A server between an adapter and the emulator, which answers some requests itself.

use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{connected, emulator};
use crate::adapters::testing::quick;

/// What to answer in the emulator's place: gets the operation and what is asked.
type Instead = Box<dyn FnMut(&str, &Value) -> Option<Response> + Send>;

#[derive(Clone)]
pub(super) struct Between {
    instead: Arc<Mutex<Instead>>,
    asked: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<(String, Bytes)>>>,
    origin: String,
    _serving: Arc<JoinSet<()>>,
}

impl Between {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let instead: Arc<Mutex<Instead>> = Arc::new(Mutex::new(Box::new(|_, _| None)));
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let answers: Arc<Mutex<Vec<(String, Bytes)>>> = Arc::default();
        let shared = (Arc::clone(&instead), Arc::clone(&asked), Arc::clone(&answers));
        let router = Router::new().fallback(move |request: Request| {
            let (instead, asked, answers) = shared.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let target = parts.headers["x-amz-target"].to_str().unwrap().to_owned();
                let operation = target.rsplit('.').next().unwrap().to_owned();
                asked.lock().unwrap().push(operation.clone());
                let json = serde_json::from_slice(&body).unwrap();
                if let Some(response) = (instead.lock().unwrap())(&operation, &json) {
                    return response;
                }
                let answer = quick()
                    .once("the emulator", |client| {
                        let request = client.post(emulator()).body(body.clone());
                        ["x-amz-target", "content-type", "authorization", "x-amz-date"]
                            .into_iter()
                            .filter_map(|name| Some((name, parts.headers.get(name)?)))
                            .fold(request, |request, (name, value)| request.header(name, value))
                    })
                    .await
                    .unwrap();
                answers.lock().unwrap().push((operation, answer.body.clone()));
                let mut response = Response::new(Body::from(answer.body));
                *response.status_mut() = answer.status;
                response
                    .headers_mut()
                    .insert("content-type", answer.headers["content-type"].clone());
                response
            }
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { instead, asked, answers, origin, _serving: Arc::new(serving) }
    }

    pub(super) async fn config(&self) -> SdkConfig {
        connected(&self.origin).await
    }

    /// From now on answers so where there is something.
    pub(super) fn instead(
        &self,
        answer: impl FnMut(&str, &Value) -> Option<Response> + Send + 'static,
    ) {
        self.asked.lock().unwrap().clear();
        *self.instead.lock().unwrap() = Box::new(answer);
    }

    /// From now on refuses this operation so often, in these words of AWS.
    pub(super) fn refuse(&self, operation: &'static str, mut times: usize, refusal: &Value) {
        let refusal = refusal.clone();
        self.instead(move |asked, _| {
            if asked != operation || times == 0 {
                return None;
            }
            times -= 1;
            Some(refused(&refusal))
        });
    }

    /// How often an operation was asked for since the last change.
    pub(super) fn count(&self, operation: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == operation).count()
    }

    /// The emulator's answer to an operation that has these bytes in it.
    pub(super) fn answer_with(&self, operation: &str, bytes: &[u8]) -> Bytes {
        let answers = self.answers.lock().unwrap();
        let has = |answer: &Bytes| answer.windows(bytes.len()).any(|part| part == bytes);
        let found = answers.iter().find(|(asked, answer)| asked == operation && has(answer));
        found.expect("an answer with these bytes").1.clone()
    }
}

/// An answer of DynamoDB that says no.
pub(super) fn refused(refusal: &Value) -> Response {
    let mut response = Response::new(Body::from(refusal.to_string()));
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    headers.insert("content-type", "application/x-amz-json-1.0".parse().unwrap());
    response
}

/// Throttled, as DynamoDB says it.
pub(super) fn throttled() -> Value {
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "message": "The level of configured provisioned throughput for the table was exceeded."
    })
}

/// A transaction that was cancelled for these reasons, one for each of its changes.
pub(super) fn cancelled(codes: &[&str]) -> Value {
    let reasons: Vec<Value> = codes.iter().map(|code| json!({"Code": code})).collect();
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons
    })
}
