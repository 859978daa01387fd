//! Whatever Graph answers to a call that puts something back, whoever asked for it sees how it ended,
//! and what is written down is so.

use std::time::Duration;

use jiff::SignedDuration;
use partner_warden::config::{Config, Part};
use partner_warden::domain::case::StepRow;
use partner_warden::domain::plan::StepState;
use partner_warden::domain::restore::{RestorePlan, Verdict, Wish};
use partner_warden::pipeline::restore::PutBackOutcome;
use partner_warden::serve::restore::Restore;
use partner_warden::sim::{Rule, Then, When};

use super::undo::{Undo, Undone};
use super::*;
use crate::crash::remedies::impatient;

/// What Graph says to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// That it is busy, once.
    Busy,
    /// That it is out of order, once.
    Broken,
    /// Nothing, once, although it did it.
    Nothing,
    /// That it is out of order, as often as it is asked, and it does nothing.
    Down,
    /// This, as often as it is asked, and it does nothing.
    Always(u16),
}

use Says::{Always, Broken, Busy, Down, Nothing};

const ALL: [Says; 7] = [Busy, Broken, Nothing, Down, Always(403), Always(404), Always(409)];

impl Says {
    fn fault(self, undo: Undo) -> Option<Rule> {
        let (method, path) = undo.call();
        let rule = |then| Rule::new(path, then).method(method);
        match self {
            Busy => Some(rule(Then::throttle(0))),
            Broken => Some(rule(Then::status(500))),
            Nothing => None,
            Down => Some(rule(Then::status(503)).forever()),
            Always(status) => Some(rule(Then::status(status)).forever()),
        }
    }

    /// The state in which whoever asked sees it end, whether it is seen to be there, and how many
    /// calls are made.
    fn end(self, undo: Undo) -> (StepState, bool, usize) {
        let all = undo.calls();
        match self {
            Busy | Broken | Nothing => (StepState::Restored, true, all + 1),
            Down => (StepState::Intended, false, 2),
            // It is said to be deleted already, and is listed.
            Always(404) if undo == Undo::Quarantine => (StepState::Restored, false, 1),
            Always(_) => (StepState::Refused, false, 1),
        }
    }
}

/// Puts back, in this process and less patiently, what the record says; what comes in the way of the
/// calls is done by `meanwhile`.
async fn restored(
    it: &Undone,
    total: Duration,
    meanwhile: impl Future<Output = ()>,
) -> (RestorePlan, Vec<PutBackOutcome>) {
    let record = it.town.records_of(it.undo.tenant()).await;
    let record = record.into_iter().find(|record| record.id == it.record).unwrap();
    let all = it.town.command_variables();
    let variable = |name: &str| {
        let known = all.iter().find(|(known, _)| known == name);
        known.map(|(_, value)| value.clone())
    };
    let config = Config::load_for(Part::Restore, variable).unwrap();
    let soon = SignedDuration::from_millis;
    let read_again = vec![soon(0), soon(1), soon(2)];
    let restore = Restore::open_with(&config, &record, impatient(total), read_again).await.unwrap();
    let wish = Wish { anyway: true, ..Wish::default() };
    let plan = restore.plan(&record, &wish).await.unwrap();
    let putting = restore.carry_out(&record, &plan, "a test", |_| {});
    let (done, ()) = tokio::join!(putting, meanwhile);
    restore.close().await;
    (plan, done.unwrap())
}

/// How putting back what this is about has ended; a principal's role comes beside it.
fn outcome_of(undo: Undo, done: &[PutBackOutcome]) -> &PutBackOutcome {
    let own = |it: &&PutBackOutcome| undo.steps() == 1 || it.item.had_done.starts_with("keep ");
    done.iter().find(own).unwrap()
}

/// The step by the last record.
async fn row_of(it: &Undone, became: &PutBackOutcome) -> StepRow {
    let last = it.town.records_of(it.undo.tenant()).await.pop().unwrap();
    let mut steps = last.case.rows.into_iter().filter_map(|row| row.step);
    steps.find(|step| step.id == became.item.step).unwrap()
}

