//! The sign-in's published keys: fetched when a key is missing, and not more often than that helps.

use std::sync::{Arc, Mutex as Held, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use url::Url;

use super::http::{LateHttp, Patience};
use crate::ports::{Clock, Failure, PortError, SigningKeys};
use crate::wire::token::KeySet;

/// Whom errors speak of.
const WHOM: &str = "Microsoft's sign-in";

/// A set is not fetched again before this time is over: a token with an invented key id must not
/// make us ask again and again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// After a failure this much is waited.
const AGAIN_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(5);

/// The published keys of a sign-in.
pub struct PublishedKeys {
    http: LateHttp,
    url: Url,
    clock: Arc<dyn Clock>,
    held: Held<Arc<KeySet>>,
    /// When a set was last asked for, and whether it came. Locked while one is fetched, so that
    /// many requests that miss a key share one fetch.
    asked: Mutex<Option<(Timestamp, bool)>>,
}

impl PublishedKeys {
    /// The keys published at `{login}/common/discovery/v2.0/keys`.
    ///
    /// # Errors
    /// When `login` is no base for urls.
    pub fn new(
        patience: Patience,
        login: &Url,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, url::ParseError> {
        let url = login.join("common/discovery/v2.0/keys")?;
        let http = LateHttp::new(patience);
        Ok(Self { http, url, clock, held: Held::default(), asked: Mutex::default() })
    }
}

#[async_trait]
impl SigningKeys for PublishedKeys {
    fn held(&self) -> Arc<KeySet> {
        Arc::clone(&self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn refreshed(&self) -> Result<Arc<KeySet>, PortError> {
        let mut asked = self.asked.lock().await;
        let now = self.clock.now();
        match *asked {
            Some((at, true)) if now.duration_since(at) < AGAIN_AFTER => return Ok(self.held()),
            Some((at, false)) if now.duration_since(at) < AGAIN_AFTER_FAILURE => {
                let said = format!("{WHOM} did not hand out its keys a moment ago");
                return Err(PortError::new(Failure::Transient, said));
            }
            _ => {}
        }
        let fetched = self.fetch().await;
        *asked = Some((now, fetched.is_ok()));
        let set = Arc::new(fetched?);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&set);
        Ok(set)
    }
}

impl PublishedKeys {
    async fn fetch(&self) -> Result<KeySet, PortError> {
        let answer = self.http.http()?.once(WHOM, |client| client.get(self.url.clone())).await?;
        if !answer.status.is_success() {
            let said = format!("{WHOM} answered {} for its keys", answer.status.as_u16());
            return Err(PortError::new(Failure::Transient, said));
        }
        KeySet::parse(&answer.body).map_err(|error| {
            PortError::new(Failure::Unintelligible, format!("{WHOM} answered with no key set"))
                .because(error)
        })
    }
}
