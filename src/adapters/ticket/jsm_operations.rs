//! Alerts of Jira Service Management Operations, by the API for integrations that it has from
//! Opsgenie (<https://developer.atlassian.com/cloud/jira/service-desk-ops/>): one alert for each
//! ticket, known by its `alias`.
//!
//! A request that is taken (202) is worked off later, so an alert is not yet there: this is told,
//! and keeps no tickets. A second alert of the same alias is counted and its text thrown away, so
//! news is said in a note besides.

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
use crate::domain::ticket::MessageKind;
use crate::ports::Delivery;
use crate::ports::ticket::{Notify, SinkError};

/// Longest message, which is what an alert's title is called, in characters.
const MESSAGE_MAX: usize = 130;

/// Longest text, in characters: descriptions may have 15 000, notes more.
const TEXT_MAX: usize = 15_000;

/// One integration.
pub struct JsmOperations {
    caller: Caller,
    origin: String,
    common: Common,
    key: Secret,
}

/// The request is taken, to be worked off later.
#[derive(Deserialize)]
struct Taken {
    #[serde(rename = "requestId")]
    request: String,
}

impl JsmOperations {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::JsmOperations, making: &Making<'_>) -> Result<Self, String> {
        let base = match &settings.url {
            Some(address) => address.url().clone(),
            None => Url::parse(sink::JsmOperations::URL).map_err(|error| error.to_string())?,
        };
        Ok(Self {
            origin: base.origin().ascii_serialization(),
            caller: Caller::new(making.http.clone(), base, &making.name.0),
            common: making.common.clone(),
            key: making.secret("apiKey")?,
        })
    }

    async fn post(&self, url: &Url, body: &Value) -> Result<(), SinkError> {
        let key = format!("GenieKey {}", self.key.expose());
        let request = |client: &reqwest::Client| {
            client.post(url.clone()).header("authorization", &key).json(body)
        };
        let taken: Taken = self.caller.json(Does::Writes, &[202], request).await?;
        if taken.request.is_empty() {
            return Err(self.caller.strange(Does::Writes, "took a request without a number"));
        }
        Ok(())
    }

    /// An address below the alert with this alias.
    fn below(&self, alert: &Alert, what: &str) -> Url {
        let mut url = self.caller.at(&["v2", "alerts", alert.said.key.as_str(), what]);
        url.query_pairs_mut().append_pair("identifierType", "alias");
        url
    }

    fn alert(alert: &Alert, text: &str) -> Value {
        let said = &alert.said;
        let priority = match said.severity {
            Severity::Critical => "P1",
            Severity::High => "P2",
            Severity::Medium => "P3",
            Severity::Low => "P4",
            Severity::Info => "P5",
        };
        // Its details are texts.
        let details: Map<String, Value> = said
            .fields
            .iter()
            .map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (name.clone(), text.into())
            })
            .collect();
        json!({
            "message": said.title,
            "alias": said.key.as_str(),
            "description": text,
            "priority": said.priority.as_deref().unwrap_or(priority),
            "source": "Partner Warden",
            "details": details,
        })
    }
}

#[async_trait]
impl Notify for JsmOperations {
    async fn preflight(&self) -> Result<String, SinkError> {
        Ok(format!("alerts go to {}; it cannot be asked without telling", self.origin))
    }

