//! The whole main job against the simulated tenant, over real HTTP, told as a story.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use url::Url;

use crate::adapters::clock::SystemClock;
use crate::adapters::http::{Answer, Http, Patience};
use crate::config::Config;
use crate::domain::plan::StepState;
use crate::domain::record::chain::check;
use crate::domain::record::{Record, RecordEvent};
use crate::domain::secret::Secret;
use crate::ports::Clock;
use crate::serve::{Timing, listen, serve};
use crate::sim::{INBOX_SECRET, Rule, Scenario, Sim, Then, WOODGROVE};
use crate::wire::standard_webhooks::WebhookSecret;

/// The policy the demo runs by.
const POLICY: &str = include_str!("../policy/example.yaml");

/// The sink's place as the policy names it; the simulator takes a free port instead.
const POLICY_SINK: &str = "http://127.0.0.1:9090/";

/// The event that sets it off.
const EVENT: &str = include_str!("../events/audit/add-member-to-role.json");

/// The key the forwarder of audit events signs with. It opens nothing but the demo.
const AUDIT_SECRET: &str = "whsec_cGFydG5lci13YXJkZW4tZGVtby1mb3J3YXJkZXI=";

/// How long each part of the story may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Something in the demo did not go as it should.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(String);

impl DemoError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Plays the demo and tells it to `out`.
///
/// # Errors
/// At the first part of the story that does not come true.
pub async fn demo(out: &mut (impl Write + Send)) -> Result<(), DemoError> {
    let mut story = Story { out };
    let folder = tempfile::tempdir().map_err(DemoError::of)?;
    let anywhere: SocketAddr = ([127, 0, 0, 1], 0).into();
    // Graph as it is: short pages, a moment of being busy, and deletions that take their time.
    let scenario = Scenario::woodgrove()
        .page_size(3)
        .lag_reads(1)
        .fault(Rule::new("roleAssignments?$skiptoken", Then::throttle(1)));
    let sim = Sim::start(scenario, anywhere).await.map_err(DemoError::of)?;
    let config = configure(folder.path(), &sim)?;
    story.opening(&sim)?;

    let listener = listen(anywhere).await.map_err(DemoError::of)?;
    let door = listener.local_addr().map_err(DemoError::of)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server = JoinSet::new();
    let running = config.clone();
    server.spawn(async move {
        let stopped = async { drop(stopped.await) };
        serve(&running, listener, timing(), stopped).await
    });
    let played = story.play(&sim, door).await;
    drop(stop);
    while let Some(ended) = server.join_next().await {
        ended.map_err(DemoError::of)?.map_err(DemoError::of)?;
    }
    played?;
    story.records(&config).await
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
fn configure(folder: &std::path::Path, sim: &Sim) -> Result<Config, DemoError> {
    let origin = sim.origin();
    let secrets = serde_json::json!({
        "graphClientSecret": crate::sim::CLIENT_SECRET,
        "auditWebhookSecret": AUDIT_SECRET,
        "tickets": {"security": {"secret": INBOX_SECRET}},
    });
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(DemoError::of)?;
        Ok(path.display().to_string())
    };
    let policy = POLICY.replace(POLICY_SINK, origin.as_str());
    let variables: BTreeMap<&str, String> = BTreeMap::from([
        ("WARDEN_POLICY", file("policy.yaml", &policy)?),
        ("WARDEN_SECRETS", format!("file:{}", file("secrets.json", &secrets.to_string())?)),
        ("WARDEN_STORE", format!("sqlite:{}", folder.join("store.db").display())),
        ("WARDEN_CLIENT_ID", crate::sim::CLIENT_ID.to_owned()),
        ("WARDEN_GRAPH_URL", origin.to_string()),
        ("WARDEN_LOGIN_URL", origin.to_string()),
        ("WARDEN_MANAGEMENT_URL", origin.to_string()),
        ("WARDEN_SWEEP_EVERY", "off".to_owned()),
        ("WARDEN_POLL_EVERY", "off".to_owned()),
        ("WARDEN_SETTLE_AFTER", "off".to_owned()),
    ]);
    Config::load(|name| variables.get(name).cloned()).map_err(DemoError::of)
}

