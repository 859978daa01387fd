//! `zendesk`: tickets in Zendesk Support.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, Name, SecretName, Takes};

/// Tickets in Zendesk Support.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Zendesk {
    /// Where Zendesk is, such as `https://woodgrove.zendesk.com`.
    pub url: Address,
    /// The mail address of the agent whose API token it is. Without it the token is one of OAuth.
    pub email: Option<Name>,
    /// Whether the requester and other end users see what is said. Default: no, all are internal
    /// notes.
    #[serde(default)]
    pub public: bool,
}

impl Zendesk {
    pub(super) const TAKES: Takes = Takes::Tickets;

    /// All that a priority can be.
    pub const PRIORITIES: [&str; 4] = ["urgent", "high", "normal", "low"];

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![
            SecretName { name: "token", needed: true, what: "tickets are opened with it" },
            SecretName {
                name: "callbackSecret",
                needed: false,
                what: "what Zendesk sends is signed with it",
            },
        ]
    }

    pub(super) fn place(&self) -> String {
        self.url.origin()
    }
}
