//! Bytes from a stranger to a verified Signal, or to a reasoned reject. One file for each sender.
//!
//! Everything here is pure: bytes, headers, keys and the time come in as arguments.

pub mod audit;
pub mod bearer;
pub mod decision;
pub mod event_grid;
pub mod graph;
pub mod o365;
pub mod partner_center;
pub mod schedule;
pub mod standard_webhooks;
#[cfg(test)]
mod tests;
pub mod tickets;
pub mod token;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::domain::id::Sha256Hex;
use crate::domain::signal::Signal;

/// Most bytes of a body that is read. What a body costs grows with its bytes alone, so that there
/// is no limit of items: the worst that a stranger can put into so many bytes, half a million
/// zeros in a collection, was measured to take 0.15 s of one core and 70 MB for that time, and
/// 9,100 genuine notifications 0.02 s and 5 MB.
pub const BODY_MAX: usize = 1024 * 1024;

/// Something whose authenticity was checked. It can be made under [`crate::wire`] only, so that
/// what takes a `Verified<Signal>` cannot be handed anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    fn new(value: T) -> Self {
        Self(value)
    }

    /// What was verified.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> AsRef<T> for Verified<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

/// What became of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The reasons to look that it brought.
    pub signals: Vec<Verified<Signal>>,
    /// Why some of its items were turned away.
    pub rejects: Vec<Reject>,
    /// Genuine items that have nothing to do with partners.
    pub irrelevant: usize,
    /// What some of those are called, fit to show.
    pub passed_over: BTreeSet<String>,
    /// Whether something was turned away because a token names a signing key that is not known:
    /// with a newer key set it may turn out to be genuine.
    pub misses_key: bool,
    /// Of a sender that signs its messages: a digest of the signature and of what the message is
    /// for, by which a replayed one is known.
    pub message: Option<Sha256Hex>,
}

/// Why a request or an item was turned away. Never carries what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reject {
    /// A header or parameter that proves authenticity is missing.
    Missing(&'static str),
    /// Nobody has configured the key that would prove authenticity.
    NoKey(&'static str),
    /// The proof of authenticity is wrong.
    NotAuthentic(&'static str),
    /// A token is signed with a key that is not known.
    UnknownKey,
    /// The request is from too long ago, or from the future.
    Stale,
    /// Whoever sends it is who they say, and may not.
    NotAllowed,
    /// The tenant is none of the policy's.
    UnknownTenant,
    /// It names an address to fetch from that a token must not be sent to.
    Elsewhere {
        /// A JSON path.
        path: String,
        /// What is wrong with the address there.
        what: &'static str,
    },
    /// It cannot be understood; says where.
    Malformed {
        /// A JSON path.
        path: String,
        /// What is wrong there.
        what: String,
    },
    /// It is larger than is read.
    TooLarge,
    /// It took longer to arrive than is waited for.
    Slow,
    /// It ended before its end.
    BrokenOff,
}

impl Reject {
    /// Whether other keys of ours might have proven it authentic.
    pub fn is_unproven(&self) -> bool {
        matches!(self, Self::NotAuthentic(_) | Self::NoKey(_))
    }

    /// The HTTP status for a request that is turned away as a whole.
    pub fn status(&self) -> u16 {
        match self {
            Self::Missing(_)
            | Self::NoKey(_)
            | Self::NotAuthentic(_)
            | Self::UnknownKey
            | Self::NotAllowed
            | Self::Stale => 401,
            Self::Malformed { .. }
            | Self::Elsewhere { .. }
            | Self::UnknownTenant
            | Self::BrokenOff => 400,
            Self::Slow => 408,
            Self::TooLarge => 413,
        }
    }

    /// The reason by which rejects are counted.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing-proof",
            Self::NoKey(_) => "no-key",
            Self::NotAuthentic(_) => "not-authentic",
            Self::UnknownKey => "unknown-key",
            Self::Stale => "stale",
            Self::NotAllowed => "not-allowed",
            Self::UnknownTenant => "unknown-tenant",
            Self::Elsewhere { .. } => "elsewhere",
            Self::Malformed { .. } => "malformed",
            Self::TooLarge => "too-large",
            Self::Slow => "slow",
            Self::BrokenOff => "broken-off",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "{what} is missing"),
            Self::NoKey(what) => write!(f, "nothing is accepted here until {what} is configured"),
            Self::NotAuthentic(what) => write!(f, "{what} does not verify"),
            Self::UnknownKey => f.write_str("the token is signed with an unknown key"),
            Self::Stale => f.write_str("webhook-timestamp is more than 5 minutes off"),
            Self::NotAllowed => f.write_str("the token holds no role that may send here"),
            Self::UnknownTenant => f.write_str("the tenant is not in the policy"),
            Self::Elsewhere { path, what } => write!(f, "{path}: {what}"),
            Self::Malformed { path, what } => write!(f, "{path}: {what}"),
            Self::TooLarge => write!(f, "the body is larger than {BODY_MAX} bytes"),
            Self::Slow => f.write_str("the body took too long to arrive"),
            Self::BrokenOff => f.write_str("the body broke off"),
        }
    }
}

impl std::error::Error for Reject {}

fn not_json(error: &serde_json::Error) -> Reject {
    unreadable("$", error)
}

/// What is no JSON, or nested deeper than the 128 levels that `serde_json` reads.
fn unreadable(path: &str, error: &serde_json::Error) -> Reject {
    // serde_json's own text may quote the input; the position is all that is told.
    let too_deep = error.to_string().starts_with("recursion limit exceeded");
    let what = if too_deep { "nested too deep" } else { "not JSON" };
    let what = format!("{what} at line {}, column {}", error.line(), error.column());
    Reject::Malformed { path: path.to_owned(), what }
}

/// An object of the expected shape. What is wrong with it is told by its path, not quoted.
fn shaped<T: serde::de::DeserializeOwned>(prefix: &str, value: Value) -> Result<T, Reject> {
    if !value.is_object() {
        return Err(Reject::Malformed { path: prefix.to_owned(), what: "not an object".into() });
    }
    serde_path_to_error::deserialize(value).map_err(|error| misshapen(prefix, &error))
}

fn misshapen(prefix: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> Reject {
    let inner = error.path().to_string();
    let path = if inner == "." { prefix.to_owned() } else { format!("{prefix}.{inner}") };
    let text = error.inner().to_string();
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let what = match missing {
        Some(field) => format!("the field {field} is missing"),
        None => "not of the expected type".to_owned(),
    };
    Reject::Malformed { path, what }
}
