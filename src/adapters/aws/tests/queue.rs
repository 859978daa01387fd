//! The queues as the emulator keeps them, and as they are when they refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::{connected, emulated, new_name};
use crate::adapters::aws::queue::WorkQueue;
use crate::adapters::behaviour::{at, tenant};
use crate::adapters::testing::{Asked, Server, ok};
use crate::domain::finding::testing::{CONTOSO, WOODGROVE};
use crate::domain::signal::Signal;
use crate::domain::work::Work;
use crate::ports::{Enqueue as _, Failure, Forward as _, Later as _};
use crate::wire::{Verified, schedule};

struct Given {
    client: Client,
    work: String,
    later: String,
    queue: WorkQueue,
}

async fn given() -> Given {
    let config = emulated().await;
    let client = Client::new(&config);
    let fifo = client
        .create_queue()
        .queue_name(format!("{}.fifo", new_name("work")))
        .attributes(QueueAttributeName::FifoQueue, "true");
    let work = fifo.send().await.unwrap().queue_url.unwrap();
    let later = client.create_queue().queue_name(new_name("later")).send().await.unwrap();
    let later = later.queue_url.unwrap();
    let queue = WorkQueue::new(&config, &work, Some(&later));
    Given { client, work, later, queue }
}

impl Given {
    /// What a worker gets from a queue now, with the message's id.
    async fn received(&self, queue: &str) -> Vec<(Work, String, String)> {
        let receive = self.client.receive_message().queue_url(queue).max_number_of_messages(10);
        let got = receive.send().await.unwrap();
        let message = |message: aws_sdk_sqs::types::Message| {
            let body = message.body.unwrap();
            (serde_json::from_str(&body).unwrap(), body, message.message_id.unwrap())
        };
        got.messages.unwrap_or_default().into_iter().map(message).collect()
    }

    async fn work(&self) -> Vec<Work> {
        self.received(&self.work).await.into_iter().map(|(work, ..)| work).collect()
    }

    /// How many messages wait for their delay.
    async fn delayed(&self) -> String {
        let name = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
        let ask = self.client.get_queue_attributes().queue_url(&self.later);
        let got = ask.attribute_names(name.clone()).send().await.unwrap();
        got.attributes.unwrap()[&name].clone()
    }
}

fn signal(id: &str, seconds: i64) -> Verified<Signal> {
    schedule::sweep(tenant(id), at(seconds))
}

#[tokio::test]
async fn a_signal_comes_out_as_it_went_in_and_once() {
    let given = given().await;
    let sent = signal(WOODGROVE, 0);
    given.queue.enqueue(vec![sent.clone(), sent.clone()]).await.unwrap();
    given.queue.enqueue(vec![sent.clone()]).await.unwrap();
    let work = given.work().await;
    let [Work::Signal(envelope)] = work.as_slice() else { panic!("{work:?}") };
    assert_eq!(envelope.clone().signal(), sent.into_inner());
}

#[tokio::test]
async fn a_request_with_many_signals_is_sent_whole() {
    let given = given().await;
    let signals = (0..35).map(|n| signal(WOODGROVE, n * 60)).collect();
    given.queue.enqueue(signals).await.unwrap();
    let mut work = 0;
    loop {
        let receive = given.client.receive_message().queue_url(&given.work);
        let got = receive.max_number_of_messages(10).send().await.unwrap();
        let messages = got.messages.unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        work += messages.len();
        for message in messages {
            let handle = message.receipt_handle.unwrap();
            let delete = given.client.delete_message().queue_url(&given.work);
            delete.receipt_handle(handle).send().await.unwrap();
        }
    }
    assert_eq!(work, 35);
}

#[tokio::test]
async fn tenants_do_not_wait_for_each_other() {
    let given = given().await;
    given.queue.enqueue(vec![signal(WOODGROVE, 0)]).await.unwrap();
    assert_eq!(given.work().await.len(), 1, "and it is not done yet");
    given.queue.enqueue(vec![signal(WOODGROVE, 60), signal(CONTOSO, 60)]).await.unwrap();
    let next: Vec<String> =
        given.work().await.iter().map(|work| work.tenant().to_string()).collect();
    assert_eq!(next, [CONTOSO], "the work of one tenant is serial");
}

