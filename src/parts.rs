//! What a process is put together from, the same for one process and for a Lambda function.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::TrustAnchor;
use url::Url;

use crate::adapters::clock::SystemClock;
use crate::adapters::graph::{AuditLogs, Credential, Graph, Identity};
use crate::adapters::http::{Http, Patience};
use crate::adapters::key_set::PublishedKeys;
use crate::adapters::management::Management;
use crate::adapters::partner_center::{Customers, PublishedCertificates};
use crate::adapters::recorder::Recorder;
use crate::adapters::webhook::Webhooks;
use crate::config::{Config, Settings};
use crate::domain::policy::{Mode, Policy, Sink};
use crate::domain::secret::Secret;
use crate::http::Front;
use crate::http::decisions::{Decisions, SignIn};
use crate::http::replays::Replays;
use crate::pipeline::deliver::Desk;
use crate::pipeline::observe::Readers;
use crate::pipeline::{READ_AGAIN, World, Writers};
use crate::ports::{
    Decide, Enqueue, Ledger, Marks, Outbox, PruneRecords, ReadDelegatedAccess, ReadHeard,
    SenderCertificates, SigningKeys, StopSwitch,
};
use crate::sweep::{Gates, LastKnown, Subscribing, Sweep, Times};
use crate::wire::standard_webhooks::WebhookSecret;

/// The time between two requests for one tenant's conditional access: Graph allows 1 a second.
const CONDITIONAL_ACCESS_APART: SignedDuration = SignedDuration::from_secs(1);

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

/// Why a part cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// No HTTP client can be made.
    #[error("no HTTP client can be made; are the system's certificates installed?")]
    Client(#[source] reqwest::Error),
    /// No url can be made from the sign-in's origin.
    #[error("WARDEN_LOGIN_URL is no base for urls")]
    Login(#[source] url::ParseError),
    /// The part of the program that runs holds no credential.
    #[error("this part of the program has nothing to sign in with")]
    NoCredential,
}

/// The client for Graph, the sign-in and ticket sinks.
///
/// # Errors
/// [`PartsError::Client`].
pub fn http(patience: Patience) -> Result<Http, PartsError> {
    Http::new(patience).map_err(PartsError::Client)
}

/// The roots that Partner Center's certificates must lead to, if not those of this machine.
type Roots = Option<Arc<[TrustAnchor<'static>]>>;

/// What outlives a door that is made anew because a secret has changed: keys and certificates that
/// were fetched, and the messages that were taken in of late.
pub struct Lasting {
    signing_keys: Arc<dyn SigningKeys>,
    certificates: Mutex<Option<(Roots, Arc<dyn SenderCertificates>)>>,
    replays: Arc<Mutex<Replays>>,
}

impl Lasting {
    /// Nothing fetched and nothing taken in yet.
    ///
    /// # Errors
    /// [`PartsError::Login`].
    pub fn new(settings: &Settings) -> Result<Self, PartsError> {
        let keys = PublishedKeys::new(hurried(), &settings.login_url, Arc::new(SystemClock));
        Ok(Self {
            signing_keys: Arc::new(keys.map_err(PartsError::Login)?),
            certificates: Mutex::default(),
            replays: Arc::default(),
        })
    }

    /// The certificates in hand, unless they were to lead to other roots.
    fn certificates(&self, roots: &Roots) -> Arc<dyn SenderCertificates> {
        let mut held = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, certificates)) = held.as_ref().filter(|(former, _)| former == roots) {
            return Arc::clone(certificates);
        }
        let clock = Arc::new(SystemClock);
        let new: Arc<dyn SenderCertificates> =
            Arc::new(PublishedCertificates::new(hurried(), clock, roots.clone()));
        *held = Some((roots.clone(), Arc::clone(&new)));
        new
    }
}

/// Graph counts an answer after 3 s as slow, so there is no time to try twice.
fn hurried() -> Patience {
    Patience {
        connect: std::time::Duration::from_secs(1),
        total: std::time::Duration::from_secs(2),
        ..Patience::default()
    }
}

