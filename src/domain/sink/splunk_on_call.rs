//! `splunk-on-call`: incidents in Splunk On-Call.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, Name, SecretName, Takes};

/// Incidents in Splunk On-Call, once `VictorOps`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SplunkOnCall {
    /// The routing key, which says who is called.
    pub routing_key: Name,
    /// Where its REST endpoint is, up to what comes before `/alert`. Default:
    /// `https://alert.victorops.com/integrations/generic/20131114`.
    pub url: Option<Address>,
}

impl SplunkOnCall {
    pub(super) const TAKES: Takes = Takes::Messages;

    /// Where its REST endpoint is.
    pub const URL: &str = "https://alert.victorops.com/integrations/generic/20131114";

    /// The words of the endpoint for severities: the first two raise an incident.
    pub const TYPES: [&str; 3] = ["CRITICAL", "WARNING", "INFO"];

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![SecretName { name: "apiKey", needed: true, what: "alerts are raised with it" }]
    }

    pub(super) fn place(&self) -> String {
        let origin = self.url.as_ref();
        let origin =
            origin.map_or_else(|| "https://alert.victorops.com".to_owned(), Address::origin);
        format!("{origin}, routing key {}", self.routing_key.as_str())
    }
}
