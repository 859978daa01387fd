//! The links by which people decide, and what is carried through a sign-in: whatever comes, nothing
//! that was not made with the key is taken, and what was made is read as it was made.
#![no_main]

use jiff::SignedDuration;
use libfuzzer_sys::fuzz_target;
use partner_warden::domain::approval::Answer;
use partner_warden::domain::secret::Secret;
use partner_warden::wire::decision::{Errand, Link};
use partner_warden_fuzz::{DOOR, noon};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    // Without the key nobody makes one.
    assert!(Link::verify(&text, &DOOR.secrets).is_err());
    assert!(Errand::verify(&text, &DOOR.secrets, noon()).is_err());
    // With it, any link survives the way through the sign-in, and is no token of its own.
    if text.len() < 2048 {
        let errand = Errand::new(&text, Answer::Approve, &text.len().to_string(), noon());
        let state = errand.state(&DOOR.secrets[0]);
        assert!(Link::verify(&state, &DOOR.secrets).is_err());
        let back = Errand::verify(&state, &DOOR.secrets, noon());
        assert!(back.as_ref().is_ok_and(|back| *back == errand) || state.len() > 4096);
        let late = noon() + SignedDuration::from_hours(1);
        assert!(Errand::verify(&state, &DOOR.secrets, late).is_err());
        let other = [Secret::new("another key of as many characters")];
        assert!(Errand::verify(&state, &other, noon()).is_err());
    }
});
