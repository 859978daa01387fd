//! The courier, a store and ticket systems that can be out of order in every way that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use async_trait::async_trait;

use super::*;
use crate::adapters::sqlite::Sqlite;
use crate::domain::finding::Severity;
use crate::domain::finding::testing::noon;
use crate::domain::markup::{Markup, plain};
use crate::domain::sink::Texts;
use crate::domain::ticket::said::{Said, Standing, TicketKey, TicketRef, says};
use crate::domain::ticket::{Content, Message, MessageKind, Party};
use crate::ports::ticket::{Caps, Create, Find, Found, TicketSystem};

const KEY: &str = "pw1-0123456789abcdef0123456789";

/// How a system is out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It answers so, and does nothing.
    Says(Class),
    /// It does what it is asked, and the answer is lost.
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Ticket {
    key: String,
    open: bool,
    said: Vec<String>,
    deleted: bool,
}

/// A ticket system in memory.
struct System {
    caps: Caps,
    tickets: Mutex<Vec<Ticket>>,
    /// What is wrong with the calls of this name, from the next on.
    faults: Mutex<Vec<(&'static str, Fault)>>,
    calls: Mutex<Vec<&'static str>>,
    /// How long what was opened cannot be found, in calls of `find`.
    hidden: AtomicU32,
}

impl System {
    fn new(create: Create, find: Find) -> Arc<Self> {
        let markup = Markup::Plain;
        let caps = Caps { create, find, comment: true, markup, title_max: 255, body_max: 10_000 };
        Arc::new(Self {
            caps,
            tickets: Mutex::default(),
            faults: Mutex::default(),
            calls: Mutex::default(),
            hidden: AtomicU32::new(0),
        })
    }

    fn tickets(&self) -> Vec<Ticket> {
        self.tickets.lock().unwrap().clone()
    }

    fn only(&self) -> Ticket {
        let tickets = self.tickets();
        assert_eq!(tickets.len(), 1, "{tickets:?}");
        tickets[0].clone()
    }

    /// The next calls of this name fail so, one for each.
    fn fails(&self, call: &'static str, faults: &[Fault]) {
        self.faults.lock().unwrap().extend(faults.iter().map(|fault| (call, *fault)));
    }

    /// Every call fails so until it is mended.
    fn down(&self) {
        self.fails("all", &[Fault::Says(Class::Transient)]);
    }

    fn up(&self) {
        self.faults.lock().unwrap().clear();
    }

    fn count(&self, call: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|it| **it == call).count()
    }

    fn call(
        &self,
        call: &'static str,
        does: impl FnOnce(&mut Vec<Ticket>),
    ) -> Result<(), SinkError> {
        self.calls.lock().unwrap().push(call);
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            let at = faults.iter().position(|it| it.0 == call || it.0 == "all");
            at.map(|at| if faults[at].0 == "all" { faults[at] } else { faults.remove(at) })
        };
        if let Some((_, Fault::Says(class))) = fault {
            return Err(SinkError::new(class, "out of order"));
        }
        does(&mut self.tickets.lock().unwrap());
        match fault {
            Some(_) => Err(SinkError::new(Class::Ambiguous, "the answer is lost")),
            None => Ok(()),
        }
    }

    fn one(&self, at: &TicketRef) -> Result<usize, SinkError> {
        let at: usize = at.id.parse().unwrap();
        let gone = || SinkError::new(Class::Gone, "it is not there");
        let there = self.tickets.lock().unwrap().get(at).is_some_and(|ticket| !ticket.deleted);
        if there { Ok(at) } else { Err(gone()) }
    }
}

fn place(at: usize) -> TicketRef {
    TicketRef { id: at.to_string(), human: format!("T-{at}"), url: None }
}