async fn check(undo: Undo, says: Says) {
    let cell = format!("{undo:?}, {says:?}");
    let it = undo.taken_away(Backend::Embedded).await;
    if let Some(rule) = says.fault(undo) {
        it.town.sim.add_fault(rule);
    }
    let (method, path) = undo.call();
    let hold = (says == Nothing).then(|| it.town.sim.hold(method, path, When::AfterEffect));
    let patience = Duration::from_secs(if says == Nothing { 3 } else { 30 });
    let (_, done) = restored(&it, patience, async {}).await;
    drop(hold);
    let became = outcome_of(undo, &done);
    let (state, seen, calls) = says.end(undo);
    assert_eq!((became.outcome.state, became.seen), (state, seen), "{cell}: {done:#?}");
    assert_eq!(it.calls(), calls, "{cell}: {:#?}", it.town.writes());
    let row = row_of(&it, became).await;
    assert_eq!(row.detail, became.outcome.detail, "{cell}");
    it.town.is_whole().await;
    if seen {
        assert_eq!(it.whole(), it.before, "{cell}");
        assert_eq!((row.state, row.restoring), (StepState::Restored, false), "{cell}: {row:#?}");
        return;
    }
    assert_ne!(it.whole(), it.before, "{cell}");
    // What was refused has an end; of the rest somebody has to look again.
    assert_eq!(row.restoring, state != StepState::Refused, "{cell}: {row:#?}");
    assert_eq!(row.state == StepState::Restored, state == StepState::Restored, "{cell}");
    let detail = row.detail.unwrap_or_default();
    let said = match says {
        Down => "503".to_owned(),
        Always(404) if undo == Undo::Quarantine => "not seen to be there yet".to_owned(),
        Always(status) => status.to_string(),
        Busy | Broken | Nothing => unreachable!("these are seen"),
    };
    assert!(detail.contains(&said), "{cell}: {detail}");
    // Once Graph is well again, it is put back by the same command.
    it.town.sim.clear_faults();
    let (code, told) = it.town.says(&insist(&it.record)).await;
    assert_eq!((code, it.whole()), (Some(0), it.before.clone()), "{cell}: {told:#}");
    let row = row_of(&it, became).await;
    assert_eq!((row.state, row.restoring), (StepState::Restored, false), "{cell}: {row:#?}");
}

/// A test for everything that can be put back, with every answer.
macro_rules! each_undo {
    ($($name:ident: $undo:expr,)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                for says in ALL {
                    check($undo, says).await;
                }
            }
        )+

        #[test]
        fn whatever_can_be_put_back_has_its_test() {
            assert_eq!([$($undo),+], Undo::ALL);
        }
    };
}

each_undo! {
    a_role_assignment: Undo::Role,
    an_active_schedule: Undo::Active,
    an_eligibility: Undo::Eligible,
    a_group_member: Undo::Member,
    an_application_permission: Undo::AppRole,
    the_account_of_a_guest: Undo::Guest,
    an_application: Undo::App,
    a_quarantine: Undo::Quarantine,
    a_relationship_that_extends_itself: Undo::AutoExtend,
    an_access_assignment: Undo::AccessAssignment,
}

/// Has something happen between the plan and the first call that puts it back.
async fn overtaken(undo: Undo, happens: impl FnOnce(&Town)) -> (Undone, Vec<PutBackOutcome>) {
    let it = undo.taken_away(Backend::Embedded).await;
    let (method, path) = undo.call();
    let hold = it.town.sim.hold(method, path, When::BeforeEffect);
    let (plan, done) = restored(&it, Duration::from_secs(30), async {
        hold.reached().await;
        happens(&it.town);
        hold.release();
    })
    .await;
    let wanted = plan.items.iter().filter(|item| matches!(item.verdict, Verdict::PutBack(_)));
    assert_eq!(wanted.count(), undo.steps(), "{plan:#?}");
    (it, done)
}

