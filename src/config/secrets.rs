//! The secrets document: JSON whose keys are checked and whose values are never shown.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Part;
use crate::domain::id::SinkName;
use crate::domain::policy::Policy;
use crate::domain::secret::Secret;
use crate::domain::sink::{CALLBACK_SECRET, Settings, Sink};
use crate::wire::decision::DECISION_KEY_MIN;
use crate::wire::graph::CLIENT_STATE_KEY_MIN;
use crate::wire::standard_webhooks::WebhookSecret;

/// The keys that may stand at the top. Those this version does not use are accepted, so that one
/// document serves several versions.
const KEYS: &[&str] = &[
    "graphClientSecret",
    "graphCertificatePem",
    "graphPrivateKeyPem",
    "graphWriteClientSecret",
    "graphWriteCertificatePem",
    "graphWritePrivateKeyPem",
    "clientStateKey",
    "clientStateKeyPrevious",
    "notificationCertificatePem",
    "notificationCertificatePemPrevious",
    "notificationPrivateKeyPem",
    "notificationPrivateKeyPemPrevious",
    "auditWebhookSecret",
    "auditWebhookSecretPrevious",
    "o365AuthId",
    "o365AuthIdPrevious",
    "decisionKey",
    "decisionKeyPrevious",
    "partnerCenterRootsPem",
    "partnerCenterRefreshToken",
];

/// The keys of which a previous one is accepted; those that go together are in one group.
const ROTATED: &[&[&str]] = &[
    &["clientStateKey"],
    &["notificationCertificatePem", "notificationPrivateKeyPem"],
    &["auditWebhookSecret"],
    &["o365AuthId"],
    &["decisionKey"],
];

