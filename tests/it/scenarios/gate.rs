//! Where the policy says so, nothing is written before its ticket is there.

use jiff::SignedDuration;
use partner_warden::adapters::clock::SystemClock;
use partner_warden::ports::Clock as _;
use partner_warden::sim::{Rule, Scenario, Then, WOODGROVE};
use rusqlite::Connection;

use crate::harness::{Backend, ENFORCE, LIMIT, Town, body, kinds, on_each};
use crate::tracker::{CALLBACK, TOKEN, Tracker};

on_each! {
    nothing_is_written_before_the_message_is_taken_and_all_of_it_afterwards
}

fn woodgrove() -> Scenario {
    Scenario::woodgrove().lag_reads(0)
}

/// Woodgrove's policy with the tracker as its sink, and what more is said of that.
pub(super) fn policy(tracker: &Tracker, more: &str) -> String {
    let sink = "security: {kind: webhook, url: \"SINK\"}";
    let (url, queue) = (&tracker.url, "queue: Security");
    let new = format!("security: {{kind: request-tracker, url: \"{url}\", {queue}{more}}}");
    assert!(ENFORCE.contains(sink));
    ENFORCE.replace(sink, &new)
}

/// A town whose tickets are in the tracker.
pub(super) async fn town(policy: &str) -> Town {
    town_on(Backend::Embedded, policy).await
}

pub(super) async fn town_on(on: Backend, policy: &str) -> Town {
    let town = Town::on(on, woodgrove(), policy).await.secret("tickets", None);
    let town = town.secret("tickets.security.token", Some(TOKEN));
    town.secret("tickets.security.callbackSecret", Some(CALLBACK))
}

/// Waits until everything is revoked.
async fn revoked(town: &Town) {
    let wait = town
        .sim
        .wait_for("both revocations", LIMIT, |view| (view.deletions().len() == 2).then_some(()));
    wait.await.unwrap();
}

async fn nothing_is_written_before_the_message_is_taken_and_all_of_it_afterwards(on: Backend) {
    let down = Rule::new("/inbox/", Then::status(500)).times(1);
    let policy = ENFORCE.replace("url: \"SINK\"", "url: \"SINK\", gate: true");
    let town = Town::on(on, woodgrove().fault(down), &policy).await;
    let warden = town.start().await;
    let _schedule = warden.hasten();
    warden.role_was_added().await;
    warden.logged("\"code\":\"gate-shut\"", 1).await;
    assert_eq!(town.deletes(), [""; 0]);
    let messages = town.closed_ticket().await;
    warden.stop().await;
    let kinds = kinds(&messages);
    assert_eq!((kinds.first(), kinds.last()), (Some(&"ticket.opened"), Some(&"ticket.closed")));
    let held = "nothing is written before its ticket in security is there (tickets.security.gate)";
    assert_eq!(body(&messages[0]).matches(held).count(), 2, "{}", body(&messages[0]));
    assert_eq!(town.deletes().len(), 2);
    let calls = town.sim.calls();
    let taken = calls.iter().position(|call| {
        call.path.starts_with("/inbox/") && call.status.is_some_and(|status| status < 300)
    });
    let write = calls.iter().position(|call| call.method == "DELETE");
    assert!(taken.unwrap() < write.unwrap(), "{calls:#?}");
}

/// The ticket system is out of order for an hour. Nothing is lost, and there is one ticket at the
/// end, whether writes wait for it or not.
#[tokio::test]
async fn an_hour_without_tickets_holds_back_what_a_gate_holds_and_nothing_else() {
    for (more, gates) in [("", false), (", gate: true", true)] {
        let tracker = Tracker::start().await;
        tracker.down(true);
        let town = town(&policy(&tracker, more)).await;
        for minutes in [0, 20, 20, 20] {
            if minutes > 0 {
                town.time_passes(SignedDuration::from_mins(minutes));
            }
            let before = tracker.refused();
            let warden = town.start().await;
            if minutes == 0 {
                warden.role_was_added().await;
            }
            if gates || minutes == 0 {
                tracker.until("another attempt", |it| it.refused() > before).await;
            }
            if gates {
                assert_eq!(town.writes(), [""; 0]);
                warden.logged("\"code\":\"gate-shut\"", 1).await;
            } else {
                revoked(&town).await;
            }
            warden.idle(&town).await;
            let log = warden.stop().await;
            assert_eq!(log.contains("gate-shut"), gates, "{log}");
        }
        assert_eq!(tracker.tickets().len(), 0);
        tracker.down(false);
        // The next attempt; without a gate the pauses are longer by now.
        town.time_passes(SignedDuration::from_mins(150));
        let warden = town.start().await;
        revoked(&town).await;
        tracker.ended().await;
        warden.idle(&town).await;
        warden.stop().await;
        assert_eq!(town.deletes().iter().filter(|line| line.ends_with("→ 204")).count(), 2);
        assert_eq!(town.sim.deletions().len(), 2);
    }
}

