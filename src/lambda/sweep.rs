//! The sweep: woken every minute, it has a worker see to every tenant with something due, and does
//! for each tenant what its own schedule says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use tracing::{error, info, warn};

use super::budget;
use crate::domain::id::TenantId;
use crate::domain::roster::Tenant;
use crate::ports::{DueTenants, Failure, Later, PortError, chain};
use crate::sweep::Report;

/// Tenants that are swept at once.
const TENANTS_AT_ONCE: usize = 8;

/// What a sweep works with. None of it can revoke.
pub struct Sweep {
    /// What happens by schedule.
    pub duties: crate::sweep::Sweep,
    /// What is due.
    pub due: Arc<dyn DueTenants>,
    /// Where a worker is asked for.
    pub later: Arc<dyn Later>,
}

/// What one sweep came to, in tenants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Those with something due.
    pub due: usize,
    /// Those whose periodic look was queued.
    pub turn: usize,
    /// Those for which time was too short. Where sweeps reach two fifths of all, each is reached at
    /// one of the next two.
    pub left: usize,
}

impl Sweep {
    /// One sweep, which is to be over before `deadline`.
    ///
    /// # Errors
    /// Those of the table and the queue, once everybody else was seen to; the next sweep finds the
    /// same again.
    pub async fn sweep(&self, deadline: Timestamp) -> Result<Swept, PortError> {
        let now = self.duties.clock.now();
        let tenants = &self.duties.policy.roster.tenants;
        let known: BTreeSet<TenantId> = tenants.iter().map(|tenant| tenant.id).collect();
        let due = self.due.due_tenants(now).await?;
        for tenant in due.intersection(&known) {
            // Two sweeps of one minute ask once.
            self.later.see_to(*tenant, start_of(now), now).await?;
        }
        let mut swept = Swept { due: due.len(), ..Swept::default() };
        let turns = in_turn(tenants, minute(now)).map(|tenant| self.one(tenant, deadline));
        let mut turns = futures_util::stream::iter(turns).buffer_unordered(TENANTS_AT_ONCE);
        let mut first = None;
        while let Some(one) = turns.next().await {
            match one {
                Ok(Some(report)) => swept.turn += usize::from(report.look),
                Ok(None) => swept.left += 1,
                Err(error) => {
                    error!("{}", chain(&error));
                    first.get_or_insert(error);
                }
            }
        }
        if swept.left > 0 {
            warn!(tenants = swept.left, "left for the next sweep: time is short");
        }
        info!(due = swept.due, turn = swept.turn, "swept");
        first.map_or(Ok(swept), Err)
    }

    /// What is due in one tenant, or nothing where time is too short to begin. What was begun and
    /// is not over in time is due again.
    async fn one(&self, tenant: &Tenant, deadline: Timestamp) -> Result<Option<Report>, PortError> {
        let left = deadline.duration_since(self.duties.clock.now());
        let Some(limit) = budget::for_a_look(Duration::try_from(left).unwrap_or_default()) else {
            return Ok(None);
        };
        let swept = tokio::time::timeout(limit, self.duties.sweep(tenant)).await;
        let Ok(swept) = swept else {
            let said = format!("the sweep of {} took too long", tenant.name);
            return Err(PortError::new(Failure::Transient, said));
        };
        swept.map(Some)
    }
}

fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

/// The beginning of the minute: two sweeps of one minute ask for the same.
fn start_of(now: Timestamp) -> Timestamp {
    Timestamp::from_second(minute(now) * 60).unwrap_or(now)
}

/// The tenants, from another one on in each minute, so that nobody is always the last when time is
/// short. The beginnings lie as far from all the recent ones as can be, since they move on by the
/// golden ratio of the whole.
fn in_turn(tenants: &[Tenant], minute: i64) -> impl Iterator<Item = &Tenant> {
    // Two Fibonacci numbers that follow each other.
    const RATIO: (usize, usize) = (610, 987);
    let minute = usize::try_from(minute.rem_euclid(987)).unwrap_or(0);
    let part = minute * RATIO.0 % RATIO.1;
    let first = part * tenants.len() / RATIO.1;
    let (before, from) = tenants.split_at(first);
    from.iter().chain(before)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::domain::policy::Policy;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_772_600_000 / 60 * 60 + minute * 60 + 17).unwrap()
    }

    fn tenants(count: u32) -> Vec<Tenant> {
        let lines =
            (0..count).map(|n| format!("{{id: {n:08x}-0000-4000-8000-000000000000, name: T{n}}}"));
        let lines: Vec<String> = lines.collect();
        let policy = format!("version: 1\ntenants: [{}]\n", lines.join(", "));
        Policy::parse(&policy).unwrap().policy.roster.tenants.clone()
    }

    #[test]
    fn two_sweeps_of_a_minute_ask_for_the_same() {
        let (early, late) =
            (start_of(at(1)), start_of(at(1) + jiff::SignedDuration::from_secs(40)));
        assert_eq!(early, late);
        assert_ne!(early, start_of(at(2)));
    }

    #[test]
    fn everybody_has_a_turn_and_nobody_is_always_the_last() {
        let all = tenants(21);
        let mut first = BTreeSet::new();
        for minute in 0..21 {
            let turn: Vec<TenantId> = in_turn(&all, minute).map(|tenant| tenant.id).collect();
            let distinct: BTreeSet<TenantId> = turn.iter().copied().collect();
            assert_eq!((turn.len(), distinct.len()), (21, 21));
            first.extend(turn.into_iter().take(TENANTS_AT_ONCE));
        }
        assert_eq!(first.len(), 21);
        assert_eq!(in_turn(&[], 3).count(), 0);
    }

    #[test]
    fn whoever_was_left_is_reached_soon_however_many_there_are() {
        for (count, reached, within) in [(1000, 400, 3), (1000, 100, 18), (13, 8, 3)] {
            let all = tenants(count);
            let mut last: HashMap<TenantId, i64> = HashMap::new();
            for minute in 0..2000 {
                for tenant in in_turn(&all, minute).take(reached) {
                    let before = last.insert(tenant.id, minute).unwrap_or(-1);
                    assert!(minute - before <= within, "{} of {count}", minute - before);
                }
            }
            assert_eq!(last.len(), all.len());
            assert!(last.values().all(|minute| 2000 - minute <= within));
        }
    }
}
