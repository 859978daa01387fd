//! A partner kept out by conditional access.
//!
//! Graph takes no key by which a request that is repeated would be known, and two policies may
//! have the same name. So one is looked for by its tag before each attempt, and nothing is sent twice
//! without looking: an attempt whose answer was lost is found and not made again.
//!
//! Sources: Microsoft Graph documentation, "Create conditionalAccessPolicy" (201), "Update
//! conditionalAccessPolicy" and "Delete conditionalAccessPolicy" (204); "Conditional Access service
//! limits": one request a second for each tenant, and a 429 that does not say for how long.

use async_trait::async_trait;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::revoke::{Revoker, is_segment};
use super::{Graph, WHOM, refusal, said};
use crate::adapters::http::Answer;
use crate::domain::case::Outcome;
use crate::domain::conditional_access::quarantine::{Quarantine, has_tag};
use crate::domain::id::TenantId;
use crate::domain::plan::StepState;
use crate::ports::{Failure, Listed, PortError, QuarantinePartner};

const POLICIES: &str = "v1.0/identity/conditionalAccess/policies";

#[async_trait]
impl QuarantinePartner for Revoker {
    async fn quarantine(
        &self,
        tenant: TenantId,
        quarantine: &Quarantine,
    ) -> Result<Outcome, PortError> {
        let Self(graph) = self;
        // What looking fails with has been waited for already; only the writing is begun anew.
        let attempt = || async {
            let policies = match graph.policies(tenant).await {
                Ok(policies) => policies,
                Err(error) => return Ok(Err(error)),
            };
            match quarantine.found_in(&policies) {
                Some(found) if quarantine.is_met_by(found) => {
                    Ok(Ok(graph.done(None, Some("it was there already"))))
                }
                Some(found) => graph.put_right(tenant, quarantine, found).await.map(Ok),
                None => graph.make(tenant, quarantine).await.map(Ok),
            }
        };
        let ended = graph.tokens.patiently(tenant, &graph.scope, attempt).await?;
        if let Err(PortError { kind: Failure::Denied, said, .. }) = &ended {
            let said = format!(
                "{said}; conditional access could not be read, so nothing was made: grant \
                 Policy.Read.All to the application that writes"
            );
            return Err(PortError::new(Failure::Denied, said));
        }
        ended
    }
}

impl Graph {
    /// Every policy of the tenant. Without the last of them it is not known whether ours is there.
    async fn policies(&self, tenant: TenantId) -> Result<Vec<Value>, PortError> {
        let Listed { items, failure } = self.list(tenant, &[POLICIES]).await;
        failure.map_or(Ok(items), Err)
    }

    async fn make(&self, tenant: TenantId, quarantine: &Quarantine) -> Result<Outcome, PortError> {
        let (url, document) = (self.url(POLICIES)?, quarantine.document());
        let post = |client: &Client| client.post(url.clone()).json(&document);
        let answer = self.tokens.attempt(WHOM, tenant, &self.scope, post).await?;
        match answer.status {
            StatusCode::CREATED => {
                self.keep_one(tenant, quarantine, &answer).await;
                Ok(self.done(Some(&answer), None))
            }
            // It may be in the way of itself: looked for once more, it is found.
            StatusCode::CONFLICT => {
                let policies = self.policies(tenant).await?;
                let found = quarantine.found_in(&policies);
                Ok(match found.filter(|found| quarantine.is_met_by(found)) {
                    Some(_) => self.done(Some(&answer), Some("it was there already")),
                    None => refused(&answer),
                })
            }
            _ => no(&answer),
        }
    }

    /// Puts a policy that bears the tag and is not as it should be right again.
    async fn put_right(
        &self,
        tenant: TenantId,
        quarantine: &Quarantine,
        found: &Value,
    ) -> Result<Outcome, PortError> {
        let Some(url) = self.policy(found)? else {
            let said = format!("{WHOM} named a policy by an id that cannot be asked for");
            return Err(PortError::new(Failure::Unintelligible, said));
        };
        let document = quarantine.document();
        let patch = |client: &Client| client.request(Method::PATCH, url.clone()).json(&document);
        let answer = self.tokens.attempt(WHOM, tenant, &self.scope, patch).await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::OK => {
                Ok(self.done(Some(&answer), Some("it was there otherwise, and was put right")))
            }
            // It is gone since it was listed: the next attempt makes it.
            StatusCode::NOT_FOUND => Err(PortError::new(
                Failure::Transient,
                format!("{WHOM} answered {}", said(&answer)),
            )),
            _ => no(&answer),
        }
    }

    /// Takes back what was made a moment ago if the same was there, and the list did not show it
    /// yet. It is best done and nothing depends on it: a second one keeps out nobody else.
    async fn keep_one(&self, tenant: TenantId, quarantine: &Quarantine, made: &Answer) {
        let made: Value = serde_json::from_slice(&made.body).unwrap_or_default();
        let Some(id) = made.get("id").and_then(Value::as_str) else { return };
        let policies = self.policies(tenant).await.unwrap_or_default();
        let is_another = |policy: &&Value| {
            policy.get("id").and_then(Value::as_str).is_some_and(|other| other != id)
                && has_tag(policy, &quarantine.tag)
                && quarantine.is_met_by(policy)
        };
        if policies.iter().any(|policy| is_another(&policy))
            && let Ok(Some(url)) = self.policy(&made)
        {
            let delete = |client: &Client| client.delete(url.clone());
            // Whatever comes of it, the partner is kept out.
            drop(self.send(tenant, delete).await);
        }
    }

    /// Where a policy is.
    fn policy(&self, policy: &Value) -> Result<Option<Url>, PortError> {
        let Some(id) = policy.get("id").and_then(Value::as_str).filter(|id| is_segment(id)) else {
            return Ok(None);
        };
        let mut url = self.url(POLICIES)?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id);
        }
        Ok(Some(url))
    }

    fn done(&self, answer: Option<&Answer>, detail: Option<&str>) -> Outcome {
        Outcome {
            state: StepState::Revoked,
            detail: detail.map(str::to_owned),
            request_id: answer.and_then(|it| it.header("request-id")).map(str::to_owned),
            acted_at: Some(self.clock.now()),
        }
    }
}

/// What an answer that is no yes means.
fn no(answer: &Answer) -> Result<Outcome, PortError> {
    match answer.status {
        StatusCode::UNAUTHORIZED => Err(refusal(answer)),
        status if status.is_client_error() => Ok(refused(answer)),
        _ => Err(refusal(answer)),
    }
}

/// Graph's words, and what to mend where they are known. Those about security defaults were seen
/// in practice; the words about a licence that is missing are not documented.
fn refused(answer: &Answer) -> Outcome {
    let said = said(answer);
    let lower = said.to_lowercase();
    let mend = if lower.contains("security defaults") {
        "; conditional access cannot be used while security defaults are on: turn them off once \
         policies of your own stand in their place"
    } else if lower.contains("licens") || lower.contains("premium") {
        "; conditional access takes a licence of Microsoft Entra ID P1"
    } else if answer.status == StatusCode::FORBIDDEN {
        "; it takes Policy.ReadWrite.ConditionalAccess and Policy.Read.All, and a licence of \
         Microsoft Entra ID P1"
    } else {
        ""
    };
    Outcome {
        state: StepState::Refused,
        detail: Some(format!("{WHOM} answered {said}{mend}")),
        request_id: answer.header("request-id").map(str::to_owned),
        acted_at: None,
    }
}
