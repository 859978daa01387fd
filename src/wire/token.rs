//! Tokens signed by Microsoft's sign-in, verified against its published keys.
//!
//! Source: Microsoft identity platform documentation, "Access tokens" and "Signing key rollover".

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::Reject;
use crate::domain::id::TenantId;

/// How far the clocks of two machines may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// Most bytes of a token that is looked at.
const TOKEN_MAX: usize = 16 * 1024;

/// The keys that Microsoft's sign-in signs with, by key id.
#[derive(Clone, Default)]
pub struct KeySet(HashMap<String, DecodingKey>);

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl KeySet {
    /// Reads a JSON Web Key Set (RFC 7517). Keys that are not for RSA signatures are left out.
    ///
    /// # Errors
    /// When the text is no key set.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let set: JwkSet = serde_json::from_slice(json)?;
        let usable = set.keys.into_iter().filter_map(|jwk| {
            let signs = !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
            let is_rsa = matches!(jwk.algorithm, AlgorithmParameters::RSA(_));
            let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| signs && is_rsa)?;
            Some((jwk.common.key_id?, key))
        });
        Ok(Self(usable.collect()))
    }
}

fn key_id(token: &str) -> Option<String> {
    if token.len() > TOKEN_MAX {
        return None;
    }
    decode_header(token).ok()?.kid
}

/// What a verified token says.
#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    /// The tenant that issued it.
    pub tid: TenantId,
    /// Its application permissions.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The object id of whom it is about.
    pub oid: Option<String>,
    /// The user principal name, in version 2.0; it may change.
    pub preferred_username: Option<String>,
    /// What the sign-in was asked to put into a token of a person, to know it again.
    pub nonce: Option<String>,
    iss: String,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    ver: Option<String>,
    appid: Option<String>,
    azp: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    /// The application that asked for the token: `appid` in version 1.0, `azp` in 2.0.
    pub fn application(&self) -> Option<&str> {
        match self.ver.as_deref() {
            Some("2.0") => self.azp.as_deref(),
            _ => self.appid.as_deref(),
        }
    }
}

/// What a token is measured by.
#[derive(Debug, Clone, Copy)]
pub struct Measure<'a> {
    /// The keys.
    pub keys: &'a KeySet,
    /// Whom the token must be for: any of these.
    pub audiences: &'a [String],
    /// The sign-in's origin, with a slash at its end, of which version 2.0 names the issuer.
    pub login: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// Verifies a token: RS256 by a known key, for us, in its time, issued by the sign-in of the very
/// tenant it names.
///
/// # Errors
/// [`Reject::UnknownKey`]; [`Reject::NotAuthentic`] with the part that does not hold.
pub fn verify(token: &str, by: Measure<'_>) -> Result<Claims, Reject> {
    let wrong = |what| Reject::NotAuthentic(what);
    let id = key_id(token).ok_or(wrong("the token's header"))?;
    let key = by.keys.0.get(&id).ok_or(Reject::UnknownKey)?;
    // Time and audience are checked below, against arguments.
    let mut signature_only = Validation::new(Algorithm::RS256);
    signature_only.validate_exp = false;
    signature_only.validate_nbf = false;
    signature_only.validate_aud = false;
    signature_only.required_spec_claims.clear();
    let claims = decode::<Claims>(token, key, &signature_only)
        .map_err(|_| wrong("the token's signature or shape"))?
        .claims;
    let now = by.now.as_second();
    if now >= claims.exp.saturating_add(LEEWAY.as_secs())
        || claims.nbf.is_some_and(|nbf| now < nbf.saturating_sub(LEEWAY.as_secs()))
    {
        return Err(wrong("the token's time"));
    }
    let for_us = match &claims.aud {
        Audience::One(audience) => by.audiences.contains(audience),
        Audience::Several(audiences) => audiences.iter().any(|a| by.audiences.contains(a)),
    };
    if !for_us {
        return Err(wrong("the token's audience"));
    }
    let issuer = match claims.ver.as_deref() {
        Some("1.0") => format!("https://sts.windows.net/{}/", claims.tid),
        Some("2.0") => format!("{}{}/v2.0", by.login, claims.tid),
        _ => return Err(wrong("the token's version")),
    };
    if claims.iss != issuer {
        return Err(wrong("the token's issuer"));
    }
    Ok(claims)
}
