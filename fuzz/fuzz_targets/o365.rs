//! Notifications of the Management Activity API.

#![no_main]

use libfuzzer_sys::fuzz_target;
use partner_warden::domain::signal::Sender;
use partner_warden::wire::Received;
use partner_warden::wire::o365::{Headers, receive};
use partner_warden_fuzz::answer::{Answer, holds, is_unproven};
use partner_warden_fuzz::{DOOR, noon, variants};

fuzz_target!(|input: &[u8]| {
    let auth_id = DOOR.auth_id();
    for body in variants(input, "[", "]") {
        holds(Sender::O365, &body, &sent(&body, Some(auth_id), None));
        for wrong in [None, Some(""), Some(&auth_id[1..])] {
            is_unproven(&sent(&body, wrong, None));
            is_unproven(&sent(&body, wrong, Some("3c2f")));
        }
        // Whoever only asks whether anybody is here is told nothing but that.
        assert_eq!(sent(&body, Some(auth_id), Some("3c2f")), Ok(Received::default()));
    }
    let text = String::from_utf8_lossy(input);
    if text != auth_id {
        is_unproven(&sent(b"[]", Some(&text), None));
    }
});

fn sent(body: &[u8], auth_id: Option<&str>, validation_code: Option<&str>) -> Answer {
    let headers = Headers { auth_id, validation_code };
    receive(body, headers, &DOOR.secrets, &DOOR.management, &DOOR.roster, noon())
}
