//! What the tests of the doors send and expect, as a page for people: `docs/receiver-checks.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use partner_warden::domain::policy::Policy;
use partner_warden::domain::secret::Secret;
use partner_warden::sim::{CLIENT_ID, WOODGROVE};
use partner_warden::wire::Reject;
use partner_warden::wire::bearer::{self, Allowed};
use partner_warden::wire::graph::{NotificationKey, Proofs, receive};
use partner_warden::wire::token::{KeySet, Measure};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::front_door::Says::{Echo, Error, Nothing, Origin};
use crate::front_door::{Row, SENDER_ROLE, audit_rows, graph_rows, state_of};
use crate::harness::{CLIENT_STATE_KEY, ENFORCE};
use crate::partner_center::partner_center_rows;
use crate::senders::{Desk, audit_token_rows, event_grid_rows, o365_rows, rich_rows};

/// What Microsoft's sample receiver does with what a row of `/hooks/graph` sends, where its source
/// says so. "Heard" is what it acts on.
#[rustfmt::skip]
const SAMPLE: &[(&str, &str)] = &[
    ("handshake", "200, the text (`routes/listen.js`)"),
    ("handshake with markup", "200, the text, as `text/plain` (`routes/listen.js`)"),
    ("handshake over 4 KiB", "200, the text; no limit of its own (`routes/listen.js`)"),
    ("handshake with a body", "200, the text; the body is not looked at (`routes/listen.js`)"),
    ("no body", "no test that there is a `value`: its length is read and fails (`routes/listen.js`)"),
    ("no collection", "no test that there is a `value`: its length is read and fails (`routes/listen.js`)"),
    ("an array", "no test that there is a `value`: its length is read and fails (`routes/listen.js`)"),
    ("items that are none", "fails at `null`, whose clientState is read (`routes/listen.js`)"),
    ("GET", "404: the route is for POST (`routes/listen.js`, `app.js`)"),
    ("PUT", "404: the route is for POST (`routes/listen.js`, `app.js`)"),
    ("an empty collection", "202, not heard (`routes/listen.js`)"),
    ("no clientState", "202, not heard if a clientState is configured (`routes/listen.js`)"),
    ("another tenant's clientState", "one clientState for all subscriptions, compared with `==`; `tenantId` is not looked at (`routes/listen.js`)"),
    ("a lifecycle event nobody knows", "202; only `reauthorizationRequired` is heard (`routes/lifecycle.js`)"),
    ("a lifecycle event", "202; only `reauthorizationRequired` is heard (`routes/lifecycle.js`)"),
    ("one clientState for two tenants", "`tenantId` is not looked at; a stored subscription is asked for (`routes/listen.js`)"),
    ("resource data without a token", "heard: tokens are checked only if there are any (`routes/listen.js`)"),
    ("resource data and a token of another publisher", "heard: `appid` and `azp` are not looked at (`helpers/tokenHelper.js`)"),
    ("resource data and a token without a publisher", "heard: `appid` and `azp` are not looked at (`helpers/tokenHelper.js`)"),
    ("resource data and a token for another application", "202, not heard (`helpers/tokenHelper.js`)"),
    ("resource data and a token of another tenant", "202, not heard: one tenant is configured (`helpers/tokenHelper.js`)"),
    ("resource data and an expired token", "202, not heard (`helpers/tokenHelper.js`)"),
    ("resource data and a token of an unknown key", "202, not heard (`helpers/tokenHelper.js`)"),
    ("resource data that was altered", "202, not heard: the signature is compared before decryption (`routes/listen.js`)"),
    ("resource data with another signature", "202, not heard: compared with `===` (`helpers/certHelper.js`)"),
    ("resource data for another certificate", "the one key it has is tried whatever certificate is named (`helpers/certHelper.js`)"),
    ("resource data and a token of version 1.0", "heard (`helpers/tokenHelper.js`)"),
    ("resource data and a token of version 2.0", "202, not heard: the issuer of version 1.0 alone is taken (`helpers/tokenHelper.js`)"),
    ("resource data and bad tokens beside a good one", "202, not heard: every token must be valid (`routes/listen.js`)"),
    ("resource data whose certificate is named by its thumbprint", "the one key it has is tried whatever certificate is named (`helpers/certHelper.js`)"),
];

