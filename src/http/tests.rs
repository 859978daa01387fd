//! What is taken in once and what twice, with a queue that can refuse.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::SignedDuration;
use tower_service::Service as _;

use super::*;
use crate::domain::approval::{Proposal, ProposalId};
use crate::domain::finding::testing::{Case, WOODGROVE, noon};
use crate::domain::signal::Signal;
use crate::ports::{Decide, Failure};
use crate::wire::Verified;
use crate::wire::partner_center::certificates::Published;

const EVENT: &str = include_str!("../../events/audit/add-member-to-role.json");
const OTHER: &str = include_str!("../../events/audit/add-member-to-role-guest.json");
const UNKNOWN: &str = include_str!("../../events/audit/unknown-activity.json");

/// A clock, a key set and a queue in one.
#[derive(Default)]
struct World {
    seconds: AtomicUsize,
    refuses: AtomicBool,
    hangs: AtomicBool,
    taken: AtomicUsize,
    switch: Mutex<Switch>,
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        let seconds = i64::try_from(self.seconds.load(Ordering::SeqCst)).unwrap();
        noon() + SignedDuration::from_secs(seconds)
    }
}

#[async_trait]
impl SigningKeys for World {
    fn held(&self) -> Arc<KeySet> {
        Arc::default()
    }

    async fn refreshed(&self) -> Result<Arc<KeySet>, PortError> {
        Ok(Arc::default())
    }
}

#[async_trait]
impl SenderCertificates for World {
    fn held(&self, _: &Url) -> Option<Arc<Published>> {
        None
    }

    async fn fetched(&self, _: &Url) -> Result<Arc<Published>, PortError> {
        Err(PortError::new(Failure::Transient, "none"))
    }
}

