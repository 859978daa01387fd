//! The generic ticket sink: a POST signed by Standard Webhooks. Any 2xx is acceptance.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::Making;
use super::call::{Caller, Does};
use crate::domain::sink;
use crate::ports::Delivery;
use crate::ports::ticket::{Class, Notify, SinkError};
use crate::wire::standard_webhooks::WebhookSecret;

/// Where the sink is, and the key it knows us by.
pub struct Webhook {
    caller: Caller,
    url: Url,
    key: WebhookSecret,
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
        Ok(Self { caller, url, key })
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
        // The timestamp is that of the attempt, so each attempt has its own signature.
        let signature = self.key.sign(&delivery.id, now, delivery.body.as_bytes());
        let answer = self
            .caller
            .any(Does::Writes, |client| {
                client
                    .post(self.url.clone())
                    .header(CONTENT_TYPE, "application/json")
                    .header("webhook-id", &delivery.id)
                    .header("webhook-timestamp", now.as_second().to_string())
                    .header("webhook-signature", &signature)
                    .body(delivery.body.clone())
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
