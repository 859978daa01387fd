//! At any log level the log names partners, roles and tenants, and never a secret, a token, a
//! payload, or a line that a stranger wrote.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use partner_warden::adapters::clock::SystemClock;
use partner_warden::domain::secret::Secret;
use partner_warden::ports::Clock as _;
use partner_warden::sim::{
    App, CLIENT_SECRET, CONTOSO, INBOX_SECRET, Principal, Rule, Scenario, Tenant, Then, WOODGROVE,
};
use partner_warden::wire::graph::client_state;
use serde_json::Value;

use crate::front_door::O365_AUTH_ID;
use crate::harness::{AUDIT_SECRET, Backend, CLIENT_STATE_KEY, ENFORCE, Town, Warden, on_each};

on_each! {
    hostile_names_forge_no_line_of_a_log_or_ticket
}

/// Stands in bodies, headers and queries, and must not come out again.
const MARKER: &str = "marker7f3a91";

const STRANGER: &str = "44444444-4444-4444-4444-444444444444";

/// Line breaks, terminal commands, reversed text, ends of JSON strings, and far too much.
const HOSTILE: [&str; 5] = [
    "Zoe\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\n- forged row\n",
    "\u{1b}[2J\u{1b}[31mZoe\u{7}\u{9b}31m",
    "Zoe\u{202e}drazeW rentraP\u{202c}\u{2066}\u{200f}",
    "Zoe\"},\"level\":\"ERROR\",\"message\":\"forged",
    "\u{2028}- Zoe\u{85}# forged\u{2029}",
];

fn secrets() -> Vec<(&'static str, String)> {
    let state = client_state(&Secret::new(CLIENT_STATE_KEY), WOODGROVE.parse().unwrap());
    let bare = |secret: &str| secret.trim_start_matches("whsec_").to_owned();
    vec![
        ("the client secret", CLIENT_SECRET.to_owned()),
        ("an access token", "eyJ".to_owned()),
        ("the audit webhook's secret", bare(AUDIT_SECRET)),
        ("the key of clientState", CLIENT_STATE_KEY.to_owned()),
        ("the auth id", O365_AUTH_ID.to_owned()),
        ("a clientState", state.trim_start_matches("v1.").to_owned()),
        ("the ticket sink's secret", bare(INBOX_SECRET)),
        ("a signature", "v1,".to_owned()),
        ("a ticket sink's path", "/inbox/".to_owned()),
        ("a bearer token", "Bearer ".to_owned()),
        ("what a stranger wrote", MARKER.to_owned()),
        ("an event's content", "Partner Customer Delegated Admin".to_owned()),
        ("an event's content", "96c3e81f-5a2d-4b70-8e94-0d1f7c6b53a2".to_owned()),
    ]
}

/// The entries of a log in which every line is one, and none holds a secret.
fn entries(log: &str) -> Vec<Value> {
    for (what, secret) in secrets() {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{what} is in the log");
    }
    let entry = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    log.lines().map(entry).collect()
}

