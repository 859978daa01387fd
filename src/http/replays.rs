//! The messages that were taken in of late, so that a replayed one is not taken in again.

use std::collections::{HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::domain::id::Sha256Hex;
use crate::wire::standard_webhooks::TOLERANCE;

/// Most messages that are remembered, at some 300 bytes each.
const MESSAGES_MAX: usize = 16_384;

/// How long one is remembered: from the earliest moment at which its time passes to the latest.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(2 * TOLERANCE.as_secs());

/// The messages that were taken in of late, the oldest first. When there are too many the oldest is
/// forgotten: should it be replayed, a tenant is looked at once more, and nothing else comes of it.
#[derive(Debug, Default)]
pub struct Replays {
    known: HashSet<Sha256Hex>,
    order: VecDeque<(Timestamp, Sha256Hex)>,
}

impl Replays {
    /// Whether a message was taken in of late.
    pub fn knows(&mut self, message: &Sha256Hex, now: Timestamp) -> bool {
        self.forget(now, MESSAGES_MAX);
        self.known.contains(message)
    }

    /// A message was taken in, for good: whoever is asked to come again must be heard.
    pub fn remember(&mut self, message: Sha256Hex, now: Timestamp) {
        if self.known.insert(message.clone()) {
            self.order.push_back((now, message));
        }
        self.forget(now, MESSAGES_MAX);
    }

    fn forget(&mut self, now: Timestamp, most: usize) {
        while let Some((at, _)) = self.order.front()
            && (self.order.len() > most || now.duration_since(*at) > REMEMBERED)
            && let Some((_, message)) = self.order.pop_front()
        {
            self.known.remove(&message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn message(number: usize) -> Sha256Hex {
        Sha256Hex::of(&number.to_be_bytes())
    }

    #[test]
    fn a_message_is_known_as_long_as_its_time_can_pass() {
        let mut replays = Replays::default();
        assert!(!replays.knows(&message(1), at(0)));
        replays.remember(message(1), at(0));
        assert!(replays.knows(&message(1), at(0)));
        assert!(!replays.knows(&message(2), at(0)));
        // Sent 5 minutes before its time, it passes until 5 minutes after.
        assert!(replays.knows(&message(1), at(600)));
        assert!(!replays.knows(&message(1), at(601)));
        assert!(replays.known.is_empty() && replays.order.is_empty());
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let mut replays = Replays::default();
        for number in 0..=MESSAGES_MAX {
            replays.remember(message(number), at(1));
        }
        assert_eq!((replays.known.len(), replays.order.len()), (MESSAGES_MAX, MESSAGES_MAX));
        assert!(!replays.knows(&message(0), at(1)));
        assert!(replays.knows(&message(1), at(1)));
        assert!(replays.knows(&message(MESSAGES_MAX), at(1)));
    }

    #[test]
    fn a_message_is_remembered_once_and_a_clock_set_back_harms_nothing() {
        let mut replays = Replays::default();
        for seconds in [0, 0, -3600] {
            replays.remember(message(1), at(seconds));
        }
        assert_eq!((replays.known.len(), replays.order.len()), (1, 1));
        assert!(replays.knows(&message(1), at(-3600)));
        assert!(!replays.knows(&message(1), at(601)));
    }
}
