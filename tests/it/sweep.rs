//! What happens by schedule, through the real process: the audit log is polled, subscriptions are
//! kept, and everybody has a turn.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use partner_warden::adapters::clock::SystemClock;
use partner_warden::adapters::sqlite::Sqlite;
use partner_warden::domain::secret::Secret;
use partner_warden::domain::subscription::LIFE;
use partner_warden::ports::{Clock as _, EndLook as _, Enqueue as _, Queue as _};
use partner_warden::sim::{
    CONTOSO, Hold, Rule, Scenario, Sim, Subscribed, Tenant, Then, View, WOODGROVE, When,
};
use partner_warden::wire::graph::client_state;
use partner_warden::wire::schedule;
use serde_json::{Value, json};

use crate::harness::{CLIENT_STATE_KEY, ENFORCE, LIMIT, Town, role_given_to};

const AUDITS: &str = "/v1.0/auditLogs/directoryAudits";
const SUBSCRIPTIONS: &str = "/v1.0/subscriptions";
const NOW: Duration = Duration::ZERO;

fn now() -> Timestamp {
    SystemClock.now()
}

/// A tenant in which nothing is wrong yet.
pub(crate) fn calm() -> Scenario {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .partner_group("AdminAgents", CONTOSO, None)
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator");
    Scenario::default().tenant(tenant).sink("security", partner_warden::sim::INBOX_SECRET)
}

/// Gives the partner's group a role, and writes the event into the audit log.
pub(crate) fn role_added(sim: &Sim, ago: Duration, visible_in: Duration) -> String {
    let group = sim.principal_id(WOODGROVE, "AdminAgents").unwrap();
    sim.grant(WOODGROVE, "AdminAgents", "Global Administrator").unwrap();
    let event: Value = serde_json::from_str(&role_given_to(&group)).unwrap();
    sim.audit(WOODGROVE, &event, ago, visible_in).unwrap()
}

fn polls(view: &View<'_>) -> usize {
    view.count("GET", AUDITS)
}

