//! The same for the command `restore`: wherever it is killed, running it again ends what it began,
//! and does nothing twice.

use std::process::{Child, Stdio};

use futures_util::future::join_all;
use partner_warden::domain::case::StepRow;
use partner_warden::domain::record::{Record, RecordEvent};
use partner_warden::sim::Assignment;

use super::*;
use crate::cli::warden;
use crate::harness::{Backend, kinds};
use crate::restore::insist;
use crate::restore::undo::{MAIL, Undo, Undone, everything};

/// Where it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kill {
    /// While it reads what there is, before anything is written down.
    Planning(When),
    /// While it puts it back.
    Calling(When),
    /// While it reads again whether it is there.
    Reading(When),
}

use Kill::{Calling, Planning, Reading};

/// Starts `restore`, which goes on by itself.
fn begin(town: &Town, record: &str) -> Child {
    let mut command = warden(&insist(record));
    command.envs(town.command_variables()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

impl Kill {
    async fn reach(self, it: &Undone) -> (Child, Hold) {
        let sim = &it.town.sim;
        let ((method, path), read) = (it.undo.call(), it.undo.read());
        let hold = match self {
            Planning(when) => sim.hold("GET", read, when),
            Calling(when) => sim.hold(method, path, when),
            Reading(_) => sim.hold(method, path, AfterEffect),
        };
        let child = begin(&it.town, &it.record);
        let reached = async |hold: &Hold| {
            let reached = within(hold.reached()).await;
            reached.unwrap_or_else(|| panic!("{:?}, {self:?} was not reached", it.undo));
        };
        reached(&hold).await;
        let Reading(when) = self else { return (child, hold) };
        let again = sim.hold("GET", read, when);
        hold.release();
        reached(&again).await;
        (child, again)
    }

    /// Runs `restore` and kills it there, as `kill -9` does.
    async fn once(self, it: &Undone) {
        let (mut child, hold) = self.reach(it).await;
        child.kill().unwrap();
        child.wait().unwrap();
        within(hold.abandoned()).await.unwrap();
    }
}

/// The steps that were carried out, by the last record, with its event. The store is read by another
/// process: what this one has open, those that it starts may have open for a moment too.
async fn told(town: &Town) -> (RecordEvent, Vec<StepRow>) {
    let (_, shown) = town.says(&["records", "show", &town.last_record().await]).await;
    let last: Record = serde_json::from_value(shown["record"].clone()).unwrap();
    let steps = last.case.rows.into_iter().filter_map(|row| row.step);
    (last.event, steps.filter(|it| it.state != StepState::Held).collect())
}

/// Kills it once at each point, one life after the other; each time somebody can see how far it came.
/// Then runs it to its end. Returns how many calls were made in all.
async fn check(undo: Undo, kills: &[Kill]) -> usize {
    let it = undo.taken_away(Backend::Embedded).await;
    let cell = format!("{undo:?}, {kills:?}");
    let mut begun = false;
    for kill in kills {
        kill.once(&it).await;
        begun |= !matches!(kill, Planning(_));
        it.town.is_whole().await;
        let (event, steps) = told(&it.town).await;
        if begun {
            assert_eq!(event, RecordEvent::Restored, "{cell}");
            assert_eq!(steps.iter().filter(|it| it.restoring).count(), 1, "{cell}: {steps:#?}");
            let shown = it.town.command(&["records", "show", &it.town.last_record().await]).await;
            assert!(shown.out.contains("begun to be put back, and not seen"), "{}", shown.out);
        } else {
            assert_eq!(it.town.last_record().await, it.record, "{cell}: nothing was begun");
        }
    }
    ended(&it, &cell).await;
    it.calls()
}

/// One more life in which nothing goes wrong puts all back, once, and says so.
async fn ended(it: &Undone, cell: &str) {
    let (code, done) = it.town.says(&insist(&it.record)).await;
    assert_eq!(code, Some(0), "{cell}: {done:#}");
    assert_eq!(it.whole(), it.before, "{cell}");
    it.town.is_whole().await;
    let (event, steps) = told(&it.town).await;
    assert_eq!(event, RecordEvent::Restored, "{cell}");
    assert_eq!(steps.len(), it.undo.steps(), "{cell}");
    for step in &steps {
        let so = (step.state, step.restoring, step.undone_at.is_some());
        assert_eq!(so, (StepState::Restored, false, true), "{cell}: {step:#?}");
    }
    let (calls, record) = (it.town.writes(), it.town.last_record().await);
    let (code, again) = it.town.says(&insist(&it.record)).await;
    let items = again["items"].as_array().unwrap().iter();
    let needless = items.filter(|item| item["verdict"] == "needless").count();
    assert_eq!((code, needless), (Some(0), it.undo.steps()), "{cell}: {again:#}");
    assert_eq!((it.town.writes(), it.town.last_record().await), (calls, record), "{cell}");
}

/// Kills it at these points for everything that can be put back. `more` says how many calls were made
/// in vain.
async fn check_each(kills: &[Kill], more: usize) {
    let check = async |undo: Undo| {
        assert_eq!(check(undo, kills).await, undo.calls() + more, "{undo:?}, {kills:?}");
    };
    join_all(Undo::ALL.map(check)).await;
}

#[tokio::test]
async fn killed_while_it_reads_what_there_is() {
    check_each(&[Planning(BeforeEffect)], 0).await;
    check_each(&[Planning(AfterEffect)], 0).await;
}

#[tokio::test]
async fn killed_before_it_is_put_back() {
    check_each(&[Calling(BeforeEffect)], 1).await;
}

/// It is there, and nobody was told: it is found, and written down.
#[tokio::test]
async fn killed_after_it_was_put_back_with_its_answer_lost() {
    let check = async |undo: Undo| {
        let calls = check(undo, &[Calling(AfterEffect)]).await;
        // Of two groups the second is still to come, and the first says that it is there already.
        assert_eq!(calls, if undo == Undo::Member { 3 } else { 1 }, "{undo:?}");
    };
    join_all(Undo::ALL.map(check)).await;
}

#[tokio::test]
async fn killed_while_it_reads_whether_it_is_there() {
    check_each(&[Reading(BeforeEffect)], 0).await;
    check_each(&[Reading(AfterEffect)], 0).await;
}

#[tokio::test]
async fn killed_at_one_point_after_the_other() {
    let before = Calling(BeforeEffect);
    check_each(&[Planning(AfterEffect), before, before, Reading(AfterEffect)], 2).await;
}

/// What is put back by an item of a plan.
fn undo_of(item: &serde_json::Value) -> Undo {
    let had_done = item["hadDone"].as_str().unwrap();
    let of = [
        ("eligibility", Undo::Eligible),
        ("out of Admins", Undo::Member),
        ("the permission", Undo::AppRole),
    ];
    of.into_iter().find(|(part, _)| had_done.contains(part)).map_or(Undo::Active, |(_, undo)| undo)
}

/// What is done is not done again, and what was not begun is.
#[tokio::test]
async fn killed_between_the_things_of_one_record() {
    let until =
        |role| Assignment::new("Alice", role).until(partner_warden::sim::Moment::in_days(9));
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .guest("Alice", MAIL, "User Administrator")
        .eligible(until("Helpdesk Administrator"))
        .group("Admins", &["Alice"], "Security Administrator")
        .service_principal("Backup", "backup", CONTOSO, None)
        .app_role("Backup", "RoleManagement.ReadWrite.Directory");
    let scenario = Scenario::default().tenant(tenant).sink("security", INBOX_SECRET).lag_reads(0);
    let town = Town::new(scenario, &everything()).await;
    let before = town.whole();
    let warden = town.serve();
    warden.role_was_added().await;
    town.closed_ticket().await;
    warden.stop().await;
    let record = town.last_record().await;
    // In the order in which they are put back.
    let (_, plan) = town.says(&["restore", &record]).await;
    let order: Vec<Undo> = plan["items"].as_array().unwrap().iter().map(undo_of).collect();
    assert_eq!(order.len(), 4, "{plan:#}");
    for undo in order {
        let (method, path) = undo.call();
        for when in [BeforeEffect, AfterEffect] {
            let hold = town.sim.hold(method, path, when);
            let mut child = begin(&town, &record);
            within(hold.reached()).await.unwrap_or_else(|| panic!("{undo:?}, {when:?}"));
            child.kill().unwrap();
            child.wait().unwrap();
            within(hold.abandoned()).await.unwrap();
            town.is_whole().await;
        }
    }
    let (code, done) = town.says(&insist(&record)).await;
    assert_eq!((code, town.whole()), (Some(0), before), "{done:#}");
    for undo in [Undo::Active, Undo::Eligible, Undo::Member, Undo::AppRole] {
        let (method, path) = undo.call();
        let calls = town.sim.calls().into_iter();
        let calls = calls.filter(|it| it.method == method && it.path.contains(path));
        let refused = calls.filter(|it| it.status.is_some_and(|status| status >= 400)).count();
        assert_eq!(refused, 0, "{undo:?} was asked for again although it was there");
    }
    let (_, steps) = told(&town).await;
    assert!(steps.iter().all(|it| it.state == StepState::Restored), "{steps:#?}");
}

/// Nobody runs it again: what is there is found by the next look, which takes away what the policy
/// forbids, once, and says that it came back.
#[tokio::test]
async fn killed_and_never_run_again() {
    for undo in [Undo::Role, Undo::Active, Undo::Eligible, Undo::Member, Undo::AppRole] {
        let it = undo.taken_away(Backend::Embedded).await;
        let (gone, kill) = (
            it.whole(),
            if undo == Undo::Member { Reading(BeforeEffect) } else { Calling(AfterEffect) },
        );
        kill.once(&it).await;
        assert_eq!(it.whole(), it.before, "{undo:?}: it is there");
        let told = it.town.sim.deliveries("security").len();
        let warden = it.town.serve();
        warden.role_was_added_again(1).await;
        let messages = it
            .town
            .messages("a new ticket, closed", |messages| {
                let new = kinds(messages.get(told..).unwrap_or_default());
                new.first() == Some(&"ticket.opened") && new.last() == Some(&"ticket.closed")
            })
            .await;
        warden.stop().await;
        let title = messages[told]["data"]["title"].as_str().unwrap();
        assert!(title.contains("Removed access came back: "), "{undo:?}: {title}");
        assert_eq!(it.whole(), gone, "{undo:?}");
        it.town.is_whole().await;
        // It can be put back still.
        let (code, done) = it.town.says(&insist(&it.record)).await;
        assert_eq!((code, it.whole()), (Some(0), it.before.clone()), "{undo:?}: {done:#}");
    }
}
