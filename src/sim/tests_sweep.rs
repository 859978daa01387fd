//! What the simulated Graph does about subscriptions and audit logs.

use std::time::Duration;

use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::tests::{Client, start};
use super::*;

const SUBSCRIPTIONS: &str = "/v1.0/subscriptions";
const AUDITS: &str = "/v1.0/auditLogs/directoryAudits";

/// A subscription whose notifications go to the simulator's own inbox, which is no receiver.
fn wish(sim: &Sim, minutes: i64) -> Value {
    let url = sim.origin().join("/inbox/security").unwrap();
    let until = server::now() + SignedDuration::from_mins(minutes);
    json!({
        "resource": "users",
        "changeType": "updated,deleted",
        "notificationUrl": url.as_str(),
        "expirationDateTime": until.to_string(),
    })
}

async fn refused(graph: &Client, body: &Value) -> (u16, String) {
    let answer = graph.send(Method::POST, SUBSCRIPTIONS, Some(body.clone())).await;
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["error"]["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn who_does_not_answer_the_handshake_is_not_notified() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    let (status, message) = refused(&graph, &wish(&sim, 60)).await;
    assert_eq!(status, 400);
    assert!(message.starts_with("Subscription validation request failed."), "{message}");
    assert_eq!(sim.count("POST", "/inbox/security?validationToken="), 1);
    assert_eq!(sim.subscriptions(WOODGROVE), []);
}

#[tokio::test]
async fn what_is_asked_for_is_checked_before_anybody_is_asked() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    for (field, value, expect) in [
        ("resource", json!("servicePrincipals"), "Resource not supported."),
        ("resource", Value::Null, "resource is required."),
        (
            "changeType",
            json!("created"),
            "changeType: users and groups support updated and deleted.",
        ),
        ("notificationUrl", json!("nowhere"), "notificationUrl is not a valid url."),
        ("clientState", json!("x".repeat(129)), "clientState must not exceed 128 characters."),
        ("expirationDateTime", json!("soon"), "expirationDateTime is required."),
        (
            "expirationDateTime",
            wish(&sim, 41_761)["expirationDateTime"].clone(),
            "Subscription expiration can only be 41760 minutes in the future.",
        ),
        (
            "expirationDateTime",
            wish(&sim, -1)["expirationDateTime"].clone(),
            "expirationDateTime must be in the future.",
        ),
    ] {
        let mut body = wish(&sim, 60);
        body[field] = value;
        assert_eq!(refused(&graph, &body).await, (400, expect.to_owned()), "{field}");
    }
    assert_eq!(sim.count("POST", "validationToken"), 0);
}

#[tokio::test]
async fn the_log_comes_in_pages_newest_first_unless_asked_otherwise() {
    let sim = start(Scenario::woodgrove().page_size(2)).await;
    let graph = Client::of(&sim, WOODGROVE).await;
    for (name, ago) in [("b", 20), ("a", 30), ("c", 10)] {
        let event = json!({"activityDisplayName": name});
        sim.audit(WOODGROVE, &event, Duration::from_secs(ago), Duration::ZERO).unwrap();
    }
    let names = |items: Vec<Value>| -> Vec<String> {
        items.iter().map(|it| it["activityDisplayName"].as_str().unwrap().to_owned()).collect()
    };
    let (items, pages) = graph.all(AUDITS).await;
    assert_eq!((names(items), pages), (vec!["c".into(), "b".into(), "a".into()], 2));
    let since = server::now() - SignedDuration::from_secs(25);
    let asked =
        format!("{AUDITS}?$filter=activityDateTime%20ge%20{since}&$orderby=activityDateTime%20asc");
    assert_eq!(names(graph.all(&asked).await.0), ["b", "c"]);
    for wrong in ["$filter=category%20eq%20'x'", "$orderby=category"] {
        assert_eq!(graph.get(&format!("{AUDITS}?{wrong}")).await.0, 400, "{wrong}");
    }
}
