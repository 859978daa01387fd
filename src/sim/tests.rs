//! Sign-in, scenarios, the inbox and waiting; and the client that all tests of the simulator use.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use reqwest::Response;
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;

/// Long enough for anything that happens at all.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn start(scenario: Scenario) -> Sim {
    Sim::start(scenario, ([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// A client of one simulator, signed in to one tenant.
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    origin: String,
    token: String,
}

#[expect(clippy::disallowed_methods, reason = "the tests speak to the simulator and nobody else")]
pub(super) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Client {
    pub(super) async fn of(sim: &Sim, tenant: &str) -> Self {
        Self::of_resource(sim, tenant, "https://graph.microsoft.com").await
    }

    /// Signed in for another API.
    pub(super) async fn of_resource(sim: &Sim, tenant: &str, resource: &str) -> Self {
        let answer = sign_in_for(sim, tenant, CLIENT_SECRET, resource).await;
        let body: Value = answer.json().await.unwrap();
        let token = body["access_token"].as_str().unwrap().to_owned();
        let origin = sim.origin().as_str().trim_end_matches('/').to_owned();
        Self { http: http(), origin, token }
    }

    /// Asks for a path, or for an absolute link.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        self.try_send(method, path, body).await.unwrap()
    }

    pub(super) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<Response> {
        let url = match path.strip_prefix("http") {
            Some(_) => path.to_owned(),
            None => format!("{}{path}", self.origin),
        };
        let request = self.http.request(method, url).bearer_auth(&self.token);
        match body {
            Some(body) => request.json(&body).send().await,
            None => request.send().await,
        }
    }

    /// Asks for a change against an etag, or against none.
    pub(super) async fn change(
        &self,
        method: Method,
        path: &str,
        etag: Option<&str>,
        body: Option<Value>,
    ) -> Response {
        let url = format!("{}{path}", self.origin);
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let request = match etag {
            Some(etag) => request.header("If-Match", etag),
            None => request,
        };
        match body {
            Some(body) => request.json(&body).send().await.unwrap(),
            None => request.send().await.unwrap(),
        }
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.send(Method::GET, path, None).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The same with the header that advanced queries need.
    pub(super) async fn get_eventual(&self, path: &str) -> (u16, Value) {
        let request = self.http.get(format!("{}{path}", self.origin)).bearer_auth(&self.token);
        let answer = request.header("ConsistencyLevel", "eventual").send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(super) async fn delete(&self, path: &str) -> u16 {
        self.send(Method::DELETE, path, None).await.status().as_u16()
    }

    /// All items of a collection, and on how many pages they came.
    pub(super) async fn all(&self, path: &str) -> (Vec<Value>, usize) {
        let (mut items, mut pages, mut next) = (Vec::new(), 0, Some(path.to_owned()));
        while let Some(link) = next {
            let (status, body) = self.get(&link).await;
            assert_eq!(status, 200, "{body}");
            items.extend(body["value"].as_array().unwrap().iter().cloned());
            pages += 1;
            next = body["@odata.nextLink"].as_str().map(str::to_owned);
        }
        (items, pages)
    }
}

async fn sign_in(sim: &Sim, tenant: &str, secret: &str) -> Response {
    sign_in_for(sim, tenant, secret, "https://graph.microsoft.com").await
}

async fn sign_in_for(sim: &Sim, tenant: &str, secret: &str, resource: &str) -> Response {
    let url = sim.origin().join(&format!("/{tenant}/oauth2/v2.0/token")).unwrap();
    let form = [
        ("client_id", CLIENT_ID),
        ("client_secret", secret),
        ("grant_type", "client_credentials"),
        ("scope", &format!("{resource}/.default")),
    ];
    http().post(url).form(&form).send().await.unwrap()
}

#[tokio::test]
async fn a_token_verifies_with_the_published_key() {
    let sim = start(Scenario::woodgrove()).await;
    let answer = sign_in(&sim, WOODGROVE, CLIENT_SECRET).await;
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    let keys = sim.origin().join("/common/discovery/v2.0/keys").unwrap();
    let keys: Value = http().get(keys).send().await.unwrap().json().await.unwrap();
    let key = &keys["keys"][0];
    let text = |field: &str| key[field].as_str().unwrap();
    let checking = DecodingKey::from_rsa_components(text("n"), text("e")).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["https://graph.microsoft.com"]);
    validation.set_issuer(&[format!("https://sts.windows.net/{WOODGROVE}/")]);
    let token = answer["access_token"].as_str().unwrap();
    let token = decode::<Value>(token, &checking, &validation).unwrap();
    assert_eq!(token.header.kid.as_deref(), Some(text("kid")));
    assert_eq!(token.claims["tid"], WOODGROVE);
    assert_eq!(token.claims["appid"], CLIENT_ID);
    assert_eq!(token.claims["roles"], json!(PERMISSIONS));
}

#[tokio::test]
async fn a_token_for_the_apps_own_api_is_for_nobody_else() {
    let sim = start(Scenario::woodgrove()).await;
    let uri = format!("api://{CLIENT_ID}");
    for (resource, audience) in
        [(CLIENT_ID, CLIENT_ID), (&uri, &uri), ("api://another", "https://graph.microsoft.com")]
    {
        let answer = sign_in_for(&sim, WOODGROVE, CLIENT_SECRET, resource).await;
        let answer: Value = answer.json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap();
        let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(token).unwrap().claims;
        assert_eq!(claims["aud"], audience);
        assert_eq!(claims["roles"], json!(PERMISSIONS));
        let graph = sim.origin().join("/v1.0/users").unwrap();
        let status = http().get(graph).bearer_auth(token).send().await.unwrap().status();
        assert_eq!(status == 401, audience != "https://graph.microsoft.com", "{resource}");
    }
}

#[tokio::test]
async fn sign_in_is_refused_as_entra_does() {
    let sim = start(Scenario::woodgrove()).await;
    let wrong = sign_in(&sim, WOODGROVE, "guessed").await;
    assert_eq!(wrong.status(), 401);
    let wrong: Value = wrong.json().await.unwrap();
    assert_eq!(wrong["error"], "invalid_client");
    assert_eq!(wrong["error_codes"], json!([7_000_215]));
    assert!(wrong["error_description"].as_str().unwrap().starts_with("AADSTS7000215: "));
    let unknown = sign_in(&sim, CONTOSO, CLIENT_SECRET).await;
    assert_eq!(unknown.status(), 400);
    let unknown: Value = unknown.json().await.unwrap();
    assert_eq!(unknown["error"], "invalid_request");
    assert!(unknown["error_description"].as_str().unwrap().starts_with("AADSTS90002: "));
}

#[test]
fn a_scenario_comes_from_yaml() {
    let text = "
pageSize: 2
permissions: [Directory.Read.All]
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    principals:
      - {kind: partnerGroup, name: AdminAgents, homeTenant: 22222222-2222-2222-2222-222222222222}
    assignments:
      - {principal: AdminAgents, role: Global Administrator}
    partners:
      - {tenantId: 22222222-2222-2222-2222-222222222222, isServiceProvider: true,
         inboundTrust: {mfa: true}}
inbox:
  security: {secret: whsec_c2VjcmV0}
faults:
  lagReads: 1
  refuseForeignDeletion: {}
  rules:
    - {path: skiptoken, skip: 1, times: forever, then: {answer: {status: 429, retryAfter: 2}}}
    - {method: GET, then: {delayMs: 5}}
    - {then: drop}
    - {times: 3, then: html200}
";
    let scenario = Scenario::from_yaml(text).unwrap();
    assert_eq!(scenario.page_size, 2);
    assert_eq!(scenario.client_id, CLIENT_ID);
    assert_eq!(scenario.faults.refuse_foreign_deletion, Some(Refusal::default()));
    let throttle = Rule::new("skiptoken", Then::throttle(2)).skip(1).forever();
    let expected = [
        throttle,
        Rule::new("", Then::DelayMs(5)).method("GET"),
        Rule::new("", Then::Drop),
        Rule::new("", Then::Html200).times(3),
    ];
    assert_eq!(scenario.faults.rules, expected);
}

#[test]
fn a_wrong_scenario_is_refused_with_its_place() {
    let error = Scenario::from_yaml("pageSize: 3\nfaults:\n  lagreads: 1\n").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("lagreads") && error.contains("line 3"), "{error}");
    let rule = "faults:\n  rules:\n    - {then: {answer: {status: 42}}}\n";
    let error = Scenario::from_yaml(rule).unwrap_err().to_string();
    assert!(error.contains("42 is not the status") && error.contains("line 3"), "{error}");
}

#[tokio::test]
async fn a_scenario_with_unknown_names_does_not_start() {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove").member("Megan", "megan@w.example", "Boss");
    let started = Sim::start(Scenario::default().tenant(tenant), ([127, 0, 0, 1], 0).into()).await;
    let error = started.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "Woodgrove: there is no role \"Boss\"");
}

