//! The generic ticket sink: a POST signed by Standard Webhooks. Any 2xx is acceptance.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::http::Http;
use crate::domain::id::SinkName;
use crate::ports::{Delivery, Failure, PortError, SendTicket};
use crate::wire::standard_webhooks::WebhookSecret;

/// Where each sink is, and the key it knows us by.
pub struct Webhooks {
    http: Http,
    sinks: BTreeMap<SinkName, (Url, WebhookSecret)>,
}

impl Webhooks {
    /// The sinks of a policy.
    pub fn new(http: Http, sinks: BTreeMap<SinkName, (Url, WebhookSecret)>) -> Self {
        Self { http, sinks }
    }
}

#[async_trait]
impl SendTicket for Webhooks {
    async fn send(&self, delivery: &Delivery, now: Timestamp) -> Result<(), PortError> {
        let whom = format!("ticket sink {}", delivery.sink);
        let Some((url, key)) = self.sinks.get(&delivery.sink) else {
            let said = format!("{whom} is no longer in the policy");
            return Err(PortError::new(Failure::Refused, said));
        };
        // The timestamp is that of the attempt, so each attempt has its own signature.
        let signature = key.sign(&delivery.id, now, delivery.body.as_bytes());
        let answer = self
            .http
            .once(&whom, |client| {
                client
                    .post(url.clone())
                    .header(CONTENT_TYPE, "application/json")
                    .header("webhook-id", &delivery.id)
                    .header("webhook-timestamp", now.as_second().to_string())
                    .header("webhook-signature", &signature)
                    .body(delivery.body.clone())
            })
            .await?;
        let said = format!("{whom} answered {}", answer.status.as_u16());
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::TOO_MANY_REQUESTS => {
                Err(PortError::new(Failure::Throttled(answer.retry_after()), said))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(PortError::new(Failure::Denied, said))
            }
            StatusCode::GONE => Err(PortError::new(Failure::Gone, said)),
            _ => Err(PortError::new(Failure::Transient, said)),
        }
    }
}
