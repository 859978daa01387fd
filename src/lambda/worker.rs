//! The worker: a batch of the work queue, several tenants at once, each alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::{Instrument as _, error, info, info_span, warn};

use super::batch::{Arrived, Due, sort};
use super::budget;
use crate::domain::errand::{Errand, Queued, Task};
use crate::domain::id::TenantId;
use crate::domain::signal::Subject;
use crate::pipeline::deliver::{Desk, deliver};
use crate::pipeline::look::{Patient, look_at};
use crate::pipeline::{World, verify};
use crate::ports::{
    Bury, EndLook, Failure, Forward, Later, Leases, Look, Moments, PortError, Retried, Settle,
    Waiting, chain,
};

/// Tenants that are looked at, at once.
const TENANTS_AT_ONCE: usize = 4;

/// The name under which it is remembered when the last complete snapshot was begun.
const LOOKED: &str = "looked";

/// How often a look may be tried.
const ATTEMPTS_MAX: u32 = 10;

/// The longest that the queue of what was put off can wait.
pub const LATER_MAX: SignedDuration = SignedDuration::from_mins(15);

/// What a worker works with.
pub struct Worker {
    /// The world of the pipeline.
    pub world: World,
    /// The courier's desk.
    pub desk: Desk,
    /// The work queue.
    pub forward: Arc<dyn Forward>,
    /// The queue of what is put off.
    pub later: Arc<dyn Later>,
    /// Where work is kept that cannot be done.
    pub bury: Arc<dyn Bury>,
    /// How far each tenant was looked at.
    pub moments: Arc<dyn Moments>,
    /// Who works on a tenant.
    pub leases: Arc<dyn Leases>,
    /// How long after a look the settling look comes, if it does.
    pub settle_after: Option<SignedDuration>,
    /// The pause before a look is tried again; each further one is twice as long.
    pub retry_pause: SignedDuration,
}

/// One invocation: whose it is, and until when it lasts.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Its id.
    pub id: String,
    /// When Lambda ends it.
    pub deadline: Timestamp,
}

impl Worker {
    /// Works off a batch of the work queue. Returns the ids of the messages that are to come again:
    /// those of tenants for which time was too short, or whose work failed.
    pub async fn work(self: &Arc<Self>, messages: Vec<Arrived>, by: &Invocation) -> Vec<String> {
        let batch = sort(messages);
        let mut again = self.set_aside(batch.poison).await;
        let mut waiting = batch.tenants.into_iter();
        let mut tasks: JoinSet<Result<(), PortError>> = JoinSet::new();
        let mut running: HashMap<Id, (TenantId, Vec<String>)> = HashMap::new();
        loop {
            while tasks.len() < TENANTS_AT_ONCE {
                let Some(due) = waiting.next() else { break };
                let Some(limit) = budget::for_a_look(self.left(by)) else {
                    info!(tenant.id = %due.tenant, "left for the next batch: time is short");
                    again.extend(due.messages);
                    continue;
                };
                let (tenant, messages) = (due.tenant, due.messages.clone());
                let span = info_span!("tenant", tenant.id = %tenant, messages = messages.len());
                let (this, by) = (Arc::clone(self), by.clone());
                let task = async move { this.tenant(due, &by, limit).await };
                running.insert(tasks.spawn(task.instrument(span)).id(), (tenant, messages));
            }
            let Some(done) = tasks.join_next_with_id().await else { break };
            again.extend(ended(done, &mut running));
        }
        again
    }

    /// Puts what was put off, and is due now, into the work queue. Returns what could not be.
    pub async fn forward(&self, messages: Vec<Arrived>) -> Vec<String> {
        let mut again = Vec::new();
        for message in messages {
            let forwarded = match serde_json::from_str::<Queued>(&message.body) {
                // Its own id keeps a message that is delivered twice from being forwarded twice.
                Ok(queued) => self.forward.forward(&message.id, &queued).await,
                Err(_) => {
                    let why = "no message this version can read";
                    error!(message.id, "kept among the dead letters: {why}");
                    self.bury.bury(&message.id, "unreadable", &message.body, why).await
                }
            };
            if let Err(error) = forwarded {
                error!(message.id, "not forwarded: {}", chain(&error));
                again.push(message.id);
            }
        }
        again
    }

