//! Redmine 5.

use std::sync::Arc;

use partner_warden::adapters::http::{Http, Patience};
use partner_warden::domain::sink::{Common, Decides, Settings};
use partner_warden::domain::ticket::MessageKind;
use partner_warden::ports::ticket::{Class, TicketSystem};
use serde_json::{Value, json};

use super::proxy::Proxy;
use super::{NAME, goes_and_comes_back, key, lives, said, system, told};

/// A number that the servers' script tells.
pub(super) fn number(name: &str) -> u32 {
    told(&format!("WARDEN_TEST_REDMINE_{name}")).parse().unwrap()
}

fn settings(url: &str) -> Value {
    json!({
        "url": url,
        "project": told("WARDEN_TEST_REDMINE_PROJECT"),
        "tracker": number("TRACKER"),
        "keyField": number("FIELD"),
        "formatting": "textile",
    })
}

fn made(settings: Value, user: &str, common: Common) -> Arc<dyn TicketSystem> {
    let settings = Settings::Redmine(serde_json::from_value(settings).unwrap());
    let api_key = told(&format!("WARDEN_TEST_REDMINE_KEY_{user}"));
    system(settings, common, ("apiKey", &api_key))
}

/// The adapter as a user of this name.
pub(super) fn redmine(url: &str, user: &str) -> Arc<dyn TicketSystem> {
    made(settings(url), user, Common::default())
}

fn url() -> String {
    told("WARDEN_TEST_REDMINE")
}

#[tokio::test]
async fn a_ticket_lives() {
    lives(redmine(&url(), "LEAST").as_ref(), &key("redmine lives")).await;
}

#[tokio::test]
async fn it_goes_and_comes_back() {
    let mut proxy = Proxy::start(&url()).await;
    let redmine = redmine(&proxy.url(), "LEAST");
    goes_and_comes_back(&mut proxy, redmine.as_ref(), &key("redmine back")).await;
}

#[tokio::test]
async fn what_is_not_allowed_is_said_and_nothing_is_made() {
    let (least, key) = (redmine(&url(), "LEAST"), key("redmine rights"));
    let at = least.open(&said(&key, MessageKind::Opened, 1)).await.unwrap();
    let closing = said(&key, MessageKind::Closed, 2);

    for (user, word) in [("READER", "add_issues"), ("STRANGER", "403")] {
        let redmine = redmine(&url(), user);
        let error = redmine.preflight().await.unwrap_err();
        assert_eq!(error.class, Class::Auth, "{user}: {error}");
        assert!(error.said.contains(word), "{user}: {error}");
        redmine.open(&said(&key, MessageKind::Opened, 1)).await.unwrap_err();
        let error = redmine.comment(&at, &closing).await.unwrap_err();
        assert_eq!(error.class, Class::Auth, "{user}: {error}");
    }
    // Its workflow knows no way, and Redmine would answer 204.
    let key_of_stuck = super::key("redmine stuck");
    let stuck = redmine(&url(), "STUCK");
    let own = stuck.open(&said(&key_of_stuck, MessageKind::Opened, 1)).await.unwrap();
    let error = stuck.close(&own, &said(&key_of_stuck, MessageKind::Closed, 2)).await.unwrap_err();
    assert_eq!(error.class, Class::Auth, "{error}");
    assert!(error.said.contains("workflow"), "{error}");
    assert!(stuck.read(&own).await.unwrap().open);

    assert_eq!(least.find(&key).await.unwrap().len(), 1);
    assert!(least.read(&at).await.unwrap().open);
    assert_eq!(least.has_said(&at, &closing.mark()).await.unwrap(), Some(false));
}

