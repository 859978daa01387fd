//! Partner Center's webhooks through the whole program: what proves them, what is fetched for that
//! and how often.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use partner_warden::sim::{
    CONTOSO, INBOX_SECRET, PartnerSide, Relationship, Rule, Scenario, Tenant, Then, WOODGROVE,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::front_door::Says::{Error, Nothing};
use crate::front_door::{
    CERTIFICATES, FABRIKAM, Request, Row, STRANGER, ask, asked_since, check, check_all, post, town,
};
use crate::harness::{CLIENT_STATE_KEY, LIMIT, Town, body, findings, kinds};
use crate::sweep::{both, reachable, subscribed};

const VECTORS: &str = include_str!("../data/partner-center-openssl.json");
const APPROVED: &str =
    include_str!("../../events/partner-center/granular-admin-relationship-approved.json");
const ACCEPTED: &str =
    include_str!("../../events/partner-center/reseller-relationship-accepted-by-customer.json");

/// Where Microsoft's examples have the certificate.
const MICROSOFTS: &str = "3psostorageacct.blob.core.windows.net";

/// The files that are published, by name below [`CERTIFICATES`], and the certificates in each.
const FILES: &[(&str, &[&str])] = &[
    ("good.cer", &["leaf", "issuer"]),
    ("expired.cer", &["expired", "issuer"]),
    (
        "untrusted.cer",
        &[
            "issued below another root of the same name",
            "issuer below another root of the same name",
        ],
    ),
    ("contoso.cer", &["issued by Contoso, whose name contains Microsoft's", "Contoso's issuer"]),
    ("code.cer", &["for code alone", "issuer"]),
];

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn pem(names: &[&str]) -> String {
    let vectors = vectors();
    let pem = names.iter().map(|name| {
        let base64 = vectors["certificates"][name].as_str().unwrap();
        format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
    });
    pem.collect()
}

/// A town where all of them are published, and counted on.
async fn published() -> Town {
    published_in(town().await)
}

fn published_in(town: Town) -> Town {
    let vectors = vectors();
    let town = town.secret("partnerCenterRootsPem", vectors["rootPem"].as_str());
    for (name, certificates) in FILES {
        town.sim.publish_file(&format!("{CERTIFICATES}{name}"), pem(certificates).as_bytes());
    }
    let hosts = format!("{},{MICROSOFTS}", town.sim.origin());
    town.set("WARDEN_PARTNER_CENTER_HOSTS", &hosts)
}

fn sign(key: &str, body: &str) -> String {
    let pem = vectors()[key].as_str().unwrap().to_owned();
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = KeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, body.as_bytes(), &mut signature).unwrap();
    STANDARD.encode(signature)
}

/// A delivery without its signature.
fn unsigned(body: &str, certificate_url: &str) -> Request {
    post("/hooks/partner-center", body).headers([
        ("x-ms-certificate-url", certificate_url.to_owned()),
        ("x-ms-signature-algorithm", "rsa-sha256".to_owned()),
    ])
}

/// As Partner Center sends it.
fn delivery(body: &str, certificate_url: &str) -> Request {
    let signature = format!("Signature {}", sign("privateKeyPem", body));
    unsigned(body, certificate_url).headers([("authorization", signature)])
}

fn at(origin: &str, file: &str) -> String {
    format!("{}{CERTIFICATES}{file}", origin.trim_end_matches('/'))
}

