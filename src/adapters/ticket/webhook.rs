//! The generic ticket sink: a POST signed by Standard Webhooks. Any 2xx is acceptance.
//!
//! Of the policy's templates `data.title` and `data.body` are made; all else is the message's.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::Making;
use super::call::{Caller, Does};
use crate::domain::sink::{self, Common};
use crate::domain::ticket::said::worded;
use crate::ports::Delivery;
use crate::ports::ticket::{Class, Notify, SinkError};
use crate::wire::standard_webhooks::WebhookSecret;

/// Where the sink is, and the key it knows us by.
pub struct Webhook {
    caller: Caller,
    url: Url,
    key: WebhookSecret,
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
        Ok(Self { caller, url, key, common: making.common.clone() })
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
        // The timestamp is that of the attempt, so each attempt has its own signature.
        let signature = self.key.sign(&delivery.id, now, body.as_bytes());
        let answer = self
            .caller
            .any(Does::Writes, |client| {
                client
                    .post(self.url.clone())
                    .header(CONTENT_TYPE, "application/json")
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
