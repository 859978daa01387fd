//! The headers of Standard Webhooks: an input's lines are id, timestamp, signatures and the body.
//! `{{signature}}` is the right one.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use partner_warden::domain::secret::Secret;
use partner_warden::wire::standard_webhooks::{Headers, WebhookSecret, verify};
use partner_warden_fuzz::answer::quotes_nothing;
use partner_warden_fuzz::{DOOR, WEBHOOK_SECRET, lines, noon};
use sha2::Sha256;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    if let Ok(secret) = WebhookSecret::parse(&Secret::new(text.as_ref())) {
        assert!(text.trim().starts_with("whsec_"));
        assert_eq!(format!("{secret:?}"), "[redacted]");
        let (timestamp, signature) =
            (noon().as_second().to_string(), secret.sign("m", noon(), input));
        let headers =
            Headers { id: Some("m"), timestamp: Some(&timestamp), signature: Some(&signature) };
        assert!(verify(&[secret], headers, input, noon()).is_ok());
        // A secret of other bytes does not take it for its own.
        let own = text.contains(&WEBHOOK_SECRET["whsec_".len()..]);
        assert!(own || verify(&DOOR.webhook, headers, input, noon()).is_err());
    }
    let Some([id, timestamp, signatures, body]) = lines(input) else { return };
    let right = format!("v1,{}", STANDARD.encode(mac(id, timestamp, body)));
    let signatures = DOOR.filled(signatures, &[("signature", &right)]);
    let [Ok(id), Ok(timestamp), Ok(signatures)] =
        [id, timestamp, &signatures].map(std::str::from_utf8)
    else {
        return;
    };
    let headers = Headers { id: Some(id), timestamp: Some(timestamp), signature: Some(signatures) };
    let verified = verify(&DOOR.webhook, headers, body, noon());
    quotes_nothing(verified.as_ref().err());
    let at: Option<i64> = timestamp.parse().ok();
    let in_time = at.is_some_and(|at| at.abs_diff(noon().as_second()) <= 300);
    let signed = signatures.split(' ').any(|signature| signature == right);
    assert_eq!(verified.is_ok(), !id.is_empty() && in_time && signed);
});

/// What the signature is made of, by the specification.
fn mac(id: &[u8], timestamp: &[u8], body: &[u8]) -> Vec<u8> {
    let key = STANDARD.decode(WEBHOOK_SECRET.trim_start_matches("whsec_")).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes any key");
    mac.update(&[id, timestamp, body].join(&b'.'));
    mac.finalize().into_bytes().to_vec()
}