#[rustfmt::skip]
pub(crate) fn partner_center_rows(origin: &str) -> Vec<Row> {
    let good = at(origin, "good.cer");
    let sent = |body: &str| delivery(body, &good);
    let event = |name: &str, uri: &str| json!({"EventName": name, "ResourceUri": uri}).to_string();
    let with = |file: &str| delivery(APPROVED, &at(origin, file));
    let named = |url: &str| delivery(APPROVED, url);
    let microsofts = |rest: &str| named(&format!("https://{MICROSOFTS}{rest}"));
    let wrong = |what| Error("not-authentic", what);
    let no_signature = || Error("missing-proof", "the signature is missing");
    let signature = || wrong("the signature does not verify");
    let algorithm = || wrong("X-MS-Signature-Algorithm does not verify");
    let url = || wrong("X-MS-Certificate-Url does not verify");
    let chain = || wrong("the certificate's chain does not verify");
    let with_signature = |text: &str| unsigned(APPROVED, &good).headers([("x-ms-signature", text.to_owned())]);
    let of = |name: &str| sent(APPROVED).without("x-ms-signature-algorithm").headers([("x-ms-signature-algorithm", name.to_owned())]);
    let scheme = |scheme: &str| unsigned(APPROVED, &good).headers([("authorization", format!("{scheme} {}", sign("privateKeyPem", APPROVED)))]);
    let anew = |spaces: usize| format!("{ACCEPTED}{}", " ".repeat(spaces));
    let in_its_own_header = |scheme: &str, body: &str| unsigned(body, &good).headers([("x-ms-signature", format!("{scheme}{}", sign("privateKeyPem", body)))]);
    let customer = |tenant: &str| event("reseller-relationship-accepted-by-customer", &format!("https://api.partnercenter.microsoft.com/v1/customers/{tenant}"));
    vec![
        // Nothing is fetched for whoever does not name a certificate of Microsoft's.
        ("no signature", unsigned(APPROVED, &good), 401, no_signature(), &[]),
        ("no header at all", post("/hooks/partner-center", APPROVED), 401, no_signature(), &[]),
        ("another scheme", scheme("Bearer"), 401, no_signature(), &[]),
        ("a signature that is no base64", with_signature("Signature *"), 401, signature(), &[]),
        ("a signature of a few bytes", with_signature("Signature AAAA"), 401, signature(), &[]),
        ("no algorithm", sent(APPROVED).without("x-ms-signature-algorithm"), 401, Error("missing-proof", "X-MS-Signature-Algorithm is missing"), &[]),
        ("the algorithm rsa-sha1", of("rsa-sha1"), 401, algorithm(), &[]),
        ("the algorithm none", of("none"), 401, algorithm(), &[]),
        ("no certificate's address", sent(APPROVED).without("x-ms-certificate-url"), 401, Error("missing-proof", "X-MS-Certificate-Url is missing"), &[]),
        ("a certificate on another host", named("https://certificates.contoso.example/cert/good.cer"), 401, url(), &[]),
        ("a certificate on a host that begins alike", microsofts(".contoso.example/cert/good.cer"), 401, url(), &[]),
        ("a certificate on a host that ends alike", named(&format!("https://a{MICROSOFTS}/cert/good.cer")), 401, url(), &[]),
        ("a certificate on a host behind Microsoft's name", microsofts("@contoso.example/cert/good.cer"), 401, url(), &[]),
        ("a certificate's address with a user", named(&format!("https://user@{MICROSOFTS}/cert/good.cer")), 401, url(), &[]),
        ("a certificate over plain http", named(&format!("http://{MICROSOFTS}/cert/good.cer")), 401, url(), &[]),
        ("a certificate at another port", microsofts(":8443/cert/good.cer"), 401, url(), &[]),
        ("a certificate's address with a query", named(&format!("{good}?a=b")), 401, url(), &[]),
        ("a certificate's address with a fragment", named(&format!("{good}#a")), 401, url(), &[]),
        ("a certificate on this machine, by another name", named(&good.replace("127.0.0.1", "localhost")), 401, url(), &[]),
        // A certificate vouches only if all of it holds.
        ("a certificate that has expired", with("expired.cer"), 401, chain(), &[]),
        ("a certificate below another root of the same name", with("untrusted.cer"), 401, chain(), &[]),
        ("a certificate for code alone", with("code.cer"), 401, chain(), &[]),
        ("a certificate of an issuer that is called O=Microsoft Corporation", with("contoso.cer"), 401, wrong("the certificate's issuer does not verify"), &[]),
        ("no certificate there", with("none.cer"), 503, Error("busy", "try again later"), &[]),
        // A signature is of one body, one key and one algorithm.
        ("a body that was altered", Request { body: APPROVED.replace("approved", "terminated"), ..sent(APPROVED) }, 401, signature(), &[]),
        ("a body with a space more", Request { body: format!("{APPROVED} "), ..sent(APPROVED) }, 401, signature(), &[]),
        ("another event's signature", Request { body: ACCEPTED.to_owned(), ..sent(APPROVED) }, 401, signature(), &[]),
        ("a signature by another key", unsigned(APPROVED, &good).headers([("authorization", format!("Signature {}", sign("otherPrivateKeyPem", APPROVED)))]), 401, signature(), &[]),
        ("not JSON, and not signed", post("/hooks/partner-center", "hey"), 401, no_signature(), &[]),
        // What Partner Center got wrong is told with its place.
        ("not JSON", sent("hey"), 400, Error("malformed", "$: not JSON at line 1, column 1"), &[]),
        ("a list", sent("[]"), 400, Error("malformed", "$: not an object"), &[]),
        ("no event", sent("{}"), 400, Error("malformed", "$: the field EventName is missing"), &[]),
        // What is genuine and no reason to look.
        ("the test event", sent(include_str!("../../events/partner-center/test-created.json")), 202, Nothing, &[]),
        ("a subscription of a tenant", sent(include_str!("../../events/partner-center/subscription-updated.json")), 202, Nothing, &[]),
        ("an invoice", sent(&event("invoice-ready", "https://api.partnercenter.microsoft.com/v1/invoices/1")), 202, Nothing, &[]),
        // Other methods.
        ("GET", ask("GET", "/hooks/partner-center"), 405, Nothing, &[]),
        ("PUT", ask("PUT", "/hooks/partner-center"), 405, Nothing, &[]),
        // The customer that is named is looked at, and everybody where none of ours is.
        ("an event that names a tenant", sent(ACCEPTED), 202, Nothing, &[WOODGROVE]),
        ("an event that names the other tenant", sent(&customer(FABRIKAM)), 202, Nothing, &[FABRIKAM]),
        ("an event that names a tenant nobody guards", sent(&customer(STRANGER)), 202, Nothing, &[WOODGROVE, FABRIKAM]),
        ("a relationship approved", sent(APPROVED), 202, Nothing, &[WOODGROVE, FABRIKAM]),
        ("a relationship terminated", sent(include_str!("../../events/partner-center/granular-admin-relationship-terminated.json")), 202, Nothing, &[WOODGROVE, FABRIKAM]),
        ("an access assignment created", sent(include_str!("../../events/partner-center/granular-admin-access-assignment-created.json")), 202, Nothing, &[WOODGROVE, FABRIKAM]),
        ("delegated admin privileges approved, with no address", sent(include_str!("../../events/partner-center/dap-admin-relationship-approved.json")), 202, Nothing, &[WOODGROVE, FABRIKAM]),
        ("an event nobody knows", sent(&event("something-new", "")), 202, Nothing, &[WOODGROVE, FABRIKAM]),
        ("an event's name in capitals", sent(&event("DAP-ADMIN-RELATIONSHIP-TERMINATED", "")), 202, Nothing, &[WOODGROVE, FABRIKAM]),
        // Each of another length, since the same event would not be heard twice.
        ("the signature in a header of its own", in_its_own_header("Signature ", &anew(1)), 202, Nothing, &[WOODGROVE]),
        ("the signature without its scheme in a header of its own", in_its_own_header("", &anew(2)), 202, Nothing, &[WOODGROVE]),
        ("the algorithm in capitals", sent(&anew(3)).without("x-ms-signature-algorithm").headers([("x-ms-signature-algorithm", "RSA-SHA256".to_owned())]), 202, Nothing, &[WOODGROVE]),
    ]
}

