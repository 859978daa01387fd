//! Signing in as an application, one tenant at a time.
//!
//! Source: Microsoft identity platform documentation, "OAuth 2.0 client credentials flow".

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::adapters::http::{Answer, Http};
use crate::domain::id::TenantId;
use crate::domain::secret::Secret;
use crate::domain::text;
use crate::ports::{Clock, Failure, PortError};

const WHOM: &str = "Microsoft's sign-in";

/// A token is not used for the last part of its life, at most this long.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// The longest life of a token that is believed, in seconds: a day.
const LIFE_MAX: i64 = 24 * 60 * 60;

/// What the application proves itself with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A client secret.
    Secret {
        /// The application's id.
        client_id: String,
        /// The secret.
        secret: Secret,
    },
}

/// The tokens in hand for one resource.
pub(in crate::adapters) struct Tokens {
    http: Http,
    login: Url,
    scope: String,
    credential: Credential,
    clock: Arc<dyn Clock>,
    held: Mutex<HashMap<TenantId, Token>>,
    gates: Mutex<HashMap<TenantId, Arc<Gate>>>,
}

/// Lets one request sign in for all that need a token of the same tenant at the same time.
#[derive(Default)]
struct Gate {
    /// How many times somebody went through.
    passed: AtomicU64,
    /// How the last one failed, if it did.
    failed: tokio::sync::Mutex<Option<(Failure, String)>>,
}

struct Token {
    token: Secret,
    good_until: Timestamp,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    expires_in: i64,
}

#[derive(Deserialize)]
struct Denied {
    error: Option<String>,
    #[serde(default)]
    error_codes: Vec<u32>,
}

impl Tokens {
    /// Tokens for the API at the origin `resource`.
    pub(in crate::adapters) fn new(
        http: Http,
        resource: &Url,
        login: Url,
        credential: Credential,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let scope = format!("{}/.default", resource.as_str().trim_end_matches('/'));
        Self {
            http,
            login,
            scope,
            credential,
            clock,
            held: Mutex::default(),
            gates: Mutex::default(),
        }
    }

    /// A token for `tenant`.
    pub(super) async fn token(&self, tenant: TenantId) -> Result<Secret, PortError> {
        let now = self.clock.now();
        if let Some(token) = self.held(tenant, now) {
            return Ok(token);
        }
        let gate = Arc::clone(
            self.gates.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default(),
        );
        let passed = gate.passed.load(Ordering::Acquire);
        let mut failed = gate.failed.lock().await;
        if let Some(token) = self.held(tenant, now) {
            return Ok(token);
        }
        if let Some((kind, said)) = failed.as_ref()
            && gate.passed.load(Ordering::Acquire) > passed
        {
            return Err(PortError::new(*kind, said.clone()));
        }
        let signed_in = self.sign_in(tenant).await;
        gate.passed.fetch_add(1, Ordering::Release);
        *failed = signed_in.as_ref().err().map(|error| (error.kind, error.said.clone()));
        Ok(self.keep(tenant, signed_in?, now))
    }

    fn keep(&self, tenant: TenantId, granted: Granted, now: Timestamp) -> Secret {
        let life = SignedDuration::from_secs(granted.expires_in.clamp(0, LIFE_MAX));
        let token = Token {
            token: granted.access_token.clone(),
            good_until: now + life - MARGIN.min(life / 2),
        };
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant, token);
        granted.access_token
    }

    fn held(&self, tenant: TenantId, now: Timestamp) -> Option<Secret> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let good = held.get(&tenant).filter(|token| now < token.good_until);
        good.map(|token| token.token.clone())
    }

    /// This token for `tenant` was not accepted. A newer one stays.
    pub(super) fn forget(&self, tenant: TenantId, refused: &Secret) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.get(&tenant).is_some_and(|held| held.token == *refused) {
            held.remove(&tenant);
        }
    }

    /// Sends a request with the tenant's token; with a fresh one if the first is not accepted.
    pub(in crate::adapters) async fn send(
        &self,
        whom: &str,
        tenant: TenantId,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, PortError> {
        let mut fresh = false;
        loop {
            let token = self.token(tenant).await?;
            let send = self.http.send(whom, |client| request(client).bearer_auth(token.expose()));
            let answer = send.await?;
            if answer.status != StatusCode::UNAUTHORIZED || fresh {
                return Ok(answer);
            }
            self.forget(tenant, &token);
            fresh = true;
        }
    }

    async fn sign_in(&self, tenant: TenantId) -> Result<Granted, PortError> {
        let url = self.login.join(&format!("{tenant}/oauth2/v2.0/token")).map_err(|error| {
            PortError::new(Failure::Unintelligible, "WARDEN_LOGIN_URL is no base").because(error)
        })?;
        let Credential::Secret { client_id, secret } = &self.credential;
        let form = [
            ("client_id", client_id.as_str()),
            ("client_secret", secret.expose()),
            ("grant_type", "client_credentials"),
            ("scope", &self.scope),
        ];
        let answer = self.http.send(WHOM, |client| client.post(url.clone()).form(&form)).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer));
        }
        serde_json::from_slice(&answer.body).map_err(|_| {
            // The parser's own words might quote the token.
            PortError::new(Failure::Unintelligible, format!("{WHOM} answered with no token"))
        })
    }
}

/// What the sign-in says when it says no. Its description is left out: it quotes the request.
///
/// Source: "Microsoft Entra authentication and authorization error codes".
fn refusal(answer: &Answer) -> PortError {
    let denied: Option<Denied> = serde_json::from_slice(&answer.body).ok();
    let code = denied.as_ref().and_then(|denied| denied.error_codes.first().copied());
    let error = denied.and_then(|denied| denied.error).unwrap_or_default();
    let mend = match code {
        Some(7_000_215 | 7_000_222) => "; put a client secret that is valid into graphClientSecret",
        Some(700_016 | 7_000_229) => {
            "; grant admin consent to the application WARDEN_CLIENT_ID in this tenant"
        }
        Some(90_002) => "; the id of this tenant in the policy is that of no tenant",
        _ => "",
    };
    let code = code.map_or_else(String::new, |code| format!(" AADSTS{code}"));
    let said = format!(
        "{WHOM} answered {} {}{code}{mend}",
        answer.status.as_u16(),
        text::foreign(&error),
    );
    PortError::new(Failure::SignInRefused, said)
}
