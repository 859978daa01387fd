//! What is told of subscriptions, and who sees to them.

use super::*;

/// Another process with the same store and the same Graph.
fn another(given: &Given) -> Sweep {
    let sweep = &given.sweep;
    Sweep {
        clock: given.outside.clone(),
        policy: sweep.policy.clone(),
        own_apps: vec![],
        marks: sweep.marks.clone(),
        heard: sweep.heard.clone(),
        enqueue: given.outside.clone(),
        prune: given.outside.clone(),
        audits: given.outside.clone(),
        subscribing: sweep.subscribing.clone(),
        times: sweep.times,
        gates: Gates::for_several_processes(),
        last_known: LastKnown::default(),
    }
}

#[tokio::test]
async fn two_processes_at_once_neither_subscribe_twice_nor_undo_each_other() {
    let mut given = Given::new();
    given.sweep.gates = Gates::for_several_processes();
    let other = another(&given);
    let (one, two) =
        tokio::join!(given.sweep.tend(given.tenant(), false), other.tend(given.tenant(), false));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(given.calls(), ["list", "create users", "create groups"], "{one:?}\n{two:?}");
    let [first, second] = if one.elsewhere { [two, one] } else { [one, two] };
    assert_eq!((first.elsewhere, first.failed.len(), first.done.len()), (false, 0, 2));
    assert!(second.elsewhere && second.may_pass(), "{second:?}");
    for sweep in [&given.sweep, &other] {
        let tended = sweep.tend(given.tenant(), false).await.unwrap();
        assert_eq!((tended.done.len(), tended.failed.len(), tended.live.len()), (0, 0, 2));
    }
    assert_eq!(given.calls(), ["list", "list"], "what was made is known, and stays");
}

#[tokio::test]
async fn a_turn_is_not_over_while_another_process_sees_to_the_subscriptions() {
    let mut given = Given::new();
    given.sweep.gates = Gates::for_several_processes();
    let (tenant, marks) = (given.tenant().id, given.sweep.marks.clone());
    let now = || given.sweep.clock.now();
    let held = given.sweep.gates.enter(marks.as_ref(), tenant, now).await.unwrap().unwrap();
    let other = another(&given);
    let report = other.sweep(given.tenant()).await.unwrap();
    assert!(report.tended.unwrap().elsewhere);
    assert_eq!(given.calls(), [""; 0]);
    given.sweep.gates.leave(marks.as_ref(), tenant, held, now()).await;
    let report = other.sweep(given.tenant()).await.unwrap();
    assert_eq!(report.tended.unwrap().done.len(), 2);
}

#[tokio::test]
async fn who_died_over_the_subscriptions_keeps_nobody_away_for_long_and_who_is_late_begins_nothing()
{
    let mut given = Given::new();
    given.sweep.gates = Gates::for_several_processes();
    let (tenant, marks) = (given.tenant().id, given.sweep.marks.clone());
    let held = {
        let now = || given.sweep.clock.now();
        given.sweep.gates.enter(marks.as_ref(), tenant, now).await.unwrap().unwrap()
    };
    let other = another(&given);
    given.put(4);
    assert!(held.holds(given.sweep.clock.now()));
    assert!(other.tend(given.tenant(), false).await.unwrap().elsewhere);
    given.put(5);
    assert!(!held.holds(given.sweep.clock.now()));
    assert_eq!(other.tend(given.tenant(), false).await.unwrap().done.len(), 2);
    // Who comes back late takes nothing away from whoever is there by then.
    let now = || given.sweep.clock.now();
    let next = other.gates.enter(marks.as_ref(), tenant, now).await.unwrap().unwrap();
    given.sweep.gates.leave(marks.as_ref(), tenant, held, now()).await;
    assert!(another(&given).tend(given.tenant(), false).await.unwrap().elsewhere);
    other.gates.leave(marks.as_ref(), tenant, next, now()).await;
}

/// The hours that the sweep tells, by resource.
#[cfg(feature = "aws")]
fn told(given: &Given, minutes: i64) -> Vec<(String, f64)> {
    use crate::telemetry::embedded::Embedded;
    given.put(minutes);
    let recorder = Embedded::new("warden");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(given.sweep.sweep(given.tenant())).unwrap();
    });
    let text = recorder.lines(noon());
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter_map(|line| {
            let hours = line["warden_subscription_hours"][0].as_f64();
            let failures = line["warden_subscription_failures_total"].as_f64();
            let of = line["resource"].as_str().unwrap_or("failures").to_owned();
            Some((of, hours.or(failures)?))
        })
        .collect()
}

#[cfg(feature = "aws")]
#[test]
fn what_cannot_be_listed_in_passing_is_told_as_it_was_known_and_as_a_failure() {
    let hours = |hours: f64| [("groups".to_owned(), hours), ("users".to_owned(), hours)];
    let failures = |count: f64| ("failures".to_owned(), count);
    let sorted = |mut all: Vec<(String, f64)>| {
        all.sort_by(|one, two| one.0.cmp(&two.0));
        all
    };
    let life = LIFE.as_secs_f64() / 3600.0;
    let given = Given::new();
    assert_eq!(sorted(told(&given, 0)), hours(life));
    *given.outside.refuse.lock().unwrap() = Some(Failure::Transient);
    let [groups, users] = hours(life - 1.0);
    assert_eq!(sorted(told(&given, 60)), [failures(1.0), groups, users]);
    // A process that has never listed them has nothing to tell but the failure.
    let unaware = Given::new();
    *unaware.outside.refuse.lock().unwrap() = Some(Failure::Throttled(None));
    assert_eq!(told(&unaware, 0), [failures(1.0)]);
    // What does not pass by itself is not taken for good.
    *given.outside.refuse.lock().unwrap() = Some(Failure::Denied);
    let [groups, users] = hours(0.0);
    assert_eq!(sorted(told(&given, 120)), [failures(1.0), groups, users]);
}
