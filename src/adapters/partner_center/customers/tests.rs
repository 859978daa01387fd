//! Asking Partner Center about customers: as the application and for a user, and what is not known.

use axum::body::Body;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::adapters::clock::SystemClock;
use crate::adapters::testing::{Asked, QUICK, Server, ok, quick, status, with};
use crate::domain::finding::testing::noon;
use crate::ports::chain;
use crate::sim::{
    ADATUM, CLIENT_ID, CLIENT_SECRET, CONTOSO, PartnerSide, Rule, Scenario, Sim, Tenant, Then,
    WOODGROVE,
};

const CUSTOMERS: &str = "/v1/customers/";
const STRANGER: &str = "99999999-9999-9999-9999-999999999999";

fn contoso() -> TenantId {
    CONTOSO.parse().unwrap()
}

fn ids<const N: usize>(all: [&str; N]) -> [PartnerId; N] {
    all.map(|id| id.parse().unwrap())
}

fn connect_at(origin: &Url, login: &Url, clock: Arc<dyn Clock>) -> Customers {
    let client_id = CLIENT_ID.to_owned();
    let credential = Credential::Secret { client_id, secret: Secret::new(CLIENT_SECRET) };
    Customers::new(quick(), origin.clone(), login.clone(), credential, clock)
}

fn connect(origin: &Url) -> Customers {
    connect_at(origin, origin, Arc::new(SystemClock))
}

/// What was learned, by customer, and the failure's kind and words.
async fn learned(
    customers: &Customers,
    asked: &[PartnerId],
) -> (Vec<(PartnerId, bool)>, Option<(Failure, String)>) {
    let listed = customers.delegated_access(contoso(), asked).await;
    let told = listed.failure.as_ref().map(|error| chain(error)).unwrap_or_default();
    assert!(!told.contains("S3cret") && !told.contains("t0ken"), "{told}");
    (listed.items, listed.failure.map(|failure| (failure.kind, failure.said)))
}

