//! Events of Partner Center, signed with a certificate that is published at an address of
//! Microsoft's.
//!
//! Sources: Microsoft Partner Center documentation, "Partner Center webhooks" (the headers, the
//! steps of verification and the sample that takes them) and "Partner Center webhook events" (the
//! bodies). The sample hashes the body it has read as UTF-8 and written again; for what is UTF-8
//! without a byte order mark that is the raw body, which is what is verified here.

pub mod certificates;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use self::certificates::Published;
use super::{Received, Reject, Verified, not_json, shaped};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::policy::is_protected;
use crate::domain::roster::{Roster, Side, Tenant};
use crate::domain::signal::{Sender, Signal, Subject};
use crate::domain::text;

/// The algorithm that is taken: RSA PKCS#1 v1.5 with SHA-256.
const ALGORITHM: &str = "rsa-sha256";

/// The scheme of the signature.
const SCHEME: &str = "Signature";

/// Fewest and most bytes of a signature: keys have 2,048 to 8,192 bits.
const SIGNATURE_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Most bytes of a certificate's address that are looked at.
const URL_MAX: usize = 1024;

/// Events that cannot have changed what a partner may do.
const UNRELATED: &[&str] = &["test-created", "azure-fraud-event-detected"];

/// Resources whose events cannot have either: the first part of an event's name, which is of the
/// form `{resource}-{action}`.
const UNRELATED_RESOURCES: &[&str] =
    &["subscription-", "invoice-", "usagerecords-", "referral-", "related-referral-"];

/// The headers, as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `Authorization`, of the scheme `Signature`.
    pub authorization: Option<&'a str>,
    /// `x-ms-signature`, where the registration asks for the signature in that header instead.
    pub ms_signature: Option<&'a str>,
    /// `X-MS-Certificate-Url`.
    pub certificate_url: Option<&'a str>,
    /// `X-MS-Signature-Algorithm`.
    pub algorithm: Option<&'a str>,
}

/// What a delivery says it can be proven by. Nothing is proven yet, but that the certificate is
/// published where Microsoft publishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    certificate_url: Url,
    signature: Vec<u8>,
}

impl Claim {
    /// Reads the headers. A certificate's address must be of one of the `origins`, and nothing but
    /// origin and path: the documented ones have no query, and a query or fragment could make many
    /// addresses of one.
    ///
    /// # Errors
    /// [`Reject::NoKey`] where there are no origins; [`Reject::Missing`] and
    /// [`Reject::NotAuthentic`] with the header.
    pub fn read(headers: Headers<'_>, origins: &[Url]) -> Result<Self, Reject> {
        if origins.is_empty() {
            return Err(Reject::NoKey("WARDEN_PARTNER_CENTER_HOSTS"));
        }
        let signature = signature(headers)?;
        let algorithm = headers.algorithm.ok_or(Reject::Missing("X-MS-Signature-Algorithm"))?;
        if !algorithm.eq_ignore_ascii_case(ALGORITHM) {
            return Err(Reject::NotAuthentic("X-MS-Signature-Algorithm"));
        }
        let url = headers.certificate_url.ok_or(Reject::Missing("X-MS-Certificate-Url"))?;
        let certificate_url =
            pinned(url, origins).ok_or(Reject::NotAuthentic("X-MS-Certificate-Url"))?;
        Ok(Self { certificate_url, signature })
    }

    /// Where the certificate is published: one of the origins that [`Claim::read`] was given.
    pub fn certificate_url(&self) -> &Url {
        &self.certificate_url
    }
}

fn signature(headers: Headers<'_>) -> Result<Vec<u8>, Reject> {
    let of_scheme = |text: &str| match text.trim().split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => Some(rest.trim().to_owned()),
        _ => None,
    };
    let bare = |text: &str| of_scheme(text).unwrap_or_else(|| text.trim().to_owned());
    let encoded = headers.authorization.and_then(of_scheme);
    let encoded = encoded.or_else(|| headers.ms_signature.map(bare));
    let encoded = encoded.ok_or(Reject::Missing("the signature"))?;
    let wrong = Reject::NotAuthentic("the signature");
    if encoded.len() > SIGNATURE_BYTES.end() * 2 {
        return Err(wrong);
    }
    match STANDARD.decode(encoded) {
        Ok(signature) if SIGNATURE_BYTES.contains(&signature.len()) => Ok(signature),
        Ok(_) | Err(_) => Err(wrong),
    }
}

fn pinned(text: &str, origins: &[Url]) -> Option<Url> {
    if text.len() > URL_MAX {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let known = origins.iter().any(|origin| origin.origin() == url.origin());
    (bare && known && is_protected(&url)).then_some(url)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResourceChange {
    event_name: String,
    resource_uri: Option<Value>,
    #[serde(rename = "ResourceChangeUtcDate")]
    changed_at: Option<Value>,
}

/// Verifies a delivery and reads the event in it.
///
/// An event that may concern a relationship is a reason to look at the tenant of the policy that
/// `ResourceUri` names as the customer and at every partner's own tenant, and at every tenant of the
/// policy where it names none of them: most events name a relationship or nothing. `AuditUri` is not
/// looked at.
///
/// # Errors
/// [`Reject::NotAuthentic`] with what does not hold of certificate or signature;
/// [`Reject::Malformed`] when the body is no event.
pub fn receive(
    body: &[u8],
    claim: &Claim,
    published: &Published,
    roster: &Roster,
    now: Timestamp,
) -> Result<Received, Reject> {
    published.verify(body, &claim.signature, now)?;
    let json: Value = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    let event: ResourceChange = shaped("$", json)?;
    if is_unrelated(&event.event_name) {
        return Ok(Received { irrelevant: 1, ..Received::default() });
    }
    let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
    let named = text(&event.resource_uri).and_then(|uri| customer(&uri));
    let named = named.filter(|id| roster.tenant(*id).is_some());
    let concerned = |it: &&Tenant| named.is_none_or(|id| id == it.id) || it.side == Side::Partner;
    let tenants: Vec<TenantId> = roster.tenants.iter().filter(concerned).map(|it| it.id).collect();
    let event_at = text(&event.changed_at).and_then(|at| at.parse().ok());
    let digest = Sha256Hex::of(body);
    let signal = |tenant| Signal {
        tenant,
        sender: Sender::PartnerCenter,
        what: text::foreign(&event.event_name),
        subject: Subject::tenant(),
        event_id: None,
        event_at,
        received_at: now,
        digest: digest.clone(),
        initiator: None,
        removal: false,
        about: Vec::new(),
        content_uri: None,
    };
    let signals = tenants.into_iter().map(|tenant| Verified::new(signal(tenant))).collect();
    // What is signed has no time in it but the event's own, so the same body is the same message.
    Ok(Received { signals, message: Some(digest), ..Received::default() })
}

fn is_unrelated(event: &str) -> bool {
    let event = event.trim().to_ascii_lowercase();
    UNRELATED.contains(&event.as_str())
        || UNRELATED_RESOURCES.iter().any(|resource| event.starts_with(resource))
}

/// The tenant after `customers` in an address. Its host is not looked at, because nothing is
/// fetched from it.
fn customer(uri: &str) -> Option<TenantId> {
    let url = Url::parse(uri).ok()?;
    let mut segments = url.path_segments()?;
    segments.find(|segment| segment.eq_ignore_ascii_case("customers"))?;
    segments.next()?.parse().ok()
}

#[cfg(test)]
mod tests;
