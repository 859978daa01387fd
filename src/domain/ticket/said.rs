//! What is to be said in a ticket of a system, whatever the system.

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MessageKind;
use crate::domain::finding::Severity;
use crate::domain::markup::Document;

/// A ticket's key: `pw1-` and 26 hexadecimal digits, the same for as long as the case is open, and
/// another one for each sink. It is what a ticket is found again by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketKey(pub String);

impl TicketKey {
    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be said in a ticket: the same bytes for every attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The ticket's key.
    pub key: TicketKey,
    /// Its place among all that is said in the ticket, from 1.
    pub number: u32,
    /// What it does to the ticket.
    pub kind: MessageKind,
    /// One line, free of what strangers could do with a title.
    pub title: String,
    /// The text. Its last block is [`Said::mark`].
    pub text: Document,
    /// How bad it is.
    pub severity: Severity,
    /// What the policy calls that severity in this system.
    pub priority: Option<String>,
    /// More fields of a new ticket, by the system's names for them.
    pub fields: IndexMap<String, Value>,
}

impl Said {
    /// `pw1-… #3`: what tells this from everything else said in the ticket. It stands at the end of
    /// the text, so that a repetition can be told from news.
    pub fn mark(&self) -> String {
        mark(&self.key, self.number)
    }
}

/// The mark of what was said at a place among all that is said in a ticket.
pub fn mark(key: &TicketKey, number: u32) -> String {
    format!("{key} #{number}")
}

/// Whether a text holds a mark, and not only the beginning of a later one.
pub fn says(text: &str, mark: &str) -> bool {
    text.match_indices(mark).any(|(at, _)| {
        let after = text.get(at + mark.len()..).and_then(|rest| rest.chars().next());
        !after.is_some_and(|character| character.is_ascii_digit())
    })
}

/// A ticket in its system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketRef {
    /// The system's own id, by which it is read and written.
    pub id: String,
    /// What people call it: `SEC-17`, `INC0010023`.
    pub human: String,
    /// Where people look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How a ticket stands in its system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether anything is left to do in it, by the system's own reckoning.
    pub open: bool,
    /// Everything about its state that a policy may name under `decide`: ids and names of status,
    /// resolution, labels, and the answer of an approval the system has of its own.
    pub states: Vec<String>,
    /// Who brought it into that state, where the system says so, by each of the names that a policy
    /// may use.
    pub by: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_not_the_beginning_of_a_later_one() {
        let key = TicketKey("pw1-0123456789abcdef0123456789".to_owned());
        let first = mark(&key, 1);
        for text in
            [format!("so\n{first}"), format!("<code>{first}</code>"), format!("{first}0 {first}.")]
        {
            assert!(says(&text, &first), "{text}");
        }
        for text in [mark(&key, 10), mark(&key, 2), String::new(), key.to_string()] {
            assert!(!says(&text, &first), "{text}");
        }
    }
}
