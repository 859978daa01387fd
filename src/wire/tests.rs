//! Whatever a stranger sends: nothing panics, nothing is believed without its proof, and nothing
//! of it is told again in a reject.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use url::Url;

use super::audit::Whose;
use super::bearer::Allowed;
use super::graph::{Proofs, client_state};
use super::partner_center::certificates::{Published, roots};
use super::standard_webhooks::{self, WebhookSecret};
use super::token::{KeySet, Measure};
use super::{Received, Reject, audit, event_grid, graph, o365, partner_center};
use crate::domain::finding::testing::{Case, WOODGROVE, noon};
use crate::domain::roster::Roster;
use crate::domain::secret::Secret;

/// What stands in bodies and must not stand in rejects.
const MARKER: &str = "qX7planted7Xq";

const KEY: &str = "0123456789abcdef0123456789abcdef";
const LOGIN: &str = "https://login.microsoftonline.com/";
const CONTENT_TYPES: [&str; 3] =
    ["application/cloudevents+json", "application/cloudevents-batch+json", "application/json"];

const PAYLOADS: &[&str] = &[
    include_str!("../../events/audit/add-member-to-role.json"),
    include_str!("../../events/audit/add-member-to-role-guest.json"),
    include_str!("../../events/audit/add-partner-to-company.json"),
    include_str!("../../events/audit/array.json"),
    include_str!("../../events/audit/conditional-access-updated.json"),
    include_str!("../../events/audit/delegated-admin-constraints.json"),
    include_str!("../../events/audit/own-removal.json"),
    include_str!("../../events/audit/pim-completed.json"),
    include_str!("../../events/audit/records-azure-monitor.json"),
    include_str!("../../events/audit/unknown-activity.json"),
    include_str!("../../events/audit/value-collection.json"),
    include_str!("../../events/event-grid/structured.json"),
    include_str!("../../events/graph/batch-three-items.json"),
    include_str!("../../events/graph/empty-collection.json"),
    include_str!("../../events/graph/lifecycle-missed.json"),
    include_str!("../../events/graph/lifecycle-reauthorization-required.json"),
    include_str!("../../events/graph/lifecycle-subscription-removed.json"),
    include_str!("../../events/graph/two-tenants.json"),
    include_str!("../../events/graph/unknown-lifecycle.json"),
    include_str!("../../events/graph/user-updated.json"),
    include_str!("../../events/o365/content-azure-active-directory.json"),
    include_str!("../../events/o365/content-without-access.json"),
    include_str!("../../events/o365/notifications.json"),
    include_str!("../../events/o365/record-own-removal.json"),
    include_str!("../../events/o365/validation.json"),
    include_str!("../../events/partner-center/dap-admin-relationship-approved.json"),
    include_str!("../../events/partner-center/dap-admin-relationship-terminated-by-microsoft.json"),
    include_str!("../../events/partner-center/granular-admin-access-assignment-created.json"),
    include_str!("../../events/partner-center/granular-admin-relationship-approved.json"),
    include_str!("../../events/partner-center/granular-admin-relationship-terminated.json"),
    include_str!("../../events/partner-center/reseller-relationship-accepted-by-customer.json"),
    include_str!("../../events/partner-center/subscription-updated.json"),
    include_str!("../../events/partner-center/test-created.json"),
];

/// Names that mean something to one of the senders.
const NAMES: &[&str] = &[
    "value",
    "records",
    "properties",
    "tenantId",
    "clientState",
    "encryptedContent",
    "validationTokens",
    "data",
    "dataKey",
    "dataSignature",
    "specversion",
    "activityDisplayName",
    "category",
    "targetResources",
    "contentType",
    "Operation",
    "RecordType",
    "OrganizationId",
    "Actor",
    "Target",
    "ModifiedProperties",
    "initiatedBy",
    "modifiedProperties",
    "contentUri",
    "lifecycleEvent",
    "changeType",
    "EventName",
    "ResourceUri",
    "ResourceChangeUtcDate",
    "id",
    MARKER,
];

/// Texts that mean something to one of the senders.
const TEXTS: &[&str] = &[
    "",
    MARKER,
    WOODGROVE,
    "1.0",
    "Add member to role",
    "Remove member from role.",
    "Audit.AzureActiveDirectory",
    "AAAA",
    "https://a.example/customers/11111111-1111-1111-1111-111111111111",
    FEED,
    "https://attacker.example/api/v1.0/11111111-1111-1111-1111-111111111111/activity/feed/audit/1",
];

