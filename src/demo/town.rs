//! A simulated tenant, and the real `serve` that guards it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use url::Url;

use super::{DemoError, LIMIT};
use crate::adapters::clock::SystemClock;
use crate::adapters::http::{Answer, Http, Patience};
use crate::adapters::sqlite::SqliteRecords;
use crate::config::{Config, Place};
use crate::domain::record::Record;
use crate::domain::secret::Secret;
use crate::ports::{Clock as _, ReadRecords as _};
use crate::serve::{ServeError, Timing, listen, serve};
use crate::sim::{Delivery, INBOX_SECRET, Scenario, Sim, WOODGROVE};
use crate::wire::standard_webhooks::WebhookSecret;

/// The policy the demo runs by.
pub(super) const POLICY: &str = include_str!("../../policy/example.yaml");

/// The sink's place as the policy names it; the simulator takes a free port instead.
const POLICY_SINK: &str = "http://127.0.0.1:9090/";

/// The event that sets it off.
const EVENT: &str = include_str!("../../events/audit/add-member-to-role.json");

/// The last digits of the event's id, which differ from one event to the next.
const EVENT_NUMBER: u32 = 48_210_937;

/// The key the forwarder of audit events signs with. It opens nothing but the demo.
pub(super) const AUDIT_SECRET: &str = "whsec_cGFydG5lci13YXJkZW4tZGVtby1mb3J3YXJkZXI=";

/// The key that links to decisions are signed with. It opens nothing but the demo.
const DECISION_KEY: &str = "the demo's key for decisions";

/// A simulated tenant that is guarded.
pub(super) struct Town {
    pub(super) sim: Sim,
    pub(super) config: Config,
    door: SocketAddr,
    http: Http,
    reported: u32,
    stop: Option<oneshot::Sender<()>>,
    server: JoinSet<Result<(), ServeError>>,
    // It is there for its drop alone.
    _folder: tempfile::TempDir,
}

impl Town {
    /// Starts the scenario, and what guards it by a policy.
    pub(super) async fn start(scenario: Scenario, policy: &str) -> Result<Self, DemoError> {
        let folder = tempfile::tempdir().map_err(DemoError::of)?;
        let anywhere: SocketAddr = ([127, 0, 0, 1], 0).into();
        let sim = Sim::start(scenario, anywhere).await.map_err(DemoError::of)?;
        let listener = listen(anywhere).await.map_err(DemoError::of)?;
        let door = listener.local_addr().map_err(DemoError::of)?;
        let config = configure(folder.path(), &sim, policy, door)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let mut server = JoinSet::new();
        let running = config.clone();
        server.spawn(async move {
            let stopped = async { drop(stopped.await) };
            serve(&running, listener, timing(), stopped).await
        });
        let http = Http::new(Patience::default()).map_err(DemoError::of)?;
        let (stop, reported) = (Some(stop), 0);
        Ok(Self { sim, config, door, http, reported, stop, server, _folder: folder })
    }

    /// Stops what guards it, once it has finished what is under way.
    pub(super) async fn stop(&mut self) -> Result<(), DemoError> {
        drop(self.stop.take());
        while let Some(ended) = self.server.join_next().await {
            ended.map_err(DemoError::of)?.map_err(DemoError::of)?;
        }
        Ok(())
    }

    /// The tenant's own forwarder reports that somebody was given a role.
    pub(super) async fn report(&mut self) -> Result<(), DemoError> {
        let answer = self.report_as(AUDIT_SECRET).await?;
        if answer.status == 202 {
            return Ok(());
        }
        Err(DemoError(format!("an event was answered {}", answer.status)))
    }

    /// Posts an audit event to our own door, signed with `secret`; each time another one.
    pub(super) async fn report_as(&mut self, secret: &str) -> Result<Answer, DemoError> {
        let number = EVENT_NUMBER + self.reported;
        self.reported += 1;
        let event = EVENT.replace(&EVENT_NUMBER.to_string(), &number.to_string());
        let key = WebhookSecret::parse(&Secret::new(secret)).map_err(DemoError::of)?;
        let now = SystemClock.now();
        let id = format!("evt-{number}");
        let signature = key.sign(&id, now, event.as_bytes());
        let url = self.own(&format!("/hooks/audit?tenant={WOODGROVE}"))?;
        let send = self.http.once("partner-warden", |client| {
            client
                .post(url.clone())
                .header("webhook-id", &id)
                .header("webhook-timestamp", now.as_second().to_string())
                .header("webhook-signature", &signature)
                .body(event.clone())
        });
        send.await.map_err(DemoError::of)
    }

    fn own(&self, path: &str) -> Result<Url, DemoError> {
        Url::parse(&format!("http://{}{path}", self.door)).map_err(DemoError::of)
    }

    /// Opens a link, as a browser would.
    pub(super) async fn open(&self, link: &str) -> Result<Answer, DemoError> {
        let open = self.http.once("partner-warden", |client| client.get(link));
        open.await.map_err(DemoError::of)
    }

