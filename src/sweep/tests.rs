//! The sweep with a clock that is put, a store, and a Graph that answers as told.

mod subscriptions;

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::adapters::sqlite::Sqlite;
use crate::domain::finding::testing::{Case, WOODGROVE, noon};
use crate::domain::secret::Secret;
use crate::domain::signal::Signal;
use crate::domain::subscription::{LIFE, Resource, Subscription};
use crate::ports::{
    AuditPage, AuditsFrom, Created, Failure, Listed, ReadSubscriptions, WriteSubscriptions,
};
use crate::wire::audit::Whose;
use crate::wire::standard_webhooks::{Headers, WebhookSecret};
use crate::wire::{Verified, audit};

const URL: &str = "https://warden.example/hooks/graph";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Everything outside, as a test arranges it.
struct Outside {
    now: Mutex<Timestamp>,
    /// The next answers of the audit log; empty pages when there are no more.
    pages: Mutex<VecDeque<Result<AuditPage, PortError>>>,
    asked: Mutex<Vec<AuditsFrom>>,
    queued: Mutex<Vec<Signal>>,
    queue_refuses: Mutex<bool>,
    subscriptions: Mutex<Vec<Subscription>>,
    /// What the next calls about subscriptions are refused with.
    refuse: Mutex<Option<Failure>>,
    calls: Mutex<Vec<String>>,
}

impl Clock for Outside {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }
}

#[async_trait]
impl ReadAudits for Outside {
    async fn audits(&self, _: TenantId, from: &AuditsFrom) -> Result<AuditPage, PortError> {
        self.asked.lock().unwrap().push(from.clone());
        self.pages.lock().unwrap().pop_front().unwrap_or_else(|| Ok(AuditPage::default()))
    }
}

#[async_trait]
impl Enqueue for Outside {
    async fn enqueue(&self, signals: Vec<Verified<Signal>>) -> Result<(), PortError> {
        if *self.queue_refuses.lock().unwrap() {
            return Err(PortError::new(Failure::Transient, "the queue refuses"));
        }
        self.queued.lock().unwrap().extend(signals.into_iter().map(Verified::into_inner));
        Ok(())
    }
}

