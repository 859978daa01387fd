//! What each endpoint answers to whom, and whether anybody's tenant is looked at because of it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use jiff::{SignedDuration, Timestamp};
use partner_warden::adapters::clock::SystemClock;
use partner_warden::adapters::http::Answer;
use partner_warden::domain::secret::Secret;
use partner_warden::ports::Clock as _;
use partner_warden::sim::{Call, Scenario, Tenant, WOODGROVE};
use partner_warden::wire::graph::client_state;
use serde_json::{Value, json};

use crate::harness::{
    AUDIT_SECRET, CLIENT_STATE_KEY, ENFORCE, LIMIT, Town, Warden, looks, role_given_to, signed,
};

/// A second tenant under guard; `events/graph/two-tenants.json` names it too.
pub(crate) const FABRIKAM: &str = "33333333-3333-3333-3333-333333333333";

/// A tenant nobody guards.
pub(crate) const STRANGER: &str = "99999999-9999-9999-9999-999999999999";

/// The auth id that the Management Activity API knows us by.
pub(crate) const O365_AUTH_ID: &str = "the tests' auth id";

/// The role that lets a sender with a token in.
pub(crate) const SENDER_ROLE: &str = "AzureEventGridSecureWebhookSubscriber";

/// Where the keys are that tokens are signed with.
pub(crate) const KEYS: &str = "/common/discovery/v2.0/keys";

/// Where the certificates are that Partner Center signs with.
pub(crate) const CERTIFICATES: &str = "/cert/";

/// Most bytes of a body.
const BODY_MAX: usize = 1024 * 1024;

/// Someone who reports an event.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

pub(crate) fn post(path: impl Into<String>, body: impl Into<String>) -> Request {
    Request { method: "POST", path: path.into(), body: body.into(), ..Request::default() }
}

pub(crate) fn ask(method: &'static str, path: &str) -> Request {
    Request { method, path: path.to_owned(), ..Request::default() }
}

