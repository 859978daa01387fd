//! The courier, a store and ticket systems that can be out of order in every way that counts.

mod gate;
mod system;
mod tryout;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub(in crate::adapters) use self::gate::*;
use self::system::{Fault, System};
use super::{Given, Store};
use crate::domain::finding::Severity;
use crate::domain::finding::testing::noon;
use crate::domain::id::SinkName;
use crate::domain::signal::Signal;
use crate::domain::sink::{Common, Texts};
use crate::domain::ticket::said::says;
use crate::domain::ticket::{Content, Message, MessageKind, Party};
use crate::pipeline::deliver::{AT_ONCE, Counter, Desk, deliver};
use crate::ports::ticket::{Class, Find, Teller};
use crate::ports::{Clock, Delivery, Enqueue, Failure, Outbox as _, PortError};
use crate::wire::Verified;

const KEY: &str = "pw1-0123456789abcdef0123456789";

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        noon() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// What was asked for, or a queue that takes nothing until it is mended.
#[derive(Default)]
struct Woken {
    signals: Mutex<Vec<Signal>>,
    down: AtomicBool,
}

#[async_trait]
impl Enqueue for Woken {
    async fn enqueue(&self, signals: Vec<Verified<Signal>>) -> Result<(), PortError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(PortError::new(Failure::Transient, "the process dies here"));
        }
        self.signals.lock().unwrap().extend(signals.into_iter().map(Verified::into_inner));
        Ok(())
    }
}

struct Office<S: Store> {
    desk: Arc<Desk>,
    woken: Arc<Woken>,
    clock: Arc<Hands>,
    given: Given<S>,
}

fn sink(name: &str) -> SinkName {
    SinkName(name.to_owned())
}

impl<S: Store> Office<S> {
    async fn new(systems: &[(&str, &Arc<System>, Common)]) -> Self {
        let given = Given::<S>::new().await;
        let clock = Arc::new(Hands(AtomicI64::new(0)));
        let counter = |system: &Arc<System>, common: &Common| Counter {
            teller: Teller::Tickets(system.clone()),
            common: common.clone(),
        };
        let sinks = systems.iter();
        let sinks = sinks.map(|(name, system, common)| (sink(name), counter(system, common)));
        let woken = Arc::<Woken>::default();
        let desk = Arc::new(Desk {
            outbox: given.store.clone(),
            links: given.store.clone(),
            sinks: sinks.collect(),
            clock: clock.clone(),
            again: [5, 300, 1800, 7200].map(SignedDuration::from_secs).to_vec(),
            alone: Mutex::default(),
            enqueue: woken.clone(),
        });
        Self { desk, woken, clock, given }
    }

    async fn one(system: &Arc<System>) -> Self {
        Self::new(&[("security", system, Common::default())]).await
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
        self.given.store.pass_on(&message, self.desk.clock.now()).await.unwrap();
    }

    /// Delivers whatever is due at this moment, and what becomes due by that.
    async fn round(&self) {
        loop {
            let due = self.given.store.due(self.desk.clock.now()).await.unwrap();
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
            let next = self.given.store.next_delivery().await.unwrap();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.clock.0.store(next.duration_since(noon()).as_secs() + 1, Ordering::SeqCst);
        }
        self.clock.0.store(end.duration_since(noon()).as_secs(), Ordering::SeqCst);
    }

