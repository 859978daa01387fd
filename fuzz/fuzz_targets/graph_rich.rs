//! Notifications with resource data. Before a line of three hyphens stands a collection in which
//! `{{sealed}}` is the content that holds what stands behind it; `{{data}}`, `{{dataKey}}`,
//! `{{dataSignature}}` and `{{certificateId}}` are its parts. It is tried as it is, and with one bit
//! changed.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use partner_warden::domain::signal::Sender;
use partner_warden::wire::graph::receive;
use partner_warden_fuzz::answer::{has_states, holds, signals_for};
use partner_warden_fuzz::rich::{sealed, tampered};
use partner_warden_fuzz::{DOOR, WOODGROVE, find, noon};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The recorded tokens that prove that Microsoft Graph published something for Woodgrove.
const GENUINE: [&str; 5] = [
    "genuine, version 1.0",
    "genuine, version 2.0",
    "genuine, several audiences",
    "expired within the leeway",
    "not valid yet within the leeway",
];

const BETWEEN: &[u8] = b"\n---\n";

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(middle) = find(input, BETWEEN) else { return Corpus::Reject };
    let plain = &input[middle + BETWEEN.len()..];
    let whole = sealed(plain);
    let choice = Sha256::digest(input)[0];
    for content in [&whole, &tampered(&whole, choice)] {
        let part = |name: &str| content[name].as_str().unwrap_or_default();
        let body = DOOR.filled(
            &input[..middle],
            &[
                ("sealed", content.to_string().as_str()),
                ("data", part("data")),
                ("dataKey", part("dataKey")),
                ("dataSignature", part("dataSignature")),
                ("certificateId", part("encryptionCertificateId")),
            ],
        );
        let answer = receive(&body, DOOR.proofs(), &DOOR.roster, noon());
        holds(Sender::Graph, &body, &answer);
        has_states(&body, &answer);
        let woodgrove = WOODGROVE.parse().expect("a tenant");
        let heard = answer.map_or(0, |received| signals_for(&received, woodgrove));
        // What has half of a surrogate pair in it is JSON, and not to be read here.
        if heard > 0
            && let Ok(json) = serde_json::from_slice(&body)
        {
            assert!(heard <= may_be_heard(&json, &whole, plain), "believed without proof");
        }
    }
    Corpus::Keep
});

/// Says once more, and otherwise, how many items prove themselves.
fn may_be_heard(json: &Value, content: &Value, plain: &[u8]) -> usize {
    let genuine = GENUINE.map(|name| &DOOR.vectors["tokens"][name]);
    let tokens = json["validationTokens"].as_array();
    let published = tokens.into_iter().flatten().any(|token| genuine.contains(&token));
    let is_json = serde_json::from_slice::<Value>(plain).is_ok();
    let state = Value::from(DOOR.state(WOODGROVE));
    let items = json["value"].as_array().into_iter().flatten();
    items
        .filter(|item| item["clientState"] == state)
        .filter(|item| {
            let given = &item["encryptedContent"];
            let vector = &DOOR.vectors["encryptedContent"];
            let whole = |of: &Value| {
                ["data", "dataKey", "dataSignature"].iter().all(|part| given[*part] == of[*part])
            };
            given.is_null() || (published && (whole(content) && is_json || whole(vector)))
        })
        .count()
}