const OPENING: &str = "# What the receivers answer

Every row is a request that a test sends to a running `partner-warden serve`, and what must come of
it. Two tenants are guarded, Woodgrove and Fabrikam, and the test waits until each one that is to be
looked at was read over HTTP, and sees that no other one was. This page is written by the tests and
compared by them: `make bless` writes it anew.

The last column tells what Microsoft's sample receiver for Node.js does with the same, as read in
the source of [microsoftgraph/nodejs-webhooks-sample](https://github.com/microsoftgraph/nodejs-webhooks-sample)
at commit `eab34b1d5f5f595341fec327c90aeb6023aef024`; it was not run. Bodies are taken to be sent as
JSON, and the stored subscription that the sample asks for to be there. The column is empty where its
source does not settle it, and for what the sample has no receiver. \"Heard\" means that the sample
acts on it.
";

/// A group of rows: a heading, what proves authenticity there, and the rows.
type Group = (&'static str, &'static str, Vec<Row>);

fn groups() -> Vec<Group> {
    let desk = Desk::closed();
    vec![
        ("`/hooks/graph`", "Proof: each item's `clientState`.", graph_rows()),
        (
            "`/hooks/graph` with resource data",
            "Proof: each item's `clientState`, a validation token, and the content's signature.",
            rich_rows(&desk),
        ),
        ("`/hooks/audit`", "Proof: a Standard Webhooks signature.", audit_rows()),
        (
            "`/hooks/audit` with a token",
            "Proof: a token of Microsoft Entra, where there is no signature.",
            audit_token_rows(&desk),
        ),
        ("`/hooks/o365`", "Proof: the auth id.", o365_rows("https://manage.office.com/")),
        (
            "`/hooks/event-grid`",
            "Proof: a token of Microsoft Entra, and each event's `clientState`.",
            event_grid_rows(&desk),
        ),
        (
            "`/hooks/partner-center`",
            "Proof: a signature by a certificate that Microsoft Corporation issued, published at an \
             address that is on the list.",
            partner_center_rows(""),
        ),
    ]
}

fn answer((_, _, status, says, _): &Row) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    match says {
        Nothing => status.to_string(),
        Echo(text) => format!("{status}, `{}` as `text/plain`", cell(text)),
        Origin(origin) => format!("{status}, `{origin}` may send at any rate"),
        Error(reason, message) => format!("{status} {reason}: `{}`", cell(message)),
    }
}

fn looked_at((.., tenants): &Row) -> String {
    let name = |tenant: &&str| if *tenant == WOODGROVE { "Woodgrove" } else { "Fabrikam" };
    let names: Vec<&str> = tenants.iter().map(name).collect();
    if names.is_empty() { "no".to_owned() } else { names.join(" and ") }
}

