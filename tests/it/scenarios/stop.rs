//! The stop switch: somebody says that nothing is to be written, beside what runs.

use partner_warden::domain::plan::{Remediation, StepState};
use partner_warden::sim::{Scenario, WOODGROVE, When};
use serde_json::Value;

use super::remedies::in_all_of;
use crate::harness::{Backend, ENFORCE, LIMIT, Town, Warden, body, on_each, steps};
use crate::metrics::{address, ask};

on_each! {
    from_when_stop_returned_nothing_is_written_and_after_resume_it_is_done_without_an_event
    what_a_stop_cuts_in_two_is_told_in_part_and_done_to_its_end_afterwards
}

const ASSIGNMENTS: &str = "/roleManagement/directory/roleAssignments";
const AGENTS: &str = "revoke Global Administrator from AdminAgents";
const ALICE: &str = "revoke User Administrator from Alice \
                     (alice_contoso-reseller.example#EXT#@woodgrove.example)";

fn woodgrove() -> Scenario {
    Scenario::woodgrove().lag_reads(0)
}

/// Waits for a ticket that shows these states.
async fn shown(town: &Town, agents: &str, alice: &str) -> Value {
    let expect = [format!("{AGENTS}: {agents}"), format!("{ALICE}: {alice}")];
    let what = format!("{expect:?}");
    let messages =
        town.messages(&what, |all| all.last().is_some_and(|last| steps(last) == expect)).await;
    messages.last().unwrap().clone()
}

