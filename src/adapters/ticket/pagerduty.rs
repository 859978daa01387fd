//! `PagerDuty` by Events API v2
//! (<https://developer.pagerduty.com/docs/events-api-v2-overview>): one alert for each ticket,
//! known by its `dedup_key`.
//!
//! An event that is taken (202) is not yet an incident, and nothing can be read back with the
//! routing key: so this is told, and keeps no tickets.

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

/// Longest summary, in characters.
const SUMMARY_MAX: usize = 1024;

/// Longest text, in characters: an event has at most 512 KB, and JSON may write a character with
/// six bytes.
const TEXT_MAX: usize = 60_000;

/// One integration of a service.
pub struct PagerDuty {
    caller: Caller,
    origin: String,
    common: Common,
    key: Secret,
}

#[derive(Deserialize)]
struct Taken {
    status: String,
    #[serde(default)]
    dedup_key: Option<String>,
}

impl PagerDuty {
    /// The sink.
    ///
    /// # Errors
    /// Which secret is missing.
    pub fn new(settings: &sink::PagerDuty, making: &Making<'_>) -> Result<Self, String> {
        let base = match &settings.url {
            Some(address) => address.url().clone(),
            None => Url::parse(sink::PagerDuty::URL).map_err(|error| error.to_string())?,
        };
        Ok(Self {
            origin: base.origin().ascii_serialization(),
            caller: Caller::new(making.http.clone(), base, &making.name.0),
            common: making.common.clone(),
            key: making.secret("routingKey")?,
        })
    }

    fn event(&self, alert: &Alert) -> Value {
        let said = &alert.said;
        let mut event = json!({ "routing_key": self.key.expose(), "dedup_key": said.key.as_str() });
        if alert.ends {
            event["event_action"] = "resolve".into();
            return event;
        }
        let severity = match said.severity {
            Severity::Critical => "critical",
            Severity::High => "error",
            Severity::Medium => "warning",
            Severity::Low | Severity::Info => "info",
        };
        let mut details: Map<String, Value> =
            said.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        details.insert("text".to_owned(), said.text.fitted(TEXT_MAX, plain).into());
        event["event_action"] = "trigger".into();
        event["payload"] = json!({
            "summary": said.title,
            "source": "Partner Warden",
            "severity": said.priority.as_deref().unwrap_or(severity),
            "custom_details": details,
        });
        event
    }
}

#[async_trait]
impl Notify for PagerDuty {
    async fn preflight(&self) -> Result<String, SinkError> {
        Ok(format!("events go to {}; it cannot be asked without telling", self.origin))
    }