#[tokio::test]
async fn the_door_for_partner_center() {
    let town = published().await;
    let rows = partner_center_rows(town.sim.origin().as_str());
    check_all(&town, rows).await;
}

#[tokio::test]
async fn nothing_is_fetched_for_whoever_names_no_certificate_of_microsofts() {
    let town = published().await;
    let warden = town.serve();
    let origin = town.sim.origin();
    let cheap = |row: &Row| {
        matches!(row.3, Error(reason, what) if reason == "missing-proof"
        || what.starts_with("X-MS"))
    };
    let rows: Vec<Row> = partner_center_rows(origin.as_str()).into_iter().filter(cheap).collect();
    assert!(rows.len() >= 15, "{}", rows.len());
    for (name, request, status, says, _) in &rows {
        check(name, &request.send(&warden).await, *status, says);
    }
    warden.stop().await;
    assert_eq!(town.sim.calls().len(), 0);
}

#[tokio::test]
async fn a_certificate_is_fetched_once_for_many_and_not_again_for_a_forger() {
    let town = published().await;
    let warden = town.serve();
    let good = at(town.sim.origin().as_str(), "good.cer");
    let requests: Vec<Request> = (0..8).map(|_| delivery(ACCEPTED, &good)).collect();
    for answer in join_all(requests.iter().map(|request| request.send(&warden))).await {
        check("all at once", &answer, 202, &Nothing);
    }
    assert_eq!(town.sim.count("GET", CERTIFICATES), 1);
    for _ in 0..5 {
        let forged = Request { body: APPROVED.to_owned(), ..delivery(ACCEPTED, &good) };
        let wrong = Error("not-authentic", "the signature does not verify");
        check("forged", &forged.send(&warden).await, 401, &wrong);
    }
    assert_eq!(town.sim.count("GET", CERTIFICATES), 1);
    // However many addresses somebody thinks of, few are asked.
    for number in 0..40 {
        let answer = delivery(ACCEPTED, &good.replace("good", &format!("good{number}")));
        let busy = Error("busy", "try again later");
        check("another address", &answer.send(&warden).await, 503, &busy);
    }
    assert!(town.sim.count("GET", CERTIFICATES) <= 1 + 6);
    check("still known", &delivery(ACCEPTED, &good).send(&warden).await, 202, &Nothing);
    town.looked(1).await;
    let log = warden.stop().await;
    assert!(log.contains("heard before"), "a replay is answered and not taken in again:\n{log}");
}

