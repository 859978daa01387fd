//! The link by which a person decides, and what a person's decision is a reason for.
//!
//! A token is `v1.PAYLOAD.MAC`: what it says as JSON in base64url, and its HMAC-SHA256 (RFC 2104) in
//! base64url, both without padding (RFC 4648, section 5). Whoever has it may decide, so it is never
//! logged.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Reject, Verified};
use crate::domain::approval::{Answer, Asked, Proposal, ProposalId};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::secret::Secret;
use crate::domain::signal::{Sender, Signal, Subject};

/// Most bytes of a token that is looked at; a whole one has less than half of it.
pub const TOKEN_MAX: usize = 1024;

/// Least characters of `decisionKey`.
pub const DECISION_KEY_MIN: usize = 16;

/// Most bytes of what is carried through a sign-in: it holds a token.
const ERRAND_MAX: usize = 4096;

/// How long a person may take to sign in, in seconds.
const SIGN_IN_WITHIN: i64 = 15 * 60;

const LINK: &str = "partner-warden/decision/v1";
const ERRAND: &str = "partner-warden/decision-sign-in/v1";
const NONCE: &str = "partner-warden/decision-nonce/v1";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The digest of the plan.
    #[serde(rename = "p")]
    plan: Sha256Hex,
    /// The digest of the ids of the steps.
    #[serde(rename = "s")]
    steps: Sha256Hex,
    /// The tenant.
    #[serde(rename = "t")]
    tenant: TenantId,
    /// Its end, in seconds since 1970.
    #[serde(rename = "e")]
    expires: i64,
    /// The proposal: used once.
    #[serde(rename = "n")]
    nonce: ProposalId,
}

impl Link {
    /// The link to what people are asked.
    pub fn to(tenant: TenantId, asked: &Asked) -> Self {
        Self {
            plan: asked.plan.clone(),
            steps: asked.steps.clone(),
            tenant,
            expires: asked.until.as_second(),
            nonce: asked.id.clone(),
        }
    }

    /// The proposal it is about.
    pub fn id(&self) -> &ProposalId {
        &self.nonce
    }

    /// Whether it is about this proposal and no other, in all it says.
    pub fn is_to(&self, proposal: &Proposal) -> bool {
        let question = &proposal.question;
        question.id == self.nonce
            && question.plan == self.plan
            && question.steps == self.steps
            && question.tenant == self.tenant
            && question.expires_at.as_second() == self.expires
    }

    /// The token.
    pub fn sign(&self, key: &Secret) -> String {
        sealed(LINK, self, key)
    }

    /// Reads a token, signed with one of `keys`: the current one, and the previous one while they
    /// are rotated.
    ///
    /// # Errors
    /// [`Reject::NoKey`] and [`Reject::NotAuthentic`]; nothing is told of what was sent.
    pub fn verify(token: &str, keys: &[Secret]) -> Result<Self, Reject> {
        opened(LINK, token, keys, TOKEN_MAX)
    }
}

/// What a person was about to do when they were sent to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errand {
    /// The token of the link.
    #[serde(rename = "l")]
    pub link: String,
    /// What they said.
    #[serde(rename = "d")]
    pub decision: Answer,
    /// Its end, in seconds since 1970.
    #[serde(rename = "e")]
    expires: i64,
    /// What no other errand has.
    #[serde(rename = "r")]
    once: String,
}

impl Errand {
    /// An errand that begins at `now`; `once` is random.
    pub fn new(link: &str, decision: Answer, once: &str, now: Timestamp) -> Self {
        let expires = now.as_second().saturating_add(SIGN_IN_WITHIN);
        Self { link: link.to_owned(), decision, expires, once: once.to_owned() }
    }

    /// What the sign-in is given to hand back.
    pub fn state(&self, key: &Secret) -> String {
        sealed(ERRAND, self, key)
    }

    /// What the sign-in puts into the token it makes, and the browser keeps: whoever brings the one
    /// is to bring the other.
    pub fn nonce(state: &str) -> String {
        Sha256Hex::of_fields(&[NONCE, state]).to_string()
    }

    /// Reads what the sign-in has handed back.
    ///
    /// # Errors
    /// As of [`Link::verify`], and [`Reject::Stale`] where somebody took longer than 15 minutes.
    pub fn verify(state: &str, keys: &[Secret], now: Timestamp) -> Result<Self, Reject> {
        let errand: Self = opened(ERRAND, state, keys, ERRAND_MAX)?;
        if now.as_second() >= errand.expires { Err(Reject::Stale) } else { Ok(errand) }
    }
}

/// The reason to look that a decision is. That it was taken is written down before.
pub fn decided(proposal: &Proposal, now: Timestamp) -> Verified<Signal> {
    let question = &proposal.question;
    let said = serde_json::to_string(&proposal.decisions).unwrap_or_default();
    Verified::new(Signal {
        tenant: question.tenant,
        sender: Sender::Decision,
        what: "a person decided".to_owned(),
        subject: Subject::decision(&question.id),
        event_id: None,
        event_at: Some(now),
        received_at: now,
        digest: Sha256Hex::of_fields(&["decision/v1", question.id.as_str(), &said]),
        initiator: None,
        removal: false,
        about: Vec::new(),
        content_uri: None,
    })
}

