//! The door that the targets knock at: its keys, and what must hold of whatever it answers.

pub mod answer;
pub mod rich;

use std::sync::{Arc, LazyLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use partner_warden::domain::policy::Policy;
use partner_warden::domain::roster::Roster;
use partner_warden::domain::secret::Secret;
use partner_warden::wire::audit::Whose;
use partner_warden::wire::bearer::Allowed;
use partner_warden::wire::graph::{NotificationKey, Proofs, client_state};
use partner_warden::wire::standard_webhooks::WebhookSecret;
use partner_warden::wire::token::{KeySet, Measure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

/// The tenant whose `clientState` is `{{clientState}}`, and whose tokens are in the vectors.
pub const WOODGROVE: &str = "11111111-1111-1111-1111-111111111111";
/// Another tenant of the policy; its `clientState` is `{{clientState:fabrikam}}`.
pub const FABRIKAM: &str = "44444444-4444-4444-4444-444444444444";
/// A tenant that the policy does not name; its `clientState` is `{{clientState:stranger}}`.
pub const STRANGER: &str = "99999999-9999-9999-9999-999999999999";
/// Whom tokens must be for.
pub const CLIENT_ID: &str = "33333333-3333-3333-3333-333333333333";
/// The sign-in's origin.
pub const LOGIN: &str = "https://login.microsoftonline.com/";
/// The id of the key that [`Door::token`] signs with.
pub const KEY_ID: &str = "fuzz";
/// The secret that forwarded audit events are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// What stands in bodies and must not stand in answers: a text and a number.
pub const MARKERS: [&str; 2] = ["qX7planted7Xq", "70710678118654752"];

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// The moment of every input, and of the tokens in the vectors.
pub fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("a moment")
}

/// Everything that is checked against.
pub struct Door {
    /// The tenants that are known.
    pub roster: Roster,
    /// The published keys: those of the vectors, and [`KEY_ID`].
    pub keys: KeySet,
    /// The same as text.
    pub key_set: String,
    /// Whom tokens may be for.
    pub audiences: Vec<String>,
    /// Roles that may send.
    pub roles: Vec<String>,
    /// The keys of forwarded audit events.
    pub webhook: Vec<WebhookSecret>,
    /// The keys of `clientState`, which are the auth ids of the Management Activity API too.
    pub secrets: Vec<Secret>,
    /// The Management Activity API's origin.
    pub management: Url,
    /// The application ids this program signs in with.
    pub own_apps: Vec<String>,
    /// The keys that resource data is encrypted for.
    pub notification_keys: Vec<Arc<NotificationKey>>,
    /// `Authorization` of a sender that may send.
    pub authorization: String,
    /// Recorded tokens and cipher texts.
    pub vectors: Value,
    signing: RsaKeyPair,
}

/// The one door.
pub static DOOR: LazyLock<Door> = LazyLock::new(|| {
    let vectors = include_str!("../../tests/data/rich-notification-openssl.json");
    let vectors: Value = serde_json::from_str(vectors).expect("vectors");
    let pkcs8 = private_key(&vectors);
    let signing = RsaKeyPair::from_pkcs8(&pkcs8).expect("an RSA key");
    let mut key_set = vectors["keySet"].clone();
    let published = key_set["keys"].as_array_mut().expect("keys");
    published.push(
        json!({"kty": "RSA", "use": "sig", "kid": KEY_ID, "n": modulus(&signing), "e": "AQAB"}),
    );
    let key_set = key_set.to_string();
    let token = vectors["bearer"]["Event Grid, version 1.0"].as_str().expect("a token");
    Door {
        roster: policy().roster,
        keys: KeySet::parse(key_set.as_bytes()).expect("a key set"),
        key_set,
        audiences: vec![CLIENT_ID.to_owned(), format!("api://{CLIENT_ID}")],
        roles: ["AzureEventGridSecureWebhookSubscriber", "PartnerWarden.Forward"]
            .map(str::to_owned)
            .to_vec(),
        webhook: vec![WebhookSecret::parse(&Secret::new(WEBHOOK_SECRET)).expect("a secret")],
        secrets: vec![Secret::new(KEY)],
        management: Url::parse("https://manage.office.com").expect("a url"),
        own_apps: vec![CLIENT_ID.to_owned()],
        notification_keys: vec![rich::notification_key(&vectors, &pkcs8)],
        authorization: format!("Bearer {token}"),
        vectors,
        signing,
    }
});

fn policy() -> Policy {
    let text = format!(
        "version: 1\ntenants:\n  - {{id: {WOODGROVE}, name: Woodgrove}}\n  - {{id: {FABRIKAM}, name: Fabrikam}}\n"
    );
    Policy::parse(&text).expect("a policy").policy
}

/// The private key of vectors, in PKCS#8 DER.
pub fn private_key(vectors: &Value) -> Vec<u8> {
    let pem = vectors["privateKeyPem"].as_str().expect("a key");
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(base64).expect("base64")
}

/// The modulus of a key of 2048 bits, as a JSON Web Key has it.
fn modulus(key: &RsaKeyPair) -> String {
    // RFC 8017, A.1.1: a sequence of two integers, of which the first has a zero before it.
    let der = key.public_key().as_ref();
    assert_eq!((der.len(), &der[4..9]), (270, &[0x02, 0x82, 0x01, 0x01, 0x00][..]));
    URL_SAFE_NO_PAD.encode(&der[9..265])
}

impl Door {
    /// What tokens are measured by.
    pub fn measure(&self) -> Measure<'_> {
        Measure { keys: &self.keys, audiences: &self.audiences, login: LOGIN, now: noon() }
    }

    /// Whose tokens are taken.
    pub fn allowed(&self) -> Allowed<'_> {
        Allowed { measure: self.measure(), roles: &self.roles }
    }

    /// What proves that notifications are genuine.
    pub fn proofs(&self) -> Proofs<'_> {
        Proofs {
            client_state_keys: &self.secrets,
            notification_keys: &self.notification_keys,
            key_set: &self.keys,
            audiences: &self.audiences,
            login: LOGIN,
        }
    }

    /// Whose audit events can come, where a forwarder names `tenant` for those that name none.
    pub fn whose<'a>(&'a self, tenant: Option<&'a str>) -> Whose<'a> {
        Whose { tenant, roster: &self.roster, own_apps: &self.own_apps, now: noon() }
    }

    /// The auth id of the Management Activity API.
    pub fn auth_id(&self) -> &str {
        self.secrets[0].expose()
    }

    /// The `clientState` of a tenant.
    pub fn state(&self, tenant: &str) -> String {
        client_state(&self.secrets[0], tenant.parse().expect("a tenant"))
    }

    /// A token with any header and claims, rightly signed.
    pub fn token(&self, header: &[u8], claims: &[u8]) -> String {
        let said = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), said.as_bytes(), &mut signature)
            .expect("signed");
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A text with what its placeholders stand for: `{{clientState}}`, `{{token:NAME}}` for the
    /// tokens of the vectors, and `more` of the target's own.
    pub fn filled(&self, text: &[u8], more: &[(&str, &str)]) -> Vec<u8> {
        /// No name of a placeholder is longer.
        const LONGEST: usize = 64;
        let mut filled = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = find(rest, b"{{") {
            let inside = &rest[start + 2..];
            let end = find(&inside[..inside.len().min(LONGEST)], b"}}");
            let name = end.and_then(|end| std::str::from_utf8(&inside[..end]).ok());
            filled.extend_from_slice(&rest[..start]);
            if let Some(value) = name.and_then(|name| self.meaning(name, more)) {
                filled.extend_from_slice(value.as_bytes());
                rest = &inside[end.unwrap_or_default() + 2..];
            } else {
                filled.extend_from_slice(b"{");
                rest = &rest[start + 1..];
            }
        }
        filled.extend_from_slice(rest);
        filled
    }

    fn meaning(&self, name: &str, more: &[(&str, &str)]) -> Option<String> {
        match name {
            "clientState" => Some(self.state(WOODGROVE)),
            "clientState:fabrikam" => Some(self.state(FABRIKAM)),
            "clientState:stranger" => Some(self.state(STRANGER)),
            _ => {
                let token = name.strip_prefix("token:").and_then(|name| {
                    let [tokens, bearer] = ["tokens", "bearer"].map(|of| &self.vectors[of][name]);
                    tokens.as_str().or(bearer.as_str()).map(str::to_owned)
                });
                let own = || more.iter().find(|(own, _)| *own == name);
                token.or_else(|| own().map(|(_, value)| (*value).to_owned()))
            }
        }
    }
}

