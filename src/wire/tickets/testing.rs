//! What every scheme is put through.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use super::{Callback, Incoming, Reject, SECRET, Scheme};
use crate::domain::id::hex;
use crate::domain::secret::Secret;

/// 2026-11-25T12:00:00Z, in seconds since 1970.
pub(super) const NOW: i64 = 1_795_608_000;

/// Makes the headers that prove a body with a secret.
type Sign<'a> = &'a dyn Fn(&str, &[u8]) -> Vec<(&'static str, String)>;

/// A scheme, a secret and a body.
#[derive(Clone, Copy)]
pub(super) struct Trial<'a> {
    scheme: Scheme,
    secret: &'a str,
    body: &'a [u8],
    now: i64,
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(&parts.concat());
    mac.finalize().into_bytes().to_vec()
}

pub(super) fn hex_mac(key: &[u8], parts: &[&[u8]]) -> String {
    hex(&mac(key, parts))
}

pub(super) fn base64_mac(key: &[u8], parts: &[&[u8]]) -> String {
    STANDARD.encode(mac(key, parts))
}

pub(super) fn some(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

impl<'a> Trial<'a> {
    pub(super) fn of(scheme: Scheme, secret: &'a str, body: &'a [u8]) -> Self {
        Self { scheme, secret, body, now: NOW }
    }

    pub(super) fn body(self, body: &'a [u8]) -> Self {
        Self { body, ..self }
    }

    pub(super) fn now(self, now: i64) -> Self {
        Self { now, ..self }
    }

    fn with(self, headers: &[(&str, &str)], secrets: &[&str]) -> Result<Callback, Reject> {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        let now = Timestamp::from_second(self.now).unwrap();
        let incoming = Incoming { headers, body: self.body, now };
        self.scheme.receive(incoming, &secrets).map(super::Verified::into_inner)
    }

    /// What becomes of the body with these headers.
    pub(super) fn receive(self, headers: &[(&str, &str)]) -> Result<Callback, Reject> {
        self.with(headers, &[self.secret])
    }

    /// What becomes of the body with the headers that prove it.
    pub(super) fn signed(self, sign: Sign<'_>) -> Result<Callback, Reject> {
        self.receive(&borrowed(&sign(self.secret, self.body)))
    }

    /// The headers prove the body, whether or not anything can be read in it.
    #[track_caller]
    pub(super) fn is_authentic(self, headers: &[(&str, &str)]) {
        let became = self.receive(headers);
        assert!(matches!(became, Ok(_) | Err(Reject::Malformed { .. })), "{became:?}");
    }

    #[track_caller]
    pub(super) fn is_forged(self, headers: &[(&str, &str)]) {
        let became = self.receive(headers);
        assert!(matches!(became, Err(Reject::NotAuthentic(_))), "{headers:?}: {became:?}");
    }

    #[track_caller]
    pub(super) fn lacks_proof(self, headers: &[(&str, &str)]) {
        let became = self.receive(headers);
        assert!(matches!(became, Err(Reject::Missing(_))), "{headers:?}: {became:?}");
    }

    /// A body that is signed, changed in any byte, is not taken; and all that holds of a proof that
    /// is sent as it is.
    #[track_caller]
    pub(super) fn holds_what_every_scheme_must(self, sign: Sign<'_>) {
        self.holds_what_every_unsigned_scheme_must(sign);
        let known = self.signed(sign).unwrap().delivery;
        assert!(known.is_some_and(|delivery| !delivery.is_empty()), "a repeated one is known");
        let headers = sign(self.secret, self.body);
        for at in 0..self.body.len() {
            let mut changed = self.body.to_vec();
            changed[at] ^= 1;
            self.body(&changed).is_forged(&borrowed(&headers));
        }
        self.body(&[self.body, b"\n"].concat()).is_forged(&borrowed(&headers));
        self.body(b"").is_forged(&borrowed(&headers));
        let (name, proof) = &headers[0];
        for at in 0..proof.len() {
            let mut changed = headers.clone();
            changed[0] = (*name, format!("{}~{}", &proof[..at], &proof[at + 1..]));
            self.is_forged(&borrowed(&changed));
        }
    }

    #[track_caller]
    pub(super) fn holds_what_every_unsigned_scheme_must(self, sign: Sign<'_>) {
        let taken = self.signed(sign).unwrap();
        assert!(!taken.ids.is_empty(), "the body of a trial is about a ticket");
        assert_eq!(self.signed(sign).as_ref(), Ok(&taken), "a repeated one is the same");
        let headers = sign(self.secret, self.body);
        let headers = borrowed(&headers);
        let shouted: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_ascii_uppercase(), *value)).collect();
        let shouted: Vec<_> = shouted.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(self.receive(&shouted).as_ref(), Ok(&taken), "names are in any case");
        self.without_secret(&headers, sign);
        self.with_one_of_two_secrets(&headers, sign, &taken);
        for at in 0..headers.len() {
            let mut fewer = headers.clone();
            let (name, value) = fewer.remove(at);
            assert_eq!(self.receive(&fewer), Err(Reject::Missing(name)));
            let twice = [&headers[..], &[(name, value)]].concat();
            assert_eq!(self.receive(&twice), Err(Reject::NotAuthentic(name)), "twice");
        }
        self.is_understood_or_says_where(sign);
    }

    /// No secret is none that everybody has.
    #[track_caller]
    fn without_secret(self, headers: &[(&str, &str)], sign: Sign<'_>) {
        let none: [&[&str]; 4] = [&[], &[""], &["", " \n"], &["\t"]];
        for secrets in none {
            assert_eq!(self.with(headers, secrets), Err(Reject::NoKey(SECRET)), "{secrets:?}");
            for secret in secrets {
                let own = sign(secret, self.body);
                assert_eq!(self.with(&borrowed(&own), secrets), Err(Reject::NoKey(SECRET)));
            }
        }
        // Nor is it one beside another.
        let own = sign(" ", self.body);
        if self.scheme != Scheme::ServiceNow {
            let became = self.with(&borrowed(&own), &[" ", self.secret]);
            assert!(matches!(became, Err(Reject::NotAuthentic(_))), "{became:?}");
        }
    }

    #[track_caller]
    fn with_one_of_two_secrets(self, headers: &[(&str, &str)], _: Sign<'_>, taken: &Callback) {
        let other = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA==";
        for secrets in [[self.secret, other], [other, self.secret]] {
            assert_eq!(self.with(headers, &secrets).as_ref(), Ok(taken));
        }
        let became = self.with(headers, &[other]);
        assert!(matches!(became, Err(Reject::NotAuthentic(_))), "{became:?}");
    }

    /// An authentic body that is no object is malformed, and nothing of it is told.
    #[track_caller]
    fn is_understood_or_says_where(self, sign: Sign<'_>) {
        let bodies: [&[u8]; 5] = [b"planted", b"[\"planted\"]", b"\"planted\"", b"\xff", b""];
        for body in bodies {
            let wrapped = [b"payload=", body].concat();
            let body = if self.scheme == Scheme::Slack { &wrapped } else { body };
            let reject = self.body(body).signed(sign).unwrap_err();
            assert!(matches!(reject, Reject::Malformed { .. }), "{reject:?}");
            assert!(!reject.to_string().contains("planted"), "{reject}");
        }
    }
}