/// A server that lets everybody in and answers everything else so.
async fn serving(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Server {
    Server::start(move |asked| {
        if asked.line.ends_with("/oauth2/v2.0/token") {
            return ok(&json!({"access_token": "t0ken", "expires_in": 3599}));
        }
        answer(asked)
    })
    .await
}

fn allows(yes: bool) -> Response {
    ok(&json!({"allowDelegatedAccess": yes}))
}

#[tokio::test]
async fn a_partners_customers_are_asked_about_one_by_one_with_one_sign_in() {
    let side = PartnerSide::default()
        .customer(WOODGROVE, "Woodgrove", true)
        .customer(ADATUM, "Adatum", false);
    let tenant = Tenant::new(CONTOSO, "Contoso Reseller").partner_side(side);
    let scenario = Scenario::default().tenant(tenant);
    let sim = Sim::start(scenario, ([127, 0, 0, 1], 0).into()).await.unwrap();
    // The simulator is Partner Center under this name, and Microsoft's sign-in under its own.
    let origin = format!("http://localhost:{}", sim.origin().port().unwrap());
    let origin = Url::parse(&origin).unwrap();
    let customers = connect_at(&origin, &sim.origin(), Arc::new(SystemClock));
    let asked = ids([WOODGROVE, STRANGER, ADATUM]);
    let [woodgrove, _, adatum] = asked;
    let known = vec![(woodgrove, true), (adatum, false)];
    assert_eq!(learned(&customers, &asked).await, (known, None), "who is no customer is left out");
    assert_eq!((sim.count("GET", CUSTOMERS), sim.count("POST", "/oauth2/")), (3, 1));

    sim.add_fault(Rule::new(WOODGROVE, Then::throttle(0)));
    let (known, failure) = learned(&customers, &asked).await;
    assert_eq!((known.len(), failure), (2, None), "busy once is asked again");
}

#[tokio::test]
async fn whatever_is_refused_of_one_is_told_with_the_mend_and_hides_no_other() {
    let mend = "; register the application WARDEN_CLIENT_ID in Partner Center (Account settings > \
                App management), or put the refresh token of an account in the Admin agents group \
                into partnerCenterRefreshToken";
    for (code, kind, mend, times) in [
        (403, Failure::Denied, mend, 1),
        // Asked once more with a fresh token.
        (401, Failure::Denied, mend, 2),
        (400, Failure::Refused, "", 1),
        (302, Failure::Unintelligible, "", 1),
        (429, Failure::Throttled(None), "", QUICK.retries + 1),
        (503, Failure::Transient, "", QUICK.retries + 1),
    ] {
        let server = serving(move |asked| {
            let there = with(status(code), "location", "https://elsewhere.example/");
            if asked.line.contains(ADATUM) { there } else { allows(true) }
        })
        .await;
        let asked = ids([WOODGROVE, ADATUM, STRANGER]);
        let (known, failure) = learned(&connect(&server.origin), &asked).await;
        assert_eq!(known, [(asked[0], true), (asked[2], true)], "{code}");
        let said = format!("Partner Center answered {code}{mend}");
        assert_eq!(failure, Some((kind, said)), "{code}");
        assert_eq!(server.lines(ADATUM).len(), times, "{code}");
    }
}

#[tokio::test]
async fn several_that_fail_are_told_in_one_line() {
    let server = serving(|_| status(403)).await;
    let (known, failure) =
        learned(&connect(&server.origin), &ids([WOODGROVE, ADATUM, STRANGER])).await;
    assert_eq!(known, []);
    let (kind, said) = failure.unwrap();
    assert_eq!(kind, Failure::Denied);
    assert!(said.ends_with("partnerCenterRefreshToken; 2 more requests failed"), "{said}");
}

#[tokio::test]
async fn one_that_wants_to_be_left_alone_for_long_is_not_asked_again() {
    let server = serving(|_| with(status(429), "retry-after", "60")).await;
    let (_, failure) = learned(&connect(&server.origin), &ids([WOODGROVE])).await;
    let minute = Failure::Throttled(Some(std::time::Duration::from_mins(1)));
    assert_eq!(failure, Some((minute, "Partner Center answered 429".to_owned())));
    assert_eq!(server.lines(CUSTOMERS).len(), 1);
}

#[tokio::test]
async fn what_it_does_not_say_is_no_no() {
    let mark = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    for (body, expect) in [
        (mark(r#"{"allowDelegatedAccess": true, "id": "x"}"#), Some(true)),
        (mark(r#"{"allowDelegatedAccess": false}"#), Some(false)),
        (br#"{"AllowDelegatedAccess": true}"#.to_vec(), None),
        (br#"{"allowDelegatedAccess": null, "note": "S3cret"}"#.to_vec(), None),
        (br#"{"allowDelegatedAccess": "S3cret"}"#.to_vec(), None),
        (b"{}".to_vec(), None),
        (b"[]".to_vec(), None),
        (b"<html>S3cret</html>".to_vec(), None),
        (Vec::new(), None),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let server = serving(move |_| Response::new(Body::from(body.clone()))).await;
        let asked = ids([WOODGROVE]);
        let (known, failure) = learned(&connect(&server.origin), &asked).await;
        if let Some(allows) = expect {
            assert_eq!((known, failure), (vec![(asked[0], allows)], None));
            continue;
        }
        assert_eq!(known, [], "{shown}");
        let (kind, said) = failure.unwrap();
        assert_eq!(kind, Failure::Unintelligible, "{shown}");
        assert!(said.starts_with("Partner Center answered with something else"), "{said}");
    }
}

/// The fields of a sign-in.
fn form(asked: &Asked) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&asked.body).into_owned().collect()
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// A clock that stands where it is put.
struct Hand(std::sync::Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn for_a_user_it_signs_in_with_the_refresh_token_and_the_one_that_came_last() {
    let server = Server::start(|asked| {
        if !asked.line.ends_with("/oauth2/v2.0/token") {
            return allows(true);
        }
        // The second sign-in gives no newer one.
        let next = (asked.before < 2).then_some("second S3cret");
        ok(&json!({"access_token": format!("t0ken {}", asked.before), "expires_in": 3599,
            "refresh_token": next}))
    })
    .await;
    let hand = Arc::new(Hand(std::sync::Mutex::new(noon())));
    let customers = connect_at(&server.origin, &server.origin, hand.clone())
        .for_user(Secret::new("first S3cret"));
    for hours in [0, 1, 2] {
        *hand.0.lock().unwrap() = noon() + SignedDuration::from_hours(hours);
        let (known, failure) = learned(&customers, &ids([WOODGROVE])).await;
        assert_eq!((known.len(), failure), (1, None));
    }
    let scope = format!("{}.default", server.origin);
    let sign_ins = server.asked().into_iter().filter(|asked| asked.line.contains("/oauth2/"));
    let sign_ins: Vec<_> = sign_ins.collect();
    let used = ["first S3cret", "second S3cret", "second S3cret"];
    assert_eq!(sign_ins.len(), used.len());
    for (asked, used) in sign_ins.iter().zip(used) {
        assert_eq!(asked.line, format!("POST /{CONTOSO}/oauth2/v2.0/token"));
        let form = form(asked);
        let fields = ["grant_type", "refresh_token", "client_id", "client_secret", "scope"];
        let expect = ["refresh_token", used, CLIENT_ID, CLIENT_SECRET, &scope];
        assert_eq!(fields.map(|name| field(&form, name)), expect.map(Some));
    }
    let bearers = server.asked().into_iter().filter(|asked| asked.line.contains(CUSTOMERS));
    let bearers: Vec<_> = bearers.map(|asked| asked.authorization.unwrap()).collect();
    assert_eq!(bearers, ["Bearer t0ken 0", "Bearer t0ken 2", "Bearer t0ken 4"]);
}

#[tokio::test]
async fn as_the_application_it_signs_in_with_its_own_credential() {
    let server = serving(|_| allows(false)).await;
    learned(&connect(&server.origin), &ids([WOODGROVE])).await;
    let form = form(&server.asked()[0]);
    assert_eq!(field(&form, "grant_type"), Some("client_credentials"));
    assert_eq!(field(&form, "refresh_token"), None);
}

#[tokio::test]
async fn a_refresh_token_that_is_no_good_any_more_says_what_to_mend_and_asks_nothing() {
    for (error, code) in [("invalid_grant", 700_082), ("interaction_required", 50_076)] {
        let denied = json!({"error": error, "error_codes": [code],
            "error_description": "AADSTS: the token S3cret has expired"});
        let server = Server::start(move |_| refused(&denied)).await;
        let customers = connect(&server.origin).for_user(Secret::new("S3cret"));
        let (known, failure) = learned(&customers, &ids([WOODGROVE, ADATUM])).await;
        let (kind, said) = failure.unwrap();
        assert_eq!((known.len(), kind), (0, Failure::SignInRefused));
        let mend = format!(
            "Microsoft's sign-in answered 400 {error} AADSTS{code}; put a new refresh token, of an \
             account that signed in with multifactor authentication, into partnerCenterRefreshToken"
        );
        assert_eq!(said, format!("{mend}; 1 more request failed"));
        assert_eq!(server.lines(CUSTOMERS), [""; 0]);
    }
}

fn refused(body: &Value) -> Response {
    let mut response = ok(body);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}