/// Where `what` first stands.
pub fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// What is tried of a body: itself; itself with a marker in all of its texts, and in one text or
/// name; and, of one in 256, as many of it as fit, so that what costs too much for many is found
/// out.
pub fn variants(body: &[u8], open: &str, close: &str) -> Vec<Vec<u8>> {
    let digest = Sha256::digest(body);
    let mut variants = vec![body.to_vec(), marked(body), planted(body, digest[1])];
    if digest[0] == 0 && !body.is_empty() {
        let room = partner_warden::wire::BODY_MAX - open.len() - close.len();
        let many = vec![body; room / (body.len() + 1)].join(&b","[..]);
        variants.push([open.as_bytes(), &many, close.as_bytes()].concat());
    }
    variants
}

/// The body with a marker at the beginning of every text that is the value of a field.
fn marked(body: &[u8]) -> Vec<u8> {
    let mut marked = Vec::with_capacity(body.len());
    let mut behind_colon = false;
    for byte in body {
        marked.push(*byte);
        match byte {
            b'"' if behind_colon => marked.extend_from_slice(MARKERS[0].as_bytes()),
            b' ' | b'\n' => continue,
            _ => {}
        }
        behind_colon = *byte == b':';
    }
    marked
}

/// The body with a marker in one of its texts or names.
fn planted(body: &[u8], choice: u8) -> Vec<u8> {
    let quotes: Vec<usize> = (0..body.len()).filter(|at| body[*at] == b'"').collect();
    let place = quotes.get(usize::from(choice) % quotes.len().max(1)).map_or(0, |at| at + 1);
    let mut planted = body.to_vec();
    planted.splice(place..place, MARKERS[0].bytes());
    planted
}

/// The lines of an input up to the last, which is all the rest.
pub fn lines<const N: usize>(input: &[u8]) -> Option<[&[u8]; N]> {
    input.splitn(N, |byte| *byte == b'\n').collect::<Vec<_>>().try_into().ok()
}
