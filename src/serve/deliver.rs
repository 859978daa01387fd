//! The courier: takes messages from the outbox to their sinks until they are accepted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::pipeline::deliver::{Desk, deliver};
use crate::ports::{PortError, chain};

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
    pub(super) desk: Arc<Desk>,
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
        let desk = self.desk.as_ref();
        loop {
            let due = desk.outbox.due(desk.clock.now()).await?;
            if due.is_empty() {
                break;
            }
            deliver(desk, due).await?;
        }
        let next = desk.outbox.next_delivery().await?;
        let now = desk.clock.now();
        Ok(next.map(|next| next.duration_since(now).try_into().unwrap_or_default()))
    }
}
