//! Splunk On-Call, once `VictorOps`, by its REST endpoint
//! (<https://help.splunk.com/en/splunk-on-call>, "REST endpoint integration guide"): one incident
//! for each ticket, known by its `entity_id`.
//!
//! Its key stands in the address, which therefore is shown nowhere. Nothing can be read back with
//! it: so this is told, and keeps no tickets.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::Making;
use super::alert::Alert;
use super::call::{Caller, Does};
use crate::domain::finding::Severity;
use crate::domain::markup::plain;
use crate::domain::secret::Secret;
use crate::domain::sink::{self, Common};
use crate::ports::Delivery;
use crate::ports::ticket::{Notify, SinkError};

/// Longest title, in characters.
const TITLE_MAX: usize = 255;

/// Longest text, in characters.
const TEXT_MAX: usize = 15_000;

/// One routing key of an organisation.
pub struct SplunkOnCall {
    caller: Caller,
    origin: String,
    routing_key: String,
    common: Common,
    key: Secret,
}

#[derive(Deserialize)]
struct Taken {
    result: String,
    #[serde(default)]
    entity_id: Option<String>,
}

impl SplunkOnCall {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::SplunkOnCall, making: &Making<'_>) -> Result<Self, String> {
        let base = match &settings.url {
            Some(address) => address.url().clone(),
            None => Url::parse(sink::SplunkOnCall::URL).map_err(|error| error.to_string())?,
        };
        Ok(Self {
            origin: base.origin().ascii_serialization(),
            // What it answers may repeat the address.
            caller: Caller::new(making.http.clone(), base, &making.name.0).wordless(),
            routing_key: settings.routing_key.as_str().to_owned(),
            common: making.common.clone(),
            key: making.secret("apiKey")?,
        })
    }

    fn message(alert: &Alert) -> Value {
        let said = &alert.said;
        let severity = match said.severity {
            Severity::Critical | Severity::High => "CRITICAL",
            Severity::Medium | Severity::Low => "WARNING",
            Severity::Info => "INFO",
        };
        let kind =
            if alert.ends { "RECOVERY" } else { said.priority.as_deref().unwrap_or(severity) };
        let mut message: Map<String, Value> =
            said.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, value) in [
            ("message_type", kind),
            ("entity_id", said.key.as_str()),
            ("entity_display_name", &said.title),
            ("state_message", &said.text.fitted(TEXT_MAX, plain)),
            ("monitoring_tool", "Partner Warden"),
        ] {
            message.insert(name.to_owned(), json!(value));
        }
        Value::Object(message)
    }
}

#[async_trait]
impl Notify for SplunkOnCall {
    async fn preflight(&self) -> Result<String, SinkError> {
        Ok(format!("alerts go to {}; it cannot be asked without telling", self.origin))
    }

    async fn tell(&self, delivery: &Delivery, _now: Timestamp) -> Result<(), SinkError> {
        let alert = Alert::of(delivery, &self.common, TITLE_MAX, self.caller.whom())?;
        let url = self.caller.at(&["alert", self.key.expose(), &self.routing_key]);
        let message = Self::message(&alert);
        let request = |client: &reqwest::Client| client.post(url.clone()).json(&message);
        let taken: Taken = self.caller.json(Does::Writes, &[200], request).await?;
        let entity = taken.entity_id.as_deref();
        if taken.result != "success" || entity.is_some_and(|it| it != alert.said.key.as_str()) {
            return Err(self.caller.strange(Does::Writes, "did not take the alert under its key"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::http::Patience;
    use crate::adapters::testing::{QUICK, Server};
    use crate::adapters::ticket::alert::testing::{delivery, severe, sorts_answers};
    use crate::adapters::ticket::testing::{KEY, OTHER_KEY, answer, made};
    use crate::ports::ticket::Class;

    fn splunk(origin: &Url, common: &Common) -> SplunkOnCall {
        patient(origin, common, QUICK)
    }

    fn patient(origin: &Url, common: &Common, patience: Patience) -> SplunkOnCall {
        let settings = json!({ "url": origin, "routingKey": "partners/eu" });
        let settings = serde_json::from_value(settings).unwrap();
        made(common, &[("apiKey", "s3cret")], patience, |making| {
            SplunkOnCall::new(&settings, making)
        })
    }

    async fn taking(key: &'static str) -> Server {
        Server::start(move |asked| {
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            if asked.line != "POST /alert/s3cret/partners%2Feu" || !body["message_type"].is_string()
            {
                return answer(400, &json!({ "result": "failure", "message": "s3cret" }));
            }
            answer(200, &json!({ "result": "success", "entity_id": key }))
        })
        .await
    }

    async fn told(common: &Common, kind: &str) -> Value {
        let server = taking(KEY).await;
        let splunk = splunk(&server.origin, common);
        splunk.tell(&delivery(kind, 2), Timestamp::UNIX_EPOCH).await.unwrap();
        serde_json::from_slice(&server.asked()[0].body).unwrap()
    }

    #[tokio::test]
    async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
        sorts_answers(|origin, patience| patient(origin, &Common::default(), patience)).await;
    }

    #[tokio::test]
    async fn an_incident_is_one_by_its_key_and_ends_with_the_case() {
        let common =
            Common { fields: [("entity_id".to_owned(), json!("x"))].into(), ..Common::default() };
        for (kind, word) in [
            ("ticket.opened", "CRITICAL"),
            ("ticket.updated", "CRITICAL"),
            ("ticket.closed", "RECOVERY"),
        ] {
            let message = told(&common, kind).await;
            assert_eq!(message["message_type"], word, "{kind}");
            assert_eq!(message["entity_id"], KEY, "{kind}");
        }
        // Whatever the policy calls it, the last word about what is left to people calls nobody.
        let priority = [(Severity::Info, "CRITICAL".to_owned())].into();
        let kept = Common { close: false, priority, ..Common::default() };
        assert_eq!(told(&kept, "ticket.closed").await["message_type"], "INFO");
    }

    #[tokio::test]
    async fn what_is_answered_is_not_shown_and_another_key_is_not_ours() {
        let server = Server::start(|_| answer(400, &json!({ "message": "s3cret" }))).await;
        let told = splunk(&server.origin, &Common::default())
            .tell(&delivery("ticket.opened", 1), Timestamp::UNIX_EPOCH)
            .await;
        let error = told.unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
        // It may say no with 200.
        let server = Server::start(|_| answer(200, &json!({ "result": "failure" }))).await;
        let told = splunk(&server.origin, &Common::default())
            .tell(&delivery("ticket.opened", 1), Timestamp::UNIX_EPOCH)
            .await;
        assert_eq!(told.unwrap_err().class, Class::Ambiguous);
        let server = taking(OTHER_KEY).await;
        let told = splunk(&server.origin, &Common::default())
            .tell(&delivery("ticket.opened", 1), Timestamp::UNIX_EPOCH)
            .await;
        assert_eq!(told.unwrap_err().class, Class::Ambiguous);
    }

    #[tokio::test]
    async fn each_severity_has_its_word() {
        let words = ["CRITICAL", "CRITICAL", "WARNING", "WARNING", "INFO"];
        let severities =
            [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
        for (severity, word) in severities.into_iter().zip(words) {
            let server = taking(KEY).await;
            let told = severe("ticket.opened", 1, severity);
            let system = splunk(&server.origin, &Common::default());
            system.tell(&told, Timestamp::UNIX_EPOCH).await.unwrap();
            let event: Value = serde_json::from_slice(&server.asked()[0].body).unwrap();
            assert_eq!(event["message_type"], word);
        }
    }
}
