//! What people decide in the ticket itself.

use jiff::SignedDuration;
use partner_warden::domain::approval::Standing;
use partner_warden::sim::WOODGROVE;

use super::approve::ask_at;
use super::gate::{policy, town_on};
use crate::harness::{Backend, Town, Warden, on_each};
use crate::tracker::{CALLBACK, Tracker};

/// What decides in the tests' tickets.
const DECIDES: &str = ", decide: {approve: [approved], refuse: [refused], by: [megan, adele]}";

on_each! {
    approved_in_the_ticket_it_is_carried_out_for_whoever_is_named
}

struct Given {
    tracker: Tracker,
    town: Town,
    warden: Warden,
}

impl Given {
    /// People are asked in the only ticket, which was read since.
    async fn asked(more: &str) -> Self {
        Self::asked_on(Backend::Embedded, more).await
    }

    async fn asked_on(on: Backend, more: &str) -> Self {
        let tracker = Tracker::start().await;
        let policy = policy(&tracker, DECIDES).replace("mode: enforce", "mode: approve");
        let town = ask_at(town_on(on, &format!("{policy}{more}\n")).await);
        let warden = town.start().await;
        warden.role_was_added().await;
        tracker.says("To agree: bring this ticket to approved").await;
        tracker.was_read(1).await;
        warden.idle(&town).await;
        Self { tracker, town, warden }
    }

    /// Somebody gives the ticket a status, and the tracker calls back.
    async fn set(&self, status: &str, by: &str) {
        self.tracker.set(status, by);
        let before = self.tracker.read();
        assert_eq!(self.call("security", Some(CALLBACK)).await, 202);
        self.tracker.was_read(before + 1).await;
        self.warden.idle(&self.town).await;
    }

    async fn call(&self, sink: &str, secret: Option<&str>) -> u16 {
        let bearer = secret.map(|secret| format!("Bearer {secret}"));
        let headers: Vec<(&str, &str)> =
            bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let path = format!("/hooks/tickets/{sink}");
        self.warden.post(&path, &headers, r#"{"id": 1}"#).await.status.as_u16()
    }

    /// Waits until all is done and told; says who decided.
    async fn carried_out(self) -> Vec<String> {
        self.tracker.ended().await;
        self.warden.idle(&self.town).await;
        self.warden.stop().await;
        assert_eq!(self.town.deletes().iter().filter(|line| line.ends_with("→ 204")).count(), 2);
        let records = self.town.records().await;
        let asked = records.last().unwrap().case.asked.as_ref().unwrap();
        assert_eq!(asked.standing, Standing::Approved);
        asked.decisions.iter().map(partner_warden::domain::approval::Decision::who).collect()
    }

    /// Nothing was done, and nothing is to be.
    async fn untouched(self) {
        self.warden.idle(&self.town).await;
        self.warden.stop().await;
        assert_eq!(self.town.writes(), [""; 0]);
        self.tracker.only();
    }
}

async fn approved_in_the_ticket_it_is_carried_out_for_whoever_is_named(on: Backend) {
    let given = Given::asked_on(on, "").await;
    let _schedule = given.warden.hasten();
    given.tracker.says("Only these count: megan, adele").await;
    let looks = given.town.looks();
    // Nobody but the tracker can say that a ticket changed.
    assert_eq!(given.call("security", None).await, 401);
    assert_eq!(given.call("security", Some("another secret")).await, 401);
    assert_eq!(given.call("nobodys", Some(CALLBACK)).await, 404);
    // That it did is no reason to read the tenant.
    given.set("open", "megan").await;
    given.set("resolved", "megan").await;
    given.set("approved", "mallory").await;
    given.warden.logged("not by anybody who may decide", 1).await;
    assert_eq!((given.town.looks(), given.town.writes()), (looks, vec![]));
    given.set("approved", "megan").await;
    assert_eq!(given.carried_out().await, ["megan (said by ticket request-tracker #1)"]);
}

#[tokio::test]
async fn refused_in_the_ticket_it_is_left() {
    let given = Given::asked("").await;
    given.set("refused", "adele").await;
    given.tracker.says("Refused by adele (said by ticket request-tracker ").await;
    // Nobody is asked any more.
    given.tracker.set("approved", "megan");
    assert_eq!(given.call("security", Some(CALLBACK)).await, 202);
    given.untouched().await;
}

#[tokio::test]
async fn what_is_resolved_is_not_approved() {
    let given = Given::asked("").await;
    for status in ["resolved", "rejected", "deleted"] {
        given.set(status, "megan").await;
    }
    given.untouched().await;
}

#[tokio::test]
async fn what_answered_an_earlier_question_answers_no_later_one() {
    let given = Given::asked("").await;
    // It is approved at the moment at which the facts are others.
    given.tracker.set("approved", "megan");
    given.town.sim.grant(WOODGROVE, "Alice", "Exchange Administrator").unwrap();
    given.warden.role_was_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29").await;
    given.tracker.says("Exchange Administrator").await;
    given.warden.idle(&given.town).await;
    given.set("approved", "megan").await;
    given.set("approved", "adele").await;
    assert_eq!(given.town.writes(), [""; 0]);
    // Taken back and given anew it is an answer.
    given.set("open", "megan").await;
    given.set("approved", "megan").await;
    given.tracker.ended().await;
    given.warden.stop().await;
    assert_eq!(given.town.deletes().iter().filter(|line| line.ends_with("→ 204")).count(), 3);
}

#[tokio::test]
async fn a_callback_that_was_lost_is_found_by_the_poll_which_reads_no_tenant() {
    let mut given = Given::asked("").await;
    for approved in [false, true] {
        given.warden.idle(&given.town).await;
        given.warden.stop().await;
        let (looks, read) = (given.town.looks(), given.tracker.read());
        if approved {
            given.tracker.set("approved", "megan");
        }
        given.town.time_passes(SignedDuration::from_mins(2));
        given.warden = given.town.start().await;
        given.tracker.was_read(read + 1).await;
        if !approved {
            given.warden.idle(&given.town).await;
            assert_eq!((given.town.looks(), given.town.writes()), (looks, vec![]));
        }
    }
    given.carried_out().await;
}

#[tokio::test]
async fn a_tracker_that_is_out_of_order_decides_nothing_and_is_asked_again() {
    let mut given = Given::asked("").await;
    given.tracker.set("approved", "megan");
    given.tracker.down(true);
    let before = given.tracker.refused();
    assert_eq!(given.call("security", Some(CALLBACK)).await, 202);
    given.tracker.until("an attempt", |it| it.refused() > before).await;
    given.warden.idle(&given.town).await;
    given.warden.stop().await;
    assert_eq!(given.town.writes(), [""; 0]);
    given.tracker.down(false);
    given.town.time_passes(SignedDuration::from_mins(2));
    given.warden = given.town.start().await;
    given.carried_out().await;
}

#[tokio::test]
async fn one_in_the_ticket_and_one_on_the_page_are_two_people() {
    let given = Given::asked("approvals: {people: 2}").await;
    given.set("approved", "megan").await;
    given.tracker.says("1 of 2 people have agreed").await;
    // The same person, whatever it is they use.
    given.set("open", "megan").await;
    given.set("approved", "megan").await;
    let path = given.tracker.path();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let same = given.warden.post(&path, &form, "decision=approve&name=MEGAN").await;
    assert_eq!(same.status, 409);
    assert_eq!(given.town.writes(), [""; 0]);
    given.set("approved", "adele").await;
    let by = given.carried_out().await;
    assert_eq!(by.len(), 2, "{by:?}");
}
