//! What stands between the functions and the emulator and throttles the table for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use partner_warden::adapters::http::{Http, Patience};
use tokio::task::JoinSet;

/// A running proxy. It ends when dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// How many requests to the table are still to be throttled.
    pub(crate) left: Arc<AtomicU32>,
    _running: JoinSet<()>,
}

#[derive(Clone)]
struct Forward {
    to: SocketAddr,
    left: Arc<AtomicU32>,
    http: Http,
}

impl Proxy {
    /// Forwards to an address, but for so many requests to the table.
    pub(crate) async fn start(to: SocketAddr, throttled: u32) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let left = Arc::new(AtomicU32::new(throttled));
        let http = Http::new(Patience::default()).unwrap();
        let forward = Forward { to, left: Arc::clone(&left), http };
        let router = Router::new().fallback(forwarded).with_state(forward);
        let mut running = JoinSet::new();
        running.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, left, _running: running }
    }
}

async fn forwarded(State(forward): State<Forward>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 4 << 20).await.unwrap();
    let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let to_table = target.is_some_and(|target| target.starts_with("DynamoDB_"));
    let fewer = |left: u32| left.checked_sub(1);
    if to_table && forward.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok() {
        let error = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"too much"}"#;
        let answer = Response::builder().status(StatusCode::BAD_REQUEST);
        let answer = answer.header("content-type", "application/x-amz-json-1.0");
        return answer.body(Body::from(error)).unwrap();
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("http://{}{path}", forward.to);
    // With its own host, which is signed.
    let sent = forward.http.once("the emulator", |client| {
        client.request(head.method.clone(), &url).headers(head.headers.clone()).body(body.clone())
    });
    let answer = sent.await.unwrap();
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    for name in ["content-type", "x-amzn-requestid", "x-amz-crc32"] {
        if let Some(value) = answer.headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
