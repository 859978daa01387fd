//! The numbers that are kept, collected from the real process.

use std::collections::BTreeMap;

use partner_warden::adapters::http::{Answer, Http, Patience};
use partner_warden::sim::{Rule, Scenario, Then, WOODGROVE};
use partner_warden::telemetry::metric::Metric;
use serde_json::Value;

use crate::front_door::{KEYS, post};
use crate::harness::{ENFORCE, LIMIT, Town, Warden};

/// A partner of the policy.
const CONTOSO: &str = "22222222-2222-2222-2222-222222222222";

/// Where a process tells its numbers, as it says in its log.
pub(crate) fn address(warden: &Warden) -> String {
    let log = warden.log();
    let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut told = entries.filter_map(|entry| entry["metrics.address"].as_str().map(str::to_owned));
    told.next_back().expect("no address is told")
}

pub(crate) async fn ask(address: &str, method: &str, path: &str) -> Answer {
    let url = format!("http://{address}{path}");
    let http = Http::new(Patience::default()).unwrap();
    http.once("serve", |client| client.request(method.parse().unwrap(), &url)).await.unwrap()
}

/// Every series but for buckets and times, with its value.
fn series(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let lines = lines.filter(|line| !line.contains("_bucket") && !line.contains("_seconds_sum"));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.replace(CONTOSO, "Contoso"), value.parse().unwrap())
        })
        .collect()
}

/// Waits until the numbers are these.
async fn numbers(address: &str, expected: &[(&str, u64)]) -> String {
    let expected: BTreeMap<String, u64> =
        expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let mut last = BTreeMap::new();
    let waits = async {
        let mut pause = tokio::time::interval(std::time::Duration::from_millis(100));
        loop {
            pause.tick().await;
            let answer = ask(address, "GET", "/metrics").await;
            assert_eq!(answer.status, 200);
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            last = series(&text);
            if last == expected {
                break text;
            }
        }
    };
    let reached = tokio::time::timeout(LIMIT, waits).await;
    reached.unwrap_or_else(|_| panic!("{last:#?}\nis not\n{expected:#?}"))
}

#[tokio::test]
async fn what_happens_is_counted_by_sender_and_reason() {
    let scenario = Scenario::woodgrove().lag_reads(0);
    let town = Town::new(scenario, ENFORCE).await.set("WARDEN_METRICS_LISTEN", "127.0.0.1:0");
    let warden = town.serve();
    let address = address(&warden);
    numbers(&address, &[]).await;

    let event = include_str!("../../events/audit/add-member-to-role.json");
    let path = format!("/hooks/audit?tenant={WOODGROVE}");
    let message = post(&path, event).signed();
    for _ in 0..3 {
        assert_eq!(message.send(&warden).await.status, 202);
    }
    let messages = town.closed_ticket().await;
    assert_eq!(warden.audit(include_str!("../../events/audit/unknown-activity.json")).await, 202);
    assert_eq!(warden.audit("hey").await, 400);
    assert_eq!(post(&path, event).send(&warden).await.status, 401);
    let item = "{\"tenantId\":\"11111111-1111-1111-1111-111111111111\",\"clientState\":\"x\"}";
    let items = format!("{{\"value\":[7,{item},{item},{item}]}}");
    assert_eq!(post("/hooks/graph", items).send(&warden).await.status, 202);
    town.sim.add_fault(Rule::new(KEYS, Then::status(503)).forever());
    let token =
        [("authorization", "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.AAAA".to_owned())];
    assert_eq!(post("/hooks/event-grid", "{}").headers(token).send(&warden).await.status, 503);

    let text = numbers(
        &address,
        &[
            ("warden_signals_total{sender=\"audit\"}", 1),
            ("warden_signals_total{sender=\"graph\"}", 0),
            ("warden_irrelevant_total{sender=\"audit\"}", 1),
            ("warden_irrelevant_total{sender=\"graph\"}", 0),
            ("warden_replays_total{sender=\"audit\"}", 2),
            ("warden_rejects_total{sender=\"audit\",reason=\"malformed\"}", 1),
            ("warden_rejects_total{sender=\"audit\",reason=\"missing-proof\"}", 1),
            ("warden_rejects_total{sender=\"graph\",reason=\"malformed\"}", 1),
            ("warden_rejects_total{sender=\"graph\",reason=\"not-authentic\"}", 3),
            ("warden_unavailable_total{sender=\"event-grid\",lack=\"keys\"}", 1),
            ("warden_answer_seconds_count{sender=\"audit\"}", 6),
            ("warden_answer_seconds_count{sender=\"graph\"}", 1),
            ("warden_answer_seconds_count{sender=\"event-grid\"}", 1),
            ("warden_looks_total{end=\"settled\"}", 1),
            ("warden_stopped", 0),
            ("warden_revocations_total{state=\"revoked\"}", 2),
            ("warden_verifications_total{proof=\"gone\"}", 2),
            ("warden_deliveries_total{end=\"accepted\"}", messages.len() as u64),
            ("warden_time_to_revoke_seconds_count{since=\"received\",partner=\"Contoso\"}", 2),
            ("warden_time_to_revoke_seconds_count{since=\"event\",partner=\"Contoso\"}", 2),
            ("warden_time_to_act_seconds_count{partner=\"Contoso\"}", 2),
            ("warden_time_to_prove_seconds_count{partner=\"Contoso\"}", 2),
            ("warden_time_to_verify_seconds_count{since=\"event\",partner=\"Contoso\"}", 2),
            ("warden_time_to_verify_seconds_count{since=\"received\",partner=\"Contoso\"}", 2),
            ("warden_time_to_verify_seconds_count{since=\"decided\",partner=\"Contoso\"}", 2),
        ],
    )
    .await;
    for metric in Metric::ALL {
        // What has never happened is not told of.
        let told = text.contains(&format!("# HELP {} {}", metric.name(), metric.help()));
        let rare = [
            Metric::ConnectionsCut,
            Metric::Denied,
            Metric::RevocationLimits,
            Metric::SubscriptionFailures,
            Metric::SubscriptionHours,
            Metric::SubscriptionsGone,
        ];
        let rare = rare.contains(&metric);
        assert!(told || rare, "{}", metric.name());
    }
    warden.stop().await;
}

#[tokio::test]
async fn numbers_are_told_at_one_place_and_to_nobody_who_did_not_ask_for_it() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    let warden = town.serve();
    assert!(!warden.log().contains("metrics.address"));
    assert_eq!(ask(&warden.address.to_string(), "GET", "/metrics").await.status, 404);
    warden.stop().await;

    let town = town.set("WARDEN_METRICS_LISTEN", "127.0.0.1:0");
    let warden = town.serve();
    assert_eq!(ask(&warden.address.to_string(), "GET", "/metrics").await.status, 404);
    let address = address(&warden);
    for (method, path, status) in [
        ("GET", "/metrics", 200),
        ("POST", "/metrics", 405),
        ("GET", "/", 404),
        ("GET", "/health", 404),
        ("POST", "/hooks/graph", 404),
    ] {
        let answer = ask(&address, method, path).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let kind = (status == 200).then_some("text/plain; version=0.0.4; charset=utf-8");
        assert_eq!(answer.header("content-type"), kind, "{method} {path}");
    }
    warden.stop().await;
}
