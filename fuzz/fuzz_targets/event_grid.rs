//! Notifications by way of Event Grid. `{{clientState}}` is Woodgrove's.

#![no_main]

use libfuzzer_sys::fuzz_target;
use partner_warden::domain::signal::Sender;
use partner_warden::wire::event_grid::{Headers, handshake, receive};
use partner_warden_fuzz::answer::{Answer, has_states, holds, is_unproven, quotes_nothing};
use partner_warden_fuzz::{DOOR, noon, variants};

const CONTENT_TYPES: [&str; 3] = [
    "application/cloudevents+json; charset=utf-8",
    "application/cloudevents-batch+json",
    "application/json",
];

fuzz_target!(|input: &[u8]| {
    for body in variants(input, "[", "]") {
        let body = DOOR.filled(&body, &[]);
        for kind in CONTENT_TYPES {
            let answer = sent(&body, Some(&DOOR.authorization), kind, "1.0");
            holds(Sender::EventGrid, &body, &answer);
            has_states(&body, &answer);
        }
        is_unproven(&sent(&body, None, CONTENT_TYPES[0], "1.0"));
        is_unproven(&sent(&body, Some("Bearer x.y.z"), CONTENT_TYPES[0], "1.0"));
    }
    // Any text is a content type, a version and an origin.
    let text = String::from_utf8_lossy(input);
    let answer = sent(input, Some(&DOOR.authorization), &text, &text);
    holds(Sender::EventGrid, input, &answer);
    has_states(input, &answer);
    match handshake(Some(&text)) {
        Ok(origin) => {
            assert!(origin == text && (1..=253).contains(&origin.len()));
            assert!(origin.bytes().all(|byte| byte.is_ascii_graphic()), "not a host name");
        }
        Err(reject) => quotes_nothing([&reject]),
    }
});

fn sent(body: &[u8], authorization: Option<&str>, kind: &str, version: &str) -> Answer {
    let headers = Headers { authorization, content_type: Some(kind), spec_version: Some(version) };
    receive(body, headers, DOOR.allowed(), DOOR.proofs(), &DOOR.roster, noon())
}
