//! One process that runs all of it: the router, the worker, the schedule and the outbox.

mod deliver;
mod door;
mod lines;
pub mod redrive;
pub mod restore;
mod schedule;
mod scrape;
pub mod subscriptions;
mod work;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tracing::{info, warn};

use self::door::Limits;
use crate::adapters::clock::SystemClock;
use crate::adapters::graph::Graph;
use crate::adapters::sqlite::{OpenError, Sqlite};
use crate::adapters::stop_file::StopFile;
use crate::config::{Config, Place};
use crate::domain::signal::Signal;
use crate::http::router;
pub use crate::parts::Timing;
use crate::parts::{self, Lasting, Memory, PartsError};
use crate::ports::{Clock as _, Enqueue, PortError, Queue, StopSwitch};
use crate::sweep::Sweep;
use crate::telemetry::prometheus;
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
    #[error("cannot listen on {address}; set {variable} to an address that is free")]
    Listen {
        /// The variable that names it.
        variable: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A part cannot be made.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// The numbers cannot be collected.
    #[error("the metrics cannot be set up")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
    /// Something that is needed is not set.
    #[error("{0}")]
    Unset(&'static str),
}

/// Opens a door for [`serve`].
///
/// # Errors
/// [`ServeError::Listen`].
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    bind("WARDEN_LISTEN", address).await
}

async fn bind(variable: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ServeError::Listen { variable, address, source })
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
    let (store, queue) = store_and_queue(config)?;
    let numbers = numbers(config.settings.metrics_listen).await?;
    announce(config, &listener);

    let stopping = Arc::new(tokio_util::sync::CancellationToken::new());
    let arrived = Arc::new(Notify::new());
    let written = Arc::new(Notify::new());
    let door_queue = Arc::new(Waking { queue: queue.clone(), arrived: arrived.clone() });
    let stop_switch = stop_switch(&config.settings.store)?;
    let lasting = Lasting::new(&config.settings)?;
    let decide = Arc::new(store.clone());
    let front = parts::front(config, &lasting, door_queue.clone(), decide, stop_switch.clone());
    let graph = parts::graph(config, &http)?;
    let sweep = Arc::new(sweep(config, &graph, &store, &queue, door_queue, &timing));
    let schedule =
        schedule::Schedule { sweep: Arc::clone(&sweep), retry_pause: timing.retry_pause };
    let memory = Memory {
        ledger: Arc::new(store.clone()),
        marks: Arc::new(store.clone()),
        stop: stop_switch,
    };
    let worker = work::Worker {
        world: Arc::new(parts::world(config, &http, graph, memory, &timing)?),
        queue: Arc::new(queue),
        sweep,
        settle_after: config.settings.settle_after,
        retry_pause: timing.retry_pause,
        arrived,
        written: written.clone(),
    };
    let courier =
        deliver::Courier { desk: parts::desk(config, &http, Arc::new(store), timing), written };
    let door = door::open(listener, router(front), Limits::default(), &stopping);
    let scrape = async {
        if let Some((listener, numbers)) = numbers {
            scrape::open(listener, numbers, &stopping).await;
        }
    };
    let watch = async {
        stop.await;
        info!("stopping: finishing what is under way");
        stopping.cancel();
    };
    tokio::join!(
        door,
        scrape,
        worker.run(&stopping),
        courier.run(&stopping),
        schedule.run(&stopping),
        watch
    );
    Ok(())
}

/// Where the numbers are to be had, and the numbers.
async fn numbers(
    address: Option<SocketAddr>,
) -> Result<Option<(TcpListener, PrometheusHandle)>, ServeError> {
    let Some(address) = address else { return Ok(None) };
    let listener = bind("WARDEN_METRICS_LISTEN", address).await?;
    let numbers = prometheus::install().map_err(ServeError::Metrics)?;
    let at = listener.local_addr().map_or_else(|_| String::new(), |a| a.to_string());
    info!(metrics.address = at, "numbers are to be had at /metrics");
    Ok(Some((listener, numbers)))
}

/// The ledger's file and the queue's, which may be the same.
fn store_and_queue(config: &Config) -> Result<(Sqlite, Sqlite), ServeError> {
    let store = open(&config.settings.store)?;
    let queue = if config.settings.queue == config.settings.store {
        store.clone()
    } else {
        open(&config.settings.queue)?
    };
    Ok((store, queue))
}

pub(crate) fn open(place: &Place) -> Result<Sqlite, ServeError> {
    match place {
        Place::Sqlite(path) => Ok(Sqlite::open(path)?),
        Place::Aws(_) => Err(ServeError::Elsewhere),
    }
}

/// The switch beside the store's file.
fn stop_switch(place: &Place) -> Result<Arc<dyn StopSwitch>, ServeError> {
    match place {
        Place::Sqlite(path) => Ok(Arc::new(StopFile::beside(path))),
        Place::Aws(_) => Err(ServeError::Elsewhere),
    }
}

fn sweep(
    config: &Config,
    graph: &Graph,
    store: &Sqlite,
    queue: &Sqlite,
    enqueue: Arc<dyn Enqueue>,
    timing: &Timing,
) -> Sweep {
    let (marks, prune) = (Arc::new(store.clone()), Arc::new(store.clone()));
    parts::sweep(config, graph, (marks, prune), Arc::new(queue.clone()), enqueue, timing)
}

fn announce(config: &Config, listener: &TcpListener) {
    let policy = &config.policy;
    for warning in &config.warnings {
        warn!("{}:{warning}", config.settings.policy);
    }
    for concern in parts::concerns(config, SystemClock.now()) {
        warn!("{concern}");
    }
    if config.secrets.rotated("auditWebhookSecret").is_empty() {
        warn!("no auditWebhookSecret: /hooks/audit takes nothing");
    }
    if config.secrets.rotated("clientStateKey").is_empty() {
        warn!("no clientStateKey: /hooks/graph takes nothing");
    }
    if config.settings.public_url.is_none() {
        info!("no WARDEN_PUBLIC_URL: Microsoft Graph is not asked for change notifications");
    } else if config.secrets.secret("clientStateKey").is_none() {
        warn!("no clientStateKey: Microsoft Graph is not asked for change notifications");
    }
    if policy.asks() && parts::decisions(config).is_none() {
        warn!(
            "the policy asks people, and they cannot be sent a link: set decisionKey and \
             WARDEN_PUBLIC_URL"
        );
    }
    let sign_in = config.settings.approvers.as_deref();
    if let Some(concern) = parts::concerns_about_deciding(policy, sign_in) {
        warn!("{concern}");
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