    /// Keeps what cannot be read among the dead letters. What cannot be kept comes again.
    async fn set_aside(&self, poison: Vec<(Arrived, String)>) -> Vec<String> {
        let mut again = Vec::new();
        for (message, why) in poison {
            error!(message.id, "kept among the dead letters: {why}");
            let Arrived { id, group, body } = message;
            if let Err(error) = self.bury.bury(&id, &group, &body, &why).await {
                error!(message.id = id, "not kept: {}", chain(&error));
                again.push(id);
            }
        }
        again
    }

    fn left(&self, by: &Invocation) -> Duration {
        let left = by.deadline.duration_since(self.world.clock.now());
        Duration::try_from(left).unwrap_or_default()
    }

    /// Everything that is due in one tenant, while nobody else works on it.
    async fn tenant(&self, due: Due, by: &Invocation, limit: Duration) -> Result<(), PortError> {
        let (tenant, now) = (due.tenant, self.world.clock.now());
        // Whoever holds it is over with its invocation.
        if !self.leases.take(tenant, &by.id, now, by.deadline).await? {
            let said = "another invocation works on the tenant";
            return Err(PortError::new(Failure::Transient, said));
        }
        let done = self.leased(due, limit).await;
        let released = self.leases.release(tenant, &by.id).await;
        if let Err(error) = released {
            // It runs out by itself.
            warn!("the tenant is not given back: {}", chain(&error));
        }
        done
    }

    async fn leased(&self, mut due: Due, limit: Duration) -> Result<(), PortError> {
        let tenant = due.tenant;
        self.drop_satisfied(&mut due).await?;
        if due.reasons.is_empty() {
            info!("nothing to look for that is not seen, or will not be");
        } else {
            self.look(due, limit).await?;
        }
        self.verify(tenant).await?;
        self.deliver().await
    }

    async fn drop_satisfied(&self, due: &mut Due) -> Result<(), PortError> {
        let tenant = due.tenant;
        let looked = self.moments.moment(tenant, LOOKED).await?;
        let mut settles_at = BTreeMap::new();
        for reason in due.reasons.iter().filter(|reason| !reason.put_off) {
            let subject = &reason.waiting.subject;
            if let Some(at) = self.moments.moment(tenant, &settles(subject)).await? {
                settles_at.insert(subject.clone(), at);
            }
        }
        due.drop_satisfied(self.world.clock.now(), looked, &settles_at);
        Ok(())
    }

    async fn look(&self, due: Due, limit: Duration) -> Result<(), PortError> {
        let settling: Vec<Subject> = due
            .reasons
            .iter()
            .filter(|reason| reason.settles && !reason.waiting.settling)
            .map(|reason| reason.waiting.subject.clone())
            .collect();
        let waiting = due.reasons.into_iter().map(|reason| reason.waiting).collect();
        let look = Look { tenant: due.tenant, waiting };
        let patient =
            Patient { limit, settle_after: self.settle_after, retry_pause: self.retry_pause };
        let ending = Ending { worker: self, begun: self.world.clock.now(), settling };
        look_at(&self.world, &ending, &look, patient).await
    }

    /// Reads again what is due to be, and puts the next time off.
    async fn verify(&self, tenant: TenantId) -> Result<(), PortError> {
        let now = self.world.clock.now();
        let mut due = self.world.ledger.due_verifications(now).await?;
        due.retain(|due| due.tenant == tenant);
        if due.is_empty() {
            return Ok(());
        }
        let next = verify(&self.world, tenant, &due).await?;
        // What is further away is found by the sweep, when it is due.
        if let Some(due) = next.filter(|next| next.duration_since(now) <= LATER_MAX) {
            self.later.later(vec![Errand { tenant, due, task: Task::Verify }], now).await?;
        }
        Ok(())
    }

    async fn deliver(&self) -> Result<(), PortError> {
        let due = self.desk.outbox.due(self.desk.clock.now()).await?;
        deliver(&self.desk, due).await
    }
}

