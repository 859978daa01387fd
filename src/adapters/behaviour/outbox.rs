//! Messages out: order within a ticket, independence between tickets, retries and burials.

use super::ledger::case;
use super::{Given, Store, at};
use crate::domain::finding::Severity;
use crate::domain::finding::testing::noon;
use crate::domain::id::SinkName;
use crate::domain::plan::StepState;
use crate::domain::ticket::{Content, Message, MessageKind, Party};
use crate::ports::{Conclusion, Delivery, Ledger as _, Outbox as _};

/// A message of a ticket, decided on some seconds after noon.
fn message(sink: &str, ticket: &str, number: u32, seconds: i64) -> Message {
    let party = || Party { id: None, name: "Woodgrove".to_owned() };
    Message {
        sink: Some(SinkName(sink.to_owned())),
        id: format!("{sink}-{ticket}-{number}"),
        kind: MessageKind::Updated,
        timestamp: at(seconds),
        data: Content {
            key: ticket.to_owned(),
            title: format!("number {number}"),
            body: String::new(),
            severity: Severity::High,
            tenant: party(),
            partner: party(),
            findings: Vec::new(),
            steps: Vec::new(),
            decision_url: None,
            record: "rec-1".to_owned(),
        },
    }
}

impl<S: Store> Given<S> {
    /// Puts messages into the outbox as a look does.
    async fn put(&self, messages: &[Message]) {
        let case = case(StepState::Held);
        let cases = vec![(case, None, messages.to_vec())];
        self.store.conclude(Conclusion { cases, ..Conclusion::default() }).await.unwrap();
    }

    /// What is due some seconds after noon.
    async fn due(&self, seconds: i64) -> Vec<Delivery> {
        self.store.due(at(seconds)).await.unwrap()
    }

    async fn next_delivery(&self) -> Option<i64> {
        let due = self.store.next_delivery().await.unwrap();
        due.map(|due| due.as_second() - noon().as_second())
    }
}

fn ids(due: &[Delivery]) -> Vec<&str> {
    due.iter().map(|delivery| delivery.id.as_str()).collect()
}

pub(in crate::adapters) async fn a_message_is_handed_out_as_it_was_written<S: Store>() {
    let given = Given::<S>::new().await;
    let written = message("security", "a", 1, 0);
    given.put(std::slice::from_ref(&written)).await;
    assert!(given.store.due(at(-1)).await.unwrap().is_empty());
    let delivery = given.store.due(at(0)).await.unwrap().remove(0);
    assert_eq!((delivery.sink.0.as_str(), delivery.id.as_str()), ("security", "security-a-1"));
    assert_eq!(delivery.body, serde_json::to_string(&written).unwrap());
    assert_eq!(delivery.attempts, 0);
}

pub(in crate::adapters) async fn the_messages_of_a_ticket_go_out_in_order<S: Store>() {
    let given = Given::<S>::new().await;
    given.put(&[message("security", "a", 1, 0), message("security", "a", 2, 0)]).await;
    let due = given.due(0).await;
    assert_eq!(ids(&due), ["security-a-1"]);
    given.store.failed(&due[0], Some(at(60)), "503").await.unwrap();
    assert_eq!(given.due(59).await, [], "the second does not overtake the first");
    assert_eq!(given.next_delivery().await, Some(60));
    let due = given.due(60).await;
    assert_eq!((ids(&due), due[0].attempts), (vec!["security-a-1"], 1));
    given.store.delivered(&due[0]).await.unwrap();
    let due = given.due(60).await;
    assert_eq!((ids(&due), due[0].attempts), (vec!["security-a-2"], 0));
    given.store.delivered(&due[0]).await.unwrap();
    assert_eq!((given.due(1000).await, given.next_delivery().await), (vec![], None));
    assert_eq!(given.at_hand.dead_letters().await, [[""; 4]; 0]);
}

pub(in crate::adapters) async fn tickets_do_not_wait_for_each_other<S: Store>() {
    let given = Given::<S>::new().await;
    let first = [message("security", "a", 1, 0), message("security", "a", 2, 0)];
    given.put(&first).await;
    given.put(&[message("security", "b", 1, 5), message("helpdesk", "a", 1, 6)]).await;
    let due = given.due(0).await;
    assert_eq!(ids(&due), ["security-a-1"]);
    given.store.failed(&due[0], Some(at(3600)), "503").await.unwrap();
    assert_eq!(given.next_delivery().await, Some(5));
    assert_eq!(ids(&given.due(10).await), ["security-b-1", "helpdesk-a-1"]);
}

