//! What the sweep function does by schedule, and the worker with what it is told of subscriptions.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use partner_warden::adapters::http::{Http, Patience};
use partner_warden::domain::signal::Sender;
use partner_warden::ports::ReadHeard as _;
use partner_warden::sim::{WOODGROVE, When};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::emulator::until;
use super::stack::Stack;
use super::table;
use crate::harness::{Backend, CLIENT_STATE_KEY, ENFORCE, LIMIT, Town, Warden, role_given_to};
use crate::sweep::{both, calm, polls_of, role_added, subscribed};

#[tokio::test]
async fn what_nobody_forwards_is_found_by_polling_the_audit_log() {
    let town = Town::on(Backend::Aws, calm(), ENFORCE).await.set("WARDEN_POLL_EVERY", "PT1S");
    let warden = town.start().await;
    until("the first poll", async || {
        assert_eq!(town.stack().tick().await, json!({"due": 0, "turn": 0, "left": 0}));
        (polls_of(&town) > 0).then_some(())
    })
    .await;
    town.looked(1).await;
    town.stack().idle().await;
    role_added(&town.sim, Duration::ZERO, Duration::ZERO);
    until("a poll that finds it", async || {
        town.stack().tick().await;
        (town.held().len() == 1).then_some(())
    })
    .await;
    town.closed_ticket().await;
    assert_eq!(town.held(), ["Megan Bowen: Global Administrator"]);
    let log = warden.stop().await;
    let records = town.records().await;
    assert_eq!(records[0].signals.first.as_ref().unwrap().sender.name(), "audit-log");
    for number in ["warden_looks_total", "warden_time_to_revoke_seconds"] {
        assert!(log.contains(&format!("\"Name\":\"{number}\"")), "{number} is not told:\n{log}");
    }
}

#[tokio::test]
async fn what_a_forwarder_brings_is_remembered() {
    let town = Town::on(Backend::Aws, calm(), ENFORCE).await;
    let warden = town.start().await;
    let group = town.sim.principal_id(WOODGROVE, "AdminAgents").unwrap();
    let event = role_given_to(&group);
    assert_eq!(warden.audit(&event).await, 202);
    let event: Value = serde_json::from_str(&event).unwrap();
    let asked = [event["id"].as_str().unwrap().to_owned(), "another".to_owned()];
    let tenant = WOODGROVE.parse().unwrap();
    let heard = until("what was brought", async || {
        let heard = table(town.stack()).heard(tenant, &asked).await.unwrap();
        (!heard.brought.is_empty()).then_some(heard)
    })
    .await;
    assert_eq!(heard.brought, [asked[0].clone()].into());
    assert_eq!(heard.last.into_keys().collect::<Vec<_>>(), [Sender::Audit]);
    warden.stop().await;
}

/// A name of our own before the functions: passes on to them whatever is posted to it.
pub(super) struct Relay {
    url: String,
    to: Arc<OnceLock<Arc<Stack>>>,
    _serving: JoinSet<std::io::Result<()>>,
}

impl Relay {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let to = Arc::new(OnceLock::<Arc<Stack>>::new());
        let (http, stack) = (Http::new(Patience::default()).unwrap(), Arc::clone(&to));
        let pass_on = move |uri: Uri, body: Bytes| {
            let (http, stack) = (http.clone(), stack.get().cloned());
            async move {
                let plain = [(CONTENT_TYPE, "text/plain")];
                let Some(stack) = stack else {
                    return (StatusCode::BAD_GATEWAY, plain, Bytes::new());
                };
                let url = format!("http://{}{uri}", stack.emulator.address);
                let post = http.once("the functions", |client| {
                    client.post(&url).header("host", stack.host()).body(body.clone())
                });
                let answer = post.await.unwrap();
                let status = StatusCode::from_u16(answer.status.as_u16()).unwrap();
                (status, plain, answer.body)
            }
        };
        let mut serving = JoinSet::new();
        let router = Router::new().fallback(pass_on);
        serving.spawn(async move { axum::serve(listener, router).await });
        Self { url, to, _serving: serving }
    }
}

/// A town whose functions Graph can reach, and is asked to.
pub(super) async fn reachable(town: Town) -> (Town, Warden, Relay) {
    let relay = Relay::start().await;
    let town = town.set("WARDEN_PUBLIC_URL", &relay.url);
    let warden = town.start().await;
    assert!(relay.to.set(Arc::clone(town.stack())).is_ok());
    (town, warden, relay)
}

#[tokio::test]
async fn subscriptions_are_made_by_the_sweep_and_made_anew_by_the_worker_when_it_is_told() {
    let (town, warden, _relay) = reachable(Town::on(Backend::Aws, calm(), ENFORCE).await).await;
    town.stack().tick().await;
    let stand = |all: &[_]| both(all, CLIENT_STATE_KEY);
    let all = subscribed(&town, "both subscriptions", stand).await;
    town.looked(1).await;
    town.sim.drop_subscription(&all[0].id);
    assert_eq!(town.sim.lifecycle(WOODGROVE, "subscriptionRemoved").await, [202]);
    subscribed(&town, "the removed one anew", stand).await;
    let log = warden.stop().await;
    assert!(log.contains("\"Name\":\"warden_subscription_hours\""), "{log}");
}

#[tokio::test]
async fn what_sweep_and_worker_see_to_at_the_same_moment_is_done_once() {
    let town = Town::on(Backend::Aws, calm(), ENFORCE).await.set("WARDEN_SWEEP_EVERY", "PT1S");
    let (town, warden, _relay) = reachable(town).await;
    let schedule = warden.hasten();
    let stand = |all: &[_]| both(all, CLIENT_STATE_KEY);
    let all = subscribed(&town, "both subscriptions", stand).await;
    // The sweep has listed them, and the worker hears that one is gone before anything is done.
    let hold = town.sim.hold("GET", "/v1.0/subscriptions", When::BeforeEffect);
    tokio::time::timeout(LIMIT, hold.reached()).await.unwrap();
    town.sim.drop_subscription(&all[0].id);
    assert_eq!(town.sim.lifecycle(WOODGROVE, "subscriptionRemoved").await, [202]);
    warden.logged("another process sees to the subscriptions", 1).await;
    hold.release();
    subscribed(&town, "the removed one anew", stand).await;
    drop(schedule);
    warden.stop().await;
    let calls = town.sim.calls();
    let changes = calls
        .iter()
        .filter(|call| call.path.starts_with("/v1.0/subscriptions") && call.method != "GET");
    let changes: Vec<String> =
        changes.map(|call| format!("{} {}", call.method, call.status.unwrap_or(0))).collect();
    assert_eq!(changes, ["POST 201", "POST 201", "POST 201"]);
}