#[async_trait]
impl Enqueue for World {
    async fn enqueue(&self, signals: Vec<Verified<Signal>>) -> Result<(), PortError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.refuses.load(Ordering::SeqCst) {
            return Err(PortError::new(Failure::Transient, "full"));
        }
        self.taken.fetch_add(signals.len(), Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl Decide for World {
    async fn proposal(&self, _: &ProposalId) -> Result<Option<Proposal>, PortError> {
        Ok(None)
    }

    async fn decided(&self, _: &Proposal) -> Result<bool, PortError> {
        Ok(false)
    }
}

/// What the stop switch says in a test.
#[derive(Default)]
enum Switch {
    #[default]
    Free,
    Stopped(Stop),
    Unreadable,
}

#[async_trait]
impl StopSwitch for World {
    async fn stopped(&self) -> Result<Option<Stop>, PortError> {
        match &*self.switch.lock().unwrap() {
            Switch::Free => Ok(None),
            Switch::Stopped(stop) => Ok(Some(stop.clone())),
            Switch::Unreadable => Err(PortError::new(Failure::Transient, "unreadable")),
        }
    }
}

struct Town {
    world: Arc<World>,
    front: Front,
}

fn key(text: &str) -> WebhookSecret {
    WebhookSecret::parse(&Secret::new(text)).unwrap()
}

impl Town {
    fn new() -> Self {
        let world = Arc::new(World::default());
        let audit_keys = vec![
            key("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
            key("whsec_dGhlIGtleSBvZiB0aGUgdGVzdHMnIGZvcndhcmRlcg=="),
        ];
        let front = Front {
            stop: world.clone(),
            clock: world.clone(),
            policy: Arc::new(Case::new().policy()),
            client_state_keys: vec![],
            notification_keys: vec![],
            signing_keys: world.clone(),
            audiences: vec![],
            login: Url::parse("https://login.microsoftonline.com").unwrap(),
            audit_keys,
            o365_auth_ids: vec![],
            management: Url::parse("https://manage.office.com").unwrap(),
            own_apps: vec![],
            sender_roles: vec![],
            certificate_origins: vec![],
            certificates: world.clone(),
            enqueue: world.clone(),
            decisions: Decisions {
                keys: vec![],
                decide: world.clone(),
                public_url: None,
                sign_in: None,
            },
            replays: Arc::default(),
        };
        Self { world, front }
    }

    /// Sends a message that was signed at noon, and says the answer and how many signals were
    /// taken in because of it.
    async fn send(&self, id: &str, body: &str, tenant: &str, key: usize) -> (u16, usize) {
        let before = self.world.taken.load(Ordering::SeqCst);
        let signature = self.front.audit_keys[key].sign(id, noon(), body.as_bytes());
        let timestamp = noon().as_second().to_string();
        let headers =
            Headers { id: Some(id), timestamp: Some(&timestamp), signature: Some(&signature) };
        let (keys, roster) = (&self.front.audit_keys, &self.front.policy.roster);
        let (tenant, now) = (Some(tenant).filter(|t| !t.is_empty()), self.front.clock.now());
        let whose = Whose { tenant, roster, own_apps: &[], now };
        let received = audit::receive(body.as_bytes(), headers, keys, whose);
        let answer = take_in(&self.front, Sender::Audit, Ok(received)).await;
        let taken = self.world.taken.load(Ordering::SeqCst) - before;
        (answer.status().as_u16(), taken)
    }
}

#[tokio::test]
async fn a_message_is_taken_in_once() {
    let town = Town::new();
    assert_eq!(town.send("a", EVENT, WOODGROVE, 0).await, (202, 1));
    for seconds in [0, 1, 300] {
        town.world.seconds.store(seconds, Ordering::SeqCst);
        assert_eq!(town.send("a", EVENT, WOODGROVE, 0).await, (202, 0), "{seconds}");
    }
    town.world.seconds.store(301, Ordering::SeqCst);
    assert_eq!(town.send("a", EVENT, WOODGROVE, 0).await, (401, 0));
}

#[tokio::test]
async fn another_message_is_no_replay() {
    let town = Town::new();
    assert_eq!(town.send("a", EVENT, WOODGROVE, 0).await, (202, 1));
    assert_eq!(town.send("b", EVENT, WOODGROVE, 0).await, (202, 1), "another id");
    assert_eq!(town.send("a", OTHER, WOODGROVE, 0).await, (202, 1), "another body");
    assert_eq!(town.send("a", EVENT, "", 0).await, (202, 1), "for another tenant");
    assert_eq!(town.send("a", EVENT, WOODGROVE, 1).await, (202, 1), "by another key");
}

#[tokio::test]
async fn what_was_not_taken_in_is_heard_again() {
    let town = Town::new();
    town.world.refuses.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(town.send("a", EVENT, WOODGROVE, 0).await, (503, 0));
    }
    town.world.refuses.store(false, Ordering::SeqCst);
    assert_eq!(town.send("a", EVENT, WOODGROVE, 0).await, (202, 1));
    assert_eq!(town.send("a", EVENT, WOODGROVE, 0).await, (202, 0));
    // What brings no signal is nothing that could be taken in twice.
    for _ in 0..2 {
        assert_eq!(town.send("c", UNKNOWN, WOODGROVE, 0).await, (202, 0));
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_answer_is_not_waited_for() {
    use hyper::service::Service as _;

    let Town { world, front } = Town::new();
    let signature = front.audit_keys[0].sign("a", noon(), EVENT.as_bytes());
    let door = hyper_util::service::TowerToHyperService::new(router(front));
    let send = || {
        let request = Request::post(format!("/hooks/audit?tenant={WOODGROVE}"))
            .header("webhook-id", "a")
            .header("webhook-timestamp", noon().as_second())
            .header("webhook-signature", &signature);
        door.call(request.body(Body::from(EVENT)).unwrap())
    };
    world.hangs.store(true, Ordering::SeqCst);
    let answer = tokio::time::timeout(std::time::Duration::from_secs(30), send()).await;
    let answer = answer.expect("no answer").unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "5");
    assert!(answer.headers().contains_key("x-request-id"));
    // Whoever comes again is heard.
    world.hangs.store(false, Ordering::SeqCst);
    assert_eq!(send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(world.taken.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn health_says_since_when_all_writing_is_stopped_and_not_why() {
    let town = Town::new();
    let (world, router) = (town.world, router(town.front));
    let asked = async |switch: Switch| {
        *world.switch.lock().unwrap() = switch;
        let request = Request::get("/health").body(Body::empty()).unwrap();
        let answer = router.clone().call(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(!body.to_string().contains("INC-7"), "{body}");
        (body["stopped"].clone(), body["stoppedSince"].clone())
    };
    let nothing = serde_json::Value::Null;
    assert_eq!(asked(Switch::Free).await, (nothing.clone(), nothing.clone()));
    let stop = Stop::new("INC-7 <script>", noon());
    let since = json!(noon().to_string());
    assert_eq!(asked(Switch::Stopped(stop.clone())).await, (json!(true), since));
    let by_hand = Stop { since: None, ..stop };
    assert_eq!(asked(Switch::Stopped(by_hand)).await, (json!(true), nothing.clone()));
    assert_eq!(asked(Switch::Unreadable).await, (json!(true), nothing.clone()), "in doubt it is");
    assert_eq!(asked(Switch::Free).await, (nothing.clone(), nothing));
}