#[tokio::test]
async fn a_field_that_filters_nothing_finds_nothing_of_strangers() {
    let (least, key) = (redmine(&url(), "LEAST"), key("redmine filter"));
    least.open(&said(&key, MessageKind::Opened, 1)).await.unwrap();
    for field in [number("FIELD_UNFILTERED"), 4711] {
        let mut settings = settings(&url());
        settings["keyField"] = field.into();
        let wrong = made(settings, "LEAST", Common::default());
        for error in [wrong.find(&key).await.unwrap_err(), wrong.preflight().await.unwrap_err()] {
            assert_eq!(error.class, Class::Config, "{field}: {error}");
            assert!(error.said.contains("used as a filter"), "{field}: {error}");
        }
    }
    // A field that issues do not have would be left out of a new one.
    let mut settings = settings(&url());
    settings["keyField"] = 4711.into();
    let wrong = made(settings, "LEAST", Common::default());
    let error = wrong.open(&said(&key, MessageKind::Opened, 1)).await.unwrap_err();
    assert_eq!(error.class, Class::Config, "{error}");
    assert_eq!(least.find(&key).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_project_a_tracker_or_a_key_that_is_not_there_is_seen_before() {
    for (name, value, class) in [
        ("project", json!("nowhere"), Class::Config),
        ("project", json!("elsewhere"), Class::Auth),
        ("tracker", json!(99), Class::Config),
    ] {
        let mut settings = settings(&url());
        settings[name] = value.clone();
        let error = made(settings, "LEAST", Common::default()).preflight().await.unwrap_err();
        assert_eq!(error.class, class, "{name} {value}: {error}");
    }
    let settings = Settings::Redmine(serde_json::from_value(settings(&url())).unwrap());
    let stranger = system(settings, Common::default(), ("apiKey", "0123456789abcdef"));
    assert_eq!(stranger.preflight().await.unwrap_err().class, Class::Auth);
    assert_eq!(stranger.find(&key("redmine nobody")).await.unwrap_err().class, Class::Auth);
}

#[tokio::test]
async fn who_gave_an_issue_its_status_is_known_whoever_wrote_last() {
    let decide = Decides { approve: vec!["2".to_owned()], ..Decides::default() };
    let deciding = made(settings(&url()), "LEAST", Common { decide, ..Common::default() });
    let key = key("redmine who");
    let at = deciding.open(&said(&key, MessageKind::Opened, 1)).await.unwrap();
    let me = deciding.read(&at).await.unwrap().by;
    let clerk = redmine(&url(), "CLERK");
    clerk.close(&at, &said(&key, MessageKind::Closed, 2)).await.unwrap();
    deciding.comment(&at, &said(&key, MessageKind::Updated, 3)).await.unwrap();
    let standing = deciding.read(&at).await.unwrap();
    assert_eq!(standing.states, [number("STATUS_CLOSED").to_string(), "Closed".to_owned()]);
    assert_eq!(standing.by.len(), 1);
    assert_ne!(standing.by, me);
}

#[tokio::test]
async fn a_priority_is_brought_to_that_of_what_is_said_and_no_name_means_anything() {
    let (least, key) = (redmine(&url(), "LEAST"), key("redmine priority"));
    let mut opening = said(&key, MessageKind::Opened, 1);
    opening.fields.insert("project_id".to_owned(), json!("elsewhere"));
    opening.fields.insert("start_date".to_owned(), json!("2026-11-01"));
    let at = least.open(&opening).await.unwrap();
    let mut update = said(&key, MessageKind::Updated, 2);
    update.priority = Some(number("PRIORITY").to_string());
    least.comment(&at, &update).await.unwrap();
    // A second time it is not said again.
    least.comment(&at, &update).await.unwrap();

    let issue = raw(&format!("issues/{}.json?include=journals", at.id)).await;
    let issue = &issue["issue"];
    assert_eq!(issue["priority"]["id"], number("PRIORITY"));
    assert_eq!(issue["start_date"], "2026-11-01");
    assert_eq!(issue["subject"], format!("{NAME} {key}"));
    assert_eq!(issue["journals"].as_array().unwrap().len(), 1);
    update.priority = Some("High".to_owned());
    assert_eq!(least.comment(&at, &update).await.unwrap_err().class, Class::Config);
}

/// What Redmine itself says.
async fn raw(path: &str) -> Value {
    let http = Http::new(Patience::default()).unwrap();
    let (key, url) = (told("WARDEN_TEST_REDMINE_KEY_LEAST"), format!("{}/{path}", url()));
    let asked = http.once("redmine", |client| client.get(&url).header("x-redmine-api-key", &key));
    serde_json::from_slice(&asked.await.unwrap().body).unwrap()
}