#[tokio::test]
async fn whoever_is_deleted_meanwhile_gets_nothing_and_that_is_told() {
    for undo in [Undo::Role, Undo::Active, Undo::Eligible, Undo::Member, Undo::Guest] {
        let forget = |town: &Town| town.sim.forget(WOODGROVE, "Alice").unwrap();
        let (it, done) = overtaken(undo, forget).await;
        let became = outcome_of(undo, &done);
        assert_eq!((became.outcome.state, became.seen), (StepState::Refused, false), "{undo:?}");
        let row = row_of(&it, became).await;
        assert_eq!((row.state, row.restoring), (StepState::Verified, false), "{undo:?}: {row:#?}");
        let (code, plan) = it.town.says(&insist(&it.record)).await;
        assert_eq!(code, Some(1), "{undo:?}: {plan:#}");
        let mut items = plan["items"].as_array().unwrap().iter();
        let item = items.find(|item| item["hadDone"] == became.item.had_done.as_str()).unwrap();
        let reason = item["reason"].as_str().unwrap();
        assert!(reason.contains("not in the directory of Woodgrove any more"), "{reason}");
    }
}

/// What somebody else does.
type Happens<'a> = &'a dyn Fn(&Town);

#[tokio::test]
async fn what_somebody_else_puts_back_meanwhile_is_there() {
    let grant = |town: &Town| {
        town.sim.grant(WOODGROVE, "Alice", "User Administrator").unwrap();
    };
    let put_into = |town: &Town| town.sim.put_into(WOODGROVE, "Help", "Alice").unwrap();
    let enable = |town: &Town| {
        let enabled = |principal: &mut partner_warden::sim::Principal| {
            principal.account_enabled = true;
        };
        town.sim.alter(WOODGROVE, "Alice", enabled).unwrap();
    };
    let let_in = |town: &Town| town.sim.drop_policies(WOODGROVE, "Partner Warden quarantine");
    let happens: [(Undo, Happens<'_>); 5] = [
        (Undo::Role, &grant),
        (Undo::Active, &grant),
        (Undo::Member, &put_into),
        (Undo::Guest, &enable),
        (Undo::Quarantine, &let_in),
    ];
    for (undo, happens) in happens {
        let (it, done) = overtaken(undo, happens).await;
        let became = outcome_of(undo, &done);
        assert_eq!((became.outcome.state, became.seen), (StepState::Restored, true), "{undo:?}");
        let row = row_of(&it, became).await;
        assert_eq!((row.state, row.restoring), (StepState::Restored, false), "{undo:?}: {row:#?}");
        let mut held = it.town.held();
        held.sort();
        held.dedup();
        assert_eq!(held.len(), it.town.held().len(), "{undo:?}: there is one of it");
    }
}

/// Nothing is written over what nobody saw.
#[tokio::test]
async fn a_relationship_that_somebody_changes_meanwhile_is_left_as_they_made_it() {
    let change = |town: &Town| town.sim.auto_extend(CONTOSO, "Everything", "P0D");
    let (it, done) = overtaken(Undo::AutoExtend, change).await;
    let became = outcome_of(it.undo, &done);
    assert_eq!((became.outcome.state, became.seen), (StepState::Refused, false), "{done:#?}");
    let detail = became.outcome.detail.as_deref().unwrap();
    assert!(detail.ends_with("it was changed in the meantime; run it again"), "{detail}");
    let (code, told) = it.town.says(&insist(&it.record)).await;
    assert_eq!((code, it.whole()), (Some(0), it.before.clone()), "{told:#}");
}

/// What Graph took and does not show counts as not known, and the exit code says so.
#[tokio::test]
async fn what_is_not_seen_to_be_there_is_not_called_back() {
    let it = Undo::Quarantine.taken_away(Backend::Embedded).await;
    let (method, path) = Undo::Quarantine.call();
    it.town.sim.add_fault(Rule::new(path, Then::status(404)).method(method));
    let run = it.town.command(&insist(&it.record)).await;
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    assert!(run.out.contains("  ? undone: "), "{}", run.out);
    assert!(run.out.contains("it was not seen to be there yet"), "{}", run.out);
}
