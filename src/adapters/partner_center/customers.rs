//! The customers of a partner, of whom Partner Center says whether they let it administer by the
//! old way (DAP).
//!
//! Sources: Microsoft Partner Center documentation, "Get a customer by ID" ("supports app+user
//! credentials or app-only authentication"), "Partner Center authentication", "Partner Center REST
//! error codes".

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _};
use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use crate::adapters::graph::{Credential, Identity, Scope, Tokens};
use crate::adapters::http::{Answer, Http};
use crate::domain::id::{PartnerId, TenantId};
use crate::domain::secret::Secret;
use crate::ports::{Clock, Failure, Listed, PortError, ReadDelegatedAccess};

/// Whom errors speak of.
const WHOM: &str = "Partner Center";

/// How many customers are asked about at once.
const AT_ONCE: usize = 4;

/// A connection to the Partner Center API.
pub struct Customers {
    origin: Url,
    scope: Scope,
    tokens: Tokens,
}

/// `Customer`, as far as it is used. What it does not say is not taken for a no.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Customer {
    allow_delegated_access: bool,
}

impl Customers {
    /// Connects to `origin` (such as `https://api.partnercenter.microsoft.com`), signing in at
    /// `login` as the application.
    pub fn new(
        http: Http,
        origin: Url,
        login: Url,
        credential: Credential,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let tokens = Tokens::new(http, login, Identity::Reader, credential, clock);
        Self { scope: Scope::of(&origin), origin, tokens }
    }

    /// The same, signing in as the application for the user whose refresh token this is (the secure
    /// application model).
    #[must_use]
    pub fn for_user(self, refresh_token: Secret) -> Self {
        Self { tokens: self.tokens.for_user(refresh_token), ..self }
    }

    /// Whether a customer lets the partner administer by the old way; nothing where Partner Center
    /// has no such customer.
    async fn allows(
        &self,
        tenant: TenantId,
        customer: PartnerId,
    ) -> Result<Option<bool>, PortError> {
        let url = self.origin.join(&format!("v1/customers/{customer}")).map_err(|error| {
            let said = "WARDEN_PARTNER_CENTER_URL is no base for urls";
            PortError::new(Failure::Unintelligible, said).because(error)
        })?;
        let send = self.tokens.send(WHOM, tenant, &self.scope, |client| {
            client.get(url.clone()).header("accept", "application/json")
        });
        let answer = send.await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                // Partner Center begins its JSON with a byte order mark at times.
                let body = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
                let customer: Customer = serde_json::from_slice(body).map_err(|error| {
                    let what = error.classify();
                    let said =
                        format!("{WHOM} answered with something else than expected ({what:?})");
                    PortError::new(Failure::Unintelligible, said)
                })?;
                Ok(Some(customer.allow_delegated_access))
            }
            _ => Err(refusal(&answer)),
        }
    }
}

#[async_trait]
impl ReadDelegatedAccess for Customers {
    async fn delegated_access(
        &self,
        tenant: TenantId,
        customers: &[PartnerId],
    ) -> Listed<(PartnerId, bool)> {
        let asked: Vec<_> = customers
            .iter()
            .map(|customer| async move { (*customer, self.allows(tenant, *customer).await) })
            .collect();
        let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let (mut items, mut failures) = (Vec::new(), Vec::new());
        for (customer, answer) in answers {
            match answer {
                Ok(Some(allows)) => items.push((customer, allows)),
                Ok(None) => {}
                Err(error) => failures.push(error),
            }
        }
        Listed::new(items, failures)
    }
}

/// What Partner Center says when it says no. Its description is left out: it may quote the request.
fn refusal(answer: &Answer) -> PortError {
    let (kind, mend) = match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let mend = "; register the application WARDEN_CLIENT_ID in Partner Center (Account \
                        settings > App management), or put the refresh token of an account in the \
                        Admin agents group into partnerCenterRefreshToken";
            (Failure::Denied, mend)
        }
        status if status.is_client_error() => (Failure::Refused, ""),
        _ => (Failure::Unintelligible, ""),
    };
    PortError::new(kind, format!("{WHOM} answered {}{mend}", answer.status.as_u16()))
}

#[cfg(test)]
mod tests;
