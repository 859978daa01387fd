//! The real pipeline, queue and ledger about the tenants, one history at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use partner_warden::adapters::recorder::Recorder;
use partner_warden::adapters::sqlite::Sqlite;
use partner_warden::adapters::stop_file::StopFile;
use partner_warden::domain::approval::{Answer, Decision};
use partner_warden::domain::policy::{Mode, Policy};
use partner_warden::domain::stop::Stop;
use partner_warden::pipeline::deliver::{Desk, deliver};
use partner_warden::pipeline::look::{Patient, look_at};
use partner_warden::pipeline::observe::Readers;
use partner_warden::pipeline::{READ_AGAIN, World, Writers, verify};
use partner_warden::ports::{
    Clock as _, Decide as _, Enqueue as _, Ledger as _, Outbox as _, Queue as _,
    TurnStopSwitch as _,
};
use partner_warden::wire::audit::{Whose, polled};
use partner_warden::wire::schedule;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::book::Book;
use super::cast::{OWN_APP, TENANTS, id_of, minutes, tenant_id};
use super::events::{Cause, Event};
use super::rules::Rules;
use super::state::Gone;
use super::town::{Tenants, Town};

/// How long a look may be worked on.
const LEASE: SignedDuration = SignedDuration::from_mins(15);

const PATIENT: Patient = Patient {
    limit: Duration::from_mins(1),
    settle_after: Some(SignedDuration::from_mins(2)),
    retry_pause: SignedDuration::from_secs(30),
    take_up_pause: SignedDuration::from_secs(5),
};

/// The names people give.
const PEOPLE: [&str; 3] = ["Megan Bowen", "Joni Sherman", "Lee Gu"];

/// The history of some tenants.
pub(super) struct Run {
    pub(super) tenants: Arc<Tenants>,
    alive: Option<Alive>,
    policy: Arc<Policy>,
    mode: Mode,
    path: PathBuf,
    _folder: TempDir,
}

/// What does not outlive a process.
struct Alive {
    world: World,
    store: Arc<Sqlite>,
    desk: Desk,
}

/// A folder that need not survive this machine.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

impl Run {
    pub(super) fn new(rules: Rules) -> Self {
        let folder = folder();
        let path = folder.path().join("store.db");
        let (policy, mode) = (Arc::new(rules.policy()), rules.mode);
        let stop = StopFile::beside(&path);
        let tenants = Tenants { town: Mutex::new(Town::new(rules)), stop, died: Notify::new() };
        let mut run =
            Self { tenants: Arc::new(tenants), alive: None, policy, mode, path, _folder: folder };
        run.start();
        run
    }

    /// A process starts, with what the one before it has written down.
    fn start(&mut self) {
        drop(self.alive.take());
        let store = Arc::new(Sqlite::open(&self.path).unwrap());
        let tenants = &self.tenants;
        let readers = Readers {
            roles: tenants.clone(),
            active: tenants.clone(),
            eligible: tenants.clone(),
            objects: tenants.clone(),
            users: tenants.clone(),
            groups: tenants.clone(),
            partner_apps: tenants.clone(),
            cross_tenant_access: tenants.clone(),
            conditional_access: tenants.clone(),
            governance: tenants.clone(),
            tenant_names: tenants.clone(),
            relationships: tenants.clone(),
            customers: tenants.clone(),
            delegated_access: None,
        };
        // As `parts::world` does it.
        let writers = match self.mode {
            Mode::Observe => Writers::all(&Arc::new(Recorder)),
            Mode::Approve | Mode::Enforce => Writers::all(tenants),
        };
        let book = Book { store: store.clone(), tenants: tenants.clone() };
        let world = World {
            clock: tenants.clone(),
            readers,
            service_principals: tenants.clone(),
            audit_content: tenants.clone(),
            writers,
            ledger: Arc::new(book),
            marks: store.clone(),
            stop: tenants.clone(),
            policy: self.policy.clone(),
            own_apps: vec![OWN_APP.to_uppercase()],
            read_again: READ_AGAIN.to_vec(),
            decisions: None,
        };
        let desk = Desk {
            outbox: store.clone(),
            tickets: tenants.clone(),
            clock: tenants.clone(),
            again: vec![minutes(1); 1000],
        };
        self.alive = Some(Alive { world, store, desk });
    }

    pub(super) fn store(&self) -> &Sqlite {
        &self.alive.as_ref().unwrap().store
    }

    fn alive(&self) -> &Alive {
        self.alive.as_ref().unwrap()
    }

