//! What happens by schedule, one tenant at a time: the periodic look, the poll of the audit log,
//! and the subscriptions. `serve` calls it when something is due, a Lambda function for every
//! tenant at every tick.
//!
//! Everything here looks or makes somebody look. Nothing here can revoke.

mod agreement;
mod alone;
mod audits;
mod kept;
mod subscriptions;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

pub use self::agreement::{Agreement, Standing};
pub use self::alone::Gates;
pub use self::audits::Polled;
pub use self::subscriptions::{Failed, LastKnown, Live, Subscribing, Tended};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::phase;
use crate::domain::policy::Policy;
use crate::domain::roster::Tenant;
use crate::ports::{Clock, Enqueue, Marks, PortError, PruneRecords, ReadAudits, ReadHeard, chain};
use crate::wire::schedule;

/// How soon a poll that stopped half way goes on: as soon as the tenant's requests of the last
/// poll no longer count.
const GO_ON_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// How often it is looked whether records were kept long enough.
const PRUNE_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The same trouble is told once in this time.
const TELL_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// How often each duty comes round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The look at everything a partner may do; never if nothing.
    pub look_every: Option<SignedDuration>,
    /// The poll of the audit log; never if nothing.
    pub poll_every: Option<SignedDuration>,
    /// Seeing to the subscriptions.
    pub tend_every: SignedDuration,
    /// How far back a poll reaches behind the one before it. An event that shows up in the audit
    /// log later than this after it happened is found by the periodic look only.
    pub overlap: SignedDuration,
    /// How much later than the poll a forwarder may bring an event.
    pub tolerance: SignedDuration,
}

impl Times {
    /// The times that follow from how often to look and to poll.
    ///
    /// Audit events were said to be visible within 5 minutes in 99 of 100 cases; Microsoft gives
    /// no number any more, and forwarders add to it.
    pub fn new(look_every: Option<SignedDuration>, poll_every: Option<SignedDuration>) -> Self {
        let hour = SignedDuration::from_hours(1);
        Self {
            look_every,
            poll_every,
            tend_every: look_every.unwrap_or(hour).min(hour),
            overlap: hour,
            tolerance: SignedDuration::from_mins(30),
        }
    }
}

/// What the sweep needs.
pub struct Sweep {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The tenants.
    pub policy: Arc<Policy>,
    /// The application ids this program signs in with.
    pub own_apps: Vec<String>,
    /// What is remembered of each.
    pub marks: Arc<dyn Marks>,
    /// What senders have brought.
    pub heard: Arc<dyn ReadHeard>,
    /// Where reasons to look go.
    pub enqueue: Arc<dyn Enqueue>,
    /// What removes records that were kept long enough.
    pub prune: Arc<dyn PruneRecords>,
    /// The audit logs.
    pub audits: Arc<dyn ReadAudits>,
    /// How to subscribe; nothing where Graph is not told where to reach us.
    pub subscribing: Option<Subscribing>,
    /// How often.
    pub times: Times,
    /// Lets one at a time see to the subscriptions of a tenant.
    pub gates: Gates,
    /// Which subscriptions were last known to stand.
    pub last_known: LastKnown,
}

/// What was done for one tenant, with the figures to measure.
#[derive(Debug, Default)]
pub struct Report {
    /// Whether the periodic look was queued.
    pub look: bool,
    /// How the poll went, if it was due.
    pub polled: Option<Polled>,
    /// How poll and senders agree, after a poll.
    pub agreement: Option<Agreement>,
    /// How many records were removed, if that was due.
    pub pruned: Option<u64>,
    /// How it stands with the subscriptions, if that was due.
    pub tended: Option<Tended>,
    /// When something will be due again; nothing if nothing ever is.
    pub next: Option<Timestamp>,
}

/// When each duty was last done for a tenant.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Turns {
    /// When the tenant was met, if its first turns come one interval after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    met: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    looked: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    polled: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tended: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pruned: Option<Timestamp>,
    /// A poll stopped half way at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    half_way: Option<Timestamp>,
}

/// What was told about a tenant, by topic.
type Told = BTreeMap<String, Telling>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Telling {
    at: Timestamp,
    text: String,
}