async fn until(sim: &Sim, what: &str, mut f: impl FnMut(&View<'_>) -> bool) {
    sim.wait_for(what, LIMIT, |view| f(view).then_some(())).await.unwrap();
}

/// Waits until a look has seen all that it sees: who the holders are is asked last.
async fn looked_to_the_end(sim: &Sim) {
    until(sim, "a look that is over", |view| {
        view.calls().any(|call| call.path.contains("getByIds") && call.status.is_some())
    })
    .await;
}

/// Waits until a request is held.
async fn reached(hold: &Hold) {
    tokio::time::timeout(LIMIT, hold.reached()).await.unwrap();
}

/// A port that is free now, where a program may listen that is to be reached at a known url.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Listens at a known url, which Graph is told.
pub(crate) fn reachable(town: Town) -> Town {
    let origin = format!("127.0.0.1:{}", free_port());
    town.set("WARDEN_LISTEN", &origin).set("WARDEN_PUBLIC_URL", &format!("http://{origin}"))
}

pub(crate) async fn subscribed(
    town: &Town,
    what: &str,
    enough: impl Fn(&[Subscribed]) -> bool,
) -> Vec<Subscribed> {
    let wait = town.sim.wait_for(what, LIMIT, |view| {
        let all = view.subscriptions(WOODGROVE);
        enough(&all).then_some(all)
    });
    wait.await.unwrap()
}

fn state(key: &str) -> String {
    client_state(&Secret::new(key), WOODGROVE.parse().unwrap())
}

/// One subscription of each kind, all with this key.
pub(crate) fn both(all: &[Subscribed], key: &str) -> bool {
    let mut resources: Vec<&str> = all.iter().map(|it| it.resource.as_str()).collect();
    resources.sort_unstable();
    resources == ["groups", "users"] && all.iter().all(|it| it.client_state == Some(state(key)))
}

#[tokio::test]
async fn a_tenant_whose_events_nobody_forwards_is_guarded_by_its_audit_log() {
    let town = Town::new(calm(), ENFORCE).await.set("WARDEN_POLL_EVERY", "PT1S");
    let warden = town.serve();
    looked_to_the_end(&town.sim).await;
    until(&town.sim, "the first poll", |view| polls(view) >= 1).await;
    role_added(&town.sim, NOW, NOW);
    town.closed_ticket().await;
    assert_eq!(town.held(), ["Megan Bowen: Global Administrator"]);
    // Every further poll reads the event again, and none hears it again.
    let (seen, looked) = (polls_of(&town), town.looks());
    until(&town.sim, "three more polls", |view| polls(view) >= seen + 3).await;
    assert_eq!(town.looks(), looked);
    let log = warden.stop().await;
    assert!(log.contains("nobody forwards this tenant's audit events"), "{log}");
    let records = town.records().await;
    let first = records[0].signals.first.as_ref().unwrap();
    assert_eq!((first.sender.name(), first.what.as_str()), ("audit-log", "Add member to role"));
}

pub(crate) fn polls_of(town: &Town) -> usize {
    town.sim.count("GET", AUDITS)
}

#[tokio::test]
async fn an_event_that_shows_up_late_is_heard_all_the_same() {
    let town = Town::new(calm(), ENFORCE).await.set("WARDEN_POLL_EVERY", "PT1S");
    let _warden = town.serve();
    until(&town.sim, "two polls", |view| polls(view) >= 2).await;
    // It happened long before the last poll, and can be read only after the next ones.
    role_added(&town.sim, Duration::from_mins(40), Duration::from_secs(3));
    town.closed_ticket().await;
    assert_eq!(town.held(), ["Megan Bowen: Global Administrator"]);
}

#[tokio::test]
async fn what_was_read_and_not_queued_is_read_again_after_a_kill() {
    let town = Town::new(calm().page_size(1), ENFORCE).await.set("WARDEN_POLL_EVERY", "PT1S");
    let warden = town.serve();
    until(&town.sim, "two polls", |view| polls(view) >= 2).await;
    // The answer with the event never arrives: the process dies while it is on its way.
    let harmless = json!({"activityDisplayName": "Update user", "category": "UserManagement"});
    let hold = town.sim.hold("GET", "directoryAudits?", When::AfterEffect);
    town.sim.audit(WOODGROVE, &harmless, Duration::from_secs(5), NOW).unwrap();
    role_added(&town.sim, Duration::from_secs(2), NOW);
    reached(&hold).await;
    warden.kill();
    drop(hold);
    let second = town.sim.hold("GET", "skiptoken", When::AfterEffect);
    let warden = town.serve();
    reached(&second).await;
    warden.kill();
    drop(second);
    assert_eq!(town.held().len(), 2, "nothing has looked yet");
    let _warden = town.serve();
    town.closed_ticket().await;
    assert_eq!(town.held(), ["Megan Bowen: Global Administrator"]);
}

#[tokio::test]
async fn a_log_of_many_pages_is_read_to_its_end_over_several_polls() {
    let town = Town::new(calm().page_size(1), ENFORCE).await.set("WARDEN_POLL_EVERY", "PT1S");
    let harmless = json!({"activityDisplayName": "Update user", "category": "UserManagement"});
    for number in 0..11 {
        let ago = Duration::from_secs(1200 - number);
        town.sim.audit(WOODGROVE, &harmless, ago, NOW).unwrap();
    }
    let hold = town.sim.hold("GET", "directoryAudits?", When::BeforeEffect);
    let warden = town.serve();
    reached(&hold).await;
    looked_to_the_end(&town.sim).await;
    role_added(&town.sim, Duration::from_mins(1), NOW);
    hold.release();
    town.closed_ticket().await;
    let log = warden.stop().await;
    assert!(log.contains("\"more\":true"), "{log}");
}

#[tokio::test]
async fn a_log_that_may_not_be_read_is_told_once_and_the_look_guards() {
    let scenario = Scenario::woodgrove().without_permission("AuditLog.Read.All");
    let town = Town::new(scenario, ENFORCE)
        .await
        .set("WARDEN_POLL_EVERY", "PT1S")
        .set("WARDEN_SWEEP_EVERY", "PT1S");
    let warden = town.serve();
    town.closed_ticket().await;
    until(&town.sim, "three polls", |view| polls(view) >= 3).await;
    let log = warden.stop().await;
    let told = log.matches("grant AuditLog.Read.All and Directory.Read.All").count();
    assert_eq!(told, 1, "{log}");
    assert_eq!(town.held().len(), 4);
}

#[tokio::test]
async fn a_tenant_without_the_licence_is_told_of_in_words() {
    let refusal = json!({"error": {
        "code": "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
        "message": "Neither tenant is B2C or tenant doesn't have premium license",
    }});
    let answer = partner_warden::sim::Answer {
        status: 403.try_into().unwrap(),
        retry_after: None,
        body: Some(refusal),
    };
    let scenario = calm().fault(Rule::new(AUDITS, Then::Answer(answer)).forever());
    let town = Town::new(scenario, ENFORCE).await.set("WARDEN_POLL_EVERY", "PT1S");
    let warden = town.serve();
    until(&town.sim, "two polls", |view| polls(view) >= 2).await;
    town.sim.clear_faults();
    role_added(&town.sim, NOW, NOW);
    town.closed_ticket().await;
    let log = warden.stop().await;
    assert_eq!(log.matches("Microsoft Entra ID P1 or P2 only").count(), 1, "{log}");
    assert!(log.contains("it works again"), "{log}");
}

#[tokio::test]
async fn every_tenant_is_looked_at_with_its_first_poll_and_a_restart_is_no_turn() {
    let adatum = "44444444-4444-4444-4444-444444444444";
    let scenario = calm().tenant(Tenant::new(adatum, "Adatum"));
    let policy =
        ENFORCE.replace("tenants:\n", &format!("tenants:\n  - {{id: {adatum}, name: Adatum}}\n"));
    let town = Town::new(scenario, &policy)
        .await
        .set("WARDEN_SWEEP_EVERY", "PT5000H")
        .set("WARDEN_POLL_EVERY", "PT1S");
    let warden = town.serve();
    town.looked_at(WOODGROVE, 1).await;
    town.looked_at(adatum, 1).await;
    warden.stop().await;
    let before = polls_of(&town);
    let _warden = town.serve();
    until(&town.sim, "polls of both", |view| polls(view) >= before + 4).await;
    assert_eq!(town.looks(), 2);
}

#[tokio::test]
async fn every_tenant_has_a_turn_in_each_interval() {
    let town = Town::new(calm(), ENFORCE).await.set("WARDEN_SWEEP_EVERY", "PT1S");
    let begun = now();
    let _warden = town.serve();
    town.looked(4).await;
    // The first one a second from the start, the second at the tenant's own moment, then one each
    // second.
    assert!(now().duration_since(begun) >= SignedDuration::from_secs(3));
}

#[tokio::test]
async fn graph_is_asked_for_notifications_and_they_are_believed() {
    let town = reachable(Town::new(Scenario::woodgrove(), ENFORCE).await);
    let _warden = town.serve();
    let all = subscribed(&town, "both subscriptions", |all| all.len() == 2).await;
    assert!(both(&all, CLIENT_STATE_KEY), "{all:#?}");
    for it in &all {
        assert_eq!(it.change_type, "updated,deleted");
        assert!(it.notification_url.ends_with("/hooks/graph"), "{it:?}");
        assert_eq!(it.lifecycle_notification_url.as_ref(), Some(&it.notification_url));
        let life = it.expires_at.duration_since(now());
        assert!(life <= LIFE && life > LIFE - SignedDuration::from_mins(5), "{life}");
    }
    // The look that covers what happened before they stood.
    town.closed_ticket().await;
    let looked = town.looks();
    let guest = town.sim.principal_id(WOODGROVE, "Alice").unwrap();
    assert_eq!(town.sim.notify(WOODGROVE, "users", &guest, "updated").await, [202]);
    town.looked(looked + 1).await;
}

#[tokio::test]
async fn a_subscription_is_renewed_in_time_and_made_anew_when_it_is_gone() {
    let town = reachable(Town::new(calm(), ENFORCE).await).set("WARDEN_SWEEP_EVERY", "PT1S");
    let warden = town.serve();
    let all = subscribed(&town, "both subscriptions", |all| both(all, CLIENT_STATE_KEY)).await;
    let (old, users) = (all[0].clone(), all[1].clone());
    // Graph grants less than was asked for, and ends one of them.
    town.sim.set_expiry(&old.id, now() + SignedDuration::from_mins(15));
    town.sim.drop_subscription(&users.id);
    let day = SignedDuration::from_hours(24);
    let all = subscribed(&town, "a renewed one and a new one", |all| {
        let renewed = all.iter().any(|it| it.id == old.id && it.expires_at > now() + day);
        renewed && all.iter().any(|it| it.resource == users.resource && it.id != users.id)
    })
    .await;
    assert!(both(&all, CLIENT_STATE_KEY), "{all:#?}");
    assert_eq!(town.sim.count("DELETE", SUBSCRIPTIONS), 0);
    warden.logged("over: it is subscribed again", 1).await;
    // It is told loudly, and once, however many turns come after it.
    let lists = town.sim.count("GET", SUBSCRIPTIONS);
    let turns = town.sim.wait_for("another turn", LIMIT, |view| {
        let lists_now = view
            .calls()
            .filter(|call| call.method == "GET" && call.path.starts_with(SUBSCRIPTIONS));
        (lists_now.count() > lists + 1).then_some(())
    });
    turns.await.unwrap();
    let log = warden.stop().await;
    let gone: Vec<&str> =
        log.lines().filter(|line| line.contains("\"code\":\"subscription-gone\"")).collect();
    assert_eq!(gone.len(), 2, "{gone:#?}");
    assert!(
        gone[0].contains("\"ERROR\"") && gone[0].contains("before its time was up"),
        "{gone:#?}"
    );
}

#[tokio::test]
async fn a_lifecycle_notification_is_acted_on_at_once() {
    // No turn comes round during the test.
    let town = reachable(Town::new(calm(), ENFORCE).await);
    let _warden = town.serve();
    let all = subscribed(&town, "both subscriptions", |all| both(all, CLIENT_STATE_KEY)).await;
    town.looked(1).await;
    town.sim.drop_subscription(&all[0].id);
    assert_eq!(town.sim.lifecycle(WOODGROVE, "subscriptionRemoved").await, [202]);
    let all = subscribed(&town, "the removed one anew", |all| both(all, CLIENT_STATE_KEY)).await;
    // Both were made a moment ago: authorizing them again is renewing them, and that was done.
    let looked = town.looks();
    assert_eq!(town.sim.lifecycle(WOODGROVE, "reauthorizationRequired").await, [202, 202]);
    town.looked(looked + 1).await;
    assert_eq!(town.sim.count("PATCH", SUBSCRIPTIONS), 0);
    // Graph says so when the end is near.
    town.sim.set_expiry(&all[0].id, now() + SignedDuration::from_mins(12));
    assert_eq!(town.sim.lifecycle(WOODGROVE, "reauthorizationRequired").await, [202, 202]);
    let day = SignedDuration::from_hours(24);
    subscribed(&town, "a renewal", |all| all.iter().all(|it| it.expires_at > now() + day)).await;
}

/// Rotates the key of `clientState`, and hears every notification meanwhile.
async fn rotated(scenario: Scenario) -> Vec<String> {
    let town = reachable(Town::new(scenario, ENFORCE).await);
    let warden = town.serve();
    subscribed(&town, "both subscriptions", |all| both(all, CLIENT_STATE_KEY)).await;
    town.looked(1).await;
    warden.stop().await;
    let new = "another key for clientState, 32 or more";
    let town = town
        .secret("clientStateKey", Some(new))
        .secret("clientStateKeyPrevious", Some(CLIENT_STATE_KEY))
        .set("WARDEN_SWEEP_EVERY", "PT1S");
    let hold = town.sim.hold("POST", SUBSCRIPTIONS, When::BeforeEffect);
    let _warden = town.serve();
    reached(&hold).await;
    // What the old ones bring while the new ones are being made still counts.
    assert_eq!(town.sim.notify(WOODGROVE, "users", "someone", "updated").await, [202]);
    hold.release();
    subscribed(&town, "the new ones alone", |all| both(all, new)).await;
    let answers = town.sim.notify(WOODGROVE, "groups", "something", "updated").await;
    assert_eq!(answers, [202]);
    let calls = town.sim.calls();
    let ours =
        calls.iter().filter(|call| call.path.starts_with(SUBSCRIPTIONS) && call.method != "GET");
    ours.map(|call| format!("{} {}", call.method, call.status.unwrap_or(0))).collect()
}

#[tokio::test]
async fn a_key_is_rotated_without_a_gap() {
    assert_eq!(
        rotated(calm().duplicate_subscriptions()).await,
        ["POST 201", "POST 201", "POST 201", "DELETE 204", "POST 201", "DELETE 204"]
    );
}

#[tokio::test]
async fn a_key_is_rotated_where_graph_takes_no_second_subscription() {
    assert_eq!(
        rotated(calm()).await,
        [
            "POST 201",
            "POST 201", // at first
            "POST 409",
            "DELETE 204",
            "POST 201", // users
            "POST 409",
            "DELETE 204",
            "POST 201", // groups
        ]
    );
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_so_and_looks_all_the_same() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await.set("WARDEN_PUBLIC_URL", &url);
    let town = town.set("WARDEN_SWEEP_EVERY", "PT1S");
    let warden = town.serve();
    town.closed_ticket().await;
    until(&town.sim, "two tries", |view| view.count("POST", SUBSCRIPTIONS) >= 4).await;
    let log = warden.stop().await;
    assert_eq!(log.matches("could not reach WARDEN_PUBLIC_URL").count(), 2, "{log}");
    assert_eq!(town.sim.subscriptions(WOODGROVE), []);
}

#[tokio::test]
async fn what_a_forwarder_brings_is_compared_with_what_the_poll_finds() {
    let town = Town::new(calm(), ENFORCE).await.set("WARDEN_POLL_EVERY", "PT1S");
    let warden = town.serve();
    let id = role_added(&town.sim, NOW, NOW);
    let group = town.sim.principal_id(WOODGROVE, "AdminAgents").unwrap();
    let mut event: Value = serde_json::from_str(&role_given_to(&group)).unwrap();
    event["id"] = id.into();
    assert_eq!(warden.audit(&event.to_string()).await, 202);
    until(&town.sim, "two polls", |view| polls(view) >= 2).await;
    until(&town.sim, "a third poll", |view| polls(view) >= 4).await;
    let log = warden.stop().await;
    assert!(
        log.contains("the events by way of /hooks/audit are those that the audit log shows"),
        "{log}"
    );
}

/// Runs a command beside or in place of `serve`: its exit code, and what it says on standard
/// output and standard error.
async fn run(town: &Town, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partner-warden"));
    command.args(arguments).env_clear().envs(town.variables());
    // Beside the simulator, which has to go on answering meanwhile.
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn subscriptions_are_listed_made_and_deleted_by_hand() {
    let town = reachable(Town::new(calm(), ENFORCE).await);
    let none = (Some(0), "Woodgrove  no subscriptions\n".to_owned(), String::new());
    assert_eq!(run(&town, &["subscriptions", "list"]).await, none);

    let (code, out, err) = run(&town, &["subscriptions", "ensure"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("Woodgrove  users     until 2"), "{out}");
    assert!(lines[0].ends_with("/hooks/graph"), "{out}");
    assert_eq!(
        lines[2..],
        ["Woodgrove  done: subscribe to users", "Woodgrove  done: subscribe to groups"]
    );
    assert!(both(&town.sim.subscriptions(WOODGROVE), CLIENT_STATE_KEY));

    // A second time there is nothing to do, since it is remembered how they were made.
    let (code, out, _) = run(&town, &["subscriptions", "ensure", "--json"]).await;
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &json[0]["done"], &json[0]["name"]),
        (Some(0), &Value::Null, &json!("Woodgrove"))
    );
    assert_eq!(json[0]["subscriptions"][0]["ours"], true);
    assert_eq!(json[0]["subscriptions"].as_array().unwrap().len(), 2);

    let warden = town.serve();
    let (code, out, _) = run(&town, &["subscriptions", "list"]).await;
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{out}");
    for what in ["ensure", "delete"] {
        let (code, out, err) = run(&town, &["subscriptions", what]).await;
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        assert!(err.contains("in use") || err.contains("cannot listen"), "{err}");
    }
    warden.stop().await;

    let (code, out, _) = run(&town, &["subscriptions", "delete"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "Woodgrove  done: deleted 2 subscriptions\n"));
    assert_eq!(town.sim.subscriptions(WOODGROVE), []);
}

#[tokio::test]
async fn what_keeps_a_tenant_from_being_subscribed_to_is_told_with_the_mend() {
    let scenario = calm().without_permission("Group.Read.All");
    let town = reachable(Town::new(scenario, ENFORCE).await);
    let (code, out, err) = run(&town, &["subscriptions", "ensure"]).await;
    assert_eq!(code, Some(1));
    assert!(out.contains("done: subscribe to users"), "{out}");
    assert!(out.contains("grant Group.Read.All (application)"), "{out}");
    assert_eq!(err.lines().last(), Some("error: it did not work out in 1 tenant"));

    let town = Town::new(calm(), ENFORCE).await;
    let (code, out, err) = run(&town, &["subscriptions", "ensure"]).await;
    let unset =
        "error: WARDEN_PUBLIC_URL is not set; it is where Microsoft Graph reaches /hooks/graph\n";
    assert_eq!((code, out.as_str(), err.as_str()), (Some(2), "", unset));
}

/// Tries a look in vain until it is given up.
async fn give_up(town: &Town) {
    let store = Sqlite::open(&town.folder.path().join("store.db")).unwrap();
    let tick = schedule::sweep(WOODGROVE.parse().unwrap(), now());
    store.enqueue(vec![tick]).await.unwrap();
    let lease = SignedDuration::from_mins(1);
    while let Some(look) = store.claim(now(), lease, &[]).await.unwrap() {
        store.retry(&look, now(), "Graph was away for long").await.unwrap();
    }
}

#[tokio::test]
async fn what_was_given_up_is_put_back_by_hand_while_nothing_runs() {
    let town = Town::new(Scenario::woodgrove(), ENFORCE).await;
    assert_eq!(run(&town, &["redrive", "list"]).await.1, "nothing was given up\n");
    give_up(&town).await;
    let warden = town.serve();
    let (code, out, err) = run(&town, &["redrive", "run"]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("is in use by another partner-warden; stop that one first"), "{err}");
    warden.stop().await;

    let (code, out, _) = run(&town, &["redrive", "list"]).await;
    assert_eq!(code, Some(0));
    assert!(out.starts_with("look-1  2"), "{out}");
    assert!(out.ends_with("  Woodgrove (sweep): Graph was away for long\n"), "{out}");
    let (code, _, err) = run(&town, &["redrive", "run", "--id", "look-7"]).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("there is no dead letter look-7"), "{err}");
    assert_eq!(
        run(&town, &["redrive", "run", "--kind", "ticket"]).await.1,
        "nothing was given up\n"
    );
    let (code, out, _) = run(&town, &["redrive", "run", "--id", "look-1", "--json"]).await;
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &json[0]["id"], &json[0]["became"]),
        (Some(0), &json!("look-1"), &json!("put-back"))
    );

    let _warden = town.serve();
    town.closed_ticket().await;
}
