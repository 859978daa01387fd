//! The generic ticket sink: a POST signed by Standard Webhooks. Any 2xx is acceptance.
//!
//! Of the policy's templates `data.title` and `data.body` are made; all else is the message's.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use super::Making;
use super::call::{Caller, Does};
use crate::domain::sink::{self, Common, Format};
use crate::domain::ticket::said::worded;
use crate::ports::Delivery;
use crate::ports::ticket::{Class, Notify, SinkError};
use crate::wire::standard_webhooks::WebhookSecret;

/// Where the sink is, and the key it knows us by.
pub struct Webhook {
    caller: Caller,
    url: Url,
    key: WebhookSecret,
    format: Format,
    common: Common,
}

impl Webhook {
    /// The sink.
    ///
    /// # Errors
    /// What is wrong with its secret.
    pub fn new(settings: &sink::Webhook, making: &Making<'_>) -> Result<Self, String> {
        let key = WebhookSecret::parse(&making.secret("secret")?)
            .map_err(|error| format!("tickets.{}.secret is {error}", making.name))?;
        let url = settings.url.url().clone();
        // Its address, and what it answers, are nobody else's business.
        let caller = Caller::new(making.http.clone(), url.clone(), &making.name.0).wordless();
        let (format, common) = (settings.format, making.common.clone());
        Ok(Self { caller, url, key, format, common })
    }
}

#[async_trait]
impl Notify for Webhook {
    async fn preflight(&self) -> Result<String, SinkError> {
        Ok(format!(
            "messages go to {}; it cannot be asked without telling",
            self.url.origin().ascii_serialization()
        ))
    }

    async fn tell(&self, delivery: &Delivery, now: Timestamp) -> Result<(), SinkError> {
        let worded = worded(&delivery.id, &delivery.body, &self.common);
        let body = worded.as_ref().unwrap_or(&delivery.body);
        let (content_type, body) = match self.format {
            Format::StandardWebhooks => ("application/json", body.clone()),
            Format::CloudEvents => {
                let event = Event::of(delivery, body).and_then(|it| serde_json::to_string(&it));
                let event = event.map_err(|_| {
                    let said = "the message cannot be written as an event by this version";
                    SinkError::new(Class::Config, format!("ticket sink {}: {said}", delivery.sink))
                })?;
                ("application/cloudevents+json", event)
            }
        };
        // The timestamp is that of the attempt, so each attempt has its own signature.
        let signature = self.key.sign(&delivery.id, now, body.as_bytes());
        let answer = self
            .caller
            .any(Does::Writes, |client| {
                client
                    .post(self.url.clone())
                    .header(CONTENT_TYPE, content_type)
                    .header("webhook-id", &delivery.id)
                    .header("webhook-timestamp", now.as_second().to_string())
                    .header("webhook-signature", &signature)
                    .body(body.clone())
            })
            .await?;
        match answer.status.as_u16() {
            200..=299 => Ok(()),
            // The receiver tells repetitions apart, so that all but what it says for good is tried
            // again. 410 means that it wants nothing any more.
            410 => Err(self.caller.refused(Class::Gone, &answer)),
            401 | 403 => Err(self.caller.refused(Class::Auth, &answer)),
            429 => Err(self.caller.refused(Class::RateLimited(answer.retry_after()), &answer)),
            _ => Err(self.caller.refused(Class::Transient, &answer)),
        }
    }
}

/// A message as an event of CloudEvents 1.0: `source` and `id` together are the same for every
/// attempt, and those of no other message
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>).
#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'static str,
    data: &'a RawValue,
}

impl<'a> Event<'a> {
    fn of(delivery: &'a Delivery, body: &'a str) -> Result<Self, serde_json::Error> {
        /// What stands in a message beside what it tells.
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            timestamp: &'a str,
            #[serde(borrow)]
            data: &'a RawValue,
        }
        let Message { kind, timestamp, data } = serde_json::from_str(body)?;
        Ok(Self {
            specversion: "1.0",
            id: &delivery.id,
            source: format!("/partner-warden/{}", delivery.sink),
            kind: format!("partner-warden.{kind}"),
            subject: &delivery.ticket,
            time: timestamp,
            datacontenttype: "application/json",
            data,
        })
    }
}
