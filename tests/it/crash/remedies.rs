//! The same for each way to hold power beside a role assignment of one's own: wherever the process
//! is killed, what was to be ended is ended, once, and told.

use partner_warden::domain::plan::StepState;
use partner_warden::sim::Answer;
use serde_json::{Value, json};

use super::*;
use crate::evidence::told_once;
use crate::harness::steps;
use crate::ways::{self, Way};

/// Kills the process once at each point, one life after the other, and lets the next one finish.
async fn check(way: Way, kills: &[Point]) {
    let town = Town::new(way.scenario(), ways::ENFORCE).await;
    for (life, point) in kills.iter().enumerate() {
        let armed = point.arm(&town);
        let warden = town.serve();
        if life == 0 {
            warden.role_was_added().await;
        }
        armed.kill(warden).await;
    }
    let warden = town.serve();
    town.closed_ticket().await;
    warden.stop().await;
    ended(&town, way, kills.len()).await;
}

/// It was ended, everybody was told the truth, and nothing is left to do.
async fn ended(town: &Town, way: Way, again: usize) {
    assert_eq!(town.waiting(), [], "a signal is left");
    let (method, path) = way.call();
    let calls = town.sim.calls().into_iter();
    let calls: Vec<_> =
        calls.filter(|call| call.method == method && call.path.contains(path)).collect();
    assert!((1..=1 + again).contains(&calls.len()), "{calls:#?}");
    let answered = calls.iter().any(|call| call.status.is_some());
    let messages = town.sim.deliveries("security").into_iter();
    let messages: Vec<Value> = messages.map(|delivery| delivery.body).collect();
    told_once(&messages);
    let last = messages.last().unwrap();
    assert_eq!(steps(last), [format!("{}: verified", way.summary())]);
    let records = town.records().await;
    let case = &records.last().unwrap().case;
    assert!(!case.is_open(), "{case:#?}");
    for message in &messages {
        let record = message["data"]["record"].as_str().unwrap();
        assert!(records.iter().any(|known| known.id == record), "no record {record}");
    }
    let mut steps = case.rows.iter().filter_map(|row| row.step.as_ref());
    let step = steps.next().unwrap();
    assert_eq!(step.state, StepState::Verified, "{step:?}");
    assert!(step.verified_at.is_some(), "{step:?}");
    let known = (step.request_id.is_some(), step.acted_at.is_some());
    assert_eq!(known, (answered, answered), "Graph answered {answered}, and {step:?}");
    assert!(steps.next().is_none(), "{case:#?}");
}

#[tokio::test]
async fn killed_before_each_way_is_ended() {
    for way in Way::ALL {
        let (method, path) = way.call();
        check(way, &[at(method, path, BeforeEffect)]).await;
    }
}

#[tokio::test]
async fn killed_after_each_way_was_ended_with_its_answer_lost() {
    for way in Way::ALL {
        let (method, path) = way.call();
        check(way, &[at(method, path, AfterEffect)]).await;
    }
}

#[tokio::test]
async fn killed_while_reading_each_way_again() {
    for way in Way::ALL {
        let (method, path, before) = way.read_again();
        check(way, &[at(method, path, BeforeEffect).after(before)]).await;
        check(way, &[at(method, path, AfterEffect).after(before)]).await;
    }
}

#[tokio::test]
async fn killed_while_telling_of_each_way() {
    for way in Way::ALL {
        check(way, &[at("POST", INBOX, BeforeEffect)]).await;
        check(way, &[at("POST", INBOX, AfterEffect)]).await;
        check(way, &[at("POST", INBOX, BeforeEffect).after(1)]).await;
        check(way, &[at("POST", INBOX, AfterEffect).after(1)]).await;
    }
}

#[tokio::test]
async fn killed_at_one_point_of_each_way_after_the_other() {
    for way in Way::ALL {
        let (method, path) = way.call();
        let before = at(method, path, BeforeEffect);
        check(
            way,
            &[before, before, at("POST", INBOX, BeforeEffect), at("POST", INBOX, AfterEffect)],
        )
        .await;
    }
}

/// Serves impatiently: what takes longer than `total` is no answer.
pub(crate) fn impatient(total: Duration) -> Timing {
    let soon = SignedDuration::from_millis;
    Timing {
        patience: Patience {
            total,
            retries: 1,
            first_pause: soon(1).unsigned_abs(),
            ..Patience::default()
        },
        read_again: vec![soon(0), soon(1), soon(2)],
        retry_pause: soon(1),
        ..Timing::default()
    }
}

#[tokio::test]
async fn a_call_that_took_effect_and_timed_out_is_made_again_and_finds_it_gone() {
    for way in Way::ALL {
        let town = Town::new(way.scenario(), ways::ENFORCE).await;
        let (method, path) = way.call();
        let hold = town.sim.hold(method, path, AfterEffect);
        serve_with(&town, impatient(Duration::from_secs(3)), async |address| {
            notify(address).await;
            town.closed_ticket().await;
        })
        .await;
        hold.release();
        let records = town.records().await;
        let case = &records.last().unwrap().case;
        let step = case.rows.iter().find_map(|row| row.step.as_ref()).unwrap();
        assert_eq!(step.state, StepState::Verified, "{step:#?}");
        assert_eq!(step.detail.as_deref(), Some("it was already gone"), "{way:?}");
        assert_eq!(town.sim.count(method, path), 2, "{way:?}");
    }
}

/// Graph says that there is no such thing, and lists it all the same.
#[tokio::test]
async fn what_is_called_gone_and_is_still_there_is_told_as_still_there() {
    for way in Way::ALL {
        let (method, path) = way.call();
        let lie = Rule::new(path, Then::status(404)).method(method).forever();
        let town = Town::new(way.scenario().fault(lie), ways::ENFORCE).await;
        let told = serve_with(&town, impatient(Duration::from_secs(30)), async |address| {
            notify(address).await;
            let still = format!("{}: reappeared", way.summary());
            let is_still = |messages: &[Value]| {
                messages.last().is_some_and(|last| steps(last).contains(&still))
            };
            town.messages("what is still there", is_still).await
        })
        .await;
        let last = told.last().unwrap();
        assert_eq!(last["data"]["severity"], "critical", "{last:#}");
        let title = last["data"]["title"].as_str().unwrap();
        assert!(title.contains("Removed access is still there: "), "{title}");
        assert_eq!(town.sim.count(method, path), 1, "it is for people to look into");
        assert!(town.records().await.last().unwrap().case.is_open());
    }
}

/// What Privileged Identity Management does not do at once is asked for again until it is done.
#[tokio::test]
async fn what_cannot_be_ended_yet_is_ended_later() {
    let error = |code: &str| json!({"error": {"code": code, "message": "Not yet."}});
    for way in [Way::Eligible, Way::Scheduled] {
        for (status, answer) in [
            (400, error("ActiveDurationTooShort")),
            (400, error("PendingRoleAssignmentRequest")),
            (201, json!({"id": "r", "status": "PendingProvisioning"})),
        ] {
            let (method, path) = way.call();
            let status = http::StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, retry_after: None, body: Some(answer) };
            let rule = Rule::new(path, Then::Answer(answer)).method(method).times(2);
            let town = Town::new(way.scenario().fault(rule), ways::ENFORCE).await;
            serve_with(&town, impatient(Duration::from_secs(30)), async |address| {
                notify(address).await;
                town.closed_ticket().await;
            })
            .await;
            ended(&town, way, 2).await;
            assert_eq!(town.sim.count(method, path), 3);
        }
    }
}
