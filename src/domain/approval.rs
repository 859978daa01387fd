//! Who agreed to a step, or refused it, and how that is known.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a person has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Who, as that person says.
    pub by: String,
    /// What proves it; nothing where only the link proves that it was somebody who got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<String>,
    /// What.
    pub decision: Decision,
    /// When.
    pub at: Timestamp,
}

/// Whether something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It may.
    Approve,
    /// It may not.
    Refuse,
}
