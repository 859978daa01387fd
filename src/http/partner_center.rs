//! The route that Partner Center posts to.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Request};
use url::Url;

use super::{Front, body, header, take_in, turned_away};
use crate::domain::signal::Sender;
use crate::ports::{PortError, SenderCertificates};
use crate::wire::partner_center::certificates::Published;
use crate::wire::partner_center::{self, Claim, Headers};
use crate::wire::{Received, Reject};

pub(super) async fn receive(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Response {
    let body = match body(Sender::PartnerCenter, request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let proof = Headers {
        authorization: header(&headers, "authorization"),
        ms_signature: header(&headers, "x-ms-signature"),
        certificate_url: header(&headers, "x-ms-certificate-url"),
        algorithm: header(&headers, "x-ms-signature-algorithm"),
    };
    // Nothing is fetched for whoever does not name a certificate of Microsoft's.
    let claim = match Claim::read(proof, &front.certificate_origins) {
        Ok(claim) => claim,
        Err(reject) => return turned_away(Sender::PartnerCenter, &reject),
    };
    let read = |published: &Published| {
        let (roster, now) = (&front.policy.roster, front.clock.now());
        partner_center::receive(&body, &claim, published, roster, now)
    };
    let received = vouched(front.certificates.as_ref(), claim.certificate_url(), read).await;
    take_in(&front, Sender::PartnerCenter, received).await
}

/// Reads with the certificate in hand, and once more with the one that is published now where that
/// does not vouch for the delivery: Microsoft may have put another in its place.
async fn vouched(
    certificates: &dyn SenderCertificates,
    url: &Url,
    read: impl Fn(&Published) -> Result<Received, Reject>,
) -> Result<Result<Received, Reject>, PortError> {
    if let Some(held) = certificates.held(url) {
        let received = read(&held);
        if !matches!(received, Err(Reject::NotAuthentic(_))) {
            return Ok(received);
        }
    }
    Ok(read(certificates.fetched(url).await?.as_ref()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    use super::*;
    use crate::ports::Failure;
    use crate::wire::partner_center::certificates::roots;

    /// A certificate in hand, and what is published now.
    struct Desk {
        held: Option<Arc<Published>>,
        published: Option<Arc<Published>>,
        fetches: AtomicUsize,
    }

    #[async_trait]
    impl SenderCertificates for Desk {
        fn held(&self, _: &Url) -> Option<Arc<Published>> {
            self.held.clone()
        }

        async fn fetched(&self, _: &Url) -> Result<Arc<Published>, PortError> {
            self.fetches.fetch_add(1, Ordering::Relaxed);
            self.published.clone().ok_or_else(|| PortError::new(Failure::Transient, "none"))
        }
    }

    fn certificate(name: &str) -> Arc<Published> {
        let vectors = include_str!("../../tests/data/partner-center-openssl.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let file = STANDARD.decode(vectors["certificates"][name].as_str().unwrap()).unwrap();
        let roots = roots(vectors["rootPem"].as_str().unwrap().as_bytes()).unwrap();
        Arc::new(Published::read(&file, roots.into()).unwrap())
    }

    /// What comes of reading with what is in hand and what is published, and how often something
    /// was fetched.
    async fn becomes(
        held: Option<&Arc<Published>>,
        published: Option<&Arc<Published>>,
        read: impl Fn(&Published) -> Result<Received, Reject>,
    ) -> (&'static str, usize) {
        let desk = Desk {
            held: held.cloned(),
            published: published.cloned(),
            fetches: AtomicUsize::default(),
        };
        let url = Url::parse("https://a.example/a.cer").unwrap();
        let what = match vouched(&desk, &url, read).await {
            Ok(Ok(_)) => "heard",
            Ok(Err(reject)) => reject.reason(),
            Err(_) => "unavailable",
        };
        (what, desk.fetches.into_inner())
    }

    #[tokio::test]
    async fn a_certificate_that_does_not_vouch_is_looked_up_once_more() {
        let (former, new) = (certificate("leaf"), certificate("expired"));
        let by = |good: Arc<Published>| {
            move |published: &Published| {
                if std::ptr::eq(published, good.as_ref()) {
                    Ok(Received::default())
                } else {
                    Err(Reject::NotAuthentic("the signature"))
                }
            }
        };
        let (a, b) = (Some(&former), Some(&new));
        assert_eq!(becomes(a, None, by(former.clone())).await, ("heard", 0));
        assert_eq!(becomes(a, b, by(new.clone())).await, ("heard", 1));
        assert_eq!(becomes(a, a, by(new.clone())).await, ("not-authentic", 1));
        assert_eq!(becomes(a, None, by(new.clone())).await, ("unavailable", 1));
        assert_eq!(becomes(None, b, by(new.clone())).await, ("heard", 1));
        assert_eq!(becomes(None, None, by(new.clone())).await, ("unavailable", 1));
        // What is genuine and cannot be understood is not looked up again.
        let malformed = |_: &Published| Err(Reject::UnknownTenant);
        assert_eq!(becomes(a, b, malformed).await, ("unknown-tenant", 0));
    }
}