#[async_trait]
impl TicketSystem for System {
    fn caps(&self) -> Caps {
        self.caps
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        Ok("ready".to_owned())
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let mut found = Vec::new();
        self.call("find", |tickets| {
            if self.hidden.load(Ordering::SeqCst) > 0 {
                self.hidden.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            let own = tickets.iter().enumerate().filter(|it| it.1.key == key.0 && !it.1.deleted);
            found.extend(own.map(|(at, ticket)| Found {
                at: place(at),
                standing: Standing { open: ticket.open, states: vec![], by: vec![] },
            }));
        })?;
        Ok(found)
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        let mut at = 0;
        let native = matches!(self.caps.create, Create::Native { .. });
        self.call("open", |tickets| {
            let there = tickets.iter().position(|it| it.key == said.key.0);
            at = there.filter(|_| native).unwrap_or(tickets.len());
            if at == tickets.len() {
                let said_first = vec![plain(&said.text)];
                let key = said.key.0.clone();
                tickets.push(Ticket { key, open: true, said: said_first, deleted: false });
            }
        })?;
        Ok(place(at))
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        let at = self.one(at)?;
        let mut open = false;
        self.call("read", |tickets| open = tickets[at].open)?;
        Ok(Standing { open, states: vec![], by: vec![] })
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let at = self.one(at)?;
        self.call("comment", |tickets| tickets[at].said.push(plain(&said.text)))
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let at = self.one(at)?;
        Ok(Some(self.tickets.lock().unwrap()[at].said.iter().any(|said| says(said, mark))))
    }

    async fn close(&self, at: &TicketRef, _: &Said) -> Result<(), SinkError> {
        let at = self.one(at)?;
        self.call("close", |tickets| tickets[at].open = false)
    }

    async fn reopen(&self, at: &TicketRef, _: &Said) -> Result<(), SinkError> {
        let at = self.one(at)?;
        self.call("reopen", |tickets| tickets[at].open = true)
    }
}

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        noon() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

struct Given {
    desk: Arc<Desk>,
    clock: Arc<Hands>,
    store: Arc<Sqlite>,
    _folder: tempfile::TempDir,
}

fn sink(name: &str) -> SinkName {
    SinkName(name.to_owned())
}

impl Given {
    fn new(systems: &[(&str, &Arc<System>, Common)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Sqlite::open(&folder.path().join("store.db")).unwrap());
        let clock = Arc::new(Hands(AtomicI64::new(0)));
        let counter = |system: &Arc<System>, common: &Common| Counter {
            teller: Teller::Tickets(system.clone()),
            common: common.clone(),
        };
        let sinks = systems.iter();
        let sinks = sinks.map(|(name, system, common)| (sink(name), counter(system, common)));
        let desk = Arc::new(Desk {
            outbox: store.clone(),
            links: store.clone(),
            sinks: sinks.collect(),
            clock: clock.clone(),
            again: [5, 300, 1800, 7200].map(SignedDuration::from_secs).to_vec(),
            alone: Mutex::default(),
        });
        Self { desk, clock, store, _folder: folder }
    }

    fn one(system: &Arc<System>) -> Self {
        Self::new(&[("security", system, Common::default())])
    }

    async fn put(&self, kind: MessageKind, number: u32) {
        let id = format!("{KEY}-{number}");
        let message = Delivery {
            number: 0,
            sink: sink("security"),
            ticket: KEY.to_owned(),
            body: body(kind, number),
            id,
            attempts: 0,
            more: false,
        };
        self.store.pass_on(&message, self.desk.clock.now()).await.unwrap();
    }

    /// Delivers whatever is due at this moment, and what becomes due by that.
    async fn round(&self) {
        loop {
            let due = self.store.due(self.desk.clock.now()).await.unwrap();
            if due.is_empty() {
                return;
            }
            deliver(&self.desk, due).await.unwrap();
        }
    }

    /// Lets time pass until nothing waits, or for this long.
    async fn pass(&self, seconds: i64) {
        let end = self.desk.clock.now() + SignedDuration::from_secs(seconds);
        loop {
            self.round().await;
            let next = self.store.next_delivery().await.unwrap();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.clock.0.store(next.duration_since(noon()).as_secs() + 1, Ordering::SeqCst);
        }
        self.clock.0.store(end.duration_since(noon()).as_secs(), Ordering::SeqCst);
    }

