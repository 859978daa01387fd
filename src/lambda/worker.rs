//! The worker: a batch of the work queue, several tenants at once, each alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::{Instrument as _, error, info, info_span, warn};

use super::batch::{Arrived, OfTenant, coalesce, sort};
use super::budget;
use crate::domain::id::TenantId;
use crate::domain::signal::{Envelope, Signal};
use crate::domain::work::Work;
use crate::pipeline::deliver::{Desk, deliver};
use crate::pipeline::look::{Patient, look_at};
use crate::pipeline::{World, verify};
use crate::ports::{
    Bury, DueTenants, EndLook, Failure, Forward, Later, Lease, Look, Looks, NoteHeard, PortError,
    RememberLooks, Retried, Settle, Waiting, chain,
};
use crate::sweep::Sweep;

/// Tenants that are looked at, at once.
const TENANTS_AT_ONCE: usize = 4;

/// How often a look may be tried.
const ATTEMPTS_MAX: u32 = 10;

/// The shortest pause until steps that wait are taken up. As often the stop switch is asked while it
/// holds any back.
const TAKE_UP_PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// What a worker works with.
pub struct Worker {
    /// The world of the pipeline.
    pub world: World,
    /// The courier's desk.
    pub desk: Desk,
    /// Sees to subscriptions where a notification asks for it.
    pub sweep: Sweep,
    /// What senders have brought.
    pub heard: Arc<dyn NoteHeard>,
    /// One worker for each tenant at a time.
    pub lease: Arc<dyn Lease>,
    /// What is remembered of the looks at tenants.
    pub looks: Arc<dyn RememberLooks>,
    /// What is due.
    pub due: Arc<dyn DueTenants>,
    /// Where a worker is asked for later.
    pub later: Arc<dyn Later>,
    /// The work queue.
    pub forward: Arc<dyn Forward>,
    /// Where work is kept that cannot be done.
    pub bury: Arc<dyn Bury>,
    /// How long after a look the settling look comes, if it does.
    pub settle_after: Option<SignedDuration>,
    /// The pause before a look is tried again; each further one is twice as long.
    pub retry_pause: SignedDuration,
}