/// What the router needs, with signals going to `enqueue`, and `decide` to know what people are
/// asked, and `stop` whether all writing is stopped.
pub fn front(
    config: &Config,
    lasting: &Lasting,
    enqueue: Arc<dyn Enqueue>,
    decide: Arc<dyn Decide>,
    stop: Arc<dyn StopSwitch>,
) -> Front {
    let audit = config.secrets.rotated("auditWebhookSecret");
    let settings = &config.settings;
    Front {
        clock: Arc::new(SystemClock),
        notification_keys: config.notification_keys.clone(),
        signing_keys: Arc::clone(&lasting.signing_keys),
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
        certificates: lasting.certificates(&config.partner_center_roots),
        enqueue,
        decisions: Decisions {
            keys: config.secrets.rotated("decisionKey"),
            decide,
            public_url: settings.public_url.clone(),
            sign_in: settings
                .approvers
                .clone()
                .map(|roles| SignIn { client_id: settings.client_id.clone(), roles }),
        },
        stop,
        replays: Arc::clone(&lasting.replays),
    }
}

fn reader(config: &Config) -> Result<Credential, PartsError> {
    config.credential.clone().ok_or(PartsError::NoCredential)
}

/// Graph, as the reader signs in to it.
///
/// # Errors
/// [`PartsError::NoCredential`].
pub fn graph(config: &Config, http: &Http) -> Result<Graph, PartsError> {
    let settings = &config.settings;
    let (graph_url, login_url) = (settings.graph_url.clone(), settings.login_url.clone());
    let clock = Arc::new(SystemClock);
    Ok(Graph::new(http.clone(), graph_url, login_url, reader(config)?, clock))
}

/// What there is to say about the credentials in hand at a moment, before any is refused: a
/// certificate that has ended, or soon will.
pub fn concerns(config: &Config, now: Timestamp) -> impl Iterator<Item = String> {
    let (reader, writer) = (config.credential.as_ref(), config.write_credential.as_ref());
    let concerns = [
        reader.and_then(|credential| credential.concern(Identity::Reader, now)),
        writer.and_then(|credential| credential.concern(Identity::Writer, now)),
    ];
    concerns.into_iter().flatten()
}

/// What there is to say about how people decide, before anybody is asked: who may, as far as that is
/// known at the door, which is told `sign_in`.
pub fn concerns_about_deciding(
    policy: &Policy,
    sign_in: Option<&[String]>,
) -> Option<&'static str> {
    match sign_in {
        None if policy.asks() => Some(
            "the policy asks people, and whoever has the link decides by the name they give: set \
             WARDEN_APPROVER_SIGN_IN to entra, and name roles in WARDEN_APPROVER_ROLES",
        ),
        Some([]) => Some(
            "any account of a tenant may decide there, a partner's guests among them: name roles in \
             WARDEN_APPROVER_ROLES",
        ),
        _ => None,
    }
}

fn management(config: &Config, http: &Http) -> Result<Management, PartsError> {
    let settings = &config.settings;
    let (origin, login_url) = (settings.management_url.clone(), settings.login_url.clone());
    let clock = Arc::new(SystemClock);
    Ok(Management::new(http.clone(), origin, login_url, reader(config)?, clock))
}

/// The sweep, with `marks` for its memory.
pub fn sweep(
    config: &Config,
    graph: &Graph,
    (marks, prune): (Arc<dyn Marks>, Arc<dyn PruneRecords>),
    heard: Arc<dyn ReadHeard>,
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
        marks,
        heard,
        enqueue,
        prune,
        audits: Arc::new(AuditLogs::new(graph.clone(), timing.audits_apart)),
        subscribing,
        times: Times::new(settings.sweep_every, settings.poll_every),
        gates: Gates::default(),
        last_known: LastKnown::default(),
    }
}

