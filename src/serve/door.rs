//! The door: takes connections in, speaks HTTP/1.1 with them, and lets none stay for nothing.
//!
//! `axum::serve` has no time limit for a request's head and no limit of connections, hence this
//! over the same `hyper`.

mod socket;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use self::socket::{Hearing, Phase, Socket};
use super::lines::{Line, Lines};
use crate::telemetry::metric;

/// The pause after the system refused to hand over a connection, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What is let in, how much of it, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Most connections at once. Systems commonly allow a process 1024 open files.
    pub(super) connections: usize,
    /// Most bytes of bodies that are held at once.
    pub(super) bodies: usize,
    /// Most bytes of a request's head. A token may have 16 KiB and so may the request's line.
    pub(super) head: usize,
    /// Most header lines of a request.
    pub(super) headers: usize,
    /// How long a head may take from its first byte on.
    pub(super) head_within: Duration,
    /// How long a connection may wait for its next request. Load balancers keep theirs for 60 s,
    /// and must not find one closed that they take to be open.
    pub(super) idle_within: Duration,
    /// How long a peer may take to accept a part of an answer.
    pub(super) write_within: Duration,
    /// How long requests under way may take when the process is asked to stop.
    pub(super) finish_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            bodies: 64 * 1024 * 1024,
            head: 40 * 1024,
            headers: 100,
            head_within: Duration::from_secs(10),
            idle_within: Duration::from_secs(75),
            write_within: Duration::from_secs(10),
            finish_within: Duration::from_secs(20),
        }
    }
}

/// Serves until `stopping`, and then until what is under way is answered.
pub(super) async fn open(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stopping: &CancellationToken,
) {
    let lines = Lines::new(limits.connections, limits.bodies);
    let mut tasks: JoinSet<()> = JoinSet::new();
    let mut told = 0;
    loop {
        let (stream, address) = tokio::select! {
            () = stopping.cancelled() => break,
            Some(ended) = tasks.join_next() => {
                tell(ended);
                continue;
            }
            taken = accept(&listener, &lines) => taken,
        };
        let line = lines.take_in(address.ip());
        tell_of_cuts(&lines, &mut told);
        let (router, stopping) = (router.clone(), stopping.clone());
        tasks.spawn(converse(stream, line, router, limits, stopping));
    }
    drop(listener);
    let finish = async {
        while let Some(ended) = tasks.join_next().await {
            tell(ended);
        }
    };
    if tokio::time::timeout(limits.finish_within, finish).await.is_err() {
        warn!("stopping with requests under way; their senders have no answer and will send again");
    }
}

/// The next connection, once there is room for it.
async fn accept(listener: &TcpListener, lines: &Lines) -> (TcpStream, SocketAddr) {
    loop {
        lines.room().await;
        match listener.accept().await {
            Ok(taken) => return taken,
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                warn!("no connection can be taken in: {error}");
                lines.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the peer was gone before it was taken in.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection is over, well or by a panic.
fn tell(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        // What the panic said may hold what was sent.
        error!("a mistake in the program ended a connection");
    }
}

/// Tells of connections that had to make room. A line for each would be a flood of its own.
fn tell_of_cuts(lines: &Lines, told: &mut u64) {
    let cuts = lines.cuts();
    if cuts == *told {
        return;
    }
    metric::connections_cut(cuts - *told);
    if cuts.checked_ilog2() != told.checked_ilog2() {
        warn!(cuts, "connections that only waited were cut to make room for others");
    }
    *told = cuts;
}

/// Answers the requests of one connection.
async fn converse(
    stream: TcpStream,
    line: Line,
    router: Router,
    limits: Limits,
    stopping: CancellationToken,
) {
    // Answers are one small write each. Failing this they come a little later.
    drop(stream.set_nodelay(true));
    let (line, phase) = (Arc::new(line), Phase::default());
    let socket = Socket::new(stream, phase.clone(), limits);
    let answers = TowerToHyperService::new(router);
    let hears = |request: Request<Incoming>| {
        phase.heard_head();
        let hearing = |body| Hearing::new(body, Arc::clone(&line));
        let answer = answers.call(request.map(hearing));
        let (line, phase) = (Arc::clone(&line), phase.clone());
        async move {
            let answer = answer.await;
            line.waits();
            phase.answered();
            answer
        }
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.idle_within)
        .max_header_size(limits.head)
        .max_buf_size(2 * limits.head)
        .max_headers(limits.headers);
    let mut spoken = pin!(http.serve_connection(TokioIo::new(socket), service_fn(hears)));
    // How a connection ended is between hyper and the peer; whatever mattered of it was told by
    // the router.
    tokio::select! {
        biased;
        _ = spoken.as_mut() => return,
        () = line.cut.cancelled() => return,
        () = stopping.cancelled() => {}
    }
    if phase.is_idle() {
        return;
    }
    spoken.as_mut().graceful_shutdown();
    tokio::select! {
        _ = spoken => {}
        () = line.cut.cancelled() => {}
    }
}

#[cfg(test)]
mod tests;
