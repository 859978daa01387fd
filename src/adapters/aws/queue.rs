//! The work queue: SQS FIFO, one message group for each tenant, so that a tenant's work is serial
//! and tenants do not wait for each other. What is to be done later waits in a standard queue,
//! since a FIFO queue cannot delay single messages, and is forwarded from there.
//!
//! Source: Amazon SQS Developer Guide, "Amazon SQS FIFO queues", "Amazon SQS message quotas".

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};

use super::{failed, kind};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::signal::{Envelope, Initiator, Signal, Subject};
use crate::domain::work::Work;
use crate::ports::{Enqueue, Failure, Forward, Later, PortError};
use crate::wire::Verified;

/// Most messages of one batch.
const BATCH_MAX: usize = 10;

/// Most bytes of one batch. SQS takes 1 MiB, and took 256 KiB before August 2025.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Batches under way at once.
const AT_ONCE: usize = 8;

/// The longest that a message can wait in a queue.
const DELAY_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Bytes alike that name no event count as the same for so long. Two changes to one object may be
/// told in the same bytes: a longer time than that of the settling look would hide the second one.
const SAME_BYTES_WITHIN: i64 = 60;

/// The queues that work waits in.
pub struct WorkQueue {
    client: Client,
    work: String,
    later: Option<String>,
}

/// A message for the work queue.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Posted {
    body: String,
    group: String,
    /// What within five minutes is taken once.
    once: String,
}

impl WorkQueue {
    /// The FIFO queue and, for who works, the standard queue of what is to be done later; by url.
    pub fn new(config: &SdkConfig, work: &str, later: Option<&str>) -> Self {
        Self { client: Client::new(config), work: work.to_owned(), later: later.map(str::to_owned) }
    }

    async fn post(&self, message: Posted) -> Result<(), PortError> {
        self.client
            .send_message()
            .queue_url(&self.work)
            .message_body(message.body)
            .message_group_id(message.group)
            .message_deduplication_id(message.once)
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("sending to the work queue", error))
    }

    /// Sends a batch whole. What of it was refused is sent once more by itself.
    async fn send(&self, mut batch: Vec<Posted>) -> Result<(), PortError> {
        let mut again = true;
        loop {
            let entries = batch.iter().enumerate().map(|(at, message)| {
                SendMessageBatchRequestEntry::builder()
                    .id(at.to_string())
                    .message_body(&message.body)
                    .message_group_id(&message.group)
                    .message_deduplication_id(&message.once)
                    .build()
            });
            let entries = entries.collect::<Result<Vec<_>, _>>().map_err(|error| {
                PortError::new(Failure::Refused, "a batch cannot be made").because(error)
            })?;
            let batched = self.client.send_message_batch().queue_url(&self.work);
            let sent = batched.set_entries(Some(entries)).send().await;
            let sent = sent.map_err(|error| failed("sending to the work queue", error))?;
            let Some(refused) = sent.failed().first() else { return Ok(()) };
            if !again || refused.sender_fault() {
                let (kind, _) = kind(refused.code());
                let kind = if refused.sender_fault() { Failure::Refused } else { kind };
                let said = format!(
                    "the work queue refused {} of {} messages: {}",
                    sent.failed().len(),
                    batch.len(),
                    refused.code()
                );
                return Err(PortError::new(kind, said));
            }
            let refused: BTreeSet<usize> =
                sent.failed().iter().filter_map(|entry| entry.id().parse().ok()).collect();
            let mut at = 0..;
            batch.retain(|_| at.next().is_some_and(|at| refused.contains(&at)));
            again = false;
        }
    }
}

#[async_trait]
impl Enqueue for WorkQueue {
    /// All of it or an error. After an error some may be in the queue; sent again, they are known
    /// again.
    async fn enqueue(&self, signals: Vec<Verified<Signal>>) -> Result<(), PortError> {
        let signals = signals.into_iter().map(Verified::into_inner);
        let messages = signals.map(posted).collect::<Result<Vec<Posted>, PortError>>()?;
        let sends = batches(messages).into_iter().map(|batch| self.send(batch));
        futures_util::stream::iter(sends).buffer_unordered(AT_ONCE).try_collect().await
    }
}

#[async_trait]
impl Forward for WorkQueue {
    async fn forward(&self, id: &str, work: &Work) -> Result<(), PortError> {
        self.post(Posted {
            body: written(work)?,
            group: work.tenant().to_string(),
            once: Sha256Hex::of_fields(&["forwarded/v1", id]).to_string(),
        })
        .await
    }
}

#[async_trait]
impl Later for WorkQueue {
    async fn see_to(
        &self,
        tenant: TenantId,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let wait = at.duration_since(now);
        let body = written(&Work::due(tenant))?;
        if wait <= SignedDuration::ZERO {
            let fields = ["due/v1", &tenant.to_string(), &at.as_millisecond().to_string()];
            let once = Sha256Hex::of_fields(&fields).to_string();
            return self.post(Posted { body, group: tenant.to_string(), once }).await;
        }
        let Some(later) = self.later.as_ref().filter(|_| wait <= DELAY_MAX) else { return Ok(()) };
        // Rounded up: what comes too early finds nothing due.
        let seconds = wait.as_secs() + i64::from(wait.subsec_nanos() > 0);
        self.client
            .send_message()
            .queue_url(later)
            .message_body(body)
            .delay_seconds(i32::try_from(seconds).unwrap_or(i32::MAX))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("sending to the queue of what is to be done later", error))
    }
}