/// What every address of a content begins with.
const FEED: &str =
    "https://manage.office.com/api/v1.0/11111111-1111-1111-1111-111111111111/activity/feed/audit/";

const PARTNER_CENTER: &str = include_str!("../../tests/data/partner-center-openssl.json");

/// The certificate that Partner Center signs with, its issuer, and the root above in PEM.
static CERTIFICATES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let vectors: Value = serde_json::from_str(PARTNER_CENTER).unwrap();
    let der =
        |name: &str| STANDARD.decode(vectors["certificates"][name].as_str().unwrap()).unwrap();
    [der("leaf"), der("issuer"), vectors["rootPem"].as_str().unwrap().into()]
});

/// Everything that is checked against.
struct Door {
    roster: Roster,
    keys: KeySet,
    audiences: [String; 1],
    roles: [String; 1],
    webhook: [WebhookSecret; 1],
    secrets: [Secret; 1],
    management: Url,
    bearer: String,
    state: String,
    /// The key of the certificate that is published, and a key of nobody's.
    keys_of_partner_center: [KeyPair; 2],
    published: Published,
}

static DOOR: LazyLock<Door> = LazyLock::new(|| {
    let vectors = include_str!("../../tests/data/rich-notification-openssl.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let webhook = Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    let token = vectors["bearer"]["Event Grid, version 1.0"].as_str().unwrap();
    let partner_center: Value = serde_json::from_str(PARTNER_CENTER).unwrap();
    let key = |name: &str| {
        let pem = partner_center[name].as_str().unwrap().as_bytes();
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
        KeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap()
    };
    let [certificate, issuer, root] = &*CERTIFICATES;
    let mut published = Published::read(certificate, roots(root).unwrap().into()).unwrap();
    published.add(issuer).unwrap();
    Door {
        keys_of_partner_center: [key("privateKeyPem"), key("otherPrivateKeyPem")],
        published,
        roster: Case::new().policy().roster,
        keys: KeySet::parse(vectors["keySet"].to_string().as_bytes()).unwrap(),
        audiences: ["33333333-3333-3333-3333-333333333333".to_owned()],
        roles: ["AzureEventGridSecureWebhookSubscriber".to_owned()],
        webhook: [WebhookSecret::parse(&webhook).unwrap()],
        secrets: [Secret::new(KEY)],
        management: "https://manage.office.com".parse().unwrap(),
        bearer: format!("Bearer {token}"),
        state: client_state(&Secret::new(KEY), WOODGROVE.parse().unwrap()),
    }
});

impl Door {
    fn allowed(&self) -> Allowed<'_> {
        let measure =
            Measure { keys: &self.keys, audiences: &self.audiences, login: LOGIN, now: noon() };
        Allowed { measure, roles: &self.roles }
    }

    fn proofs(&self) -> Proofs<'_> {
        Proofs {
            client_state_keys: &self.secrets,
            notification_keys: &[],
            key_set: &self.keys,
            audiences: &self.audiences,
            login: LOGIN,
        }
    }

    fn whose(&self) -> Whose<'_> {
        Whose { tenant: None, roster: &self.roster, own_apps: &self.audiences, now: noon() }
    }

    fn audit(&self, body: &[u8], signature: Option<&str>) -> Result<Received, Reject> {
        let timestamp = noon().as_second().to_string();
        let headers =
            standard_webhooks::Headers { id: Some("m"), timestamp: Some(&timestamp), signature };
        audit::receive(body, headers, &self.webhook, self.whose())
    }

    fn audit_with_token(&self, body: &[u8], token: Option<&str>) -> Result<Received, Reject> {
        audit::receive_with_token(body, token, self.allowed(), self.whose())
    }

    fn o365(&self, body: &[u8], auth_id: Option<&str>) -> Result<Received, Reject> {
        let headers = o365::Headers { auth_id, validation_code: None };
        o365::receive(body, headers, &self.secrets, &self.management, &self.roster, noon())
    }

    fn partner_center(&self, body: &[u8], signature: &str) -> Result<Received, Reject> {
        self.partner_center_by(&self.published, body, signature)
    }

    fn partner_center_by(
        &self,
        published: &Published,
        body: &[u8],
        signature: &str,
    ) -> Result<Received, Reject> {
        let certificate = "https://3psostorageacct.blob.core.windows.net/cert/a.cer";
        let headers = partner_center::Headers {
            ms_signature: Some(signature),
            certificate_url: Some(certificate),
            algorithm: Some("rsa-sha256"),
            ..partner_center::Headers::default()
        };
        let origin = Url::parse(certificate).unwrap();
        let claim = partner_center::Claim::read(headers, &[origin])?;
        partner_center::receive(body, &claim, published, &self.roster, noon())
    }

    fn graph(&self, body: &[u8]) -> Result<Received, Reject> {
        graph::receive(body, self.proofs(), &self.roster, noon())
    }

    fn event_grid(&self, body: &[u8], kind: &str, token: Option<&str>) -> Result<Received, Reject> {
        let headers = event_grid::Headers {
            authorization: token,
            content_type: Some(kind),
            spec_version: Some("1.0"),
        };
        let (by, proofs) = (self.allowed(), self.proofs());
        event_grid::receive(body, headers, by, proofs, &self.roster, noon())
    }
}

