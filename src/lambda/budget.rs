//! How much of an invocation's time is left for what: pure.

use std::time::Duration;

/// Time kept for writing down how things ended and for the answer.
pub const RESERVE: Duration = Duration::from_secs(3);

/// A tenant is begun only with this much time left. Reading a tenant of ordinary size takes a few
/// seconds; what is not begun comes back with the next batch.
pub const LEAST: Duration = Duration::from_secs(10);

/// How long a look begun now may take, or nothing where it is better not begun.
pub fn for_a_look(left: Duration) -> Option<Duration> {
    (left >= LEAST).then(|| left.saturating_sub(RESERVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_begun_only_with_time_to_end_it() {
        let seconds = Duration::from_secs;
        assert_eq!(for_a_look(seconds(120)), Some(seconds(117)));
        assert_eq!(for_a_look(seconds(10)), Some(seconds(7)));
        assert_eq!(for_a_look(Duration::from_millis(9_999)), None);
        assert_eq!(for_a_look(Duration::ZERO), None);
    }
}