impl Request {
    pub(crate) fn headers<const N: usize>(mut self, headers: [(&'static str, String); N]) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Signed now with the right key.
    pub(crate) fn signed(self) -> Self {
        self.signed_by(AUDIT_SECRET, SystemClock.now())
    }

    fn signed_by(self, secret: &str, at: Timestamp) -> Self {
        let headers = signed(secret, at, &self.body);
        self.headers(headers)
    }

    pub(crate) fn without(mut self, header: &str) -> Self {
        self.headers.retain(|(name, _)| *name != header);
        self
    }

    pub(crate) async fn send(&self, warden: &Warden) -> Answer {
        let headers: Vec<_> = self.headers.iter().map(|(name, v)| (*name, v.as_str())).collect();
        warden.request(self.method, &self.path, &headers, &self.body).await
    }
}

/// What the answer's body is to be.
pub(crate) enum Says {
    /// Nothing.
    Nothing,
    /// This text, and `text/plain`.
    Echo(&'static str),
    /// Nothing, and that this origin may send at any rate.
    Origin(&'static str),
    /// This reason and message, as JSON.
    Error(&'static str, &'static str),
}

use Says::{Echo, Error, Nothing, Origin};

/// One line of a table: a request, its answer, and the tenants looked at because of it.
pub(crate) type Row = (&'static str, Request, u16, Says, &'static [&'static str]);

#[track_caller]
pub(crate) fn check(name: &str, answer: &Answer, status: u16, says: &Says) {
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    let kind = answer.header("content-type");
    assert_eq!(answer.status, status, "{name}: {body}");
    match says {
        Nothing => assert_eq!((body.as_str(), kind), ("", None), "{name}"),
        Echo(text) => {
            assert_eq!((body.as_str(), kind), (*text, Some("text/plain")), "{name}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
        }
        Origin(origin) => {
            assert_eq!((body.as_str(), kind), ("", None), "{name}");
            assert_eq!(answer.header("webhook-allowed-origin"), Some(*origin), "{name}");
            assert_eq!(answer.header("webhook-allowed-rate"), Some("*"), "{name}");
        }
        Error(reason, message) => {
            let expected = json!({"error": {"reason": reason, "message": message}});
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected, "{name}");
            assert_eq!(kind, Some("application/json"), "{name}");
        }
    }
}

/// Sends every request; first those after which nothing may happen.
pub(crate) async fn check_all(town: &Town, rows: Vec<Row>) {
    let (heard, silent): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| !row.4.is_empty());
    let before = town.sim.calls().len();
    let warden = town.serve();
    for (name, request, status, says, _) in &silent {
        check(name, &request.send(&warden).await, *status, says);
        assert_eq!(asked_since(town, before), [], "{name}");
    }
    warden.stop().await;
    assert_eq!(town.next_look().await, None, "one of them was taken in");
    assert_eq!(asked_since(town, before), []);

    let warden = town.serve();
    let mut expected = [0, 0];
    for (name, request, status, says, tenants) in &heard {
        check(name, &request.send(&warden).await, *status, says);
        for (tenant, expected) in [WOODGROVE, FABRIKAM].into_iter().zip(&mut expected) {
            *expected += usize::from(tenants.contains(&tenant));
            let what = format!("the look after: {name}");
            let wait = town
                .sim
                .wait_for(&what, LIMIT, |view| (looks(view, tenant) >= *expected).then_some(()));
            wait.await.unwrap();
        }
    }
    warden.stop().await;
    let seen = [WOODGROVE, FABRIKAM].map(|tenant| {
        let calls = town.sim.calls();
        let path = "/v1.0/policies/crossTenantAccessPolicy/partners";
        let mut looks = calls.iter().filter(|call| call.path.as_ref() == path).collect::<Vec<_>>();
        looks.retain(|call| call.tenant.as_deref() == Some(tenant));
        looks.len()
    });
    assert_eq!(seen, expected);
}

/// What was asked of the simulator after its first calls, but for the keys and certificates that
/// senders sign with: nobody's tenant is looked at to learn those.
pub(crate) fn asked_since(town: &Town, calls: usize) -> Vec<Call> {
    let asked = town.sim.calls().into_iter().skip(calls);
    asked
        .filter(|call| call.path.as_ref() != KEYS && !call.path.starts_with(CERTIFICATES))
        .collect()
}

/// Woodgrove and Fabrikam, both guarded, with nothing wrong in either.
pub(crate) async fn town() -> Town {
    let tenant = |id, name| {
        let upn = format!("megan@{name}.example");
        Tenant::new(id, name).member("Megan Bowen", &upn, "Global Administrator")
    };
    let mut scenario = Scenario::default()
        .tenant(tenant(WOODGROVE, "Woodgrove"))
        .tenant(tenant(FABRIKAM, "Fabrikam"))
        .sink("security", partner_warden::sim::INBOX_SECRET);
    let other = format!("  - {{id: {FABRIKAM}, name: Fabrikam}}\nrespond:");
    scenario.permissions.push(SENDER_ROLE.to_owned());
    let vector: Value =
        serde_json::from_str(include_str!("../data/rich-notification-openssl.json")).unwrap();
    Town::new(scenario, &ENFORCE.replace("respond:", &other))
        .await
        .secret("o365AuthId", Some(O365_AUTH_ID))
        .secret("notificationCertificatePem", vector["certificatePem"].as_str())
        .secret("notificationPrivateKeyPem", vector["privateKeyPem"].as_str())
}

/// A collection of notifications, each with a tenant and the tenant its clientState is for.
pub(crate) fn notifications(items: &[(&str, &str)]) -> String {
    let items: Vec<Value> = items
        .iter()
        .map(|(tenant, state)| {
            json!({"changeType": "updated", "resource": "Users/1", "tenantId": tenant,
                "clientState": state_of(state)})
        })
        .collect();
    json!({ "value": items }).to_string()
}

pub(crate) fn state_of(tenant: &str) -> String {
    client_state(&Secret::new(CLIENT_STATE_KEY), tenant.parse().unwrap())
}

/// A recorded payload with Woodgrove's clientState.
pub(crate) fn recorded(payload: &str) -> Request {
    post("/hooks/graph", payload.replace("{{clientState}}", &state_of(WOODGROVE)))
}

#[rustfmt::skip]
pub(crate) fn graph_rows() -> Vec<Row> {
    let graph = |body: &str| post("/hooks/graph", body);
    let handshake = |token: &str| post(format!("/hooks/graph?validationToken={token}"), "");
    let not_json = "$: not JSON at line 1, column 3";
    let no_value = "$: the field value is missing";
    let longest = "t".repeat(4096);
    vec![
        // Whoever asks whether anybody is here is answered.
        ("handshake", handshake("Validation%3A+a+%2B+b%26%C3%A4"), 200, Echo("Validation: a + b&ä"), &[]),
        ("handshake over 16 KiB", handshake(&"t".repeat(20_000)), 414, Error("too-large", "the request's target is longer than 16384 bytes"), &[]),
        ("handshake with markup", handshake("%3Cscript%3E"), 200, Echo("<script>"), &[]),
        ("handshake over 4 KiB", handshake(&format!("{longest}t")), 400, Error("malformed", "validationToken: longer than 4096 bytes"), &[]),
        ("handshake with a body", Request { body: notifications(&[(WOODGROVE, WOODGROVE)]), ..handshake("t") }, 200, Echo("t"), &[]),
        // Whoever sends what is no collection is told.
        ("no body", graph(""), 400, Error("malformed", "$: not JSON at line 1, column 0"), &[]),
        ("not JSON", graph("hey"), 400, Error("malformed", "$: not JSON at line 1, column 1"), &[]),
        ("cut off", graph("{\"v"), 400, Error("malformed", not_json), &[]),
        ("nested too deep", graph(&format!("{{\"value\":[{}{}]}}", "[".repeat(200), "]".repeat(200))), 400, Error("malformed", "$.value[0]: nested too deep at line 1, column 128"), &[]),
        ("an array", graph("[]"), 400, Error("malformed", "$: not an object"), &[]),
        ("no collection", graph("{}"), 400, Error("malformed", no_value), &[]),
        ("a value that is no list", graph("{\"value\":{}}"), 400, Error("malformed", "$.value: not of the expected type"), &[]),
        // Whoever sends a collection learns nothing more, be it authentic or not.
        ("an empty collection", recorded(include_str!("../../events/graph/empty-collection.json")), 202, Nothing, &[]),
        ("items that are none", graph("{\"value\":[1,null,{}]}"), 202, Nothing, &[]),
        ("no clientState", graph(&format!("{{\"value\":[{{\"tenantId\":\"{WOODGROVE}\"}}]}}")), 202, Nothing, &[]),
        ("another tenant's clientState", graph(&notifications(&[(WOODGROVE, FABRIKAM)])), 202, Nothing, &[]),
        ("a tenant nobody guards", graph(&notifications(&[(STRANGER, STRANGER)])), 202, Nothing, &[]),
        ("encrypted content", graph(&notifications(&[(WOODGROVE, WOODGROVE)]).replace("\"resource\"", "\"encryptedContent\":{},\"resource\"")), 202, Nothing, &[]),
        ("a signature in place of clientState", recorded(include_str!("../../events/audit/add-member-to-role.json")), 400, Error("malformed", no_value), &[]),
        // Other methods and paths.
        ("GET", ask("GET", "/hooks/graph?validationToken=t"), 405, Nothing, &[]),
        ("PUT", ask("PUT", "/hooks/graph"), 405, Nothing, &[]),
        ("a path below", post("/hooks/graph/x", notifications(&[(WOODGROVE, WOODGROVE)])), 404, Nothing, &[]),
        ("no path", ask("GET", "/"), 404, Nothing, &[]),
        // What is authentic is looked at, once for each tenant, whatever stands beside it.
        ("a user changed", recorded(include_str!("../../events/graph/user-updated.json")), 202, Nothing, &[WOODGROVE]),
        ("three changes at once", recorded(include_str!("../../events/graph/batch-three-items.json")), 202, Nothing, &[WOODGROVE]),
        ("a lifecycle event", recorded(include_str!("../../events/graph/lifecycle-missed.json")), 202, Nothing, &[WOODGROVE]),
        ("a lifecycle event nobody knows", recorded(include_str!("../../events/graph/unknown-lifecycle.json")), 202, Nothing, &[WOODGROVE]),
        ("one clientState for two tenants", recorded(include_str!("../../events/graph/two-tenants.json")), 202, Nothing, &[WOODGROVE]),
        ("good, bad, good", graph(&notifications(&[(WOODGROVE, WOODGROVE), (FABRIKAM, WOODGROVE), (FABRIKAM, FABRIKAM)])), 202, Nothing, &[WOODGROVE, FABRIKAM]),
        ("bad, good", graph(&notifications(&[(WOODGROVE, STRANGER), (FABRIKAM, FABRIKAM)])), 202, Nothing, &[FABRIKAM]),
    ]
}

#[tokio::test]
async fn the_door_for_graph() {
    check_all(&town().await, graph_rows()).await;
}

#[rustfmt::skip]
pub(crate) fn audit_rows() -> Vec<Row> {
    let event = role_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29");
    let at = |path: &str, body: &str| post(path, body);
    let bare = |body: &str| at("/hooks/audit", body).signed();
    let mine = |body: &str| at(&format!("/hooks/audit?tenant={WOODGROVE}"), body).signed();
    let ago = |minutes| SystemClock.now() - SignedDuration::from_mins(minutes);
    let missing = |name| Error("missing-proof", name);
    let not_authentic = || Error("not-authentic", "webhook-signature does not verify");
    let stale = || Error("stale", "webhook-timestamp is more than 5 minutes off");
    let unknown_tenant = include_str!("../../events/audit/records-azure-monitor.json");
    let unknown_tenant = unknown_tenant.replace(WOODGROVE, STRANGER);
    let records = include_str!("../../events/o365/content-azure-active-directory.json");
    let record = serde_json::from_str::<Value>(records).unwrap()[0].to_string();
    let of = |tenant: &str| record.replace(&format!("\"OrganizationId\":\"{WOODGROVE}\""), tenant);
    let nameless = of("\"Version\":1");
    vec![
        // Nothing is understood before it is known who sends it.
        ("no signature", post("/hooks/audit", "hey"), 401, missing("webhook-id is missing"), &[]),
        ("no id", mine(&event).without("webhook-id"), 401, missing("webhook-id is missing"), &[]),
        ("no timestamp", mine(&event).without("webhook-timestamp"), 401, missing("webhook-timestamp is missing"), &[]),
        ("no signature among headers", mine(&event).without("webhook-signature"), 401, missing("webhook-signature is missing"), &[]),
        ("another key", post("/hooks/audit", &event).signed_by("whsec_c29tZWJvZHkgZWxzZSBhbHRvZ2V0aGVy", ago(0)), 401, not_authentic(), &[]),
        ("another body", Request { body: event.replace("Add", "add"), ..mine(&event) }, 401, not_authentic(), &[]),
        ("another id", mine(&event).without("webhook-id").headers([("webhook-id", "another".to_owned())]), 401, not_authentic(), &[]),
        ("an old version of signatures", mine(&event).without("webhook-signature").headers([("webhook-signature", "v0,c2lnbmVk".to_owned())]), 401, not_authentic(), &[]),
        ("too old", post("/hooks/audit", &event).signed_by(AUDIT_SECRET, ago(6)), 401, stale(), &[]),
        ("from the future", post("/hooks/audit", &event).signed_by(AUDIT_SECRET, ago(-6)), 401, stale(), &[]),
        ("no moment", mine(&event).without("webhook-timestamp").headers([("webhook-timestamp", "now".to_owned())]), 401, Error("not-authentic", "webhook-timestamp does not verify"), &[]),
        // What a known sender got wrong is told with its place.
        ("not JSON", mine("hey"), 400, Error("malformed", "$: not JSON at line 1, column 1"), &[]),
        ("a number", mine("7"), 400, Error("malformed", "$: neither a directoryAudit nor a collection of them"), &[]),
        ("nested too deep", mine(&"[".repeat(200)), 400, Error("malformed", "$: nested too deep at line 1, column 128"), &[]),
        ("no event", mine("{}"), 400, Error("malformed", "$: the field activityDisplayName is missing"), &[]),
        ("no event in a list", mine("[{\"id\":\"1\"}]"), 400, Error("malformed", "$[0]: the field activityDisplayName is missing"), &[]),
        ("no event in a collection", mine("{\"value\":[{\"activityDisplayName\":7}]}"), 400, Error("malformed", "$.value[0].activityDisplayName: not of the expected type"), &[]),
        ("records without a tenant", mine("{\"records\":[{\"properties\":{}}]}"), 400, Error("malformed", "$.records[0]: the field tenantId is missing"), &[]),
        ("records that are no list", mine("{\"records\":{}}"), 400, Error("malformed", "$.records: not an array"), &[]),
        ("?tenant is no GUID", at("/hooks/audit?tenant=woodgrove", &event).signed(), 400, Error("malformed", "?tenant: not a tenant id"), &[]),
        ("a Management Activity record with no name", mine("{\"Operation\":null,\"RecordType\":8}"), 400, Error("malformed", "$.Operation: not of the expected type"), &[]),
        ("a Management Activity record of no tenant", mine(&of("\"OrganizationId\":\"woodgrove\"")), 400, Error("malformed", "$.OrganizationId: not a tenant id"), &[]),
        // What is well-formed and no reason to look.
        ("a tenant nobody guards", at(&format!("/hooks/audit?tenant={STRANGER}"), &event).signed(), 202, Nothing, &[]),
        ("records of a tenant nobody guards", bare(&unknown_tenant), 202, Nothing, &[]),
        ("an activity without power", mine(include_str!("../../events/audit/unknown-activity.json")), 202, Nothing, &[]),
        ("an empty list", mine("[]"), 202, Nothing, &[]),
        ("Management Activity records without power", mine(include_str!("../../events/o365/content-without-access.json")), 202, Nothing, &[]),
        ("a Management Activity record of a tenant nobody guards", mine(&of(&format!("\"OrganizationId\":\"{STRANGER}\""))), 202, Nothing, &[]),
        // Other methods and paths.
        ("GET", ask("GET", "/hooks/audit"), 405, Nothing, &[]),
        ("DELETE", ask("DELETE", "/hooks/audit"), 405, Nothing, &[]),
        ("a sender nobody offers", post("/hooks/o365x", &event).signed(), 404, Nothing, &[]),
        // Every envelope is opened, and a tenant is looked at once however many events it holds.
        ("one event", mine(include_str!("../../events/audit/add-member-to-role.json")), 202, Nothing, &[WOODGROVE]),
        ("a list", mine(include_str!("../../events/audit/array.json")), 202, Nothing, &[WOODGROVE]),
        ("a collection", mine(include_str!("../../events/audit/value-collection.json")), 202, Nothing, &[WOODGROVE]),
        ("records, which name their tenant", at(&format!("/hooks/audit?tenant={FABRIKAM}"), include_str!("../../events/audit/records-azure-monitor.json")).signed(), 202, Nothing, &[WOODGROVE]),
        ("a Management Activity record, which names its tenant", at(&format!("/hooks/audit?tenant={FABRIKAM}"), &record).signed(), 202, Nothing, &[WOODGROVE]),
        ("a list of Management Activity records", bare(records), 202, Nothing, &[WOODGROVE]),
        ("a collection of Management Activity records", bare(&format!("{{\"value\":{records}}}")), 202, Nothing, &[WOODGROVE]),
        ("Management Activity records as records", bare(&format!("{{\"records\":{records}}}")), 202, Nothing, &[WOODGROVE]),
        ("a Management Activity record that names no tenant", at(&format!("/hooks/audit?tenant={FABRIKAM}"), &nameless).signed(), 202, Nothing, &[FABRIKAM]),
        ("a Management Activity record, and no tenant named", bare(&nameless), 202, Nothing, &[WOODGROVE, FABRIKAM]),
        ("a directoryAudit beside a Management Activity record", mine(&format!("[{event},{nameless}]")), 202, Nothing, &[WOODGROVE]),
        ("good beside bad", mine(&format!("[{{}},{event},7]")), 202, Nothing, &[WOODGROVE]),
        ("two signatures, one of them right", {
            let request = mine(&event);
            let right = request.headers.iter().find(|(name, _)| *name == "webhook-signature");
            let both = format!("v1,bm90aGluZw== {}", right.unwrap().1);
            request.without("webhook-signature").headers([("webhook-signature", both)])
        }, 202, Nothing, &[WOODGROVE]),
        ("a GUID in braces and between other parameters", at(&format!("/hooks/audit?a=b&tenant=%7B{FABRIKAM}%7D&c"), &event).signed(), 202, Nothing, &[FABRIKAM]),
        ("no tenant named", bare(&event), 202, Nothing, &[WOODGROVE, FABRIKAM]),
    ]
}

#[tokio::test]
async fn the_door_for_audit_events() {
    check_all(&town().await, audit_rows()).await;
}

#[tokio::test]
async fn the_door_to_look_through() {
    let town = town().await;
    let warden = town.serve();
    let answer = ask("GET", "/health").send(&warden).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type"), body),
        (
            200,
            Some("application/json"),
            json!({
                "status": "ok",
                "version": env!("CARGO_PKG_VERSION"),
                "mode": "enforce",
                "tenants": 2,
            })
        )
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let secrets = std::fs::read_to_string(town.folder.path().join("secrets.json")).unwrap();
    let secrets: Value = serde_json::from_str(&secrets).unwrap();
    for secret in secrets.as_object().unwrap().values().filter_map(Value::as_str) {
        assert!(!text.contains(secret), "{text}");
    }
    for (name, request, status) in [
        ("POST", post("/health", ""), 405),
        ("a path below", ask("GET", "/health/x"), 404),
        ("HEAD", ask("HEAD", "/health"), 200),
    ] {
        assert_eq!(request.send(&warden).await.status, status, "{name}");
    }
    warden.stop().await;
    assert!(town.sim.calls().is_empty());
}

#[tokio::test]
async fn a_body_over_the_limit_is_turned_away_before_anything_is_asked_of_it() {
    let town = town().await;
    let warden = town.serve();
    let message = format!("the body is larger than {BODY_MAX} bytes");
    for path in [
        "/hooks/graph",
        "/hooks/audit",
        "/hooks/o365",
        "/hooks/event-grid",
        "/hooks/partner-center",
    ] {
        // As announced by its length, and as found out while reading. There is no signature.
        for answer in [announced(warden.address, path), in_chunks(warden.address, path)] {
            assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
            assert!(
                answer.ends_with(
                    &json!({"error": {"reason": "too-large", "message": message}}).to_string()
                ),
                "{path}: {answer}"
            );
        }
    }
    // Whoever writes all of it before reading gets the answer too.
    let large = " ".repeat(8 * BODY_MAX);
    for path in ["/hooks/graph", "/hooks/audit"] {
        assert_eq!(post(path, &large).send(&warden).await.status, 413);
    }
    // The largest that is read is read to its end.
    let spaces = " ".repeat(BODY_MAX);
    assert_eq!(post("/hooks/graph", &spaces).send(&warden).await.status, 400);
    assert_eq!(post("/hooks/audit", &spaces).send(&warden).await.status, 401);
    assert_eq!(post("/hooks/audit", &spaces).signed().send(&warden).await.status, 400);
    warden.stop().await;
    assert_eq!(town.next_look().await, None);
}

/// The answer to a request that only says how long it is going to be.
fn announced(address: SocketAddr, path: &str) -> String {
    let length = BODY_MAX + 1;
    converse(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        ),
        &[],
    )
}

/// The answer to a request that does not say how long it is going to be.
fn in_chunks(address: SocketAddr, path: &str) -> String {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    // One chunk, of which not a byte more is sent than it takes to know.
    let chunk = [format!("{:x}\r\n", BODY_MAX + 1).into_bytes(), vec![b' '; BODY_MAX + 1]].concat();
    converse(address, &head, &chunk)
}

fn converse(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn a_door_without_a_key_takes_nothing_in() {
    let town = town()
        .await
        .secret("auditWebhookSecret", None)
        .secret("clientStateKey", None)
        .secret("o365AuthId", None);
    let warden = town.serve();
    let event = role_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29");
    let answer = post("/hooks/audit", &event).signed().send(&warden).await;
    let message = "nothing is accepted here until auditWebhookSecret is configured";
    check("audit", &answer, 401, &Error("no-key", message));
    let validation = include_str!("../../events/o365/validation.json");
    for id in ["", O365_AUTH_ID] {
        let request = post("/hooks/o365", validation).headers([("webhook-authid", id.to_owned())]);
        let message = "nothing is accepted here until o365AuthId is configured";
        check("o365", &request.send(&warden).await, 401, &Error("no-key", message));
    }
    // An empty key is what a careless comparison would take.
    let forged = client_state(&Secret::new(""), WOODGROVE.parse().unwrap());
    let body = notifications(&[(WOODGROVE, WOODGROVE)]);
    for body in [body.replace(&state_of(WOODGROVE), &forged), body] {
        check("graph", &post("/hooks/graph", body).send(&warden).await, 202, &Nothing);
    }
    warden.stop().await;
    assert_eq!(town.next_look().await, None);
    assert!(town.sim.calls().is_empty());
}

#[tokio::test]
async fn both_keys_open_the_door_while_they_are_changed() {
    let (old, new) = (AUDIT_SECRET, "whsec_dGhlIG5leHQga2V5IG9mIHRoZSBmb3J3YXJkZXI=");
    let next_state_key = "the next key for clientState, 32+ too";
    let town = town()
        .await
        .secret("auditWebhookSecretPrevious", Some(old))
        .secret("auditWebhookSecret", Some(new))
        .secret("clientStateKeyPrevious", Some(CLIENT_STATE_KEY))
        .secret("clientStateKey", Some(next_state_key))
        .secret("o365AuthIdPrevious", Some(O365_AUTH_ID))
        .secret("o365AuthId", Some("the next auth id"));
    let warden = town.serve();
    let event = role_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29");
    for (secret, times) in [(old, 1), (new, 2)] {
        let path = format!("/hooks/audit?tenant={WOODGROVE}");
        let request = post(path, &event).signed_by(secret, SystemClock.now());
        assert_eq!(request.send(&warden).await.status, 202);
        town.looked(times).await;
    }
    let next = client_state(&Secret::new(next_state_key), WOODGROVE.parse().unwrap());
    let body = notifications(&[(WOODGROVE, WOODGROVE)]);
    for (body, times) in [(body.replace(&state_of(WOODGROVE), &next), 3), (body, 4)] {
        assert_eq!(post("/hooks/graph", body).send(&warden).await.status, 202);
        town.looked(times).await;
    }
    let content = include_str!("../../events/o365/notifications.json");
    // What is announced there is not to be had, which is a reason to look all the same.
    let content = content.replace("https://manage.office.com/", town.sim.origin().as_str());
    for (id, times) in [(O365_AUTH_ID, 5), ("the next auth id", 6)] {
        let request =
            post("/hooks/o365", content.as_str()).headers([("webhook-authid", id.to_owned())]);
        assert_eq!(request.send(&warden).await.status, 200);
        town.looked(times).await;
    }
    warden.stop().await;
}