/// The signature of a body as Partner Center makes it.
fn rsa(key: &KeyPair, body: &[u8]) -> String {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), body, &mut signature).unwrap();
    STANDARD.encode(signature)
}

/// Hands a body to every sender's receiver, without and with what proves the whole of it.
fn everybody_is_sent(body: &[u8]) -> Result<(), TestCaseError> {
    let door = &*DOOR;
    let token = Some(door.bearer.as_str());
    let signature = door.webhook[0].sign("m", noon(), body);
    let forged = door.webhook[0].sign("m", noon(), b"something else");
    let [theirs, nobodys] = &door.keys_of_partner_center;
    for unproven in [
        door.audit(body, None),
        door.audit(body, Some(&forged)),
        door.audit_with_token(body, None),
        door.audit_with_token(body, Some("Bearer x.y.z")),
        door.o365(body, None),
        door.o365(body, Some(MARKER)),
        door.event_grid(body, CONTENT_TYPES[0], None),
        door.partner_center(body, MARKER),
        door.partner_center(body, &rsa(nobodys, body)),
        door.partner_center(body, &rsa(theirs, b"something else")),
    ] {
        prop_assert_eq!(unproven.as_ref().map_err(Reject::status).err(), Some(401));
        quotes_nothing(&unproven)?;
    }
    quotes_nothing(&door.audit(body, Some(&signature)))?;
    quotes_nothing(&door.audit_with_token(body, token))?;
    quotes_nothing(&door.partner_center(body, &rsa(theirs, body)))?;
    quotes_nothing(&audit::content(body, door.whose()))?;
    let announced = door.o365(body, Some(KEY));
    quotes_nothing(&announced)?;
    for signal in announced.iter().flat_map(|received| &received.signals) {
        let uri = signal.as_ref().content_uri.as_deref().unwrap_or(FEED);
        prop_assert!(uri.starts_with(FEED), "{}", uri);
    }
    // What proves an item stands in the body here.
    let has_state = body.windows(door.state.len()).any(|part| part == door.state.as_bytes());
    let item_by_item = [
        door.graph(body),
        door.event_grid(body, CONTENT_TYPES[0], token),
        door.event_grid(body, CONTENT_TYPES[1], token),
        door.event_grid(body, CONTENT_TYPES[2], token),
    ];
    for received in &item_by_item {
        quotes_nothing(received)?;
        for signal in received.iter().flat_map(|received| &received.signals) {
            prop_assert!(has_state);
            prop_assert_eq!(signal.as_ref().tenant.to_string(), WOODGROVE);
        }
    }
    Ok(())
}

fn quotes_nothing(received: &Result<Received, Reject>) -> Result<(), TestCaseError> {
    let rejects = match received {
        Ok(received) => received.rejects.as_slice(),
        Err(reject) => {
            prop_assert!([400, 401, 413].contains(&reject.status()), "{}", reject.status());
            std::slice::from_ref(reject)
        }
    };
    for reject in rejects {
        prop_assert!(!format!("{reject} {reject:?}").contains(MARKER), "{}", reject);
    }
    Ok(())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(TEXTS).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(Value::from(DOOR.state.as_str())),
    ];
    let name = prop_oneof![select(NAMES).prop_map(str::to_owned), "[a-z]{0,6}"];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A recorded payload with the right `clientState` for Woodgrove.
fn payload() -> impl Strategy<Value = String> {
    select(PAYLOADS).prop_map(|text| text.replace("{{clientState}}", &DOOR.state))
}

