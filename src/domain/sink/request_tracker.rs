//! `request-tracker`: tickets of a queue of Request Tracker.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::{Address, Name, SecretName, Takes};

/// Tickets of a queue of Request Tracker 5 or later.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RequestTracker {
    /// Where Request Tracker is, such as `https://rt.example.com`; without `/REST/2.0`.
    pub url: Address,
    /// The queue, by name.
    pub queue: Name,
    /// The custom field of tickets that holds the key. Default: `PartnerWarden`.
    pub key_field: Option<KeyField>,
    /// The status of a ticket that is ended. Default: `resolved`.
    pub closed_status: Option<Name>,
    /// The status of a ticket that is taken up again. Default: `open`.
    pub reopened_status: Option<Name>,
}

/// The name of a custom field: letters, digits, spaces and `._-`, since it becomes part of a query.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9 ._-]{0,199}$"))]
pub struct KeyField(String);

impl KeyField {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for KeyField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte);
        let fits = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && text.len() <= 200
            && text.bytes().all(inner);
        if !fits {
            return Err(de::Error::custom(
                "this must be the name of a custom field: letters, digits, spaces and `._-`",
            ));
        }
        Ok(Self(text))
    }
}

impl RequestTracker {
    pub(super) const TAKES: Takes = Takes::Tickets;

    /// The custom field that holds the key.
    pub fn key_field(&self) -> &str {
        self.key_field.as_ref().map_or("PartnerWarden", KeyField::as_str)
    }

    /// The status of a ticket that is ended.
    pub fn closed_status(&self) -> &str {
        self.closed_status.as_ref().map_or("resolved", Name::as_str)
    }

    /// The status of a ticket that is taken up again.
    pub fn reopened_status(&self) -> &str {
        self.reopened_status.as_ref().map_or("open", Name::as_str)
    }

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![SecretName { name: "token", needed: true, what: "tickets are opened with it" }]
    }

    pub(super) fn place(&self) -> String {
        format!("{}, queue {}", self.url.origin(), self.queue.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_be_more_than_a_name_in_a_query_is_refused() {
        let read = |field: &str| {
            let settings =
                json!({ "url": "https://rt.example", "queue": "Security", "keyField": field });
            serde_json::from_value::<RequestTracker>(settings)
        };
        assert_eq!(read("Partner key_2.0").unwrap().key_field(), "Partner key_2.0");
        for wrong in ["", " key", "key}' OR id > 0 OR 'CF.{x", "key'", "ключ", &"k".repeat(201)]
        {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("the name of a custom field"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_left_out_is_as_request_tracker_has_it_at_first() {
        let settings = r#"{"url": "https://rt.example/rt", "queue": "Security"}"#;
        let settings: RequestTracker = serde_json::from_str(settings).unwrap();
        assert_eq!(settings.key_field(), "PartnerWarden");
        assert_eq!((settings.closed_status(), settings.reopened_status()), ("resolved", "open"));
        assert_eq!(settings.place(), "https://rt.example, queue Security");
    }
}
