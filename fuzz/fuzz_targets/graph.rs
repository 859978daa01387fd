//! Change and lifecycle notifications. `{{clientState}}` is Woodgrove's.

#![no_main]

use libfuzzer_sys::fuzz_target;
use partner_warden::domain::secret::Secret;
use partner_warden::domain::signal::Sender;
use partner_warden::wire::graph::{Proofs, handshake, receive};
use partner_warden_fuzz::answer::{has_states, holds, quotes_nothing};
use partner_warden_fuzz::{DOOR, noon, variants};

fuzz_target!(|input: &[u8]| {
    for body in variants(input, "{\"value\":[", "]}") {
        let body = DOOR.filled(&body, &[]);
        let answer = receive(&body, DOOR.proofs(), &DOOR.roster, noon());
        holds(Sender::Graph, &body, &answer);
        has_states(&body, &answer);
        // With other keys, or with none, nothing of it is believed.
        for keys in [vec![], vec![Secret::new("another key of 32 characters, 32+")]] {
            let proofs = Proofs { client_state_keys: &keys, ..DOOR.proofs() };
            let answer = receive(&body, proofs, &DOOR.roster, noon());
            holds(Sender::Graph, &body, &answer);
            let heard = answer.map_or(0, |received| received.signals.len());
            assert_eq!(heard, 0, "believed without proof");
        }
    }
    let query = String::from_utf8_lossy(input);
    for query in [query.to_string(), format!("validationToken={query}")] {
        match handshake(&query) {
            None => {}
            Some(Ok(token)) => assert!(token.len() <= 4096),
            Some(Err(reject)) => {
                assert_eq!(reject.status(), 400);
                quotes_nothing([&reject]);
            }
        }
    }
});
