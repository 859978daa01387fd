//! Deliveries of Partner Center: bodies that are signed, certificates as they are published, and
//! headers, of which an input's lines are signature, algorithm and the certificate's address.

#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use partner_warden::domain::signal::Sender;
use partner_warden::wire::Reject;
use partner_warden::wire::partner_center::certificates::{Published, roots};
use partner_warden::wire::partner_center::{Claim, Headers, receive};
use partner_warden_fuzz::answer::{Answer, holds, is_unproven, quotes_nothing};
use partner_warden_fuzz::{DOOR, lines, noon, private_key, variants};
use serde_json::Value;
use url::Url;

const VECTORS: &str = include_str!("../../tests/data/partner-center-openssl.json");
const PUBLISHED_AT: &str = "https://3psostorageacct.blob.core.windows.net/cert/a.cer";

/// What Partner Center signs with, and what it publishes.
struct Desk {
    key: RsaKeyPair,
    origins: [Url; 1],
    root: Vec<u8>,
    leaf: Vec<u8>,
    published: Published,
}

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let vectors: Value = serde_json::from_str(VECTORS).expect("vectors");
    let der = |name: &str| {
        let base64 = vectors["certificates"][name].as_str().expect("a certificate");
        STANDARD.decode(base64).expect("base64")
    };
    let root: Vec<u8> = vectors["rootPem"].as_str().expect("a root").into();
    let (leaf, issuer) = (der("leaf"), der("issuer"));
    let file = [pem(&leaf), pem(&issuer)].concat();
    let anchors = roots(&root).expect("a root");
    Desk {
        key: RsaKeyPair::from_pkcs8(&private_key(&vectors)).expect("an RSA key"),
        origins: [Url::parse(PUBLISHED_AT).expect("a url")],
        published: Published::read(file.as_bytes(), anchors.into()).expect("certificates"),
        root,
        leaf,
    }
});

fuzz_target!(|input: &[u8]| {
    for body in variants(input, "[", "]") {
        let right = signature(&body);
        holds(Sender::PartnerCenter, &body, &sent(&body, &right));
        is_unproven(&sent(&body, &signature(b"something else")));
        is_unproven(&sent(&body, &STANDARD.encode([0; 256])));
    }
    if let Some([signature, algorithm, url]) = lines(input) {
        let [signature, algorithm, url] =
            [signature, algorithm, url].map(|line| String::from_utf8_lossy(line));
        for authorization in [None, Some(signature.as_ref())] {
            let headers = Headers {
                authorization,
                ms_signature: Some(&signature),
                certificate_url: Some(&url),
                algorithm: Some(&algorithm),
            };
            match Claim::read(headers, &DESK.origins) {
                Ok(claim) => {
                    assert_eq!(claim.certificate_url().origin(), DESK.origins[0].origin());
                    assert!(algorithm.eq_ignore_ascii_case("rsa-sha256"));
                }
                Err(reject) => {
                    assert_eq!(reject.status(), 401);
                    quotes_nothing(Some(&reject));
                }
            }
        }
    }
    // What somebody else might publish vouches for nothing, unless it is the genuine certificate.
    let anchors = roots(&DESK.root).expect("a root");
    if let Some(published) = Published::read(input, anchors.into())
        && find_leaf(input).is_none()
    {
        let claim = claim(&signature(b"{}")).expect("a claim");
        is_unproven(&receive(b"{}", &claim, &published, &DOOR.roster, noon()));
    }
});

/// Whether the genuine certificate stands in a file.
fn find_leaf(file: &[u8]) -> Option<()> {
    let pem = pem(&DESK.leaf);
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let text: String = String::from_utf8_lossy(file).split_whitespace().collect();
    let der = file.windows(DESK.leaf.len()).any(|part| part == DESK.leaf);
    (der || text.contains(&body)).then_some(())
}

fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

fn signature(body: &[u8]) -> String {
    let mut signature = vec![0; DESK.key.public_modulus_len()];
    let random = SystemRandom::new();
    DESK.key.sign(&RSA_PKCS1_SHA256, &random, body, &mut signature).expect("signed");
    STANDARD.encode(signature)
}

fn claim(signature: &str) -> Result<Claim, Reject> {
    let headers = Headers {
        ms_signature: Some(signature),
        certificate_url: Some(PUBLISHED_AT),
        algorithm: Some("rsa-sha256"),
        ..Headers::default()
    };
    Claim::read(headers, &DESK.origins)
}

fn sent(body: &[u8], signature: &str) -> Answer {
    receive(body, &claim(signature)?, &DESK.published, &DOOR.roster, noon())
}
