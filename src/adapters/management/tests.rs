//! Fetching audit content: from the tenant's own feed alone, and saying why not.

use serde_json::json;

use super::*;
use crate::adapters::clock::SystemClock;
use crate::adapters::testing::{QUICK, Server, ok, quick, status};
use crate::domain::secret::Secret;
use crate::ports::chain;
use crate::sim::{CLIENT_ID, CLIENT_SECRET, CONTOSO, Rule, Scenario, Sim, Tenant, Then, WOODGROVE};

fn woodgrove() -> TenantId {
    WOODGROVE.parse().unwrap()
}

fn connect(origin: &Url, login: &Url) -> Management {
    let credential =
        Credential::Secret { client_id: CLIENT_ID.to_owned(), secret: Secret::new(CLIENT_SECRET) };
    Management::new(quick(), origin.clone(), login.clone(), credential, Arc::new(SystemClock))
}

async fn start(scenario: Scenario) -> (Sim, Management) {
    let sim = Sim::start(scenario, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let management = connect(&sim.origin(), &sim.origin());
    (sim, management)
}

/// The failure of a fetch.
async fn failure(management: &Management, uri: &str) -> (Failure, String) {
    let error = management.audit_content(woodgrove(), uri).await.unwrap_err();
    assert!(!chain(&error).contains("eyJ"), "{}", chain(&error));
    (error.kind, error.said)
}

#[tokio::test]
async fn content_comes_as_it_is_with_one_sign_in_for_many() {
    let (sim, management) = start(Scenario::woodgrove()).await;
    for body in ["[]", "[{\"Operation\": \"x\"}]", "not JSON"] {
        let uri = sim.publish(WOODGROVE, body);
        assert_eq!(management.audit_content(woodgrove(), &uri).await.unwrap(), body);
    }
    assert_eq!(sim.count("POST", "/oauth2/"), 1);
}

#[tokio::test]
async fn why_there_is_no_content_is_told_with_the_mend() {
    let (sim, management) = start(Scenario::woodgrove()).await;
    let uri = sim.publish(WOODGROVE, "[]");
    let gone = "the Management Activity API answered 404 AF20050: the content is gone";
    assert_eq!(failure(&management, &format!("{uri}x")).await, (Failure::Gone, gone.to_owned()));
    sim.expire_contents();
    let gone = "the Management Activity API answered 400 AF20051: the content is gone";
    assert_eq!(failure(&management, &uri).await, (Failure::Gone, gone.to_owned()));

    let (sim, management) =
        start(Scenario::woodgrove().without_permission("ActivityFeed.Read")).await;
    let uri = sim.publish(WOODGROVE, "[]");
    let denied = "the Management Activity API answered 403 AF10001; grant ActivityFeed.Read of the \
                  Office 365 Management APIs, with admin consent, to the application \
                  WARDEN_CLIENT_ID in this tenant";
    assert_eq!(failure(&management, &uri).await, (Failure::Denied, denied.to_owned()));
}

#[tokio::test]
async fn a_failure_is_told_by_its_kind() {
    async fn check(then: Then, expect: Failure, calls: usize) {
        let (sim, management) = start(Scenario::woodgrove()).await;
        let uri = sim.publish(WOODGROVE, "[]");
        sim.add_fault(Rule::new("/activity/feed/", then.clone()).forever());
        assert_eq!(failure(&management, &uri).await.0, expect, "{then:?}");
        assert_eq!(sim.count("GET", "/activity/feed/"), calls, "{then:?}");
    }
    check(Then::status(503), Failure::Transient, QUICK.retries + 1).await;
    check(Then::Drop, Failure::Transient, QUICK.retries + 1).await;
    check(Then::status(429), Failure::Throttled(None), QUICK.retries + 1).await;
    check(Then::status(404), Failure::Gone, 1).await;
    check(Then::status(410), Failure::Gone, 1).await;
    check(Then::status(400), Failure::Refused, 1).await;
    check(Then::status(302), Failure::Unintelligible, 1).await;
    // A token that is not accepted is renewed once.
    check(Then::status(401), Failure::Denied, 2).await;
}

#[tokio::test]
async fn too_much_content_is_not_read_to_its_end() {
    let (sim, management) = start(Scenario::woodgrove()).await;
    let uri = sim.publish(WOODGROVE, &" ".repeat(16 * 1024 * 1024 + 1));
    assert_eq!(failure(&management, &uri).await.0, Failure::Unintelligible);
}

#[tokio::test]
async fn each_tenants_content_is_fetched_with_its_own_token() {
    let contoso = Tenant::new(CONTOSO, "Contoso");
    let (sim, management) = start(Scenario::woodgrove().tenant(contoso)).await;
    let (ours, theirs) = (sim.publish(WOODGROVE, "1"), sim.publish(CONTOSO, "2"));
    assert_eq!(management.audit_content(woodgrove(), &ours).await.unwrap(), "1");
    assert_eq!(management.audit_content(CONTOSO.parse().unwrap(), &theirs).await.unwrap(), "2");
    let calls = sim.calls();
    assert_eq!(failure(&management, &theirs).await.0, Failure::Refused);
    assert_eq!(sim.calls(), calls, "nothing is asked for in another tenant's feed");
}

#[tokio::test]
async fn the_token_is_for_the_management_activity_api_and_is_sent_nowhere_else() {
    let login = Server::start(|_| ok(&json!({"access_token": "t0ken", "expires_in": 3599}))).await;
    let stranger = Server::start(|_| ok(&json!([]))).await;
    let elsewhere = stranger.origin.clone();
    let server = Server::start(move |asked| {
        if asked.line.ends_with("/moved") {
            let mut response = status(302);
            let to = elsewhere.as_str().parse().unwrap();
            response.headers_mut().insert("location", to);
            return response;
        }
        ok(&json!([]))
    })
    .await;
    let management = connect(&server.origin, &login.origin);
    let feed = format!("api/v1.0/{WOODGROVE}/activity/feed/audit/");
    let at = |origin: &Url, id: &str| format!("{origin}{feed}{id}");
    management.audit_content(woodgrove(), &at(&server.origin, "1")).await.unwrap();
    let moved = failure(&management, &at(&server.origin, "moved")).await;
    assert_eq!(moved.0, Failure::Unintelligible);
    for uri in [
        at(&stranger.origin, "1"),
        at(&server.origin, "1").replace("127.0.0.1", "localhost"),
        at(&server.origin, "1").replace("127.0.0.1", "user@127.0.0.1"),
        at(&server.origin, "1").replace("/audit/", "/subscriptions/"),
        at(&server.origin, "1").replace(WOODGROVE, CONTOSO),
        at(&server.origin, "../../../../../stolen"),
    ] {
        assert_eq!(failure(&management, &uri).await.0, Failure::Refused, "{uri}");
    }
    assert_eq!(stranger.asked(), []);
    let asked: Vec<String> = server.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(asked, [format!("GET /{feed}1"), format!("GET /{feed}moved")]);
    assert!(server.asked().iter().all(|it| it.authorization.as_deref() == Some("Bearer t0ken")));
    let form: Vec<(String, String)> =
        url::form_urlencoded::parse(&login.asked()[0].body).into_owned().collect();
    let scope = format!("{}.default", server.origin);
    assert!(form.contains(&("scope".to_owned(), scope)), "{form:?}");
    assert_eq!(login.asked().len(), 1);
    assert!(login.asked().iter().all(|it| it.authorization.is_none()));
}
