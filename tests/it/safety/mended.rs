//! Histories that once went wrong, each by itself.

use super::cast::{ADMINS, INNER};
use super::events::{Cause, Event, Fault, Read};
use super::rules::Rules;
use super::run::Run;
use super::state::{State, Way};
use super::wait;

const ALICE: usize = 10;
const SVC: usize = super::cast::SVC;

/// Runs a history, in which nothing may be wrong, and says what the first tenant is like after it
/// and once all is quiet.
fn ends(rules: Rules, events: &[Event]) -> (State, State) {
    wait(async {
        let mut run = Run::new(rules);
        for event in events {
            run.happens(event).await;
            run.holds(event).await.unwrap();
        }
        let now = run.tenants.town().places[0].state.clone();
        run.settles().await;
        run.holds(&Event::Work).await.unwrap();
        run.holds_at_the_end().await.unwrap();
        let end = run.tenants.town().places[0].state.clone();
        (now, end)
    })
}

fn given(holder: usize, role: usize, way: Way) -> Event {
    Event::Given(0, (holder, role, way))
}

#[test]
fn the_stop_switch_is_asked_between_two_calls_of_one_step() {
    let is_in = |state: &State| [ADMINS, INNER].map(|group| state.members[&group].contains(&ALICE));
    let events = [given(ALICE, 1, Way::InBoth), Event::StopWhileWriting, Event::Look(0)];
    let (stopped, resumed) = ends(Rules::strict(&[]), &events);
    assert_eq!(is_in(&stopped).iter().filter(|still| **still).count(), 1);
    assert_eq!(is_in(&resumed), [false, false]);
}

#[test]
fn what_accompanies_a_step_is_done_though_all_was_stopped_between_the_two() {
    let events = [given(ALICE, 3, Way::Assigned), Event::StopWhileWriting, Event::Look(0)];
    let (stopped, resumed) = ends(Rules::strict(&["disable-guest"]), &events);
    assert!(stopped.assignments.len() == 2 && !stopped.disabled.contains(&ALICE));
    assert!(resumed.disabled.contains(&ALICE));
}

#[test]
fn what_accompanies_a_step_is_done_once_the_limit_lets_it_be() {
    let rules = Rules { limit: 1, ..Rules::strict(&["disable-guest"]) };
    let (held, later) = ends(rules, &[given(ALICE, 3, Way::Assigned), Event::Look(0)]);
    assert!(held.assignments.len() == 2 && !held.disabled.contains(&ALICE));
    assert!(later.disabled.contains(&ALICE));
}

#[test]
fn what_is_held_by_a_group_is_not_called_gone_while_groups_cannot_be_read() {
    let rules = Rules { administrator: false, ..Rules::strict(&[]) };
    let events = [
        given(SVC, 0, Way::InAdmins),
        Event::Look(0),
        Event::Fault(Fault::Unread(Read::Objects, Cause::Broken)),
        Event::Look(0),
    ];
    let (now, end) = ends(rules, &events);
    assert!(now.members[&ADMINS].contains(&SVC) && end.members[&ADMINS].contains(&SVC));
}

#[test]
fn a_ticket_is_closed_though_the_process_died_while_it_was_about_to_be() {
    // Begun, written down, and killed before the end of the look; for each place in it.
    for steps in 1..12 {
        let events = [
            given(ALICE, 3, Way::Eligible),
            Event::Look(0),
            Event::Withdrawn(0),
            Event::KilledAfter(steps),
            Event::Look(0),
            given(ALICE, 3, Way::Eligible),
            Event::Look(0),
        ];
        let rules = Rules { planned: Rules::all_day(), ..Rules::strict(&[]) };
        ends(rules, &events);
    }
}
