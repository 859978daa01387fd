//! What a process is put together from, the same for one process and for a Lambda function.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::adapters::clock::SystemClock;
use crate::adapters::graph::{Credential, Graph};
use crate::adapters::http::{Http, Patience};
use crate::adapters::key_set::PublishedKeys;
use crate::adapters::recorder::Recorder;
use crate::adapters::webhook::Webhooks;
use crate::config::{Config, Settings};
use crate::domain::policy::{Mode, Sink};
use crate::domain::secret::Secret;
use crate::http::Front;
use crate::pipeline::deliver::Desk;
use crate::pipeline::{READ_AGAIN, World};
use crate::ports::{Clock, Enqueue, Ledger, Outbox, RevokeRoleAssignment, SigningKeys};
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

/// Why a part cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// No HTTP client can be made.
    #[error("no HTTP client can be made; are the system's certificates installed?")]
    Client(#[source] reqwest::Error),
    /// No url can be made from the sign-in's origin.
    #[error("WARDEN_LOGIN_URL is no base for urls")]
    Login(#[source] url::ParseError),
}

/// The client for Graph, the sign-in and ticket sinks.
///
/// # Errors
/// [`PartsError::Client`].
pub fn http(patience: Patience) -> Result<Http, PartsError> {
    Http::new(patience).map_err(PartsError::Client)
}

/// The sign-in's published keys. The client that fetches them is made when the first is missing:
/// most requests need none, and it takes longer than all the rest.
///
/// # Errors
/// [`PartsError::Login`].
pub fn signing_keys(settings: &Settings) -> Result<Arc<dyn SigningKeys>, PartsError> {
    // Graph counts an answer after 3 s as slow, so there is no time to try twice.
    let patience = Patience {
        connect: std::time::Duration::from_secs(1),
        total: std::time::Duration::from_secs(2),
        ..Patience::default()
    };
    let keys = PublishedKeys::new(patience, &settings.login_url, Arc::new(SystemClock));
    Ok(Arc::new(keys.map_err(PartsError::Login)?))
}

/// What the router needs, with signals going to `enqueue`.
pub fn front(
    config: &Config,
    signing_keys: Arc<dyn SigningKeys>,
    enqueue: Arc<dyn Enqueue>,
) -> Front {
    let audit = config.secrets.rotated("auditWebhookSecret");
    let settings = &config.settings;
    Front {
        clock: Arc::new(SystemClock),
        notification_keys: config.notification_keys.clone(),
        signing_keys,
        audiences: vec![settings.client_id.clone(), format!("api://{}", settings.client_id)],
        login: settings.login_url.clone(),
        policy: config.policy.clone(),
        client_state_keys: config.secrets.rotated("clientStateKey"),
        // Checked when the configuration was read.
        audit_keys: audit.iter().filter_map(|key| WebhookSecret::parse(key).ok()).collect(),
        o365_auth_ids: config.secrets.rotated("o365AuthId"),
        sender_roles: settings.sender_roles.clone(),
        enqueue,
    }
}

/// The world of the pipeline, with `ledger` for its memory. The writer that reaches Graph is made
/// in `enforce` only.
pub fn world(config: &Config, http: &Http, ledger: Arc<dyn Ledger>, timing: &Timing) -> World {
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
        ledger,
        policy: config.policy.clone(),
        own_apps: vec![settings.client_id.clone()],
        read_again: timing.read_again.clone(),
    }
}

/// The desk of the courier: from `outbox` to the sinks of the policy.
pub fn desk(config: &Config, http: &Http, outbox: Arc<dyn Outbox>, timing: Timing) -> Desk {
    Desk {
        outbox,
        tickets: Arc::new(webhooks(config, http)),
        clock: Arc::new(SystemClock),
        again: timing.deliver_again,
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
