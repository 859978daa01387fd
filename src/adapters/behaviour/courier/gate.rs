//! Tickets before which nothing is written: that they are there is told, and told again after a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::super::Store;
use super::system::System;
use super::{KEY, Office, STRONG, body, sink};
use crate::domain::finding::testing::WOODGROVE;
use crate::domain::signal::Subject;
use crate::domain::sink::{Common, Decides};
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::link::{Link, LinkState};
use crate::domain::ticket::said::TicketKey;
use crate::pipeline::deliver::deliver;
use crate::ports::ticket::{Class, Notify, SinkError, Teller, TicketLinks as _};
use crate::ports::{Delivery, Outbox as _};

fn gated() -> Common {
    Common { gate: true, ..Common::default() }
}

/// Somebody who keeps no tickets, and takes nothing while out of order.
struct Inbox {
    down: AtomicBool,
    taken: AtomicU32,
}

#[async_trait]
impl Notify for Inbox {
    async fn preflight(&self) -> Result<String, SinkError> {
        Ok("ready".to_owned())
    }

    async fn tell(&self, _: &Delivery, _: Timestamp) -> Result<(), SinkError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(SinkError::new(Class::Transient, "out of order"));
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl<S: Store> Office<S> {
    /// Puts a message about Woodgrove that tells of steps in these states.
    async fn tell(&self, kind: MessageKind, number: u32, states: &[&str]) {
        let mut message: Value = serde_json::from_str(&body(kind, number)).unwrap();
        message["data"]["tenant"]["id"] = WOODGROVE.into();
        let steps = states.iter().map(
            |state| serde_json::json!({ "id": "s", "summary": "s", "state": state, "byHand": "h" }),
        );
        message["data"]["steps"] = steps.collect();
        let delivery = Delivery {
            number: 0,
            sink: sink("security"),
            ticket: KEY.to_owned(),
            body: message.to_string(),
            id: format!("{KEY}-{number}"),
            attempts: 0,
            more: false,
        };
        self.given.store.pass_on(&delivery, self.desk.clock.now()).await.unwrap();
    }

    /// The tickets of Woodgrove that were told of since.
    fn woken(&self) -> Vec<Subject> {
        let signals = std::mem::take(&mut *self.woken.signals.lock().unwrap());
        assert!(signals.iter().all(|signal| signal.tenant.to_string() == WOODGROVE));
        signals.into_iter().map(|signal| signal.subject).collect()
    }

    async fn link(&self) -> Option<Link> {
        self.given.store.link(&TicketKey(KEY.to_owned())).await.unwrap()
    }
}

fn the_ticket() -> Vec<Subject> {
    vec![Subject::ticket(&TicketKey(KEY.to_owned()))]
}

pub(in crate::adapters) async fn what_waits_for_a_ticket_is_taken_up_once_it_is_there<S: Store>() {
    let system = System::new(STRONG);
    let office = Office::<S>::new(&[("security", &system, gated())]).await;
    system.down();
    office.tell(MessageKind::Opened, 1, &["held"]).await;
    office.round().await;
    assert_eq!(office.woken(), []);
    system.up();
    office.pass(5).await;
    system.only();
    assert_eq!(office.woken(), the_ticket());
    let link = office.link().await.unwrap();
    assert_eq!(link.tenant.map(|it| it.to_string()), Some(WOODGROVE.to_owned()));
    // Later news is a reason only while something is held.
    for (number, states, woken) in [
        (2, &["verified"][..], vec![]),
        (3, &["held", "verified"], the_ticket()),
        (4, &["awaiting-approval"], vec![]),
    ] {
        office.tell(MessageKind::Updated, number, states).await;
        office.round().await;
        assert_eq!(office.woken(), woken, "{number}");
    }
    office.tell(MessageKind::Closed, 5, &["held"]).await;
    office.round().await;
    assert_eq!(office.woken(), [], "of what is over nothing waits");
}

pub(in crate::adapters) async fn a_ticket_that_nothing_waits_for_wakes_nobody<S: Store>() {
    let system = System::new(STRONG);
    let office = Office::<S>::one(&system).await;
    office.tell(MessageKind::Opened, 1, &["held", "awaiting-approval"]).await;
    office.round().await;
    system.only();
    assert_eq!(office.woken(), []);
}

pub(in crate::adapters) async fn a_ticket_in_which_people_are_asked_is_read_once_that_is_said<
    S: Store,
>() {
    let system = System::new(STRONG);
    let decide = Decides { approve: vec!["Go".to_owned()], ..Decides::default() };
    let office =
        Office::<S>::new(&[("security", &system, Common { decide, ..Common::default() })]).await;
    office.tell(MessageKind::Opened, 1, &["held"]).await;
    office.round().await;
    assert_eq!(office.woken(), [], "nobody is asked yet");
    office.tell(MessageKind::Updated, 2, &["awaiting-approval"]).await;
    office.round().await;
    assert_eq!(office.woken(), the_ticket());
}

pub(in crate::adapters) async fn a_gate_is_knocked_at_every_five_minutes_for_as_long_as_it_takes<
    S: Store,
>() {
    let system = System::new(STRONG);
    let office = Office::<S>::new(&[("security", &system, gated())]).await;
    system.down();
    office.tell(MessageKind::Opened, 1, &["held"]).await;
    office.pass(24 * 3600).await;
    assert!(office.waits().await, "it is never given up");
    assert!((280..300).contains(&system.count("find")), "{}", system.count("find"));
    system.up();
    office.pass(301).await;
    system.only();
    assert_eq!(office.woken(), the_ticket());
    // Once it is there, what is said in it is like anything else that is said.
    system.down();
    office.tell(MessageKind::Updated, 2, &["verified"]).await;
    office.pass(24 * 3600).await;
    assert!(!office.waits().await, "it is given up");
}

pub(in crate::adapters) async fn after_a_crash_between_the_link_and_the_news_of_it_the_news_is_told<
    S: Store,
>() {
    let system = System::new(STRONG);
    let office = Office::<S>::new(&[("security", &system, gated())]).await;
    office.woken.down.store(true, Ordering::SeqCst);
    office.tell(MessageKind::Opened, 1, &["held"]).await;
    let due = office.given.store.due(office.desk.clock.now()).await.unwrap();
    assert!(deliver(&office.desk, due).await.is_err());
    assert_eq!(office.link().await.unwrap().state, LinkState::Linked);
    assert_eq!(office.woken(), []);
    office.woken.down.store(false, Ordering::SeqCst);
    // What was handed out to the process that died is handed out again after a while.
    office.pass(3 * 60).await;
    assert_eq!(office.woken(), the_ticket());
    assert_eq!((system.only().said.len(), system.count("open")), (1, 1));
    assert!(!office.waits().await);
}

pub(in crate::adapters) async fn who_keeps_no_tickets_opens_a_gate_by_taking_the_message<
    S: Store,
>() {
    let system = System::new(STRONG);
    let mut office = Office::<S>::new(&[("security", &system, gated())]).await;
    let inbox = Arc::new(Inbox { down: AtomicBool::new(true), taken: AtomicU32::new(0) });
    let desk = Arc::get_mut(&mut office.desk).unwrap();
    desk.sinks.get_mut(&sink("security")).unwrap().teller = Teller::Messages(inbox.clone());
    office.tell(MessageKind::Opened, 1, &["held"]).await;
    office.round().await;
    assert!(!office.link().await.is_some_and(|link| link.is_there()));
    assert_eq!(office.woken(), []);
    inbox.down.store(false, Ordering::SeqCst);
    office.pass(5).await;
    assert_eq!(office.link().await.unwrap().state, LinkState::Linked);
    assert_eq!(office.woken(), the_ticket());
    office.tell(MessageKind::Updated, 2, &["verified"]).await;
    office.round().await;
    assert_eq!(inbox.taken.load(Ordering::SeqCst), 2);
    assert!(!office.waits().await);
}
