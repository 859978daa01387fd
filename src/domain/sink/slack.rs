//! `slack`: messages in a channel of Slack.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::{Address, SecretName, Takes};
use crate::domain::secret::Secret;

/// Messages in a channel of Slack: written by an app's bot, or posted to an incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Unchecked")]
#[schemars(with = "Unchecked")]
pub enum Slack {
    /// Written by the bot of an app.
    Bot {
        /// The channel.
        channel: Channel,
        /// Where the API is; Slack's own if nothing.
        url: Option<Address>,
    },
    /// Posted to an incoming webhook, whose address is a secret and says the channel.
    IncomingWebhook,
}

/// Messages in a channel of Slack.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Slack")]
struct Unchecked {
    /// The channel, by its id, in which an app's bot writes. Without it messages are posted to an
    /// incoming webhook.
    channel: Option<Channel>,
    /// Where the API is that the bot writes by. Default: `https://slack.com/api`; for GovSlack
    /// `https://slack-gov.com/api`.
    url: Option<Address>,
}

impl TryFrom<Unchecked> for Slack {
    type Error = &'static str;

    fn try_from(it: Unchecked) -> Result<Self, Self::Error> {
        match (it.channel, it.url) {
            (Some(channel), url) => Ok(Self::Bot { channel, url }),
            (None, None) => Ok(Self::IncomingWebhook),
            (None, Some(_)) => Err("`url` is where a bot writes by, and needs `channel`; the \
                                    address of an incoming webhook belongs into the secrets \
                                    document"),
        }
    }
}

/// The id of a channel: `C` or `G`, and then capital letters and digits. A name can be given to
/// another channel later on.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[CG][A-Z0-9]{5,30}$"))]
pub struct Channel(String);

impl Channel {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let inner = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let fits = text.starts_with(['C', 'G'])
            && (6..=31).contains(&text.len())
            && text.bytes().all(inner);
        if !fits {
            return Err(de::Error::custom(
                "this must be the id of a channel, such as C0123456789; Slack shows it at the end \
                 of a channel's details",
            ));
        }
        Ok(Self(text))
    }
}

impl Slack {
    pub(super) const TAKES: Takes = Takes::Messages;

    /// Where the API is.
    pub const URL: &str = "https://slack.com/api";

    pub(super) fn secrets(&self) -> Vec<SecretName> {
        let (name, what) = match self {
            Self::Bot { .. } => ("token", "the bot writes with it"),
            Self::IncomingWebhook => ("webhookUrl", "messages are posted there"),
        };
        vec![SecretName { name, needed: true, what }]
    }

    pub(super) fn fault(&self, name: &str, secret: &Secret) -> Option<String> {
        let address = *self == Self::IncomingWebhook && name == "webhookUrl";
        let read = address.then(|| Address::parse(secret.expose()))?;
        read.err().map(|error| format!("is no address of an incoming webhook: {error}"))
    }

    pub(super) fn place(&self) -> String {
        match self {
            Self::Bot { channel, url } => {
                let origin =
                    url.as_ref().map_or_else(|| "https://slack.com".to_owned(), Address::origin);
                format!("{origin}, channel {}", channel.as_str())
            }
            Self::IncomingWebhook => "an incoming webhook of Slack".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(settings: &Value) -> Result<Slack, serde_json::Error> {
        serde_json::from_value(settings.clone())
    }

    #[test]
    fn a_channel_goes_with_a_token_and_none_with_a_webhook() {
        let bot = read(&json!({ "channel": "C0123456789" })).unwrap();
        assert_eq!(bot.secrets()[0].name, "token");
        assert_eq!(bot.place(), "https://slack.com, channel C0123456789");
        let webhook = read(&json!({})).unwrap();
        assert_eq!(webhook.secrets()[0].name, "webhookUrl");
        let error =
            read(&json!({ "url": "https://hooks.slack.com/services/T0/B0/x" })).unwrap_err();
        assert!(error.to_string().contains("secrets document"), "{error}");
    }

    #[test]
    fn a_channel_is_named_by_its_id() {
        for wrong in ["#security", "security", "U0123456789", "C0", "C012345678a", "C01234\n", ""] {
            let error = read(&json!({ "channel": wrong })).unwrap_err().to_string();
            assert!(error.contains("the id of a channel"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_it() {
        let webhook = read(&json!({})).unwrap();
        let fault = |secret: &str| webhook.fault("webhookUrl", &Secret::new(secret));
        assert_eq!(fault("https://hooks.slack.com/services/T0/B0/s3cret"), None);
        for wrong in ["hooks.slack.com/s3cret", "http://hooks.slack.com/s3cret", "https://s3cret@x"]
        {
            let fault = fault(wrong).unwrap();
            assert!(!fault.contains("s3cret"), "{fault}");
        }
        let bot = read(&json!({ "channel": "C0123456789" })).unwrap();
        assert_eq!(bot.fault("token", &Secret::new("xoxb-1")), None);
    }
}
