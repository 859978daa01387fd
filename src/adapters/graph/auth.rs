//! Signing in as an application, one tenant at a time.
//!
//! Sources: Microsoft identity platform documentation, "OAuth 2.0 client credentials flow"; for an
//! application that acts for a user, "OAuth 2.0 authorization code flow" (refresh the access token)
//! and "Refresh tokens in the Microsoft identity platform".

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use url::Url;

use super::credential::{Credential, Identity};
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

/// What a token is for: all that the application was granted of one API, such as
/// `https://graph.microsoft.com/.default`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::adapters) struct Scope(Arc<str>);

impl Scope {
    /// That of the API at `origin`.
    pub(in crate::adapters) fn of(origin: &Url) -> Self {
        Self(format!("{}/.default", origin.as_str().trim_end_matches('/')).into())
    }
}

/// The tokens in hand.
pub(in crate::adapters) struct Tokens {
    http: Http,
    login: Url,
    identity: Identity,
    credential: Credential,
    /// The refresh token of the user for whom the application acts; nothing where it acts for
    /// itself.
    user: Option<Mutex<Secret>>,
    clock: Arc<dyn Clock>,
    held: Mutex<HashMap<Key, Token>>,
    gates: Mutex<HashMap<Key, Arc<Gate>>>,
}

/// What tokens are kept by.
type Key = (TenantId, Scope);

/// Lets one request sign in for all that need the same token at the same time.
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

/// How often a request is sent.
#[derive(Debug, Clone, Copy)]
enum Tries {
    /// Until patience is at an end.
    Patient,
    /// Once; somebody else has patience.
    Once,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    expires_in: i64,
    refresh_token: Option<Secret>,
}

#[derive(Deserialize)]
struct Denied {
    error: Option<String>,
    #[serde(default)]
    error_codes: Vec<u32>,
}

impl Tokens {
    pub(in crate::adapters) fn new(
        http: Http,
        login: Url,
        identity: Identity,
        credential: Credential,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (held, gates) = (Mutex::default(), Mutex::default());
        Self { http, login, identity, credential, user: None, clock, held, gates }
    }

    /// The same, for an application that acts for a user whose refresh token this is.
    pub(in crate::adapters) fn for_user(self, refresh_token: Secret) -> Self {
        Self { user: Some(Mutex::new(refresh_token)), ..self }
    }

    /// Tokens of the application that writes, from the same sign-in and kept apart from these.
    pub(super) fn of_writer(&self, credential: Credential) -> Self {
        let (http, clock) = (self.http.clone(), Arc::clone(&self.clock));
        Self::new(http, self.login.clone(), Identity::Writer, credential, clock)
    }

    /// A token of `tenant` for `scope`.
    pub(super) async fn token(&self, tenant: TenantId, scope: &Scope) -> Result<Secret, PortError> {
        let now = self.clock.now();
        let key = (tenant, scope.clone());
        if let Some(token) = self.held(&key, now) {
            return Ok(token);
        }
        let gate = Arc::clone(
            self.gates
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(key.clone())
                .or_default(),
        );
        let passed = gate.passed.load(Ordering::Acquire);
        let mut failed = gate.failed.lock().await;
        if let Some(token) = self.held(&key, now) {
            return Ok(token);
        }
        if let Some((kind, said)) = failed.as_ref()
            && gate.passed.load(Ordering::Acquire) > passed
        {
            return Err(PortError::new(*kind, said.clone()));
        }
        let signed_in = self.sign_in(tenant, scope).await;
        gate.passed.fetch_add(1, Ordering::Release);
        *failed = signed_in.as_ref().err().map(|error| (error.kind, error.said.clone()));
        Ok(self.keep(key, signed_in?, now))
    }

    fn keep(&self, key: Key, granted: Granted, now: Timestamp) -> Secret {
        let life = SignedDuration::from_secs(granted.expires_in.clamp(0, LIFE_MAX));
        let token = Token {
            token: granted.access_token.clone(),
            good_until: now + life - MARGIN.min(life / 2),
        };
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(key, token);
        granted.access_token
    }

