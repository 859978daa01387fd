//! Forwarded audit events, signed or vouched for by a token.

#![no_main]

use libfuzzer_sys::fuzz_target;
use partner_warden::domain::signal::Sender;
use partner_warden::wire::audit::{receive, receive_with_token};
use partner_warden::wire::standard_webhooks::Headers;
use partner_warden_fuzz::answer::{Answer, holds, is_unproven};
use partner_warden_fuzz::{DOOR, STRANGER, WOODGROVE, noon, variants};

fuzz_target!(|input: &[u8]| {
    for body in variants(input, "[", "]") {
        let signature = DOOR.webhook[0].sign("m", noon(), &body);
        for tenant in [None, Some(WOODGROVE), Some(STRANGER)] {
            let answer = signed(&body, Some(&signature), tenant);
            holds(Sender::Audit, &body, &answer);
            if tenant.is_none() {
                assert_eq!(with_token(&body, Some(&DOOR.authorization)), answer);
            }
        }
        let forged = DOOR.webhook[0].sign("m", noon(), b"something else");
        is_unproven(&signed(&body, None, Some(WOODGROVE)));
        is_unproven(&signed(&body, Some(&forged), Some(WOODGROVE)));
        is_unproven(&with_token(&body, None));
    }
    // Any text is a tenant that a forwarder may have named.
    let tenant = String::from_utf8_lossy(&input[..input.len().min(48)]);
    let event = br#"{"activityDisplayName": "Add member to role"}"#;
    let signature = DOOR.webhook[0].sign("m", noon(), event);
    holds(Sender::Audit, event, &signed(event, Some(&signature), Some(&tenant)));
});

fn signed(body: &[u8], signature: Option<&str>, tenant: Option<&str>) -> Answer {
    let timestamp = noon().as_second().to_string();
    let headers = Headers { id: Some("m"), timestamp: Some(&timestamp), signature };
    receive(body, headers, &DOOR.webhook, tenant, &DOOR.roster, noon())
}

fn with_token(body: &[u8], authorization: Option<&str>) -> Answer {
    receive_with_token(body, authorization, DOOR.allowed(), None, &DOOR.roster, noon())
}
