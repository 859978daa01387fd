//! What goes wrong on the way: nothing that was answered 202 is lost, and no step is repeated.

use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use partner_warden::adapters::clock::SystemClock;
use partner_warden::ports::{Clock as _, DueTenants as _, Lease as _};
use partner_warden::sim::{INBOX_SECRET, Rule, Scenario, Tenant, Then, WOODGROVE, When};
use serde_json::{Value, json};

use super::emulator::{REGION, repository, until};
use super::stack::Stack;
use super::table;
use crate::harness::{
    AUDIT_SECRET, Backend, CLIENT_STATE_KEY, ENFORCE, LIMIT, Town, Warden, role_given_to, signed,
};

const ASSIGNMENTS: &str = "/roleManagement/directory/roleAssignments";

/// A second tenant under guard.
const FABRIKAM: &str = "44444444-4444-4444-4444-444444444444";

async fn town(scenario: Scenario) -> (Town, Warden) {
    let town = Town::on(Backend::Aws, scenario, ENFORCE).await;
    let warden = town.start().await;
    (town, warden)
}

fn woodgrove() -> Scenario {
    Scenario::woodgrove().lag_reads(0)
}

/// Two tenants with the same partner in both.
async fn two_tenants() -> (Town, Warden) {
    let fabrikam = Tenant::new(FABRIKAM, "Fabrikam")
        .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
        .member("Dana Ivers", "dana@fabrikam.example", "Global Administrator");
    let scenario = woodgrove().tenant(fabrikam).sink("security", INBOX_SECRET);
    let policy = ENFORCE.replace(
        "respond:",
        &format!(
            "  - id: {FABRIKAM}
    name: Fabrikam
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
        domains: [contoso-reseller.example]
respond:"
        ),
    );
    let town = Town::on(Backend::Aws, scenario, &policy).await;
    let warden = town.start().await;
    (town, warden)
}

/// A signal as the door puts it into the queue.
fn signal(tenant: &str, received_at: Timestamp) -> String {
    let text = include_str!("../../../events/queue/signal-v1.json");
    let mut work: Value = serde_json::from_str(text).unwrap();
    work["signal"]["tenant"] = json!(tenant);
    work["signal"]["receivedAt"] = json!(received_at.to_string());
    work.to_string()
}

/// What is left once all is done: both roles gone, each deleted once, the ticket opened and closed
/// once, and a chain of records that holds.
async fn all_is_well(town: &Town, warden: Warden) {
    town.closed_ticket().await;
    warden.stop().await;
    // What was asked for and never took effect does not count.
    let mut taken = town.deletes();
    taken.retain(|line| !line.ends_with("→ no answer"));
    assert_eq!(
        taken,
        ["AdminAgents: Global Administrator → 204", "Alice: User Administrator → 204"]
    );
    let delivered = town.sim.deliveries("security");
    assert!(delivered.iter().all(|delivery| delivery.verified), "{delivered:#?}");
    assert!(!town.records().await.is_empty());
    assert_eq!(town.stack().messages("DeadLetters").await, (0, 0));
}

