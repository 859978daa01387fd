//! `connectwise`: service tickets of a company in ConnectWise PSA.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, Name, SecretName, Takes};

/// Service tickets of one company on one board of ConnectWise PSA.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Connectwise {
    /// Where its API is, such as `https://api-na.myconnectwise.net`.
    pub url: Address,
    /// The company's name that is asked for at sign-in.
    pub login_company: Name,
    /// The id of the integration: your own, from ConnectWise's developer pages.
    pub client_id: Name,
    /// The number of the service board.
    pub board: NonZeroU32,
    /// The number of the company that tickets are for.
    pub company: NonZeroU32,
    /// The number of the board's status of a ticket that is ended.
    pub closed_status: NonZeroU32,
    /// The number of the board's status of a ticket that is taken up again.
    pub reopened_status: NonZeroU32,
}

impl Connectwise {
    pub(super) const TAKES: Takes = Takes::Tickets;

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![
            SecretName { name: "publicKey", needed: true, what: "tickets are opened with it" },
            SecretName { name: "privateKey", needed: true, what: "tickets are opened with it" },
        ]
    }

    pub(super) fn place(&self) -> String {
        format!("{}, board {}", self.url.origin(), self.board)
    }
}