struct Webhook<'a> {
    id: &'a str,
    at: i64,
    body: &'a str,
    secret: &'a str,
}

async fn deliver(sim: &Sim, webhook: Webhook<'_>) -> u16 {
    let Webhook { id, at, body, secret } = webhook;
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let url = sim.origin().join("/inbox/security").unwrap();
    let request = http().post(url).header("webhook-id", id).header("webhook-timestamp", at);
    let request = request.header("webhook-signature", format!("v1,bm8= v1,{signature}"));
    request.body(body.to_owned()).send().await.unwrap().status().as_u16()
}

#[expect(clippy::disallowed_methods, reason = "the inbox compares with the real time")]
fn now() -> i64 {
    Timestamp::now().as_second()
}

#[tokio::test]
async fn the_inbox_takes_signed_tickets_once() {
    let sim = start(Scenario::woodgrove()).await;
    let (at, body, secret) = (now(), "{\"type\":\"ticket.opened\"}", INBOX_SECRET);
    for _ in 0..2 {
        assert_eq!(deliver(&sim, Webhook { id: "msg_1", at, body, secret }).await, 202);
    }
    assert_eq!(deliver(&sim, Webhook { id: "msg_2", at, body, secret }).await, 202);
    let deliveries = sim.deliveries("security");
    let counts: Vec<_> = deliveries.iter().map(|it| (it.id.as_str(), it.count)).collect();
    assert_eq!(counts, [("msg_1", 2), ("msg_2", 1)]);
    assert_eq!(deliveries[0].body, json!({ "type": "ticket.opened" }));
    assert!(deliveries[0].verified);
    let url = sim.origin().join("/inbox").unwrap();
    let listed: Value = http().get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["sinks"]["security"]["deliveries"][0]["count"], 2);
}

