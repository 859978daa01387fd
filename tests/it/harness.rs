//! A real `partner-warden serve` beside a simulated Microsoft 365, and verbs to use both.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use partner_warden::adapters::clock::SystemClock;
use partner_warden::adapters::http::{Answer, Http, Patience};
use partner_warden::domain::secret::Secret;
use partner_warden::ports::Clock as _;
use partner_warden::sim::{CLIENT_ID, CLIENT_SECRET, INBOX_SECRET, Scenario, Sim, WOODGROVE};
use partner_warden::wire::graph::client_state;
use partner_warden::wire::standard_webhooks::WebhookSecret;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that is waited for. Only a failing test waits so long.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The key with which the tests' forwarder signs audit events.
pub(crate) const AUDIT_SECRET: &str = "whsec_dGhlIGtleSBvZiB0aGUgdGVzdHMnIGZvcndhcmRlcg==";

/// The key of `clientState`.
pub(crate) const CLIENT_STATE_KEY: &str = "the tests' key for clientState, 32+";

/// Woodgrove's policy in `enforce`, which takes everything away that is not allowed.
pub(crate) const ENFORCE: &str = "version: 1
mode: enforce
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
        domains: [contoso-reseller.example]
        allow: {roles: [Directory Readers, Service Support Administrator]}
respond:
  privileged-role: {do: revoke, ticket: security}
  role-not-allowed: {do: revoke, ticket: security}
  guest-with-role: {do: revoke, ticket: security}
guardrails: {protected: [breakglass@woodgrove.example]}
tickets:
  security: {kind: webhook, url: \"SINK\"}
";

/// A simulated Microsoft 365 with a policy for it, and the files a `serve` needs.
pub(crate) struct Town {
    pub(crate) sim: Sim,
    pub(crate) folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Town {
    /// The scenario, guarded by a policy in which `SINK` stands for the simulated ticket inbox.
    pub(crate) async fn new(scenario: Scenario, policy: &str) -> Self {
        let sim = Sim::start(scenario, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let origin = sim.origin().to_string();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let secrets = json!({
            "graphClientSecret": CLIENT_SECRET,
            "clientStateKey": CLIENT_STATE_KEY,
            "auditWebhookSecret": AUDIT_SECRET,
            "tickets": {"security": {"secret": INBOX_SECRET}},
        });
        let policy = policy.replace("SINK", &format!("{origin}inbox/security"));
        let variables = [
            ("WARDEN_POLICY", file("policy.yaml", &policy)),
            ("WARDEN_SECRETS", format!("file:{}", file("secrets.json", &secrets.to_string()))),
            ("WARDEN_STORE", format!("sqlite:{}", folder.path().join("store.db").display())),
            ("WARDEN_CLIENT_ID", CLIENT_ID.to_owned()),
            ("WARDEN_GRAPH_URL", origin.clone()),
            ("WARDEN_LOGIN_URL", origin),
            ("WARDEN_SWEEP_EVERY", "off".to_owned()),
            ("WARDEN_SETTLE_AFTER", "off".to_owned()),
            ("WARDEN_LISTEN", "127.0.0.1:0".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { sim, folder, variables }
    }

    /// With a variable set differently.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(other, _)| other != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts `serve` and waits until it listens.
    pub(crate) fn serve(&self) -> Warden {
        let mut child = Command::new(env!("CARGO_BIN_EXE_partner-warden"))
            .arg("serve")
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let entry: Option<Value> = serde_json::from_str(&line).ok();
                if let Some(address) = entry.as_ref().and_then(|entry| entry["address"].as_str()) {
                    // Nobody waits for the address any more once it was found.
                    drop(found.send(address.parse::<SocketAddr>().unwrap()));
                }
                let mut log = written.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let address = address
            .recv_timeout(LIMIT)
            .unwrap_or_else(|_| panic!("serve did not start to listen:\n{}", log.lock().unwrap()));
        let http = Http::new(Patience::default()).unwrap();
        Warden { child, address, log, http }
    }

    /// Waits until the last message to the ticket sink is a `ticket.closed`; returns all of them.
    pub(crate) async fn closed_ticket(&self) -> Vec<Value> {
        self.messages("the closed ticket", |messages| {
            messages.last().is_some_and(|last| last["type"] == "ticket.closed")
        })
        .await
    }

    /// Waits until the messages to the ticket sink are as expected; returns all of them.
    pub(crate) async fn messages(
        &self,
        what: &str,
        mut enough: impl FnMut(&[Value]) -> bool,
    ) -> Vec<Value> {
        let wait = self.sim.wait_for(what, LIMIT, |view| {
            let delivered = view.deliveries("security");
            let messages: Vec<Value> = delivered.iter().map(|d| d.body.clone()).collect();
            enough(&messages).then_some(messages)
        });
        wait.await.unwrap()
    }

    /// The roles still held in Woodgrove, as `holder: role`, in the order they were given.
    pub(crate) fn held(&self) -> Vec<String> {
        let held = self.sim.assignments(WOODGROVE).into_iter();
        held.map(|held| {
            let holder = held.principal.unwrap_or(held.principal_id);
            format!("{holder}: {}", held.role.unwrap_or(held.role_definition_id))
        })
        .collect()
    }
}

/// A running `serve`. It is killed when dropped.
pub(crate) struct Warden {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
    http: Http,
}

impl Warden {
    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it at once, as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Posts to a path with headers.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let send = self.http.once("serve", |client| {
            let request = client.post(&url).body(body.to_owned());
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
        });
        send.await.unwrap()
    }

    /// Posts audit events for Woodgrove, signed; returns the status.
    pub(crate) async fn audit(&self, body: &str) -> u16 {
        let key = WebhookSecret::parse(&Secret::new(AUDIT_SECRET)).unwrap();
        let now = SystemClock.now();
        let signature = key.sign("evt", now, body.as_bytes());
        let timestamp = now.as_second().to_string();
        let headers = [
            ("webhook-id", "evt"),
            ("webhook-timestamp", timestamp.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        let path = format!("/hooks/audit?tenant={WOODGROVE}");
        self.post(&path, &headers, body).await.status.as_u16()
    }

    /// Posts the event of the demo.
    pub(crate) async fn role_was_added(&self) {
        let event = include_str!("../../events/audit/add-member-to-role.json");
        assert_eq!(self.audit(event).await, 202);
    }

    /// Posts a Graph notification collection; `{{clientState}}` is filled in for Woodgrove.
    pub(crate) async fn graph(&self, body: &str) -> u16 {
        let state = client_state(&Secret::new(CLIENT_STATE_KEY), WOODGROVE.parse().unwrap());
        let body = body.replace("{{clientState}}", &state);
        self.post("/hooks/graph", &[], &body).await.status.as_u16()
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