/// What the pipeline remembers by, and what may stop it.
#[derive(Clone)]
pub struct Memory {
    /// What was intended, done and proven.
    pub ledger: Arc<dyn Ledger>,
    /// What is remembered of tenants beside it.
    pub marks: Arc<dyn Marks>,
    /// Whether anything is to be written at all.
    pub stop: Arc<dyn StopSwitch>,
}

/// The world of the pipeline, with a memory. In `observe` the writer that reaches
/// Graph is not made.
///
/// # Errors
/// [`PartsError::NoCredential`].
pub fn world(
    config: &Config,
    http: &Http,
    graph: Graph,
    memory: Memory,
    timing: &Timing,
) -> Result<World, PartsError> {
    let graph = Arc::new(graph);
    let writers = match (config.policy.mode, &config.write_credential) {
        (Mode::Observe, _) => Writers::all(&Arc::new(Recorder)),
        (Mode::Approve | Mode::Enforce, Some(writer)) => {
            Writers::all(&Arc::new(graph.revoker_as(writer.clone())))
        }
        (Mode::Approve | Mode::Enforce, None) => Writers::all(&Arc::new(graph.revoker())),
    };
    let delegated_access = delegated_access(config, http)?;
    Ok(World {
        clock: Arc::new(SystemClock),
        service_principals: Arc::new(graph.service_principals()),
        readers: Readers { delegated_access, ..readers(graph) },
        audit_content: Arc::new(management(config, http)?),
        writers,
        ledger: memory.ledger,
        marks: memory.marks,
        stop: memory.stop,
        policy: config.policy.clone(),
        own_apps: config.settings.own_apps(),
        read_again: timing.read_again.clone(),
        decisions: decisions(config),
    })
}

/// Where people decide, and the key by which links are known; nothing where they cannot be sent one.
pub(crate) fn decisions(config: &Config) -> Option<(Url, Secret)> {
    config.settings.public_url.clone().zip(config.secrets.secret("decisionKey").cloned())
}

/// What asks Partner Center about customers, where that is configured.
///
/// # Errors
/// [`PartsError::NoCredential`].
pub fn delegated_access(
    config: &Config,
    http: &Http,
) -> Result<Option<Arc<dyn ReadDelegatedAccess>>, PartsError> {
    let Some((origin, user)) = config.partner_center() else { return Ok(None) };
    let (login, clock) = (config.settings.login_url.clone(), Arc::new(SystemClock));
    let customers = Customers::new(http.clone(), origin, login, reader(config)?, clock);
    Ok(Some(match user {
        Some(refresh_token) => Arc::new(customers.for_user(refresh_token)),
        None => Arc::new(customers),
    }))
}

