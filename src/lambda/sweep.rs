//! The sweep: woken every minute, it has a worker see to every tenant with something due, and every
//! tenant looked at in its turn.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tracing::info;

use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::policy::Policy;
use crate::ports::{Clock, DueTenants, Enqueue, Later, PortError};
use crate::wire::schedule;

/// What a sweep works with. None of it reads Graph or writes to it.
pub struct Sweep {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The tenants.
    pub policy: Arc<Policy>,
    /// What is due.
    pub due: Arc<dyn DueTenants>,
    /// Where reasons to look go.
    pub enqueue: Arc<dyn Enqueue>,
    /// Where a worker is asked for.
    pub later: Arc<dyn Later>,
    /// How often every tenant is looked at without a reason.
    pub every: Option<SignedDuration>,
}

impl Sweep {
    /// One sweep. Says how many tenants have something due, and how many have their turn.
    ///
    /// # Errors
    /// Those of the table and the queue; the next sweep finds the same again.
    pub async fn sweep(&self) -> Result<(usize, usize), PortError> {
        let now = self.clock.now();
        let known: BTreeSet<TenantId> =
            self.policy.roster.tenants.iter().map(|tenant| tenant.id).collect();
        let due = self.due.due_tenants(now).await?;
        for tenant in due.intersection(&known) {
            // Two sweeps of one minute ask once.
            self.later.see_to(*tenant, start_of(now), now).await?;
        }
        let turn: Vec<TenantId> = match self.every {
            Some(every) => known.into_iter().filter(|id| has_its_turn(*id, every, now)).collect(),
            None => Vec::new(),
        };
        let ticks = turn.iter().map(|tenant| schedule::sweep(*tenant, start_of(now)));
        let ticks: Vec<_> = ticks.collect();
        if !ticks.is_empty() {
            self.enqueue.enqueue(ticks).await?;
        }
        info!(due = due.len(), turn = turn.len(), "swept");
        Ok((due.len(), turn.len()))
    }
}

fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

/// The beginning of the minute: two sweeps of one minute make the same tick.
fn start_of(now: Timestamp) -> Timestamp {
    Timestamp::from_second(minute(now) * 60).unwrap_or(now)
}

/// Whether a tenant is looked at in this minute. The tenants are spread over the time, each by its
/// id, so that no minute has them all and nothing has to be remembered.
fn has_its_turn(tenant: TenantId, every: SignedDuration, now: Timestamp) -> bool {
    let every = (every.as_secs() / 60).max(1);
    let digest = Sha256Hex::of(tenant.to_string().as_bytes());
    let place = digest.as_str().get(..12).and_then(|digits| i64::from_str_radix(digits, 16).ok());
    minute(now).rem_euclid(every) == place.unwrap_or(0).rem_euclid(every)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants() -> impl Iterator<Item = TenantId> {
        (0..900).map(|n| format!("{n:08x}-0000-4000-8000-000000000000").parse().unwrap())
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_772_600_000 / 60 * 60 + minute * 60 + 17).unwrap()
    }

    #[test]
    fn every_tenant_has_its_turn_once_in_the_time_and_no_minute_has_most_of_them() {
        let every = SignedDuration::from_mins(15);
        for tenant in tenants() {
            let turns = (0..60).filter(|minute| has_its_turn(tenant, every, at(*minute))).count();
            assert_eq!(turns, 4, "{tenant}");
        }
        for minute in 0..15 {
            let turns = tenants().filter(|tenant| has_its_turn(*tenant, every, at(minute))).count();
            assert!((30..=95).contains(&turns), "{turns} in minute {minute}");
        }
    }

    #[test]
    fn a_time_shorter_than_a_minute_is_every_minute() {
        let every = SignedDuration::from_secs(20);
        assert!(tenants().all(|tenant| has_its_turn(tenant, every, at(3))));
    }

    #[test]
    fn two_sweeps_of_a_minute_make_the_same_tick() {
        let (early, late) = (start_of(at(1)), start_of(at(1) + SignedDuration::from_secs(40)));
        assert_eq!(early, late);
        assert_ne!(early, start_of(at(2)));
    }
}
