//! The listener and the way of a request: log, fault, hold, effect, hold, answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State as Extracted};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::authorize;
use super::batch::{self, Item};
use super::calls::Call;
use super::fault::{Answer, Then};
use super::graph;
use super::hold::When;
use super::management;
use super::partner_center;
use super::reply::{Asked, GraphError, Reply};
use super::signin;
use super::state::State;
use super::subscriptions;

/// The largest request body.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// What the requests share.
pub(crate) struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    stop: watch::Receiver<()>,
}

impl Shared {
    /// The shared part of a simulator that stops when the sender of `stop` is gone.
    pub(crate) fn new(state: State, stop: watch::Receiver<()>) -> Self {
        Self { state: Mutex::new(state), changes: watch::Sender::new(0), stop }
    }

    pub(crate) fn look(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes those who wait for a change.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.look());
        self.changes.send_modify(|version| *version += 1);
        result
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until the simulator stops.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        while stop.changed().await.is_ok() {}
    }

    /// Answers a request; `None` closes the connection without an answer.
    async fn respond(&self, asked: &Asked) -> Option<Reply> {
        if !batch::is_one(asked) {
            return self.respond_to_one(asked).await;
        }
        if let Fate::Ends(reply) = self.meet(asked).await {
            return reply;
        }
        self.hold(asked, When::BeforeEffect).await;
        let reply = match batch::read(asked) {
            Ok(items) => batch::answer(asked, self.each(asked, &items).await),
            Err(error) => error.into_reply(asked),
        };
        self.hold(asked, When::AfterEffect).await;
        Some(reply.traced(asked))
    }

    /// Answers the requests of a batch: all at once, or one after the other where one depends on
    /// another. One whose connection a fault would close has timed out.
    async fn each(&self, batch: &Asked, items: &[Item]) -> Vec<(String, Reply)> {
        let tenant = signin::bearer(batch).map(|claims| Box::<str>::from(claims.tid));
        let one = async |item: &Item, blocked: bool| {
            let (method, target) = (item.method.clone(), item.target.as_str());
            let within = Some(batch.sequence);
            let arrived =
                |state: &mut State| state.calls.arrived(method, target, tenant.clone(), within);
            let asked = item.asked(batch, self.change(arrived));
            let reply = if blocked {
                Some(batch::failed_dependency(&asked))
            } else {
                self.respond_to_one(&asked).await
            };
            let lost = || GraphError::of(StatusCode::GATEWAY_TIMEOUT).into_reply(&asked);
            let reply = reply.unwrap_or_else(lost).traced(&asked);
            self.change(|state| state.calls.answered(asked.sequence, reply.status));
            (item.id.clone(), reply)
        };
        if items.iter().all(|item| item.depends_on.is_empty()) {
            return join_all(items.iter().map(|item| one(item, false))).await;
        }
        let mut replies: Vec<(String, Reply)> = Vec::new();
        for item in items {
            let failed = |(id, reply): &(String, Reply)| {
                let status = reply.status;
                let bad = status.is_client_error() || status.is_server_error();
                bad && item.depends_on.contains(&id.to_ascii_lowercase())
            };
            let blocked = replies.iter().any(failed);
            replies.push(one(item, blocked).await);
        }
        replies
    }

    /// Answers a request that is no batch; `None` closes the connection without an answer.
    async fn respond_to_one(&self, asked: &Asked) -> Option<Reply> {
        if let Fate::Ends(reply) = self.meet(asked).await {
            return reply;
        }
        self.hold(asked, When::BeforeEffect).await;
        let urls = subscriptions::to_validate(&self.look(), asked);
        let mut valid = true;
        for url in urls {
            valid &= subscriptions::answers(url, asked.sequence).await;
        }
        let reply = self.change(|state| effect(state, asked, valid));
        self.hold(asked, When::AfterEffect).await;
        Some(reply)
    }

    /// Lets a request meet its fault, if there is one for it.
    async fn meet(&self, asked: &Asked) -> Fate {
        let (method, target) = (asked.method.as_str(), asked.target.as_str());
        match self.change(|state| state.fault(method, target)) {
            None => Fate::GoesOn,
            Some(Then::Answer(answer)) => Fate::Ends(Some(instead(asked, &answer))),
            Some(Then::DelayMs(ms)) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Fate::GoesOn
            }
            Some(Then::Drop) => Fate::Ends(None),
            Some(Then::Html200) => Fate::Ends(Some(Reply::html(GATEWAY_PAGE))),
        }
    }

    async fn hold(&self, asked: &Asked, when: When) {
        let trap = self.look().trap(asked.method.as_str(), &asked.target, when);
        if let Some(trap) = trap {
            trap.stop().await;
        }
    }
}

/// What a fault makes of a request.
enum Fate {
    /// It goes on.
    GoesOn,
    /// It ends with this answer, or with none.
    Ends(Option<Reply>),
}