impl Worker {
    /// Works off a batch of the work queue that is to be answered before `deadline`. Returns the
    /// ids of the messages that are to come again: those of tenants for which time was too short,
    /// or whose work failed.
    pub async fn work(
        self: &Arc<Self>,
        messages: Vec<Arrived>,
        deadline: Timestamp,
    ) -> Vec<String> {
        let batch = sort(messages);
        let mut again = self.set_aside(batch.poison).await;
        let mut waiting = batch.tenants.into_iter();
        let mut tasks: JoinSet<Result<(), PortError>> = JoinSet::new();
        let mut running: HashMap<Id, (TenantId, Vec<String>)> = HashMap::new();
        loop {
            while tasks.len() < TENANTS_AT_ONCE {
                let Some(of_tenant) = waiting.next() else { break };
                let Some(limit) = budget::for_a_look(self.left(deadline)) else {
                    info!(tenant.id = %of_tenant.tenant, "left for another time: it is short");
                    again.extend(of_tenant.messages);
                    continue;
                };
                let (tenant, messages) = (of_tenant.tenant, of_tenant.messages.clone());
                let span = info_span!("work", tenant.id = %tenant, messages = messages.len());
                let this = Arc::clone(self);
                let task = async move { this.tenant(of_tenant, deadline, limit).await };
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
            let forwarded = if let Ok(work) = serde_json::from_str::<Work>(&message.body) {
                // Its own id keeps what is delivered twice from being forwarded twice.
                self.forward.forward(&message.id, &work).await
            } else {
                let why = "no message that this version can read";
                error!(message.id, "kept among the dead letters: {why}");
                self.bury.bury(&message.id, "unreadable", &message.body, why).await
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

    /// Keeps a look that was tried in vain among the dead letters, to be tried anew when it is
    /// redriven.
    async fn bury_look(
        &self,
        tenant: TenantId,
        waiting: &Waiting,
        why: &str,
    ) -> Result<(), PortError> {
        let work = match &waiting.first {
            Some(first) => Work::Signal(Box::new(first.clone())),
            None => Work::due(tenant),
        };
        let body = serde_json::to_string(&work).map_err(|error| {
            PortError::new(Failure::Refused, "a look cannot be written").because(error)
        })?;
        let now = self.world.clock.now().as_millisecond();
        let id = format!("{}-{now}", waiting.subject.as_str());
        self.bury.bury(&id, &tenant.to_string(), &body, why).await
    }

    fn left(&self, deadline: Timestamp) -> Duration {
        let left = deadline.duration_since(self.world.clock.now());
        Duration::try_from(left).unwrap_or_default()
    }

    /// Everything that is due in one tenant, while nobody else works on it.
    async fn tenant(
        &self,
        of_tenant: OfTenant,
        deadline: Timestamp,
        limit: Duration,
    ) -> Result<(), PortError> {
        let tenant = of_tenant.tenant;
        // Whoever holds it is over with its invocation.
        if !self.lease.hold(tenant, self.world.clock.now(), deadline).await? {
            let said = "another worker sees to the tenant";
            return Err(PortError::new(Failure::Transient, said));
        }
        let done = self.held(of_tenant, deadline, limit).await;
        if let Err(error) = self.lease.let_go(tenant).await {
            // It runs out by itself.
            warn!("the tenant is not let go of: {}", chain(&error));
        }
        done
    }

    async fn held(
        &self,
        of_tenant: OfTenant,
        deadline: Timestamp,
        limit: Duration,
    ) -> Result<(), PortError> {
        let tenant = of_tenant.tenant;
        let signals = of_tenant.signals.iter().filter_map(|waiting| waiting.first.as_ref());
        let signals: Vec<&Signal> = signals.map(|Envelope::V1 { signal }| signal).collect();
        self.heard.note_heard(&signals).await?;
        let looks = self.looks.looks(tenant).await?;
        let sorted = looks.sort(of_tenant.signals, self.world.clock.now(), self.settle_after);
        let looks = match sorted.joined {
            Some(joined) => {
                self.looks.remember(tenant, &joined).await?;
                joined
            }
            None => looks,
        };
        if !sorted.look.is_empty() {
            let look = Look { tenant, waiting: coalesce(sorted.look) };
            let patient = Patient {
                limit,
                settle_after: self.settle_after,
                retry_pause: self.retry_pause,
                take_up_pause: TAKE_UP_PAUSE,
            };
            let begun = self.world.clock.now();
            let ending = Ending { worker: self, begun, looks };
            let again = self.sweep.heed(&look).await?;
            look_at(&self.world, &ending, &look, patient, again).await?;
        }
        self.verify(tenant).await?;
        self.deliver(deadline).await
    }

    /// Reads again what is due to be, and asks for the next time.
    async fn verify(&self, tenant: TenantId) -> Result<(), PortError> {
        let now = self.world.clock.now();
        let due = self.due.due_verifications_of(tenant, now).await?;
        if due.is_empty() {
            return Ok(());
        }
        match verify(&self.world, tenant, &due).await? {
            Some(next) => self.later.see_to(tenant, next, self.world.clock.now()).await,
            None => Ok(()),
        }
    }

    /// Delivers what is due, as far as time reaches. What was handed out and not delivered is
    /// handed out again after a while.
    async fn deliver(&self, deadline: Timestamp) -> Result<(), PortError> {
        let all = async {
            loop {
                let due = self.desk.outbox.due(self.desk.clock.now()).await?;
                if due.is_empty() {
                    return Ok(());
                }
                deliver(&self.desk, due).await?;
            }
        };
        let limit = self.left(deadline).saturating_sub(budget::RESERVE);
        tokio::time::timeout(limit, all).await.unwrap_or_else(|_| {
            warn!("time is up: the rest of the messages is delivered later");
            Ok(())
        })
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

/// The end of one look.
struct Ending<'a> {
    worker: &'a Worker,
    /// When the snapshot was begun, or a moment before.
    begun: Timestamp,
    /// What was remembered before.
    looks: Looks,
}

impl Ending<'_> {
    /// Remembers what became of the look, and asks for a worker for what is still to come.
    async fn remember(&self, tenant: TenantId, looks: &Looks) -> Result<(), PortError> {
        self.worker.looks.remember(tenant, looks).await?;
        match looks.next_due() {
            Some(due) => self.worker.later.see_to(tenant, due, self.worker.world.clock.now()).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl EndLook for Ending<'_> {
    async fn complete(
        &self,
        look: &Look,
        now: Timestamp,
        settle: Settle,
        take_up: Option<Timestamp>,
    ) -> Result<(), PortError> {
        let looks = self.looks.clone();
        let looks = match settle {
            Settle::After(pause) => looks.after(&look.waiting, self.begun, Some(now + pause)),
            Settle::No => looks.after(&look.waiting, self.begun, None),
            // There is no snapshot that could satisfy anything.
            Settle::Unread => looks.without(&look.waiting),
        };
        let looks = match (take_up, settle) {
            (None, Settle::Unread) => looks,
            (at, _) => looks.taking_up(at),
        };
        self.remember(look.tenant, &looks).await
    }

    async fn retry(&self, look: &Look, due: Timestamp, why: &str) -> Result<Retried, PortError> {
        let (spent, left): (Vec<Waiting>, Vec<Waiting>) =
            look.waiting.iter().cloned().partition(|waiting| waiting.attempts >= ATTEMPTS_MAX);
        for waiting in &spent {
            self.worker.bury_look(look.tenant, waiting, why).await?;
        }
        let looks = self.looks.clone().without(&spent).again(&left, due);
        self.remember(look.tenant, &looks).await?;
        Ok(if spent.is_empty() { Retried::Later } else { Retried::Buried })
    }
}
