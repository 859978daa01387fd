//! `webhook`: a POST signed by Standard Webhooks, to whatever takes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, SecretName, Takes};

/// A POST signed by [Standard Webhooks](https://www.standardwebhooks.com). Any 2xx is acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Webhook {
    /// Where to: https, or http to this machine.
    pub url: Address,
    /// How the body is written. Default: `standard-webhooks`.
    #[serde(default)]
    pub format: Format,
}

/// How the body of a message is written. The headers that sign it are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `type`, `timestamp` and `data`.
    #[default]
    StandardWebhooks,
    /// An event of [CloudEvents 1.0](https://github.com/cloudevents/spec), in structured mode.
    #[serde(rename = "cloudevents")]
    CloudEvents,
}

impl Webhook {
    pub(super) const TAKES: Takes = Takes::Messages;

    #[expect(clippy::unused_self, reason = "other kinds ask for more or fewer by their settings")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        let what = "messages to that sink are signed with it";
        vec![SecretName { name: "secret", needed: true, what }]
    }

    pub(super) fn place(&self) -> String {
        self.url.url().to_string()
    }
}
