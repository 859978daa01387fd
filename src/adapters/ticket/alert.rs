//! What systems of alerts have in common: an alert is known by a key that we choose, so that what
//! is said twice is one alert. They take what they are told, and are not asked how it stands.

use crate::domain::finding::Severity;
use crate::domain::sink::Common;
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::said::Said;
use crate::ports::Delivery;
use crate::ports::ticket::{Class, SinkError};

/// What an alert is told, for a system of alerts.
pub(super) struct Alert {
    /// What is said.
    pub(super) said: Said,
    /// Whether the alert ends with it.
    pub(super) ends: bool,
    /// Whether it is the last word about an alert that is left to people: that everything is over
    /// must not raise an alert again that they have ended.
    pub(super) last: bool,
}

impl Alert {
    /// What a message tells an alert, in a system that takes titles of `title_max` characters.
    ///
    /// # Errors
    /// The message is of a version that is not known.
    pub(super) fn of(
        delivery: &Delivery,
        common: &Common,
        title_max: usize,
        whom: &str,
    ) -> Result<Self, SinkError> {
        let mut said = Said::of(&delivery.id, &delivery.body, common, title_max)
            .map_err(|error| SinkError::new(Class::Config, format!("{whom}: {error}")))?;
        let closed = said.kind == MessageKind::Closed;
        let last = closed && !common.close;
        if last {
            // Nobody is woken by it.
            said.severity = Severity::Info;
            said.priority = None;
        }
        Ok(Self { ends: closed && common.close, last, said })
    }
}

#[cfg(test)]
pub(super) mod testing {
    use std::time::Duration;

    use axum::body::Body;
    use axum::response::Response;
    use bytes::Bytes;
    use jiff::Timestamp;
    use serde_json::json;
    use url::Url;

    use super::*;
    use crate::adapters::http::Patience;
    use crate::adapters::testing::{QUICK, Server, status, with};
    use crate::adapters::ticket::testing::{KEY, SHORT, answer};
    use crate::domain::id::SinkName;
    use crate::ports::ticket::Notify;

    /// A message of a ticket, as the outbox holds it.
    pub(crate) fn delivery(kind: &str, number: u32) -> Delivery {
        severe(kind, number, Severity::High)
    }

    /// The same, of a severity.
    pub(crate) fn severe(kind: &str, number: u32, severity: Severity) -> Delivery {
        let body = json!({
            "type": kind,
            "timestamp": "2026-11-23T12:00:00Z",
            "data": {
                "key": KEY, "title": "Woodgrove: a partner holds too much",
                "body": "What was found\n- Agents <b>hold</b> Global Administrator\n",
                "severity": severity,
                "tenant": { "id": null, "name": "Woodgrove" },
                "partner": { "id": null, "name": "Contoso" },
                "findings": [], "steps": [], "record": "rec-1",
            },
        });
        Delivery {
            number: 1,
            sink: SinkName("security".to_owned()),
            ticket: KEY.to_owned(),
            id: format!("{KEY}-{number}"),
            body: body.to_string(),
            attempts: 0,
            more: false,
        }
    }

    type Fault = Box<dyn Fn() -> Response + Send + Sync>;

    /// Each answer that is none, and what is to be made of it.
    pub(crate) async fn sorts_answers<N: Notify>(make: impl Fn(&Url, Patience) -> N) {
        let text = |kind: &'static str, body: String| {
            with(Response::new(Body::from(body)), "content-type", kind)
        };
        let faults: Vec<(&str, Fault, Class)> = vec![
            (
                "429 after 7 s",
                Box::new(|| with(status(429), "retry-after", "7")),
                Class::RateLimited(Some(Duration::from_secs(7))),
            ),
            ("429", Box::new(|| status(429)), Class::RateLimited(None)),
            ("500", Box::new(|| answer(500, &json!({ "message": "s" }))), Class::Ambiguous),
            ("502", Box::new(|| status(502)), Class::Ambiguous),
            ("401", Box::new(|| status(401)), Class::Auth),
            ("403", Box::new(|| status(403)), Class::Auth),
            ("400", Box::new(|| answer(400, &json!({ "message": "no" }))), Class::Config),
            (
                "302",
                Box::new(|| with(status(302), "location", "https://e.example/")),
                Class::Config,
            ),
            ("HTML", Box::new(move || text("text/html", "<html>".to_owned())), Class::Ambiguous),
            (
                "broken JSON",
                Box::new(move || text("application/json", "{\"status\":".to_owned())),
                Class::Ambiguous,
            ),
            (
                "time-out",
                Box::new(|| {
                    let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
                    Response::new(Body::from_stream(never))
                }),
                Class::Ambiguous,
            ),
            (
                "503 after 7 s",
                Box::new(|| with(status(503), "retry-after", "7")),
                Class::RateLimited(Some(Duration::from_secs(7))),
            ),
            ("404", Box::new(|| status(404)), Class::Config),
            ("413", Box::new(|| status(413)), Class::TooLarge),
            (
                "oversize",
                Box::new(move || text("application/json", "x".repeat(1024 * 1024 + 1))),
                Class::Ambiguous,
            ),
        ];
        for (name, fault, class) in faults {
            let server = Server::start(move |_| fault()).await;
            let patience = if name == "time-out" { SHORT } else { QUICK };
            let ended = make(&server.origin, patience)
                .tell(&delivery("ticket.opened", 1), Timestamp::UNIX_EPOCH)
                .await;
            let error = ended.expect_err(name);
            assert_eq!(error.class, class, "{name}: {error}");
            let shown = crate::ports::chain(&error);
            assert!(!shown.contains("s3cret"), "{name}: {shown}");
            // What is too long may be said once more, shorter.
            let most = if class == Class::TooLarge { 2 } else { 1 };
            assert!((1..=most).contains(&server.asked().len()), "{name}: a call is made once");
        }
        let server = Server::start(|_| status(500)).await;
        let gone = server.origin.clone();
        drop(server);
        let told = delivery("ticket.opened", 1);
        let ended = make(&gone, SHORT).tell(&told, Timestamp::UNIX_EPOCH).await;
        let error = ended.unwrap_err();
        assert_eq!(error.class, Class::Transient, "nobody there: {error}");
        let shown = crate::ports::chain(&error);
        assert!(!shown.contains("s3cret"), "{shown}");
        let unreadable = Delivery { body: "{}".to_owned(), ..delivery("ticket.opened", 1) };
        let error = make(&gone, SHORT).tell(&unreadable, Timestamp::UNIX_EPOCH).await.unwrap_err();
        assert_eq!(error.class, Class::Config);
    }
}