    async fn waits(&self) -> bool {
        self.given.store.next_delivery().await.unwrap().is_some()
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

pub(in crate::adapters) async fn a_ticket_is_opened_told_and_ended<S: Store>() {
    let system = System::new(STRONG);
    let office = Office::<S>::one(&system).await;
    office.put(MessageKind::Opened, 1).await;
    office.round().await;
    assert!(system.only().open);
    office.put(MessageKind::Updated, 2).await;
    office.round().await;
    office.put(MessageKind::Closed, 3).await;
    office.round().await;
    let ticket = system.only();
    assert!(!ticket.open);
    let numbers: Vec<bool> =
        (1..=3).map(|n| says(&ticket.said[n - 1], &format!("{KEY} #{n}"))).collect();
    assert_eq!((ticket.said.len(), numbers), (3, vec![true; 3]));
    assert!(!office.waits().await);
}

pub(in crate::adapters) async fn after_an_hour_out_of_order_there_is_one_ticket_and_nothing_is_lost<
    S: Store,
>() {
    for find in [STRONG, Find::Eventual(std::time::Duration::from_mins(2))] {
        let system = System::new(find);
        let office = Office::<S>::one(&system).await;
        system.down();
        office.put(MessageKind::Opened, 1).await;
        for number in 2..=5 {
            office.pass(600).await;
            office.put(MessageKind::Updated, number).await;
        }
        office.pass(1200).await;
        system.up();
        office.pass(7200 * 2).await;
        let ticket = system.only();
        assert!(ticket.open && !office.waits().await, "{find:?}");
        // What waited is one word: the last, which says all.
        assert_eq!(ticket.said.len(), 2, "{ticket:?}");
        assert!(says(&ticket.said[1], &format!("{KEY} #5")));
    }
}

pub(in crate::adapters) async fn a_lost_answer_opens_no_second_ticket<S: Store>() {
    let minutes = std::time::Duration::from_mins(2);
    for find in [STRONG, Find::Eventual(minutes)] {
        let system = System::new(find);
        let office = Office::<S>::one(&system).await;
        system.fails("open", &[Fault::Lost]);
        if let Find::Eventual(_) = find {
            // It cannot be found before the first look for it, nor soon after it was opened.
            system.hidden.store(1, Ordering::SeqCst);
        }
        office.put(MessageKind::Opened, 1).await;
        office.pass(7200).await;
        assert_eq!(system.only().said.len(), 1, "{find:?}");
        assert_eq!(system.count("open"), 1, "{find:?}");
        assert!(!office.waits().await);
    }
}

pub(in crate::adapters) async fn where_it_cannot_be_known_whether_it_was_opened_a_person_is_asked_and_no_second_is_opened<
    S: Store,
>() {
    let system = System::new(Find::Never);
    let office = Office::<S>::one(&system).await;
    system.fails("open", &[Fault::Lost]);
    office.put(MessageKind::Opened, 1).await;
    office.pass(7200).await;
    assert_eq!((system.only().said.len(), system.count("open")), (1, 1));
    assert!(!office.waits().await, "it is among the dead letters");
}

pub(in crate::adapters) async fn a_lost_ledger_is_healed_by_what_is_found<S: Store>() {
    let system = System::new(STRONG);
    let office = Office::<S>::one(&system).await;
    office.put(MessageKind::Opened, 1).await;
    office.round().await;
    let anew = Office::<S>::one(&system).await;
    anew.put(MessageKind::Updated, 2).await;
    anew.round().await;
    assert_eq!(system.only().said.len(), 2);
    assert_eq!(system.count("open"), 1);
}

pub(in crate::adapters) async fn a_hundred_at_once_open_one_ticket<S: Store>() {
    let system = System::new(STRONG);
    let office = Office::<S>::one(&system).await;
    office.put(MessageKind::Opened, 1).await;
    let due = office.given.store.due(office.desk.clock.now()).await.unwrap();
    let hundred = std::iter::repeat_n(due[0].clone(), 100);
    let all = hundred.map(|delivery| deliver(&office.desk, vec![delivery]));
    for ended in futures_util::future::join_all(all).await {
        ended.unwrap();
    }
    office.pass(7200).await;
    assert_eq!((system.only().said.len(), system.count("open")), (1, 1));
}

pub(in crate::adapters) async fn what_was_said_is_not_said_twice_after_a_lost_answer<S: Store>() {
    let system = System::new(STRONG);
    let office = Office::<S>::one(&system).await;
    office.put(MessageKind::Opened, 1).await;
    office.round().await;
    system.fails("comment", &[Fault::Lost]);
    office.put(MessageKind::Updated, 2).await;
    office.pass(600).await;
    assert_eq!((system.only().said.len(), system.count("comment")), (2, 1));
}

pub(in crate::adapters) async fn whoever_wants_to_be_left_alone_is_and_that_is_no_failed_attempt<
    S: Store,
>() {
    let system = System::new(STRONG);
    let office = Office::<S>::one(&system).await;
    let busy = Fault::Says(Class::RateLimited(Some(std::time::Duration::from_secs(30))));
    system.fails("find", &[busy; 20]);
    office.put(MessageKind::Opened, 1).await;
    office.round().await;
    let next = office.given.store.next_delivery().await.unwrap().unwrap();
    assert_eq!(next.duration_since(noon()).as_secs(), 30);
    office.pass(1000).await;
    assert_eq!(system.only().said.len(), 1, "more often than the pauses would allow");
}

pub(in crate::adapters) async fn what_a_person_has_to_mend_is_asked_for_once_in_a_while_and_not_for_each_message<
    S: Store,
>() {
    let system = System::new(STRONG);
    let office = Office::<S>::one(&system).await;
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
        office.given.store.pass_on(&message, noon()).await.unwrap();
    }
    office.pass(299).await;
    let calls = system.count("find");
    assert!(calls <= AT_ONCE, "{calls} calls within five minutes");
    system.up();
    office.pass(7200).await;
    assert_eq!(system.tickets().len(), 20);
}

pub(in crate::adapters) async fn what_people_ended_is_taken_up_again_and_what_they_deleted_opened_anew<
    S: Store,
>() {
    let system = System::new(STRONG);
    let office = Office::<S>::one(&system).await;
    office.put(MessageKind::Opened, 1).await;
    office.round().await;
    system.tickets.lock().unwrap()[0].open = false;
    office.put(MessageKind::Updated, 2).await;
    office.round().await;
    assert!(system.only().open, "what it is about still stands");
    system.tickets.lock().unwrap()[0].deleted = true;
    office.put(MessageKind::Updated, 3).await;
    office.round().await;
    let tickets = system.tickets();
    assert_eq!((tickets.len(), tickets[1].open, tickets[1].deleted), (2, true, false));
    system.tickets.lock().unwrap()[1].deleted = true;
    office.put(MessageKind::Closed, 4).await;
    office.pass(60).await;
    assert!(!office.waits().await);
}

pub(in crate::adapters) async fn a_policy_may_leave_the_end_to_people<S: Store>() {
    let system = System::new(STRONG);
    let common = Common { close: false, ..Common::default() };
    let office = Office::<S>::new(&[("security", &system, common)]).await;
    office.put(MessageKind::Opened, 1).await;
    office.round().await;
    office.put(MessageKind::Closed, 2).await;
    office.round().await;
    let ticket = system.only();
    assert!(ticket.open && ticket.said.len() == 2);
    assert_eq!(system.count("close"), 0);
}

pub(in crate::adapters) async fn while_a_sink_takes_nothing_another_one_is_told_and_hears_the_end_too<
    S: Store,
>() {
    let (system, other) = (System::new(STRONG), System::new(STRONG));
    let common = Common { fallback: Some(sink("helpdesk")), ..Common::default() };
    let office =
        Office::<S>::new(&[("security", &system, common), ("helpdesk", &other, Common::default())])
            .await;
    system.down();
    office.put(MessageKind::Opened, 1).await;
    office.round().await;
    assert!(other.tickets().is_empty(), "it may pass by itself");
    office.pass(60).await;
    assert!(other.only().open);
    assert_ne!(other.only().key, KEY, "each sink has keys of its own");
    system.up();
    office.pass(7200).await;
    office.put(MessageKind::Closed, 2).await;
    office.pass(60).await;
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

pub(in crate::adapters) async fn a_template_that_fails_costs_no_ticket_and_is_named_once<
    S: Store,
>() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let guard = tracing::subscriber::set_default(subscriber.finish());
    let templates = Texts {
        body: Some("{{ partner.name.first }}".to_owned()),
        close: Some("**{{ tenant.name }}** is over".to_owned()),
        ..Texts::default()
    };
    let system = System::new(STRONG);
    let common = Common { templates, ..Common::default() };
    let office = Office::<S>::new(&[("security", &system, common)]).await;
    system.fails("open", &[Fault::Says(Class::Transient)]);
    office.put(MessageKind::Opened, 1).await;
    office.put(MessageKind::Closed, 2).await;
    office.pass(60).await;
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
    // Nothing of what was to be said is in it.
    assert!(!told[0].contains("Woodgrove") && !told[0].contains("number 1"), "{}", told[0]);
}
