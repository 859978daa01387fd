//! The dead letters of the work queue, as a worker writes to them.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;

use super::failed;
use crate::domain::id::Sha256Hex;
use crate::ports::{Bury, Failure, PortError};

/// Most bytes of a reason.
const REASON_MAX: usize = 1024;

/// The queue of dead letters, which is FIFO like that of work.
pub struct DeadLetters {
    client: Client,
    url: String,
}

impl DeadLetters {
    /// The queue with this url.
    pub fn new(config: &SdkConfig, url: &str) -> Self {
        Self { client: Client::new(config), url: url.to_owned() }
    }
}

#[async_trait]
impl Bury for DeadLetters {
    async fn bury(&self, id: &str, group: &str, body: &str, why: &str) -> Result<(), PortError> {
        let reason = MessageAttributeValue::builder().data_type("String").string_value(short(why));
        let reason = reason.build().map_err(|error| {
            PortError::new(Failure::Refused, "a reason cannot be written").because(error)
        })?;
        // An empty body is refused.
        let body = if body.is_empty() { " " } else { body };
        let message = self.client.send_message().queue_url(&self.url).message_body(body);
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
