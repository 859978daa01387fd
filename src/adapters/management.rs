//! The Office 365 Management Activity API, of which audit content is fetched and nothing else.
//!
//! Source: "Office 365 Management Activity API reference", retrieving content and errors.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use super::graph::{Credential, Identity, Scope, Tokens};
use super::http::{Answer, Http};
use crate::domain::id::TenantId;
use crate::domain::text;
use crate::ports::{Clock, Failure, PortError, ReadAuditContent};
use crate::wire::o365::pinned;

/// Whom errors speak of.
const WHOM: &str = "the Management Activity API";

/// A connection to the Management Activity API for every tenant the application is allowed into.
pub struct Management {
    origin: Url,
    scope: Scope,
    tokens: Tokens,
}

impl Management {
    /// Connects to `origin` (such as `https://manage.office.com`), signing in at `login`.
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
}

#[async_trait]
impl ReadAuditContent for Management {
    async fn audit_content(&self, tenant: TenantId, uri: &str) -> Result<Bytes, PortError> {
        let url = pinned(uri, &self.origin, tenant).map_err(|what| {
            PortError::new(Failure::Refused, format!("audit content is not fetched: {what}"))
        })?;
        let send = self.tokens.send(WHOM, tenant, &self.scope, |client| client.get(url.clone()));
        let answer = send.await?;
        if answer.status.is_success() { Ok(answer.body) } else { Err(refusal(&answer)) }
    }
}

/// What the API says when it says no. Its message is left out: it may quote the token's claims.
fn refusal(answer: &Answer) -> PortError {
    #[derive(Deserialize)]
    struct Body {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        code: String,
    }
    let code = serde_json::from_slice::<Body>(&answer.body).ok().map(|body| body.error.code);
    let (kind, mend) = match (code.as_deref(), answer.status) {
        (Some("AF20050" | "AF20051"), _) => (Failure::Gone, ": the content is gone"),
        (Some("AF10001"), _) | (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            let mend = "; grant ActivityFeed.Read of the Office 365 Management APIs, with admin \
                        consent, to the application WARDEN_CLIENT_ID in this tenant";
            (Failure::Denied, mend)
        }
        (_, StatusCode::NOT_FOUND | StatusCode::GONE) => (Failure::Gone, ": the content is gone"),
        (_, status) if status.is_client_error() => (Failure::Refused, ""),
        _ => (Failure::Unintelligible, ""),
    };
    let code = code.map_or_else(String::new, |code| format!(" {}", text::foreign(&code)));
    PortError::new(kind, format!("{WHOM} answered {}{code}{mend}", answer.status.as_u16()))
}
