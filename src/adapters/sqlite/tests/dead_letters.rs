//! The way back from the dead letters.

use jiff::SignedDuration;

use super::*;
use crate::ports::{
    DeadLetters as _, Delivery, EndLook as _, Kind, Outbox as _, Queue as _, Redriven, Retried,
};

const LEASE: SignedDuration = SignedDuration::from_mins(15);

/// Buries a look by trying it too often.
async fn bury_a_look(given: &Given) {
    given.store.enqueue(vec![signal(WOODGROVE, "a", at(0))]).await.unwrap();
    loop {
        let look = given.store.claim(at(1), LEASE, &[]).await.unwrap().unwrap();
        if given.store.retry(&look, at(1), "Graph is away").await.unwrap() == Retried::Buried {
            return;
        }
    }
}

#[tokio::test]
async fn a_look_is_put_back_with_its_signal() {
    let given = given();
    bury_a_look(&given).await;
    let letters = given.store.dead_letters().await.unwrap();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((letter.kind, letter.reason.as_str()), (Kind::Look, "Graph is away"));
    assert_eq!(given.store.next_due().await.unwrap(), None);

    assert_eq!(given.store.redrive(letter.number, at(9)).await.unwrap(), Redriven::PutBack);
    let after = given.after_a_crash().store;
    assert_eq!(after.dead_letters().await.unwrap(), []);
    let look = after.claim(at(9), LEASE, &[]).await.unwrap().unwrap();
    assert_eq!((look.tenant, look.waiting.len()), (tenant(WOODGROVE), 1));
    assert_eq!((look.waiting[0].signals, look.waiting[0].attempts), (1, 1));
    let first = look.waiting[0].first.clone().unwrap().signal();
    assert_eq!(first.what, "Add member to role");
    assert_eq!(after.redrive(letter.number, at(9)).await.unwrap(), Redriven::Absent);
}

#[tokio::test]
async fn a_look_joins_what_waits_already() {
    let given = given();
    bury_a_look(&given).await;
    given.store.enqueue(vec![signal(WOODGROVE, "a", at(5))]).await.unwrap();
    let number = given.store.dead_letters().await.unwrap()[0].number;
    assert_eq!(given.store.redrive(number, at(9)).await.unwrap(), Redriven::PutBack);
    let look = given.store.claim(at(9), LEASE, &[]).await.unwrap().unwrap();
    assert_eq!((look.waiting.len(), look.waiting[0].signals), (1, 2));
}

#[tokio::test]
async fn a_message_is_put_back_byte_for_byte() {
    let given = given();
    let body = r#"{"type":"ticket.opened", "data":{"key":"the key"}}"#;
    given
        .sql(
            r#"INSERT INTO outbox VALUES (7, 'security', 'the key', 'msg_1',
               '{"type":"ticket.opened", "data":{"key":"the key"}}', 0, 3)"#,
        )
        .await;
    let due = given.store.due(at(1)).await.unwrap();
    given.store.failed(&due[0], None, "the sink is away").await.unwrap();
    assert_eq!(given.store.due(at(1)).await.unwrap(), []);
    let letters = given.store.dead_letters().await.unwrap();
    assert_eq!((letters[0].kind, letters[0].what.as_str()), (Kind::Ticket, "security msg_1"));

    let redriven = given.store.redrive(letters[0].number, at(9)).await.unwrap();
    assert_eq!(redriven, Redriven::PutBack);
    let due = given.after_a_crash().store.due(at(9)).await.unwrap();
    let [Delivery { sink, id, body: sent, attempts, .. }] = due.as_slice() else {
        panic!("{due:?}")
    };
    assert_eq!((sink.0.as_str(), id.as_str(), *attempts), ("security", "msg_1", 0));
    assert_eq!(sent, body);
    assert_eq!(given.number("SELECT COUNT(*) FROM outbox WHERE ticket = 'the key'").await, 1);
}

#[tokio::test]
async fn what_cannot_be_read_stays_where_it_is() {
    let given = given();
    given
        .sql(
            "INSERT INTO dead_letters VALUES (1, 0, 'look', 'nonsense', '', 'why');
             INSERT INTO dead_letters VALUES (2, 0, 'ticket', 'security msg_1', '{}', 'why');",
        )
        .await;
    for number in [1, 2] {
        assert_eq!(given.store.redrive(number, at(9)).await.unwrap(), Redriven::Unreadable);
    }
    assert_eq!(given.store.dead_letters().await.unwrap().len(), 2);
    assert_eq!(given.store.redrive(3, at(9)).await.unwrap(), Redriven::Absent);
}
