//! One process that runs all of it: the router, the worker, the schedule and the outbox.

mod deliver;
mod work;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::adapters::clock::SystemClock;
use crate::adapters::graph::{Credential, Graph};
use crate::adapters::http::{Http, Patience};
use crate::adapters::key_set::PublishedKeys;
use crate::adapters::recorder::Recorder;
use crate::adapters::sqlite::{OpenError, Sqlite};
use crate::adapters::webhook::Webhooks;
use crate::config::{Config, Place};
use crate::domain::policy::{Mode, Sink};
use crate::domain::secret::Secret;
use crate::domain::signal::Signal;
use crate::http::{Front, router};
use crate::pipeline::{READ_AGAIN, World};
use crate::ports::{Clock, Enqueue, PortError, Queue, RevokeRoleAssignment};
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
        }
    }
}

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
    /// No HTTP client can be made.
    #[error("no HTTP client can be made; are the system's certificates installed?")]
    Client(#[source] reqwest::Error),
    /// No url can be made from the sign-in's origin.
    #[error("WARDEN_LOGIN_URL is no base for urls")]
    Login(#[source] url::ParseError),
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
    let http = Http::new(timing.patience).map_err(ServeError::Client)?;
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
    let front = front(config, door_queue)?;
    let worker = work::Worker {
        world: Arc::new(world(config, &http, &store, &timing)),
        queue: Arc::new(queue.clone()),
        enqueue: Arc::new(queue),
        marks: store.clone(),
        settle_after: config.settings.settle_after,
        sweep_every: config.settings.sweep_every,
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
    let signing_keys = PublishedKeys::new(hurried, &settings.login_url, Arc::clone(&clock));
    Ok(Front {
        clock,
        notification_keys: config.notification_keys.clone(),
        signing_keys: Arc::new(signing_keys.map_err(ServeError::Login)?),
        audiences: vec![settings.client_id.clone(), format!("api://{}", settings.client_id)],
        login: settings.login_url.clone(),
        policy: config.policy.clone(),
        client_state_keys: config.secrets.rotated("clientStateKey"),
        // Checked when the configuration was read.
        audit_keys: audit.iter().filter_map(|key| WebhookSecret::parse(key).ok()).collect(),
        o365_auth_ids: config.secrets.rotated("o365AuthId"),
        sender_roles: settings.sender_roles.clone(),
        enqueue,
    })
}

fn world(config: &Config, http: &Http, store: &Sqlite, timing: &Timing) -> World {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = &config.settings;
    let secret = config.secrets.secret("graphClientSecret").cloned();
    let credential = Credential::Secret {
        client_id: settings.client_id.clone(),
        secret: secret.unwrap_or_else(|| Secret::new("")),
    };
    let (graph_url, login_url) = (settings.graph_url.clone(), settings.login_url.clone());
    let graph = Arc::new(Graph::new(http.clone(), graph_url, login_url, credential, clock.clone()));
    let revoke: Arc<dyn RevokeRoleAssignment> = match config.policy.mode {
        Mode::Enforce => Arc::new(graph.revoker()),
        Mode::Observe | Mode::Approve => Arc::new(Recorder),
    };
    World {
        clock,
        roles: graph.clone(),
        objects: graph.clone(),
        guests: graph.clone(),
        partner_entries: graph.clone(),
        tenant_names: graph,
        revoke,
        ledger: Arc::new(store.clone()),
        policy: config.policy.clone(),
        own_apps: vec![settings.client_id.clone()],
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
