//! Sees to it that each tenant has its subscriptions: plans, and does just that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use tracing::{error, info};

use super::alone::Alone;
use super::{Sweep, kept, words};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::roster::Tenant;
use crate::domain::secret::Secret;
use crate::domain::signal::Subject;
use crate::domain::subscription::{
    Action, LIFE, Made, Resource, Subscription, Wanted, is_ours, plan, resources,
};
use crate::domain::text::count;
use crate::ports::{Created, Failure, Look, PortError, ReadSubscriptions, WriteSubscriptions};
use crate::telemetry::metric;
use crate::wire::graph::client_state;
use crate::wire::schedule;

/// By what it is known in the log that subscriptions are gone.
const GONE: &str = "subscription-gone";

/// How to subscribe.
#[derive(Clone)]
pub struct Subscribing {
    /// Which subscriptions there are.
    pub read: Arc<dyn ReadSubscriptions>,
    /// Makes, renews and deletes them.
    pub write: Arc<dyn WriteSubscriptions>,
    /// Where Graph reaches `/hooks/graph`.
    pub url: String,
    /// The current key of `clientState`.
    pub key: Secret,
}

impl Subscribing {
    /// Tells the key for this tenant from any other; the key cannot be told from it.
    fn fingerprint(&self, tenant: TenantId) -> String {
        Sha256Hex::of(client_state(&self.key, tenant).as_bytes()).short().to_owned()
    }
}

/// A subscription that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// What it is about.
    pub resource: Resource,
    /// When it ends. The hours until then are what to measure.
    pub expires_at: Timestamp,
}

/// Something that could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// What was to be done.
    pub action: String,
    /// Why it was not, with the mend.
    pub why: String,
    /// Whether it may work later without anybody doing anything.
    pub may_pass: bool,
}

/// How it stands with a tenant's subscriptions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tended {
    /// What was done.
    pub done: Vec<String>,
    /// What could not be done.
    pub failed: Vec<Failed>,
    /// Those that stand.
    pub live: Vec<Live>,
    /// Whether changes may have gone unheard before they stood: a look from now on covers them.
    pub gap: bool,
    /// Whether they could not be listed, for a reason that may pass: which of them stand is not
    /// known.
    #[serde(skip)]
    pub unknown: bool,
    /// Whether another process sees to them at this moment, and nothing was done here.
    #[serde(skip)]
    pub elsewhere: bool,
}

/// Which subscriptions of each tenant were last known to stand.
#[derive(Debug, Default)]
pub struct LastKnown(Mutex<BTreeMap<TenantId, Vec<Live>>>);

impl LastKnown {
    /// Those that stand, as far as is known: where they could not be listed in passing, those of the
    /// time before. Nothing where there was none.
    fn now(&self, tenant: TenantId, tended: &Tended) -> Option<Vec<Live>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tended.unknown {
            return all.get(&tenant).cloned();
        }
        all.insert(tenant, tended.live.clone());
        Some(tended.live.clone())
    }
}

impl Tended {
    /// Tells what failed, and how long each subscription lives. One that is not there counts as
    /// ended; where it is only in passing that they cannot be listed, those of the time before
    /// count until their end, and if nothing is known of that time, nothing is told.
    pub(super) fn measure(&self, tenant: &Tenant, last: &LastKnown, now: Timestamp) {
        metric::unsubscribed(tenant.id, self.failed.len());
        let Some(all) = last.now(tenant.id, self) else { return };
        for resource in resources(tenant.side) {
            let live = all.iter().filter(|live| live.resource == *resource);
            let left = live.map(|live| live.expires_at.duration_since(now)).max();
            metric::subscribed(tenant.id, resource.path(), left.unwrap_or_default());
        }
    }

    /// Whether trying again soon may help.
    pub fn may_pass(&self) -> bool {
        self.failed.iter().any(|failed| failed.may_pass)
    }
}

/// The subscriptions of a tenant as they are now being changed.
struct Tending<'a> {
    sweep: &'a Sweep,
    by: &'a Subscribing,
    tenant: &'a Tenant,
    key: String,
    /// Whether notifications may have gone to nobody.
    gap: bool,
    live: BTreeMap<String, Live>,
}

