//! What ServiceNow answers, as far as it is read. All values are text; a field is left out where the
//! user may not read it.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::adapters::http::Answer;
use crate::domain::text::foreign;
use crate::domain::ticket::said::TicketKey;
use crate::ports::ticket::Class;

#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) access_token: String,
}

#[derive(Deserialize)]
pub(super) struct Answered<T> {
    pub(super) result: T,
}

/// A record.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) sys_id: String,
    #[serde(default)]
    pub(super) number: Option<String>,
    #[serde(default)]
    pub(super) state: Option<String>,
    #[serde(default)]
    pub(super) active: Option<String>,
    #[serde(default)]
    pub(super) correlation_id: Option<String>,
    #[serde(default)]
    pub(super) approval: Option<String>,
    #[serde(default)]
    pub(super) impact: Option<String>,
    #[serde(default)]
    pub(super) urgency: Option<String>,
}

impl Row {
    pub(super) fn has(&self, key: &TicketKey) -> bool {
        self.correlation_id.as_deref() == Some(key.as_str())
    }

    /// Whether its id is one, which becomes part of addresses and of queries: 32 hexadecimal digits.
    pub(super) fn has_id(&self) -> bool {
        self.sys_id.len() == 32 && self.sys_id.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// What people call it.
    pub(super) fn human(&self) -> String {
        foreign(self.number.as_deref().unwrap_or(&self.sys_id))
    }
}

/// What a transform map made of a row of an import set.
#[derive(Deserialize)]
pub(super) struct Transformed {
    #[serde(default)]
    pub(super) table: Option<String>,
    pub(super) status: String,
    #[serde(default)]
    pub(super) status_message: Option<String>,
    #[serde(default)]
    pub(super) error_message: Option<String>,
}

/// Somebody who was asked for an approval.
#[derive(Deserialize)]
pub(super) struct Approver {
    #[serde(default)]
    sysapproval: String,
    #[serde(default)]
    state: String,
    #[serde(default, rename = "approver")]
    id: String,
    #[serde(default, rename = "approver.user_name")]
    user_name: String,
    #[serde(default, rename = "approver.email")]
    email: String,
}

impl Approver {
    /// Whether this is what somebody said about this record.
    pub(super) fn said(&self, record: &str, outcome: &str) -> bool {
        self.sysapproval == record && self.state == outcome
    }

    pub(super) fn names(self) -> impl Iterator<Item = String> {
        [self.id, self.user_name, self.email].into_iter().filter(|name| !name.is_empty())
    }
}

/// The notes in a record.
#[derive(Deserialize)]
pub(super) struct Journal {
    #[serde(default)]
    pub(super) work_notes: Option<String>,
}

/// 403 is for rights, and for rules and policies about data as well, which no right helps against.
pub(super) fn forbidden(answer: &Answer) -> Option<Class> {
    if answer.status != StatusCode::FORBIDDEN {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let said =
        ["/error/message", "/error/detail"].map(|at| body.pointer(at).and_then(Value::as_str));
    let said = said.into_iter().flatten().map(str::to_ascii_lowercase);
    let rules = ["business rule", "data policy"];
    let mut said = said.filter(|said| rules.iter().any(|rule| said.contains(rule)));
    said.next().map(|_| Class::Config)
}
