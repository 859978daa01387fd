//! What stands between the functions and the emulator: it throttles the table for a while, and
//! counts what is asked for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use partner_warden::adapters::http::{Http, Patience};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::emulator::owner;
use super::meter::{self, Tally, Touched};

/// A running proxy. It ends when dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// How many requests to the table are still to be throttled.
    pub(crate) left: Arc<AtomicU32>,
    /// What was asked for so far.
    tally: Arc<Mutex<Tally>>,
    _running: JoinSet<()>,
}

#[derive(Clone)]
struct Forward {
    to: SocketAddr,
    left: Arc<AtomicU32>,
    tally: Arc<Mutex<Tally>>,
    /// Whether to count.
    metered: bool,
    http: Http,
}

impl Proxy {
    /// Forwards to an address, but for so many requests to the table. With `metered`, counts what
    /// is asked for.
    pub(crate) async fn start(to: SocketAddr, throttled: u32, metered: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let left = Arc::new(AtomicU32::new(throttled));
        let tally = Arc::new(Mutex::new(Tally::default()));
        let http = Http::new(Patience::default()).unwrap();
        let forward =
            Forward { to, left: Arc::clone(&left), tally: Arc::clone(&tally), metered, http };
        let router = Router::new().fallback(forwarded).with_state(forward);
        let mut running = JoinSet::new();
        running.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, left, tally, _running: running }
    }

    /// What was asked for so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.lock().unwrap().clone()
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
    let counted = target.filter(|_| forward.metered);
    let counted = counted.and_then(|target| meter::Request::new(target, &body));
    let before = match &counted {
        Some(counted) => forward.written(counted).await,
        None => Vec::new(),
    };
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("http://{}{path}", forward.to);
    // With its own host, which is signed.
    let sent = forward.http.once("the emulator", |client| {
        client.request(head.method.clone(), &url).headers(head.headers.clone()).body(body.clone())
    });
    let answer = sent.await.unwrap();
    if let Some(counted) = &counted {
        // What is refused for its condition costs as much.
        let written = before.into_iter().zip(forward.written(counted).await).collect();
        let read = forward.read(counted, &answer.body).await;
        forward.tally.lock().unwrap().take(counted, &Touched { read, written });
    }
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    for name in ["content-type", "x-amzn-requestid", "x-amz-crc32"] {
        if let Some(value) = answer.headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

impl Forward {
    /// Asks the table as the account's owner.
    async fn ask(&self, operation: &str, body: &Value) -> Value {
        let url = format!("http://{}/", self.to);
        let asked = self.http.once("the emulator", |client| {
            let request = client.post(&url).header("authorization", owner("dynamodb"));
            let target = format!("DynamoDB_20120810.{operation}");
            let request = request.header("content-type", "application/x-amz-json-1.0");
            request.header("x-amz-target", target).body(body.to_string())
        });
        serde_json::from_slice(&asked.await.unwrap().body).unwrap()
    }

    /// The items that a request writes, as they are now.
    async fn written(&self, request: &meter::Request) -> Vec<Value> {
        let mut items = Vec::new();
        for key in request.writes() {
            let get = json!({"TableName": request.table(), "Key": key, "ConsistentRead": true});
            items.push(self.ask("GetItem", &get).await["Item"].clone());
        }
        items
    }

    /// The items that a request read, whole.
    async fn read(&self, request: &meter::Request, answer: &[u8]) -> Vec<Value> {
        let list = |items: &Value| items.as_array().cloned().unwrap_or_default();
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        match request.operation.as_str() {
            "GetItem" => answer.get("Item").cloned().into_iter().collect(),
            "BatchGetItem" => {
                let tables = answer["Responses"].as_object().into_iter().flatten();
                tables.flat_map(|(_, items)| list(items)).collect()
            }
            "Query" => {
                // A query pays for what it reads, not for what it gives away.
                let mut whole = request.body.clone();
                for part in ["ProjectionExpression", "FilterExpression", "ExpressionAttributeNames"]
                {
                    whole.as_object_mut().unwrap().remove(part);
                }
                let condition = request.body["KeyConditionExpression"].as_str().unwrap_or_default();
                let used = |(name, _): &(&String, &Value)| condition.contains(name.as_str());
                for part in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
                    let all = request.body[part].as_object().into_iter().flatten();
                    let all = all.filter(used).map(|(name, value)| (name.clone(), value.clone()));
                    whole[part] = Value::Object(all.collect());
                }
                list(&self.ask("Query", &whole).await["Items"])
            }
            _ => Vec::new(),
        }
    }
}