/// One change to the shape of a payload.
#[derive(Debug, Clone)]
enum Change {
    /// The value becomes another.
    Become(Value),
    /// The field or element goes.
    Drop,
    /// The field goes by another name; an element becomes a text.
    Rename,
}

fn change() -> impl Strategy<Value = (Index, Change)> {
    let change =
        prop_oneof![any_json().prop_map(Change::Become), Just(Change::Drop), Just(Change::Rename)];
    (any::<Index>(), change)
}

/// The places of all values below one.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    let mut below = |name: &str, value: &Value| {
        let path = format!("{path}/{name}");
        places(value, &path, found);
        found.push(path);
    };
    if let Value::Object(fields) = value {
        fields
            .iter()
            .for_each(|(name, value)| below(&name.replace('~', "~0").replace('/', "~1"), value));
    } else if let Value::Array(items) = value {
        items.iter().enumerate().for_each(|(index, value)| below(&index.to_string(), value));
    }
}

fn changed(mut value: Value, at: Index, change: Change) -> Value {
    let mut all = Vec::new();
    places(&value, "", &mut all);
    if all.is_empty() {
        return json!(MARKER);
    }
    let place = at.get(&all);
    let (parent, name) = place.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match (change, value.pointer_mut(parent).unwrap()) {
        (Change::Become(other), _) => *value.pointer_mut(place).unwrap() = other,
        (Change::Drop, Value::Object(fields)) => drop(fields.remove(&name)),
        (Change::Rename, Value::Object(fields)) => {
            let value = fields.remove(&name).unwrap();
            fields.insert(MARKER.to_owned(), value);
        }
        (Change::Drop, Value::Array(items)) => drop(items.remove(name.parse().unwrap())),
        (Change::Rename, _) => *value.pointer_mut(place).unwrap() = json!(MARKER),
        (Change::Drop, _) => {}
    }
    value
}