impl Outside {
    fn call(&self, what: String) -> Result<(), PortError> {
        self.calls.lock().unwrap().push(what);
        match *self.refuse.lock().unwrap() {
            Some(kind) => Err(PortError::new(kind, "Graph says no")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl PruneRecords for Outside {
    async fn prune(&self, _: TenantId, before: Timestamp) -> Result<u64, PortError> {
        self.call(format!("prune before {before}"))?;
        Ok(7)
    }
}

#[async_trait]
impl ReadSubscriptions for Outside {
    async fn subscriptions(&self, _: TenantId) -> Listed<Subscription> {
        let failure = self.call("list".to_owned()).err();
        // Another task may come in between list and creation.
        tokio::task::yield_now().await;
        Listed { items: self.subscriptions.lock().unwrap().clone(), failure }
    }
}

#[async_trait]
impl WriteSubscriptions for Outside {
    async fn create(
        &self,
        _: TenantId,
        resource: Resource,
        url: &str,
        _: &str,
        until: Timestamp,
    ) -> Result<Created, PortError> {
        self.call(format!("create {resource}"))?;
        let mut all = self.subscriptions.lock().unwrap();
        if all.iter().any(|it| Resource::named(&it.resource) == Some(resource)) {
            return Ok(Created::Conflict);
        }
        let made = Subscription {
            id: format!("{resource}-{}", until.as_second()),
            resource: resource.path().to_owned(),
            change_type: "updated,deleted".to_owned(),
            notification_url: Some(url.to_owned()),
            lifecycle_notification_url: Some(url.to_owned()),
            expires_at: until,
        };
        all.push(made.clone());
        Ok(Created::Made(made))
    }

    async fn renew(&self, _: TenantId, id: &str, until: Timestamp) -> Result<Timestamp, PortError> {
        self.call(format!("renew {id}"))?;
        let mut all = self.subscriptions.lock().unwrap();
        let found = all.iter_mut().find(|it| it.id == id);
        found.map(|it| it.expires_at = until).ok_or(PortError::new(Failure::Gone, "gone"))?;
        Ok(until)
    }

    async fn delete(&self, _: TenantId, id: &str) -> Result<(), PortError> {
        self.call(format!("delete {id}"))?;
        self.subscriptions.lock().unwrap().retain(|it| it.id != id);
        Ok(())
    }
}

struct Given {
    outside: Arc<Outside>,
    sweep: Sweep,
    store: Sqlite,
    _folder: TempDir,
}

impl Given {
    fn new() -> Self {
        let outside = Arc::new(Outside {
            now: Mutex::new(noon()),
            pages: Mutex::default(),
            asked: Mutex::default(),
            queued: Mutex::default(),
            queue_refuses: Mutex::default(),
            subscriptions: Mutex::default(),
            refuse: Mutex::default(),
            calls: Mutex::default(),
        });
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
        let minutes = SignedDuration::from_mins;
        let sweep = Sweep {
            clock: outside.clone(),
            policy: Arc::new(Case::new().policy()),
            own_apps: vec![],
            marks: Arc::new(store.clone()),
            heard: Arc::new(store.clone()),
            enqueue: outside.clone(),
            prune: outside.clone(),
            audits: outside.clone(),
            subscribing: Some(Subscribing {
                read: outside.clone(),
                write: outside.clone(),
                url: URL.to_owned(),
                key: Secret::new(KEY),
            }),
            times: Times::new(Some(minutes(15)), Some(minutes(5))),
            gates: Gates::default(),
            last_known: LastKnown::default(),
        };
        Self { outside, sweep, store, _folder: folder }
    }

    fn tenant(&self) -> &Tenant {
        self.sweep.policy.roster.tenant(WOODGROVE.parse().unwrap()).unwrap()
    }

    fn put(&self, minutes: i64) {
        *self.outside.now.lock().unwrap() = noon() + SignedDuration::from_mins(minutes);
    }

    fn pages(&self, pages: impl IntoIterator<Item = AuditPage>) {
        self.outside.pages.lock().unwrap().extend(pages.into_iter().map(Ok));
    }

    /// Polls; says what was queued by it.
    async fn poll(&self) -> (Polled, Vec<String>) {
        self.outside.queued.lock().unwrap().clear();
        let (polled, _) = self.sweep.poll(self.tenant(), false).await.unwrap();
        let queued = self.outside.queued.lock().unwrap();
        (polled, queued.iter().map(|signal| signal.what.clone()).collect())
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.outside.calls.lock().unwrap())
    }
}

/// A page with an event for each of these minutes after noon.
fn page(minutes: &[i64], next: bool) -> AuditPage {
    let event = |minutes: &i64| -> Value {
        json!({
            "id": format!("event at {minutes}"),
            "activityDisplayName": "Add member to role",
            "activityDateTime": (noon() + SignedDuration::from_mins(*minutes)).to_string(),
        })
    };
    let next = next.then(|| "the next page".to_owned());
    AuditPage { events: minutes.iter().map(event).collect(), next }
}

const EVENT: &str = "Add member to role";
const LOOK: &str = "periodic look";

#[tokio::test]
async fn an_event_is_a_reason_to_look_once() {
    let given = Given::new();
    given.pages([page(&[-3], false)]);
    assert_eq!(given.poll().await.1, [LOOK, EVENT], "the first look covers the past");
    given.put(5);
    given.pages([page(&[-3, 2], false)]);
    let (polled, queued) = given.poll().await;
    assert_eq!((polled.events, polled.fresh, queued), (2, 1, vec![EVENT.to_owned()]));
    let since = |minutes| AuditsFrom::Since(noon() + SignedDuration::from_mins(minutes));
    assert_eq!(*given.outside.asked.lock().unwrap(), [since(-60), since(-60)]);
}

#[tokio::test]
async fn the_place_never_passes_what_was_not_queued() {
    let given = Given::new();
    given.poll().await;
    given.put(5);
    *given.outside.queue_refuses.lock().unwrap() = true;
    given.pages([page(&[2], false)]);
    assert!(given.sweep.poll(given.tenant(), false).await.is_err());
    *given.outside.queue_refuses.lock().unwrap() = false;
    given.put(10);
    given.pages([page(&[2], false)]);
    assert_eq!(given.poll().await.1, [EVENT]);
    let from = given.outside.asked.lock().unwrap().last().cloned();
    assert_eq!(from, Some(AuditsFrom::Since(noon() - SignedDuration::from_hours(1))));
}

#[tokio::test]
async fn a_poll_that_breaks_off_goes_on_where_it_was() {
    let given = Given::new();
    given.poll().await;
    given.put(5);
    given.pages([page(&[-50, -40], true)]);
    let broken = PortError::new(Failure::Throttled(None), "busy");
    given.outside.pages.lock().unwrap().push_back(Err(broken));
    let (polled, queued) = given.poll().await;
    assert_eq!((polled.trouble.as_deref(), queued.len()), (Some("busy"), 2));
    given.put(10);
    given.pages([page(&[-40, 1], false)]);
    assert_eq!(given.poll().await.1, [EVENT], "what was heard is not heard again");
    let minutes = SignedDuration::from_mins;
    let from = given.outside.asked.lock().unwrap().last().cloned();
    assert_eq!(from, Some(AuditsFrom::Since(noon() - minutes(40))));
    // The next whole poll reaches back behind the beginning of the one that broke off.
    given.put(15);
    given.poll().await;
    let from = given.outside.asked.lock().unwrap().last().cloned();
    assert_eq!(from, Some(AuditsFrom::Since(noon() + minutes(5 - 60))));
}

#[tokio::test]
async fn where_reading_on_is_impossible_a_look_covers_the_rest() {
    for minutes in [&[-10, -20][..], &[-60, -60]] {
        let given = Given::new();
        given.poll().await;
        given.pages((0..10).map(|_| page(minutes, true)));
        let (polled, queued) = given.poll().await;
        assert_eq!((polled.pages, polled.more), (10, false));
        assert_eq!(queued.last().map(String::as_str), Some(LOOK), "{minutes:?}");
    }
}

#[tokio::test]
async fn a_poll_that_stopped_half_way_goes_on_soon_and_others_wait_their_turn() {
    let mut given = Given::new();
    given.sweep.times = Times::new(None, Some(SignedDuration::from_hours(24)));
    given.sweep.subscribing = None;
    given.pages((0..10).map(|n| page(&[n - 50], true)));
    let report = given.sweep.sweep(given.tenant()).await.unwrap();
    assert!(!report.look && report.tended.is_none() && report.polled.unwrap().more);
    assert_eq!(report.next, Some(noon() + GO_ON_AFTER));
    given.put(1);
    let report = given.sweep.sweep(given.tenant()).await.unwrap();
    assert!(!report.polled.unwrap().more);
    let next = report.next.unwrap();
    let minute = noon() + SignedDuration::from_mins(1);
    assert!(next > minute + SignedDuration::from_mins(5), "{next}");
}

#[tokio::test]
async fn a_tenant_that_was_met_has_its_first_turns_one_interval_later() {
    let mut given = Given::new();
    given.sweep.subscribing = None;
    let turns = async |minutes: i64| {
        given.put(minutes);
        // As at every start of the process.
        given.sweep.meet(given.tenant()).await.unwrap();
        let report = given.sweep.sweep(given.tenant()).await.unwrap();
        (report.look, report.polled.is_some(), report.next)
    };
    let at = |minutes| Some(noon() + SignedDuration::from_mins(minutes));
    assert_eq!(turns(0).await, (false, false, at(5)));
    assert_eq!(turns(4).await, (false, false, at(5)), "a restart does not put it off");
    let (look, polled, _) = turns(5).await;
    assert_eq!((look, polled), (false, true));
    assert!(turns(15).await.0);
    assert!(!turns(15).await.0);
}

#[tokio::test]
async fn a_tenant_has_one_look_in_each_interval_and_one_for_all_that_were_missed() {
    let given = Given::new();
    let looks = async |minutes: i64| {
        given.put(minutes);
        given.sweep.sweep(given.tenant()).await.unwrap().look
    };
    assert!(looks(0).await);
    let mut times = 0;
    for minute in 1..=150 {
        times += i32::from(looks(minute).await);
    }
    assert_eq!(times, 10);
    assert!(looks(1000).await);
    assert!(!looks(1000).await);
}

#[tokio::test]
async fn what_a_long_pause_may_have_hidden_is_looked_for() {
    let given = Given::new();
    given.poll().await;
    given.put(5);
    assert_eq!(given.poll().await.1, [""; 0]);
    given.put(7 * 24 * 60);
    assert_eq!(given.poll().await.1, [LOOK]);
}

#[tokio::test]
async fn the_same_trouble_is_told_once_a_day() {
    let given = Given::new();
    let told = async || {
        let marks = given.sweep.marks.as_ref();
        let told = kept::read::<Told>(marks, given.tenant().id, kept::TOLD).await.unwrap();
        told.value.unwrap_or_default().get("x").map(|telling| telling.at)
    };
    let tell = async |minutes, text: Option<&str>| {
        given.put(minutes);
        given.sweep.tell(given.tenant(), "x", text.map(str::to_owned), false).await.unwrap();
        told().await.map(|at| at.duration_since(noon()).as_mins())
    };
    assert_eq!(tell(0, Some("denied")).await, Some(0));
    assert_eq!(tell(24 * 60 - 1, Some("denied")).await, Some(0));
    assert_eq!(tell(24 * 60, Some("denied")).await, Some(24 * 60));
    assert_eq!(tell(24 * 60 + 1, Some("no licence")).await, Some(24 * 60 + 1));
    assert_eq!(tell(24 * 60 + 2, None).await, None);
}

#[tokio::test]
async fn subscriptions_are_made_once_and_renewed_in_the_second_half_of_their_lives() {
    let given = Given::new();
    let tended = given.sweep.tend(given.tenant(), false).await.unwrap();
    assert_eq!(given.calls(), ["list", "create users", "create groups"]);
    let resources: Vec<Resource> = tended.live.iter().map(|live| live.resource).collect();
    assert_eq!(resources, [Resource::Users, Resource::Groups]);
    assert!(tended.live.iter().all(|live| live.expires_at == noon() + LIFE));
    assert!(tended.gap, "changes went unheard until now");
    given.put(13 * 24 * 60);
    assert!(!given.sweep.tend(given.tenant(), false).await.unwrap().gap);
    assert_eq!(given.calls(), ["list"]);
    given.put(15 * 24 * 60);
    let tended = given.sweep.tend(given.tenant(), false).await.unwrap();
    assert_eq!(given.calls().len(), 3);
    let until = noon() + SignedDuration::from_hours(15 * 24) + LIFE;
    assert!(tended.live.iter().all(|live| live.expires_at == until), "{tended:?}");
    assert!(!tended.gap, "they stood all the time");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_no_list_of_none() {
    let given = Given::new();
    given.sweep.tend(given.tenant(), false).await.unwrap();
    given.calls();
    *given.outside.refuse.lock().unwrap() = Some(Failure::Transient);
    let tended = given.sweep.tend(given.tenant(), true).await.unwrap();
    assert_eq!(given.calls(), ["list"]);
    assert!(tended.may_pass());
    *given.outside.refuse.lock().unwrap() = Some(Failure::Denied);
    assert!(!given.sweep.tend(given.tenant(), true).await.unwrap().may_pass());
    // What is remembered of them is still there.
    *given.outside.refuse.lock().unwrap() = None;
    given.calls();
    given.sweep.tend(given.tenant(), false).await.unwrap();
    assert_eq!(given.calls(), ["list"]);
}

#[tokio::test]
async fn two_at_once_do_not_subscribe_twice() {
    let given = Given::new();
    let (one, two) = tokio::join!(
        given.sweep.tend(given.tenant(), false),
        given.sweep.tend(given.tenant(), false)
    );
    assert_eq!((one.unwrap().failed, two.unwrap().failed), (vec![], vec![]));
    assert_eq!(given.calls(), ["list", "create users", "create groups", "list"]);
}

#[tokio::test]
async fn a_subscription_of_another_deployment_is_told_of_and_left_alone() {
    let given = Given::new();
    let other = Subscription {
        id: "theirs".to_owned(),
        resource: "Users".to_owned(),
        change_type: "updated,deleted".to_owned(),
        notification_url: Some("https://other.example/hooks/graph".to_owned()),
        lifecycle_notification_url: None,
        expires_at: noon() + LIFE,
    };
    given.outside.subscriptions.lock().unwrap().push(other);
    let tended = given.sweep.tend(given.tenant(), false).await.unwrap();
    assert_eq!(tended.failed.len(), 1);
    assert!(tended.failed[0].why.contains("a WARDEN_CLIENT_ID of its own"), "{tended:?}");
    assert_eq!(given.calls(), ["list", "create users", "create groups"]);
    assert_eq!(given.sweep.unsubscribe(given.tenant()).await.unwrap(), 1);
    let left = given.outside.subscriptions.lock().unwrap();
    assert_eq!(left.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["theirs"]);
}

#[tokio::test]
async fn the_key_is_not_to_be_found_in_what_is_remembered() {
    let given = Given::new();
    given.sweep.tend(given.tenant(), false).await.unwrap();
    let marks = given.sweep.marks.as_ref();
    let text = marks.mark(given.tenant().id, kept::SUBSCRIPTIONS).await.unwrap().unwrap();
    let state = crate::wire::graph::client_state(&Secret::new(KEY), given.tenant().id);
    assert!(!text.contains(KEY) && !text.contains(&state[3..]), "{text}");
}

/// An event as a forwarder brings it.
fn forwarded(minutes: i64, at: Timestamp) -> Vec<Verified<Signal>> {
    let body = page(&[minutes], false).events[0].to_string();
    let key = WebhookSecret::parse(&Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")).unwrap();
    let timestamp = at.as_second().to_string();
    let signature = key.sign("msg", at, body.as_bytes());
    let headers =
        Headers { id: Some("msg"), timestamp: Some(&timestamp), signature: Some(&signature) };
    let roster = Case::new().policy().roster;
    let whose = Whose { tenant: Some(WOODGROVE), roster: &roster, own_apps: &[], now: at };
    audit::receive(body.as_bytes(), headers, &[key], whose).unwrap().signals
}

#[tokio::test]
async fn events_that_only_the_poll_sees_are_missing_after_a_while() {
    let mut given = Given::new();
    given.sweep.times = Times::new(None, Some(SignedDuration::from_mins(5)));
    given.sweep.subscribing = None;
    let standing = async |minutes| {
        given.put(minutes);
        let report = given.sweep.sweep(given.tenant()).await.unwrap();
        report.agreement.map(|agreement| (agreement.standing, agreement.missing))
    };
    given.store.enqueue(forwarded(-1, given.sweep.clock.now())).await.unwrap();
    given.pages([page(&[-1], false)]);
    assert_eq!(standing(0).await, Some((Standing::Agreeing, 0)));
    given.pages([page(&[-1, 6], false)]);
    assert_eq!(standing(10).await, Some((Standing::Agreeing, 0)), "it may yet be brought");
    let since = noon() + SignedDuration::from_mins(6);
    assert_eq!(standing(40).await, Some((Standing::Missing { since }, 1)));
    given.pages([page(&[6, 41], false)]);
    given.store.enqueue(forwarded(41, given.sweep.clock.now())).await.unwrap();
    assert_eq!(standing(50).await, Some((Standing::Agreeing, 0)));
}

#[tokio::test]
async fn one_look_at_the_beginning_covers_the_past_and_one_more_the_time_until_the_subscriptions() {
    let given = Given::new();
    given.sweep.sweep(given.tenant()).await.unwrap();
    let queued = given.outside.queued.lock().unwrap();
    assert_eq!(queued.iter().map(|it| it.what.as_str()).collect::<Vec<_>>(), [LOOK, LOOK]);
}

#[tokio::test]
async fn records_are_removed_once_a_day_and_only_if_the_policy_says_so() {
    let mut given = Given::new();
    given.sweep.subscribing = None;
    given.sweep.sweep(given.tenant()).await.unwrap();
    assert_eq!(given.calls(), [""; 0], "by default they are kept for ever");
    let mut policy = (*given.sweep.policy).clone();
    policy.keep = Some(SignedDuration::from_hours(48));
    given.sweep.policy = Arc::new(policy);
    *given.outside.refuse.lock().unwrap() = Some(Failure::Transient);
    assert!(given.sweep.sweep(given.tenant()).await.is_err());
    *given.outside.refuse.lock().unwrap() = None;
    let report = given.sweep.sweep(given.tenant()).await.unwrap();
    assert_eq!(report.pruned, Some(7));
    let before = format!("prune before {}", noon() - SignedDuration::from_hours(48));
    assert_eq!(given.calls(), [before.clone(), before]);
    let report = given.sweep.sweep(given.tenant()).await.unwrap();
    assert_eq!((report.pruned, given.calls().len()), (None, 0));
    given.put(24 * 60);
    assert_eq!(given.sweep.sweep(given.tenant()).await.unwrap().pruned, Some(7));
    // What is kept for longer than time is known goes back is kept.
    let mut policy = (*given.sweep.policy).clone();
    policy.keep = Some(SignedDuration::MAX);
    given.sweep.policy = Arc::new(policy);
    given.put(48 * 60);
    given.calls();
    assert_eq!(given.sweep.sweep(given.tenant()).await.unwrap().pruned, Some(0));
    assert_eq!(given.calls(), [""; 0]);
}