pub(in crate::adapters) async fn a_message_is_put_once<S: Store>() {
    let given = Given::<S>::new().await;
    let once = message("security", "a", 1, 0);
    let again = Message { timestamp: at(9), ..once.clone() };
    given.put(&[once.clone(), again.clone()]).await;
    given.put(&[again]).await;
    let delivery = given.due(9).await.remove(0);
    assert_eq!(delivery.body, serde_json::to_string(&once).unwrap());
    given.store.delivered(&delivery).await.unwrap();
    assert_eq!((given.due(1000).await, given.next_delivery().await), (vec![], None));
}

pub(in crate::adapters) async fn a_message_given_up_is_buried_and_the_next_one_goes_out<
    S: Store,
>() {
    let given = Given::<S>::new().await;
    let first = message("security", "a", 1, 0);
    given.put(&[first.clone(), message("security", "a", 2, 0)]).await;
    let first_due = given.due(0).await.remove(0);
    given.store.failed(&first_due, None, "ticket sink security answered 410").await.unwrap();
    let body = serde_json::to_string(&first).unwrap();
    let expect = ["ticket", "security security-a-1", &body, "ticket sink security answered 410"];
    assert_eq!(given.at_hand.dead_letters().await, [expect]);
    assert_eq!(ids(&given.due(0).await), ["security-a-2"]);
}

pub(in crate::adapters) async fn messages_and_their_attempts_survive_a_crash<S: Store>() {
    let given = Given::<S>::new().await;
    given.put(&[message("security", "a", 1, 0), message("security", "a", 2, 0)]).await;
    let first_due = given.due(0).await.remove(0);
    given.store.failed(&first_due, Some(at(60)), "503").await.unwrap();
    let due = given.after_a_crash().await.due(60).await;
    assert_eq!((ids(&due), due[0].attempts), (vec!["security-a-1"], 1));
}

pub(in crate::adapters) async fn what_is_put_off_is_no_attempt<S: Store>() {
    let given = Given::<S>::new().await;
    given.put(&[message("security", "a", 1, 0)]).await;
    let due = given.due(0).await;
    given.store.put_off(&due[0], at(300)).await.unwrap();
    assert_eq!((given.due(299).await, given.next_delivery().await), (vec![], Some(300)));
    let due = given.due(300).await;
    assert_eq!((ids(&due), due[0].attempts), (vec!["security-a-1"], 0));
}

pub(in crate::adapters) async fn a_message_tells_whether_another_one_waits_behind_it<S: Store>() {
    let given = Given::<S>::new().await;
    let [first, second] = [message("security", "a", 1, 0), message("security", "a", 2, 60)];
    given.put(&[first, message("helpdesk", "a", 1, 0), second]).await;
    let due = given.due(0).await;
    let more: Vec<_> = due.iter().map(|it| (it.id.as_str(), it.more)).collect();
    assert!(more.contains(&("security-a-1", true)) && more.contains(&("helpdesk-a-1", false)));
    let first = due.iter().find(|it| it.more).unwrap();
    given.store.delivered(first).await.unwrap();
    assert!(!given.due(60).await[0].more);
}

pub(in crate::adapters) async fn what_is_passed_on_is_a_message_of_its_own<S: Store>() {
    let given = Given::<S>::new().await;
    given.put(&[message("security", "a", 1, 0)]).await;
    let due = given.due(0).await.remove(0);
    let (sink, id) = (SinkName("helpdesk".to_owned()), "b-1".to_owned());
    let other = Delivery { sink, ticket: "b".to_owned(), id, body: "{}".to_owned(), ..due.clone() };
    for _ in 0..2 {
        given.store.pass_on(&other, at(1)).await.unwrap();
    }
    given.store.failed(&due, Some(at(60)), "503").await.unwrap();
    let passed = given.due(1).await;
    assert_eq!((ids(&passed), passed[0].attempts), (vec!["b-1"], 0));
    assert_eq!((passed[0].sink.0.as_str(), passed[0].body.as_str()), ("helpdesk", "{}"));
    given.store.delivered(&passed[0]).await.unwrap();
    assert_eq!(ids(&given.due(60).await), ["security-a-1"], "the first one waits all the same");
}