/// A `clientState` that is not Woodgrove's, however near it comes.
fn forged_state() -> impl Strategy<Value = String> {
    let state = || DOOR.state.clone();
    let others = [
        client_state(&Secret::new(KEY), "22222222-2222-2222-2222-222222222222".parse().unwrap()),
        client_state(&Secret::new(&KEY[1..]), WOODGROVE.parse().unwrap()),
        state().to_uppercase(),
        state().replace("v1.", ""),
    ];
    prop_oneof![
        "\\PC{0,60}",
        select(others.to_vec()),
        any::<Index>().prop_map(move |at| state()[..at.index(state().len())].to_owned()),
        (any::<Index>(), 0..7_u32).prop_map(move |(at, bit)| {
            let mut text = state().into_bytes();
            let at = at.index(text.len());
            text[at] ^= 1 << bit;
            String::from_utf8(text).unwrap()
        }),
    ]
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn any_bytes_are_survived(mut body in prop::collection::vec(any::<u8>(), 0..256), at in any::<Index>()) {
        everybody_is_sent(&body)?;
        let at = at.index(body.len() + 1);
        body.splice(at..at, MARKER.bytes());
        everybody_is_sent(&body)?;
    }

    #[test]
    fn any_json_is_survived(body in any_json()) {
        everybody_is_sent(body.to_string().as_bytes())?;
        everybody_is_sent(json!({"value": [body]}).to_string().as_bytes())?;
    }

    #[test]
    fn a_payload_of_another_shape_is_survived(
        text in payload(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let value = serde_json::from_str(&text).unwrap();
        let value = changes.into_iter().fold(value, |value, (at, how)| changed(value, at, how));
        everybody_is_sent(value.to_string().as_bytes())?;
    }

    #[test]
    fn a_client_state_that_is_only_near_is_not_believed(
        text in select(PAYLOADS),
        state in forged_state(),
    ) {
        let body = text.replace("\"{{clientState}}\"", &json!(state).to_string());
        everybody_is_sent(body.as_bytes())?;
    }

    #[test]
    fn a_payload_with_other_bytes_is_survived(
        text in payload(),
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut body = text.into_bytes();
        for (at, byte) in flips {
            let at = at.index(body.len());
            body[at] ^= byte;
        }
        everybody_is_sent(&body)?;
    }

    #[test]
    fn what_is_signed_verifies_within_the_tolerance(
        id in "[!-~]{1,64}",
        body in prop::collection::vec(any::<u8>(), 0..256),
        sent in 0..4_000_000_000_i64,
        off in -300..=300_i64,
    ) {
        let key = &DOOR.webhook[0];
        let at = Timestamp::from_second(sent).unwrap();
        let (timestamp, signature) = (sent.to_string(), key.sign(&id, at, &body));
        let headers = standard_webhooks::Headers {
            id: Some(&id), timestamp: Some(&timestamp), signature: Some(&signature),
        };
        let verify = |off| {
            let now = at + SignedDuration::from_secs(off);
            standard_webhooks::verify(&DOOR.webhook, headers, &body, now)
        };
        prop_assert_eq!(verify(off).map(drop), Ok(()));
        prop_assert_eq!(verify(off + if off < 0 { -301 } else { 301 }), Err(Reject::Stale));
    }

    #[test]
    fn one_bit_of_body_or_signature_is_enough_to_fail(
        mut body in prop::collection::vec(any::<u8>(), 1..256),
        at in any::<Index>(),
        bit in 0..7_u32,
    ) {
        let wrong = Some(Reject::NotAuthentic("webhook-signature"));
        let signature = DOOR.webhook[0].sign("m", noon(), &body);
        prop_assert!(DOOR.audit(&body, Some(&signature)).err() != wrong);

        let mut mac = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
        let place = at.index(mac.len());
        mac[place] ^= 1 << bit;
        let forged = format!("v1,{}", STANDARD.encode(mac));
        prop_assert_eq!(DOOR.audit(&body, Some(&forged)).err(), wrong.clone());

        // As text too: no two texts stand for one signature.
        let mut text = signature.clone().into_bytes();
        let place = at.index(text.len());
        text[place] ^= 1 << bit;
        let text = String::from_utf8(text).unwrap();
        prop_assert_eq!(DOOR.audit(&body, Some(&text)).err(), wrong.clone());

        let place = at.index(body.len());
        body[place] ^= 1 << bit;
        prop_assert_eq!(DOOR.audit(&body, Some(&signature)).err(), wrong);
    }

    #[test]
    fn one_bit_of_what_partner_center_signed_is_enough_to_fail(
        mut body in prop::collection::vec(any::<u8>(), 1..256),
        at in any::<Index>(),
        bit in 0..7_u32,
    ) {
        let wrong = Some(Reject::NotAuthentic("the signature"));
        let signature = rsa(&DOOR.keys_of_partner_center[0], &body);
        prop_assert!(DOOR.partner_center(&body, &signature).err() != wrong);

        let mut bytes = STANDARD.decode(&signature).unwrap();
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert_eq!(DOOR.partner_center(&body, &STANDARD.encode(bytes)).err(), wrong.clone());

        let place = at.index(body.len());
        body[place] ^= 1 << bit;
        prop_assert_eq!(DOOR.partner_center(&body, &signature).err(), wrong);
    }

    #[test]
    fn a_certificate_with_other_bytes_is_survived_and_vouches_for_nothing(
        leaf in any::<bool>(),
        flips in prop::collection::vec((any::<Index>(), 1..=255_u8), 1..4),
        cut in any::<Index>(),
    ) {
        let [certificate, issuer, root] = &*CERTIFICATES;
        let whole = if leaf { certificate } else { issuer };
        let mut file = whole.clone();
        for (at, byte) in flips {
            let at = at.index(file.len());
            file[at] ^= byte;
        }
        prop_assume!(file != *whole);
        let read = |file: &[u8]| Published::read(file, roots(root).unwrap().into());
        if let Some(mut published) = read(&file) {
            published.missing_issuer();
            published.add(issuer).unwrap();
            let signature = rsa(&DOOR.keys_of_partner_center[0], b"{}");
            let received = DOOR.partner_center_by(&published, b"{}", &signature);
            prop_assert_eq!(received.map_err(|reject| reject.status()), Err(401));
        }
        prop_assert!(read(&whole[..cut.index(whole.len())]).is_none());
    }

    #[test]
    fn any_query_is_survived_and_a_token_comes_back_as_it_was(
        query in "\\PC{0,64}",
        token in "\\PC{0,200}",
    ) {
        for query in [&query, &format!("validationToken={query}")] {
            if let Some(Err(reject)) = graph::handshake(query) {
                prop_assert_eq!(reject.status(), 400);
            }
        }
        let encoded = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("a", &query)
            .append_pair("validationToken", &token)
            .finish();
        prop_assert_eq!(graph::handshake(&encoded), Some(Ok(token)));
    }
}