/// The secrets, by key; a sink's secret stands under `tickets.{sink}.secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// Reads the document. `{"tickets": {"security": {"secret": …}}}` and
    /// `{"tickets.security.secret": …}` mean the same.
    ///
    /// # Errors
    /// A line for each thing that is wrong, without any value.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let json: Value = serde_json::from_str(text).map_err(|error| {
            vec![format!("not JSON at line {}, column {}", error.line(), error.column())]
        })?;
        let Value::Object(object) = json else {
            return Err(vec!["not a JSON object".to_owned()]);
        };
        let mut found = Vec::new();
        for (key, value) in object {
            flatten(key, value, &mut found);
        }
        let mut secrets = BTreeMap::new();
        let mut problems = Vec::new();
        for (key, value) in found {
            let is_ticket = key.strip_prefix("tickets.").is_some_and(|rest| rest.contains('.'));
            match value {
                _ if !is_ticket && !KEYS.contains(&key.as_str()) => problems.push(unknown(&key)),
                Value::String(text) if !text.is_empty() => {
                    secrets.insert(key, Secret::new(text));
                }
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_) => {
                    problems.push(format!("{key} is to be a text that is not empty"));
                }
            }
        }
        if problems.is_empty() { Ok(Self(secrets)) } else { Err(problems) }
    }

    /// This document and another, which may not hold a key of this one. `names` says where each
    /// of them is kept.
    ///
    /// # Errors
    /// A line for each key that stands in both.
    pub fn with(mut self, other: Self, names: [&str; 2]) -> Result<Self, Vec<String>> {
        let both = other.0.keys().filter(|key| self.0.contains_key(*key));
        let both: Vec<String> =
            both.map(|key| format!("{key} stands in both {} and {}", names[0], names[1])).collect();
        self.0.extend(other.0);
        if both.is_empty() { Ok(self) } else { Err(both) }
    }

    /// This document with the keys of the one before it, as far as those are still accepted while
    /// they are rotated and this document does not name them itself.
    #[must_use]
    pub fn with_previous(mut self, before: &Self) -> Self {
        for group in ROTATED {
            let differs =
                |key: &&str| before.secret(key).is_some_and(|old| self.secret(key) != Some(old));
            let named = group.iter().any(|key| self.0.contains_key(&previous(key)));
            if named || !group.iter().any(differs) {
                continue;
            }
            for key in *group {
                if let Some(old) = before.secret(key) {
                    self.0.insert(previous(key), old.clone());
                }
            }
        }
        let of_sinks = |key: &str| key.starts_with("tickets.") && key.ends_with(CALLBACK_SECRET);
        for (key, old) in before.0.iter().filter(|(key, _)| of_sinks(key)) {
            if self.secret(key) != Some(old) {
                self.0.entry(previous(key)).or_insert_with(|| old.clone());
            }
        }
        self
    }

    /// The secret with this key.
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        self.0.get(key)
    }

    /// The current key and, while it is rotated, the previous one.
    pub fn rotated(&self, key: &str) -> Vec<Secret> {
        let previous = previous(key);
        [key, &previous].into_iter().filter_map(|key| self.secret(key).cloned()).collect()
    }

    /// What a sink goes by, by name: what stands under `tickets.{sink}.`.
    pub fn of_sink(&self, sink: &SinkName) -> BTreeMap<String, Secret> {
        let prefix = format!("tickets.{sink}.");
        let own = self.0.iter().filter_map(|(key, secret)| {
            Some((key.strip_prefix(&prefix)?.to_owned(), secret.clone()))
        });
        own.collect()
    }

    /// What a sink needs and the document does not hold, and what stands there under its name and is
    /// nothing it goes by; a line each.
    pub fn missing_for_sink(&self, name: &SinkName, sink: &Sink) -> Vec<String> {
        let mut problems = Vec::new();
        let known = sink.settings.secrets();
        for secret in known.iter().filter(|it| it.needed) {
            let key = format!("tickets.{name}.{}", secret.name);
            if self.secret(&key).is_none() {
                problems.push(format!("{key} is missing; {}", secret.what));
            }
        }
        for key in self.of_sink(name).into_keys() {
            if !known.iter().any(|secret| secret.name == key) {
                let names: Vec<&str> = known.iter().map(|secret| secret.name).collect();
                problems.push(format!(
                    "tickets.{name}.{} is nothing a {} sink goes by; there is: {}",
                    crate::domain::text::foreign(&key),
                    sink.settings.kind(),
                    names.join(", ")
                ));
            }
        }
        problems
    }

    /// What a policy needs and the document does not hold, a line each.
    pub(super) fn missing_for(&self, policy: &Policy, part: Part) -> Vec<String> {
        let mut problems = Vec::new();
        let whole = part == Part::Whole;
        for (key, least) in [
            ("clientStateKey", CLIENT_STATE_KEY_MIN),
            ("clientStateKeyPrevious", CLIENT_STATE_KEY_MIN),
            ("decisionKey", DECISION_KEY_MIN),
            ("decisionKeyPrevious", DECISION_KEY_MIN),
        ] {
            let short = |secret: &&Secret| secret.expose().chars().count() < least;
            if self.secret(key).as_ref().is_some_and(short) {
                problems.push(format!("{key} is to have at least {least} characters"));
            }
        }
        let mut webhook =
            vec!["auditWebhookSecret".to_owned(), "auditWebhookSecretPrevious".into()];
        for (name, sink) in &policy.tickets {
            if whole {
                problems.extend(self.missing_for_sink(name, sink));
            }
            for (own, secret) in self.of_sink(name) {
                let fault = sink.settings.fault(&own, &secret);
                problems.extend(fault.map(|fault| format!("tickets.{name}.{own} {fault}")));
            }
            if matches!(sink.settings, Settings::Webhook(_)) {
                webhook.push(format!("tickets.{name}.secret"));
            }
        }
        for key in webhook {
            let wrong = self.secret(&key).map(WebhookSecret::parse).and_then(Result::err);
            problems.extend(wrong.map(|error| format!("{key} is {error}")));
        }
        problems
    }
}

/// The key under which the previous one is accepted.
fn previous(key: &str) -> String {
    format!("{key}Previous")
}

/// Brings nested objects to keys with dots.
fn flatten(key: String, value: Value, found: &mut Vec<(String, Value)>) {
    if key.starts_with("tickets")
        && let Value::Object(object) = value
    {
        for (inner, value) in object {
            flatten(format!("{key}.{inner}"), value, found);
        }
    } else {
        found.push((key, value));
    }
}