    async fn waits(&self) -> bool {
        self.store.next_delivery().await.unwrap().is_some()
    }
}

fn body(kind: MessageKind, number: u32) -> String {
    let party = || Party { id: None, name: "Woodgrove".to_owned() };
    let message = Message {
        sink: None,
        id: String::new(),
        kind,
        timestamp: noon(),
        data: Content {
            key: KEY.to_owned(),
            title: format!("number {number}"),
            body: format!("What was found\n- number {number}\n"),
            severity: Severity::High,
            tenant: party(),
            partner: party(),
            findings: Vec::new(),
            steps: Vec::new(),
            decision_url: None,
            record: "rec-1".to_owned(),
        },
    };
    serde_json::to_string(&message).unwrap()
}

const STRONG: Find = Find::Strong;
const UNGUARDED: Create = Create::Unguarded;

#[tokio::test]
async fn a_ticket_is_opened_told_and_ended() {
    let system = System::new(UNGUARDED, STRONG);
    let given = Given::one(&system);
    given.put(MessageKind::Opened, 1).await;
    given.round().await;
    assert!(system.only().open);
    given.put(MessageKind::Updated, 2).await;
    given.round().await;
    given.put(MessageKind::Closed, 3).await;
    given.round().await;
    let ticket = system.only();
    assert!(!ticket.open);
    let numbers: Vec<bool> =
        (1..=3).map(|n| says(&ticket.said[n - 1], &format!("{KEY} #{n}"))).collect();
    assert_eq!((ticket.said.len(), numbers), (3, vec![true; 3]));
    assert!(!given.waits().await);
}

#[tokio::test]
async fn after_an_hour_out_of_order_there_is_one_ticket_and_nothing_is_lost() {
    for (create, find) in [
        (UNGUARDED, STRONG),
        (UNGUARDED, Find::Eventual(std::time::Duration::from_mins(2))),
        (Create::Native { lasts: None }, Find::Never),
    ] {
        let system = System::new(create, find);
        let given = Given::one(&system);
        system.down();
        given.put(MessageKind::Opened, 1).await;
        for number in 2..=5 {
            given.pass(600).await;
            given.put(MessageKind::Updated, number).await;
        }
        given.pass(1200).await;
        system.up();
        given.pass(7200 * 2).await;
        let ticket = system.only();
        assert!(ticket.open && !given.waits().await, "{create:?}, {find:?}");
        // What waited is one word: the last, which says all.
        assert_eq!(ticket.said.len(), 2, "{ticket:?}");
        assert!(says(&ticket.said[1], &format!("{KEY} #5")));
    }
}

#[tokio::test]
async fn a_lost_answer_opens_no_second_ticket() {
    let minutes = std::time::Duration::from_mins(2);
    for (create, find, opens) in [
        (UNGUARDED, STRONG, 1),
        (UNGUARDED, Find::Eventual(minutes), 1),
        (Create::Native { lasts: None }, Find::Never, 2),
        (Create::Native { lasts: Some(minutes) }, STRONG, 2),
    ] {
        let system = System::new(create, find);
        let given = Given::one(&system);
        system.fails("open", &[Fault::Lost]);
        if let Find::Eventual(_) = find {
            // It cannot be found before the first look for it, nor soon after it was opened.
            system.hidden.store(1, Ordering::SeqCst);
        }
        given.put(MessageKind::Opened, 1).await;
        given.pass(7200).await;
        assert_eq!(system.only().said.len(), 1, "{create:?}, {find:?}");
        assert_eq!(system.count("open"), opens, "{create:?}, {find:?}");
        assert!(!given.waits().await);
    }
}

#[tokio::test]
async fn where_it_cannot_be_known_whether_it_was_opened_a_person_is_asked_and_no_second_is_opened()
{
    let system = System::new(UNGUARDED, Find::Never);
    let given = Given::one(&system);
    system.fails("open", &[Fault::Lost]);
    given.put(MessageKind::Opened, 1).await;
    given.pass(7200).await;
    assert_eq!((system.only().said.len(), system.count("open")), (1, 1));
    assert!(!given.waits().await, "it is among the dead letters");
}

#[tokio::test]
async fn a_lost_ledger_is_healed_by_what_is_found() {
    let system = System::new(UNGUARDED, STRONG);
    let given = Given::one(&system);
    given.put(MessageKind::Opened, 1).await;
    given.round().await;
    let anew = Given::one(&system);
    anew.put(MessageKind::Updated, 2).await;
    anew.round().await;
    assert_eq!(system.only().said.len(), 2);
    assert_eq!(system.count("open"), 1);
}

#[tokio::test]
async fn a_hundred_at_once_open_one_ticket() {
    let system = System::new(UNGUARDED, STRONG);
    let given = Given::one(&system);
    given.put(MessageKind::Opened, 1).await;
    let due = given.store.due(given.desk.clock.now()).await.unwrap();
    let hundred = std::iter::repeat_n(due[0].clone(), 100);
    let all = hundred.map(|delivery| deliver(&given.desk, vec![delivery]));
    for ended in futures_util::future::join_all(all).await {
        ended.unwrap();
    }
    given.pass(7200).await;
    assert_eq!((system.only().said.len(), system.count("open")), (1, 1));
}

#[tokio::test]
async fn what_was_said_is_not_said_twice_after_a_lost_answer() {
    let system = System::new(UNGUARDED, STRONG);
    let given = Given::one(&system);
    given.put(MessageKind::Opened, 1).await;
    given.round().await;
    system.fails("comment", &[Fault::Lost]);
    given.put(MessageKind::Updated, 2).await;
    given.pass(600).await;
    assert_eq!((system.only().said.len(), system.count("comment")), (2, 1));
}

#[tokio::test]
async fn whoever_wants_to_be_left_alone_is_and_that_is_no_failed_attempt() {
    let system = System::new(UNGUARDED, STRONG);
    let given = Given::one(&system);
    let busy = Fault::Says(Class::RateLimited(Some(std::time::Duration::from_secs(30))));
    system.fails("find", &[busy; 20]);
    given.put(MessageKind::Opened, 1).await;
    given.round().await;
    let next = given.store.next_delivery().await.unwrap().unwrap();
    assert_eq!(next.duration_since(noon()).as_secs(), 30);
    given.pass(1000).await;
    assert_eq!(system.only().said.len(), 1, "more often than the pauses would allow");
}

#[tokio::test]
async fn what_a_person_has_to_mend_is_asked_for_once_in_a_while_and_not_for_each_message() {
    let system = System::new(UNGUARDED, STRONG);
    let given = Given::one(&system);
    system.fails("all", &[Fault::Says(Class::Auth)]);
    for number in 0..20 {
        let ticket = format!("pw1-{number:026}");
        let message = Delivery {
            number: 0,
            sink: sink("security"),
            id: format!("{ticket}-1"),
            body: body(MessageKind::Opened, 1).replace(KEY, &ticket),
            ticket,
            attempts: 0,
            more: false,
        };
        given.store.pass_on(&message, noon()).await.unwrap();
    }
    given.pass(299).await;
    let calls = system.count("find");
    assert!(calls <= AT_ONCE, "{calls} calls within five minutes");
    system.up();
    given.pass(7200).await;
    assert_eq!(system.tickets().len(), 20);
}

#[tokio::test]
async fn what_people_ended_is_taken_up_again_and_what_they_deleted_opened_anew() {
    let system = System::new(UNGUARDED, STRONG);
    let given = Given::one(&system);
    given.put(MessageKind::Opened, 1).await;
    given.round().await;
    system.tickets.lock().unwrap()[0].open = false;
    given.put(MessageKind::Updated, 2).await;
    given.round().await;
    assert!(system.only().open, "what it is about still stands");
    system.tickets.lock().unwrap()[0].deleted = true;
    given.put(MessageKind::Updated, 3).await;
    given.round().await;
    let tickets = system.tickets();
    assert_eq!((tickets.len(), tickets[1].open, tickets[1].deleted), (2, true, false));
    system.tickets.lock().unwrap()[1].deleted = true;
    given.put(MessageKind::Closed, 4).await;
    given.pass(60).await;
    assert!(!given.waits().await);
}

#[tokio::test]
async fn a_policy_may_leave_the_end_to_people() {
    let system = System::new(UNGUARDED, STRONG);
    let common = Common { close: false, ..Common::default() };
    let given = Given::new(&[("security", &system, common)]);
    given.put(MessageKind::Opened, 1).await;
    given.round().await;
    given.put(MessageKind::Closed, 2).await;
    given.round().await;
    let ticket = system.only();
    assert!(ticket.open && ticket.said.len() == 2);
    assert_eq!(system.count("close"), 0);
}

#[tokio::test]
async fn while_a_sink_takes_nothing_another_one_is_told_and_hears_the_end_too() {
    let (system, other) = (System::new(UNGUARDED, STRONG), System::new(UNGUARDED, STRONG));
    let common = Common { fallback: Some(sink("helpdesk")), ..Common::default() };
    let given =
        Given::new(&[("security", &system, common), ("helpdesk", &other, Common::default())]);
    system.down();
    given.put(MessageKind::Opened, 1).await;
    given.round().await;
    assert!(other.tickets().is_empty(), "it may pass by itself");
    given.pass(60).await;
    assert!(other.only().open);
    assert_ne!(other.only().key, KEY, "each sink has keys of its own");
    system.up();
    given.pass(7200).await;
    given.put(MessageKind::Closed, 2).await;
    given.pass(60).await;
    assert!(!system.only().open && !other.only().open);
}

/// What is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_template_that_fails_costs_no_ticket_and_is_named_once_without_what_was_to_be_said() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let guard = tracing::subscriber::set_default(subscriber.finish());
    let texts = Texts {
        body: Some("{{ partner.name.first }}".to_owned()),
        close: Some("**{{ tenant.name }}** is over".to_owned()),
        ..Texts::default()
    };
    let system = System::new(UNGUARDED, STRONG);
    let common = Common { templates: texts, ..Common::default() };
    let given = Given::new(&[("security", &system, common)]);
    system.fails("open", &[Fault::Says(Class::Transient)]);
    given.put(MessageKind::Opened, 1).await;
    given.put(MessageKind::Closed, 2).await;
    given.pass(60).await;
    drop(guard);
    let ticket = system.only();
    assert!(!ticket.open);
    assert!(ticket.said[0].starts_with("What was found\n- number 1"), "{:?}", ticket.said);
    assert_eq!(ticket.said[1], format!("Woodgrove is over\n\n{KEY} #2"));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("templates.")).collect();
    assert_eq!(told.len(), 1, "{log}");
    let words = "told in the built-in words: tickets.security.templates.body, line 1, column 4: \
                 there is no such value";
    assert!(told[0].contains("WARN") && told[0].contains(words), "{}", told[0]);
    assert!(!told[0].contains("Woodgrove") && !told[0].contains("number 1"), "{}", told[0]);
}
