//! Messages out: order within a ticket, independence between tickets, retries and burials.

use super::*;
use crate::adapters::sqlite::outbox::put;
use crate::domain::finding::Severity;
use crate::domain::id::SinkName;
use crate::domain::ticket::{Content, Message, MessageKind, Party};
use crate::ports::Outbox as _;

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
            record: "rec-1".to_owned(),
        },
    }
}

impl Given {
    async fn put(&self, messages: &[Message]) {
        let messages = messages.to_vec();
        self.store
            .run(move |db| messages.iter().try_for_each(|message| put(db, message)))
            .await
            .unwrap();
    }

    /// What is due some seconds after noon: place, id and attempts of each.
    async fn due(&self, seconds: i64) -> Vec<(i64, String, u32)> {
        let due = self.store.due(at(seconds)).await.unwrap();
        due.into_iter().map(|delivery| (delivery.number, delivery.id, delivery.attempts)).collect()
    }

    async fn next_delivery(&self) -> Option<i64> {
        let due = self.store.next_delivery().await.unwrap();
        due.map(|due| due.as_second() - noon().as_second())
    }
}

fn ids(due: &[(i64, String, u32)]) -> Vec<&str> {
    due.iter().map(|(_, id, _)| id.as_str()).collect()
}

#[tokio::test]
async fn a_message_is_handed_out_as_it_was_written() {
    let given = given();
    let written = message("security", "a", 1, 0);
    given.put(std::slice::from_ref(&written)).await;
    assert!(given.store.due(at(-1)).await.unwrap().is_empty());
    let delivery = given.store.due(at(0)).await.unwrap().remove(0);
    assert_eq!((delivery.sink.0.as_str(), delivery.id.as_str()), ("security", "security-a-1"));
    assert_eq!(delivery.body, serde_json::to_string(&written).unwrap());
    assert_eq!(delivery.attempts, 0);
}

#[tokio::test]
async fn the_messages_of_a_ticket_go_out_in_order() {
    let given = given();
    given.put(&[message("security", "a", 1, 0), message("security", "a", 2, 0)]).await;
    let due = given.due(0).await;
    assert_eq!(ids(&due), ["security-a-1"]);
    given.store.failed(due[0].0, Some(at(60)), "503").await.unwrap();
    assert_eq!(given.due(59).await, [], "the second does not overtake the first");
    assert_eq!(given.next_delivery().await, Some(60));
    let due = given.due(60).await;
    assert_eq!((ids(&due), due[0].2), (vec!["security-a-1"], 1));
    given.store.delivered(due[0].0).await.unwrap();
    let due = given.due(60).await;
    assert_eq!((ids(&due), due[0].2), (vec!["security-a-2"], 0));
    given.store.delivered(due[0].0).await.unwrap();
    assert_eq!((given.due(1000).await, given.next_delivery().await), (vec![], None));
    assert_eq!(given.dead_letters().await, [[""; 4]; 0]);
}

#[tokio::test]
async fn tickets_do_not_wait_for_each_other() {
    let given = given();
    let first = [message("security", "a", 1, 0), message("security", "a", 2, 0)];
    given.put(&first).await;
    given.put(&[message("security", "b", 1, 5), message("helpdesk", "a", 1, 6)]).await;
    let due = given.due(0).await;
    assert_eq!(ids(&due), ["security-a-1"]);
    given.store.failed(due[0].0, Some(at(3600)), "503").await.unwrap();
    assert_eq!(given.next_delivery().await, Some(5));
    assert_eq!(ids(&given.due(10).await), ["security-b-1", "helpdesk-a-1"]);
}

#[tokio::test]
async fn a_message_is_put_once() {
    let given = given();
    let once = message("security", "a", 1, 0);
    let again = Message { timestamp: at(9), ..once.clone() };
    given.put(&[once.clone(), again]).await;
    assert_eq!(given.number("SELECT COUNT(*) FROM outbox").await, 1);
    let delivery = given.store.due(at(0)).await.unwrap().remove(0);
    assert_eq!(delivery.body, serde_json::to_string(&once).unwrap());
}

#[tokio::test]
async fn a_message_given_up_is_buried_and_the_next_one_goes_out() {
    let given = given();
    let first = message("security", "a", 1, 0);
    given.put(&[first.clone(), message("security", "a", 2, 0)]).await;
    let number = given.due(0).await[0].0;
    given.store.failed(number, None, "ticket sink security answered 410").await.unwrap();
    let body = serde_json::to_string(&first).unwrap();
    let expect = ["ticket", "security security-a-1", &body, "ticket sink security answered 410"];
    assert_eq!(given.dead_letters().await, [expect]);
    assert_eq!(ids(&given.due(0).await), ["security-a-2"]);
}

#[tokio::test]
async fn messages_and_their_attempts_survive_a_crash() {
    let given = given();
    given.put(&[message("security", "a", 1, 0), message("security", "a", 2, 0)]).await;
    let number = given.due(0).await[0].0;
    given.store.failed(number, Some(at(60)), "503").await.unwrap();
    let due = given.after_a_crash().due(60).await;
    assert_eq!((ids(&due), due[0].2), (vec!["security-a-1"], 1));
}