/// The tokens of the recorded vectors, by kind, and what becomes of each at noon.
fn tokens() -> [(&'static str, Vec<(String, &'static str)>); 2] {
    let vector = include_str!("../data/rich-notification-openssl.json");
    let vector: Value = serde_json::from_str(vector).unwrap();
    let keys = KeySet::parse(vector["keySet"].to_string().as_bytes()).unwrap();
    let content = &vector["encryptedContent"];
    let pem = vector["privateKeyPem"].as_str().unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let name = content["encryptionCertificateId"].as_str().unwrap().to_owned();
    let key = NotificationKey::new(vec![name], key.secret_pkcs8_der()).unwrap();
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let audiences = [CLIENT_ID.to_owned(), format!("api://{CLIENT_ID}")];
    let (login, secret) = ("https://login.microsoftonline.com/", Secret::new(CLIENT_STATE_KEY));
    let roles = [SENDER_ROLE.to_owned(), "PartnerWarden.Forward".to_owned()];
    let policy = ENFORCE.replace("SINK", "https://tickets.example/in");
    let roster = Policy::parse(&policy).unwrap().policy.roster;
    let proofs = Proofs {
        client_state_keys: std::slice::from_ref(&secret),
        notification_keys: &[Arc::new(key)],
        key_set: &keys,
        audiences: &audiences[..1],
        login,
    };
    let published = |token: &str| {
        let state = state_of(WOODGROVE);
        let item =
            json!({"tenantId": WOODGROVE, "clientState": state, "encryptedContent": content});
        let body = json!({"value": [item], "validationTokens": [token]}).to_string();
        let received = receive(body.as_bytes(), proofs, &roster, now).unwrap();
        received.rejects.first().map_or("taken", Reject::reason)
    };
    let measure = Measure { keys: &keys, audiences: &audiences, login, now };
    let sent = |token: &str| {
        let by = Allowed { measure, roles: &roles };
        let verified = bearer::verify(Some(&format!("Bearer {token}")), by, &roster);
        verified.map_or_else(|reject| reject.reason(), |_| "taken")
    };
    let told = |kind: &str, becomes: &dyn Fn(&str) -> &'static str| {
        let tokens = vector[kind].as_object().unwrap().iter();
        tokens.map(|(name, token)| (name.clone(), becomes(token.as_str().unwrap()))).collect()
    };
    [
        ("Validation tokens of notifications with resource data", told("tokens", &published)),
        ("Bearer tokens of senders", told("bearer", &sent)),
    ]
}

fn page() -> String {
    let mut page = OPENING.to_owned();
    for (heading, proof, rows) in groups() {
        let graph = heading.starts_with("`/hooks/graph`");
        write!(page, "\n## {heading}\n\n{proof}\n\n").unwrap();
        page.push_str("| sent | answer | is the tenant looked at | Microsoft's sample |\n");
        page.push_str("|---|---|---|---|\n");
        for row in &rows {
            let sample = SAMPLE.iter().find(|(name, _)| graph && *name == row.0);
            let sample = sample.map_or("", |(_, does)| does);
            let line = [row.0, &answer(row), &looked_at(row), sample].map(str::trim).join(" | ");
            writeln!(page, "| {line} |").unwrap();
        }
    }
    page.push_str("\n## Tokens\n\nSigned by OpenSSL for one noon, and judged at that noon.\n");
    for (heading, tokens) in tokens() {
        write!(page, "\n### {heading}\n\n| the token | becomes |\n|---|---|\n").unwrap();
        for (name, becomes) in tokens {
            writeln!(page, "| {name} | {becomes} |").unwrap();
        }
    }
    page
}

#[test]
fn the_page_says_what_the_tests_do() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/receiver-checks.md");
    let page = page();
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
    let bless = std::env::var_os("WARDEN_BLESS").is_some_and(|value| value == "1");
    if bless {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, page, "docs/receiver-checks.md is not up to date: run `make bless`");
}

#[test]
fn every_row_has_a_name_of_its_own_and_every_remark_a_row() {
    let groups = groups();
    assert!(groups.iter().map(|(_, _, rows)| rows.len()).sum::<usize>() >= 60);
    for (heading, _, rows) in &groups {
        let mut names: Vec<&str> = rows.iter().map(|row| row.0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.len(), "{heading}");
    }
    let graph = groups.iter().filter(|(heading, ..)| heading.starts_with("`/hooks/graph`"));
    let known: Vec<&str> = graph.flat_map(|(_, _, rows)| rows.iter().map(|row| row.0)).collect();
    for (name, _) in SAMPLE {
        assert!(known.contains(name), "no row is called {name}");
    }
}
