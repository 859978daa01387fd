//! Audit events: forwarded, signed or vouched for by a token, and fetched or polled by ourselves.

#![no_main]

use libfuzzer_sys::fuzz_target;
use partner_warden::domain::signal::Sender;
use partner_warden::wire::Received;
use partner_warden::wire::audit::{content, polled, receive, receive_with_token};
use partner_warden::wire::standard_webhooks::Headers;
use partner_warden_fuzz::answer::{Answer, holds, is_unproven, signals_for};
use partner_warden_fuzz::{DOOR, STRANGER, WOODGROVE, noon, variants};
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    for body in variants(input, "[", "]") {
        let signature = DOOR.webhook[0].sign("m", noon(), &body);
        for tenant in [None, Some(WOODGROVE), Some(STRANGER)] {
            let answer = signed(&body, Some(&signature), tenant);
            holds(Sender::Audit, &body, &answer);
            if tenant.is_none() {
                // What a token vouches for is not one message that could be replayed.
                let answer = answer.map(|received| Received { message: None, ..received });
                assert_eq!(with_token(&body, Some(&DOOR.authorization)), answer);
            }
        }
        let forged = DOOR.webhook[0].sign("m", noon(), b"something else");
        is_unproven(&signed(&body, None, Some(WOODGROVE)));
        is_unproven(&signed(&body, Some(&forged), Some(WOODGROVE)));
        is_unproven(&with_token(&body, None));
        holds(Sender::O365, &body, &content(&body, DOOR.whose(None)));
        holds_of_the_log(&body);
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
    receive(body, headers, &DOOR.webhook, DOOR.whose(tenant))
}

fn with_token(body: &[u8], authorization: Option<&str>) -> Answer {
    receive_with_token(body, authorization, DOOR.allowed(), DOOR.whose(None))
}

/// Events of a tenant's own audit log are reasons to look at that tenant, and none is lost without
/// being counted.
fn holds_of_the_log(body: &[u8]) {
    let Ok(Value::Array(events)) = serde_json::from_slice(body) else { return };
    let tenant = WOODGROVE.parse().expect("a tenant");
    let received = polled(&events, tenant, DOOR.whose(None));
    assert!(received.signals.len() <= events.len());
    assert!(received.signals.len() + received.irrelevant + received.rejects.len() >= events.len());
    let elsewhere = received.signals.len() - signals_for(&received, tenant);
    assert!(elsewhere <= events.len());
    assert!(received.signals.iter().all(|it| it.as_ref().sender == Sender::AuditLog));
}