    /// Sends the form behind a link.
    pub(super) async fn decide(
        &self,
        link: &str,
        decision: &str,
        name: &str,
    ) -> Result<Answer, DemoError> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("decision", decision)
            .append_pair("name", name)
            .finish();
        let form_type = "application/x-www-form-urlencoded";
        let send = self.http.once("partner-warden", |client| {
            client.post(link).header("content-type", form_type).body(form.clone())
        });
        send.await.map_err(DemoError::of)
    }

    /// Waits for the first message about a ticket that fits, and says it.
    pub(super) async fn ticket(
        &self,
        what: &'static str,
        fits: impl Fn(&Ticket) -> bool,
    ) -> Result<Ticket, DemoError> {
        let wait = self.sim.wait_for(what, LIMIT, |view| {
            let mut all = view.deliveries("security").iter().map(Ticket::of);
            all.find(|ticket| fits(ticket))
        });
        wait.await.map_err(DemoError::of)
    }

    /// What was asked of Microsoft Graph that changes anything: method, path and answer.
    pub(super) fn writes(&self) -> Vec<(String, String, Option<u16>)> {
        let reads = ["/oauth2/", "/inbox/", "/getByIds", "/$batch"];
        let calls = self.sim.calls().into_iter();
        calls
            .filter(|call| call.method != http::Method::GET)
            .filter(|call| !reads.iter().any(|read| call.path.contains(read)))
            .map(|call| (call.method.to_string(), call.path.to_string(), call.status))
            .collect()
    }

    /// The records, the oldest first, also while `serve` runs.
    pub(super) async fn records(&self) -> Result<Vec<Record>, DemoError> {
        let Place::Sqlite(path) = &self.config.settings.store else { return Ok(Vec::new()) };
        let Some(store) = SqliteRecords::open(path).map_err(DemoError::of)? else {
            return Ok(Vec::new());
        };
        let mut records = Vec::new();
        for chain in store.chains().await.map_err(DemoError::of)? {
            let mut behind = 0;
            loop {
                let page = store.page(&chain.name, behind, None).await.map_err(DemoError::of)?;
                let Some(last) = page.last() else { break };
                behind = last.sequence;
                for text in page.iter().filter_map(|entry| entry.record.as_deref()) {
                    records.push(serde_json::from_str(text).map_err(DemoError::of)?);
                }
            }
        }
        Ok(records)
    }
}

/// A message about a ticket.
#[derive(Debug)]
pub(super) struct Ticket(serde_json::Value);

impl Ticket {
    fn of(delivery: &Delivery) -> Self {
        Self(delivery.body.clone())
    }

    fn text(value: &serde_json::Value) -> &str {
        value.as_str().unwrap_or_default()
    }

    pub(super) fn kind(&self) -> &str {
        Self::text(&self.0["type"])
    }

    pub(super) fn severity(&self) -> &str {
        Self::text(&self.0["data"]["severity"])
    }

    pub(super) fn title(&self) -> &str {
        Self::text(&self.0["data"]["title"])
    }

    pub(super) fn body(&self) -> &str {
        Self::text(&self.0["data"]["body"])
    }

    /// Where a person decides, as long as anybody is asked.
    pub(super) fn link(&self) -> Option<&str> {
        self.0["data"]["decisionUrl"].as_str()
    }

    /// Whether it tells of a finding.
    pub(super) fn tells_of(&self, finding: &str) -> bool {
        let findings = self.0["data"]["findings"].as_array();
        findings.into_iter().flatten().any(|it| it["finding"] == finding)
    }

    /// Whether it has a step of which this is a part, in this state.
    pub(super) fn has_step(&self, part: &str, state: &str) -> bool {
        let steps = self.0["data"]["steps"].as_array();
        let is = |step: &serde_json::Value| {
            Self::text(&step["summary"]).contains(part) && step["state"] == state
        };
        steps.into_iter().flatten().any(is)
    }
}

impl std::fmt::Display for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.kind(), self.severity(), self.title())
    }
}

/// A patience that does not try a spectator's.
fn timing() -> Timing {
    let pauses = [0, 300, 1_000, 3_000, 10_000];
    Timing {
        patience: Patience { first_pause: Duration::from_millis(50), ..Patience::default() },
        read_again: pauses.map(SignedDuration::from_millis).to_vec(),
        ..Timing::default()
    }
}

/// Settings, policy and secrets in files, read the way `serve` reads them.
fn configure(
    folder: &Path,
    sim: &Sim,
    policy: &str,
    door: SocketAddr,
) -> Result<Config, DemoError> {
    let origin = sim.origin();
    let secrets = serde_json::json!({
        "graphClientSecret": crate::sim::CLIENT_SECRET,
        "auditWebhookSecret": AUDIT_SECRET,
        "decisionKey": DECISION_KEY,
        "tickets": {"security": {"secret": INBOX_SECRET}},
    });
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(DemoError::of)?;
        Ok(path.display().to_string())
    };
    let policy = policy.replace(POLICY_SINK, origin.as_str());
    let variables: BTreeMap<&str, String> = BTreeMap::from([
        ("WARDEN_POLICY", file("policy.yaml", &policy)?),
        ("WARDEN_SECRETS", format!("file:{}", file("secrets.json", &secrets.to_string())?)),
        ("WARDEN_STORE", format!("sqlite:{}", folder.join("store.db").display())),
        ("WARDEN_CLIENT_ID", crate::sim::CLIENT_ID.to_owned()),
        ("WARDEN_GRAPH_URL", origin.to_string()),
        ("WARDEN_LOGIN_URL", origin.to_string()),
        ("WARDEN_MANAGEMENT_URL", origin.to_string()),
        ("WARDEN_PUBLIC_URL", format!("http://{door}")),
        ("WARDEN_SWEEP_EVERY", "off".to_owned()),
        ("WARDEN_POLL_EVERY", "off".to_owned()),
        ("WARDEN_SETTLE_AFTER", "off".to_owned()),
    ]);
    Config::load(|name| variables.get(name).cloned()).map_err(DemoError::of)
}
