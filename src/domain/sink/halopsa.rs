//! `halopsa`: tickets of a client in HaloPSA or `HaloITSM`.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, Name, SecretName, Takes};

/// Tickets of one client in HaloPSA or `HaloITSM`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Halopsa {
    /// Where Halo is, such as `https://msp.halopsa.com`; its API is below `/api`.
    pub url: Address,
    /// Where tokens come from. Default: `/auth` below `url`.
    pub auth_url: Option<Address>,
    /// The tenant, where Halo is hosted: what its page on the API names so.
    pub tenant: Option<Name>,
    /// The id of the application under which tickets are opened.
    pub client_id: Name,
    /// The number of the client (customer) that tickets are for.
    pub client: NonZeroU32,
    /// The number of the ticket type.
    pub ticket_type: NonZeroU32,
    /// The number of the client's site.
    pub site: Option<NonZeroU32>,
    /// The number of the outcome under which something is said, which Halo demands. Default: 7, the
    /// built-in "Internal Note".
    pub outcome: Option<NonZeroU32>,
    /// The number of the status of a ticket that is ended. Default: 9, the built-in "Closed".
    pub closed_status: Option<NonZeroU32>,
    /// The numbers of other statuses of tickets in which nothing is left to do.
    #[serde(default)]
    pub ended_statuses: Vec<NonZeroU32>,
    /// The number of the status of a ticket that is taken up again. Default: 1, the built-in "New".
    pub reopened_status: Option<NonZeroU32>,
    /// Whether this Halo finds tickets by words in their summaries. Default: yes, which is tried
    /// before it is relied on. With no, a ticket of which it is not known whether it was opened is
    /// left to people.
    pub search: Option<bool>,
}

impl Halopsa {
    pub(super) const TAKES: Takes = Takes::Tickets;

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![SecretName { name: "clientSecret", needed: true, what: "tickets are opened with it" }]
    }

    /// The status of a ticket that is ended.
    pub fn closed_status(&self) -> u32 {
        self.closed_status.map_or(9, NonZeroU32::get)
    }

    /// The status of a ticket that is taken up again.
    pub fn reopened_status(&self) -> u32 {
        self.reopened_status.map_or(1, NonZeroU32::get)
    }

    pub(super) fn place(&self) -> String {
        format!("{}, client {}", self.url.origin(), self.client)
    }
}