    async fn tell(&self, delivery: &Delivery, _now: Timestamp) -> Result<(), SinkError> {
        let alert = Alert::of(delivery, &self.common, MESSAGE_MAX, self.caller.whom())?;
        let text = alert.said.text.fitted(TEXT_MAX, plain);
        let note = json!({ "note": text, "source": "Partner Warden" });
        if alert.ends {
            return self.post(&self.below(&alert, "close"), &note).await;
        }
        if !alert.last {
            // Where people ended it although something still stands, it is raised anew.
            let url = self.caller.at(&["v2", "alerts"]);
            self.post(&url, &Self::alert(&alert, &text)).await?;
        }
        if alert.said.kind != MessageKind::Opened {
            self.post(&self.below(&alert, "notes"), &note).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::response::Response;

    use super::*;
    use crate::adapters::http::Patience;
    use crate::adapters::testing::{Asked, QUICK, Server};
    use crate::adapters::ticket::alert::testing::{delivery, severe, sorts_answers};
    use crate::adapters::ticket::testing::{Described, KEY, answer, made};
    use crate::ports::ticket::Class;

    fn jsm(origin: &Url, common: &Common) -> JsmOperations {
        patient(origin, common, QUICK)
    }

    fn patient(origin: &Url, common: &Common, patience: Patience) -> JsmOperations {
        let settings = json!({ "url": origin.join("jsm/ops/integration").unwrap() });
        let settings = serde_json::from_value(settings).unwrap();
        made(common, &[("apiKey", "s3cret")], patience, |making| {
            JsmOperations::new(&settings, making)
        })
    }

    fn serve(asked: &Asked) -> Response {
        if asked.authorization.as_deref() != Some("GenieKey s3cret") {
            return answer(401, &json!({ "message": "Could not authenticate" }));
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        let below =
            |what| format!("POST /jsm/ops/integration/v2/alerts/{KEY}/{what}?identifierType=alias");
        let whole = if asked.line == "POST /jsm/ops/integration/v2/alerts" {
            body["message"].as_str().is_some_and(|it| it.chars().count() <= 130)
                && body["alias"] == KEY
                && matches!(body["priority"].as_str(), Some("P1" | "P2" | "P3" | "P4" | "P5"))
                && body["details"].as_object().unwrap().values().all(Value::is_string)
        } else {
            (asked.line == below("close") || asked.line == below("notes"))
                && body["note"].is_string()
        };
        if !whole {
            return answer(422, &json!({ "message": "Request body is not processable" }));
        }
        let taken =
            json!({ "result": "Request will be processed", "took": 0.1, "requestId": "43a2" });
        answer(202, &taken)
    }

    async fn taking() -> Server {
        Server::start(serve).await
    }

    #[tokio::test]
    async fn every_request_and_answer_is_as_the_published_description_has_it() {
        let published = include_str!("../../../tests/data/published/jsm-operations.json");
        let described = Arc::new(Described::new(published));
        let server = described.server(serve).await;
        let common =
            Common { fields: [("team".to_owned(), json!({ "a": 1 }))].into(), ..Common::default() };
        for (kind, number) in [("opened", 1), ("updated", 2), ("closed", 3)] {
            let jsm = jsm(&server.origin, &common);
            let told = delivery(&format!("ticket.{kind}"), number);
            jsm.tell(&told, Timestamp::UNIX_EPOCH).await.unwrap();
        }
        assert_eq!(described.unseen(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_request_that_is_taken_has_a_number() {
        let server = Server::start(|_| answer(202, &json!({ "requestId": "" }))).await;
        let jsm = jsm(&server.origin, &Common::default());
        let told = jsm.tell(&delivery("ticket.opened", 1), Timestamp::UNIX_EPOCH).await;
        assert_eq!(told.unwrap_err().class, Class::Ambiguous);
    }

    async fn told(common: &Common, kind: &str, number: u32) -> Vec<(String, Value)> {
        let server = taking().await;
        let jsm = jsm(&server.origin, common);
        jsm.tell(&delivery(kind, number), Timestamp::UNIX_EPOCH).await.unwrap();
        let asked = server.asked().into_iter();
        asked
            .map(|it| {
                let path = it.line.split(['/', '?']).nth(if it.line.contains('?') { 7 } else { 5 });
                (path.unwrap().to_owned(), serde_json::from_slice(&it.body).unwrap())
            })
            .collect()
    }

    fn names(told: &[(String, Value)]) -> Vec<&str> {
        told.iter().map(|it| it.0.as_str()).collect()
    }

    #[tokio::test]
    async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
        sorts_answers(|origin, patience| patient(origin, &Common::default(), patience)).await;
    }

    #[tokio::test]
    async fn news_is_said_in_a_note_and_the_alert_ends_with_the_case() {
        let common = Common { fields: [("team".to_owned(), json!(7))].into(), ..Common::default() };
        let opened = told(&common, "ticket.opened", 1).await;
        assert_eq!(names(&opened), ["alerts"]);
        assert_eq!(opened[0].1["priority"], "P2");
        assert_eq!(opened[0].1["details"]["team"], "7");
        let updated = told(&common, "ticket.updated", 2).await;
        assert_eq!(names(&updated), ["alerts", "notes"]);
        assert!(updated[1].1["note"].as_str().unwrap().contains(&format!("{KEY} #2")));
        assert_eq!(names(&told(&common, "ticket.closed", 3).await), ["close"]);
        let kept = Common { close: false, ..Common::default() };
        assert_eq!(names(&told(&kept, "ticket.closed", 3).await), ["notes"]);
    }

    #[tokio::test]
    async fn a_note_that_is_not_taken_is_not_told() {
        let server = Server::start(|asked| {
            if asked.line.contains("/notes") {
                return answer(404, &json!({ "message": "Alert does not exist" }));
            }
            answer(202, &json!({ "requestId": "43a2" }))
        })
        .await;
        let jsm = jsm(&server.origin, &Common::default());
        let told = jsm.tell(&delivery("ticket.updated", 2), Timestamp::UNIX_EPOCH).await;
        assert_eq!(told.unwrap_err().class, Class::Config);
    }

    #[tokio::test]
    async fn each_severity_has_its_word() {
        let words = ["P1", "P2", "P3", "P4", "P5"];
        let severities =
            [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
        for (severity, word) in severities.into_iter().zip(words) {
            let server = taking().await;
            let told = severe("ticket.opened", 1, severity);
            let system = jsm(&server.origin, &Common::default());
            system.tell(&told, Timestamp::UNIX_EPOCH).await.unwrap();
            let event: Value = serde_json::from_slice(&server.asked()[0].body).unwrap();
            assert_eq!(event["priority"], word);
        }
    }
}