impl Sweep {
    /// Makes, renews, makes anew and deletes subscriptions until a tenant has those it is to
    /// have. With `reauthorize`, Graph has asked for that. Where there was a gap, the tenant is
    /// to be looked at afterwards; [`Sweep::cover`] sees to that. A tenant that is to have none
    /// and has none of ours, as far as is remembered, is not asked.
    ///
    /// # Errors
    /// Those of the store. Whatever Graph does is part of what is returned.
    pub async fn tend(&self, tenant: &Tenant, reauthorize: bool) -> Result<Tended, PortError> {
        let Some(by) = &self.subscribing else { return Ok(Tended::default()) };
        let (marks, now) = (self.marks.as_ref(), || self.clock.now());
        if resources(tenant.side).is_empty() {
            let made = self.made(tenant).await?;
            if made.values().all(|made| made.granted_until <= now()) {
                return Ok(Tended::default());
            }
        }
        let Some(alone) = self.gates.enter(marks, tenant.id, now).await? else {
            info!(tenant.name, "another process sees to the subscriptions");
            let action = "see to the subscriptions".to_owned();
            let why = "another process does at this moment".to_owned();
            let failed = vec![Failed { action, why, may_pass: true }];
            return Ok(Tended { failed, unknown: true, elsewhere: true, ..Tended::default() });
        };
        let tended = self.tend_alone(tenant, by, reauthorize, &alone).await;
        self.gates.leave(marks, tenant.id, alone, self.clock.now()).await;
        tended
    }

    async fn tend_alone(
        &self,
        tenant: &Tenant,
        by: &Subscribing,
        reauthorize: bool,
        alone: &Alone,
    ) -> Result<Tended, PortError> {
        let mut tended = Tended::default();
        let listed = by.read.subscriptions(tenant.id).await;
        if let Some(error) = &listed.failure {
            tended.failed.push(failed("list the subscriptions", error));
            tended.unknown = tended.may_pass();
            self.tell_of(tenant, &tended).await?;
            return Ok(tended);
        }
        let marks = self.marks.as_ref();
        let gone = self.gone(tenant, &listed.items).await?;
        let known = |made: &mut BTreeMap<String, Made>| {
            made.retain(|id, _| listed.items.iter().any(|it| it.id == *id));
        };
        kept::change(marks, tenant.id, kept::SUBSCRIPTIONS, known).await?;
        let made = self.made(tenant).await?;
        let key = by.fingerprint(tenant.id);
        let resources = resources(tenant.side);
        let wanted = Wanted { resources, url: &by.url, key: &key, reauthorize };
        let now = self.clock.now();
        let actions = plan(&listed.items, &made, &wanted, now);
        if !actions.0.is_empty() {
            info!(tenant.name, "{actions}");
        }
        let ours = listed.items.iter().filter(|it| is_ours(it, &made, &by.url));
        let live = ours.filter(|it| it.expires_at > now).filter_map(live).collect();
        let mut tending = Tending { sweep: self, by, tenant, key: key.clone(), gap: false, live };
        for action in &actions.0 {
            if !alone.holds(self.clock.now()) {
                let error = PortError::new(Failure::Transient, "time is up");
                tended.failed.push(failed(&action.to_string(), &error));
                continue;
            }
            match tending.carry_out(action).await? {
                Ok(()) => tended.done.push(action.to_string()),
                Err(error) => tended.failed.push(failed(&action.to_string(), &error)),
            }
        }
        tended.gap = tending.gap;
        tended.live = tending.live.into_values().collect();
        tended.live.sort_by_key(|live| live.resource);
        self.tell_of(tenant, &tended).await?;
        if gone > 0 && tended.failed.is_empty() {
            info!(
                tenant.name,
                code = GONE,
                "over: it is subscribed again, and a look covers the gap"
            );
        }
        Ok(tended)
    }

    /// Tells of subscriptions that were made here and are gone, once: they are not remembered any
    /// longer afterwards. Says how many they are.
    async fn gone(&self, tenant: &Tenant, listed: &[Subscription]) -> Result<usize, PortError> {
        let made = self.made(tenant).await?;
        let mut gone = made.into_iter().filter(|(id, _)| !listed.iter().any(|it| it.id == *id));
        let Some((_, first)) = gone.next() else { return Ok(0) };
        let number = 1 + gone.count();
        let what = count(number, "subscription");
        let how = if first.granted_until > self.clock.now() {
            "before its time was up: somebody or Microsoft removed it"
        } else {
            "since it was not renewed in time"
        };
        error!(
            tenant.name,
            code = GONE,
            "{what} to the tenant's changes gone, the first {how}; nothing is heard by that way until \
             it is made anew"
        );
        metric::subscriptions_gone(tenant.id, number);
        Ok(number)
    }

