//! The queues as they are written to: the work queue, what is put off, and the dead letters.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use jiff::Timestamp;

use super::failed;
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::signal::{Envelope, Signal};
use crate::domain::work::Work;
use crate::ports::{Bury, Enqueue, Failure, Forward, Later, PortError};
use crate::wire::Verified;

/// Most messages of one sending (`SendMessageBatch` of the Amazon SQS API reference).
const BATCH_MAX: usize = 10;

/// Most bytes of one sending; the limit is 1 MiB, of which the keys take some too.
const BATCH_BYTES: usize = 900 * 1024;

/// The longest delay of a message, in seconds.
const DELAY_MAX: i32 = 900;

/// Most bytes of a reason.
const REASON_MAX: usize = 1024;

/// The queues: that of work and that of dead letters are FIFO, with the tenant for a message
/// group; the other is not, since FIFO queues know no delay for a single message.
pub struct WorkQueue {
    /// The client.
    pub client: Client,
    /// The url of the work queue.
    pub work: String,
    /// The url of the queue of what is put off.
    pub later: String,
    /// The url of the queue of dead letters.
    pub dead: String,
}

#[async_trait]
impl Enqueue for WorkQueue {
    async fn enqueue(&self, signals: Vec<Verified<Signal>>) -> Result<(), PortError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (number, signal) in signals.into_iter().enumerate() {
            let signal = signal.into_inner();
            let group = signal.tenant.to_string();
            // The same bytes a minute later are another reason to look: the state may have changed
            // between them. Only one and the same sending is sent once.
            let id = once(&format!("{} {} {number}", signal.digest, signal.received_at));
            let work = Work::Signal(Envelope::V1 { signal });
            let body = written(&work)?;
            if batch.len() == BATCH_MAX || (bytes + body.len() > BATCH_BYTES && !batch.is_empty()) {
                self.send(std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
            bytes += body.len();
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
            let entry = entry.message_group_id(group).message_deduplication_id(id);
            batch.push(entry.message_body(body).build().map_err(unmade)?);
        }
        if batch.is_empty() { Ok(()) } else { self.send(batch).await }
    }
}

impl WorkQueue {
    /// Sends a batch; all of it or an error.
    async fn send(&self, batch: Vec<SendMessageBatchRequestEntry>) -> Result<(), PortError> {
        let batch = self.client.send_message_batch().queue_url(&self.work).set_entries(Some(batch));
        let sent =
            batch.send().await.map_err(|error| failed("sending to the work queue", error))?;
        match sent.failed.first() {
            None => Ok(()),
            Some(entry) => {
                let code = entry.code();
                let said = format!("sending to the work queue was answered with {code}");
                Err(PortError::new(Failure::Transient, said))
            }
        }
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
        let seconds = (at.duration_since(now).as_millis().max(0) + 999) / 1000;
        let Some(delay) = i32::try_from(seconds).ok().filter(|delay| *delay <= DELAY_MAX) else {
            return Ok(());
        };
        let message = self.client.send_message().queue_url(&self.later).delay_seconds(delay);
        let sent = message.message_body(written(&Work::due(tenant))?).send().await;
        sent.map(drop).map_err(|error| failed("sending to the queue of what is put off", error))
    }
}

fn written(work: &Work) -> Result<String, PortError> {
    serde_json::to_string(work)
        .map_err(|error| PortError::new(Failure::Refused, "work cannot be written").because(error))
}

fn unmade(error: aws_sdk_sqs::error::BuildError) -> PortError {
    PortError::new(Failure::Refused, "a message cannot be put together").because(error)
}

#[async_trait]
impl Forward for WorkQueue {
    async fn forward(&self, id: &str, work: &Work) -> Result<(), PortError> {
        let body = written(work)?;
        let message = self.client.send_message().queue_url(&self.work).message_body(body);
        let message = message.message_group_id(work.tenant().to_string());
        let sent = message.message_deduplication_id(once(id)).send().await;
        sent.map(drop).map_err(|error| failed("sending to the work queue", error))
    }
}

#[async_trait]
impl Bury for WorkQueue {
    async fn bury(&self, id: &str, group: &str, body: &str, why: &str) -> Result<(), PortError> {
        let reason = MessageAttributeValue::builder().data_type("String").string_value(short(why));
        let reason = reason.build().map_err(unmade)?;
        // An empty body is refused.
        let body = if body.is_empty() { " " } else { body };
        let message = self.client.send_message().queue_url(&self.dead).message_body(body);
        let message = message.message_group_id(group).message_attributes("reason", reason);
        let sent = message.message_deduplication_id(once(id)).send().await;
        sent.map(drop).map_err(|error| failed("sending to the dead letters", error))
    }
}

/// An id as SQS takes it, whatever it is made of.
fn once(id: &str) -> String {
    Sha256Hex::of(id.as_bytes()).to_string()
}

fn short(why: &str) -> String {
    let end = why.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = end.take_while(|end| *end <= REASON_MAX).last().unwrap_or_default();
    if end == 0 { "no reason was given".to_owned() } else { why[..end].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_never_empty_and_never_cut_within_a_character() {
        assert_eq!(short(""), "no reason was given");
        assert_eq!(short("Graph is down"), "Graph is down");
        let long = "ü".repeat(1000);
        assert_eq!(short(&long).len(), REASON_MAX);
    }

    #[test]
    fn an_id_is_taken_by_the_queue_whatever_it_is_made_of() {
        assert_eq!(once("object-12ab-17/ä").len(), 64);
        assert_ne!(once("a"), once("b"));
    }
}
