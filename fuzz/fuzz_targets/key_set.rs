//! Key sets, as the sign-in would publish them, and what verifies by them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use partner_warden::wire::token::{KeySet, Measure, verify};
use partner_warden_fuzz::answer::quotes_nothing;
use partner_warden_fuzz::{DOOR, find};

fuzz_target!(|input: &[u8]| {
    let text = DOOR.filled(input, &[("keySet", &DOOR.key_set)]);
    let Ok(keys) = KeySet::parse(&text) else { return };
    for name in ["Event Grid, version 1.0", "signed with another key of the same id"] {
        let token = DOOR.vectors["bearer"][name].as_str().expect("a token");
        let claims = verify(token, Measure { keys: &keys, ..DOOR.measure() });
        quotes_nothing(claims.as_ref().err());
        // The modulus of the key that the token is signed with; base64 has one text for it.
        let modulus = DOOR.vectors["keySet"]["keys"][0]["n"].as_str().expect("a modulus");
        let published = find(&text, &modulus.as_bytes()[8..]).is_some();
        assert!(claims.is_err() || (published && name.starts_with("Event Grid")), "believed");
    }
});