    async fn tell(&self, delivery: &Delivery, _now: Timestamp) -> Result<(), SinkError> {
        let alert = Alert::of(delivery, &self.common, SUMMARY_MAX, self.caller.whom())?;
        if alert.last {
            // Any event but a resolution would open an incident again that people have resolved.
            return Ok(());
        }
        let (url, event) = (self.caller.at(&["v2", "enqueue"]), self.event(&alert));
        let request = |client: &reqwest::Client| client.post(url.clone()).json(&event);
        let taken: Taken = self.caller.json(Does::Writes, &[202], request).await?;
        let key = taken.dedup_key.as_deref();
        if taken.status != "success" || key.is_some_and(|key| key != alert.said.key.as_str()) {
            return Err(self.caller.strange(Does::Writes, "did not take the event under its key"));
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
    use crate::adapters::ticket::testing::{Described, KEY, OTHER_KEY, answer, made};
    use crate::ports::ticket::Class;

    fn pagerduty(origin: &Url, common: &Common) -> PagerDuty {
        patient(origin, common, QUICK)
    }

    fn patient(origin: &Url, common: &Common, patience: Patience) -> PagerDuty {
        let settings = serde_json::from_value(json!({ "url": origin })).unwrap();
        made(common, &[("routingKey", "s3cret")], patience, |making| {
            PagerDuty::new(&settings, making)
        })
    }

    fn serve(key: &str, asked: &Asked) -> Response {
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        let action = body["event_action"].as_str();
        let whole = match action {
            Some("trigger") => {
                let needed = ["summary", "source", "severity"];
                needed.iter().all(|name| body["payload"][name].is_string())
            }
            Some("resolve") => true,
            _ => false,
        };
        if asked.line != "POST /v2/enqueue" || body["routing_key"] != "s3cret" || !whole {
            return answer(400, &json!({ "status": "invalid event", "message": "no" }));
        }
        answer(202, &json!({ "status": "success", "message": "ok", "dedup_key": key }))
    }

    async fn taking(key: &'static str) -> Server {
        Server::start(move |asked| serve(key, asked)).await
    }

    #[tokio::test]
    async fn every_request_and_answer_is_as_the_published_description_has_it() {
        let published = include_str!("../../../tests/data/published/pagerduty.json");
        let described = Arc::new(Described::new(published));
        let server = described.server(|asked| serve(KEY, asked)).await;
        let common =
            Common { fields: [("team".to_owned(), json!({ "a": 1 }))].into(), ..Common::default() };
        for (kind, number) in [("opened", 1), ("updated", 2), ("closed", 3)] {
            let pagerduty = pagerduty(&server.origin, &common);
            let told = delivery(&format!("ticket.{kind}"), number);
            pagerduty.tell(&told, Timestamp::UNIX_EPOCH).await.unwrap();
        }
        assert_eq!(described.seen().len(), 3);
    }

    #[tokio::test]
    async fn an_event_may_be_taken_without_telling_its_key_but_not_without_success() {
        for (said, well) in [("success", true), ("invalid event", false)] {
            let server = Server::start(move |_| answer(202, &json!({ "status": said }))).await;
            let pagerduty = pagerduty(&server.origin, &Common::default());
            let told = pagerduty.tell(&delivery("ticket.opened", 1), Timestamp::UNIX_EPOCH).await;
            assert_eq!(
                told.map_err(|error| error.class),
                if well { Ok(()) } else { Err(Class::Ambiguous) }
            );
        }
    }

    async fn told(common: &Common, kind: &str, number: u32) -> Value {
        let server = taking(KEY).await;
        let pagerduty = pagerduty(&server.origin, common);
        pagerduty.tell(&delivery(kind, number), Timestamp::UNIX_EPOCH).await.unwrap();
        serde_json::from_slice(&server.asked()[0].body).unwrap()
    }

    #[tokio::test]
    async fn every_answer_that_is_none_is_sorted_by_what_is_to_be_done() {
        sorts_answers(|origin, patience| patient(origin, &Common::default(), patience)).await;
    }

    #[tokio::test]
    async fn an_alert_is_one_by_its_key_and_ends_with_the_case() {
        let common = Common::default();
        let opened = told(&common, "ticket.opened", 1).await;
        let updated = told(&common, "ticket.updated", 2).await;
        for (event, mark) in [(&opened, "#1"), (&updated, "#2")] {
            assert_eq!(
                (&event["event_action"], &event["dedup_key"]),
                (&"trigger".into(), &KEY.into())
            );
            assert_eq!(event["payload"]["severity"], "error");
            let text = event["payload"]["custom_details"]["text"].as_str().unwrap();
            assert!(text.contains(&format!("{KEY} {mark}")), "{text}");
        }
        let closed = told(&common, "ticket.closed", 3).await;
        assert_eq!(
            (&closed["event_action"], &closed["dedup_key"]),
            (&"resolve".into(), &KEY.into())
        );
    }

    #[tokio::test]
    async fn the_policy_names_severities_and_may_leave_the_end_to_people() {
        let common = Common {
            close: false,
            priority: [(Severity::High, "critical".to_owned())].into(),
            fields: [("text".to_owned(), json!("x")), ("team".to_owned(), json!("y"))].into(),
            ..Common::default()
        };
        let opened = told(&common, "ticket.opened", 1).await;
        assert_eq!(opened["payload"]["severity"], "critical");
        assert_eq!(opened["payload"]["custom_details"]["team"], "y");
        assert_ne!(opened["payload"]["custom_details"]["text"], "x");
        let server = taking(KEY).await;
        let pagerduty = pagerduty(&server.origin, &common);
        pagerduty.tell(&delivery("ticket.closed", 3), Timestamp::UNIX_EPOCH).await.unwrap();
        assert!(server.asked().is_empty(), "what people have resolved is not opened again");
    }

    #[tokio::test]
    async fn an_event_taken_under_another_key_is_not_ours() {
        let server = taking(OTHER_KEY).await;
        let pagerduty = pagerduty(&server.origin, &Common::default());
        let told = pagerduty.tell(&delivery("ticket.opened", 1), Timestamp::UNIX_EPOCH).await;
        assert_eq!(told.unwrap_err().class, Class::Ambiguous);
    }

    #[tokio::test]
    async fn each_severity_has_its_word() {
        let words = ["critical", "error", "warning", "info", "info"];
        let severities =
            [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
        for (severity, word) in severities.into_iter().zip(words) {
            let server = taking(KEY).await;
            let told = severe("ticket.opened", 1, severity);
            let system = pagerduty(&server.origin, &Common::default());
            system.tell(&told, Timestamp::UNIX_EPOCH).await.unwrap();
            let event: Value = serde_json::from_slice(&server.asked()[0].body).unwrap();
            assert_eq!(event["payload"]["severity"], word);
        }
    }
}
