//! Request Tracker 5.

use std::sync::Arc;

use partner_warden::adapters::http::{Http, Patience};
use partner_warden::domain::sink::{Common, Decides, Settings};
use partner_warden::domain::ticket::MessageKind;
use partner_warden::ports::ticket::{Class, TicketSystem};
use serde_json::json;

use super::proxy::Proxy;
use super::{NAME, goes_and_comes_back, key, lives, said, system, told};

/// The adapter as a user of this name.
pub(super) fn rt(url: &str, user: &str) -> Arc<dyn TicketSystem> {
    rt_with(url, user, Common::default())
}

fn rt_with(url: &str, user: &str, common: Common) -> Arc<dyn TicketSystem> {
    let settings = json!({ "url": url, "queue": "Security" });
    let settings = Settings::RequestTracker(serde_json::from_value(settings).unwrap());
    let token = told(&format!("WARDEN_TEST_RT_TOKEN_{user}"));
    system(settings, common, ("token", &token))
}

fn url() -> String {
    told("WARDEN_TEST_RT")
}

#[tokio::test]
async fn a_ticket_lives() {
    lives(rt(&url(), "LEAST").as_ref(), &key("rt lives")).await;
}

#[tokio::test]
async fn it_goes_and_comes_back() {
    let mut proxy = Proxy::start(&url()).await;
    let rt = rt(&proxy.url(), "LEAST");
    goes_and_comes_back(&mut proxy, rt.as_ref(), &key("rt back")).await;
}

#[tokio::test]
async fn what_is_not_allowed_is_said_and_nothing_is_made() {
    let (least, key) = (rt(&url(), "LEAST"), key("rt rights"));
    let at = least.open(&said(&key, MessageKind::Opened, 1)).await.unwrap();
    let closing = said(&key, MessageKind::Closed, 2);

    for (user, class, word) in [
        ("NOBODY_OF_NOTE", Class::Auth, "403"),
        ("READER", Class::Auth, "CreateTicket"),
        ("BLIND", Class::Config, "SeeCustomField"),
    ] {
        let error = rt(&url(), user).preflight().await.unwrap_err();
        assert_eq!(error.class, class, "{user}: {error}");
        assert!(error.said.contains(word), "{user}: {error}");
    }

    // Who sees no ticket finds none, and can open none either.
    let nobody = rt(&url(), "NOBODY_OF_NOTE");
    assert_eq!(nobody.find(&key).await.unwrap(), []);
    assert_eq!(nobody.read(&at).await.unwrap_err().class, Class::Auth);
    for user in ["NOBODY_OF_NOTE", "READER"] {
        let error = rt(&url(), user).open(&said(&key, MessageKind::Opened, 1)).await.unwrap_err();
        assert_eq!(error.class, Class::Auth, "{user}: {error}");
    }
    // Who does not see the key refuses what is found by it.
    let error = rt(&url(), "BLIND").find(&key).await.unwrap_err();
    assert_eq!(error.class, Class::Config, "{error}");

    let error = rt(&url(), "MUTE").comment(&at, &closing).await.unwrap_err();
    assert_eq!(error.class, Class::Auth, "{error}");
    assert!(error.said.contains("CommentOnTicket"), "{error}");
    // Request Tracker answers 200.
    let error = rt(&url(), "READER").close(&at, &closing).await.unwrap_err();
    assert_eq!(error.class, Class::Auth, "{error}");
    assert!(error.said.contains("ModifyTicket"), "{error}");

    assert_eq!(least.find(&key).await.unwrap().len(), 1);
    assert!(least.read(&at).await.unwrap().open);
    assert_eq!(least.has_said(&at, &closing.mark()).await.unwrap(), Some(false));
}

#[tokio::test]
async fn a_ticket_that_came_about_without_its_key_is_the_only_one() {
    let (keyless, key) = (rt(&url(), "KEYLESS"), key("rt keyless"));
    let first = keyless.open(&said(&key, MessageKind::Opened, 1)).await.unwrap_err();
    let second = keyless.open(&said(&key, MessageKind::Opened, 1)).await.unwrap_err();
    for error in [&first, &second] {
        assert_eq!(error.class, Class::Config, "{error}");
        assert!(error.said.contains("SetInitialCustomField"), "{error}");
    }
    // It is the first that is spoken of.
    assert_eq!(first.said, second.said);
}