const GATEWAY_PAGE: &str =
    "<!DOCTYPE html><html><head><title>Gateway</title></head><body>Please sign in.</body></html>";

/// The answer a fault rule gives in place of the right one.
fn instead(asked: &Asked, answer: &Answer) -> Reply {
    let reply = match &answer.body {
        Some(body) => Reply::json(answer.status, body),
        None => GraphError::of(answer.status).into_reply(asked),
    };
    reply.retry_after(answer.retry_after).traced(asked)
}

/// Does what the request asks for, once the urls it names have answered or not.
fn effect(state: &mut State, asked: &Asked, valid: bool) -> Reply {
    if let Some(file) = state.files.get(asked.path()).filter(|_| asked.method == Method::GET) {
        return Reply::file(file);
    }
    let segments = asked.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (asked.method.as_str(), segments.as_slice()) {
        (_, ["v1.0" | "beta", ..]) => graph::answer(state, asked, valid).traced(asked),
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => signin::token(state, asked, tenant),
        ("GET", [tenant, "oauth2", "v2.0", "authorize"]) => authorize::page(state, asked, tenant),
        ("GET", ["common", "discovery", "keys"] | ["common", "discovery", "v2.0", "keys"]) => {
            signin::keys()
        }
        ("GET", ["api", "v1.0", tenant, "activity", "feed", "audit", id]) => {
            management::content(state, asked, tenant, id)
        }
        ("GET", ["v1", "customers", id]) => partner_center::customer(state, asked, id),
        ("POST", ["inbox", sink]) => state.inbox.receive(sink, asked),
        _ => Reply::json(StatusCode::NOT_FOUND, &json!({ "error": "there is nothing here" })),
    }
}

/// The simulator's own pages. They are neither logged nor subject to faults.
fn about_itself(state: &State, method: &Method, path: &str) -> Option<Reply> {
    let body = match (method.as_str(), path) {
        ("GET", "/inbox") => state.inbox.to_json(),
        ("GET", "/sim/calls") => {
            json!({ "calls": state.calls.iter().map(Call::to_json).collect::<Vec<_>>() })
        }
        ("GET", "/sim/state") => state.to_json(),
        _ => return None,
    };
    Some(Reply::json(StatusCode::OK, &body))
}

async fn handle(
    Extracted(shared): Extracted<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let own = about_itself(&shared.look(), request.method(), request.uri().path());
    if let Some(reply) = own {
        return reply.into_response();
    }
    let asked = match read(&shared, request).await {
        Ok(asked) => asked,
        Err(status) => return Reply::empty(status).into_response(),
    };
    let reply = tokio::select! {
        reply = shared.respond(&asked) => reply,
        () = shared.stopped() => None,
    };
    if let Some(reply) = reply {
        shared.change(|state| state.calls.answered(asked.sequence, reply.status));
        reply.into_response()
    } else {
        line.cut();
        Reply::empty(StatusCode::BAD_GATEWAY).into_response()
    }
}

/// Reads a request to its end and writes its arrival into the log.
async fn read(shared: &Shared, request: Request) -> Result<Asked, StatusCode> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let target = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let mut asked = Asked {
        method: parts.method,
        target,
        headers: parts.headers,
        body,
        now: now(),
        sequence: 0,
    };
    let claims = signin::bearer(&asked);
    let claims = claims.or_else(|| signin::bearer_for(&asked, signin::PARTNER_CENTER));
    shared.change(|state| {
        let segments = asked.segments();
        let tenant = match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [tenant, "oauth2", ..] => state.directory(tenant).map(|directory| &directory.id),
            _ => claims.as_ref().map(|claims| &claims.tid),
        };
        let tenant = tenant.map(|id| Box::from(id.as_str()));
        asked.sequence = state.calls.arrived(asked.method.clone(), &asked.target, tenant, None);
    });
    Ok(asked)
}

#[expect(clippy::disallowed_methods, reason = "the simulated Microsoft has a clock of its own")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Serves until the simulator stops.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let stopped = Arc::clone(&shared);
    let router = Router::new().fallback(handle).with_state(shared);
    axum::serve(Doors(listener), router.into_make_service_with_connect_info::<Line>())
        .with_graceful_shutdown(async move { stopped.stopped().await })
        .await
}

/// A listener whose connections can be cut from inside a request.
struct Doors(TcpListener);

impl Listener for Doors {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Wire { stream, line: Line::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A handle on one connection.
#[derive(Clone, Debug, Default)]
struct Line(Arc<AtomicBool>);

impl Line {
    /// Closes the connection before another byte is written.
    fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn intact(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }
}

impl Connected<IncomingStream<'_, Doors>> for Line {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Self {
        stream.io().line.clone()
    }
}

/// One connection.
struct Wire {
    stream: TcpStream,
    line: Line,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.line.intact()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
