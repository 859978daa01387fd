//! The secrets document: JSON whose keys are checked and whose values are never shown.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Part;
use crate::domain::id::SinkName;
use crate::domain::policy::{Policy, Sink};
use crate::domain::secret::Secret;
use crate::wire::graph::CLIENT_STATE_KEY_MIN;
use crate::wire::standard_webhooks::WebhookSecret;

/// The keys that may stand at the top. Those this version does not use are accepted, so that one
/// document serves several versions.
const KEYS: &[&str] = &[
    "graphClientSecret",
    "graphCertificatePem",
    "graphPrivateKeyPem",
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
];

/// The secrets, by key; a sink's secret stands under `tickets.{sink}.secret`.
#[derive(Debug, Clone)]
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

    /// An empty document.
    pub(super) fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// The secret with this key.
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        self.0.get(key)
    }

    /// The current key and, while it is rotated, the previous one.
    pub fn rotated(&self, key: &str) -> Vec<Secret> {
        let previous = format!("{key}Previous");
        [key, &previous].into_iter().filter_map(|key| self.secret(key).cloned()).collect()
    }

    /// The keys with which a sink knows us.
    pub fn sink_key(&self, sink: &SinkName) -> Option<WebhookSecret> {
        WebhookSecret::parse(self.secret(&format!("tickets.{sink}.secret"))?).ok()
    }

    /// Together with another document. What stands in both is this one's.
    #[must_use]
    pub(super) fn and(mut self, other: Self) -> Self {
        for (key, secret) in other.0 {
            self.0.entry(key).or_insert(secret);
        }
        self
    }

    /// With what the document said before it was changed: its keys go on being accepted, as those
    /// that are named `…Previous` are.
    #[must_use]
    pub(super) fn rotated_from(mut self, before: Self) -> Self {
        for (key, secret) in before.0 {
            let previous = format!("{key}Previous");
            let changed = self.secret(&key).is_none_or(|now| now.expose() != secret.expose());
            if KEYS.contains(&previous.as_str()) && changed {
                self.0.entry(previous).or_insert(secret);
            }
        }
        self
    }

    /// What a policy needs of a part and the document does not hold, a line each.
    pub(super) fn missing_for(&self, policy: &Policy, part: Part) -> Vec<String> {
        let mut problems = Vec::new();
        if part.reads_graph() && self.secret("graphClientSecret").is_none() {
            problems.push(
                "graphClientSecret is missing; it is the client secret of WARDEN_CLIENT_ID"
                    .to_owned(),
            );
        }
        for key in ["clientStateKey", "clientStateKeyPrevious"] {
            let short = |secret: &&Secret| secret.expose().chars().count() < CLIENT_STATE_KEY_MIN;
            if self.secret(key).as_ref().is_some_and(short) {
                problems
                    .push(format!("{key} is to have at least {CLIENT_STATE_KEY_MIN} characters"));
            }
        }
        let mut webhook =
            vec!["auditWebhookSecret".to_owned(), "auditWebhookSecretPrevious".into()];
        for (name, sink) in &policy.tickets {
            let Sink::Webhook { .. } = sink;
            let key = format!("tickets.{name}.secret");
            if part.delivers() && self.secret(&key).is_none() {
                problems
                    .push(format!("{key} is missing; messages to that sink are signed with it"));
            }
            webhook.push(key);
        }
        for key in webhook {
            let wrong = self.secret(&key).map(WebhookSecret::parse).and_then(Result::err);
            problems.extend(wrong.map(|error| format!("{key} is {error}")));
        }
        problems
    }
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