async fn from_when_stop_returned_nothing_is_written_and_after_resume_it_is_done_without_an_event(
    on: Backend,
) {
    let town = Town::on(on, woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    let _ticking = warden.hasten();
    let under_way = town.sim.hold("DELETE", ASSIGNMENTS, When::BeforeEffect);
    warden.role_was_added().await;
    tokio::time::timeout(LIMIT, under_way.reached()).await.unwrap();
    let stopped = town.beside(&["stop", "--why", "INC-7: revokes too much"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.err);
    assert!(
        stopped.out.contains("by the stop switch: INC-7: revokes too much;"),
        "{}",
        stopped.out
    );
    // The one call that was under way ends as it may; none is sent after it.
    under_way.release();
    let told = shown(&town, "verified", "held").await;
    let text = body(&told);
    let line = text.lines().find(|line| line.starts_with("- Held back: ")).unwrap();
    assert!(
        line.starts_with(&format!("- Held back: {ALICE}: nothing is written since 20")),
        "{text}"
    );
    let why = "by the stop switch: INC-7: revokes too much; `partner-warden resume` ends it";
    assert!(line.contains(why), "{text}");
    warden.role_was_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29").await;
    town.looked(2).await;
    town.sim.grant(WOODGROVE, "Alice", "Exchange Administrator").unwrap();
    warden.role_was_added_again(1).await;
    let exchange = "revoke Exchange Administrator from Alice";
    let held = |all: &[Value]| {
        let last = all.last().map(steps).unwrap_or_default();
        last.iter().any(|step| step.starts_with(exchange) && step.ends_with(": held"))
    };
    town.messages("what is found while all is stopped, held", held).await;
    assert_eq!(town.writes().len(), 1, "{:?}", town.writes());
    let show = town.beside(&["stop", "--show"]).await;
    assert_eq!((show.code, show.out), (Some(0), stopped.out));

    let resumed = town.beside(&["resume"]).await;
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert!(resumed.out.ends_with(": INC-7: revokes too much\n"), "{}", resumed.out);
    let messages = town.closed_ticket().await;
    let done = steps(messages.last().unwrap());
    assert_eq!(done.len(), 3);
    assert!(done.iter().all(|step| step.ends_with(": verified")), "{done:?}");
    warden.idle(&town).await;
    warden.stop().await;
    assert_eq!(town.writes().len(), 3, "{:?}", town.writes());
    assert_eq!(town.deletes().iter().filter(|line| line.ends_with("→ 204")).count(), 3);
    assert_eq!(town.next_look().await, None, "nothing is left to be taken up");
    assert_eq!(town.revocations().await, 3, "what was held before its call took nothing");
    let records = town.records().await;
    let rows = records.iter().flat_map(|record| &record.case.rows);
    let mut held = rows.filter_map(|row| row.step.as_ref());
    let says = |detail: &String| detail.contains("by the stop switch: INC-7");
    let says =
        held.any(|step| step.state == StepState::Held && step.detail.as_ref().is_some_and(says));
    assert!(says, "{records:#?}");
}

async fn what_a_stop_cuts_in_two_is_told_in_part_and_done_to_its_end_afterwards(on: Backend) {
    let policy =
        ENFORCE.replace("{do: revoke, ticket", "{do: revoke, also: [revoke-sessions], ticket");
    let town = Town::on(on, in_all_of(&["Help", "Night"]), &policy).await;
    let warden = town.start().await;
    let _ticking = warden.hasten();
    let under_way = town.sim.hold("DELETE", "/members/", When::BeforeEffect);
    warden.role_was_added().await;
    tokio::time::timeout(LIMIT, under_way.reached()).await.unwrap();
    assert_eq!(town.beside(&["stop", "--why", "INC-7"]).await.code, Some(0));
    under_way.release();
    let in_part = |all: &[Value]| all.last().is_some_and(|it| body(it).contains("done in part: "));
    let messages = town.messages("the ticket, in part", in_part).await;
    let text = body(messages.last().unwrap());
    assert!(
        text.contains(": it is out of ") && text.contains("by the stop switch: INC-7"),
        "{text}"
    );
    assert_eq!(town.writes().len(), 1, "{:?}", town.writes());
    warden.stop().await;
    let record = town.records().await.pop().unwrap();
    let taken = record.case.rows.iter().filter_map(|row| row.step.as_ref()).find(|step| {
        step.remediation == Remediation::RemoveGroupMember && step.state == StepState::Held
    });
    assert!(taken.unwrap().acted_at.is_some(), "a part of it was taken: {record:#?}");
    assert_eq!(record.timeline.revoked, None, "and not all of it");

    let warden = town.start().await;
    let _ticking = warden.hasten();
    assert_eq!(town.beside(&["resume"]).await.code, Some(0));
    town.closed_ticket().await;
    warden.idle(&town).await;
    warden.stop().await;
    let writes = town.writes();
    let count = |part: &str| writes.iter().filter(|line| line.contains(part)).count();
    assert_eq!((count("/members/"), count("revokeSignInSessions")), (2, 1), "{writes:?}");
}

/// What is told at the door, and among the numbers.
async fn told_of_a_stop(warden: &Warden) -> (bool, String) {
    let health = warden.request("GET", "/health", &[], "").await;
    let health: Value = serde_json::from_slice(&health.body).unwrap();
    assert!(!health.to_string().contains("INC-7"), "{health}");
    let numbers = ask(&address(warden), "GET", "/metrics").await;
    let numbers = String::from_utf8(numbers.body.to_vec()).unwrap();
    let line = numbers.lines().find(|line| line.starts_with("warden_stopped "));
    (health["stopped"] == true, line.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_stop_that_cannot_be_read_is_one_outlasts_a_restart_and_is_told_at_the_door() {
    let town = Town::new(woodgrove(), ENFORCE).await.set("WARDEN_METRICS_LISTEN", "127.0.0.1:0");
    let file = town.folder.path().join("store.db.stop");
    std::fs::write(&file, "{\"why\": ").unwrap();
    let warden = town.start().await;
    warden.role_was_added().await;
    let told = shown(&town, "held", "held").await;
    let why = "nothing is written, by the stop switch: the stop switch cannot be read, which counts \
               as stopped; `partner-warden resume` ends it";
    assert_eq!(body(&told).matches(why).count(), 2, "{}", body(&told));
    assert_eq!(told_of_a_stop(&warden).await, (true, "warden_stopped 1".to_owned()));
    warden.logged("nothing is written, since the stop switch cannot be read: ", 1).await;
    let show = town.beside(&["stop", "--show"]).await;
    assert_eq!((show.code, show.out.as_str()), (Some(1), ""), "{}", show.err);
    assert!(show.err.contains("store.db.stop"), "{}", show.err);
    warden.stop().await;

    // Somebody says why, which can be read.
    let stopped = town.beside(&["stop", "--why", "INC-7", "--json"]).await;
    let stopped: Value = serde_json::from_str(&stopped.out).unwrap();
    assert_eq!((&stopped["stopped"], &stopped["why"]), (&true.into(), &"INC-7".into()));
    let due = |town: &Town| town.waiting().iter().map(|waiting| waiting.due).min();
    let before = due(&town).unwrap();
    let warden = town.start().await;
    // It is asked again and again, and the tenant is left alone meanwhile.
    let mut pause = tokio::time::interval(std::time::Duration::from_millis(50));
    let asked = async {
        while due(&town).is_none_or(|now| now == before) {
            pause.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, asked).await.unwrap();
    assert_eq!(told_of_a_stop(&warden).await, (true, "warden_stopped 1".to_owned()));
    assert_eq!(town.looks(), 1);
    assert_eq!(town.writes(), [""; 0]);
    assert_eq!(town.beside(&["resume"]).await.code, Some(0));
    town.closed_ticket().await;
    assert_eq!(town.looks(), 2);
    assert_eq!(told_of_a_stop(&warden).await, (false, "warden_stopped 0".to_owned()));
    let again = town.beside(&["resume"]).await;
    assert_eq!((again.code, again.out.as_str()), (Some(0), "nothing was stopped\n"));
    warden.stop().await;
    assert_eq!(town.writes().len(), 2);
    assert_eq!(town.waiting(), []);
}