impl Sweep {
    /// Lets a tenant that is new have its first look and its first poll one interval from now, not
    /// at once: a process that a person has just started listens before it looks by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn meet(&self, tenant: &Tenant) -> Result<(), PortError> {
        let now = self.clock.now();
        self.done(tenant.id, |turns| {
            let known = [turns.met, turns.looked, turns.polled].iter().any(Option::is_some);
            if !known {
                turns.met = Some(now);
            }
        })
        .await
    }

    /// Does what is due for a tenant. What cannot be done now is told and done at its next turn.
    ///
    /// # Errors
    /// Those of store and queue. Whatever Graph does is part of the report.
    pub async fn sweep(&self, tenant: &Tenant) -> Result<Report, PortError> {
        let mut report = Report::default();
        let turns = kept::read::<Turns>(self.marks.as_ref(), tenant.id, kept::TURNS).await?;
        let turns = turns.value.unwrap_or_default();
        if let Some(now) = self.is_due(tenant.id, Duty::Look, &turns) {
            self.enqueue.enqueue(vec![schedule::sweep(tenant.id, now)]).await?;
            self.done(tenant.id, |turns| turns.looked = Some(now)).await?;
            report.look = true;
        }
        if let Some(now) = self.is_due(tenant.id, Duty::Tend, &turns) {
            let tended = self.tend(tenant, false).await?;
            self.cover(tenant, &tended).await?;
            tended.measure(tenant, &self.last_known, now);
            if !tended.elsewhere {
                self.done(tenant.id, |turns| turns.tended = Some(now)).await?;
            }
            report.tended = Some(tended);
        }
        if let Some(now) = self.is_due(tenant.id, Duty::Poll, &turns) {
            let (polled, found) = self.poll(tenant, report.look).await?;
            let half_way = polled.more.then(|| self.clock.now());
            self.done(tenant.id, |turns| (turns.polled, turns.half_way) = (Some(now), half_way))
                .await?;
            report.agreement = self.compare(tenant, &found).await?;
            report.polled = Some(polled);
        }
        if let Some((now, keep)) = self.is_due(tenant.id, Duty::Prune, &turns).zip(self.policy.keep)
        {
            report.pruned = Some(self.pruned(tenant, now, keep).await?);
            self.done(tenant.id, |turns| turns.pruned = Some(now)).await?;
        }
        let turns = kept::read::<Turns>(self.marks.as_ref(), tenant.id, kept::TURNS).await?;
        report.next = self.next(tenant.id, &turns.value.unwrap_or_default());
        Ok(report)
    }

    /// Removes the records that were kept long enough; says how many.
    async fn pruned(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        keep: SignedDuration,
    ) -> Result<u64, PortError> {
        // What is kept for longer than there is time to reckon with is kept for ever.
        let Ok(before) = now.checked_sub(keep) else { return Ok(0) };
        let pruned = self.prune.prune(tenant.id, before).await?;
        if pruned > 0 {
            info!(
                tenant.name,
                records = pruned,
                "records were removed after they were kept long enough"
            );
        }
        Ok(pruned)
    }

    /// The present moment, if a duty is due.
    fn is_due(&self, tenant: TenantId, duty: Duty, turns: &Turns) -> Option<Timestamp> {
        let now = self.clock.now();
        (self.due(tenant, duty, turns, now)? <= now).then_some(now)
    }

    fn next(&self, tenant: TenantId, turns: &Turns) -> Option<Timestamp> {
        let now = self.clock.now();
        let duties = [Duty::Look, Duty::Tend, Duty::Poll, Duty::Prune];
        duties.into_iter().filter_map(|duty| self.due(tenant, duty, turns, now)).min()
    }

    fn due(
        &self,
        tenant: TenantId,
        duty: Duty,
        turns: &Turns,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (name, every, last) = match duty {
            Duty::Look => ("look", self.times.look_every?, turns.looked),
            Duty::Poll => ("poll", self.times.poll_every?, turns.polled),
            Duty::Tend => {
                self.subscribing.as_ref()?;
                ("tend", self.times.tend_every, turns.tended)
            }
            Duty::Prune => {
                self.policy.keep?;
                ("prune", PRUNE_EVERY, turns.pruned)
            }
        };
        let due = match (last, turns.met, duty) {
            (None, Some(met), Duty::Look | Duty::Poll) => met + every,
            _ => phase::due(tenant, name, every, last, now),
        };
        match (duty, turns.half_way) {
            (Duty::Poll, Some(at)) => Some(due.min(at + GO_ON_AFTER)),
            _ => Some(due),
        }
    }

    async fn done(&self, tenant: TenantId, note: impl Fn(&mut Turns)) -> Result<(), PortError> {
        kept::change(self.marks.as_ref(), tenant, kept::TURNS, note).await
    }

    /// Tells of a trouble once a day, and once when it is over; louder of one that is `lasting`, which
    /// does not pass before somebody has mended something.
    async fn tell(
        &self,
        tenant: &Tenant,
        topic: &str,
        trouble: Option<String>,
        lasting: bool,
    ) -> Result<(), PortError> {
        let kept = kept::read::<Told>(self.marks.as_ref(), tenant.id, kept::TOLD).await?;
        let told = kept.value.unwrap_or_default();
        let now = self.clock.now();
        let before = told.get(topic);
        let Some(text) = trouble else {
            if before.is_some() {
                info!(tenant.name, topic, "it works again");
                let over = |told: &mut Told| drop(told.remove(topic));
                kept::change(self.marks.as_ref(), tenant.id, kept::TOLD, over).await?;
            }
            return Ok(());
        };
        let digest = Sha256Hex::of(text.as_bytes()).short().to_owned();
        if before.is_some_and(|before| {
            before.text == digest && now.duration_since(before.at) < TELL_AGAIN_AFTER
        }) {
            return Ok(());
        }
        if lasting {
            error!(tenant.name, topic, code = topic, "{text}");
        } else {
            warn!(tenant.name, topic, "{text}");
        }
        let tell = |told: &mut Told| {
            told.insert(topic.to_owned(), Telling { at: now, text: digest.clone() });
        };
        kept::change(self.marks.as_ref(), tenant.id, kept::TOLD, tell).await
    }
}

#[derive(Debug, Clone, Copy)]
enum Duty {
    Look,
    Poll,
    Tend,
    Prune,
}

/// What is told of a failure.
fn words(error: &PortError) -> String {
    chain(error)
}
