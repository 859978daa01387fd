//! The one HTTP client: time limits, bounded bodies, no redirects, patience with a busy server.

#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy as Redirects;
use reqwest::{RequestBuilder, StatusCode};

use crate::ports::{Failure, PortError};

/// Most bytes of an answer that are read. A page of Graph is far below it.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// The longest `Retry-After` that is taken at its word. A moment that far off can be reckoned
/// with, and a server that names a longer one is asked again all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// How long to wait, and how often to try.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the whole answer is there.
    pub total: Duration,
    /// The first pause; each further one is twice as long, with jitter.
    pub first_pause: Duration,
    /// The longest pause, and the longest `Retry-After` that is waited for on the spot.
    pub longest_pause: Duration,
    /// How often a request is repeated.
    pub retries: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(30),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
            retries: 4,
        }
    }
}

/// The client. Clones share connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    patience: Patience,
}

/// A client that is made when it is first needed: most runs of a door need none, and it takes longer
/// to make than all the rest.
#[derive(Debug)]
pub struct LateHttp {
    patience: Patience,
    http: OnceLock<Http>,
}

impl LateHttp {
    /// A client to be.
    pub fn new(patience: Patience) -> Self {
        Self { patience, http: OnceLock::new() }
    }

    /// The client.
    ///
    /// # Errors
    /// Where none can be made.
    pub fn http(&self) -> Result<&Http, PortError> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let http = Http::new(self.patience).map_err(|error| {
            let said = "no HTTP client can be made; are the system's certificates installed?";
            PortError::new(Failure::Transient, said).because(error)
        })?;
        Ok(self.http.get_or_init(|| http))
    }
}

/// An answer that was read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How long the server wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
    }

    /// The answer, unless it says that the server is busy or broken.
    ///
    /// # Errors
    /// [`Failure::Throttled`] and [`Failure::Transient`].
    pub(super) fn patient(self, whom: &str) -> Result<Self, PortError> {
        let said = format!("{whom} answered {}", self.status.as_u16());
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => {
                Err(PortError::new(Failure::Throttled(self.retry_after()), said))
            }
            StatusCode::SERVICE_UNAVAILABLE if self.retry_after().is_some() => {
                Err(PortError::new(Failure::Throttled(self.retry_after()), said))
            }
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                Err(PortError::new(Failure::Transient, said))
            }
            _ => Ok(self),
        }
    }
}

impl Http {
    /// A client.
    ///
    /// # Errors
    /// When the system offers no TLS certificates to trust.
    pub fn new(patience: Patience) -> Result<Self, reqwest::Error> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        let client = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            .timeout(patience.total)
            // A redirect would carry a token to whoever the answer names.
            .redirect(Redirects::none())
            .user_agent(concat!("partner-warden/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, patience })
    }

    /// Sends a request that may be repeated, and repeats it while the server is busy or broken.
    ///
    /// # Errors
    /// [`Failure::Throttled`] and [`Failure::Transient`] once patience is at an end. Every other
    /// answer is an answer.
    pub async fn send(
        &self,
        whom: &str,
        request: impl Fn(&reqwest::Client) -> RequestBuilder,
    ) -> Result<Answer, PortError> {
        self.patiently(|| self.attempt(whom, &request)).await
    }

    /// Attempts something that may be repeated, and repeats it while it fails for the moment.
    ///
    /// # Errors
    /// The last one.
    pub async fn patiently<T, F: Future<Output = Result<T, PortError>>>(
        &self,
        attempt: impl FnMut() -> F,
    ) -> Result<T, PortError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(self.patience.first_pause)
            .with_max_delay(self.patience.longest_pause)
            .with_max_times(self.patience.retries)
            .with_jitter();
        attempt
            .retry(pauses)
            .sleep(tokio::time::sleep)
            .when(|error| self.waits_for(error))
            .adjust(|error, pause| match error.kind {
                Failure::Throttled(Some(after)) => pause.map(|_| after),
                Failure::Throttled(None)
                | Failure::Transient
                | Failure::SignInRefused
                | Failure::Denied
                | Failure::Gone
                | Failure::Refused
                | Failure::Unintelligible => pause,
            })
            .await
    }

    /// Whether something that failed so is attempted again while patience lasts. If the server
    /// wants to be left alone for longer than we wait, whoever asked is told, and comes back later.
    pub fn waits_for(&self, error: &PortError) -> bool {
        match error.kind {
            Failure::Transient | Failure::Throttled(None) => true,
            Failure::Throttled(Some(after)) => after <= self.patience.longest_pause,
            Failure::SignInRefused
            | Failure::Denied
            | Failure::Gone
            | Failure::Refused
            | Failure::Unintelligible => false,
        }
    }

    /// Sends a request once, and tells an answer from a server that is busy or broken.
    ///
    /// # Errors
    /// [`Failure::Throttled`] and [`Failure::Transient`], also as an answer; those of
    /// [`Http::once`].
    pub async fn attempt(
        &self,
        whom: &str,
        request: impl Fn(&reqwest::Client) -> RequestBuilder,
    ) -> Result<Answer, PortError> {
        self.once(whom, request).await?.patient(whom)
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// [`Failure::Transient`] when there is no answer; whether the request arrived is not known
    /// then. [`Failure::Unintelligible`] when the answer is too large.
    pub async fn once(
        &self,
        whom: &str,
        request: impl Fn(&reqwest::Client) -> RequestBuilder,
    ) -> Result<Answer, PortError> {
        self.once_within(whom, ANSWER_MAX, request).await
    }

    /// Sends a request once, and reads no more than `most` bytes of an answer.
    ///
    /// # Errors
    /// Those of [`Http::once`].
    pub async fn once_within(
        &self,
        whom: &str,
        most: usize,
        request: impl Fn(&reqwest::Client) -> RequestBuilder,
    ) -> Result<Answer, PortError> {
        let no_answer = |error: reqwest::Error| {
            let what = if error.is_timeout() {
                "did not answer in time"
            } else if error.is_connect() {
                "cannot be reached"
            } else {
                "broke off the answer"
            };
            // The url may carry a secret, such as a webhook's path.
            let error = error.without_url();
            PortError::new(Failure::Transient, format!("{whom} {what}")).because(error)
        };
        let mut response = request(&self.client).send().await.map_err(no_answer)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len() + chunk.len() > most {
                let said = format!("{whom} answered with more than {most} bytes");
                return Err(PortError::new(Failure::Unintelligible, said));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: body.into() })
    }
}