    /// Sees to the subscriptions of a tenant where a lifecycle notification that waits for a look
    /// asks for it. Says whether that has to be tried again. Whatever went unheard before a
    /// subscription stood is covered by the look, which comes after this.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn heed(&self, look: &Look) -> Result<bool, PortError> {
        let about =
            |subject: Subject| look.waiting.iter().any(|waiting| waiting.subject == subject);
        let reauthorize = about(Subject::reauthorization());
        if !reauthorize && !about(Subject::subscriptions()) {
            return Ok(false);
        }
        let Some(tenant) = self.policy.roster.tenant(look.tenant) else { return Ok(false) };
        Ok(self.tend(tenant, reauthorize).await?.may_pass())
    }

    /// Queues a look where changes may have gone unheard.
    ///
    /// # Errors
    /// Those of the queue.
    pub async fn cover(&self, tenant: &Tenant, tended: &Tended) -> Result<(), PortError> {
        if tended.gap {
            self.enqueue.enqueue(vec![schedule::sweep(tenant.id, self.clock.now())]).await?;
        }
        Ok(())
    }

    async fn tell_of(&self, tenant: &Tenant, tended: &Tended) -> Result<(), PortError> {
        for Live { resource, expires_at } in &tended.live {
            let hours = expires_at.duration_since(self.clock.now()).as_hours();
            tracing::debug!(tenant.name, %resource, hours, "subscribed");
        }
        let lines = tended.failed.iter().map(|it| format!("cannot {}: {}", it.action, it.why));
        let lines: Vec<String> = lines.collect();
        let trouble = (!lines.is_empty()).then(|| lines.join("; "));
        let lasting = tended.failed.iter().any(|failed| !failed.may_pass);
        self.tell(tenant, "subscriptions", trouble, lasting).await
    }

    /// Deletes every subscription of a tenant that is ours; says how many there were.
    ///
    /// # Errors
    /// Those of Graph and of the store.
    pub async fn unsubscribe(&self, tenant: &Tenant) -> Result<usize, PortError> {
        let Some(by) = &self.subscribing else { return Ok(0) };
        let (marks, now) = (self.marks.as_ref(), || self.clock.now());
        let Some(alone) = self.gates.enter(marks, tenant.id, now).await? else {
            let said = "another process sees to the subscriptions at this moment";
            return Err(PortError::new(Failure::Transient, said));
        };
        let deleted = self.delete_ours(tenant, by).await;
        self.gates.leave(marks, tenant.id, alone, self.clock.now()).await;
        deleted
    }

    async fn delete_ours(&self, tenant: &Tenant, by: &Subscribing) -> Result<usize, PortError> {
        let mut deleted = 0;
        for subscription in self.ours(tenant).await? {
            by.write.delete(tenant.id, &subscription.id).await?;
            deleted += 1;
        }
        let none = |made: &mut BTreeMap<String, Made>| made.clear();
        kept::change(self.marks.as_ref(), tenant.id, kept::SUBSCRIPTIONS, none).await?;
        Ok(deleted)
    }

    /// What is remembered of those that were made here, by id.
    async fn made(&self, tenant: &Tenant) -> Result<BTreeMap<String, Made>, PortError> {
        let marks = self.marks.as_ref();
        let made = kept::read::<BTreeMap<String, Made>>(marks, tenant.id, kept::SUBSCRIPTIONS);
        Ok(made.await?.value.unwrap_or_default())
    }

    /// The subscriptions of a tenant that are ours.
    ///
    /// # Errors
    /// Those of Graph and of the store.
    pub async fn ours(&self, tenant: &Tenant) -> Result<Vec<Subscription>, PortError> {
        let Some(by) = &self.subscribing else { return Ok(Vec::new()) };
        let mut listed = by.read.subscriptions(tenant.id).await;
        if let Some(error) = listed.failure {
            return Err(error);
        }
        let made = self.made(tenant).await?;
        listed.items.retain(|it| is_ours(it, &made, &by.url));
        Ok(listed.items)
    }
}