fn mac(purpose: &str, payload: &str, key: &Secret) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).expect("HMAC takes any key");
    for part in [purpose.as_bytes(), b"\0", payload.as_bytes()] {
        mac.update(part);
    }
    mac
}

fn sealed<T: Serialize>(purpose: &str, value: &T, key: &Secret) -> String {
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_string(value).unwrap_or_default());
    let seal = URL_SAFE_NO_PAD.encode(mac(purpose, &payload, key).finalize().into_bytes());
    format!("v1.{payload}.{seal}")
}

fn opened<T: DeserializeOwned>(
    purpose: &str,
    text: &str,
    keys: &[Secret],
    max: usize,
) -> Result<T, Reject> {
    if keys.is_empty() {
        return Err(Reject::NoKey("decisionKey"));
    }
    let wrong = || Reject::NotAuthentic("the link");
    if text.len() > max {
        return Err(wrong());
    }
    let (payload, seal) =
        text.strip_prefix("v1.").and_then(|rest| rest.split_once('.')).ok_or_else(wrong)?;
    let seal = URL_SAFE_NO_PAD.decode(seal).map_err(|_| wrong())?;
    // `verify_slice` compares in constant time.
    if !keys.iter().any(|key| mac(purpose, payload, key).verify_slice(&seal).is_ok()) {
        return Err(wrong());
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| wrong())?;
    serde_json::from_slice(&payload).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::approval::Standing;
    use crate::domain::finding::testing::{WOODGROVE, noon};

    fn key(text: &str) -> Secret {
        Secret::new(text)
    }

    fn keys() -> [Secret; 2] {
        [key("the key that is in force"), key("the key that was before")]
    }

    fn link() -> Link {
        Link::to(
            WOODGROVE.parse().unwrap(),
            &Asked {
                id: ProposalId::parse("0123456789abcdef0123456789abcdef").unwrap(),
                plan: Sha256Hex::of(b"plan"),
                steps: Sha256Hex::of(b"steps"),
                at: noon(),
                until: noon(),
                people: 1,
                decisions: vec![],
                standing: Standing::Open,
            },
        )
    }

    #[test]
    fn a_token_is_read_as_it_was_made_with_either_key() {
        for key in keys() {
            let token = link().sign(&key);
            assert_eq!(Link::verify(&token, &keys()), Ok(link()));
            assert!(token.len() < TOKEN_MAX / 2, "{} bytes", token.len());
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        }
        assert_eq!(Link::verify("v1.e30.AA", &[]), Err(Reject::NoKey("decisionKey")));
    }

    #[test]
    fn another_key_or_another_purpose_opens_nothing() {
        let wrong = Err(Reject::NotAuthentic("the link"));
        assert_eq!(Link::verify(&link().sign(&key("a key of somebody else")), &keys()), wrong);
        let errand = Errand::new(&link().sign(&keys()[0]), Answer::Approve, "once", noon());
        assert_eq!(Link::verify(&errand.state(&keys()[0]), &keys()), wrong);
        let as_errand = Errand::verify(&link().sign(&keys()[0]), &keys(), noon());
        assert_eq!(as_errand, Err(Reject::NotAuthentic("the link")));
        // What is signed with our key and is no link of ours.
        for other in ["{}", "[]", "null", "{\"p\":1}"] {
            let payload = URL_SAFE_NO_PAD.encode(other);
            let seal = mac(LINK, &payload, &keys()[0]).finalize().into_bytes();
            let token = format!("v1.{payload}.{}", URL_SAFE_NO_PAD.encode(seal));
            assert_eq!(Link::verify(&token, &keys()), wrong, "{other}");
        }
    }

    #[test]
    fn an_errand_ends_after_a_quarter_of_an_hour() {
        let errand = Errand::new("v1.a.b", Answer::Refuse, "once", noon());
        let state = errand.state(&keys()[1]);
        let at = |seconds| noon() + jiff::SignedDuration::from_secs(seconds);
        assert_eq!(Errand::verify(&state, &keys(), at(899)), Ok(errand));
        assert_eq!(Errand::verify(&state, &keys(), at(900)), Err(Reject::Stale));
        let other = Errand::new("v1.a.b", Answer::Refuse, "twice", noon()).state(&keys()[1]);
        assert_ne!(Errand::nonce(&state), Errand::nonce(&other));
    }

    proptest! {
        #[test]
        fn no_change_to_a_token_is_taken(at in any::<prop::sample::Index>(), byte in 0x20..0x7f_u8) {
            let token = link().sign(&keys()[0]);
            let mut bytes = token.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assume!(changed != token);
            prop_assert_eq!(Link::verify(&changed, &keys()), Err(Reject::NotAuthentic("the link")));
        }

        #[test]
        fn whatever_comes_is_turned_away(text in "(v1\\.)?[-_.a-zA-Z0-9]{0,1200}") {
            prop_assert!(Link::verify(&text, &keys()).is_err());
            prop_assert!(Errand::verify(&text, &keys(), noon()).is_err());
        }
    }
}