fn unknown(key: &str) -> String {
    let near = KEYS.iter().map(|known| (strsim::damerau_levenshtein(known, key), known));
    let near = near.filter(|(distance, known)| *distance <= known.len() / 3).min();
    let hint = near.map_or_else(String::new, |(_, known)| format!("; did you mean {known}?"));
    format!("{} is not a key of the secrets document{hint}", crate::domain::text::foreign(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Secrets {
        Secrets::parse(text).unwrap()
    }

    fn value<'a>(secrets: &'a Secrets, key: &str) -> Option<&'a str> {
        secrets.secret(key).map(Secret::expose)
    }

    #[test]
    fn two_documents_are_one_unless_a_key_stands_in_both() {
        let door = || document(r#"{"clientStateKey": "a", "auditWebhookSecret": "b"}"#);
        let graph = document(r#"{"graphClientSecret": "c"}"#);
        let both = door().with(graph, ["warden/door", "warden/graph"]).unwrap();
        assert_eq!(
            (value(&both, "clientStateKey"), value(&both, "graphClientSecret")),
            (Some("a"), Some("c"))
        );
        let again = document(r#"{"clientStateKey": "hunter2"}"#);
        let problems = door().with(again, ["warden/door", "warden/graph"]).unwrap_err();
        assert_eq!(problems, ["clientStateKey stands in both warden/door and warden/graph"]);
    }

    #[test]
    fn the_key_before_is_accepted_while_keys_are_rotated() {
        let before = document(
            r#"{"clientStateKey": "old", "auditWebhookSecret": "same", "graphClientSecret": "old"}"#,
        );
        let now = document(
            r#"{"clientStateKey": "new", "auditWebhookSecret": "same", "graphClientSecret": "new"}"#,
        );
        let now = now.with_previous(&before);
        let accepted: Vec<Secret> = now.rotated("clientStateKey");
        assert_eq!(accepted, [Secret::new("new"), Secret::new("old")]);
        assert_eq!(now.rotated("auditWebhookSecret").len(), 1);
        assert_eq!(value(&now, "graphClientSecretPrevious"), None, "what we show is not rotated");
    }

    #[test]
    fn so_is_the_secret_before_of_a_sink_that_calls_back() {
        let of = |secret: &str, more: &str| {
            document(&format!(
                r#"{{"tickets": {{"s": {{"callbackSecret": "{secret}", "token": "{secret}"{more}}}}}}}"#
            ))
        };
        let key = "tickets.s.callbackSecret";
        let now = of("new", "").with_previous(&of("old", ""));
        assert_eq!(now.rotated(key), [Secret::new("new"), Secret::new("old")]);
        assert_eq!(value(&now, "tickets.s.tokenPrevious"), None, "what we show is not rotated");
        assert_eq!(of("same", "").with_previous(&of("same", "")).rotated(key).len(), 1);
        let named = of("new", r#", "callbackSecretPrevious": "named""#);
        let named = named.with_previous(&of("old", ""));
        assert_eq!(value(&named, "tickets.s.callbackSecretPrevious"), Some("named"));
    }

    #[test]
    fn a_key_before_that_the_document_names_itself_stays() {
        let before = document(r#"{"clientStateKey": "old"}"#);
        let now = document(r#"{"clientStateKey": "new", "clientStateKeyPrevious": "named"}"#);
        assert_eq!(value(&now.with_previous(&before), "clientStateKeyPrevious"), Some("named"));
        let gone = document("{}").with_previous(&before);
        assert_eq!(gone.rotated("clientStateKey"), [Secret::new("old")]);
    }

    #[test]
    fn a_certificate_that_was_renewed_over_one_key_keeps_its_key() {
        let before = r#"{"notificationCertificatePem": "c1", "notificationPrivateKeyPem": "k"}"#;
        let now = r#"{"notificationCertificatePem": "c2", "notificationPrivateKeyPem": "k"}"#;
        let now = document(now).with_previous(&document(before));
        let previous = ["notificationCertificatePemPrevious", "notificationPrivateKeyPemPrevious"];
        assert_eq!(previous.map(|key| value(&now, key)), [Some("c1"), Some("k")]);
    }
}
