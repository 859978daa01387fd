//! One process that runs all of it: the router, the worker, the schedule and the outbox.

mod deliver;
mod work;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::adapters::sqlite::{OpenError, Sqlite};
use crate::config::{Config, Place};
use crate::domain::signal::Signal;
use crate::http::router;
pub use crate::parts::Timing;
use crate::parts::{self, PartsError};
use crate::ports::{Enqueue, PortError, Queue};
use crate::wire::Verified;

/// Why a run could not begin, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Store or queue are on AWS.
    #[error(
        "one process keeps store and queue in SQLite: set WARDEN_STORE and WARDEN_QUEUE to \
             sqlite:PATH, or leave what is on AWS to the Lambda functions"
    )]
    Elsewhere,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; set WARDEN_LISTEN to an address that is free")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A part cannot be made.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// The server stopped.
    #[error("the server stopped")]
    Stopped(#[source] std::io::Error),
}

/// Opens a door for [`serve`].
///
/// # Errors
/// [`ServeError::Listen`].
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Runs until `stop` is over, then finishes what is under way.
///
/// # Errors
/// [`ServeError`] when it cannot begin.
pub async fn serve(
    config: &Config,
    listener: TcpListener,
    timing: Timing,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let http = parts::http(timing.patience)?;
    let store = open(&config.settings.store)?;
    let queue = if config.settings.queue == config.settings.store {
        store.clone()
    } else {
        open(&config.settings.queue)?
    };
    announce(config, &listener);

    let stopping = Arc::new(tokio_util::sync::CancellationToken::new());
    let arrived = Arc::new(Notify::new());
    let written = Arc::new(Notify::new());
    let door_queue = Arc::new(Waking { queue: queue.clone(), arrived: arrived.clone() });
    let front = parts::front(config, parts::signing_keys(&config.settings)?, door_queue);
    let worker = work::Worker {
        world: Arc::new(parts::world(config, &http, Arc::new(store.clone()), &timing)),
        queue: Arc::new(queue.clone()),
        enqueue: Arc::new(queue),
        marks: store.clone(),
        settle_after: config.settings.settle_after,
        sweep_every: config.settings.sweep_every,
        retry_pause: timing.retry_pause,
        arrived,
        written: written.clone(),
    };
    let courier =
        deliver::Courier { desk: parts::desk(config, &http, Arc::new(store), timing), written };
    let door = {
        let stopping = stopping.clone();
        axum::serve(listener, router(front))
            .with_graceful_shutdown(async move { stopping.cancelled().await })
    };
    let watch = async {
        stop.await;
        info!("stopping: finishing what is under way");
        stopping.cancel();
    };
    let (door, (), (), ()) =
        tokio::join!(door, worker.run(&stopping), courier.run(&stopping), watch);
    door.map_err(ServeError::Stopped)
}

pub(crate) fn open(place: &Place) -> Result<Sqlite, ServeError> {
    match place {
        Place::Sqlite(path) => Ok(Sqlite::open(path)?),
        Place::Aws(_) => Err(ServeError::Elsewhere),
    }
}

fn announce(config: &Config, listener: &TcpListener) {
    let policy = &config.policy;
    for warning in &config.warnings {
        warn!("{}:{warning}", config.settings.policy);
    }
    if config.secrets.rotated("auditWebhookSecret").is_empty() {
        warn!("no auditWebhookSecret: /hooks/audit takes nothing");
    }
    if config.secrets.rotated("clientStateKey").is_empty() {
        warn!("no clientStateKey: /hooks/graph takes nothing");
    }
    if policy.tickets.is_empty() {
        warn!("the policy names no ticket sink: findings are recorded and nobody is told");
    }
    let names: Vec<&str> = policy.roster.tenants.iter().map(|t| t.name.as_str()).collect();
    let address = listener.local_addr().map_or_else(|_| String::new(), |a| a.to_string());
    info!(mode = %policy.mode, address, "guarding {}", names.join(", "));
}

/// The queue, which wakes the worker when something arrives.
struct Waking<Q> {
    queue: Q,
    arrived: Arc<Notify>,
}

#[async_trait]
impl<Q: Enqueue + Queue> Enqueue for Waking<Q> {
    async fn enqueue(&self, signals: Vec<Verified<Signal>>) -> Result<(), PortError> {
        self.queue.enqueue(signals).await?;
        self.arrived.notify_one();
        Ok(())
    }
}