/// Posts an audit event to our own door, signed with `secret`.
async fn forward(door: SocketAddr, secret: &str) -> Result<Answer, DemoError> {
    let http = Http::new(Patience::default()).map_err(DemoError::of)?;
    let key = WebhookSecret::parse(&Secret::new(secret)).map_err(DemoError::of)?;
    let now = SystemClock.now();
    let (id, signature) = ("evt-1", key.sign("evt-1", now, EVENT.as_bytes()));
    let url = Url::parse(&format!("http://{door}/hooks/audit?tenant={WOODGROVE}"));
    let url = url.map_err(DemoError::of)?;
    let send = http.once("partner-warden", |client| {
        client
            .post(url.clone())
            .header("webhook-id", id)
            .header("webhook-timestamp", now.as_second().to_string())
            .header("webhook-signature", &signature)
            .body(EVENT)
    });
    send.await.map_err(DemoError::of)
}

struct Story<'a, W> {
    out: &'a mut W,
}

impl<W: Write + Send> Story<'_, W> {
    fn say(&mut self, line: &str) -> Result<(), DemoError> {
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(DemoError::of)
    }

    /// Says what was seen, or stops the story.
    fn claim(&mut self, held: bool, line: &str) -> Result<(), DemoError> {
        if held {
            return self.say(&format!("   ✓ {line}"));
        }
        self.say(&format!("   ✗ {line}"))?;
        Err(DemoError(format!("this did not come true: {line}")))
    }

    fn opening(&mut self, sim: &Sim) -> Result<(), DemoError> {
        self.say(
            "Woodgrove buys its licences from Contoso Reseller. Years ago that made Contoso's\n\
             people Global Administrator in Woodgrove's tenant. Partner Warden now guards it, by\n\
             policy/example.yaml in mode enforce. Microsoft Graph is simulated; the HTTP is real.\n\
             \nWho holds which role in Woodgrove",
        )?;
        self.holders(sim)
    }

    fn holders(&mut self, sim: &Sim) -> Result<(), DemoError> {
        for held in sim.assignments(WOODGROVE) {
            let holder = held.principal.unwrap_or(held.principal_id);
            let role = held.role.unwrap_or(held.role_definition_id);
            let whose = if held.foreign { "   (Contoso Reseller's directory)" } else { "" };
            self.say(&format!("   {holder:<16} {role}{whose}"))?;
        }
        Ok(())
    }

    async fn play(&mut self, sim: &Sim, door: SocketAddr) -> Result<(), DemoError> {
        let before = sim.assignments(WOODGROVE);
        self.say("\n1  Somebody without the key reports an event")?;
        let answer = forward(door, "whsec_c29tZWJvZHkgZWxzZSBhbHRvZ2V0aGVy").await?;
        let idle = sim.calls().is_empty();
        let line = "answered 401; nothing was read, nothing was done";
        self.claim(answer.status == 401 && idle, line)?;

        self.say("\n2  The tenant's own forwarder reports `Add member to role`, signed")?;
        let answer = forward(door, AUDIT_SECRET).await?;
        self.claim(answer.status == 202, "answered 202, once the event was safe on disk")?;

        self.say("\n3  The event is only a reason to look: the tenant itself is read")?;
        let wait = sim
            .wait_for("the deletions", LIMIT, |view| (view.deletions().len() >= 2).then_some(()));
        wait.await.map_err(DemoError::of)?;
        let reads = sim.count("GET", "roleAssignments");
        let busy = sim.calls().iter().filter(|call| call.status == Some(429)).count();
        self.claim(
            reads >= 3 && busy == 1,
            "role assignments, page by page; busy once, waited for",
        )?;
        let resolved = sim.count("POST", "getByIds") >= 1;
        self.claim(resolved, "their holders, among them a group of Contoso's own directory")?;

        self.say("\n4  The policy decides, and what it forbids is taken away")?;
        for gone in sim.deletions() {
            let what = before.iter().find(|held| held.id == gone.assignment_id);
            let what = what.and_then(|held| held.role.as_deref().zip(held.principal.as_deref()));
            let (role, holder) = what.unwrap_or(("a role", "somebody"));
            self.claim(what.is_some(), &format!("{role} from {holder}: DELETE, answered 204"))?;
        }
        let untouched = ["Megan Bowen", "Break Glass", "HelpdeskAgents", "Partner Warden"];
        let left = sim.assignments(WOODGROVE);
        let still = |name: &&str| left.iter().any(|held| held.principal.as_deref() == Some(name));
        let line = "Woodgrove's own administrators and what the policy allows: not touched";
        self.claim(untouched.iter().all(still) && left.len() == untouched.len(), line)?;

        self.say("\n5  It is read again until it is gone, and the ticket says so")?;
        let wait = sim.wait_for("the closed ticket", LIMIT, |view| {
            let last = view.deliveries("security").last()?;
            (last.body["type"] == "ticket.closed").then(|| view.deliveries("security").to_vec())
        });
        let delivered = wait.await.map_err(DemoError::of)?;
        for delivery in &delivered {
            let body = &delivery.body;
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, severity) = (text(&body["type"]), text(&body["data"]["severity"]));
            let title = text(&body["data"]["title"]);
            self.claim(delivery.verified, &format!("{kind} ({severity}): {title}"))?;
        }
        let once = delivered.iter().filter(|d| d.body["type"] == "ticket.opened").count() == 1;
        self.claim(once, "one ticket, with every finding in it")?;

        self.say("\nWho holds which role in Woodgrove now")?;
        self.holders(sim)
    }

    /// Reads the ledger back, as an auditor would.
    async fn records(&mut self, config: &Config) -> Result<(), DemoError> {
        self.say("\n6  A record of it is kept")?;
        let store = crate::serve::open(&config.settings.store).map_err(DemoError::of)?;
        let (anchor, chain) = store.chain().await.map_err(DemoError::of)?;
        let whole = check(anchor, &chain, None).is_ok();
        let texts = chain.iter().filter_map(|entry| entry.record.as_deref());
        let records: Vec<Record> = texts
            .map(|record| serde_json::from_str(record).map_err(DemoError::of))
            .collect::<Result<_, _>>()?;
        let number = records.len();
        self.claim(number >= 2 && whole, &format!("{number} records, each sealed by the next"))?;
        let last = records.last().filter(|record| record.event == RecordEvent::Verified);
        let Some((first, last)) = records.first().zip(last) else {
            return self.claim(false, "the last of them says that the access is gone");
        };
        let steps: Vec<_> = last.case.rows.iter().filter_map(|row| row.step.as_ref()).collect();
        let proven = steps.iter().all(|step| step.state == StepState::Verified);
        self.claim(
            proven && !last.case.is_open(),
            "the last of them says that the access is gone",
        )?;
        let received = first.signals.first.as_ref().map(|signal| signal.received_at);
        let acted = steps.iter().filter_map(|step| step.acted_at).max();
        let verified = steps.iter().filter_map(|step| step.verified_at).max();
        let Some(((received, acted), verified)) = received.zip(acted).zip(verified) else {
            return self.claim(false, "it knows when each thing happened");
        };
        self.claim(
            received <= acted && acted <= verified,
            &format!(
                "from the event to the last revocation {}, to the proof {}",
                apart(received, acted),
                apart(received, verified)
            ),
        )
    }
}

fn apart(from: Timestamp, to: Timestamp) -> String {
    format!("{:.1} s", to.duration_since(from).as_secs_f64())
}
