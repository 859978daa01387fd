//! When each tenant's turn comes, so that they do not all come at once.

use jiff::{SignedDuration, Timestamp};

use super::id::{Sha256Hex, TenantId};

/// How far into every interval a tenant's turn comes: spread evenly by its id, and always the
/// same. The duty keeps the turns of one tenant apart from each other.
pub fn phase(tenant: TenantId, duty: &str, every: SignedDuration) -> SignedDuration {
    let digest = Sha256Hex::of_fields(&["partner-warden/phase/v1", duty, &tenant.to_string()]);
    let number = u128::from_str_radix(digest.as_str().get(..16).unwrap_or_default(), 16);
    let length = u128::try_from(every.as_millis()).unwrap_or_default();
    // The upper part of a product spreads without the bias of a remainder.
    let millis = (number.unwrap_or_default() * length) >> 64;
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or_default())
}

/// The tenant's latest turn at or before `now`.
fn turn(phase: SignedDuration, every: SignedDuration, now: Timestamp) -> Timestamp {
    let every = every.as_millis().max(1);
    let since = i128::from(now.as_millisecond()) - phase.as_millis();
    let start = since.div_euclid(every) * every + phase.as_millis();
    i64::try_from(start).ok().and_then(|it| Timestamp::from_millisecond(it).ok()).unwrap_or(now)
}

/// When a duty that was last done at `last` is due: at a moment that is past or present, or at
/// the tenant's next turn. What was never done is due at once; turns that were missed count as
/// one.
pub fn due(
    tenant: TenantId,
    duty: &str,
    every: SignedDuration,
    last: Option<Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let turn = turn(phase(tenant, duty, every), every, now);
    match last {
        // A clock that was set back must not keep a tenant from its turn for longer than one.
        Some(last) if last >= turn && last.duration_since(turn) <= every => turn + every,
        Some(_) => turn,
        None => now,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::finding::testing::noon;

    fn tenant(number: u128) -> TenantId {
        uuid::Uuid::from_u128(number).to_string().parse().unwrap()
    }

    const QUARTER: SignedDuration = SignedDuration::from_mins(15);

    #[test]
    fn tenants_are_spread_evenly_over_the_interval() {
        let mut buckets = [0_u32; 15];
        for number in 0..3000 {
            let phase = phase(tenant(number), "look", QUARTER);
            buckets[usize::try_from(phase.as_mins()).unwrap()] += 1;
        }
        // 200 in each on average; five standard deviations are 68.
        assert!(buckets.iter().all(|count| (132..=268).contains(count)), "{buckets:?}");
    }

    #[test]
    fn the_phase_of_a_tenant_is_the_same_in_every_version() {
        assert_eq!(phase(tenant(7), "look", QUARTER), SignedDuration::from_millis(PINNED));
        assert_ne!(phase(tenant(7), "poll", QUARTER), SignedDuration::from_millis(PINNED));
    }

    /// The first 64 bits of the digest, times 900,000, over 2 to the 64th; reckoned elsewhere.
    const PINNED: i64 = 381_216;

    #[test]
    fn what_was_never_done_is_due_at_once() {
        assert_eq!(due(tenant(1), "look", QUARTER, None, noon()), noon());
    }

    #[test]
    fn a_mark_from_the_future_does_not_silence_a_tenant() {
        let ahead = noon() + SignedDuration::from_hours(24);
        assert!(due(tenant(1), "look", QUARTER, Some(ahead), noon()) <= noon());
    }

    proptest! {
        /// Walked through in small steps, with pauses in which nothing runs.
        #[test]
        fn a_tenant_has_exactly_one_turn_in_every_interval(
            number: u128,
            every in 1_000_i64..10_000_000,
            steps in proptest::collection::vec(1_i64..4_000_000, 1..60),
        ) {
            let (tenant, every) = (tenant(number), SignedDuration::from_millis(every));
            let mut now = noon();
            let mut last = now;
            let mut turns: Vec<Timestamp> = vec![];
            for step in steps {
                now += SignedDuration::from_millis(step);
                let mut times = 0;
                while due(tenant, "look", every, Some(last), now) <= now {
                    last = now;
                    turns.push(turn(phase(tenant, "look", every), every, now));
                    times += 1;
                    prop_assert!(times <= 1, "what was missed is made up for once");
                }
                prop_assert!(last >= turn(phase(tenant, "look", every), every, now), "none is left out");
                let next = due(tenant, "look", every, Some(last), now);
                prop_assert!(next > now && next.duration_since(now) <= every);
            }
            for pair in turns.windows(2) {
                let apart = pair[1].duration_since(pair[0]).as_millis();
                prop_assert!(apart > 0 && apart % every.as_millis() == 0);
            }
        }
    }
}