/// What reads tenants by Graph. Partner Center is not asked.
pub fn readers(graph: Arc<Graph>) -> Readers {
    Readers {
        roles: graph.clone(),
        active: graph.clone(),
        eligible: graph.clone(),
        objects: graph.clone(),
        users: graph.clone(),
        groups: graph.clone(),
        partner_apps: graph.clone(),
        cross_tenant_access: graph.clone(),
        conditional_access: Arc::new(graph.conditional_access(CONDITIONAL_ACCESS_APART)),
        governance: graph.clone(),
        tenant_names: graph.clone(),
        relationships: graph.clone(),
        customers: graph,
        delegated_access: None,
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

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Part, Secrets};
    use crate::domain::approval::{Proposal, ProposalId};
    use crate::domain::id::Sha256Hex;
    use crate::domain::signal::Signal;
    use crate::domain::stop::Stop;
    use crate::ports::PortError;
    use crate::wire::Verified;

    struct Nowhere;

    #[async_trait]
    impl Decide for Nowhere {
        async fn proposal(&self, _: &ProposalId) -> Result<Option<Proposal>, PortError> {
            Ok(None)
        }

        async fn decided(&self, _: &Proposal) -> Result<bool, PortError> {
            Ok(false)
        }
    }

    #[async_trait]
    impl Enqueue for Nowhere {
        async fn enqueue(&self, _: Vec<Verified<Signal>>) -> Result<(), PortError> {
            Ok(())
        }
    }

    #[async_trait]
    impl StopSwitch for Nowhere {
        async fn stopped(&self) -> Result<Option<Stop>, PortError> {
            Ok(None)
        }
    }

    #[test]
    fn who_decides_unproven_is_told_at_every_door() {
        let concern = |rest: &str, sign_in: Option<&[String]>| {
            let text = format!(
                "version: 1\ntenants: [{{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}}]\n\
                 {rest}\n"
            );
            concerns_about_deciding(&Policy::parse(&text).unwrap().policy, sign_in)
        };
        let approver = ["Approver".to_owned()];
        let one = "mode: enforce\nrespond: {role-not-allowed: {do: approve}}";
        let all = "mode: approve\nrespond: {role-not-allowed: {do: revoke}}";
        for asks in [one, all] {
            let unproven = concern(asks, None).unwrap();
            assert!(unproven.contains("by the name they give: set WARDEN_APPROVER_SIGN_IN"));
            let anybody = concern(asks, Some(&[])).unwrap();
            assert!(anybody.contains("a partner's guests among them: name roles"), "{anybody}");
            assert_eq!(concern(asks, Some(&approver)), None);
        }
        let asks_nobody = "mode: enforce\nrespond: {role-not-allowed: {do: revoke}}";
        assert_eq!(concern(asks_nobody, None), None);
    }

    fn config(secrets: &Value) -> Config {
        let settings = Settings::read(|name| match name {
            "WARDEN_POLICY" => Some("policy.yaml".to_owned()),
            "WARDEN_SECRETS" => Some("file:secrets.json".to_owned()),
            "WARDEN_CLIENT_ID" => Some("client".to_owned()),
            "WARDEN_STORE" if cfg!(not(feature = "sqlite")) => Some("aws:table".to_owned()),
            _ => None,
        });
        let secrets = Secrets::parse(&secrets.to_string()).unwrap();
        let policy =
            "version: 1\ntenants: [{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}]\n";
        Config::of(settings.unwrap(), policy, secrets, Part::Door).unwrap()
    }

    #[test]
    fn a_door_made_anew_knows_what_was_fetched_and_taken_in_before() {
        let before = config(&json!({"o365AuthId": "the former"}));
        let lasting = Lasting::new(&before.settings).unwrap();
        let first =
            front(&before, &lasting, Arc::new(Nowhere), Arc::new(Nowhere), Arc::new(Nowhere));
        let (message, now) = (Sha256Hex::of(b"message"), first.clock.now());
        first.replays.lock().unwrap().remember(message.clone(), now);

        let second = front(
            &config(&json!({"o365AuthId": "new"})),
            &lasting,
            Arc::new(Nowhere),
            Arc::new(Nowhere),
            Arc::new(Nowhere),
        );
        assert_ne!(first.o365_auth_ids, second.o365_auth_ids);
        assert!(second.replays.lock().unwrap().knows(&message, now));
        assert!(Arc::ptr_eq(&first.signing_keys, &second.signing_keys));
        assert!(Arc::ptr_eq(&first.certificates, &second.certificates));

        // What led to other roots is not believed any more.
        let vectors = include_str!("../tests/data/partner-center-openssl.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let roots = json!({"partnerCenterRootsPem": vectors["rootPem"]});
        let third = front(
            &config(&roots),
            &lasting,
            Arc::new(Nowhere),
            Arc::new(Nowhere),
            Arc::new(Nowhere),
        );
        assert!(!Arc::ptr_eq(&first.certificates, &third.certificates));
    }

    #[test]
    fn the_router_alone_has_nothing_to_sign_in_with() {
        let graph = graph(&config(&json!({})), &http(Patience::default()).unwrap());
        assert!(matches!(graph.err(), Some(PartsError::NoCredential)));
    }
}