/// A log without the lines that Lambda itself writes, and those between the functions' logs.
fn without_lambdas(log: &str) -> String {
    let theirs = ["START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "--- "];
    let ours = log.lines().filter(|line| !theirs.iter().any(|begins| line.starts_with(begins)));
    ours.collect::<Vec<_>>().join("\n")
}

/// Requests that are turned away, and what they are answered.
async fn bad_requests(warden: &Warden) {
    let json = format!("{{\"value\":[{{\"{MARKER}\":\"{MARKER}\"}},\"{MARKER}\",7]}}");
    let broken = format!("{{\"{MARKER}");
    let state_of = |id: &str| client_state(&Secret::new(CLIENT_STATE_KEY), id.parse().unwrap());
    let (state, strangers) = (state_of(WOODGROVE), state_of(STRANGER));
    let strange = format!(
        "{{\"value\":[{{\"tenantId\":\"{WOODGROVE}\",\"clientState\":\"v1.{MARKER}\"}},\
         {{\"tenantId\":\"{STRANGER}\",\"clientState\":\"{strangers}\"}},\
         {{\"tenantId\":\"{MARKER}\",\"clientState\":\"{state}\"}},\
         {{\"tenantId\":\"{WOODGROVE}\",\"clientState\":\"{state}\",\
         \"encryptedContent\":{{\"data\":\"{MARKER}\"}}}}]}}"
    );
    let query = format!("?validationToken={MARKER}{}", "x".repeat(5000));
    let marked: [(&str, &str); 4] = [
        ("webhook-id", MARKER),
        ("webhook-timestamp", MARKER),
        ("webhook-signature", MARKER),
        ("authorization", MARKER),
    ];
    let now = SystemClock.now().as_second().to_string();
    let forged = [
        ("webhook-id", MARKER),
        ("webhook-timestamp", now.as_str()),
        ("webhook-signature", "v1,bWFya2VyN2YzYTkx"),
    ];
    let elsewhere = format!(
        "[{{\"tenantId\":\"{WOODGROVE}\",\"contentType\":\"Audit.AzureActiveDirectory\",\
         \"contentUri\":\"https://{MARKER}.example/{MARKER}\"}}]"
    );
    let known = [("webhook-authid", O365_AUTH_ID), ("x-marked", MARKER)];
    for (path, headers, body, status) in [
        ("/hooks/o365", &known[..], elsewhere.as_str(), 200),
        ("/hooks/o365", &known[..], &broken, 400),
        ("/hooks/o365", &marked[..], &elsewhere, 401),
        ("/hooks/graph", &marked[..], json.as_str(), 202),
        ("/hooks/graph", &[], &broken, 400),
        ("/hooks/graph", &[], &strange, 202),
        (&format!("/hooks/graph{query}"), &[], "", 400),
        (&format!("/hooks/graph?validationToken={MARKER}"), &[], "", 200),
        (&format!("/hooks/audit?tenant={MARKER}"), &marked[..], &json, 401),
        ("/hooks/audit", &forged[..], &json, 401),
        ("/hooks/audit", &[], &broken, 401),
        (&format!("/{MARKER}"), &[], &json, 404),
    ] {
        let answer = warden.post(path, headers, body).await;
        assert_eq!(answer.status, status, "{path}");
    }
    too_large(warden);
    assert_eq!(warden.audit_at(&format!("/hooks/audit?tenant={MARKER}"), &json).await.status, 400);
    assert_eq!(warden.audit_at("/hooks/audit", &broken).await.status, 400);
    assert_eq!(warden.audit_at("/hooks/audit", &json).await.status, 400);
}

/// Deliveries of Partner Center that are turned away, and one whose certificate is not there.
async fn bad_deliveries(town: &Town, warden: &Warden) {
    let body = format!("{{\"{MARKER}");
    let signature = format!("Signature {}", "A".repeat(344));
    let origin = town.sim.origin();
    let marked = format!("{origin}cert/{MARKER}.cer");
    let elsewhere = format!("https://{MARKER}.example/a.cer");
    for (signature, algorithm, url, status) in [
        (MARKER, "rsa-sha256", marked.as_str(), 401),
        (&signature, MARKER, &marked, 401),
        (&signature, "rsa-sha256", &elsewhere, 401),
        (&signature, "rsa-sha256", MARKER, 401),
        (&signature, "rsa-sha256", &marked, 503),
    ] {
        let headers = [
            ("authorization", signature),
            ("x-ms-signature-algorithm", algorithm),
            ("x-ms-certificate-url", url),
        ];
        let answer = warden.post("/hooks/partner-center", &headers, &body).await;
        assert_eq!(answer.status, status, "{algorithm} {url}");
    }
    assert_eq!(town.sim.count("GET", MARKER), 1);
}

/// Announces a body that is too large, and gives up when told so.
fn too_large(warden: &Warden) {
    let mut stream = TcpStream::connect(warden.address).unwrap();
    let head = format!("POST /hooks/graph HTTP/1.1\r\nhost: {MARKER}\r\ncontent-length: 2000000");
    stream.write_all(format!("{head}\r\n\r\n{MARKER}").as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

/// An event with marked fields that is heard.
fn marked_event() -> String {
    let text = include_str!("../../events/audit/add-member-to-role.json");
    let mut event: Value = serde_json::from_str(text).unwrap();
    event["resultReason"] = MARKER.into();
    event["targetResources"][0]["displayName"] = MARKER.into();
    event["initiatedBy"]["app"]["displayName"] = MARKER.into();
    event.to_string()
}

#[tokio::test]
async fn a_whole_run_at_trace_tells_names_and_no_secrets() {
    let scenario = Scenario::woodgrove()
        .lag_reads(0)
        .refuse_foreign_deletion()
        .fault(Rule::new("/getByIds", Then::throttle(0)))
        .fault(Rule::new("/users", Then::status(503)).times(2))
        .fault(Rule::new("/partners", Then::Drop))
        .fault(Rule::new("/roleDefinitions", Then::Html200));
    let town = Town::new(scenario, ENFORCE).await.set("WARDEN_LOG", "trace");
    let origin = town.sim.origin().to_string();
    let town =
        town.set("WARDEN_PARTNER_CENTER_HOSTS", &origin).secret("o365AuthId", Some(O365_AUTH_ID));
    let warden = town.serve();
    bad_requests(&warden).await;
    bad_deliveries(&town, &warden).await;
    let content = format!("[{{\"{MARKER}\":\"{MARKER}\"}}]");
    let item = serde_json::json!([{"tenantId": WOODGROVE,
        "contentType": "Audit.AzureActiveDirectory",
        "contentUri": town.sim.publish(WOODGROVE, &content)}]);
    let known = [("webhook-authid", O365_AUTH_ID)];
    assert_eq!(warden.post("/hooks/o365", &known, &item.to_string()).await.status, 200);
    warden.logged("audit content is not understood", 1).await;
    assert_eq!(warden.audit(&marked_event()).await, 202);
    assert_eq!(warden.graph(include_str!("../../events/graph/user-updated.json")).await, 202);
    town.messages("a refusal and a removal", |messages| {
        let told = |state| {
            let text = messages.iter().map(ToString::to_string).collect::<String>();
            text.contains(&format!("\"state\":\"{state}\""))
        };
        told("refused") && told("verified")
    })
    .await;
    let log = warden.log();
    let entries = entries(&log);
    for name in ["Woodgrove", "Contoso Reseller", "Global Administrator", "AdminAgents", "Alice"] {
        assert!(log.contains(name), "nothing is said of {name}");
    }
    for reason in
        ["not-authentic", "missing-proof", "malformed", "unknown-tenant", "too-large", "elsewhere"]
    {
        let told = entries.iter().any(|entry| entry["reason"] == reason);
        assert!(told, "nothing is said of {reason}");
    }
    assert!(entries.iter().any(|entry| entry["outcome"] == "refused"));
    assert!(entries.iter().any(|entry| entry["level"] == "TRACE"), "this is not all there is");
}

#[tokio::test]
async fn a_failed_sign_in_is_told_without_what_was_sent() {
    let mut scenario = Scenario::woodgrove();
    scenario.client_secret = "another-secret".to_owned();
    let town = Town::new(scenario, ENFORCE).await.set("WARDEN_LOG", "trace");
    let warden = town.serve();
    assert_eq!(warden.audit(&marked_event()).await, 202);
    town.messages("that nothing can be read", |messages| !messages.is_empty()).await;
    // What it has written is read to its end once it is gone.
    let log = warden.stop().await;
    entries(&log);
    assert!(log.contains("AADSTS7000215"), "{log}");
}

/// The full lines of a PEM text.
fn lines_of(pem: &str) -> impl Iterator<Item = &str> {
    pem.lines().filter(|line| line.len() == 64)
}

#[tokio::test]
async fn neither_keys_nor_what_is_signed_with_them_are_told_at_trace() {
    const WRITER: &str = "55555555-5555-5555-5555-555555555555";
    let pairs: Value =
        serde_json::from_str(include_str!("../data/client-certificate-openssl.json")).unwrap();
    let pem = |pair: &str, part: &str| pairs[pair][part].as_str().unwrap();
    let writer = App::new(WRITER).certificate(pem("write", "certificatePem"));
    let scenario = Scenario::woodgrove()
        .without_secret()
        .certificate(pem("read", "certificatePem"))
        .lag_reads(0)
        .app(writer)
        .fault(Rule::new("/oauth2/", Then::status(503)))
        .fault(Rule::new("roleAssignments", Then::status(401)).skip(1));
    // The writer's certificate is not the one that is registered.
    let town = Town::new(scenario, ENFORCE)
        .await
        .set("WARDEN_LOG", "trace")
        .set("WARDEN_CREDENTIAL", "certificate")
        .set("WARDEN_WRITE_CLIENT_ID", WRITER)
        .secret("graphCertificatePem", Some(pem("read", "certificatePem")))
        .secret("graphPrivateKeyPem", Some(pem("read", "privateKeyPem")))
        .secret("graphWriteCertificatePem", Some(pem("read", "certificatePem")))
        .secret("graphWritePrivateKeyPem", Some(pem("read", "privateKeyPem")));
    let warden = town.serve();
    assert_eq!(warden.audit(&marked_event()).await, 202);
    let told = |messages: &[Value]| {
        messages.last().is_some_and(|last| last.to_string().contains("AADSTS700027"))
    };
    let messages = town.messages("that the writer is refused", told).await;
    let log = warden.stop().await;
    entries(&log);
    assert!(log.contains("AADSTS700027") && log.contains("\"TRACE\""), "{log}");
    let messages: String = messages.iter().map(Value::to_string).collect();
    let records = format!("{:?}", town.records().await);
    let secrets = ["read", "write"].map(|pair| lines_of(pem(pair, "privateKeyPem")));
    for secret in secrets.into_iter().flatten().chain(["PRIVATE KEY", "client_assertion", "eyJ"]) {
        for (place, text) in [("log", &log), ("tickets", &messages), ("records", &records)] {
            assert!(!text.contains(secret), "a secret is in the {place}: {secret}");
        }
    }
}

/// A guest, a foreign group and a stranger's tenant with hostile names.
fn strangers(name: &str) -> Scenario {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .partner(STRANGER, name)
        .principal(Principal::partner_group(name, CONTOSO), "Global Administrator")
        .principal(Principal::partner_group(name, STRANGER), "User Administrator")
        .guest(name, "zoe@contoso-reseller.example", "User Administrator")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator");
    Scenario::default().tenant(tenant).sink("security", INBOX_SECRET).lag_reads(0)
}

/// Whether a terminal or a reader's eye could be led astray by it.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Every text in a message, and in what part of it.
fn texts<'a>(value: &'a Value, path: &str, all: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) => all.push((path.to_owned(), text)),
        Value::Array(items) => items.iter().for_each(|item| texts(item, path, all)),
        Value::Object(object) => {
            object.iter().for_each(|(name, value)| texts(value, &format!("{path}.{name}"), all));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

async fn check_name(on: Backend, name: &str) {
    // What the functions' own libraries trace is not ours to write.
    let filter = if on == Backend::Embedded { "trace" } else { "partner_warden=trace,warn" };
    let town = Town::on(on, strangers(name), ENFORCE).await.set("WARDEN_LOG", filter);
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town
        .messages("tickets about both partners", |messages| {
            let about = |id| messages.iter().any(|message| message["data"]["partner"]["id"] == id);
            about(CONTOSO)
                && about(STRANGER)
                && messages.iter().any(|message| message["type"] == "ticket.closed")
        })
        .await;
    let log = entries(&without_lambdas(&warden.stop().await));
    assert!(log.iter().any(|entry| entry.to_string().contains("heard")), "{log:#?}");
    for entry in log {
        assert_ne!(entry["level"], "ERROR", "{entry}");
        let mut all = Vec::new();
        texts(&entry, "", &mut all);
        for (path, text) in all {
            let odd = text.chars().find(|c| misleads(*c) && *c != '\n');
            assert_eq!(odd, None, "in the log at {path}: {text:?}");
        }
    }
    for message in &messages {
        let mut all = Vec::new();
        texts(message, "", &mut all);
        for (path, text) in all {
            let body = path == ".data.body";
            let odd = text.chars().find(|c| misleads(*c) && !(body && *c == '\n'));
            assert_eq!(odd, None, "in a ticket at {path}: {text:?}");
            assert!(text.len() < 4000 || body, "{} bytes at {path}", text.len());
        }
        let body = message["data"]["body"].as_str().unwrap();
        for line in body.lines() {
            let chosen = ["Zoe", "forged", "{", "#", "- forged", "- Zoe", "[", "“", "xxx"];
            let begins = chosen.iter().find(|chosen| line.starts_with(**chosen));
            assert_eq!(begins, None, "a stranger's line in {body}");
        }
    }
}

async fn hostile_names_forge_no_line_of_a_log_or_ticket(on: Backend) {
    for name in HOSTILE {
        check_name(on, name).await;
    }
    check_name(on, &"x".repeat(10_000)).await;
}
