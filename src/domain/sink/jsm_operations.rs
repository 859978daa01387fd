//! `jsm-operations`: alerts in Jira Service Management Operations.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, SecretName, Takes};

/// Alerts in Jira Service Management Operations, which took the place of Opsgenie.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JsmOperations {
    /// Where its API for integrations is, up to what comes before `/v2/alerts`. Default:
    /// `https://api.atlassian.com/jsm/ops/integration`.
    pub url: Option<Address>,
}

impl JsmOperations {
    pub(super) const TAKES: Takes = Takes::Messages;

    /// Where its API for integrations is.
    pub const URL: &str = "https://api.atlassian.com/jsm/ops/integration";

    /// The words of the API for severities.
    pub const PRIORITIES: [&str; 5] = ["P1", "P2", "P3", "P4", "P5"];

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![SecretName { name: "apiKey", needed: true, what: "alerts are raised with it" }]
    }

    pub(super) fn place(&self) -> String {
        self.url.as_ref().map_or_else(|| "https://api.atlassian.com".to_owned(), Address::origin)
    }
}