/// Runs the tool for a deployed stack.
async fn tool(stack: &Stack, arguments: &[&str]) -> String {
    let mut command = Command::new(repository(".tools/emulator/bin/python"));
    command
        .arg(repository("infra/stack.py"))
        .arg(&stack.name)
        .args(arguments)
        .env("AWS_ENDPOINT_URL", stack.emulator.url())
        .env("AWS_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn what_cannot_be_read_is_buried_with_the_reason_and_holds_nothing_back() {
    let (town, warden) = two_tenants().await;
    let stack = town.stack();
    stack.send(WOODGROVE, "1", "{\"version\":\"99\",\"hunter2\":true}").await;
    stack.send(FABRIKAM, "2", &signal(FABRIKAM, SystemClock.now())).await;
    stack.send(WOODGROVE, "3", &signal(WOODGROVE, SystemClock.now())).await;
    town.messages("a ticket closed for each tenant", |messages| {
        messages.iter().filter(|message| message["type"] == "ticket.closed").count() == 2
    })
    .await;
    warden.stop().await;
    assert_eq!(stack.messages("DeadLetters").await, (1, 0));
    let told = tool(stack, &["dead"]).await;
    assert!(told.contains(&format!("tenant {WOODGROVE}  no message that this version")), "{told}");
    assert!(!told.contains("hunter2") && !stack.log().contains("hunter2"));
}

#[tokio::test]
async fn dead_letters_are_redriven_into_the_work_queue_and_worked_off() {
    let (town, warden) = town(woodgrove()).await;
    let stack = town.stack();
    let work = signal(WOODGROVE, SystemClock.now());
    stack.send_to("DeadLetters", WOODGROVE, "1", &work).await;
    stack.send_to("DeadLetters", WOODGROVE, "2", "poison").await;
    assert_eq!(tool(stack, &["redrive"]).await.trim(), "2 put back");
    town.closed_ticket().await;
    until("the poison among the dead letters again", async || {
        (stack.messages("DeadLetters").await == (1, 0)).then_some(())
    })
    .await;
    warden.stop().await;
    assert_eq!(town.deletes().len(), 2);
}

#[tokio::test]
async fn a_worker_killed_before_a_deletion_takes_effect_leaves_it_to_the_next() {
    let (town, warden) = town(woodgrove()).await;
    let hold = town.sim.hold("DELETE", ASSIGNMENTS, When::BeforeEffect);
    warden.role_was_added().await;
    tokio::time::timeout(LIMIT, hold.reached()).await.unwrap();
    assert!(town.stack().kill("worker"));
    tokio::time::timeout(LIMIT, hold.abandoned()).await.unwrap();
    all_is_well(&town, warden).await;
}

#[tokio::test]
async fn a_worker_killed_after_a_deletion_took_effect_does_not_repeat_it() {
    let (town, warden) = town(woodgrove()).await;
    let hold = town.sim.hold("DELETE", ASSIGNMENTS, When::AfterEffect);
    warden.role_was_added().await;
    tokio::time::timeout(LIMIT, hold.reached()).await.unwrap();
    assert!(town.stack().kill("worker"));
    tokio::time::timeout(LIMIT, hold.abandoned()).await.unwrap();
    let wait = town
        .sim
        .wait_for("the second deletion", LIMIT, |view| (view.deletions().len() == 2).then_some(()));
    wait.await.unwrap();
    warden.stop().await;
    assert_eq!(town.held().len(), 4);
    let deleted = town.deletes();
    assert_eq!(deleted.iter().filter(|line| line.ends_with("→ 204")).count(), 1, "{deleted:?}");
    assert_eq!(deleted.len(), 2, "{deleted:?}");
    // Its answer was lost, so it is read again; the sweep finds it when that is due.
    let soon = SystemClock.now() + SignedDuration::from_mins(6);
    let due = table(town.stack()).due_tenants(soon).await.unwrap();
    assert!(
        town.sim.deliveries("security").iter().any(|d| d.body["type"] == "ticket.closed")
            || due.contains(&WOODGROVE.parse().unwrap()),
        "{due:?}"
    );
}

#[tokio::test]
async fn a_worker_killed_while_it_delivers_delivers_the_same_message_again() {
    let (town, warden) = town(woodgrove()).await;
    let hold = town.sim.hold("POST", "/inbox/security", When::BeforeEffect);
    warden.role_was_added().await;
    tokio::time::timeout(LIMIT, hold.reached()).await.unwrap();
    assert!(town.stack().kill("worker"));
    tokio::time::timeout(LIMIT, hold.abandoned()).await.unwrap();
    assert_eq!(town.deletes().len(), 2);
    // It was handed out; that counts for two minutes. The ledger knows that it waits.
    let soon = SystemClock.now() + SignedDuration::from_mins(3);
    let due = table(town.stack()).due_tenants(soon).await.unwrap();
    assert!(due.contains(&WOODGROVE.parse().unwrap()));
    drop(warden);
}

#[tokio::test]
async fn a_table_that_throttles_delays_the_work_and_loses_none() {
    let town = Town::on(Backend::Aws, woodgrove(), ENFORCE).await.throttled(9);
    let warden = town.start().await;
    warden.role_was_added().await;
    all_is_well(&town, warden).await;
    assert_eq!(town.stack().left_to_throttle(), 0);
    assert!(town.stack().log().contains("ProvisionedThroughputExceededException"));
}

#[tokio::test]
async fn a_secret_changed_while_it_runs_is_taken_soon_and_the_old_one_still_is() {
    const NEW: &str = "whsec_YSBuZXcga2V5IG9mIHRoZSB0ZXN0cycgZm9yd2FyZGVy";
    let (town, warden) = town(woodgrove()).await;
    let body = role_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29");
    let path = format!("/hooks/audit?tenant={WOODGROVE}");
    let post = async |secret: &str| {
        let signed = signed(secret, SystemClock.now(), &body);
        let headers: Vec<_> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        warden.post(&path, &headers, &body).await.status.as_u16()
    };
    assert_eq!(post(AUDIT_SECRET).await, 202);
    assert_eq!(post(NEW).await, 401);
    let door = json!({"clientStateKey": CLIENT_STATE_KEY, "auditWebhookSecret": NEW});
    let change = json!({"SecretId": format!("{}/DoorSecret", town.stack().name), "SecretString": door.to_string()});
    let secrets = &town.stack().emulator;
    secrets.json("secretsmanager", "secretsmanager.PutSecretValue", change).await;
    // Whoever knocks with a wrong key does not make it ask more often than every half minute.
    let taken = until("an answer by the new key", async || {
        let status = post(NEW).await;
        (status != 401).then_some(status)
    });
    assert_eq!(taken.await, 202);
    assert_eq!(post(AUDIT_SECRET).await, 202);
    drop(warden);
}

#[tokio::test]
async fn signals_that_come_twice_late_and_out_of_order_are_worked_off_once() {
    let (town, warden) = town(woodgrove()).await;
    warden.role_was_added().await;
    town.closed_ticket().await;
    let stack = town.stack();
    let now = SystemClock.now();
    for (id, seconds_ago) in [("a", 0), ("b", 3600), ("c", 60), ("d", 3600)] {
        let work = signal(WOODGROVE, now - SignedDuration::from_secs(seconds_ago));
        stack.send(WOODGROVE, id, &work).await;
    }
    stack.idle().await;
    all_is_well(&town, warden).await;
}

#[tokio::test]
async fn who_loses_the_race_for_a_tenant_does_nothing_and_comes_again() {
    let (town, warden) = town(woodgrove()).await;
    let (stack, tenant) = (town.stack(), WOODGROVE.parse().unwrap());
    let other = table(stack);
    let now = SystemClock.now();
    assert!(other.hold(tenant, now, now + SignedDuration::from_mins(5)).await.unwrap());
    warden.role_was_added().await;
    until("a worker that was refused", async || {
        stack.log().contains("another worker sees to the tenant").then_some(())
    })
    .await;
    assert_eq!(town.sim.calls().len(), 0, "{:?}", town.sim.calls());
    other.let_go(tenant).await.unwrap();
    all_is_well(&town, warden).await;
}

#[tokio::test]
async fn of_two_workers_with_the_same_case_one_acts() {
    let (town, warden) = town(woodgrove()).await;
    let stack = town.stack();
    let hold = town.sim.hold("DELETE", ASSIGNMENTS, When::BeforeEffect);
    let batch = |id: &str| {
        json!({"Records": [{
            "messageId": id,
            "body": signal(WOODGROVE, SystemClock.now()),
            "attributes": {"MessageGroupId": WOODGROVE},
            "eventSourceARN": stack.output("WorkQueueArn"),
        }]})
    };
    let (one, two) = (batch("one"), batch("two"));
    let meanwhile = async {
        tokio::time::timeout(LIMIT, hold.reached()).await.unwrap();
        // The first stands in the middle of a deletion, and the case is written down as begun.
        let answer = stack.invoke("worker", &two).await;
        let deletes = town.sim.count("DELETE", ASSIGNMENTS);
        hold.release();
        (answer, deletes)
    };
    let (first, (second, deletes)) = tokio::join!(stack.invoke("worker", &one), meanwhile);
    assert_eq!(first, json!({"batchItemFailures": []}));
    assert_eq!(second, json!({"batchItemFailures": [{"itemIdentifier": "two"}]}));
    assert_eq!(deletes, 1, "{:?}", town.deletes());
    // What was refused comes again, and finds nothing to do.
    assert_eq!(stack.invoke("worker", &two).await, json!({"batchItemFailures": []}));
    all_is_well(&town, warden).await;
}

#[tokio::test]
async fn a_tenant_that_hangs_does_not_keep_the_others_of_its_batch_waiting() {
    let (town, warden) = two_tenants().await;
    let stack = town.stack();
    let hold = town.sim.hold("DELETE", ASSIGNMENTS, When::BeforeEffect);
    // The batch as Lambda hands it over, so that it is one for certain.
    let tenants = [WOODGROVE, WOODGROVE, WOODGROVE, WOODGROVE, WOODGROVE, FABRIKAM];
    let records = tenants.iter().enumerate().map(|(number, tenant)| {
        json!({
            "messageId": number.to_string(),
            "body": signal(tenant, SystemClock.now()),
            "attributes": {"MessageGroupId": tenant},
            "eventSourceARN": stack.output("WorkQueueArn"),
        })
    });
    let batch = json!({"Records": records.collect::<Vec<_>>()});
    let meanwhile = async {
        tokio::time::timeout(LIMIT, hold.reached()).await.unwrap();
        // The first deletion is held; both tenants may have sent one by now, in either order.
        let done = town.sim.wait_for("a deletion that is answered", LIMIT, |view| {
            let mut answered = view.calls().filter(|call| call.status.is_some());
            answered.find(|call| call.method == "DELETE").map(|call| call.tenant.clone())
        });
        let served = tokio::select! {
            done = done => done.unwrap(),
            // Whoever hangs is given up after some seconds.
            () = hold.abandoned() => panic!("everybody waited for the tenant that hangs"),
        };
        let calls = town.sim.calls();
        let hangs = calls.iter().find(|call| call.method == "DELETE" && call.status.is_none());
        assert_ne!(hangs.unwrap().tenant, served);
        hold.release();
    };
    let (answer, ()) = tokio::join!(stack.invoke("worker", &batch), meanwhile);
    assert_eq!(answer, json!({"batchItemFailures": []}));
    town.messages("a ticket closed for each tenant", |messages| {
        messages.iter().filter(|message| message["type"] == "ticket.closed").count() == 2
    })
    .await;
    warden.stop().await;
}

#[tokio::test]
async fn a_storm_of_signals_is_a_few_looks_and_one_ticket() {
    let town = Town::on(Backend::Aws, woodgrove(), ENFORCE).await;
    let town = town.set("WARDEN_SETTLE_AFTER", "PT5S");
    let warden = town.start().await;
    let event: Value =
        serde_json::from_str(include_str!("../../../events/audit/add-member-to-role.json"))
            .unwrap();
    for hundred in 0..3 {
        let numbered = (0..100).map(|number| {
            let mut event = event.clone();
            event["id"] = json!(format!("{hundred:04x}{number:04x}-0000-4000-8000-000000000000"));
            event
        });
        let body = json!({"value": numbered.collect::<Vec<_>>()}).to_string();
        assert_eq!(warden.audit(&body).await, 202);
    }
    town.closed_ticket().await;
    // The settling look comes by way of the queue of what was put off.
    town.looked(2).await;
    all_is_well(&town, warden).await;
    let entries = "/v1.0/policies/crossTenantAccessPolicy/partners";
    let looks = town.sim.calls().iter().filter(|call| call.path.as_ref() == entries).count();
    assert!((2..=4).contains(&looks), "300 signals were {looks} looks");
    let opened = town.sim.deliveries("security");
    let opened = opened.iter().filter(|d| d.body["type"] == "ticket.opened").count();
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn what_is_not_seen_to_be_gone_is_read_again_by_way_of_the_later_queue() {
    let (town, warden) = town(Scenario::woodgrove().lag_reads(1)).await;
    warden.role_was_added().await;
    let opened = town.messages("the ticket", |messages| !messages.is_empty()).await;
    assert_eq!(opened[0]["type"], "ticket.opened");
    all_is_well(&town, warden).await;
}

#[tokio::test]
async fn the_sweep_has_every_tenant_looked_at_in_its_turn() {
    let town = Town::on(Backend::Aws, woodgrove(), ENFORCE).await;
    let town = town.set("WARDEN_SWEEP_EVERY", "PT1M");
    let warden = town.start().await;
    let answer = town.stack().tick().await;
    assert_eq!(answer, json!({"due": 0, "turn": 1, "left": 0}));
    all_is_well(&town, warden).await;
}

#[tokio::test]
async fn the_sweep_finds_a_message_whose_next_attempt_is_due() {
    let down = Rule::new("/inbox/", Then::status(503)).times(1);
    let (town, warden) = town(woodgrove().fault(down)).await;
    warden.role_was_added().await;
    let refused = town.sim.wait_for("the first attempt", LIMIT, |view| {
        view.calls().find(|call| call.path.starts_with("/inbox/")).and_then(|call| call.status)
    });
    assert_eq!(refused.await.unwrap(), 503);
    town.stack().idle().await;
    until("a sweep that finds it", async || {
        let answer = town.stack().tick().await;
        (answer == json!({"due": 1, "turn": 0, "left": 0})).then_some(())
    })
    .await;
    all_is_well(&town, warden).await;
}
