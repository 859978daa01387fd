//! What is told of subscriptions, and who sees to them.

use super::*;
use crate::domain::roster::Side;
use crate::sweep::subscriptions::Tended;

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

/// Woodgrove from now on as a partner's own tenant.
fn as_a_partners_own(given: &mut Given) {
    let mut policy = given.sweep.policy.as_ref().clone();
    policy.roster.tenants[0].side = Side::Partner;
    given.sweep.policy = Arc::new(policy);
}

#[tokio::test]
async fn a_partners_own_tenant_is_not_subscribed_to_and_not_asked() {
    let mut given = Given::new();
    as_a_partners_own(&mut given);
    let report = given.sweep.sweep(given.tenant()).await.unwrap();
    assert_eq!(report.tended, Some(Tended::default()));
    assert_eq!(given.calls(), [""; 0]);
    assert!(report.look && report.polled.is_some(), "it is guarded by its schedule: {report:?}");
}

#[tokio::test]
async fn what_a_tenant_was_subscribed_to_goes_once_it_is_a_partners_own() {
    let mut given = Given::new();
    given.sweep.tend(given.tenant(), false).await.unwrap();
    given.calls();
    as_a_partners_own(&mut given);
    *given.outside.refuse.lock().unwrap() = Some(Failure::Denied);
    let tended = given.sweep.tend(given.tenant(), false).await.unwrap();
    assert_eq!((tended.failed.len(), given.calls()), (1, vec!["list".to_owned()]));
    *given.outside.refuse.lock().unwrap() = None;
    let tended = given.sweep.tend(given.tenant(), true).await.unwrap();
    assert_eq!((tended.done.len(), tended.failed.len(), tended.live.len()), (2, 0, 0));
    assert!(!tended.gap, "nothing went unheard that matters");
    assert_eq!(*given.outside.subscriptions.lock().unwrap(), []);
    given.calls();
    given.sweep.tend(given.tenant(), true).await.unwrap();
    assert_eq!(given.calls(), [""; 0]);
}

#[tokio::test]
async fn what_has_ended_by_itself_is_not_asked_about_in_a_partners_own_tenant() {
    let mut given = Given::new();
    given.sweep.tend(given.tenant(), false).await.unwrap();
    given.calls();
    as_a_partners_own(&mut given);
    *given.outside.refuse.lock().unwrap() = Some(Failure::Denied);
    let minutes = LIFE.as_secs() / 60;
    given.put(minutes - 1);
    assert_eq!(given.sweep.tend(given.tenant(), false).await.unwrap().failed.len(), 1);
    given.put(minutes);
    assert_eq!(given.sweep.tend(given.tenant(), false).await.unwrap(), Tended::default());
    assert_eq!(given.calls(), ["list"]);
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
    // What a partner's own tenant is not to have is nothing that could end.
    let mut partner = Given::new();
    as_a_partners_own(&mut partner);
    assert_eq!(told(&partner, 0), []);
}
