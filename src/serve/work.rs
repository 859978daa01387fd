//! The worker: one tenant at a time for each task, several tenants at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::domain::id::TenantId;
use crate::pipeline::look::{Patient, look_at, retry};
use crate::pipeline::{World, verify};
use crate::ports::{DueVerification, Look, PortError, Queue, chain};
use crate::sweep::Sweep;

/// Tenants that are looked at, at once.
const TENANTS_AT_ONCE: usize = 4;

/// How long a look may take before it counts as stuck.
const LEASE: SignedDuration = SignedDuration::from_mins(15);

/// The shortest pause until steps that wait are taken up. As often the stop switch is asked while it
/// holds any back.
const TAKE_UP_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// The pause after the store failed, and between looks for work that waits for a busy tenant.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

/// How long work under way may take when the process is asked to stop.
const GRACE: Duration = Duration::from_secs(20);

pub(super) struct Worker {
    pub(super) world: Arc<World>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) sweep: Arc<Sweep>,
    pub(super) settle_after: Option<SignedDuration>,
    pub(super) retry_pause: SignedDuration,
    /// Told when a signal arrived.
    pub(super) arrived: Arc<Notify>,
    /// Tells the courier that there may be something in the outbox.
    pub(super) written: Arc<Notify>,
}

/// What one task does for one tenant.
#[derive(Clone)]
enum Job {
    Look(Look),
    Verify(Vec<DueVerification>),
}

impl Worker {
    pub(super) async fn run(&self, stopping: &CancellationToken) {
        let mut tasks: JoinSet<Result<(), PortError>> = JoinSet::new();
        let mut jobs: HashMap<Id, (TenantId, Job)> = HashMap::new();
        loop {
            let pause = match self.start(&mut tasks, &mut jobs).await {
                Ok(pause) => pause,
                Err(error) => {
                    error!("{}", chain(&error));
                    Some(SHORT_PAUSE)
                }
            };
            let wait = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(done) = tasks.join_next_with_id() => self.ended(done, &mut jobs).await,
                () = self.arrived.notified() => {}
                () = wait => {}
                () = stopping.cancelled() => break,
            }
        }
        // What is not over by then is done again after the next start, like after a crash.
        let finish = async {
            while let Some(done) = tasks.join_next_with_id().await {
                self.ended(done, &mut jobs).await;
            }
        };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            warn!("stopping with work under way; it is taken up again at the next start");
        }
    }

    /// Starts what is due and free, and says how long there is nothing more to start.
    async fn start(
        &self,
        tasks: &mut JoinSet<Result<(), PortError>>,
        jobs: &mut HashMap<Id, (TenantId, Job)>,
    ) -> Result<Option<Duration>, PortError> {
        while tasks.len() < TENANTS_AT_ONCE {
            let busy: Vec<TenantId> = jobs.values().map(|(tenant, _)| *tenant).collect();
            let Some((tenant, job)) = self.next_job(&busy).await? else { break };
            let (world, queue) = (Arc::clone(&self.world), Arc::clone(&self.queue));
            let sweep = Arc::clone(&self.sweep);
            let patient = Patient {
                limit: Duration::try_from(LEASE).unwrap_or_default(),
                settle_after: self.settle_after,
                retry_pause: self.retry_pause,
                take_up_pause: TAKE_UP_PAUSE,
            };
            let task = job.clone();
            let handle = tasks.spawn(async move {
                match task {
                    Job::Look(look) => {
                        let again = sweep.heed(&look).await?;
                        look_at(&world, queue.as_ref(), &look, patient, again).await
                    }
                    Job::Verify(due) => verify(&world, tenant, &due).await.map(drop),
                }
            });
            jobs.insert(handle.id(), (tenant, job));
        }
        let next = [self.queue.next_due().await?, self.world.ledger.next_verification().await?];
        let now = self.world.clock.now();
        let pause = next
            .into_iter()
            .flatten()
            .min()
            .map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        // What is due and was not started waits for a tenant that is being worked on.
        Ok(pause.map(|pause| if pause.is_zero() { SHORT_PAUSE } else { pause }))
    }

    async fn next_job(&self, busy: &[TenantId]) -> Result<Option<(TenantId, Job)>, PortError> {
        let now = self.world.clock.now();
        if let Some(look) = self.queue.claim(now, LEASE, busy).await? {
            return Ok(Some((look.tenant, Job::Look(look))));
        }
        let mut due = self.world.ledger.due_verifications(now).await?;
        due.retain(|due| !busy.contains(&due.tenant));
        let Some(tenant) = due.first().map(|due| due.tenant) else { return Ok(None) };
        due.retain(|due| due.tenant == tenant);
        Ok(Some((tenant, Job::Verify(due))))
    }

    /// A task is over, well or by a panic.
    async fn ended(
        &self,
        done: Result<(Id, Result<(), PortError>), JoinError>,
        jobs: &mut HashMap<Id, (TenantId, Job)>,
    ) {
        let (id, error) = match done {
            Ok((id, Ok(()))) => (id, None),
            Ok((id, Err(error))) => (id, Some(chain(&error))),
            Err(panic) => (panic.id(), Some("a mistake in the program stopped it".to_owned())),
        };
        let job = jobs.remove(&id);
        self.written.notify_one();
        let Some(why) = error else { return };
        error!("a task ended early: {why}");
        if let Some((_, Job::Look(look))) = job {
            let due = self.world.clock.now() + self.retry_pause;
            if let Err(error) = retry(self.queue.as_ref(), &look, due, &why).await {
                error!("{}", chain(&error));
            }
        }
    }
}
