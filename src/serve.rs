//! One process that runs all of it: the router, the worker, the schedule and the outbox.

mod deliver;
mod door;
mod lines;
pub mod redrive;
mod schedule;
mod scrape;
pub mod subscriptions;
mod work;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::SignedDuration;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tracing::{info, warn};

use self::door::Limits;
use crate::adapters::clock::SystemClock;
use crate::adapters::graph::{AuditLogs, Graph, Identity};
use crate::adapters::http::{Http, Patience};
use crate::adapters::key_set::PublishedKeys;
use crate::adapters::management::Management;
use crate::adapters::partner_center::PublishedCertificates;
use crate::adapters::recorder::Recorder;
use crate::adapters::sqlite::{OpenError, Sqlite};
use crate::adapters::webhook::Webhooks;
use crate::config::Config;
use crate::domain::policy::{Mode, Sink};
use crate::domain::signal::Signal;
use crate::http::{Front, router};
use crate::pipeline::{READ_AGAIN, World};
use crate::ports::{Clock, Enqueue, PortError, Queue, RevokeRoleAssignment};
use crate::sweep::{Gates, Subscribing, Sweep, Times};
use crate::telemetry::prometheus;
use crate::wire::Verified;
use crate::wire::standard_webhooks::WebhookSecret;

/// How patient a run is. The demo and tests are less so than the default.
#[derive(Debug, Clone)]
pub struct Timing {
    /// With Graph and the sign-in.
    pub patience: Patience,
    /// When the effect of a step is read again, counted from the step.
    pub read_again: Vec<SignedDuration>,
    /// The pause before a look is tried again; each further one is twice as long.
    pub retry_pause: SignedDuration,
    /// The pauses before a message is sent again; after the last it is given up.
    pub deliver_again: Vec<SignedDuration>,
    /// The time between two requests for one tenant's audit log: Graph allows 5 in 10 seconds.
    pub audits_apart: SignedDuration,
}

impl Default for Timing {
    fn default() -> Self {
        let hours = |hours| SignedDuration::from_hours(hours);
        Self {
            patience: Patience::default(),
            read_again: READ_AGAIN.to_vec(),
            retry_pause: SignedDuration::from_secs(30),
            // The schedule that Standard Webhooks recommends.
            deliver_again: vec![
                SignedDuration::from_secs(5),
                SignedDuration::from_mins(5),
                SignedDuration::from_mins(30),
                hours(2),
                hours(5),
                hours(10),
                hours(14),
                hours(20),
                hours(24),
            ],
            audits_apart: SignedDuration::from_secs(2),
        }
    }
}

