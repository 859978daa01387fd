//! The stop switch: somebody says that nothing is to be written, whatever the policy says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::text::one_line;

/// That nothing is to be written to any tenant until somebody says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Why, in the words of whoever stopped it.
    pub why: String,
    /// Since when; nothing where that cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl Stop {
    /// The longest reason, in characters.
    pub const WHY_MAX: usize = 500;

    /// Stopped by a person.
    pub fn new(why: &str, since: Timestamp) -> Self {
        let why = one_line(why).chars().take(Self::WHY_MAX).collect();
        Self { why, since: Some(since) }
    }

    /// What counts as stopped, since nobody can tell whether it is.
    pub fn unreadable() -> Self {
        Self {
            why: "the stop switch cannot be read, which counts as stopped".to_owned(),
            since: None,
        }
    }

    /// Why a step waits.
    pub fn holds(&self) -> String {
        let since = self.since.map_or_else(String::new, |since| format!(" since {since}"));
        format!(
            "nothing is written{since}, by the stop switch: {}; `partner-warden resume` ends it",
            one_line(&self.why)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_says_since_when_and_why() {
        let since = "2026-11-23T12:00:00Z".parse().unwrap();
        let stop = Stop::new("  INC-7:\nlooks\twrong ", since);
        assert_eq!(
            stop.holds(),
            "nothing is written since 2026-11-23T12:00:00Z, by the stop switch: INC-7: looks \
             wrong; `partner-warden resume` ends it"
        );
        assert_eq!(Stop::new(&"x".repeat(501), since).why.len(), Stop::WHY_MAX);
        assert!(Stop::unreadable().holds().starts_with("nothing is written, by the stop switch: "));
    }
}
