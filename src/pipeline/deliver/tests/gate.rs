//! Tickets before which nothing is written: that they are there is told, and told again after a crash.

use std::sync::atomic::AtomicBool;

use serde_json::Value;

use super::*;
use crate::domain::finding::testing::WOODGROVE;
use crate::domain::signal::{Signal, Subject};
use crate::domain::sink::Decides;
use crate::domain::ticket::link::{Link, LinkState};
use crate::ports::ticket::Notify;
use crate::ports::{Failure, Queue as _};
use crate::wire::Verified;

fn gated() -> Common {
    Common { gate: true, ..Common::default() }
}

/// A queue that takes nothing until it is mended, in front of the store's.
struct Queue {
    store: Arc<Sqlite>,
    down: AtomicBool,
}

#[async_trait]
impl Enqueue for Queue {
    async fn enqueue(&self, signals: Vec<Verified<Signal>>) -> Result<(), PortError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(PortError::new(Failure::Transient, "the process dies here"));
        }
        self.store.enqueue(signals).await
    }
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

impl Given {
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
        self.store.pass_on(&delivery, self.desk.clock.now()).await.unwrap();
    }

    /// What waits to be looked at, taken out.
    async fn woken(&self) -> Vec<Subject> {
        let far = self.desk.clock.now() + SignedDuration::from_hours(1000);
        let look = self.store.claim(far, SignedDuration::from_secs(1), &[]).await.unwrap();
        let Some(look) = look else { return Vec::new() };
        assert_eq!(look.tenant.to_string(), WOODGROVE);
        let now = self.desk.clock.now();
        let end = crate::ports::Settle::Unread;
        crate::ports::EndLook::complete(&*self.store, &look, now, end, None).await.unwrap();
        look.waiting.into_iter().map(|waiting| waiting.subject).collect()
    }

    async fn link(&self) -> Option<Link> {
        self.store.link(&TicketKey(KEY.to_owned())).await.unwrap()
    }
}

fn the_ticket() -> Vec<Subject> {
    vec![Subject::ticket(&TicketKey(KEY.to_owned()))]
}

#[tokio::test]
async fn what_waits_for_a_ticket_is_taken_up_once_it_is_there() {
    let system = System::new(UNGUARDED, STRONG);
    let given = Given::new(&[("security", &system, gated())]);
    system.down();
    given.tell(MessageKind::Opened, 1, &["held"]).await;
    given.round().await;
    assert_eq!(given.woken().await, []);
    system.up();
    given.pass(5).await;
    system.only();
    assert_eq!(given.woken().await, the_ticket());
    let link = given.link().await.unwrap();
    assert_eq!(link.tenant.map(|it| it.to_string()), Some(WOODGROVE.to_owned()));
    // Later news is a reason only while something is held.
    for (number, states, woken) in [
        (2, &["verified"][..], vec![]),
        (3, &["held", "verified"], the_ticket()),
        (4, &["awaiting-approval"], vec![]),
    ] {
        given.tell(MessageKind::Updated, number, states).await;
        given.round().await;
        assert_eq!(given.woken().await, woken, "{number}");
    }
    given.tell(MessageKind::Closed, 5, &["held"]).await;
    given.round().await;
    assert_eq!(given.woken().await, [], "of what is over nothing waits");
}

#[tokio::test]
async fn a_ticket_that_nothing_waits_for_wakes_nobody() {
    let system = System::new(UNGUARDED, STRONG);
    let given = Given::one(&system);
    given.tell(MessageKind::Opened, 1, &["held", "awaiting-approval"]).await;
    given.round().await;
    system.only();
    assert_eq!(given.woken().await, []);
}

#[tokio::test]
async fn a_ticket_in_which_people_are_asked_is_read_once_that_is_said() {
    let system = System::new(UNGUARDED, STRONG);
    let decide = Decides { approve: vec!["Go".to_owned()], ..Decides::default() };
    let given = Given::new(&[("security", &system, Common { decide, ..Common::default() })]);
    given.tell(MessageKind::Opened, 1, &["held"]).await;
    given.round().await;
    assert_eq!(given.woken().await, [], "nobody is asked yet");
    given.tell(MessageKind::Updated, 2, &["awaiting-approval"]).await;
    given.round().await;
    assert_eq!(given.woken().await, the_ticket());
}

#[tokio::test]
async fn a_gate_is_knocked_at_every_five_minutes_for_as_long_as_it_takes() {
    let system = System::new(UNGUARDED, STRONG);
    let given = Given::new(&[("security", &system, gated())]);
    system.down();
    given.tell(MessageKind::Opened, 1, &["held"]).await;
    given.pass(24 * 3600).await;
    assert!(given.waits().await, "it is never given up");
    assert!((280..300).contains(&system.count("find")), "{}", system.count("find"));
    system.up();
    given.pass(301).await;
    system.only();
    assert_eq!(given.woken().await, the_ticket());
    // Once it is there, what is said in it is like anything else that is said.
    system.down();
    given.tell(MessageKind::Updated, 2, &["verified"]).await;
    given.pass(24 * 3600).await;
    assert!(!given.waits().await, "it is given up");
}

#[tokio::test]
async fn after_a_crash_between_the_link_and_the_news_of_it_the_news_is_told() {
    let system = System::new(UNGUARDED, STRONG);
    let mut given = Given::new(&[("security", &system, gated())]);
    let queue = Arc::new(Queue { store: given.store.clone(), down: AtomicBool::new(true) });
    Arc::get_mut(&mut given.desk).unwrap().enqueue = queue.clone();
    given.tell(MessageKind::Opened, 1, &["held"]).await;
    let due = given.store.due(given.desk.clock.now()).await.unwrap();
    assert!(deliver(&given.desk, due).await.is_err());
    assert_eq!(given.link().await.unwrap().state, LinkState::Linked);
    assert_eq!(given.woken().await, []);
    queue.down.store(false, Ordering::SeqCst);
    given.round().await;
    assert_eq!(given.woken().await, the_ticket());
    assert_eq!((system.only().said.len(), system.count("open")), (1, 1));
    assert!(!given.waits().await);
}

#[tokio::test]
async fn who_keeps_no_tickets_opens_a_gate_by_taking_the_message() {
    let system = System::new(UNGUARDED, STRONG);
    let mut given = Given::new(&[("security", &system, gated())]);
    let inbox = Arc::new(Inbox { down: AtomicBool::new(true), taken: AtomicU32::new(0) });
    let desk = Arc::get_mut(&mut given.desk).unwrap();
    desk.sinks.get_mut(&sink("security")).unwrap().teller = Teller::Messages(inbox.clone());
    given.tell(MessageKind::Opened, 1, &["held"]).await;
    given.round().await;
    assert!(!given.link().await.is_some_and(|link| link.is_there()));
    assert_eq!(given.woken().await, []);
    inbox.down.store(false, Ordering::SeqCst);
    given.pass(5).await;
    assert_eq!(given.link().await.unwrap().state, LinkState::Linked);
    assert_eq!(given.woken().await, the_ticket());
    given.tell(MessageKind::Updated, 2, &["verified"]).await;
    given.round().await;
    assert_eq!(inbox.taken.load(Ordering::SeqCst), 2);
    assert!(!given.waits().await);
}
