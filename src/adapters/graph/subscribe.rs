//! Subscriptions to changes: listed, made, renewed and deleted.
//!
//! Source: Microsoft Graph documentation, "Create subscription", "Update subscription", "Delete
//! subscription" and "List subscriptions".

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::read::garbled;
use super::revoke::is_segment;
use super::{Graph, refusal};
use crate::adapters::http::Answer;
use crate::domain::id::TenantId;
use crate::domain::subscription::{CHANGE_TYPE, Resource, Subscription};
use crate::ports::{Created, Failure, Listed, PortError, ReadSubscriptions, WriteSubscriptions};

const PATH: &str = "v1.0/subscriptions";

/// A connection that may subscribe.
#[derive(Clone)]
pub struct Subscriber(pub(super) Graph);

#[async_trait]
impl ReadSubscriptions for Graph {
    async fn subscriptions(&self, tenant: TenantId) -> Listed<Subscription> {
        self.list(tenant, &[PATH]).await
    }
}

#[async_trait]
impl WriteSubscriptions for Subscriber {
    async fn create(
        &self,
        tenant: TenantId,
        resource: Resource,
        url: &str,
        client_state: &str,
        until: Timestamp,
    ) -> Result<Created, PortError> {
        let body = json!({
            "changeType": CHANGE_TYPE,
            "notificationUrl": url,
            "lifecycleNotificationUrl": url,
            "resource": resource.path(),
            "expirationDateTime": until.to_string(),
            "clientState": client_state,
            "latestSupportedTlsVersion": "v1_2",
        });
        let answer = self.send(tenant, &Method::POST, None, Some(&body)).await?;
        match answer.status {
            StatusCode::CONFLICT => Ok(Created::Conflict),
            status if status.is_success() => serde_json::from_slice(&answer.body)
                .map(Created::Made)
                .map_err(|error| garbled(&error)),
            _ => Err(mend(resource, refusal(&answer))),
        }
    }

    async fn renew(
        &self,
        tenant: TenantId,
        id: &str,
        until: Timestamp,
    ) -> Result<Timestamp, PortError> {
        let body = json!({"expirationDateTime": until.to_string()});
        let answer = self.send(tenant, &Method::PATCH, Some(id), Some(&body)).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer));
        }
        // What was granted may be less than what was asked for.
        let granted: Subscription =
            serde_json::from_slice(&answer.body).map_err(|error| garbled(&error))?;
        Ok(granted.expires_at)
    }

    async fn delete(&self, tenant: TenantId, id: &str) -> Result<(), PortError> {
        let answer = self.send(tenant, &Method::DELETE, Some(id), None).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(refusal(&answer)),
        }
    }
}

impl Subscriber {
    async fn send(
        &self,
        tenant: TenantId,
        method: &Method,
        id: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, PortError> {
        let Self(graph) = self;
        let mut url: Url = graph.url(PATH)?;
        if let Some(id) = id {
            if !is_segment(id) {
                let said = "a subscription has an id that cannot be asked for";
                return Err(PortError::new(Failure::Unintelligible, said));
            }
            if let Ok(mut path) = url.path_segments_mut() {
                path.push(id);
            }
        }
        let request = |client: &reqwest::Client| {
            let request = client.request(method.clone(), url.clone());
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        graph.send(tenant, request).await
    }
}

/// What to do about a refusal. Graph answers 403 both to a permission that is missing and to a
/// quota that is used up (50,000 subscriptions of one application, 1,000 in a tenant, 100 of one
/// application in a tenant), and 400 where the url did not answer it.
fn mend(resource: Resource, error: PortError) -> PortError {
    let said = error.said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let mend = match error.kind {
        Failure::Denied if has(&["quota", "limit", "too many", "maximum"]) => {
            "delete subscriptions that nobody needs any more: an application may have 100 in one \
             tenant, and all applications together 1,000"
                .to_owned()
        }
        Failure::Denied => format!(
            "grant {} (application) to WARDEN_CLIENT_ID with admin consent in this tenant; if it \
             has that, too many subscriptions exist: delete those nobody needs",
            resource.permission()
        ),
        Failure::Refused if has(&["validat", "notification endpoint", "notificationurl"]) => {
            "Microsoft Graph could not reach WARDEN_PUBLIC_URL: /hooks/graph below it is to answer \
             from the internet, over https with a certificate from a public authority, within 10 \
             seconds"
                .to_owned()
        }
        Failure::Transient
        | Failure::Throttled(_)
        | Failure::SignInRefused
        | Failure::Gone
        | Failure::Refused
        | Failure::Unintelligible => return error,
    };
    PortError { said: format!("{}; {mend}", error.said), ..error }
}
