//! What goes wrong, on purpose: throttling, failures, lost connections, replication lag, refused
//! and undone deletions.

use std::fmt;

use http::StatusCode;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::Value;

/// Everything a scenario wants to go wrong.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Faults {
    /// In how many reads of the role assignments a deleted one still shows up. A read is one list
    /// from its first page on, or one item. Graph documents no replication delay, but has one.
    #[serde(default)]
    pub lag_reads: u64,
    /// The customer may not delete what a partner's group holds. Microsoft documents neither
    /// answer (<https://learn.microsoft.com/partner-center/customers/gdap-customer-terminate>
    /// knows the portal only).
    #[serde(default)]
    pub refuse_foreign_deletion: Option<Refusal>,
    /// After this many further reads a deleted assignment of a foreign principal is back under
    /// the same id, as if the partner's offline processor had run.
    #[serde(default)]
    pub recreate: Option<u64>,
    /// Faults per request; of the rules that match one, the first that is due applies.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// How the deletion of a foreign assignment is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refusal {
    /// The status of the answer.
    #[serde(default = "forbidden", deserialize_with = "status")]
    pub status: StatusCode,
}

impl Default for Refusal {
    fn default() -> Self {
        Self { status: forbidden() }
    }
}

fn forbidden() -> StatusCode {
    StatusCode::FORBIDDEN
}

/// A fault of some requests.
///
/// Every request a rule matches, and that no earlier rule has taken, counts against `skip` and
/// then `times`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// The method it is limited to.
    #[serde(default)]
    pub method: Option<String>,
    /// A part of path and query, as sent; empty matches all.
    #[serde(default)]
    pub path: String,
    /// How many matching requests pass first.
    #[serde(default)]
    pub skip: u64,
    /// How many then meet the fault; one when absent.
    #[serde(default)]
    pub times: Times,
    /// The fault.
    pub then: Then,
}

impl Rule {
    /// Once, for the next request whose path and query contain `path`.
    pub fn new(path: &str, then: Then) -> Self {
        Self { method: None, path: path.to_owned(), skip: 0, times: Times::default(), then }
    }

    /// Only for this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// After `n` matching requests have passed.
    #[must_use]
    pub fn skip(mut self, n: u64) -> Self {
        self.skip = n;
        self
    }

    /// For `n` requests.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = Times::Only(n);
        self
    }

    /// For every request from then on.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.times = Times::Forever;
        self
    }
}

/// How often a rule applies: a number, or `forever`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// This often.
    Only(u64),
    /// Always.
    Forever,
}

impl Default for Times {
    fn default() -> Self {
        Self::Only(1)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimesVisitor)
    }
}

struct TimesVisitor;

impl Visitor<'_> for TimesVisitor {
    type Value = Times;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or `forever`")
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Times, E> {
        Ok(Times::Only(n))
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Times, E> {
        let n = u64::try_from(n);
        n.map(Times::Only).map_err(|_| E::custom("`times` cannot be negative"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Times, E> {
        match text {
            "forever" => Ok(Times::Forever),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }
}

/// The fault itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Then {
    /// Another answer; the request has no effect.
    Answer(Answer),
    /// The right answer, this many milliseconds late.
    DelayMs(u64),
    /// No answer: the connection is closed; the request has no effect.
    Drop,
    /// A page for people, with status 200, as a proxy or gateway would send it.
    Html200,
}

impl Then {
    /// An answer with this status and Graph's error body; 500 if the number is not the
    /// status of an answer.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).ok().filter(|it| !it.is_informational());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::Answer(Answer { status, retry_after: None, body: None })
    }

    /// 429 with `Retry-After` in seconds
    /// (<https://learn.microsoft.com/graph/throttling>).
    pub fn throttle(retry_after: u64) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::Answer(Answer { status, retry_after: Some(retry_after), body: None })
    }
}

/// An answer in place of the right one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// Its status.
    #[serde(deserialize_with = "status")]
    pub status: StatusCode,
    /// Its `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
    /// Its body; Graph's error for the status when absent.
    #[serde(default)]
    pub body: Option<Value>,
}

pub(crate) fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
    let number = u16::deserialize(deserializer)?;
    match StatusCode::from_u16(number) {
        Ok(status) if !status.is_informational() => Ok(status),
        _ => Err(de::Error::custom(format!("{number} is not the status of an answer"))),
    }
}

/// A rule with its count.
#[derive(Clone, Debug)]
pub(crate) struct Armed {
    rule: Rule,
    seen: u64,
}

impl Armed {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, seen: 0 }
    }

    /// The fault this request meets, if the rule matches it and is due.
    pub(crate) fn meet(&mut self, method: &str, target: &str) -> Option<Then> {
        let Rule { method: only, path, skip, times, then } = &self.rule;
        if only.as_deref().is_some_and(|only| !only.eq_ignore_ascii_case(method)) {
            return None;
        }
        if !target.contains(path.as_str()) {
            return None;
        }
        self.seen += 1;
        let due = self.seen > *skip
            && match times {
                Times::Forever => true,
                Times::Only(n) => self.seen - skip <= *n,
            };
        due.then(|| then.clone())
    }
}
