//! Client assertions: a JWT that an app registration proves itself with, signed with one of its
//! certificates, or issued by an identity provider that it trusts.
//!
//! The checks are those of
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials> and
//! <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>.
//! The codes are those of
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>, and of answers that
//! people have shown.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;

use super::apps::{Apps, Registered};
use super::signin::Refusal;

/// How far the clocks of two machines may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// The ids of assertions that were taken, with the app each was about. Microsoft does not say that
/// it looks at them; it says that they must never be the same.
pub(crate) type Seen = HashSet<(String, String)>;

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<String>,
    jti: Option<String>,
    exp: Option<i64>,
    nbf: Option<i64>,
}

/// What an assertion is measured by.
pub(crate) struct Measure<'a> {
    pub(crate) apps: &'a Apps,
    pub(crate) app: &'a Registered,
    /// The address of the token endpoint that was asked.
    pub(crate) endpoint: &'a str,
    pub(crate) now: Timestamp,
}

/// Checks an assertion. One is taken once.
pub(crate) fn check(token: &str, by: &Measure<'_>, seen: &mut Seen) -> Result<(), Refusal> {
    let header = decode_header(token).map_err(|_| malformed("the header cannot be read"))?;
    let claims = if header.x5t_s256.is_some() || header.x5t.is_some() {
        signed_by_certificate(token, &header, by)?
    } else {
        of_identity_provider(token, &header, by)?
    };
    let (now, leeway) = (by.now.as_second(), LEEWAY.as_secs());
    let ended = claims.exp.is_none_or(|exp| now >= exp.saturating_add(leeway));
    let begun = claims.nbf.is_none_or(|nbf| now >= nbf.saturating_sub(leeway));
    if ended || !begun {
        return Err(denied(700_024, "Client assertion is not within its valid time range."));
    }
    if let Some(id) = claims.jti
        && !seen.insert((by.app.app.client_id.to_ascii_lowercase(), id))
    {
        return Err(malformed("its id was seen before"));
    }
    Ok(())
}

/// By a certificate that is registered with the app, for the very endpoint it is sent to.
fn signed_by_certificate(
    token: &str,
    header: &Header,
    by: &Measure<'_>,
) -> Result<Claims, Refusal> {
    let unregistered = |reason: &str| {
        let text = format!(
            "The certificate with identifier used to sign the client assertion is not registered \
             on application. [Reason - {reason}]"
        );
        denied(700_027, &text)
    };
    let thumbprint = header.x5t_s256.as_ref().and_then(|it| URL_SAFE_NO_PAD.decode(it).ok());
    let certificate = by.app.certificates.iter().find(|it| {
        thumbprint.as_deref().is_some_and(|thumbprint| thumbprint == it.thumbprint.as_slice())
    });
    let certificate = certificate.ok_or_else(|| unregistered("The key was not found."))?;
    if by.now < certificate.begins || by.now > certificate.ends {
        return Err(unregistered("The key used is expired."));
    }
    let claims = verified(token, header, Algorithm::PS256, &certificate.key)?;
    let claims = claims.ok_or_else(|| {
        unregistered("The provided signature value did not match the expected signature value.")
    })?;
    let client = Some(by.app.app.client_id.as_str());
    if claims.iss.as_deref() != client {
        let text = "Client assertion application identifier doesn't match 'client_id' parameter.";
        return Err(denied(700_021, text));
    }
    if claims.sub != claims.iss {
        return Err(denied(50_048, "Subject mismatches Issuer claim in the client assertion."));
    }
    if claims.aud.as_deref() != Some(by.endpoint) {
        let text = "Client assertion audience claim does not match Realm issuer.";
        return Err(denied(700_023, text));
    }
    if claims.jti.is_none() {
        return Err(denied(90_016, "The required claim 'jti' is missing."));
    }
    Ok(claims)
}

/// Of an identity provider that the app trusts, for the subject and audience that it named.
fn of_identity_provider(token: &str, header: &Header, by: &Measure<'_>) -> Result<Claims, Refusal> {
    let told = unverified(token)?;
    let (issuer, subject) = (told.iss.as_deref(), told.sub.as_deref());
    let audience = told.aud.as_deref();
    let no_match = |code: u32, what: &str, value: Option<&str>| {
        let text = format!(
            "No matching federated identity record found for presented assertion {what} '{}'. \
             Check your federated identity credential Subject, Audience and Issuer against the \
             presented assertion.",
            value.unwrap_or_default()
        );
        denied(code, &text)
    };
    let mut trusted: Vec<_> = by.app.app.federated_credentials.iter().collect();
    trusted.retain(|it| issuer == Some(&it.issuer));
    if trusted.is_empty() {
        return Err(no_match(700_211, "issuer", issuer));
    }
    let key = header.kid.as_deref().zip(issuer);
    let key = key.and_then(|(kid, issuer)| by.apps.issuer_key(issuer, kid));
    let key = key.ok_or_else(|| malformed("its key is not among those the issuer publishes"))?;
    let claims = verified(token, header, Algorithm::RS256, &key)?;
    let claims = claims.ok_or_else(|| malformed("it failed signature verification"))?;
    trusted.retain(|it| subject == Some(&it.subject));
    if trusted.is_empty() {
        return Err(no_match(700_213, "subject", subject));
    }
    if !trusted.iter().any(|it| audience == Some(&it.audience)) {
        return Err(no_match(700_212, "audience", audience));
    }
    Ok(claims)
}

/// The claims, if the signature is by this key; an error if it is of another kind.
fn verified(
    token: &str,
    header: &Header,
    algorithm: Algorithm,
    key: &DecodingKey,
) -> Result<Option<Claims>, Refusal> {
    if header.alg != algorithm {
        let text = "Invalid JWT token. Unsupported key for the signing algorithm.";
        let status = StatusCode::BAD_REQUEST;
        return Err(Refusal::new(status, "invalid_request", 5_002_730, text));
    }
    let mut signature_alone = Validation::new(algorithm);
    signature_alone.validate_exp = false;
    signature_alone.validate_aud = false;
    signature_alone.required_spec_claims.clear();
    Ok(decode(token, key, &signature_alone).ok().map(|token| token.claims))
}

/// What a token says before its signature is looked at: only by its issuer is its key known.
fn unverified(token: &str) -> Result<Claims, Refusal> {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    payload
        .and_then(|payload| serde_json::from_slice(&payload).ok())
        .ok_or_else(|| malformed("the claims cannot be read"))
}

fn denied(code: u32, text: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "invalid_client", code, text)
}

fn malformed(what: &str) -> Refusal {
    let text = format!("JWT token is invalid or malformed: {what}.");
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", 50_027, text)
}