fn live(subscription: &Subscription) -> Option<(String, Live)> {
    let resource = Resource::named(&subscription.resource)?;
    Some((subscription.id.clone(), Live { resource, expires_at: subscription.expires_at }))
}

fn failed(action: &str, error: &PortError) -> Failed {
    let may_pass = matches!(error.kind, Failure::Transient | Failure::Throttled(_));
    Failed { action: action.to_owned(), why: words(error), may_pass }
}

impl Tending<'_> {
    /// Does one thing. The outer error is the store's, the inner one Graph's.
    async fn carry_out(&mut self, action: &Action) -> Result<Result<(), PortError>, PortError> {
        match action {
            Action::Create { resource } => self.create(*resource).await,
            Action::Renew { id, resource, .. } => self.renew(id, *resource).await,
            Action::Replace { id, resource, .. } => self.replace(id, *resource).await,
            Action::Delete { id, .. } => self.delete(id).await,
        }
    }

    async fn create(&mut self, resource: Resource) -> Result<Result<(), PortError>, PortError> {
        // Until it stands, changes go unheard.
        self.gap = true;
        match self.make(resource).await? {
            Ok(true) => Ok(Ok(())),
            Ok(false) => Ok(Err(PortError::new(
                Failure::Refused,
                format!(
                    "the application is subscribed to {resource} already, at another url; one \
                     application can serve one deployment: delete that subscription, or give this \
                     deployment a WARDEN_CLIENT_ID of its own"
                ),
            ))),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn renew(
        &mut self,
        id: &str,
        resource: Resource,
    ) -> Result<Result<(), PortError>, PortError> {
        let now = self.sweep.clock.now();
        match self.by.write.renew(self.tenant.id, id, now + LIFE).await {
            Ok(until) => {
                let made = Made { key: self.key.clone(), renewed_at: now, granted_until: until };
                self.live.insert(id.to_owned(), Live { resource, expires_at: until });
                self.remember(id, Some(made)).await.map(Ok)
            }
            // It went between the list and now.
            Err(error) if error.kind == Failure::Gone => {
                self.live.remove(id);
                self.create(resource).await
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn replace(
        &mut self,
        id: &str,
        resource: Resource,
    ) -> Result<Result<(), PortError>, PortError> {
        match self.make(resource).await? {
            Ok(true) => self.delete(id).await,
            // Graph takes no second one beside it: the old one goes first, and a look covers the
            // moment between them.
            Ok(false) => match self.delete(id).await? {
                Ok(()) => self.create(resource).await,
                Err(error) => Ok(Err(error)),
            },
            Err(error) => Ok(Err(error)),
        }
    }

    async fn delete(&mut self, id: &str) -> Result<Result<(), PortError>, PortError> {
        match self.by.write.delete(self.tenant.id, id).await {
            Ok(()) => {
                self.live.remove(id);
                self.remember(id, None).await.map(Ok)
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Subscribes; says whether Graph did not mind one it has.
    async fn make(&mut self, resource: Resource) -> Result<Result<bool, PortError>, PortError> {
        let (tenant, by) = (self.tenant.id, self.by);
        let now = self.sweep.clock.now();
        let state = client_state(&by.key, tenant);
        match by.write.create(tenant, resource, &by.url, &state, now + LIFE).await {
            Ok(Created::Made(subscription)) => {
                let Subscription { id, expires_at, .. } = subscription;
                let made =
                    Made { key: self.key.clone(), renewed_at: now, granted_until: expires_at };
                self.live.insert(id.clone(), Live { resource, expires_at });
                self.remember(&id, Some(made)).await?;
                Ok(Ok(true))
            }
            Ok(Created::Conflict) => Ok(Ok(false)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn remember(&self, id: &str, made: Option<Made>) -> Result<(), PortError> {
        let note = |all: &mut BTreeMap<String, Made>| {
            match &made {
                Some(made) => all.insert(id.to_owned(), made.clone()),
                None => all.remove(id),
            };
        };
        let marks = self.sweep.marks.as_ref();
        kept::change(marks, self.tenant.id, kept::SUBSCRIPTIONS, note).await
    }
}
