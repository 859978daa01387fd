//! A server that answers as a test tells it to and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use crate::adapters::http::{Http, Patience};

/// Patience for tests: as many attempts as it takes, and hardly a pause.
pub(super) const QUICK: Patience = Patience {
    connect: Duration::from_secs(10),
    total: Duration::from_secs(10),
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(4),
    retries: 3,
};

pub(super) fn quick() -> Http {
    Http::new(QUICK).unwrap()
}

/// A running server. It stops when dropped.
pub(super) struct Server {
    pub(super) origin: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
    _serving: JoinSet<()>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Method, path and query.
    pub(super) line: String,
    /// The `Authorization` header.
    pub(super) authorization: Option<String>,
    /// The `If-Match` header.
    pub(super) if_match: Option<String>,
    pub(super) body: Bytes,
    /// The origin it was asked under.
    pub(super) origin: String,
    /// How many requests came before it.
    pub(super) before: usize,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, base) = (Arc::clone(&asked), origin.to_string());
        let answer = Arc::new(answer);
        let router = Router::new().fallback(move |request: Request| {
            let (log, base, answer) = (Arc::clone(&log), base.clone(), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let header =
                    |name: &str| parts.headers.get(name).map(|it| it.to_str().unwrap().to_owned());
                let mut asked = Asked {
                    line: format!("{} {}", parts.method, parts.uri),
                    authorization: header("authorization"),
                    if_match: header("if-match"),
                    body: to_bytes(body, usize::MAX).await.unwrap(),
                    origin: base.trim_end_matches('/').to_owned(),
                    before: 0,
                };
                let mut log = log.lock().unwrap();
                asked.before = log.len();
                log.push(asked.clone());
                answer(&asked)
            }
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { origin, asked, _serving: serving }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Method, path and query of each request that has `part` in it.
    pub(super) fn lines(&self, part: &str) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).filter(|it| it.contains(part)).collect()
    }
}

/// An answer without a body.
pub(super) fn status(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status.try_into().unwrap();
    response
}

/// An answer of 200 with a body.
pub(super) fn ok(body: &Value) -> Response {
    Response::new(Body::from(body.to_string()))
}

/// The same answer with one more header.
pub(super) fn with(mut response: Response, name: &'static str, value: &str) -> Response {
    response.headers_mut().insert(name, value.parse().unwrap());
    response
}