#[tokio::test]
async fn killed_with_the_ticket_opened_and_unanswered_there_is_one_and_the_gate_opens() {
    let tracker = Tracker::start().await;
    tracker.keep_answers();
    let town = town(&policy(&tracker, ", gate: true")).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    tracker.until("the ticket", |it| it.tickets().len() == 1).await;
    assert_eq!(town.writes(), [""; 0]);
    warden.kill();
    tracker.give_answers();
    // What the process had begun is taken for lost some minutes later.
    town.time_passes(SignedDuration::from_mins(5));
    let warden = town.start().await;
    revoked(&town).await;
    tracker.ended().await;
    warden.stop().await;
    assert_eq!(town.sim.deletions().len(), 2);
}

/// The link is written down, and all else is lost of it: whoever would have said so is dead, and so is
/// what it would have been said by.
#[tokio::test]
async fn a_ticket_that_nobody_told_of_is_found_when_what_is_held_is_taken_up() {
    let tracker = Tracker::start().await;
    tracker.down(true);
    let town = town(&policy(&tracker, ", gate: true")).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    tracker.until("an attempt", |it| it.refused() > 0).await;
    warden.idle(&town).await;
    warden.logged("\"code\":\"gate-shut\"", 1).await;
    warden.stop().await;
    let waiting = town.waiting();
    let [held] = waiting.as_slice() else { panic!("{waiting:#?}") };
    let minutes = (held.due - SystemClock.now().as_millisecond() + 30_000).div_euclid(60_000);
    assert_eq!((held.subject.as_str(), minutes), ("held", 10));
    {
        let db = Connection::open(town.folder.path().join("store.db")).unwrap();
        let link = "UPDATE links SET link = json_set(link, '$.state', json('{\"is\":\"linked\"}'))";
        assert_eq!(db.execute(link, []).unwrap(), 1);
        assert_eq!(db.execute("DELETE FROM outbox", []).unwrap(), 1);
    }
    town.time_passes(SignedDuration::from_mins(11));
    let warden = town.start().await;
    revoked(&town).await;
    warden.stop().await;
    assert_eq!(town.held().len(), 4, "{WOODGROVE}");
}

/// The gate is one thing and a person's word another.
#[tokio::test]
async fn what_people_agreed_to_waits_for_the_ticket_too() {
    let tracker = Tracker::start().await;
    tracker.down(true);
    let policy = policy(&tracker, ", gate: true").replace("mode: enforce", "mode: approve");
    let town = super::approve::ask_at(town(&policy).await);
    let warden = town.start().await;
    warden.role_was_added().await;
    tracker.until("an attempt", |it| it.refused() > 0).await;
    warden.idle(&town).await;
    let path = {
        let db = Connection::open(town.folder.path().join("store.db")).unwrap();
        let url = "SELECT json_extract(body, '$.data.decisionUrl') FROM outbox";
        let url: String = db.query_row(url, [], |row| row.get(0)).unwrap();
        url.split_once("/decisions/").map(|(_, token)| format!("/decisions/{token}")).unwrap()
    };
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let decided = warden.post(&path, &form, "decision=approve&name=Megan").await;
    assert_eq!(decided.status, 303);
    town.looked(2).await;
    warden.idle(&town).await;
    assert_eq!(town.writes(), [""; 0]);
    tracker.down(false);
    revoked(&town).await;
    tracker.ended().await;
    warden.stop().await;
}