    /// Does what a process does, which may be killed in the midst of it.
    async fn process(&mut self, does: Does) {
        let killed = {
            let alive = self.alive();
            let work = async {
                match does {
                    Does::Work => alive.work().await,
                    Does::Verify => alive.verify().await,
                    Does::Deliver => alive.deliver().await,
                }
            };
            tokio::select! {
                biased;
                () = self.tenants.died.notified() => true,
                () = work => false,
            }
        };
        if killed {
            self.start();
        }
    }

    pub(super) async fn happens(&mut self, event: &Event) {
        self.tenants.town().happened += 1;
        match event {
            Event::Work => self.process(Does::Work).await,
            Event::Verify => self.process(Does::Verify).await,
            Event::Deliver => self.process(Does::Deliver).await,
            Event::VerifyToTheLast(unread) => {
                let before = self.tenants.town().blind.clone();
                let unread = unread.map(|read| (read, Cause::Broken));
                self.tenants.town().blind.extend(unread);
                self.verify_to_the_last().await;
                self.tenants.town().blind = before;
            }
            Event::Look(tenant) => self.look(*tenant).await,
            Event::GivenAmid(fault, tenant, given) => {
                {
                    let mut town = self.tenants.town();
                    town.faults.push(*fault);
                    town.give(*tenant, *given);
                }
                self.look(*tenant).await;
            }
            Event::Answered { tenant, answer, person } => {
                self.look(*tenant).await;
                self.decide(0, *answer, *person).await;
                self.look(*tenant).await;
            }
            Event::ComesBackAndGoes(tenant, times) => {
                for _ in 0..*times {
                    self.tenants.town().power_comes_back(*tenant);
                    self.look(*tenant).await;
                    self.verify_to_the_last().await;
                }
            }
            Event::Restart => self.start(),
            Event::Signal { tenant, holder, times } => self.signal(*tenant, *holder, *times).await,
            Event::Sweep(tenant) => self.sweep(*tenant).await,
            Event::Decide { back, answer, person } => self.decide(*back, *answer, *person).await,
            Event::Stop => {
                let now = {
                    let mut town = self.tenants.town();
                    town.stopped = true;
                    town.now
                };
                self.tenants.stop.stop(&Stop::new("INC-7", now)).await.unwrap();
            }
            Event::Resume => {
                self.tenants.town().stopped = false;
                self.tenants.stop.resume().await.unwrap();
            }
            Event::Given(..)
            | Event::Withdrawn(_)
            | Event::Related { .. }
            | Event::Renamed(..)
            | Event::Demoted(_)
            | Event::ComesBack(_)
            | Event::Pass(_)
            | Event::StopWhileWriting
            | Event::KilledAfter(_)
            | Event::Blind(..)
            | Event::Sighted
            | Event::Fault(_) => self.tenants.town().happens(event),
        }
    }

    /// Reads again whenever it is due, to the last time.
    async fn verify_to_the_last(&mut self) {
        for passed in [0, 6, 2, 10, 61] {
            self.tenants.town().now += minutes(passed);
            self.process(Does::Verify).await;
        }
    }

    /// An audit event about somebody, this many times.
    async fn signal(&self, tenant: usize, holder: usize, times: usize) {
        let now = self.tenants.now();
        let mut event: Value =
            serde_json::from_str(include_str!("../../../events/audit/add-member-to-role.json"))
                .unwrap();
        event["targetResources"][0]["id"] = json!(id_of(tenant, holder).as_str());
        let whose = Whose { tenant: None, roster: &self.policy.roster, own_apps: &[], now };
        for _ in 0..times {
            let received = polled(std::slice::from_ref(&event), tenant_id(tenant), whose);
            assert_eq!(received.signals.len(), 1, "{:?}", received.rejects);
            self.store().enqueue(received.signals).await.unwrap();
        }
    }

    async fn sweep(&self, tenant: usize) {
        let signal = schedule::sweep(tenant_id(tenant), self.tenants.now());
        self.store().enqueue(vec![signal]).await.unwrap();
    }

    async fn look(&mut self, tenant: usize) {
        self.sweep(tenant).await;
        self.process(Does::Work).await;
    }

    /// A person answers a question, as the page of the decision has it.
    async fn decide(&self, back: usize, answer: Answer, person: usize) {
        let now = self.tenants.now();
        let Some(id) = self.tenants.town().questions.last_but(back) else { return };
        let Some(proposal) = self.store().proposal(&id).await.unwrap() else { return };
        let decision = Decision::by_name(answer, PEOPLE[person], now).unwrap();
        let Ok(decided) = proposal.decide(decision, now) else { return };
        if self.store().decided(&decided).await.unwrap() {
            let mut town = self.tenants.town();
            town.questions.said(&id, answer, person, now);
            town.reach(format!("said {}", answer.as_str()));
        }
    }