#[tokio::test]
async fn the_inbox_refuses_wrong_signatures_and_old_ones() {
    let sim = start(Scenario::woodgrove()).await;
    let (at, body) = (now(), "{}");
    let wrong = Webhook { id: "msg_1", at, body, secret: "whsec_d3Jvbmc=" };
    assert_eq!(deliver(&sim, wrong).await, 401);
    let old = Webhook { id: "msg_1", at: at - 900, body, secret: INBOX_SECRET };
    assert_eq!(deliver(&sim, old).await, 401);
    assert_eq!((sim.deliveries("security"), sim.rejected("security")), (Vec::new(), 2));
}

#[tokio::test]
async fn waiting_sees_what_comes_and_names_what_does_not() {
    let sim = start(Scenario::woodgrove()).await;
    let waiting = sim.wait_for("a sign-in", LIMIT, |view| {
        view.calls().find(|call| call.status == Some(401)).map(|call| call.sequence)
    });
    let (found, _) = tokio::join!(waiting, sign_in(&sim, WOODGROVE, "guessed"));
    assert_eq!(found.unwrap(), 1);
    let soon = Duration::from_millis(1);
    let overdue = sim.wait_for("a deletion", soon, |view| view.deletions().first().cloned());
    let text = overdue.await.unwrap_err().to_string();
    assert!(text.starts_with("a deletion did not come within 1ms"), "{text}");
    let call = format!("POST /{WOODGROVE}/oauth2/v2.0/token [{WOODGROVE}] 401");
    assert!(text.contains(&call), "{text}");
}