#[tokio::test]
async fn what_cannot_be_judged_for_want_of_a_certificate_is_heard_once_it_is_there() {
    let town = published().await;
    let request = delivery(ACCEPTED, &at(town.sim.origin().as_str(), "good.cer"));
    town.sim.add_fault(Rule::new(CERTIFICATES, Then::status(503)).forever());
    let warden = town.serve();
    let answer = request.send(&warden).await;
    check("no certificate", &answer, 503, &Error("busy", "try again later"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(asked_since(&town, 0), []);
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
    assert_eq!(town.sim.count("GET", CERTIFICATES), 2, "one that failed, and one that did not");
    warden.stop().await;
}

#[tokio::test]
async fn issuers_that_are_not_in_the_file_are_fetched_from_microsoft() {
    let vectors = vectors();
    let der =
        |name: &str| STANDARD.decode(vectors["certificates"][name].as_str().unwrap()).unwrap();
    let town = published().await;
    town.sim.publish_file("/cert/alone.cer", &der("leaf two steps below the root"));
    // The simulator answers for Microsoft's hosts too, as a proxy does.
    let issuers = [
        ("/pkiops/certs/Example%20TLS%20G2%20CA.crt", "issuer two steps below the root"),
        ("/pkiops/certs/Example%20TLS%20Root%20G2%20-%20xsign.crt", "issuer's issuer"),
    ];
    let proxy = town.sim.origin().to_string();
    let town = town.set("http_proxy", &proxy).set("no_proxy", "127.0.0.1");
    let request = delivery(ACCEPTED, &at(&proxy, "alone.cer"));
    let warden = town.serve();
    // As long as an issuer cannot be had, nothing can be judged.
    check("no issuer", &request.send(&warden).await, 503, &Error("busy", "try again later"));
    warden.stop().await;
    for (path, name) in issuers {
        town.sim.publish_file(path, &der(name));
    }
    let warden = town.serve();
    check("with its issuers", &request.send(&warden).await, 202, &Nothing);
    town.looked(1).await;
    warden.stop().await;
    assert_eq!(town.sim.count("GET", issuers[0].0), 2, "one for nothing, and one not");
    assert_eq!(town.sim.count("GET", issuers[1].0), 1);
}

#[tokio::test]
async fn without_roots_of_its_own_those_of_the_machine_count() {
    let town = published().await.secret("partnerCenterRootsPem", None);
    let request = delivery(ACCEPTED, &at(town.sim.origin().as_str(), "good.cer"));
    let root = town.folder.path().join("root.pem");
    std::fs::write(&root, vectors()["rootPem"].as_str().unwrap()).unwrap();
    let warden = town.serve();
    let chain = Error("not-authentic", "the certificate's chain does not verify");
    check("a root nobody knows", &request.send(&warden).await, 401, &chain);
    warden.stop().await;
    let town = town.set("SSL_CERT_FILE", &root.display().to_string());
    let warden = town.serve();
    check("a root that is installed", &request.send(&warden).await, 202, &Nothing);
    town.looked(1).await;
    warden.stop().await;
}

#[tokio::test]
async fn the_door_can_be_closed() {
    let town = published().await.set("WARDEN_PARTNER_CENTER_HOSTS", "off");
    let warden = town.serve();
    let request = delivery(ACCEPTED, &at(town.sim.origin().as_str(), "good.cer"));
    let message = "nothing is accepted here until WARDEN_PARTNER_CENTER_HOSTS is configured";
    check("closed", &request.send(&warden).await, 401, &Error("no-key", message));
    warden.stop().await;
    assert_eq!(town.sim.calls().len(), 0);
}

/// A customer and its partner, both guarded, each in its own tenant.
const BOTH_SIDES: &str = "version: 1
mode: enforce
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
  - id: 22222222-2222-2222-2222-222222222222
    name: Contoso Reseller
    side: partner
    customers:
      - id: 11111111-1111-1111-1111-111111111111
        name: Woodgrove
        allow: {roles: [Exchange Administrator]}
        require: {maxDuration: P180D}
respond:
  gdap-global-administrator: {do: ticket, ticket: security}
  gdap-role-not-allowed: {do: ignore}
  dap-active: {do: ticket, ticket: security}
tickets:
  security: {kind: webhook, url: \"SINK\"}
";

#[tokio::test]
async fn what_a_partner_came_to_hold_is_told_once_partner_center_says_that_something_changed() {
    let relationship = |name: &str, role: &str| {
        Relationship::new(name, WOODGROVE, &[role]).lasting("P180D").used_by("HelpdeskAgents")
    };
    let side = PartnerSide::default()
        .customer(WOODGROVE, "Woodgrove", true)
        .relationship(relationship("Mail", "Exchange Administrator"))
        .relationship(relationship("Everything", "Global Administrator"));
    let megan = ("megan@woodgrove.example", "Global Administrator");
    let scenario = Scenario::default()
        .tenant(Tenant::new(WOODGROVE, "Woodgrove").member("Megan Bowen", megan.0, megan.1))
        .tenant(
            Tenant::new(CONTOSO, "Contoso Reseller")
                .member("Ravi", "ravi@contoso-reseller.example", "Global Administrator")
                .group("HelpdeskAgents", &["Ravi"], None)
                .partner_side(side),
        )
        .sink("security", INBOX_SECRET);
    let town = reachable(published_in(Town::new(scenario, BOTH_SIDES).await));
    let partner_center = format!("http://localhost:{}", town.sim.origin().port().unwrap());
    let town = town.set("WARDEN_PARTNER_CENTER_URL", &partner_center);
    let request = delivery(APPROVED, &at(town.sim.origin().as_str(), "good.cer"));

    let warden = town.serve();
    let of_the_customer = |all: &[_]| both(all, CLIENT_STATE_KEY);
    subscribed(&town, "the customer's subscriptions", of_the_customer).await;
    let read = |path: &str| {
        let calls = town.sim.calls();
        let of_contoso = calls.iter().filter(|call| call.tenant.as_deref() == Some(CONTOSO));
        of_contoso.filter(|call| call.path.contains(path)).count()
    };
    assert_eq!(read("delegatedAdminRelationships"), 0, "nobody has said anything yet");
    check("approved", &request.send(&warden).await, 202, &Nothing);
    let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
    assert_eq!(kinds(&messages), ["ticket.opened"]);
    let data = &messages[0]["data"];
    assert_eq!(data["tenant"], json!({"id": CONTOSO, "name": "Contoso Reseller"}));
    assert_eq!(data["partner"], json!({"id": WOODGROVE, "name": "Woodgrove"}));
    assert_eq!(data["severity"], "critical");
    assert_eq!(
        findings(&messages[0]),
        ["gdap-global-administrator: Everything", "dap-active: delegated admin privileges",]
    );
    assert!(body(&messages[0]).contains("About gdap-global-administrator"), "{data}");
    // The same message again is no news.
    check("again", &request.send(&warden).await, 202, &Nothing);
    let log = warden.stop().await;
    assert!(log.contains("heard before"), "{log}");

    let assignments = "/accessAssignments";
    assert_eq!((read("delegatedAdminRelationships"), read(assignments)), (3, 2), "looked at once");
    assert_eq!(read(&format!("/v1/customers/{WOODGROVE}")), 1);
    for nothing in ["roleManagement", "conditionalAccess", "subscriptions"] {
        assert_eq!(read(nothing), 0, "{nothing} is not asked of a partner's own tenant");
    }
    assert_eq!(town.sim.subscriptions(CONTOSO).len(), 0);
    let records = town.records().await;
    let of_contoso: Vec<_> =
        records.iter().filter(|it| it.case.tenant.to_string() == CONTOSO).collect();
    assert_eq!(of_contoso.len(), 1, "{of_contoso:#?}");
    let first = of_contoso[0].signals.first.as_ref().unwrap();
    let told = (first.sender.name(), first.what.as_str());
    assert_eq!(told, ("partner-center", "granular-admin-relationship-approved"));
    let writes = town.sim.calls().into_iter().filter(|call| call.method == "DELETE");
    assert_eq!(writes.count(), 0);
}