#[tokio::test]
async fn the_credential_and_the_queue_are_seen_before() {
    let settings = json!({ "url": url(), "queue": "No such queue" });
    let settings = Settings::RequestTracker(serde_json::from_value(settings).unwrap());
    let token = told("WARDEN_TEST_RT_TOKEN_LEAST");
    let elsewhere = system(settings.clone(), Common::default(), ("token", &token));
    assert_eq!(elsewhere.preflight().await.unwrap_err().class, Class::Auth);
    let stranger = system(settings, Common::default(), ("token", "1-99-abcdef"));
    assert_eq!(stranger.preflight().await.unwrap_err().class, Class::Auth);
    assert_eq!(stranger.find(&key("rt stranger")).await.unwrap_err().class, Class::Auth);
}

#[tokio::test]
async fn who_gave_a_ticket_its_status_is_known_whoever_wrote_last() {
    let decide = Decides { approve: vec!["open".to_owned()], ..Decides::default() };
    let deciding = rt_with(&url(), "LEAST", Common { decide, ..Common::default() });
    let key = key("rt who");
    let at = deciding.open(&said(&key, MessageKind::Opened, 1)).await.unwrap();
    let standing = deciding.read(&at).await.unwrap();
    assert_eq!((standing.states, standing.by), (vec!["new".to_owned()], vec!["least".to_owned()]));
    let keyless = rt(&url(), "KEYLESS");
    keyless.close(&at, &said(&key, MessageKind::Closed, 2)).await.unwrap();
    deciding.comment(&at, &said(&key, MessageKind::Updated, 3)).await.unwrap();
    let standing = deciding.read(&at).await.unwrap();
    assert_eq!(standing.by, ["keyless"]);
    assert_eq!(standing.states, ["resolved"]);
}

#[tokio::test]
async fn a_priority_is_brought_to_that_of_what_is_said() {
    let (least, key) = (rt(&url(), "LEAST"), key("rt priority"));
    let mut opening = said(&key, MessageKind::Opened, 1);
    opening.priority = Some("50".to_owned());
    opening.fields.insert("AdminCc".to_owned(), json!(["soc@tests.example"]));
    opening.fields.insert("Queue".to_owned(), json!("General"));
    let at = least.open(&opening).await.unwrap();
    let mut update = said(&key, MessageKind::Updated, 2);
    update.priority = Some("100".to_owned());
    least.comment(&at, &update).await.unwrap();
    let ticket = raw(&format!("ticket/{}", at.id)).await;
    assert_eq!(ticket["Priority"], "100");
    assert_eq!(ticket["AdminCc"][0]["id"], "soc@tests.example");
    assert_eq!(ticket["Subject"], format!("{NAME} {key}"));
    let texts = raw(&format!("ticket/{}/attachments?fields=Content,ContentType", at.id)).await;
    for text in texts["items"].as_array().unwrap() {
        assert_eq!(text["ContentType"], "text/html");
        let content = text["Content"].as_str().unwrap();
        assert!(content.contains("&lt;b&gt;Contoso&lt;/b&gt;"), "{content}");
        assert!(!content.contains("<b>"), "{content}");
    }
    update.priority = Some("High".to_owned());
    assert_eq!(least.comment(&at, &update).await.unwrap_err().class, Class::Config);
}

/// What Request Tracker itself says.
async fn raw(path: &str) -> serde_json::Value {
    let http = Http::new(Patience::default()).unwrap();
    let token = format!("token {}", told("WARDEN_TEST_RT_TOKEN_LEAST"));
    let url = format!("{}/REST/2.0/{path}", url());
    let asked = http.once("rt", |client| client.get(&url).header("authorization", &token));
    serde_json::from_slice(&asked.await.unwrap().body).unwrap()
}
