//! The senders that prove themselves with an auth id, a token or both, through the whole program.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use partner_warden::adapters::clock::SystemClock;
use partner_warden::adapters::http::{Http, Patience};
use partner_warden::ports::Clock as _;
use partner_warden::sim::{CLIENT_ID, CLIENT_SECRET, Rule, Then, WOODGROVE};
use serde_json::{Value, json};
use url::Url;

use crate::front_door::Says::{Error, Nothing, Origin};
use crate::front_door::{
    FABRIKAM, KEYS, O365_AUTH_ID, Request, Row, SENDER_ROLE, STRANGER, ask, asked_since, check,
    check_all, post, state_of, town,
};
use crate::harness::{AUDIT_SECRET, LIMIT, Town, role_given_to, signed};

/// The application that Microsoft Graph publishes notifications with.
const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";

const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";
const BATCH: &str = "application/cloudevents-batch+json";

/// Where senders get their tokens.
pub(crate) struct Desk<'a> {
    town: Option<&'a Town>,
    /// The sign-in's origin.
    login: String,
    now: Timestamp,
    /// Tokens the sign-in issued: for our application's id, for its URI, and for Graph.
    issued: [String; 3],
}

impl<'a> Desk<'a> {
    /// The one of a town's sign-in.
    async fn of(town: &'a Town) -> Self {
        let issued = [CLIENT_ID, &format!("api://{CLIENT_ID}"), "https://graph.microsoft.com"];
        let issued = [issue(town, issued[0]), issue(town, issued[1]), issue(town, issued[2])];
        let [id, uri, graph] = issued;
        let issued = [id.await, uri.await, graph.await];
        let login = town.sim.origin().to_string();
        Self { town: Some(town), login, now: SystemClock.now(), issued }
    }

    /// One that is closed, and hands out nothing.
    pub(crate) fn closed() -> Self {
        let issued = [const { String::new() }; 3];
        Self { town: None, login: String::new(), now: SystemClock.now(), issued }
    }

    /// A token with some claims set otherwise; with `null`, left out.
    fn token(&self, changes: &Value) -> String {
        let claims = self.claims(changes);
        self.town.and_then(|town| town.sim.sign(&claims)).unwrap_or_default()
    }

    fn claims(&self, changes: &Value) -> Value {
        let at = |minutes| (self.now + SignedDuration::from_mins(minutes)).as_second();
        let mut claims = json!({
            "aud": CLIENT_ID, "iss": format!("https://sts.windows.net/{WOODGROVE}/"),
            "tid": WOODGROVE, "appid": PUBLISHER, "roles": [SENDER_ROLE], "ver": "1.0",
            "iat": at(-1), "nbf": at(-1), "exp": at(59),
        });
        let claims_now = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            claims_now.insert(name.clone(), value.clone());
        }
        claims_now.retain(|_, value| !value.is_null());
        claims
    }

    /// A token of version 2.0.
    fn second_version(&self) -> String {
        self.token(&json!({
            "ver": "2.0", "appid": null, "azp": PUBLISHER,
            "iss": format!("{}{WOODGROVE}/v2.0", self.login),
        }))
    }

    fn expired(&self) -> String {
        let ago = self.now - SignedDuration::from_mins(6);
        self.token(&json!({"exp": ago.as_second()}))
    }

    /// A token as anybody can write one, with a header of their choice.
    fn forged(&self, header: &Value) -> String {
        let [header, claims] = [header, &self.claims(&json!({}))];
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode([7; 256]))
    }

    /// A token signed with a key that nobody published.
    fn of_unknown_key(&self) -> String {
        self.forged(&json!({"alg": "RS256", "kid": "nobody's"}))
    }
}