/// A signal as the queue takes it.
fn posted(signal: Signal) -> Result<Posted, PortError> {
    let (group, once) = (signal.tenant.to_string(), once(&signal));
    let body = written(&Work::Signal(Box::new(Envelope::V1 { signal })))?;
    Ok(Posted { body, group, once })
}

/// What makes two signals the same: tenant, subject, sender, the event's id or else its bytes, and
/// whatever else weighs in whether it is a reason to look, so that nothing that is one is taken for
/// the repetition of something that is none. That another sender brought an event too is to be
/// known.
fn once(signal: &Signal) -> String {
    let minute = signal.received_at.as_second().div_euclid(SAME_BYTES_WITHIN);
    let bytes = ("bytes", signal.digest.as_str(), minute);
    let event = signal.event_id.as_deref().map(|event| ("event", event, 0));
    let (kind, event, time) = event.unwrap_or(bytes);
    let (tenant, subject) = (signal.tenant.to_string(), signal.subject.as_str());
    let (sender, time) = (signal.sender.name(), time.to_string());
    let removal = if signal.removal { "removal" } else { "" };
    let by = match &signal.initiator {
        None => "",
        Some(Initiator::OurApp) => "our app",
        Some(Initiator::ServicePrincipal(id)) => id.as_str(),
    };
    let content = signal.content_uri.as_deref().unwrap_or_default();
    let about: Vec<&str> = signal.about.iter().map(Subject::as_str).collect();
    let about = about.join(",");
    let fields =
        ["signal/v4", &tenant, subject, sender, kind, event, &time, removal, &about, by, content];
    Sha256Hex::of_fields(&fields).to_string()
}

/// Messages in batches that SQS takes, each message once.
fn batches(messages: Vec<Posted>) -> Vec<Vec<Posted>> {
    let mut seen = BTreeSet::new();
    let mut batches: Vec<Vec<Posted>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        if !seen.insert(message.once.clone()) {
            continue;
        }
        match batches.last_mut() {
            Some(last)
                if last.len() < BATCH_MAX && bytes + message.body.len() <= BATCH_BYTES_MAX =>
            {
                bytes += message.body.len();
                last.push(message);
            }
            _ => {
                bytes = message.body.len();
                batches.push(vec![message]);
            }
        }
    }
    batches
}

fn written(work: &Work) -> Result<String, PortError> {
    serde_json::to_string(work).map_err(|error| {
        PortError::new(Failure::Refused, "a message cannot be written").because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{CONTOSO, WOODGROVE, noon};
    use crate::domain::signal::{Sender, Subject};

    fn signal(tenant: &str, subject: &str, event: Option<&str>, seconds: i64) -> Signal {
        Signal {
            tenant: tenant.parse().unwrap(),
            sender: Sender::Audit,
            what: "Add member to role".to_owned(),
            subject: Subject::object(subject),
            event_id: event.map(str::to_owned),
            event_at: None,
            received_at: Timestamp::from_second(noon().as_second() + seconds).unwrap(),
            digest: Sha256Hex::of(b"bytes"),
            initiator: None,
            removal: false,
            about: Vec::new(),
            content_uri: None,
        }
    }

    #[test]
    fn an_event_is_the_same_whenever_it_comes_and_another_is_another() {
        let is = |signal: &Signal| once(signal);
        let first = signal(WOODGROVE, "alice", Some("e-1"), 0);
        assert_eq!(is(&first), is(&signal(WOODGROVE, "alice", Some("e-1"), 299)));
        for other in [
            signal(WOODGROVE, "alice", Some("e-2"), 0),
            signal(WOODGROVE, "bob", Some("e-1"), 0),
            signal(CONTOSO, "alice", Some("e-1"), 0),
            signal(WOODGROVE, "alice", None, 0),
            Signal { sender: Sender::AuditLog, ..first.clone() },
            Signal { removal: true, ..first.clone() },
            Signal { about: vec![Subject::object("other")], ..first.clone() },
            Signal { initiator: Some(Initiator::OurApp), ..first.clone() },
            Signal { content_uri: Some("https://manage.example/x".to_owned()), ..first.clone() },
        ] {
            assert_ne!(is(&first), is(&other), "{other:?}");
        }
    }

    #[test]
    fn the_same_bytes_are_the_same_for_a_minute() {
        let at = |seconds| once(&signal(WOODGROVE, "alice", None, seconds));
        assert_eq!(at(0), at(59));
        assert_ne!(at(0), at(60));
    }

    #[test]
    fn batches_hold_ten_messages_and_no_message_twice() {
        let signals = (0..25).map(|n| signal(WOODGROVE, &format!("object {n}"), None, 0));
        let mut messages: Vec<Posted> = signals.map(|signal| posted(signal).unwrap()).collect();
        messages.push(messages[0].clone());
        let sizes: Vec<usize> = batches(messages).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }

    #[test]
    fn batches_stay_within_what_the_queue_takes() {
        let message = |n: usize| Posted {
            body: "x".repeat(100 * 1024),
            group: "t".to_owned(),
            once: n.to_string(),
        };
        let sizes: Vec<usize> =
            batches((0..5).map(message).collect()).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 2, 1]);
    }
}
