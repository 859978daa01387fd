//! A real `partner-warden serve`, or the deployed functions, beside a simulated Microsoft 365, and
//! verbs to use both.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use partner_warden::adapters::clock::SystemClock;
use partner_warden::adapters::http::{Answer, Http, Patience};
use partner_warden::adapters::sqlite::Sqlite;
use partner_warden::domain::record::Record;
use partner_warden::domain::record::chain::check;
use partner_warden::domain::secret::Secret;
use partner_warden::ports::{Clock as _, Ledger as _, Queue as _};
use partner_warden::sim::{
    Assigned, CLIENT_ID, CLIENT_SECRET, CONTOSO, Call, INBOX_SECRET, Scenario, Sim, View, WOODGROVE,
};
use partner_warden::wire::graph::client_state;
use partner_warden::wire::standard_webhooks::WebhookSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::cli::{Run, run, warden};
use crate::evidence::Waiting;

/// How long anything may take that is waited for. Only a failing test waits so long.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

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

/// An event that says that an object was given a role; the demo's, but for the object.
pub(crate) fn role_given_to(object: &str) -> String {
    let event = include_str!("../../events/audit/add-member-to-role.json");
    event.replace("d4a7f3c8-6e21-4950-8b1f-93c05e7a2d6b", object)
}

/// Whether a call is the one of each look that is made once in it and at no other time.
pub(crate) fn is_of_a_look(call: &Call) -> bool {
    call.path.as_ref() == "/v1.0/policies/crossTenantAccessPolicy/partners"
}

/// How often a tenant was looked at.
pub(crate) fn looks(view: &View<'_>, tenant: &str) -> usize {
    let asked = view.calls().filter(|call| is_of_a_look(call));
    asked.filter(|call| call.tenant.as_deref() == Some(tenant)).count()
}

/// The kinds of messages, in order.
pub(crate) fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter_map(|message| message["type"].as_str()).collect()
}

/// The states of a message's steps, as `summary: state`.
pub(crate) fn steps(message: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let steps = message["data"]["steps"].as_array().into_iter().flatten();
    steps.map(|step| format!("{}: {}", text(&step["summary"]), text(&step["state"]))).collect()
}

/// A message's findings, as `finding: subject`.
pub(crate) fn findings(message: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = message["data"]["findings"].as_array().into_iter().flatten();
    findings.map(|row| format!("{}: {}", text(&row["finding"]), text(&row["subject"]))).collect()
}

/// A message's body.
pub(crate) fn body(message: &Value) -> &str {
    message["data"]["body"].as_str().unwrap()
}

/// What a scenario runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// One process, with SQLite.
    Embedded,
    /// The functions of the template, deployed to an emulator of AWS.
    #[cfg(feature = "aws")]
    Aws,
}

/// Makes a test of each scenario for everything it can run on.
macro_rules! on_each {
    ($($scenario:ident)+) => {
        mod embedded {
            $(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenario($crate::harness::Backend::Embedded).await;
                }
            )+
        }
        #[cfg(feature = "aws")]
        mod aws {
            $(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenario($crate::harness::Backend::Aws).await;
                }
            )+
        }
    };
}
pub(crate) use on_each;

/// A simulated Microsoft 365 with a policy for it, and the files a `serve` needs.
pub(crate) struct Town {
    pub(crate) sim: Sim,
    backend: Backend,
    #[cfg(feature = "aws")]
    stack: std::sync::OnceLock<Arc<crate::aws::stack::Stack>>,
    /// How many requests to the table are throttled at first.
    #[cfg(feature = "aws")]
    pub(crate) throttled: u32,
    /// Whether what the functions ask of AWS is counted.
    #[cfg(feature = "aws")]
    pub(crate) metered: bool,
    pub(crate) folder: TempDir,
    variables: Vec<(String, String)>,
    /// What every assignment was at first, by id.
    granted: Vec<(String, String)>,
}

impl Town {
    /// The scenario, guarded by a policy in which `SINK` stands for the simulated ticket inbox.
    pub(crate) async fn new(scenario: Scenario, policy: &str) -> Self {
        Self::on(Backend::Embedded, scenario, policy).await
    }