/// Why a run could not begin, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
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
    /// No HTTP client can be made.
    #[error("no HTTP client can be made; are the system's certificates installed?")]
    Client(#[source] reqwest::Error),
    /// No url can be made from the sign-in's origin.
    #[error("WARDEN_LOGIN_URL is no base for urls")]
    Login(#[source] url::ParseError),
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
    let http = Http::new(timing.patience).map_err(ServeError::Client)?;
    let (store, queue) = store_and_queue(config)?;
    let numbers = numbers(config.settings.metrics_listen).await?;
    announce(config, &listener);

    let stopping = Arc::new(tokio_util::sync::CancellationToken::new());
    let arrived = Arc::new(Notify::new());
    let written = Arc::new(Notify::new());
    let door_queue = Arc::new(Waking { queue: queue.clone(), arrived: arrived.clone() });
    let front = front(config, door_queue.clone())?;
    let graph = graph(config, &http);
    let sweep = Arc::new(sweep(config, &graph, &store, &queue, door_queue, &timing));
    let schedule =
        schedule::Schedule { sweep: Arc::clone(&sweep), retry_pause: timing.retry_pause };
    let worker = work::Worker {
        world: Arc::new(world(config, &http, graph, &store, &timing)),
        queue: Arc::new(queue),
        sweep,
        settle_after: config.settings.settle_after,
        retry_pause: timing.retry_pause,
        arrived,
        written: written.clone(),
    };
    let courier = deliver::Courier {
        outbox: Arc::new(store),
        tickets: Arc::new(webhooks(config, &http)),
        clock: Arc::new(SystemClock),
        again: timing.deliver_again,
        written,
    };
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
fn store_and_queue(config: &Config) -> Result<(Sqlite, Sqlite), OpenError> {
    let store = Sqlite::open(&config.settings.store)?;
    let queue = if config.settings.queue == config.settings.store {
        store.clone()
    } else {
        Sqlite::open(&config.settings.queue)?
    };
    Ok((store, queue))
}

fn announce(config: &Config, listener: &TcpListener) {
    let policy = &config.policy;
    for warning in &config.warnings {
        warn!("{}:{warning}", config.settings.policy.display());
    }
    let now = SystemClock.now();
    let writer = config.write_credential.as_ref();
    let concerns = [
        config.credential.concern(Identity::Reader, now),
        writer.and_then(|credential| credential.concern(Identity::Writer, now)),
    ];
    for concern in concerns.into_iter().flatten() {
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
    if policy.tickets.is_empty() {
        warn!("the policy names no ticket sink: findings are recorded and nobody is told");
    }
    let names: Vec<&str> = policy.roster.tenants.iter().map(|t| t.name.as_str()).collect();
    let address = listener.local_addr().map_or_else(|_| String::new(), |a| a.to_string());
    info!(mode = %policy.mode, address, "guarding {}", names.join(", "));
}

fn front(config: &Config, enqueue: Arc<dyn Enqueue>) -> Result<Front, ServeError> {
    let audit = config.secrets.rotated("auditWebhookSecret");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = &config.settings;
    // Graph counts an answer after 3 s as slow, so there is no time to try twice.
    let hurried = Http::new(Patience {
        connect: std::time::Duration::from_secs(1),
        total: std::time::Duration::from_secs(2),
        ..Patience::default()
    });
    let hurried = hurried.map_err(ServeError::Client)?;
    let signing_keys = PublishedKeys::new(hurried.clone(), &settings.login_url, Arc::clone(&clock));
    let roots = config.partner_center_roots.clone();
    let certificates = PublishedCertificates::new(hurried, Arc::clone(&clock), roots);
    Ok(Front {
        clock,
        notification_keys: config.notification_keys.clone(),
        signing_keys: Arc::new(signing_keys.map_err(ServeError::Login)?),
        audiences: vec![settings.client_id.clone(), format!("api://{}", settings.client_id)],
        login: settings.login_url.clone(),
        management: settings.management_url.clone(),
        own_apps: settings.own_apps(),
        policy: config.policy.clone(),
        client_state_keys: config.secrets.rotated("clientStateKey"),
        // Checked when the configuration was read.
        audit_keys: audit.iter().filter_map(|key| WebhookSecret::parse(key).ok()).collect(),
        o365_auth_ids: config.secrets.rotated("o365AuthId"),
        sender_roles: settings.sender_roles.clone(),
        certificate_origins: settings.partner_center_origins.clone(),
        certificates: Arc::new(certificates),
        enqueue,
        replays: Mutex::default(),
    })
}

fn graph(config: &Config, http: &Http) -> Graph {
    let settings = &config.settings;
    let (graph_url, login_url) = (settings.graph_url.clone(), settings.login_url.clone());
    let (credential, clock) = (config.credential.clone(), Arc::new(SystemClock));
    Graph::new(http.clone(), graph_url, login_url, credential, clock)
}

fn management(config: &Config, http: &Http) -> Management {
    let settings = &config.settings;
    let (origin, login_url) = (settings.management_url.clone(), settings.login_url.clone());
    let (credential, clock) = (config.credential.clone(), Arc::new(SystemClock));
    Management::new(http.clone(), origin, login_url, credential, clock)
}

fn sweep(
    config: &Config,
    graph: &Graph,
    store: &Sqlite,
    queue: &Sqlite,
    enqueue: Arc<dyn Enqueue>,
    timing: &Timing,
) -> Sweep {
    let settings = &config.settings;
    let key = config.secrets.secret("clientStateKey").cloned();
    let subscribing = settings.notification_url().zip(key).map(|(url, key)| Subscribing {
        read: Arc::new(graph.clone()),
        write: Arc::new(graph.subscriber()),
        url,
        key,
    });
    Sweep {
        clock: Arc::new(SystemClock),
        policy: config.policy.clone(),
        own_apps: settings.own_apps(),
        marks: Arc::new(store.clone()),
        heard: Arc::new(queue.clone()),
        enqueue,
        audits: Arc::new(AuditLogs::new(graph.clone(), timing.audits_apart)),
        subscribing,
        times: Times::new(settings.sweep_every, settings.poll_every),
        gates: Gates::default(),
    }
}

fn world(config: &Config, http: &Http, graph: Graph, store: &Sqlite, timing: &Timing) -> World {
    let settings = &config.settings;
    let graph = Arc::new(graph);
    let revoke: Arc<dyn RevokeRoleAssignment> = match (config.policy.mode, &config.write_credential)
    {
        (Mode::Enforce, Some(writer)) => Arc::new(graph.revoker_as(writer.clone())),
        (Mode::Enforce, None) => Arc::new(graph.revoker()),
        (Mode::Observe | Mode::Approve, _) => Arc::new(Recorder),
    };
    World {
        clock: Arc::new(SystemClock),
        roles: graph.clone(),
        objects: graph.clone(),
        guests: graph.clone(),
        partner_entries: graph.clone(),
        service_principals: Arc::new(graph.service_principals()),
        audit_content: Arc::new(management(config, http)),
        tenant_names: graph,
        revoke,
        ledger: Arc::new(store.clone()),
        policy: config.policy.clone(),
        own_apps: settings.own_apps(),
        read_again: timing.read_again.clone(),
    }
}

fn webhooks(config: &Config, http: &Http) -> Webhooks {
    let sinks = config.policy.tickets.iter().filter_map(|(name, sink)| {
        let Sink::Webhook { url } = sink;
        let key = config.secrets.sink_key(name)?;
        Some((name.clone(), (url.clone(), key)))
    });
    Webhooks::new(http.clone(), sinks.collect::<BTreeMap<_, _>>())
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
