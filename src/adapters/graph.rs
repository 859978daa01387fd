//! Microsoft Graph, spoken to as an application.

mod audits;
mod auth;
mod batch;
mod client_certificate;
mod credential;
mod granted;
mod pace;
mod quarantine;
mod read;
mod reduce;
mod restore;
mod revoke;
mod service_principal;
mod subscribe;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::SignedDuration;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use url::Url;

pub use self::audits::AuditLogs;
pub(super) use self::auth::{Scope, Tokens};
pub use self::client_certificate::{ClientCertificate, NotACredential};
pub use self::credential::{Credential, Identity};
pub use self::granted::Granted;
use self::pace::Pace;
pub use self::read::ConditionalAccess;
use self::read::garbled;
use self::restore::Restorer;
use self::revoke::Revoker;
pub use self::service_principal::ServicePrincipals;
use self::subscribe::Subscriber;
use super::http::{Answer, Http};
use crate::domain::id::TenantId;
use crate::domain::text;
use crate::ports::{Clock, Failure, PortError};

/// Whom errors speak of.
const WHOM: &str = "Microsoft Graph";

/// A connection to Microsoft Graph for every tenant the application is allowed into.
#[derive(Clone)]
pub struct Graph {
    origin: Url,
    scope: Scope,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
    /// How far requests for one tenant are apart, where Graph wants them to be.
    pace: Option<Pace>,
}

impl Graph {
    /// Connects to `origin` (such as `https://graph.microsoft.com`), signing in at `login`.
    pub fn new(
        http: Http,
        origin: Url,
        login: Url,
        credential: Credential,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let identity = Identity::Reader;
        let tokens = Tokens::new(http, login, identity, credential, Arc::clone(&clock));
        Self { scope: Scope::of(&origin), origin, tokens: Arc::new(tokens), clock, pace: None }
    }

    /// The same connection with the power to revoke.
    pub fn revoker(&self) -> Revoker {
        Revoker(self.clone())
    }

    /// The power to revoke as another application, which signs in for itself.
    pub fn revoker_as(&self, credential: Credential) -> Revoker {
        Revoker(Self { tokens: Arc::new(self.tokens.of_writer(credential)), ..self.clone() })
    }

    /// The power to put back, as the writing application where there is one.
    pub fn restorer(&self, writer: Option<Credential>) -> Restorer {
        Restorer(match writer {
            Some(it) => Self { tokens: Arc::new(self.tokens.of_writer(it)), ..self.clone() },
            None => self.clone(),
        })
    }

    /// The same connection, asking after applications' service principals.
    pub fn service_principals(&self) -> ServicePrincipals {
        ServicePrincipals::new(self.clone())
    }

    /// The same connection, reading conditional access with requests for one tenant this far
    /// apart.
    pub fn conditional_access(&self, apart: SignedDuration) -> ConditionalAccess {
        let paced = Self { pace: Some(Pace::new(apart)), ..self.clone() };
        ConditionalAccess::new(self.clone(), paced)
    }

    /// The same connection with the power to subscribe.
    pub fn subscriber(&self) -> Subscriber {
        Subscriber(self.clone())
    }

    fn url(&self, path: &str) -> Result<Url, PortError> {
        self.origin.join(path).map_err(|error| {
            PortError::new(Failure::Unintelligible, format!("no url can be made of {path}"))
                .because(error)
        })
    }

    /// Sends a request with the tenant's token; with a fresh one if the first is not accepted. At
    /// a pace, every repetition takes its turn too.
    async fn send(
        &self,
        tenant: TenantId,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, PortError> {
        let Some(pace) = &self.pace else {
            return self.tokens.send(WHOM, tenant, &self.scope, request).await;
        };
        let in_turn = || async {
            tokio::time::sleep(pace.pause(tenant, self.clock.now())).await;
            self.tokens.attempt(WHOM, tenant, &self.scope, &request).await
        };
        self.tokens.patiently(tenant, &self.scope, in_turn).await
    }

    /// Sends a request whose answer is JSON.
    async fn json(
        &self,
        tenant: TenantId,
        method: Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<Value, PortError> {
        let request = |client: &Client| {
            let request = client.request(method.clone(), url.clone());
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        parsed(&self.send(tenant, request).await?)
    }
}

/// An answer's JSON.
fn parsed<T: DeserializeOwned>(answer: &Answer) -> Result<T, PortError> {
    if !answer.status.is_success() {
        return Err(refusal(answer));
    }
    serde_json::from_slice(&answer.body).map_err(|error| match error.classify() {
        Category::Data => garbled(&error),
        Category::Io | Category::Syntax | Category::Eof => {
            PortError::new(Failure::Unintelligible, format!("{WHOM} answered with no JSON"))
                .because(error)
        }
    })
}

/// What Graph says when it says no.
///
/// Source: Microsoft Graph documentation, "Microsoft Graph error responses and resource types".
fn refusal(answer: &Answer) -> PortError {
    let kind = match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Denied,
        StatusCode::NOT_FOUND | StatusCode::GONE => Failure::Gone,
        status if status.is_client_error() => Failure::Refused,
        _ => Failure::Unintelligible,
    };
    PortError::new(kind, format!("{WHOM} answered {}", said(answer)))
}

/// `403 Authorization_RequestDenied: Insufficient privileges …`.
fn said(answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Body {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        code: Option<String>,
        message: Option<String>,
    }
    let status = answer.status.as_u16();
    match serde_json::from_slice::<Body>(&answer.body) {
        Ok(Body { error: Inner { code: Some(code), message } }) => {
            let message = text::foreign(&message.unwrap_or_default());
            let colon = if message.is_empty() { "" } else { ": " };
            format!("{status} {}{colon}{}", text::foreign(&code), message.trim_end_matches('.'))
        }
        _ => status.to_string(),
    }
}