    /// All faults are over, nothing is stopped or planned, and time passes until nothing changes.
    pub(super) async fn settles(&mut self) {
        {
            let mut town = self.tenants.town();
            town.faults.clear();
            town.blind.clear();
            town.stop_while_writing = false;
            town.dies_after = None;
        }
        self.happens(&Event::Resume).await;
        // What is refused for a partner's group is tried again after a day.
        for passed in [25 * 60, 7 * 60, 7 * 60, 25 * 60, 7 * 60] {
            self.happens(&Event::Pass(passed)).await;
            for tenant in 0..TENANTS.len() {
                self.happens(&Event::Sweep(tenant)).await;
            }
            self.happens(&Event::Work).await;
            self.verify_to_the_last().await;
            self.happens(&Event::Work).await;
        }
        for _ in 0..100 {
            if self.store().next_delivery().await.unwrap().is_none() {
                break;
            }
            self.happens(&Event::Pass(1)).await;
            self.happens(&Event::Deliver).await;
        }
    }
}

#[derive(Clone, Copy)]
enum Does {
    Work,
    Verify,
    Deliver,
}

impl Alive {
    /// Does what is due.
    async fn work(&self) {
        loop {
            let now = self.world.clock.now();
            let Some(look) = self.store.claim(now, LEASE, &[]).await.unwrap() else { return };
            look_at(&self.world, &*self.store, &look, PATIENT, false).await.unwrap();
        }
    }

    /// Reads again what is due.
    async fn verify(&self) {
        let due = self.store.due_verifications(self.world.clock.now()).await.unwrap();
        for tenant in (0..TENANTS.len()).map(tenant_id) {
            let its: Vec<_> = due.iter().filter(|due| due.tenant == tenant).cloned().collect();
            if !its.is_empty() {
                verify(&self.world, tenant, &its).await.unwrap();
            }
        }
    }

    async fn deliver(&self) {
        let due = self.store.due(self.world.clock.now()).await.unwrap();
        deliver(&self.desk, due).await.unwrap();
    }
}

impl Town {
    /// What happens to the tenants alone.
    fn happens(&mut self, event: &Event) {
        match event {
            Event::Given(tenant, given) => self.give(*tenant, *given),
            Event::Related { customer, roles, extends } => {
                self.relate(*customer, roles, *extends);
            }
            Event::Withdrawn(tenant) => self.withdraw(*tenant),
            Event::Renamed(tenant, holder) => {
                self.change(*tenant, |state| state.renamed.insert(*holder));
            }
            Event::Demoted(tenant) => self.demote(*tenant),
            Event::ComesBack(tenant) => {
                let last = self.places[*tenant].gone.last().cloned();
                if let Some(last) = last {
                    self.change(*tenant, |state| state.comes_back(last));
                }
            }
            Event::Pass(passed) => self.now += minutes(*passed),
            Event::StopWhileWriting => self.stop_while_writing = true,
            Event::KilledAfter(steps) => self.dies_after = Some(*steps),
            Event::Fault(fault) => self.faults.push(*fault),
            Event::Blind(read, cause) => {
                self.blind.insert(*read, *cause);
            }
            Event::Sighted => self.blind.clear(),
            Event::Signal { .. }
            | Event::Sweep(_)
            | Event::Work
            | Event::Look(_)
            | Event::Verify
            | Event::VerifyToTheLast(_)
            | Event::ComesBackAndGoes(..)
            | Event::Deliver
            | Event::GivenAmid(..)
            | Event::Answered { .. }
            | Event::Decide { .. }
            | Event::Stop
            | Event::Resume
            | Event::Restart => {}
        }
    }

    /// What was last taken away that gave power.
    fn power_comes_back(&mut self, tenant: usize) {
        let gone = self.places[tenant].gone.iter().rev();
        let mut power =
            gone.filter(|it| !matches!(it, Gone::Sessions | Gone::Enabled(_) | Gone::Unblocked(_)));
        if let Some(last) = power.next().cloned() {
            self.change(tenant, |state| state.comes_back(last));
        }
    }

    /// People take away what was given last, but to one of their own.
    fn withdraw(&mut self, tenant: usize) {
        let megan = id_of(tenant, super::cast::MEGAN);
        self.change(tenant, |state| {
            let last = state.assignments.iter().rposition(|it| it.principal_id != megan);
            if let Some(at) = last {
                state.assignments.remove(at);
            } else {
                state.eligible.pop();
            }
        });
    }
}
