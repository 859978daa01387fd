//! What the pages say and what they take, with a clock, a store and a queue that can fail.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use http::header::CONTENT_SECURITY_POLICY;
use http_body_util::BodyExt as _;
use jiff::SignedDuration;
use tower_service::Service as _;

use super::*;
use crate::domain::approval::{ProposalId, Question, Void, plan_hash, question};
use crate::domain::finding::testing::{Case as Given, WOODGROVE, noon};
use crate::domain::plan::{Circumstances, History, plan};
use crate::domain::signal::Signal;
use crate::domain::stop::Stop;
use crate::http::router;
use crate::ports::{Clock, Enqueue, Failure, SenderCertificates, SigningKeys, StopSwitch};
use crate::wire::partner_center::certificates::Published;

const KEY: &str = "the key of links in tests";
const HOSTILE: &str = "<script>alert(1)</script>\u{202e}\"'&";

#[derive(Default)]
struct World {
    seconds: AtomicI64,
    held: Mutex<Option<Proposal>>,
    /// How many decisions are lost to somebody else's.
    races: AtomicUsize,
    store_fails: AtomicBool,
    queue_fails: AtomicBool,
    told: AtomicUsize,
}

fn fails() -> PortError {
    PortError::new(Failure::Transient, "down")
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        noon() + SignedDuration::from_secs(self.seconds.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Decide for World {
    async fn proposal(&self, id: &ProposalId) -> Result<Option<Proposal>, PortError> {
        if self.store_fails.load(Ordering::SeqCst) {
            return Err(fails());
        }
        Ok(self.held.lock().unwrap().clone().filter(|it| it.question.id == *id))
    }

    async fn decided(&self, proposal: &Proposal) -> Result<bool, PortError> {
        if self.races.load(Ordering::SeqCst) > 0 {
            self.races.fetch_sub(1, Ordering::SeqCst);
            return Ok(false);
        }
        let mut held = self.held.lock().unwrap();
        let same = held.as_ref().is_some_and(|it| it.revision == proposal.revision);
        if same {
            let revision = proposal.revision + 1;
            *held = Some(Proposal { revision, ..proposal.clone() });
        }
        Ok(same)
    }
}

#[async_trait]
impl StopSwitch for World {
    async fn stopped(&self) -> Result<Option<Stop>, PortError> {
        Ok(None)
    }
}

#[async_trait]
impl Enqueue for World {
    async fn enqueue(&self, signals: Vec<Verified<Signal>>) -> Result<(), PortError> {
        if self.queue_fails.load(Ordering::SeqCst) {
            return Err(fails());
        }
        self.told.fetch_add(signals.len(), Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl SigningKeys for World {
    fn held(&self) -> Arc<KeySet> {
        Arc::default()
    }

    async fn refreshed(&self) -> Result<Arc<KeySet>, PortError> {
        Ok(Arc::new(keys()))
    }
}

#[async_trait]
impl SenderCertificates for World {
    fn held(&self, _: &Url) -> Option<Arc<Published>> {
        None
    }

    async fn fetched(&self, _: &Url) -> Result<Arc<Published>, PortError> {
        Err(fails())
    }
}

/// The key that tests sign people's tokens with.
fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../tests/data/client-certificate-openssl.json"))
        .unwrap()
}

fn signing_key() -> jsonwebtoken::EncodingKey {
    let pem = vectors()["read"]["privateKeyPem"].as_str().unwrap().to_owned();
    jsonwebtoken::EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

fn keys() -> KeySet {
    let mut jwk =
        jsonwebtoken::jwk::Jwk::from_encoding_key(&signing_key(), jsonwebtoken::Algorithm::RS256)
            .unwrap();
    jwk.common.key_id = Some("tests".to_owned());
    let set = jsonwebtoken::jwk::JwkSet { keys: vec![jwk] };
    KeySet::parse(&serde_json::to_vec(&set).unwrap()).unwrap()
}

fn asked(people: u32) -> Question {
    let given = Given::new()
        .with_policy("respond: {role-not-allowed: {do: approve}}")
        .member("Megan", "Global Administrator")
        .foreign_group(HOSTILE, "Reports Reader");
    let policy = given.policy();
    let about = Circumstances {
        policy: &policy,
        tenant: &policy.roster.tenants[0],
        history: &History::default(),
        own_apps: &[],
        stopped: None,
        now: noon(),
    };
    let plan = plan(&given.facts, about);
    let case = &plan.cases[0];
    let digest = plan_hash(case, &policy);
    let mut question = question(case, &policy, digest, (plan.tenant, HOSTILE), noon());
    question.partner.name = HOSTILE.to_owned();
    Question { people, ..question }
}

struct Page {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Page {
    #[track_caller]
    fn is(&self, status: u16, says: &str) -> &Self {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(says), "no “{says}” in {}", self.text);
        self
    }

    fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

struct Town {
    world: Arc<World>,
    router: axum::Router,
    token: String,
}

impl Town {
    fn new() -> Self {
        Self::with(1, None)
    }

    fn with(people: u32, roles: Option<&[&str]>) -> Self {
        let world = Arc::new(World::default());
        let proposal = Proposal::new(asked(people));
        let asked = crate::domain::approval::Asked::of(&proposal, noon());
        let token = Link::to(proposal.question.tenant, &asked).sign(&Secret::new(KEY));
        *world.held.lock().unwrap() = Some(proposal);
        let sign_in = roles.map(|roles| SignIn {
            client_id: "client".to_owned(),
            roles: roles.iter().map(ToString::to_string).collect(),
        });
        let front = Front {
            stop: world.clone(),
            clock: world.clone(),
            policy: Arc::new(Given::new().policy()),
            client_state_keys: vec![],
            notification_keys: vec![],
            signing_keys: world.clone(),
            audiences: vec![],
            login: Url::parse("https://login.example/").unwrap(),
            audit_keys: vec![],
            o365_auth_ids: vec![],
            management: Url::parse("https://manage.example").unwrap(),
            own_apps: vec![],
            sender_roles: vec![],
            certificate_origins: vec![],
            certificates: world.clone(),
            enqueue: world.clone(),
            decisions: Decisions {
                keys: vec![Secret::new("the key that is in force"), Secret::new(KEY)],
                decide: world.clone(),
                public_url: Some(Url::parse("https://warden.example/stage").unwrap()),
                sign_in,
            },
            replays: Arc::default(),
        };
        Self { world, router: router(front), token }
    }

    async fn ask(&self, request: Request<Body>) -> Page {
        let response = self.router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        Page { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    async fn get(&self) -> Page {
        let uri = format!("/decisions/{}", self.token);
        self.ask(Request::get(uri).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, form: &str) -> Page {
        let uri = format!("/decisions/{}", self.token);
        self.ask(Request::post(uri).body(Body::from(form.to_owned())).unwrap()).await
    }

    fn later(&self, hours: i64) {
        self.world.seconds.fetch_add(hours * 3600, Ordering::SeqCst);
    }

    fn held(&self) -> Proposal {
        self.world.held.lock().unwrap().clone().unwrap()
    }

    fn told(&self) -> usize {
        self.world.told.load(Ordering::SeqCst)
    }
}

const APPROVE: &str = "decision=approve&name=Megan";

#[tokio::test]
async fn what_others_chose_is_shown_as_text_and_runs_nothing() {
    let town = Town::new();
    let page = town.get().await;
    page.is(200, "&lt;script&gt;alert(1)&lt;/script&gt;");
    assert!(!page.text.contains("<script"), "{}", page.text);
    let style = page.text.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = <sha2::Sha256 as sha2::Digest>::digest(style);
    let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
    assert_eq!(
        page.header(CONTENT_SECURITY_POLICY),
        format!(
            "default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        )
    );
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    town.post(&format!("decision=approve&name={}", "%3Cb%3E")).await.is(303, "");
    town.get().await.is(410, "Approved by &lt;b&gt;");
}

#[tokio::test]
async fn looking_changes_nothing_and_one_form_decides_once() {
    let town = Town::new();
    for _ in 0..3 {
        town.get().await.is(200, "Nobody has decided yet.");
        let head = Request::head(format!("/decisions/{}", town.token)).body(Body::empty()).unwrap();
        assert_eq!(town.ask(head).await.status, 200);
    }
    assert_eq!((town.held().decisions.len(), town.told()), (0, 0));
    let decided = town.post(APPROVE).await;
    assert_eq!(decided.status, 303);
    assert_eq!(decided.header("location"), format!("/stage/decisions/{}", town.token));
    assert_eq!(town.told(), 1);
    town.get().await.is(410, "Approved by Megan (name as given, not proven)");
    town.post("decision=refuse&name=Adele").await.is(410, "Approved by Megan");
    assert_eq!(town.held().decisions.len(), 1);
}

#[tokio::test]
async fn what_is_missing_is_said_where_it_is_missing() {
    let town = Town::new();
    town.post("").await.is(422, "Say what you decide.");
    town.post("decision=maybe&name=Megan").await.is(422, "Say what you decide.");
    let page = town.post("decision=refuse&name=%20").await;
    page.is(422, "Say who you are").is(422, "role=\"alert\"");
    assert!(page.text.contains("value=\"refuse\" required checked"), "{}", page.text);
    assert!(page.text.contains("<title>Error: "), "{}", page.text);
    assert_eq!(town.held().decisions.len(), 0);
}

#[tokio::test]
async fn what_is_too_late_says_what_became_of_it() {
    let town = Town::new();
    town.later(72);
    town.get().await.is(410, "Too late");
    town.post(APPROVE).await.is(410, "Not enough people answered in time");
    let town = Town::new();
    town.world.held.lock().unwrap().as_mut().unwrap().void =
        Some(Void { at: noon(), why: "it is no longer so".to_owned() });
    town.get().await.is(410, "It is no longer so. Look into the ticket");
    town.post(APPROVE).await.is(410, "No longer to be decided");
    assert_eq!((town.held().decisions.len(), town.told()), (0, 0));
}

#[tokio::test]
async fn what_was_not_made_here_or_is_about_something_else_opens_nothing() {
    let mut town = Town::new();
    let good = town.token.clone();
    let other = |change: fn(&mut Proposal)| {
        change(town.world.held.lock().unwrap().as_mut().unwrap());
    };
    town.token = good.replace("v1.", "v2.");
    town.get().await.is(403, "does not open anything");
    town.token.clone_from(&good);
    for change in [
        (|it| it.question.plan = crate::domain::id::Sha256Hex::of(b"other")) as fn(&mut Proposal),
        |it| it.question.expires_at = noon() + SignedDuration::from_hours(99),
        |it| it.question.steps = crate::domain::id::Sha256Hex::of(b"other"),
    ] {
        let before = town.held();
        other(change);
        town.get().await.is(403, "does not open anything");
        town.post(APPROVE).await.is(403, "");
        *town.world.held.lock().unwrap() = Some(before);
    }
    town.get().await.is(200, "");
    *town.world.held.lock().unwrap() = None;
    town.get().await.is(403, "");
    town.post(APPROVE).await.is(403, "");
}

#[tokio::test]
async fn races_and_failures_lose_no_decision_and_make_up_none() {
    let town = Town::new();
    town.world.store_fails.store(true, Ordering::SeqCst);
    town.get().await.is(503, "Try again");
    town.post(APPROVE).await.is(503, "Nothing was decided.");
    town.world.store_fails.store(false, Ordering::SeqCst);
    town.world.races.store(RACES, Ordering::SeqCst);
    town.post(APPROVE).await.is(503, "Try again");
    assert_eq!(town.held().decisions.len(), 0);
    town.world.races.store(RACES - 1, Ordering::SeqCst);
    town.world.queue_fails.store(true, Ordering::SeqCst);
    town.post(APPROVE).await.is(303, "");
    assert_eq!((town.held().decisions.len(), town.told()), (1, 0));
    // Whoever sends the form again reminds the worker.
    town.world.queue_fails.store(false, Ordering::SeqCst);
    town.post(APPROVE).await.is(410, "Approved by Megan");
    assert_eq!((town.held().decisions.len(), town.told()), (1, 1));
}

#[tokio::test]
async fn two_people_are_counted_and_told_apart() {
    let town = Town::with(2, None);
    town.get().await.is(200, "0 of 2 people have agreed.").is(200, "once a second person agrees");
    town.post(APPROVE).await.is(303, "");
    town.get().await.is(200, "1 of 2 people has agreed; a second, different person has to.");
    town.post("decision=approve&name=MEGAN").await.is(409, "MEGAN has agreed already.");
    town.post("decision=approve&name=Adele").await.is(303, "");
    town.get().await.is(410, "2 of 2 people have agreed.");
}

/// What the sign-in is asked, by name, and the cookie that goes with it.
async fn led_to_sign_in(town: &Town, form: &str) -> (Vec<(String, String)>, String) {
    let page = town.post(form).await;
    page.is(303, "");
    let url = Url::parse(page.header("location")).unwrap();
    assert_eq!(url.host_str(), Some("login.example"));
    assert_eq!(url.path(), format!("/{WOODGROVE}/oauth2/v2.0/authorize"));
    let cookie = page.header("set-cookie");
    for part in ["Path=/stage/decisions/signed-in", "HttpOnly", "Secure", "SameSite=None"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    (url.query_pairs().into_owned().collect(), cookie)
}

fn asks<'a>(query: &'a [(String, String)], name: &str) -> &'a str {
    &query.iter().find(|(key, _)| key == name).unwrap().1
}

fn id_token(nonce: &str, change: &serde_json::Value) -> String {
    let now = noon().as_second();
    let mut claims = serde_json::json!({
        "aud": "client", "iss": format!("https://login.example/{WOODGROVE}/v2.0"),
        "tid": WOODGROVE, "oid": "A1", "preferred_username": "megan@woodgrove.example",
        "nonce": nonce, "iat": now, "nbf": now, "exp": now + 3600, "ver": "2.0",
    });
    for (name, value) in change.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    let header = jsonwebtoken::Header {
        kid: Some("tests".to_owned()),
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256)
    };
    jsonwebtoken::encode(&header, &claims, &signing_key()).unwrap()
}

async fn come_back(town: &Town, state: &str, cookie: &str, token: &str) -> Page {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("state", state)
        .append_pair("id_token", token)
        .finish();
    let request = Request::post("/decisions/signed-in").header("cookie", cookie);
    town.ask(request.body(Body::from(form)).unwrap()).await
}

#[tokio::test]
async fn who_signs_in_is_recorded_as_proven() {
    let town = Town::with(1, Some(&["Approver"]));
    let page = town.get().await;
    page.is(200, "sign in with Microsoft");
    assert!(!page.text.contains("name=\"name\""), "nobody is asked for a name");
    let policy = page.header(CONTENT_SECURITY_POLICY);
    assert!(policy.contains("form-action 'self' https://login.example;"), "{policy}");
    let (query, cookie) = led_to_sign_in(&town, "decision=approve").await;
    for (name, value) in [
        ("client_id", "client"),
        ("response_type", "id_token"),
        ("response_mode", "form_post"),
        ("redirect_uri", "https://warden.example/stage/decisions/signed-in"),
    ] {
        assert_eq!(asks(&query, name), value);
    }
    assert_eq!(town.held().decisions.len(), 0, "nothing is decided before");
    let token = id_token(asks(&query, "nonce"), &serde_json::json!({"roles": ["Approver"]}));
    let cookie = format!("other=1; {cookie}");
    let back = come_back(&town, asks(&query, "state"), &cookie, &token).await;
    assert_eq!(back.status, 303, "{}", back.text);
    assert_eq!(back.header("location"), format!("/stage/decisions/{}", town.token));
    town.get().await.is(410, "Approved by megan@woodgrove.example (signed in)");
    let decision = &town.held().decisions[0];
    let identity = format!("a1@{WOODGROVE}");
    assert_eq!((decision.proven, decision.identity.as_deref()), (true, Some(identity.as_str())));
    come_back(&town, asks(&query, "state"), &cookie, &token).await.is(410, "Approved by");
    assert_eq!(town.held().decisions.len(), 1);
}

#[tokio::test]
async fn who_does_not_prove_who_they_are_decides_nothing() {
    use serde_json::json;
    let town = Town::with(1, Some(&["Approver"]));
    let (query, cookie) = led_to_sign_in(&town, "decision=approve").await;
    let (state, nonce) = (asks(&query, "state"), asks(&query, "nonce"));
    let may = |mut change: serde_json::Value| {
        if change.get("roles").is_none() {
            change["roles"] = json!(["Approver"]);
        }
        id_token(nonce, &change)
    };
    let stranger = "99999999-9999-9999-9999-999999999999";
    let issuer = format!("https://login.example/{stranger}/v2.0");
    for (what, change) in [
        ("another audience", json!({"aud": "other"})),
        ("another tenant", json!({"tid": stranger, "iss": issuer})),
        ("another issuer", json!({"iss": issuer})),
        ("ended", json!({"exp": noon().as_second() - 600})),
        ("another nonce", json!({"nonce": "0"})),
        ("no nonce", json!({"nonce": null})),
        ("no object id", json!({"oid": null})),
        ("no role", json!({"roles": []})),
        ("another role", json!({"roles": ["Reader"]})),
    ] {
        let page = come_back(&town, state, &cookie, &may(change)).await;
        assert_eq!(page.status, 403, "{what}: {}", page.text);
    }
    let good = may(json!({}));
    let mut forged = good.clone();
    forged.truncate(good.len() - 8);
    come_back(&town, state, &cookie, &forged).await.is(403, "");
    come_back(&town, state, "", &good).await.is(403, "did not prove who you are");
    come_back(&town, state, "warden-sign-in=0", &good).await.is(403, "Back to the decision");
    come_back(&town, "v1.a.b", &cookie, &good).await.is(403, "");
    assert_eq!(town.held().decisions.len(), 0);
    town.world.seconds.store(900, Ordering::SeqCst);
    come_back(&town, state, &cookie, &good).await.is(403, "Too late");
    assert_eq!((town.held().decisions.len(), town.told()), (0, 0));
    town.world.seconds.store(899, Ordering::SeqCst);
    come_back(&town, state, &cookie, &good).await.is(303, "");
    assert_eq!(town.held().decisions.len(), 1);

    let unsigned = Town::new();
    come_back(&unsigned, state, &cookie, &good).await.is(403, "");
}