#[tokio::test]
async fn what_is_due_goes_to_the_worker_and_what_is_not_waits() {
    let given = given().await;
    for _ in 0..2 {
        given.queue.see_to(tenant(WOODGROVE), at(0), at(0)).await.unwrap();
    }
    assert_eq!(given.work().await, [Work::due(tenant(WOODGROVE))]);
    given.queue.see_to(tenant(CONTOSO), at(30), at(0)).await.unwrap();
    given.queue.see_to(tenant(CONTOSO), at(900), at(0)).await.unwrap();
    given.queue.see_to(tenant(CONTOSO), at(901), at(0)).await.unwrap();
    assert_eq!(given.work().await, []);
    assert_eq!(given.delayed().await, "2", "what lies further ahead is the sweep's");
    let door = WorkQueue::new(&emulated().await, &given.work, None);
    door.see_to(tenant(CONTOSO), at(30), at(0)).await.unwrap();
    assert_eq!(given.delayed().await, "2");
}

#[tokio::test]
async fn what_has_waited_is_moved_once_however_often_it_is_delivered() {
    let given = given().await;
    let work = Work::due(tenant(WOODGROVE));
    for _ in 0..2 {
        given.queue.forward("message-1", &work).await.unwrap();
    }
    assert_eq!(given.work().await, [work]);
}

/// A queue of our own that refuses some messages of each batch, by their places.
async fn refusing(
    refuse: impl Fn(usize) -> Vec<Value> + Send + Sync + 'static,
) -> (Server, WorkQueue) {
    let batches = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |asked: &Asked| {
        let asked: Value = serde_json::from_slice(&asked.body).unwrap();
        let failed = refuse(batches.fetch_add(1, Ordering::SeqCst));
        let ids: Vec<&Value> = failed.iter().map(|failed| &failed["Id"]).collect();
        let entries = asked["Entries"].as_array().unwrap();
        let taken = entries.iter().filter(|entry| !ids.contains(&&entry["Id"]));
        let taken: Vec<Value> = taken
            .map(|entry| {
                let body = aws_lc_rs::digest::digest(
                    &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
                    entry["MessageBody"].as_str().unwrap().as_bytes(),
                );
                let digest = crate::domain::id::hex(body.as_ref());
                json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": digest[..32]})
            })
            .collect();
        ok(&json!({"Successful": taken, "Failed": failed}))
    })
    .await;
    let config = connected(server.origin.as_str()).await;
    let queue = WorkQueue::new(&config, "http://127.0.0.1/1/work.fifo", None);
    (server, queue)
}

fn fault(id: &str, sender: bool) -> Value {
    let code = if sender { "InvalidMessageContents" } else { "ThrottlingException" };
    json!({"Id": id, "Code": code, "SenderFault": sender, "Message": "no"})
}

#[tokio::test]
async fn what_of_a_batch_is_refused_is_sent_once_more_by_itself() {
    let (server, queue) =
        refusing(
            |batch| {
                if batch == 0 { vec![fault("1", false), fault("2", false)] } else { vec![] }
            },
        )
        .await;
    queue.enqueue((0..4).map(|n| signal(WOODGROVE, n * 60)).collect()).await.unwrap();
    let asked = server.asked();
    let sent = |at: usize| -> Value { serde_json::from_slice(&asked[at].body).unwrap() };
    assert_eq!(asked.len(), 2);
    let bodies = |at: usize| -> Vec<Value> {
        sent(at)["Entries"].as_array().unwrap().iter().map(|e| e["MessageBody"].clone()).collect()
    };
    assert_eq!(bodies(1), bodies(0)[1..3]);
}

#[tokio::test]
async fn what_stays_refused_is_an_error() {
    let (server, queue) = refusing(|_| vec![fault("0", false)]).await;
    let error = queue.enqueue(vec![signal(WOODGROVE, 0)]).await.unwrap_err();
    assert_eq!((error.kind, server.asked().len()), (Failure::Throttled(None), 2));
    assert_eq!(error.said, "the work queue refused 1 of 1 messages: ThrottlingException");
    let (server, queue) = refusing(|_| vec![fault("0", true)]).await;
    let error = queue.enqueue(vec![signal(WOODGROVE, 0)]).await.unwrap_err();
    assert_eq!((error.kind, server.asked().len()), (Failure::Refused, 1));
}