/// A task is over, well or by a panic. Returns the messages that are to come again.
fn ended(
    done: Result<(Id, Result<(), PortError>), JoinError>,
    running: &mut HashMap<Id, (TenantId, Vec<String>)>,
) -> Vec<String> {
    let (id, error) = match done {
        Ok((id, Ok(()))) => (id, None),
        Ok((id, Err(error))) => (id, Some(chain(&error))),
        Err(panic) => (panic.id(), Some("a mistake in the program stopped it".to_owned())),
    };
    let Some((tenant, messages)) = running.remove(&id) else { return Vec::new() };
    let Some(why) = error else { return Vec::new() };
    error!(tenant.id = %tenant, "the tenant's work comes again: {why}");
    messages
}

/// The name under which a subject's next look is remembered: the settling one, or the next try.
fn settles(subject: &Subject) -> String {
    format!("settles/{}", subject.as_str())
}

/// The end of one look.
struct Ending<'a> {
    worker: &'a Worker,
    /// When the snapshot was begun, or a moment before.
    begun: Timestamp,
    /// The subjects that want a settling look.
    settling: Vec<Subject>,
}

impl Ending<'_> {
    /// Puts looks off, and remembers that they come, so that further signals of their subjects wait
    /// for them. In this order: a signal never waits for a look that is not to come.
    async fn put_off(
        &self,
        tenant: TenantId,
        tasks: Vec<Task>,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let subjects: Vec<Subject> = tasks
            .iter()
            .filter_map(|task| match task {
                Task::Look { subject, .. } => Some(subject.clone()),
                Task::Verify => None,
            })
            .collect();
        let errands = tasks.into_iter().map(|task| Errand { tenant, due, task }).collect();
        self.worker.later.later(errands, now).await?;
        for subject in subjects {
            self.worker.moments.set_moment(tenant, &settles(&subject), due).await?;
        }
        Ok(())
    }
}

fn unwritable(error: serde_json::Error) -> PortError {
    PortError::new(Failure::Unintelligible, "an errand cannot be written").because(error)
}

/// The task of making a look again.
fn again(waiting: &Waiting, attempts: u32) -> Task {
    Task::Look {
        subject: waiting.subject.clone(),
        signals: waiting.signals,
        settling: waiting.settling,
        first: waiting.first.clone().map(crate::domain::signal::Envelope::signal),
        attempts,
    }
}

#[async_trait]
impl EndLook for Ending<'_> {
    async fn complete(&self, look: &Look, now: Timestamp, settle: Settle) -> Result<(), PortError> {
        if let Settle::After(pause) = settle
            && !self.settling.is_empty()
        {
            let tasks = self.settling.iter().map(|subject| Task::Look {
                subject: subject.clone(),
                signals: 0,
                settling: true,
                first: None,
                attempts: 0,
            });
            self.put_off(look.tenant, tasks.collect(), now + pause, now).await?;
        }
        self.worker.moments.set_moment(look.tenant, LOOKED, self.begun).await
    }

    async fn retry(&self, look: &Look, due: Timestamp, why: &str) -> Result<Retried, PortError> {
        let (worker, tenant) = (self.worker, look.tenant);
        let now = worker.world.clock.now();
        let (spent, left): (Vec<&Waiting>, Vec<&Waiting>) =
            look.waiting.iter().partition(|waiting| waiting.attempts >= ATTEMPTS_MAX);
        for waiting in &spent {
            // Counted from the beginning when it is redriven.
            let errand = Errand { tenant, due, task: again(waiting, 0) };
            let body = serde_json::to_string(&Queued::Errand { errand }).map_err(unwritable)?;
            let id = format!("{}/{}", waiting.subject.as_str(), now.as_millisecond());
            worker.bury.bury(&id, &tenant.to_string(), &body, why).await?;
        }
        if !left.is_empty() {
            let tasks = left.iter().map(|waiting| again(waiting, waiting.attempts)).collect();
            self.put_off(tenant, tasks, due, now).await?;
        }
        Ok(if spent.is_empty() { Retried::Later } else { Retried::Buried })
    }
}
