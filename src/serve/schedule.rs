//! The schedule: sweeps each tenant when its turn comes, several tenants at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::domain::id::TenantId;
use crate::ports::{Failure, PortError, chain};
use crate::sweep::{Report, Sweep};

/// Tenants that are swept at once.
const TENANTS_AT_ONCE: usize = 4;

/// How long a sweep of one tenant may take before it counts as stuck.
const STUCK_AFTER: Duration = Duration::from_mins(10);

/// How long the rest of a sweep may take when the process is asked to stop.
const GRACE: Duration = Duration::from_secs(5);

pub(super) struct Schedule {
    pub(super) sweep: Arc<Sweep>,
    /// The pause after a sweep that the store or the queue refused.
    pub(super) retry_pause: SignedDuration,
}

impl Schedule {
    pub(super) async fn run(&self, stopping: &CancellationToken) {
        let tenants = &self.sweep.policy.roster.tenants;
        for tenant in tenants {
            if let Err(error) = self.sweep.meet(tenant).await {
                error!(tenant.name, "its first turn comes at once: {}", chain(&error));
            }
        }
        // A tenant without an entry has no turn, now or ever.
        let start = self.sweep.clock.now();
        let mut turns: BTreeMap<TenantId, Timestamp> =
            tenants.iter().map(|tenant| (tenant.id, start)).collect();
        let mut tasks: JoinSet<Result<Report, PortError>> = JoinSet::new();
        let mut jobs: BTreeMap<Id, TenantId> = BTreeMap::new();
        loop {
            let now = self.sweep.clock.now();
            while tasks.len() < TENANTS_AT_ONCE {
                let due = turns.iter().filter(|(_, at)| **at <= now).min_by_key(|(_, at)| **at);
                let Some(tenant) = due.map(|(tenant, _)| *tenant) else { break };
                turns.remove(&tenant);
                let sweep = Arc::clone(&self.sweep);
                jobs.insert(tasks.spawn(async move { one(&sweep, tenant).await }).id(), tenant);
            }
            let next = turns.values().min().filter(|_| tasks.len() < TENANTS_AT_ONCE);
            let pause = next.map(|at| Duration::try_from(at.duration_since(now)));
            let wait = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause.unwrap_or_default()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(done) = tasks.join_next_with_id() => {
                    let (id, done) = match done {
                        Ok((id, done)) => (id, Some(done)),
                        Err(panic) => (panic.id(), None),
                    };
                    if let Some(tenant) = jobs.remove(&id)
                        && let Some(next) = self.ended(done)
                    {
                        turns.insert(tenant, next);
                    }
                }
                () = wait => {}
                () = stopping.cancelled() => break,
            }
        }
        // What is not over by then is due again after the next start.
        let finish = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            warn!("stopping in the middle of a sweep; it is taken up again at the next start");
        }
    }

    /// When a tenant's next turn comes after a sweep.
    fn ended(&self, done: Option<Result<Report, PortError>>) -> Option<Timestamp> {
        let again = self.sweep.clock.now() + self.retry_pause;
        match done {
            Some(Ok(report)) => report.next,
            Some(Err(error)) => {
                error!("{}", chain(&error));
                Some(again)
            }
            None => {
                error!("a sweep ended early: a mistake in the program stopped it");
                Some(again)
            }
        }
    }
}

async fn one(sweep: &Sweep, tenant: TenantId) -> Result<Report, PortError> {
    let Some(tenant) = sweep.policy.roster.tenant(tenant) else { return Ok(Report::default()) };
    let swept = tokio::time::timeout(STUCK_AFTER, sweep.sweep(tenant)).await;
    swept.unwrap_or_else(|_| {
        let said = format!("the sweep of {} took too long", tenant.name);
        Err(PortError::new(Failure::Transient, said))
    })
}
