//! Times of a scenario: fixed ones, and such as are measured from the start of the simulator.

use std::fmt;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A time (RFC 3339), or how long after the start of the simulator it is, as an ISO 8601 duration
/// in days or less: `-P40D` is forty days before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// This time.
    At(Timestamp),
    /// This long after the start, or before it where it is negative.
    AfterStart(SignedDuration),
}

impl Moment {
    /// So many days before the start.
    pub fn days_ago(days: i32) -> Self {
        Self::in_days(-days)
    }

    /// So many days after the start.
    pub fn in_days(days: i32) -> Self {
        Self::AfterStart(SignedDuration::from_hours(24 * i64::from(days)))
    }

    /// The time it is, in whole seconds where it depends on the start.
    pub(crate) fn resolve(self, start: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::AfterStart(length) => after(start, length),
        }
    }
}

/// A time and a length later, in whole seconds; the last time there is if it would be later yet.
pub(crate) fn after(time: Timestamp, length: SignedDuration) -> Timestamp {
    let time = Timestamp::from_second(time.as_second()).unwrap_or(time);
    time.checked_add(length).unwrap_or(Timestamp::MAX)
}

/// The length of an ISO 8601 duration in years or less; a year has 365 days, a month 30.
pub(crate) fn length(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    let days = i64::from(span.get_years()) * 365 + i64::from(span.get_months()) * 30;
    let rest = span.years(0).months(0).to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    SignedDuration::from_hours(24 * days).checked_add(rest)
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(MomentVisitor)
    }
}

struct MomentVisitor;

impl Visitor<'_> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as 2026-11-25T06:00:00Z, or a duration such as -P40D")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
        if let Ok(time) = text.parse() {
            return Ok(Moment::At(time));
        }
        let length = length(text).map(Moment::AfterStart);
        length.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}
