//! What holds steps back for a time, passes, and lets them be done without anything new being heard.

use jiff::{SignedDuration, Timestamp};
use partner_warden::adapters::clock::SystemClock;
use partner_warden::ports::Clock as _;
use partner_warden::sim::{Scenario, WOODGROVE};
use serde_json::Value;

use crate::harness::{ENFORCE, Town, Warden, body, steps};
use crate::metrics::{address, ask};

/// The most revocations are told of in these words.
const FULL: &str = "1 revocations within 1h are the most the policy allows";

fn woodgrove() -> Scenario {
    Scenario::woodgrove().lag_reads(0)
}

fn in_state(message: &Value, state: &str) -> usize {
    steps(message).iter().filter(|step| step.ends_with(state)).count()
}

/// Waits for a ticket that shows so many steps verified and so many held.
async fn shown(town: &Town, verified: usize, held: usize) -> Value {
    let what = format!("{verified} steps verified and {held} held");
    let is_so = |message: &Value| {
        (in_state(message, ": verified"), in_state(message, ": held")) == (verified, held)
    };
    let messages = town.messages(&what, |all| all.last().is_some_and(is_so)).await;
    messages.last().unwrap().clone()
}

/// How many windows are told to be full, in the log and among the numbers.
async fn alarms(warden: &Warden) -> (usize, usize) {
    let numbers = ask(&address(warden), "GET", "/metrics").await;
    let numbers = String::from_utf8(numbers.body.to_vec()).unwrap();
    let name = format!("warden_revocation_limits_total{{tenant=\"{WOODGROVE}\"}} ");
    let told = numbers.lines().find_map(|line| line.strip_prefix(&name));
    let log = warden.log();
    let errors = log.lines().filter(|line| line.contains("\"ERROR\""));
    (errors.filter(|line| line.contains(FULL)).count(), told.map_or(0, |it| it.parse().unwrap()))
}

/// In how many minutes the steps that wait are to be taken up; there is nothing else in the queue.
fn taken_up_in(town: &Town) -> i64 {
    let waiting = town.waiting();
    let [only] = waiting.as_slice() else { panic!("{waiting:#?}") };
    assert_eq!((only.subject.as_str(), only.signals), ("held", 0));
    (only.due - SystemClock.now().as_millisecond() + 30_000).div_euclid(60_000)
}

#[tokio::test]
async fn what_the_limit_holds_back_is_done_once_the_window_has_passed_with_one_alarm_for_each() {
    let policy = ENFORCE.replace("guardrails: {", "guardrails: {maxRevocations: 1, per: 1h, ");
    let town = Town::new(woodgrove(), &policy).await.set("WARDEN_METRICS_LISTEN", "127.0.0.1:0");
    town.sim.grant(WOODGROVE, "Alice", "Exchange Administrator").unwrap();
    let warden = town.serve();
    warden.role_was_added().await;
    let told = shown(&town, 1, 2).await;
    assert_eq!(body(&told).matches(&format!(": {FULL}")).count(), 2, "{}", body(&told));
    // Two steps are held, and found to be by two looks: one window is full.
    warden.role_was_added_again(1).await;
    town.looked(2).await;
    warden.idle(&town).await;
    assert_eq!(alarms(&warden).await, (1, 1));
    assert_eq!(town.sim.deletions().len(), 1);
    warden.stop().await;
    assert_eq!(taken_up_in(&town), 60);

    // Not a minute too soon.
    town.time_passes(SignedDuration::from_mins(58));
    let warden = town.serve();
    warden.role_was_added_again(2).await;
    town.looked(3).await;
    warden.idle(&town).await;
    assert_eq!(alarms(&warden).await, (0, 0), "of this window it was told");
    warden.stop().await;
    assert_eq!((town.sim.deletions().len(), taken_up_in(&town)), (1, 2));

    town.time_passes(SignedDuration::from_mins(3));
    let warden = town.serve();
    shown(&town, 2, 1).await;
    assert_eq!(alarms(&warden).await, (1, 1), "the next window is full too");
    warden.stop().await;
    assert_eq!((town.sim.deletions().len(), taken_up_in(&town)), (2, 60));

    town.time_passes(SignedDuration::from_mins(61));
    let warden = town.serve();
    let messages = town.closed_ticket().await;
    assert_eq!(in_state(messages.last().unwrap(), ": verified"), 3);
    assert_eq!(alarms(&warden).await, (0, 0));
    warden.stop().await;
    assert_eq!(town.sim.deletions().len(), 3);
    assert_eq!(town.waiting(), []);
    assert_eq!(town.looks(), 5);
}

/// The policy with a change that is planned for two hours, which began an hour before this moment.
fn during(now: Timestamp) -> String {
    let at = |hours: i64| Timestamp::from_second(now.as_second() + hours * 3600).unwrap();
    let change = format!(
        "guardrails: {{plannedChanges: [{{from: {}, until: {}, reason: mailbox migration, ticket: \
         CHG-1}}], ",
        at(-1),
        at(1)
    );
    ENFORCE.replace("guardrails: {", &change)
}

#[tokio::test]
async fn what_a_planned_change_holds_back_is_done_once_it_is_over() {
    let now = SystemClock.now();
    let town = Town::new(woodgrove(), &during(now)).await;
    let warden = town.serve();
    warden.role_was_added().await;
    let told = shown(&town, 0, 2).await;
    let text = body(&told);
    let held: Vec<&str> = text.lines().filter(|line| line.starts_with("- Held back: ")).collect();
    assert_eq!(held.len(), 2, "{text}");
    let until = Timestamp::from_second(now.as_second() + 3600).unwrap();
    let why = format!(
        ": a planned change, which ends at {until}: mailbox migration (CHG-1) \
         (guardrails.plannedChanges)"
    );
    assert!(held.iter().all(|line| line.contains(&why)), "{text}");
    warden.role_was_added_again(1).await;
    town.looked(2).await;
    warden.idle(&town).await;
    warden.stop().await;
    assert_eq!(town.writes(), [""; 0]);
    assert!((59..=60).contains(&taken_up_in(&town)));

    // All of it was two hours ago, the planned change too.
    let ago = SignedDuration::from_hours(2);
    town.time_passes(ago);
    let sink = format!("{}inbox/security", town.sim.origin());
    let policy = during(now - ago).replace("SINK", &sink);
    std::fs::write(town.folder.path().join("policy.yaml"), policy).unwrap();
    let warden = town.serve();
    let messages = town.closed_ticket().await;
    assert_eq!(in_state(messages.last().unwrap(), ": verified"), 2);
    warden.stop().await;
    assert_eq!((town.sim.deletions().len(), town.looks()), (2, 3));
    assert_eq!(town.waiting(), []);
}
