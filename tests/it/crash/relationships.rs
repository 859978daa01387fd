//! The same for what a partner holds over its customers, which Microsoft ends in its own time.

use partner_warden::domain::plan::StepState;
use partner_warden::sim::Changes;
use serde_json::Value;

use super::remedies::impatient;
use super::*;
use crate::evidence::told_once;
use crate::harness::body;
use crate::partner_ways::{self, PartnerWay};

const ALL: &str = "/tenantRelationships/delegatedAdminRelationships";

/// The read of the relationship right before it is changed.
fn first_read(way: PartnerWay) -> Point {
    let path = if way == PartnerWay::AccessAssignment { "/accessAssignments/" } else { ALL };
    // The list, and who uses each of the two, come before it.
    let before = if way == PartnerWay::AccessAssignment { 0 } else { 3 };
    at("GET", path, BeforeEffect).after(before)
}

/// Kills the process once at each point, one life after the other, and lets the next one finish.
async fn check(way: PartnerWay, kills: &[Point]) {
    let town = Town::new(way.scenario(Changes::default()), partner_ways::ENFORCE).await;
    for (life, point) in kills.iter().enumerate() {
        let armed = point.arm(&town);
        let warden = town.serve();
        if life == 0 {
            warden.partner_changed(1).await;
        }
        armed.kill(warden).await;
    }
    let warden = town.serve();
    town.closed_ticket().await;
    warden.stop().await;
    ended(&town, way, kills.len()).await;
}

/// It was ended, everybody was told the truth, and nothing is left to do.
async fn ended(town: &Town, way: PartnerWay, again: usize) {
    assert!(way.has_ended(&town.sim), "{way:?}");
    assert_eq!(town.waiting(), [], "a signal is left");
    let (method, path) = way.call();
    let calls = town.sim.calls().into_iter();
    let calls: Vec<_> =
        calls.filter(|call| call.method == method && call.path.contains(path)).collect();
    assert!((1..=1 + again).contains(&calls.len()), "{calls:#?}");
    let messages = town.sim.deliveries("security").into_iter();
    let messages: Vec<Value> = messages.map(|delivery| delivery.body).collect();
    told_once(&messages);
    let last = messages.last().unwrap();
    assert_eq!(steps(last), [format!("{}: verified", way.summary())]);
    let records = town.records().await;
    let case = &records.last().unwrap().case;
    assert!(!case.is_open(), "{case:#?}");
    let done: Vec<_> = case.rows.iter().filter_map(|row| row.step.as_ref()).collect();
    let [step] = done.as_slice() else { panic!("{case:#?}") };
    assert_eq!(step.state, StepState::Verified, "{step:?}");
    assert!(step.verified_at.is_some(), "{step:?}");
    let known = (step.request_id.is_some(), step.acted_at.is_some());
    assert_eq!(known.0, known.1, "{step:?}");
}

#[tokio::test]
async fn killed_before_each_relationship_is_read_that_is_to_be_less() {
    for way in PartnerWay::ALL {
        check(way, &[first_read(way)]).await;
    }
}

#[tokio::test]
async fn killed_before_each_relationship_is_less() {
    for way in PartnerWay::ALL {
        let (method, path) = way.call();
        check(way, &[at(method, path, BeforeEffect)]).await;
    }
}

#[tokio::test]
async fn killed_after_each_relationship_was_less_with_its_answer_lost() {
    for way in PartnerWay::ALL {
        let (method, path) = way.call();
        check(way, &[at(method, path, AfterEffect)]).await;
    }
}

#[tokio::test]
async fn killed_while_reading_each_relationship_again() {
    for way in PartnerWay::ALL {
        // Only reading again asks what was begun, and of one that has ended not even that.
        let (path, before) = if way == PartnerWay::TooLong { (ALL, 4) } else { ("/operations", 0) };
        for when in [BeforeEffect, AfterEffect] {
            check(way, &[at("GET", path, when).after(before)]).await;
        }
    }
}

#[tokio::test]
async fn killed_while_telling_of_each_relationship() {
    for way in PartnerWay::ALL {
        for (when, after) in
            [(BeforeEffect, 0), (AfterEffect, 0), (BeforeEffect, 1), (AfterEffect, 1)]
        {
            check(way, &[at("POST", INBOX, when).after(after)]).await;
        }
    }
}

#[tokio::test]
async fn killed_at_one_point_of_each_relationship_after_the_other() {
    for way in PartnerWay::ALL {
        let (method, path) = way.call();
        let before = at(method, path, BeforeEffect);
        let told = at("POST", INBOX, BeforeEffect);
        check(way, &[first_read(way), before, before, told, at("POST", INBOX, AfterEffect)]).await;
    }
}

