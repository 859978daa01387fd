//! What lies between hyper and a peer: time limits on both directions, and word of how far a
//! request has come.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::Limits;
use crate::serve::lines::Line;

/// How far a connection has come: an even number while it waits for the head of a request, an odd
/// one from there until the answer, and never the same twice.
#[derive(Clone, Default)]
pub(super) struct Phase(Arc<AtomicU64>, Arc<AtomicBool>);

impl Phase {
    /// The head of a request is here.
    pub(super) fn heard_head(&self) {
        self.0.fetch_or(1, Ordering::Relaxed);
    }

    /// The request is answered.
    pub(super) fn answered(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn number(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether nothing is under way: no request, and no part of an answer that its peer has yet to
    /// take.
    pub(super) fn is_idle(&self) -> bool {
        is_before_head(self.number()) && !self.1.load(Ordering::Relaxed)
    }

    fn writes(&self, writes: bool) {
        self.1.store(writes, Ordering::Relaxed);
    }
}

fn is_before_head(number: u64) -> bool {
    number.is_multiple_of(2)
}

/// A time limit that runs only while something is waited for.
#[derive(Default)]
struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    fn begin(&mut self, within: Duration) {
        if self.0.is_none() {
            self.0 = Some(Box::pin(sleep(within)));
        }
    }

    fn end(&mut self) {
        self.0 = None;
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.0.as_mut().is_some_and(|sleep| sleep.as_mut().poll(context).is_ready())
    }
}

/// A connection on which a request's head has a time limit from its first byte on, and so has each
/// part of an answer.
pub(super) struct Socket {
    stream: TcpStream,
    phase: Phase,
    limits: Limits,
    /// The limit of the head, and the phase that it belongs to.
    head: (Deadline, u64),
    write: Deadline,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, phase: Phase, limits: Limits) -> Self {
        Self { stream, phase, limits, head: Default::default(), write: Deadline::default() }
    }

    /// What a write came to, unless the peer has taken nothing for too long.
    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.phase.writes(result.is_pending());
        if result.is_ready() {
            self.write.end();
            return result;
        }
        self.write.begin(self.limits.write_within);
        if self.write.is_over(context) { overdue() } else { Poll::Pending }
    }
}

fn overdue<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let (number, within) = (self.phase.number(), self.limits.head_within);
        let (head, of) = &mut self.head;
        if number != *of {
            head.end();
            *of = number;
        }
        if is_before_head(number) && buffer.filled().len() > before {
            head.begin(within);
        }
        if head.is_over(context) { overdue() } else { read }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A body that says how much of it came, and when it is whole.
pub(super) struct Hearing {
    body: Incoming,
    line: Arc<Line>,
}

impl Hearing {
    pub(super) fn new(body: Incoming, line: Arc<Line>) -> Self {
        if body.is_end_stream() {
            line.works();
        }
        Self { body, line }
    }
}

impl Body for Hearing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            self.line.holds(frame.data_ref().map_or(0, Bytes::len));
        }
        if frame.is_none() || self.body.is_end_stream() {
            self.line.works();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
