//! The certificates that Partner Center signs with: fetched from where they are published, kept
//! for a while, and not fetched more often than that helps.
//!
//! Whoever sends anything to the receiver can make it ask for a certificate, so what can be asked
//! is bounded: the address is one of Microsoft's before it comes here, each address is asked at
//! most once a minute, all addresses that never had a certificate share a few fetches a minute, and
//! few addresses are remembered.

mod customers;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex as Held, OnceLock, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::TrustAnchor;
use tokio::sync::Mutex;
use url::Url;

pub use self::customers::Customers;
use super::http::roots::roots as machine_roots;
use super::http::{Answer, LateHttp, Patience};
use crate::ports::{Clock, Failure, PortError, SenderCertificates};
use crate::wire::partner_center::certificates::{FILE_MAX, Published, root};

/// Whom errors speak of.
const WHOM: &str = "the publisher of Partner Center's certificates";

/// How long a certificate is trusted without being looked up again. One that Microsoft withdraws
/// counts no longer than this.
const HELD_FOR: SignedDuration = SignedDuration::from_hours(1);

/// The same address is not asked again before this time is over.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// After a failure this much is waited.
const AGAIN_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(5);

/// The time within which no more than [`STRANGERS_MAX`] fetches are made for addresses that never
/// had a certificate.
const STRANGERS_WITHIN: SignedDuration = SignedDuration::from_mins(1);

/// Most such fetches within that time. Partner Center itself has one address.
const STRANGERS_MAX: usize = 6;

/// Most addresses that are remembered.
const PLACES_MAX: usize = 16;

/// Most issuers that are fetched for one certificate. Microsoft's chains have two between a
/// certificate and a public root.
const ISSUERS_MAX: usize = 3;

/// The published certificates of Partner Center.
pub struct PublishedCertificates {
    http: LateHttp,
    clock: Arc<dyn Clock>,
    roots: OnceLock<Arc<[TrustAnchor<'static>]>>,
    places: Held<Vec<(Url, Arc<Place>)>>,
    strangers: Held<VecDeque<Timestamp>>,
}

/// One address.
#[derive(Default)]
struct Place {
    held: Held<Option<(Timestamp, Arc<Published>)>>,
    /// When it was last asked, and whether a certificate came. Locked while one is fetched, so
    /// that many deliveries share one fetch.
    asked: Mutex<Option<(Timestamp, bool)>>,
}

impl Place {
    fn held(&self, now: Timestamp) -> Option<Arc<Published>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, published) = held.as_ref().filter(|(at, _)| now.duration_since(*at) < HELD_FOR)?;
        Some(Arc::clone(published))
    }

    /// Whether there ever was a certificate.
    fn is_known(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl PublishedCertificates {
    /// Certificates that lead to these roots, or to those that this machine trusts.
    pub fn new(
        patience: Patience,
        clock: Arc<dyn Clock>,
        roots: Option<Arc<[TrustAnchor<'static>]>>,
    ) -> Self {
        Self {
            http: LateHttp::new(patience),
            clock,
            roots: roots.map_or_else(OnceLock::new, OnceLock::from),
            places: Held::default(),
            strangers: Held::default(),
        }
    }

    /// The address, which is remembered from now on. Where too many are remembered, the oldest is
    /// forgotten that never had a certificate, or else the oldest.
    fn place(&self, url: &Url) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, place)) = places.iter().find(|(known, _)| known == url) {
            return Arc::clone(place);
        }
        if places.len() >= PLACES_MAX {
            let stranger = places.iter().position(|(_, place)| !place.is_known());
            places.remove(stranger.unwrap_or_default());
        }
        let place = Arc::new(Place::default());
        places.push((url.clone(), Arc::clone(&place)));
        place
    }

    /// Whether one more fetch may be made for an address that never had a certificate.
    fn admits_stranger(&self, now: Timestamp) -> bool {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.retain(|at| now.duration_since(*at).abs() < STRANGERS_WITHIN);
        let admits = strangers.len() < STRANGERS_MAX;
        if admits {
            strangers.push_back(now);
        }
        admits
    }

    /// The roots that this machine trusts, read when they are first needed.
    fn roots(&self) -> Result<Arc<[TrustAnchor<'static>]>, PortError> {
        if let Some(roots) = self.roots.get() {
            return Ok(Arc::clone(roots));
        }
        let roots: Arc<[_]> = machine_roots().iter().filter_map(root).collect();
        if roots.is_empty() {
            let said = "this machine trusts no root certificates; install them, or set \
                        partnerCenterRootsPem";
            return Err(PortError::new(Failure::Denied, said));
        }
        Ok(Arc::clone(self.roots.get_or_init(|| roots)))
    }

    /// What is published at an address, with the issuers that are missing in it.
    async fn fetch(&self, url: &Url) -> Result<Published, PortError> {
        let makes_no_sense = || {
            let said = format!("{WHOM} answered with no certificate");
            PortError::new(Failure::Unintelligible, said)
        };
        let file = self.file(url).await?;
        let mut published =
            Published::read(&file.body, self.roots()?).ok_or_else(makes_no_sense)?;
        for _ in 0..ISSUERS_MAX {
            let Some(issuer) = published.missing_issuer() else { break };
            let file = self.file(&issuer).await?;
            published.add(&file.body).ok_or_else(makes_no_sense)?;
        }
        Ok(published)
    }

    async fn file(&self, url: &Url) -> Result<Answer, PortError> {
        let http = self.http.http()?;
        let answer = http.once_within(WHOM, FILE_MAX, |client| client.get(url.clone())).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let said = format!("{WHOM} answered {}", answer.status.as_u16());
        Err(PortError::new(Failure::Transient, said))
    }
}

#[async_trait]
impl SenderCertificates for PublishedCertificates {
    fn held(&self, url: &Url) -> Option<Arc<Published>> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, place) = places.iter().find(|(known, _)| known == url)?;
        place.held(self.clock.now())
    }

    async fn fetched(&self, url: &Url) -> Result<Arc<Published>, PortError> {
        let place = self.place(url);
        let mut asked = place.asked.lock().await;
        let now = self.clock.now();
        let held = place.held(now);
        let not_now =
            |said: &str| Err(PortError::new(Failure::Transient, format!("{WHOM} {said}")));
        match (*asked, &held) {
            (Some((at, true)), Some(held)) if now.duration_since(at) < AGAIN_AFTER => {
                return Ok(Arc::clone(held));
            }
            (Some((at, false)), _) if now.duration_since(at) < AGAIN_AFTER_FAILURE => {
                return not_now("had none a moment ago");
            }
            _ => {}
        }
        if !place.is_known() && !self.admits_stranger(now) {
            return not_now("is asked for too many certificates");
        }
        let fetched = self.fetch(url).await;
        *asked = Some((now, fetched.is_ok()));
        let published = Arc::new(fetched?);
        *place.held.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((now, Arc::clone(&published)));
        Ok(published)
    }
}
