//! `pagerduty`: alerts in `PagerDuty`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, SecretName, Takes};

/// Alerts in `PagerDuty`, by Events API v2.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PagerDuty {
    /// Where its events go. Default: `https://events.pagerduty.com`; for accounts in the EU
    /// `https://events.eu.pagerduty.com`.
    pub url: Option<Address>,
}

impl PagerDuty {
    pub(super) const TAKES: Takes = Takes::Messages;

    /// Where events go, outside the EU.
    pub const URL: &str = "https://events.pagerduty.com";

    /// The words of the API for severities.
    pub const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![SecretName { name: "routingKey", needed: true, what: "alerts are raised with it" }]
    }

    pub(super) fn place(&self) -> String {
        self.url.as_ref().map_or_else(|| Self::URL.to_owned(), Address::origin)
    }
}
