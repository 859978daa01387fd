//! The courier: takes messages from the outbox to their sinks until they are accepted.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::ports::{Clock, Delivery, Failure, Outbox, PortError, SendTicket, chain};

/// Most messages under way at once.
const AT_ONCE: usize = 8;

/// How long a message under way may take when the process is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// The pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Is over some time after `stopping`.
async fn long_after(stopping: &CancellationToken) {
    stopping.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

pub(super) struct Courier {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) tickets: Arc<dyn SendTicket>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) again: Vec<SignedDuration>,
    /// Told when there is something new in the outbox.
    pub(super) written: Arc<Notify>,
}

impl Courier {
    pub(super) async fn run(&self, stopping: &CancellationToken) {
        while !stopping.is_cancelled() {
            let round = tokio::select! {
                round = self.round() => round,
                // What was under way stays in the outbox, and is the same message next time.
                () = long_after(stopping) => break,
            };
            let pause = match round {
                Ok(pause) => pause,
                Err(error) => {
                    error!("{}", chain(&error));
                    Some(STORE_PAUSE)
                }
            };
            let wait = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {}
                () = self.written.notified() => {}
                () = stopping.cancelled() => {}
            }
        }
    }

    /// Delivers what is due and says how long there is nothing more to do.
    async fn round(&self) -> Result<Option<Duration>, PortError> {
        loop {
            let due = self.outbox.due(self.clock.now()).await?;
            if due.is_empty() {
                break;
            }
            let mut sent = futures_util::stream::iter(due)
                .map(|delivery| self.deliver(delivery))
                .buffer_unordered(AT_ONCE);
            while let Some(result) = sent.next().await {
                result?;
            }
        }
        let next = self.outbox.next_delivery().await?;
        let now = self.clock.now();
        Ok(next.map(|next| next.duration_since(now).try_into().unwrap_or_default()))
    }

    async fn deliver(&self, delivery: Delivery) -> Result<(), PortError> {
        let (now, sink) = (self.clock.now(), delivery.sink.to_string());
        let error = match self.tickets.send(&delivery, now).await {
            Ok(()) => {
                info!(sink, webhook.id = delivery.id, "ticket delivered");
                return self.outbox.delivered(&delivery).await;
            }
            Err(error) => error,
        };
        let pause = self.again.get(usize::try_from(delivery.attempts).unwrap_or(usize::MAX));
        let pause = match (error.kind, pause) {
            // The sink's own word counts; and a sink that is gone takes nothing any more.
            (Failure::Gone, _) | (_, None) => None,
            (Failure::Throttled(Some(after)), Some(pause)) => {
                Some((*pause).max(SignedDuration::try_from(after).unwrap_or(*pause)))
            }
            (_, Some(pause)) => Some(*pause),
        };
        let why = chain(&error);
        if pause.is_some() {
            warn!(sink, webhook.id = delivery.id, "not delivered, tried again: {why}");
        } else {
            error!(sink, webhook.id = delivery.id, "given up: {why}");
        }
        // Counted from here: a sink that let us wait for its time limit gets its pause all the same.
        let due = pause.map(|pause| self.clock.now() + pause);
        self.outbox.failed(&delivery, due, &why).await
    }
}