/// A token of the sign-in for a resource, as Entra issues it to an application.
async fn issue(town: &Town, resource: &str) -> String {
    let url = town.sim.origin().join(&format!("{WOODGROVE}/oauth2/v2.0/token")).unwrap();
    let form = [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("grant_type", "client_credentials"),
        ("scope", &format!("{resource}/.default")),
    ];
    let http = Http::new(Patience::default()).unwrap();
    let answer = http.once("sign-in", |client| client.post(url.clone()).form(&form)).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn bearer(token: &str) -> [(&'static str, String); 1] {
    [("authorization", format!("Bearer {token}"))]
}

/// The recorded event, with the clientState of a tenant.
fn event(tenant: &str) -> Value {
    let text = include_str!("../../events/event-grid/structured.json");
    let text = text.replace("{{clientState}}", &state_of(tenant)).replace(WOODGROVE, tenant);
    serde_json::from_str(&text).unwrap()
}

fn grid(kind: &str, body: &Value) -> Request {
    post("/hooks/event-grid", body.to_string()).headers([("content-type", kind.to_owned())])
}

fn structured(token: &str) -> Request {
    grid(STRUCTURED, &event(WOODGROVE)).headers(bearer(token))
}

#[rustfmt::skip]
pub(crate) fn o365_rows(management: &str) -> Vec<Row> {
    let validation = include_str!("../../events/o365/validation.json");
    let notifications = include_str!("../../events/o365/notifications.json");
    let notifications = &notifications.replace("https://manage.office.com/", management);
    let feed = format!("{management}api/v1.0/{WOODGROVE}/activity/feed/audit/");
    let at = |uri: &str| json!([{"tenantId": WOODGROVE, "contentType": "Audit.AzureActiveDirectory", "contentUri": uri}]).to_string();
    let host = Url::parse(management).unwrap().authority().to_owned();
    let elsewhere = |from: &str, to: &str| at(&format!("{feed}1").replacen(from, to, 1));
    let door = |body: &str| post("/hooks/o365", body);
    let known = |body: &str| door(body).headers([("webhook-authid", O365_AUTH_ID.to_owned())]);
    let asking = |request: Request| request.headers([("webhook-validationcode", "3c2f".to_owned())]);
    let with = |id: &str| door(notifications).headers([("webhook-authid", id.to_owned())]);
    let missing = || Error("missing-proof", "Webhook-AuthID is missing");
    let wrong = || Error("not-authentic", "Webhook-AuthID does not verify");
    let inner = |list: &str| list[1..list.len() - 1].to_owned();
    let entry = |tenant: &str| json!([{"tenantId": tenant, "contentType": "Audit.AzureActiveDirectory"}]).to_string();
    vec![
        // Nothing is understood before it is known who sends it.
        ("validation without an auth id", asking(door(validation)), 401, missing(), &[]),
        ("validation with another auth id", asking(door(validation)).headers([("webhook-authid", "x".to_owned())]), 401, wrong(), &[]),
        ("notifications without an auth id", door(notifications), 401, missing(), &[]),
        ("notifications with another auth id", with("somebody's auth id"), 401, wrong(), &[]),
        ("notifications with an empty auth id", with(""), 401, wrong(), &[]),
        ("notifications with the beginning of the auth id", with(&O365_AUTH_ID[..5]), 401, wrong(), &[]),
        ("notifications with the auth id in capitals", with(&O365_AUTH_ID.to_uppercase()), 401, wrong(), &[]),
        ("a signature in place of the auth id", door(notifications).signed(), 401, missing(), &[]),
        ("not JSON, without an auth id", door("hey"), 401, missing(), &[]),
        // What the service got wrong is told with its place.
        ("not JSON", known("hey"), 400, Error("malformed", "$: not JSON at line 1, column 1"), &[]),
        ("an object", known("{}"), 400, Error("malformed", "$: not an array of notifications"), &[]),
        // What is well-formed and no reason to look.
        ("validation", asking(known(validation)), 200, Nothing, &[]),
        ("validation with notifications", asking(known(notifications)), 200, Nothing, &[]),
        ("an empty list", known("[]"), 200, Nothing, &[]),
        ("entries that are none", known("[1,null,{}]"), 200, Nothing, &[]),
        ("content of Exchange", known(&notifications.replace("Audit.AzureActiveDirectory", "Audit.SharePoint")), 200, Nothing, &[]),
        ("a tenant nobody guards", known(&entry(STRANGER)), 200, Nothing, &[]),
        // A token goes to the tenant's own feed alone; nothing is fetched from elsewhere.
        ("content at another host", known(&elsewhere(&host, "attacker.example")), 200, Nothing, &[]),
        ("content at a host that begins alike", known(&elsewhere(&host, &format!("{host}.attacker.example"))), 200, Nothing, &[]),
        ("content at another port", known(&elsewhere(&host, "127.0.0.1:1")), 200, Nothing, &[]),
        ("content at a host with a user", known(&elsewhere(&host, &format!("user:word@{host}"))), 200, Nothing, &[]),
        ("content at a host that stands where a user would", known(&elsewhere(&host, &format!("{host}@attacker.example"))), 200, Nothing, &[]),
        ("content by another scheme", known(&elsewhere("http", "ftp")), 200, Nothing, &[]),
        ("content in another tenant's feed", known(&elsewhere(WOODGROVE, FABRIKAM)), 200, Nothing, &[]),
        ("content beside the feed", known(&elsewhere("/audit/", "/audit/../subscriptions/")), 200, Nothing, &[]),
        ("content at a fragment", known(&at(&format!("{feed}1#x"))), 200, Nothing, &[]),
        ("content at no address", known(&at("audit/1")), 200, Nothing, &[]),
        ("GET", ask("GET", "/hooks/o365"), 405, Nothing, &[]),
        // What tells of directory changes is looked at, if the content is gone or none is named.
        ("notifications", known(notifications), 200, Nothing, &[WOODGROVE]),
        ("one notification", known(&entry(FABRIKAM)), 200, Nothing, &[FABRIKAM]),
        ("good content beside content at another host", known(&format!("[{},{}]", inner(&elsewhere(&host, "attacker.example")), inner(&at(&format!("{feed}2"))))), 200, Nothing, &[WOODGROVE]),
        ("a notification beside what is none", known(&format!("[7,{}]", inner(&entry(FABRIKAM)))), 200, Nothing, &[FABRIKAM]),
    ]
}

#[tokio::test]
async fn the_door_for_the_management_activity_api() {
    let town = town().await;
    let rows = o365_rows(town.sim.origin().as_str());
    check_all(&town, rows).await;
}

#[rustfmt::skip]
pub(crate) fn event_grid_rows(desk: &Desk<'_>) -> Vec<Row> {
    let from = |origin: &str| ask("OPTIONS", "/hooks/event-grid").headers([("webhook-request-origin", origin.to_owned())]);
    let [good, uri, graph] = &desk.issued;
    let no_token = || Error("missing-proof", "the bearer token is missing");
    let wrong = |what| Error("not-authentic", what);
    let known = |kind: &str, body: &Value| grid(kind, body).headers(bearer(good));
    let bare = event(WOODGROVE)["data"].clone();
    let stateless = json!({"specversion": "1.0", "data": {"tenantId": WOODGROVE}});
    let mut forged = event(WOODGROVE);
    forged["data"]["clientState"] = state_of(FABRIKAM).into();
    let with = |value: Value| structured(&desk.token(&value));
    let roles = "the token holds no role that may send here";
    let binary = |version: &str| known("application/json", &bare).headers([("ce-specversion", version.to_owned())]);
    vec![
        // Whoever asks whether it may send is answered.
        ("handshake", from("eventgrid.azure.net"), 200, Origin("eventgrid.azure.net"), &[]),
        ("handshake without an origin", ask("OPTIONS", "/hooks/event-grid"), 400, Error("missing-proof", "WebHook-Request-Origin is missing"), &[]),
        ("handshake with markup for an origin", from("<script>"), 400, Error("malformed", "WebHook-Request-Origin: not a host name"), &[]),
        // Nothing is understood before it is known who sends it.
        ("no token", grid(STRUCTURED, &event(WOODGROVE)), 401, no_token(), &[]),
        ("another scheme", grid(STRUCTURED, &event(WOODGROVE)).headers([("authorization", format!("Basic {good}"))]), 401, no_token(), &[]),
        ("no token, and not JSON", post("/hooks/event-grid", "hey"), 401, no_token(), &[]),
        ("a token that is none", structured("x"), 401, wrong("the token's header does not verify"), &[]),
        ("a token for Microsoft Graph", structured(graph), 401, wrong("the token's audience does not verify"), &[]),
        ("a token for another application", with(json!({"aud": FABRIKAM.replace('3', "4")})), 401, wrong("the token's audience does not verify"), &[]),
        ("an expired token", structured(&desk.expired()), 401, wrong("the token's time does not verify"), &[]),
        ("a token issued by another tenant than it names", with(json!({"tid": FABRIKAM})), 401, wrong("the token's issuer does not verify"), &[]),
        ("a token of a tenant nobody guards", with(json!({"tid": STRANGER, "iss": format!("https://sts.windows.net/{STRANGER}/")})), 401, wrong("the token's tenant does not verify"), &[]),
        ("a token without a role", with(json!({"roles": null})), 401, Error("not-allowed", roles), &[]),
        ("a token with another role", with(json!({"roles": ["User.Read.All"]})), 401, Error("not-allowed", roles), &[]),
        ("a token of an unknown key", structured(&desk.of_unknown_key()), 401, Error("unknown-key", "the token is signed with an unknown key"), &[]),
        ("a token without a key", structured(&desk.forged(&json!({"alg": "none"}))), 401, wrong("the token's header does not verify"), &[]),
        // What a known sender got wrong is told with its place.
        ("not JSON", post("/hooks/event-grid", "hey").headers(bearer(good)), 400, Error("malformed", "$: not JSON at line 1, column 1"), &[]),
        ("an event of no version", known("application/json", &bare), 400, Error("malformed", "ce-specversion: not CloudEvents 1.0"), &[]),
        ("an event of another version", binary("0.3"), 400, Error("malformed", "ce-specversion: not CloudEvents 1.0"), &[]),
        ("a batch that is no list", known(BATCH, &event(WOODGROVE)), 400, Error("malformed", "$: not an array of events"), &[]),
        ("an event without data", known(STRUCTURED, &json!({"specversion": "1.0"})), 400, Error("malformed", "$: the field data is missing"), &[]),
        // A token alone brings nobody a look.
        ("no clientState", known(STRUCTURED, &stateless), 202, Nothing, &[]),
        ("another tenant's clientState", known(STRUCTURED, &forged), 202, Nothing, &[]),
        ("a tenant nobody guards", known(STRUCTURED, &event(STRANGER)), 202, Nothing, &[]),
        ("an empty batch", known(BATCH, &json!([])), 202, Nothing, &[]),
        // Other methods.
        ("GET", ask("GET", "/hooks/event-grid"), 405, Nothing, &[]),
        ("PUT", ask("PUT", "/hooks/event-grid"), 405, Nothing, &[]),
        // What is proven twice is looked at.
        ("one event, structured", structured(good), 202, Nothing, &[WOODGROVE]),
        ("one event, binary", binary("1.0"), 202, Nothing, &[WOODGROVE]),
        ("a batch", known(BATCH, &json!([event(WOODGROVE), event(FABRIKAM), event(WOODGROVE)])), 202, Nothing, &[WOODGROVE, FABRIKAM]),
        ("a batch of bad and good", known(BATCH, &json!([7, forged, event(FABRIKAM)])), 202, Nothing, &[FABRIKAM]),
        ("a token for our application's URI", structured(uri), 202, Nothing, &[WOODGROVE]),
        ("a token of version 2.0", structured(&desk.second_version()), 202, Nothing, &[WOODGROVE]),
    ]
}

#[tokio::test]
async fn the_door_for_event_grid() {
    let town = town().await;
    let desk = Desk::of(&town).await;
    check_all(&town, event_grid_rows(&desk)).await;
}

#[rustfmt::skip]
pub(crate) fn audit_token_rows(desk: &Desk<'_>) -> Vec<Row> {
    let event = role_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29");
    let mine = || post(format!("/hooks/audit?tenant={WOODGROVE}"), &event);
    let with = |token: &str| mine().headers(bearer(token));
    let good = &desk.issued[0];
    let forger = "whsec_c29tZWJvZHkgZWxzZSBhbHRvZ2V0aGVy";
    let other = json!({"roles": ["User.Read.All"]});
    vec![
        ("a good token and a bad signature", with(good).headers(signed(forger, desk.now, &event)), 401, Error("not-authentic", "webhook-signature does not verify"), &[]),
        ("a token with another role", with(&desk.token(&other)), 401, Error("not-allowed", "the token holds no role that may send here"), &[]),
        ("an expired token", with(&desk.expired()), 401, Error("not-authentic", "the token's time does not verify"), &[]),
        ("a token for Microsoft Graph", with(&desk.issued[2]), 401, Error("not-authentic", "the token's audience does not verify"), &[]),
        ("a token of an unknown key", with(&desk.of_unknown_key()), 401, Error("unknown-key", "the token is signed with an unknown key"), &[]),
        ("another scheme", mine().headers([("authorization", "Basic eDp5".to_owned())]), 401, Error("missing-proof", "the bearer token is missing"), &[]),
        ("a good token, and not JSON", post("/hooks/audit", "hey").headers(bearer(good)), 400, Error("malformed", "$: not JSON at line 1, column 1"), &[]),
        ("a token in place of a signature", with(good), 202, Nothing, &[WOODGROVE]),
        ("a good signature and a bad token", with("x").headers(signed(AUDIT_SECRET, desk.now, &event)), 202, Nothing, &[WOODGROVE]),
    ]
}

#[tokio::test]
async fn the_door_for_audit_events_with_a_token() {
    let town = town().await;
    let desk = Desk::of(&town).await;
    check_all(&town, audit_token_rows(&desk)).await;
}

#[rustfmt::skip]
pub(crate) fn rich_rows(desk: &Desk<'_>) -> Vec<Row> {
    let vector: Value = serde_json::from_str(include_str!("../data/rich-notification-openssl.json")).unwrap();
    let content = &vector["encryptedContent"];
    let item = |state: &str, content: &Value, tokens: &[String]| {
        let item = json!({"changeType": "created", "tenantId": WOODGROVE, "clientState": state_of(state), "encryptedContent": content});
        post("/hooks/graph", json!({"value": [item], "validationTokens": tokens}).to_string())
    };
    let with = |tokens: &[String]| item(WOODGROVE, content, tokens);
    let changed = |changes: Value| with(&[desk.token(&changes)]);
    let genuine = desk.token(&json!({}));
    let altered = |field: &str, value: &str| {
        let mut content = content.clone();
        content[field] = value.into();
        item(WOODGROVE, &content, std::slice::from_ref(&genuine))
    };
    let mut data = STANDARD.decode(content["data"].as_str().unwrap()).unwrap();
    data[20] ^= 1;
    let ids = ["encryptionCertificateId", "encryptionCertificateThumbprint"];
    let unnamed = altered(ids[0], "x").body.replace(content[ids[1]].as_str().unwrap(), "x");
    let fabrikam = json!({"tid": FABRIKAM, "iss": format!("https://sts.windows.net/{FABRIKAM}/")});
    vec![
        // Resource data counts from Microsoft Graph alone. Nobody learns what was wrong.
        ("resource data without a token", with(&[]), 202, Nothing, &[]),
        ("resource data and a token of another publisher", changed(json!({"appid": CLIENT_ID})), 202, Nothing, &[]),
        ("resource data and a token without a publisher", changed(json!({"appid": null})), 202, Nothing, &[]),
        ("resource data and a token for another application", changed(json!({"aud": STRANGER})), 202, Nothing, &[]),
        ("resource data and a token of another tenant", changed(fabrikam), 202, Nothing, &[]),
        ("resource data and an expired token", with(&[desk.expired()]), 202, Nothing, &[]),
        ("resource data and a token of an unknown key", with(&[desk.of_unknown_key()]), 202, Nothing, &[]),
        ("resource data and another tenant's clientState", item(FABRIKAM, content, std::slice::from_ref(&genuine)), 202, Nothing, &[]),
        ("resource data that was altered", altered("data", &STANDARD.encode(data)), 202, Nothing, &[]),
        ("resource data with another signature", altered("dataSignature", &STANDARD.encode([7; 32])), 202, Nothing, &[]),
        ("resource data for another certificate", Request { body: unnamed, ..with(&[]) }, 202, Nothing, &[]),
        ("resource data and a token of version 1.0", with(std::slice::from_ref(&genuine)), 202, Nothing, &[WOODGROVE]),
        ("resource data and a token of version 2.0", with(&[desk.second_version()]), 202, Nothing, &[WOODGROVE]),
        ("resource data and bad tokens beside a good one", with(&["x".to_owned(), desk.expired(), genuine.clone()]), 202, Nothing, &[WOODGROVE]),
        ("resource data whose certificate is named by its thumbprint", altered(ids[0], "x"), 202, Nothing, &[WOODGROVE]),
    ]
}

#[tokio::test]
async fn the_door_for_graph_with_resource_data() {
    let town = town().await;
    let desk = Desk::of(&town).await;
    check_all(&town, rich_rows(&desk)).await;
}

#[tokio::test]
async fn both_certificates_are_good_while_they_are_changed() {
    let (next, vector): (Value, Value) = (
        serde_json::from_str(include_str!("../data/next-notification-certificate.json")).unwrap(),
        serde_json::from_str(include_str!("../data/rich-notification-openssl.json")).unwrap(),
    );
    let pair = |town: Town, suffix: &str, pair: &Value| {
        town.secret(&format!("notificationCertificatePem{suffix}"), pair["certificatePem"].as_str())
            .secret(&format!("notificationPrivateKeyPem{suffix}"), pair["privateKeyPem"].as_str())
    };
    let heard = |rows: Vec<Row>| {
        let mut rows = rows.into_iter();
        rows.find(|(name, ..)| *name == "resource data and a token of version 1.0").unwrap().1
    };
    // The content is for one of the two, as the current one and as the previous one.
    let mut town = town().await;
    for (times, current, previous) in [(1, &vector, &next), (2, &next, &vector)] {
        town = pair(pair(town, "", current), "Previous", previous);
        let request = heard(rich_rows(&Desk::of(&town).await));
        let warden = town.serve();
        assert_eq!(request.send(&warden).await.status, 202);
        town.looked(times).await;
        warden.stop().await;
    }
    // And it is not once that one is no longer there.
    let town = town
        .secret("notificationCertificatePemPrevious", None)
        .secret("notificationPrivateKeyPemPrevious", None);
    let request = heard(rich_rows(&Desk::of(&town).await));
    let warden = town.serve();
    assert_eq!(request.send(&warden).await.status, 202);
    warden.stop().await;
    assert_eq!(town.next_look().await, None);
}

#[tokio::test]
async fn the_keys_are_fetched_once_for_many_and_not_again_for_a_key_nobody_published() {
    let town = town().await;
    let desk = Desk::of(&town).await;
    let warden = town.serve();
    let requests: Vec<Request> = (0..8).map(|_| structured(&desk.issued[0])).collect();
    for answer in join_all(requests.iter().map(|request| request.send(&warden))).await {
        check("all at once", &answer, 202, &Nothing);
    }
    assert_eq!(town.sim.count("GET", KEYS), 1);
    for _ in 0..5 {
        let answer = structured(&desk.of_unknown_key()).send(&warden).await;
        let unknown = Error("unknown-key", "the token is signed with an unknown key");
        check("an unknown key", &answer, 401, &unknown);
    }
    assert_eq!(town.sim.count("GET", KEYS), 1);
    town.looked(1).await;
    warden.stop().await;
}

#[tokio::test]
async fn what_cannot_be_judged_for_want_of_keys_is_heard_once_they_are_there() {
    let town = town().await;
    let desk = Desk::of(&town).await;
    let request = structured(&desk.issued[0]);
    let before = town.sim.calls().len();
    town.sim.add_fault(Rule::new(KEYS, Then::status(503)).forever());
    let warden = town.serve();
    let answer = request.send(&warden).await;
    check("no keys", &answer, 503, &Error("busy", "try again later"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(asked_since(&town, before), []);
    town.sim.clear_faults();
    // The sender comes again until it is heard.
    let heard = async {
        let mut pause = tokio::time::interval(std::time::Duration::from_millis(200));
        while request.send(&warden).await.status != 202 {
            pause.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, heard).await.unwrap();
    town.looked(1).await;
    assert_eq!(town.sim.count("GET", KEYS), 2, "one that failed, and one that did not");
    warden.stop().await;
}