/// Serves impatiently, reading again after these times.
fn reading_again(after: &[i64]) -> Timing {
    let read_again = after.iter().copied().map(SignedDuration::from_millis).collect();
    Timing { read_again, ..impatient(Duration::from_secs(30)) }
}

async fn change(address: SocketAddr, town: &Town) {
    let state = client_state(&Secret::new(CLIENT_STATE_KEY), CONTOSO.parse().unwrap());
    let body = include_str!("../../../events/graph/user-updated.json");
    let body = body.replace("{{clientState}}", &state).replace(WOODGROVE, CONTOSO);
    let http = Http::new(Patience::default()).unwrap();
    let url = format!("http://{address}/hooks/graph");
    let posted = http.once("serve", |client| client.post(&url).body(body.clone())).await;
    assert_eq!(posted.unwrap().status, 202, "{:?}", town.sim.calls());
}

/// Microsoft may be asked and then die with us: what it does in its own time is followed up by
/// whoever comes next.
#[tokio::test]
async fn killed_while_microsoft_takes_its_time() {
    for way in PartnerWay::ALL {
        let slow = Changes { take: 4_000, ..Changes::default() };
        let town = Town::new(way.scenario(slow), partner_ways::ENFORCE).await;
        let (method, path) = way.call();
        let armed = at(method, path, AfterEffect).arm(&town);
        let warden = town.serve();
        warden.partner_changed(1).await;
        armed.kill(warden).await;
        serve_with(&town, reading_again(&[0, 500, 1_000, 2_000, 4_000, 8_000]), async |_| {
            town.closed_ticket().await;
        })
        .await;
        ended(&town, way, 1).await;
    }
}

#[tokio::test]
async fn what_microsoft_takes_its_time_over_is_read_again_until_it_is_done() {
    for way in PartnerWay::ALL {
        let slow = Changes { take: 600, ..Changes::default() };
        let town = Town::new(way.scenario(slow), partner_ways::ENFORCE).await;
        let timing = reading_again(&[0, 200, 400, 800, 1_600, 3_200]);
        serve_with(&town, timing, async |address| {
            change(address, &town).await;
            let messages = town.closed_ticket().await;
            assert!(kinds_of(&messages).len() >= 2, "{messages:#?}");
        })
        .await;
        ended(&town, way, 0).await;
    }
}

fn kinds_of(messages: &[Value]) -> Vec<&str> {
    crate::harness::kinds(messages)
}

/// What is never done, and what fails, is told as not done and left to people.
#[tokio::test]
async fn what_microsoft_never_does_or_fails_to_do_is_told_and_left_to_people() {
    let never = Changes { take: 3_600_000, ..Changes::default() };
    let fails = Changes { fail: true, ..Changes::default() };
    for way in PartnerWay::ALL {
        for (changes, how) in [
            (never, "it was read again to the last and is not so"),
            (fails, "and it failed there; no reason is given"),
        ] {
            // Microsoft has no operation that tells of a deletion which failed.
            let untold = way == PartnerWay::AccessAssignment;
            let how = if untold { "it was read again to the last and is not so" } else { how };
            let town = Town::new(way.scenario(changes), partner_ways::ENFORCE).await;
            let told = serve_with(&town, reading_again(&[0, 50, 100]), async |address| {
                change(address, &town).await;
                let still = format!("{}: reappeared", way.summary());
                town.messages("what is still so", |messages| {
                    messages.last().is_some_and(|last| steps(last).contains(&still))
                })
                .await
            })
            .await;
            let last = told.last().unwrap();
            assert_eq!(last["data"]["severity"], "critical", "{last:#}");
            assert!(body(last).contains(how), "{way:?}: {}", body(last));
            let (method, path) = way.call();
            assert_eq!(town.sim.count(method, path), 1, "it is for people to look into");
            assert!(!way.has_ended(&town.sim));
            assert!(town.records().await.last().unwrap().case.is_open());
        }
    }
}

#[tokio::test]
async fn a_change_that_took_effect_and_timed_out_is_found_done() {
    for way in PartnerWay::ALL {
        let town = Town::new(way.scenario(Changes::default()), partner_ways::ENFORCE).await;
        let (method, path) = way.call();
        let hold = town.sim.hold(method, path, AfterEffect);
        serve_with(&town, impatient(Duration::from_secs(3)), async |address| {
            change(address, &town).await;
            town.closed_ticket().await;
        })
        .await;
        hold.release();
        ended(&town, way, 1).await;
    }
}