    fn held(&self, key: &Key, now: Timestamp) -> Option<Secret> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let good = held.get(key).filter(|token| now < token.good_until);
        good.map(|token| token.token.clone())
    }

    /// This token of `tenant` for `scope` was not accepted. A newer one stays.
    pub(super) fn forget(&self, tenant: TenantId, scope: &Scope, refused: &Secret) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant, scope.clone());
        if held.get(&key).is_some_and(|held| held.token == *refused) {
            held.remove(&key);
        }
    }

    /// Sends a request with the tenant's token; with a fresh one if the first is not accepted.
    pub(in crate::adapters) async fn send(
        &self,
        whom: &str,
        tenant: TenantId,
        scope: &Scope,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, PortError> {
        self.let_in(whom, tenant, scope, Tries::Patient, request).await
    }

    /// The same without patience: a server that is busy or broken is an error at once.
    pub(super) async fn attempt(
        &self,
        whom: &str,
        tenant: TenantId,
        scope: &Scope,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, PortError> {
        self.let_in(whom, tenant, scope, Tries::Once, request).await
    }

    /// Attempts something that takes the tenant's token, and repeats it while it fails for the
    /// moment. The sign-in comes first, since it has patience of its own.
    ///
    /// # Errors
    /// That of the sign-in, or the last one.
    pub(super) async fn patiently<T, F: Future<Output = Result<T, PortError>>>(
        &self,
        tenant: TenantId,
        scope: &Scope,
        attempt: impl FnMut() -> F,
    ) -> Result<T, PortError> {
        self.token(tenant, scope).await?;
        self.http.patiently(attempt).await
    }

    /// Whether something that failed so is attempted again.
    pub(super) fn waits_for(&self, error: &PortError) -> bool {
        self.http.waits_for(error)
    }

    async fn let_in(
        &self,
        whom: &str,
        tenant: TenantId,
        scope: &Scope,
        tries: Tries,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, PortError> {
        let mut fresh = false;
        loop {
            let token = self.token(tenant, scope).await?;
            let request = |client: &Client| request(client).bearer_auth(token.expose());
            let answer = match tries {
                Tries::Patient => self.http.send(whom, request).await?,
                Tries::Once => self.http.attempt(whom, request).await?,
            };
            if answer.status != StatusCode::UNAUTHORIZED || fresh {
                return Ok(answer);
            }
            self.forget(tenant, scope, &token);
            fresh = true;
        }
    }

    async fn sign_in(&self, tenant: TenantId, scope: &Scope) -> Result<Granted, PortError> {
        let url = self.login.join(&format!("{tenant}/oauth2/v2.0/token")).map_err(|error| {
            PortError::new(Failure::Unintelligible, "WARDEN_LOGIN_URL is no base").because(error)
        })?;
        self.http.patiently(|| self.ask(&url, scope)).await
    }

    /// Asks for a token once.
    async fn ask(&self, url: &Url, scope: &Scope) -> Result<Granted, PortError> {
        let proof = self.credential.proof(url, self.clock.now()).await?;
        let mut form = vec![("client_id", self.credential.client_id())];
        form.extend(proof.fields());
        let user = self
            .user
            .as_ref()
            .map(|user| user.lock().unwrap_or_else(PoisonError::into_inner).clone());
        match &user {
            None => form.push(("grant_type", "client_credentials")),
            Some(token) => {
                form.extend([("grant_type", "refresh_token"), ("refresh_token", token.expose())]);
            }
        }
        form.push(("scope", &*scope.0));
        let answer = self.http.attempt(WHOM, |client| client.post(url.clone()).form(&form)).await?;
        if !answer.status.is_success() {
            return Err(self.refusal(&answer));
        }
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| {
            // The parser's own words might quote the token.
            PortError::new(Failure::Unintelligible, format!("{WHOM} answered with no token"))
        })?;
        if let (Some(user), Some(next)) = (&self.user, &granted.refresh_token) {
            // Each use gives a newer one that lives on. It stays within this process: the one of
            // the secrets document is good until its own 90 days are over.
            *user.lock().unwrap_or_else(PoisonError::into_inner) = next.clone();
        }
        Ok(granted)
    }

    /// What the sign-in says when it says no. Its description is left out: it quotes the request.
    ///
    /// Source: "Microsoft Entra authentication and authorization error codes".
    fn refusal(&self, answer: &Answer) -> PortError {
        let denied: Option<Denied> = serde_json::from_slice(&answer.body).ok();
        let code = denied.as_ref().and_then(|denied| denied.error_codes.first().copied());
        let error = denied.and_then(|denied| denied.error).unwrap_or_default();
        let (kind, mend) = match code {
            _ if error == "temporarily_unavailable" => (Failure::Transient, String::new()),
            _ if self.user.is_some()
                && matches!(error.as_str(), "invalid_grant" | "interaction_required") =>
            {
                let mend = "; put a new refresh token, of an account that signed in with \
                            multifactor authentication, into partnerCenterRefreshToken";
                (Failure::SignInRefused, mend.to_owned())
            }
            Some(code) => self.credential.mend(self.identity, code),
            None => (Failure::SignInRefused, String::new()),
        };
        let code = code.map_or_else(String::new, |code| format!(" AADSTS{code}"));
        let said = format!(
            "{WHOM} answered {} {}{code}{mend}",
            answer.status.as_u16(),
            text::foreign(&error),
        );
        PortError::new(kind, said)
    }
}