    /// The same, to be guarded by what runs on a backend.
    pub(crate) async fn on(backend: Backend, scenario: Scenario, policy: &str) -> Self {
        let tenants: Vec<String> = scenario.tenants.iter().map(|t| t.id.clone()).collect();
        let sim = Sim::start(scenario, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let granted = tenants.iter().flat_map(|tenant| sim.assignments(tenant));
        let granted = granted.map(|held| (held.id.clone(), told(held))).collect();
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
            ("WARDEN_LOGIN_URL", origin.clone()),
            ("WARDEN_MANAGEMENT_URL", origin),
            ("WARDEN_SWEEP_EVERY", "off".to_owned()),
            ("WARDEN_POLL_EVERY", "off".to_owned()),
            ("WARDEN_SETTLE_AFTER", "off".to_owned()),
            ("WARDEN_LISTEN", "127.0.0.1:0".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self {
            sim,
            backend,
            #[cfg(feature = "aws")]
            stack: std::sync::OnceLock::new(),
            #[cfg(feature = "aws")]
            throttled: 0,
            #[cfg(feature = "aws")]
            metered: false,
            folder,
            variables,
            granted,
        }
    }

    /// With a secret set differently, or taken out.
    pub(crate) fn secret(self, key: &str, value: Option<&str>) -> Self {
        let path = self.folder.path().join("secrets.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut secrets: Value = serde_json::from_str(&text).unwrap();
        let secrets = secrets.as_object_mut().unwrap();
        match value {
            Some(value) => secrets.insert(key.to_owned(), value.into()),
            None => secrets.remove(key),
        };
        std::fs::write(&path, serde_json::to_string(secrets).unwrap()).unwrap();
        self
    }

    /// With a table that is throttled for so many requests at first.
    #[cfg(feature = "aws")]
    pub(crate) fn throttled(mut self, requests: u32) -> Self {
        self.throttled = requests;
        self
    }

    /// With functions of which it is counted what they ask of AWS.
    #[cfg(feature = "aws")]
    pub(crate) fn metered(mut self) -> Self {
        self.metered = true;
        self
    }

    /// The environment of a `serve`.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// With a variable set differently.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(other, _)| other != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A variable of the environment of a `serve`.
    #[cfg(feature = "aws")]
    pub(crate) fn variable(&self, name: &str) -> &str {
        let found = self.variables().find(|(other, _)| *other == name);
        found.unwrap_or_else(|| panic!("{name} is not set")).1
    }

    /// Starts what the backend says and waits until it can be asked. On AWS what was deployed once
    /// is begun anew, with the policy and the secrets as they are now.
    #[cfg_attr(
        not(feature = "aws"),
        expect(clippy::unused_async, reason = "only what runs on AWS is waited for")
    )]
    pub(crate) async fn start(&self) -> Warden {
        match self.backend {
            Backend::Embedded => self.serve(),
            #[cfg(feature = "aws")]
            Backend::Aws => {
                if let Some(stack) = self.stack.get() {
                    stack.renew(crate::aws::deployment(self)).await;
                } else {
                    let stack = crate::aws::deploy(self).await;
                    assert!(self.stack.set(Arc::new(stack)).is_ok());
                }
                let stack = self.stack();
                let address = stack.emulator.address;
                let http = Http::new(Patience::default()).unwrap();
                Warden { address, http, life: Life::Deployed(Arc::clone(stack)) }
            }
        }
    }

    /// What was deployed.
    #[cfg(feature = "aws")]
    pub(crate) fn stack(&self) -> &Arc<crate::aws::stack::Stack> {
        self.stack.get().expect("nothing was started on AWS")
    }

    /// The environment of a command beside what runs.
    pub(crate) fn command_variables(&self) -> Vec<(String, String)> {
        let own = self.variables().map(|(name, value)| (name.to_owned(), value.to_owned()));
        #[cfg_attr(not(feature = "aws"), expect(unused_mut, reason = "only AWS has others"))]
        let mut all: Vec<(String, String)> = own.collect();
        #[cfg(feature = "aws")]
        if self.backend == Backend::Aws {
            all.extend(crate::aws::command_variables(self.stack()));
        }
        all
    }

    /// Starts `serve` and waits until it listens.
    pub(crate) fn serve(&self) -> Warden {
        let mut child = Command::new(env!("CARGO_BIN_EXE_partner-warden"))
            .arg("serve")
            .env_clear()
            .envs(self.variables())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let written = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let entry: Option<Value> = serde_json::from_str(&line).ok();
                if let Some(address) = entry.as_ref().and_then(|entry| entry["address"].as_str()) {
                    // Nobody waits for the address any more once it was found.
                    let _ = found.send(address.parse::<SocketAddr>().unwrap());
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
        let process = Process { child: Some(child), log, reader: Some(reader) };
        Warden { address, http, life: Life::Process(process) }
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

    /// Waits until Woodgrove was looked at this often.
    pub(crate) async fn looked(&self, times: usize) {
        self.looked_at(WOODGROVE, times).await;
    }

    /// Waits until a tenant was looked at this often.
    pub(crate) async fn looked_at(&self, tenant: &str, times: usize) {
        let what = format!("look number {times} at {tenant}");
        let wait =
            self.sim.wait_for(&what, LIMIT, |view| (looks(view, tenant) >= times).then_some(()));
        wait.await.unwrap();
    }

    /// The roles still held in Woodgrove, as `holder: role`, in the order they were given.
    pub(crate) fn held(&self) -> Vec<String> {
        self.sim.assignments(WOODGROVE).into_iter().map(told).collect()
    }

    /// What was asked to be deleted, with the answer, as `holder: role → 204`.
    pub(crate) fn deletes(&self) -> Vec<String> {
        let calls = self.sim.calls().into_iter().filter(|call| call.method == "DELETE");
        calls
            .map(|call| {
                let id = call.path.rsplit('/').next().unwrap_or_default();
                let known = self.granted.iter().find(|(granted, _)| granted == id);
                let what = known.map_or(call.path.as_ref(), |(_, what)| what.as_str());
                let status = call.status.map_or("no answer".to_owned(), |s| s.to_string());
                format!("{what} → {status}")
            })
            .collect()
    }

    /// Runs another command beside what runs, with the same store.
    pub(crate) async fn beside(&self, arguments: &[&str]) -> Run {
        let mut command = warden(arguments);
        match self.backend {
            Backend::Embedded => command.envs(self.variables()),
            #[cfg(feature = "aws")]
            Backend::Aws => command.envs(crate::aws::environment(self.stack())),
        };
        // Beside the simulator, which has to go on answering meanwhile.
        tokio::task::spawn_blocking(move || run(&mut command, None)).await.unwrap()
    }

    /// What was asked of Microsoft that changes something, in order.
    pub(crate) fn writes(&self) -> Vec<String> {
        let reads = ["/$batch", "/getByIds", "/oauth2/v2.0/token", "/inbox/"];
        let calls = self.sim.calls().into_iter().filter(|call| {
            call.method != "GET" && !reads.iter().any(|part| call.path.contains(part))
        });
        calls.map(|call| format!("{} {}", call.method, call.path)).collect()
    }

    /// The ledger's records, each of which must seal the one before it. No `serve` may be
    /// running. On AWS those of Woodgrove: there each tenant has a chain of its own.
    pub(crate) async fn records(&self) -> Vec<Record> {
        self.records_of(WOODGROVE).await
    }

    /// The same of a tenant, where it is the only one that has any.
    pub(crate) async fn records_of(
        &self,
        #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "only on AWS"))]
        tenant: &str,
    ) -> Vec<Record> {
        let (anchor, chain) = match self.backend {
            Backend::Embedded => self.store().chain().await.unwrap(),
            #[cfg(feature = "aws")]
            Backend::Aws => crate::aws::chain(self.stack(), tenant).await,
        };
        check(anchor, &chain, None).unwrap();
        let texts = chain.iter().map(|entry| entry.record.as_deref().unwrap());
        texts.map(|record| serde_json::from_str(record).unwrap()).collect()
    }

    /// When the next look is due, if any waits. No `serve` may be running.
    pub(crate) async fn next_look(&self) -> Option<Timestamp> {
        match self.backend {
            Backend::Embedded => self.store().next_due().await.unwrap(),
            #[cfg(feature = "aws")]
            Backend::Aws => crate::aws::looks(self.stack()).await.next_due(),
        }
    }

    /// What counts towards the limit on Woodgrove's revocations. No `serve` may be running.
    pub(crate) async fn revocations(&self) -> u32 {
        let (tenant, always) = (WOODGROVE.parse().unwrap(), Timestamp::UNIX_EPOCH);
        let history = match self.backend {
            Backend::Embedded => self.store().history(tenant, always).await,
            #[cfg(feature = "aws")]
            Backend::Aws => crate::aws::table(self.stack()).history(tenant, always).await,
        };
        history.unwrap().revocations
    }

    fn store(&self) -> Sqlite {
        Sqlite::open(&self.folder.path().join("store.db")).unwrap()
    }
}

fn told(held: Assigned) -> String {
    let holder = held.principal.unwrap_or(held.principal_id);
    format!("{holder}: {}", held.role.unwrap_or(held.role_definition_id))
}

/// What runs. It is ended when dropped.
pub(crate) struct Warden {
    pub(crate) address: SocketAddr,
    http: Http,
    life: Life,
}

enum Life {
    /// A `serve`.
    Process(Process),
    /// The functions.
    #[cfg(feature = "aws")]
    Deployed(Arc<crate::aws::stack::Stack>),
}

struct Process {
    child: Option<Child>,
    log: Arc<Mutex<String>>,
    /// Reads the log until the process is gone.
    reader: Option<JoinHandle<()>>,
}

impl Warden {
    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        match &self.life {
            Life::Process(process) => process.log.lock().unwrap().clone(),
            #[cfg(feature = "aws")]
            Life::Deployed(stack) => stack.log(),
        }
    }

    fn process(&mut self) -> &mut Process {
        match &mut self.life {
            Life::Process(process) => process,
            #[cfg(feature = "aws")]
            Life::Deployed(_) => panic!("there is no one process"),
        }
    }

    /// Waits until its log says this so often.
    pub(crate) async fn logged(&self, what: &str, times: usize) {
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        let seen = async {
            while self.log().matches(what).count() < times {
                pause.tick().await;
                #[cfg(feature = "aws")]
                if let Life::Deployed(stack) = &self.life
                    && stack.is_idle().await
                {
                    stack.tell_the_rest().await;
                }
            }
        };
        let seen = tokio::time::timeout(LIMIT, seen).await;
        assert!(seen.is_ok(), "not logged {times} times: {what}\n{}", self.log());
    }

    /// Waits until all that was heard is looked at. What is put off may wait.
    pub(crate) async fn idle(&self, town: &Town) {
        #[cfg(feature = "aws")]
        if let Life::Deployed(stack) = &self.life {
            return stack.idle().await;
        }
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        let idle = async {
            let is_due = |waiting: &Waiting| waiting.due <= SystemClock.now().as_millisecond();
            while town.waiting().iter().any(is_due) {
                pause.tick().await;
            }
        };
        let idle = tokio::time::timeout(LIMIT, idle).await;
        assert!(idle.is_ok(), "it is still busy:\n{}", self.log());
    }

    /// On AWS, has the schedule come round each second from now on and not each minute, as long as
    /// what this returns is held. One process has a schedule of its own.
    #[cfg_attr(not(feature = "aws"), expect(clippy::unused_self, reason = "only AWS is hastened"))]
    pub(crate) fn hasten(&self) -> JoinSet<()> {
        #[cfg_attr(not(feature = "aws"), expect(unused_mut, reason = "only AWS is hastened"))]
        let mut ticking = JoinSet::new();
        #[cfg(feature = "aws")]
        if let Life::Deployed(stack) = &self.life {
            let stack = Arc::clone(stack);
            ticking.spawn(async move {
                let mut pause = tokio::time::interval(Duration::from_secs(1));
                loop {
                    pause.tick().await;
                    stack.tick().await;
                }
            });
        }
        ticking
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        match &self.life {
            Life::Process(process) => process.child.as_ref().unwrap().id(),
            #[cfg(feature = "aws")]
            Life::Deployed(_) => panic!("there is no one process"),
        }
    }

    /// Kills it at once, as `kill -9` does.
    pub(crate) fn kill(mut self) {
        #[cfg(feature = "aws")]
        if let Life::Deployed(stack) = &self.life {
            assert!(stack.kill("worker"), "no worker ran");
            return;
        }
        let mut child = self.process().child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop, as `kill` does, and waits until it has finished what was under way;
    /// returns what it has logged. Functions are never asked: they are waited for until they have
    /// nothing to do.
    pub(crate) async fn stop(mut self) -> String {
        #[cfg(feature = "aws")]
        if let Life::Deployed(stack) = &self.life {
            stack.idle().await;
            stack.tell_the_rest().await;
            return self.log();
        }
        terminate(self.pid());
        let process = self.process();
        let (mut child, reader) = (process.child.take().unwrap(), process.reader.take().unwrap());
        // Beside the simulator, which has to go on answering meanwhile.
        let ended = tokio::task::spawn_blocking(move || {
            let status = child.wait().unwrap();
            reader.join().unwrap();
            status
        });
        let status = tokio::time::timeout(LIMIT, ended).await;
        let status = status.unwrap_or_else(|_| panic!("it did not stop:\n{}", self.log()));
        assert_eq!(status.unwrap().code(), Some(0), "{}", self.log());
        self.log()
    }

    /// Posts to a path with headers.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.request("POST", path, headers, body).await
    }

    /// Sends any request.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let send = self.http.once("serve", |client| {
            let request = client.request(method.parse().unwrap(), &url).body(body.to_owned());
            // The emulator tells functions apart by the host that is asked for.
            #[cfg(feature = "aws")]
            let request = match &self.life {
                Life::Process(_) => request,
                Life::Deployed(stack) => request.header("host", stack.host()),
            };
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
        });
        send.await.unwrap()
    }

    /// Posts audit events for Woodgrove, signed; returns the status.
    pub(crate) async fn audit(&self, body: &str) -> u16 {
        self.audit_at(&format!("/hooks/audit?tenant={WOODGROVE}"), body).await.status.as_u16()
    }

    /// Posts audit events to a path, signed.
    pub(crate) async fn audit_at(&self, path: &str, body: &str) -> Answer {
        let signed = signed(AUDIT_SECRET, SystemClock.now(), body);
        let headers: Vec<_> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.post(path, &headers, body).await
    }

    /// Posts an event that says that an object was given a role.
    pub(crate) async fn role_was_given_to(&self, object: &str) {
        assert_eq!(self.audit(&role_given_to(object)).await, 202);
    }

    /// Posts the event of the demo.
    pub(crate) async fn role_was_added(&self) {
        let event = include_str!("../../events/audit/add-member-to-role.json");
        assert_eq!(self.audit(event).await, 202);
    }

    /// Posts an event like that of the demo, but another one.
    pub(crate) async fn role_was_added_again(&self, id: u32) {
        let event = include_str!("../../events/audit/add-member-to-role.json");
        let mut event: Value = serde_json::from_str(event).unwrap();
        event["id"] = json!(format!("{id:08x}-0000-4000-8000-000000000000"));
        assert_eq!(self.audit(&event.to_string()).await, 202);
    }

    /// Posts an event of a partner's own tenant, another one for each number.
    pub(crate) async fn partner_changed(&self, id: u32) {
        let event = include_str!("../../events/audit/add-member-to-role.json");
        let mut event: Value = serde_json::from_str(event).unwrap();
        event["id"] = json!(format!("{id:08x}-0000-4000-8000-00000000000c"));
        let path = format!("/hooks/audit?tenant={CONTOSO}");
        assert_eq!(self.audit_at(&path, &event.to_string()).await.status, 202);
    }

    /// Posts a Graph notification collection; `{{clientState}}` is filled in for Woodgrove.
    pub(crate) async fn graph(&self, body: &str) -> u16 {
        let state = client_state(&Secret::new(CLIENT_STATE_KEY), WOODGROVE.parse().unwrap());
        let body = body.replace("{{clientState}}", &state);
        self.post("/hooks/graph", &[], &body).await.status.as_u16()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may be gone already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Sends SIGTERM to a process.
pub(crate) fn terminate(pid: u32) {
    let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The headers of a new message, signed by Standard Webhooks at a moment.
pub(crate) fn signed(secret: &str, at: Timestamp, body: &str) -> [(&'static str, String); 3] {
    static MESSAGES: AtomicU64 = AtomicU64::new(0);
    let key = WebhookSecret::parse(&Secret::new(secret)).unwrap();
    let id = format!("evt-{}", MESSAGES.fetch_add(1, Ordering::Relaxed));
    let signature = key.sign(&id, at, body.as_bytes());
    [
        ("webhook-id", id),
        ("webhook-timestamp", at.as_second().to_string()),
        ("webhook-signature", signature),
    ]
}
