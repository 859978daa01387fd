//! Deliveries to the simulated inbox, and what a sink's answers mean.

use std::time::Duration;

use super::*;
use crate::adapters::clock::SystemClock;
use crate::adapters::testing::{QUICK, Server, status};
use crate::adapters::ticket::testing::made;
use crate::domain::id::SinkName;
use crate::domain::sink::{Common, Texts};
use crate::ports::{Clock as _, chain};
use crate::sim::{Answer, INBOX_SECRET, Rule, Scenario, Sim, Then};

const OTHER_SECRET: &str = "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0";

async fn sim() -> Sim {
    Sim::start(Scenario::woodgrove(), ([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// The sink `security` of a simulator, known by this key.
fn sink(sim: &Sim, secret: &str) -> Webhook {
    let url = sim.origin().join("inbox/security").unwrap();
    let settings = serde_json::from_value(serde_json::json!({ "url": url })).unwrap();
    made(&Common::default(), &[("secret", secret)], QUICK, |making| Webhook::new(&settings, making))
}

fn delivery() -> Delivery {
    Delivery {
        number: 1,
        ticket: "pw1-abc".to_owned(),
        sink: SinkName("security".to_owned()),
        id: "pw1-abc-1".to_owned(),
        body: r#"{"type":"ticket.opened","data":{"title":"Ünïcode"}}"#.to_owned(),
        attempts: 0,
        more: false,
    }
}

/// Sends a message to a sink that meets a fault.
async fn send(fault: Option<Then>, secret: &str) -> (Result<(), SinkError>, usize) {
    let sim = sim().await;
    if let Some(fault) = fault {
        sim.add_fault(Rule::new("/inbox/", fault).forever());
    }
    let sent = sink(&sim, secret).tell(&delivery(), SystemClock.now()).await;
    (sent, sim.count("POST", "/inbox/"))
}

#[tokio::test]
async fn a_message_arrives_signed_and_byte_for_byte() {
    let sim = sim().await;
    let sink = sink(&sim, INBOX_SECRET);
    let message = delivery();
    for _ in 0..2 {
        sink.tell(&message, SystemClock.now()).await.unwrap();
    }
    let arrived = sim.deliveries("security");
    assert_eq!(arrived.len(), 1, "the id is the same for every attempt");
    assert_eq!((arrived[0].id.as_str(), arrived[0].count), ("pw1-abc-1", 2));
    assert!(arrived[0].verified);
    assert_eq!(arrived[0].body, serde_json::from_str::<serde_json::Value>(&message.body).unwrap());
}

#[tokio::test]
async fn each_answer_says_what_can_be_done() {
    let answer = |status: u16, retry_after: u64| {
        let Then::Answer(answer) = Then::status(status) else { panic!("no answer") };
        Then::Answer(Answer { retry_after: Some(retry_after), ..answer })
    };
    let throttled = |seconds| Class::RateLimited(Some(Duration::from_secs(seconds)));
    for (fault, kind, said) in [
        (Then::status(503), Class::Transient, "answered 503"),
        (Then::status(500), Class::Transient, "answered 500"),
        (Then::status(404), Class::Transient, "answered 404"),
        (Then::status(302), Class::Transient, "answered 302"),
        (Then::throttle(7), throttled(7), "answered 429"),
        (Then::throttle(u64::MAX), throttled(24 * 60 * 60), "answered 429"),
        (answer(429, 0), throttled(0), "answered 429"),
        (Then::status(429), Class::RateLimited(None), "answered 429"),
        (Then::status(401), Class::Auth, "answered 401"),
        (Then::status(403), Class::Auth, "answered 403"),
        (Then::status(410), Class::Gone, "answered 410"),
        (Then::Drop, Class::Ambiguous, "broke off the answer"),
    ] {
        let (sent, calls) = send(Some(fault.clone()), INBOX_SECRET).await;
        let error = sent.unwrap_err();
        assert_eq!(error.class, kind, "{fault:?}");
        assert_eq!(error.to_string(), format!("ticket sink security {said}"));
        assert!(!chain(&error).contains("/inbox/"), "a webhook's path may be a secret");
        assert_eq!(calls, 1, "when to try again is the outbox's to say: {fault:?}");
    }
}

#[tokio::test]
async fn any_2xx_is_acceptance() {
    for status in [200, 201, 202, 204] {
        let (sent, _) = send(Some(Then::status(status)), INBOX_SECRET).await;
        assert!(sent.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_denied() {
    let (sent, calls) = send(None, OTHER_SECRET).await;
    let error = sent.unwrap_err();
    assert_eq!((error.class, calls), (Class::Auth, 1));
    assert_eq!(error.to_string(), "ticket sink security answered 401");
}

#[tokio::test]
async fn title_and_text_are_in_the_policys_words_and_signed_so() {
    let sim = sim().await;
    let url = sim.origin().join("inbox/security").unwrap();
    let settings = serde_json::from_value(serde_json::json!({ "url": url })).unwrap();
    let title = Some("{{ partner.name }} in {{ tenant.name }}".to_owned());
    let templates = Texts { title, ..Texts::default() };
    let common = Common { templates, ..Common::default() };
    let secrets = [("secret", INBOX_SECRET)];
    let sink = made(&common, &secrets, QUICK, |making| Webhook::new(&settings, making));
    let message = crate::adapters::ticket::alert::testing::delivery("ticket.opened", 1);
    sink.tell(&message, SystemClock.now()).await.unwrap();
    // What no template can be made of goes as it is.
    sink.tell(&delivery(), SystemClock.now()).await.unwrap();
    let arrived = sim.deliveries("security");
    assert!(arrived.iter().all(|it| it.verified));
    let mut expect: serde_json::Value = serde_json::from_str(&message.body).unwrap();
    expect["data"]["title"] = "Contoso in Woodgrove".into();
    assert_eq!(arrived[0].body, expect);
    assert_eq!(
        arrived[1].body,
        serde_json::from_str::<serde_json::Value>(&delivery().body).unwrap()
    );
}

#[tokio::test]
async fn as_an_event_it_is_the_same_message_and_signed_as_it_is_sent() {
    let server = Server::start(|_| status(202)).await;
    let settings = serde_json::json!({ "url": server.origin, "format": "cloudevents" });
    let settings = serde_json::from_value(settings).unwrap();
    let sink = made(&Common::default(), &[("secret", INBOX_SECRET)], QUICK, |making| {
        Webhook::new(&settings, making)
    });
    let body =
        r#"{"type":"ticket.opened","timestamp":"2026-11-23T12:00:00Z","data":{"title":"Ünï"}}"#;
    let message = Delivery { body: body.to_owned(), ..delivery() };
    let now = SystemClock.now();
    sink.tell(&message, now).await.unwrap();
    let [asked] = server.asked().try_into().unwrap();
    assert_eq!(asked.content_type.as_deref(), Some("application/cloudevents+json"));
    let event: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    let expect = serde_json::json!({
        "specversion": "1.0",
        "id": "pw1-abc-1",
        "source": "/partner-warden/security",
        "type": "partner-warden.ticket.opened",
        "subject": "pw1-abc",
        "time": "2026-11-23T12:00:00Z",
        "datacontenttype": "application/json",
        "data": { "title": "Ünï" },
    });
    assert_eq!(event, expect);
    let key = WebhookSecret::parse(&crate::domain::secret::Secret::new(INBOX_SECRET)).unwrap();
    assert_eq!(asked.headers["webhook-signature"], key.sign("pw1-abc-1", now, &asked.body));

    let error = sink.tell(&delivery(), now).await.unwrap_err();
    assert_eq!(error.class, Class::Config, "no time stands in it");
    assert_eq!(server.asked().len(), 1);
}
