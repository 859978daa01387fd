//! Rich notifications, against Microsoft's published vector and against vectors made by OpenSSL.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::rich::{EncryptedContent, NotificationKey, decrypt};
use super::{Proofs, client_state, receive};
use crate::domain::finding::testing::{Case, WOODGROVE, noon};
use crate::domain::secret::Secret;
use crate::domain::signal::Subject;
use crate::wire::token::KeySet;
use crate::wire::{Received, Reject};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const CLIENT_ID: &str = "33333333-3333-3333-3333-333333333333";

fn ours() -> Value {
    let text = include_str!("../../../tests/data/rich-notification-openssl.json");
    serde_json::from_str(text).unwrap()
}

fn published() -> Value {
    let text = include_str!("../../../tests/data/graph-rich-notification-vector.json");
    serde_json::from_str(text).unwrap()
}

fn our_key() -> NotificationKey {
    let ours = ours();
    let pem = ours["privateKeyPem"].as_str().unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let id = ours["encryptedContent"]["encryptionCertificateId"].as_str().unwrap();
    NotificationKey::new(vec![id.to_owned()], key.secret_pkcs8_der()).unwrap()
}

fn published_key(name: &str) -> NotificationKey {
    let der = STANDARD.decode(published()["privateKeyPkcs8DerBase64"].as_str().unwrap()).unwrap();
    NotificationKey::new(vec![name.to_owned()], &der).unwrap()
}

fn open(content: &Value, keys: Vec<NotificationKey>) -> Result<Value, Reject> {
    let content: EncryptedContent = serde_json::from_value(content.clone()).unwrap();
    decrypt(&content, &keys.into_iter().map(Arc::new).collect::<Vec<_>>())
}

/// What becomes of one item with `content`, published with `tokens`.
fn item(content: &Value, tokens: &[&str], key_set: &KeySet) -> Received {
    let state = client_state(&Secret::new(KEY), WOODGROVE.parse().unwrap());
    let body = json!({
        "value": [{"tenantId": WOODGROVE, "clientState": state, "encryptedContent": content}],
        "validationTokens": tokens,
    });
    let proofs = Proofs {
        client_state_keys: &[Secret::new(KEY)],
        notification_keys: &[Arc::new(our_key())],
        key_set,
        audiences: &[CLIENT_ID.to_owned()],
        login: "https://login.microsoftonline.com/",
    };
    receive(body.to_string().as_bytes(), proofs, &Case::new().policy().roster, noon()).unwrap()
}

fn our_key_set() -> KeySet {
    KeySet::parse(ours()["keySet"].to_string().as_bytes()).unwrap()
}

#[test]
fn microsofts_published_vector_opens_by_id_and_by_thumbprint() {
    let published = published();
    let content = &published["encryptedContent"];
    for name in ["custom-id-for-testing", "4b95353e086ad37196606acf834a14532f03e6db"] {
        let plain = open(content, vec![published_key(name)]).unwrap().to_string();
        for part in published["plaintextContains"].as_array().unwrap() {
            assert!(plain.contains(part.as_str().unwrap()), "{part} in {plain}");
        }
    }
    assert_eq!(
        open(content, vec![published_key("another"), our_key()]).unwrap_err().reason(),
        "no-key"
    );
}

#[test]
fn what_openssl_sealed_opens_with_the_key_that_is_meant() {
    let ours = ours();
    let plain = open(&ours["encryptedContent"], vec![published_key("x"), our_key()]).unwrap();
    assert_eq!(plain.to_string(), {
        let expect: Value = serde_json::from_str(ours["plaintext"].as_str().unwrap()).unwrap();
        expect.to_string()
    });
}

#[test]
fn whatever_is_changed_does_not_open_and_always_says_the_same() {
    let content = ours()["encryptedContent"].clone();
    let sealed = Reject::NotAuthentic("encryptedContent");
    let flipped = |field: &str, at: usize| {
        let mut content = content.clone();
        let mut bytes = STANDARD.decode(content[field].as_str().unwrap()).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1;
        content[field] = STANDARD.encode(bytes).into();
        content
    };
    for field in ["data", "dataKey", "dataSignature"] {
        for at in [0, 15, 16, 31] {
            assert_eq!(open(&flipped(field, at), vec![our_key()]), Err(sealed.clone()), "{field}");
        }
        for text in ["", "!", "AAAA"] {
            let mut content = content.clone();
            content[field] = text.into();
            assert_eq!(open(&content, vec![our_key()]), Err(sealed.clone()), "{field} {text}");
        }
    }
}

#[test]
fn a_token_counts_only_if_everything_about_it_is_right() {
    let genuine = [
        "genuine, version 1.0",
        "genuine, version 2.0",
        "genuine, several audiences",
        "expired within the leeway",
        "not valid yet within the leeway",
    ];
    let expect = |name: &str| match name {
        name if genuine.contains(&name) => "heard",
        "signed with an unknown key" | "key id of an EC key" => "unknown-key",
        _ => "not-authentic",
    };
    let ours = ours();
    let tokens = ours["tokens"].as_object().unwrap();
    assert!(tokens.len() > 30);
    for (name, token) in tokens {
        let received = item(&ours["encryptedContent"], &[token.as_str().unwrap()], &our_key_set());
        let became = received.rejects.first().map_or("heard", Reject::reason);
        assert_eq!(became, expect(name), "a token that is {name}");
        assert_eq!(received.misses_key, became == "unknown-key", "a token that is {name}");
        assert_eq!(received.signals.len(), usize::from(became == "heard"));
    }
}

#[test]
fn resource_data_without_a_token_is_not_heard() {
    let received = item(&ours()["encryptedContent"], &[], &our_key_set());
    assert_eq!(received.rejects, [Reject::Missing("validationTokens")]);
}

#[test]
fn one_good_token_among_bad_ones_is_enough_and_a_missing_key_is_not_hidden() {
    let ours = ours();
    let token = |name: &str| ours["tokens"][name].as_str().unwrap();
    let content = &ours["encryptedContent"];
    let all = [token("expired"), token("genuine, version 2.0"), token("not a token")];
    assert_eq!(item(content, &all, &our_key_set()).rejects, []);
    let keyless = [token("signed with an unknown key"), token("expired")];
    assert!(item(content, &keyless, &our_key_set()).misses_key);
    assert!(item(content, &[token("genuine, version 1.0")], &KeySet::default()).misses_key);
}

#[test]
fn the_resource_inside_is_what_signals_are_coalesced_by() {
    let ours = ours();
    let token = ours["tokens"]["genuine, version 1.0"].as_str().unwrap();
    let received = item(&ours["encryptedContent"], &[token], &our_key_set());
    assert_eq!(received.signals[0].as_ref().subject, Subject::object("1625126194597"));
}

#[test]
fn only_keys_for_rsa_signatures_are_taken_from_a_key_set() {
    let set = format!("{:?}", our_key_set());
    assert_eq!(set, r#"{"signing-1"}"#);
    assert!(KeySet::parse(b"{}").is_err());
    assert!(KeySet::parse(b"").is_err());
}
