//! What only a table shared by several workers has to withstand.

use std::collections::BTreeSet;

use futures_util::future::{join_all, try_join_all};
use serde_json::json;

use super::between::{Between, cancelled, refused, throttled};
use super::store::{Given, LEASED};
use crate::adapters::behaviour::ledger::{case, conclusion, outcome, planned, steps};
use crate::adapters::behaviour::{at, tenant};
use crate::domain::case::Case;
use crate::domain::finding::testing::{CONTOSO, WOODGROVE};
use crate::domain::grant::Held;
use crate::domain::id::{AssignmentId, PartnerId, Sha256Hex, StepId};
use crate::domain::plan::{Step, StepState, Target};
use crate::domain::record::chain::check;
use crate::domain::signal::{Sender, Signal, Subject};
use crate::ports::{
    Conclusion, DueTenants as _, Failure, Heard, Lease as _, Ledger as _, Looks, Marks as _,
    NoteHeard as _, Outbox as _, PortError, Proof, ReadHeard as _, RememberLooks as _, Settling,
};
use crate::wire::schedule;

/// A table with somebody between.
async fn watched() -> (Between, Given) {
    let between = Between::start().await;
    let given = Given::on(between.config().await).await;
    (between, given)
}

/// The case of another partner.
fn case_of(number: u32, state: StepState) -> Case {
    let mut case = case(state);
    let id = format!("00000000-0000-4000-8000-{number:012}");
    case.partner.id = Some(id.parse::<PartnerId>().unwrap());
    case
}

/// What a look leaves behind of many partners.
fn many(partners: u32) -> Conclusion {
    let concluded = (0..partners).map(|n| conclusion(case_of(n, StepState::Revoked), n.into()));
    let cases = concluded.flat_map(|concluded| concluded.cases).collect();
    Conclusion { cases, ..Conclusion::default() }
}

/// Another step about the same partner.
fn step(number: usize) -> Step {
    let [mut step, _] = steps();
    step.id = StepId(Sha256Hex::of(&number.to_be_bytes()));
    if let Target::Grant(grant) = &mut step.target {
        let assignment = AssignmentId(format!("no-{number}"));
        grant.held = Held::Assignment { assignment, scheduled: false };
    }
    step
}

/// A case with so many steps.
fn case_with(steps: &[Step], state: StepState) -> Case {
    let mut case = case(state);
    let row = case.rows[0].clone();
    case.rows = steps
        .iter()
        .map(|step| {
            let mut row = row.clone();
            row.key = step.key();
            let of = row.step.as_mut().unwrap();
            (of.id, of.state) = (step.id.clone(), state);
            row
        })
        .collect();
    case
}

impl Given {
    /// Every link of the tenant's chain follows from what is before it.
    async fn chain_length(&self) -> usize {
        let (anchor, chain) = self.store.chain(tenant(WOODGROVE)).await.unwrap();
        check(anchor, &chain, None).unwrap();
        chain.len()
    }

    async fn due_steps(&self, seconds: i64) -> usize {
        self.store.due_verifications_of(tenant(WOODGROVE), at(seconds)).await.unwrap().len()
    }
}

#[tokio::test]
async fn a_throttled_table_is_asked_again_for_a_while() {
    let (between, given) = watched().await;
    between.refuse("Query", 3, &throttled());
    assert_eq!(given.store.cases(tenant(WOODGROVE)).await.unwrap(), []);
    between.refuse("Query", usize::MAX, &throttled());
    let error = given.store.cases(tenant(WOODGROVE)).await.unwrap_err();
    assert_eq!(error.kind, Failure::Throttled(None));
    let said = "asking the table was answered with ProvisionedThroughputExceededException";
    assert_eq!(error.said, said);
    assert_eq!(between.count("Query"), 4);
}

#[tokio::test]
async fn a_transaction_that_met_another_one_is_made_again_for_a_while() {
    let (between, given) = watched().await;
    for (code, kind) in
        [("TransactionConflict", Failure::Transient), ("ThrottlingError", Failure::Throttled(None))]
    {
        let refusal = cancelled(&["None", code, "None"]);
        between.refuse("TransactWriteItems", 2, &refusal);
        given.store.conclude(conclusion(case(StepState::Held), 0)).await.unwrap();
        assert_eq!(between.count("TransactWriteItems"), 3, "{code}");
        between.refuse("TransactWriteItems", usize::MAX, &refusal);
        let error = given.store.conclude(conclusion(case(StepState::Held), 1)).await.unwrap_err();
        assert_eq!(error.kind, kind);
        assert_eq!(error.said, format!("writing to the table was cancelled: {code}"));
        assert_eq!(between.count("TransactWriteItems"), 6);
    }
    assert_eq!(given.chain_length().await, 2);
}

#[tokio::test]
async fn what_trying_again_does_not_mend_is_not_tried_again() {
    let (between, given) = watched().await;
    let denied =
        json!({"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "no"});
    between.refuse("TransactWriteItems", usize::MAX, &denied);
    let error = given.store.conclude(conclusion(case(StepState::Held), 0)).await.unwrap_err();
    assert_eq!(error.kind, Failure::Denied);
    assert_eq!(
        error.said,
        "writing to the table was answered with AccessDeniedException; give this function's role \
         the permission"
    );
    between.refuse("TransactWriteItems", usize::MAX, &cancelled(&["None", "ValidationError"]));
    let error = given.store.conclude(conclusion(case(StepState::Held), 0)).await.unwrap_err();
    assert_eq!((error.kind, between.count("TransactWriteItems")), (Failure::Refused, 1));
}

#[tokio::test]
async fn of_two_workers_one_has_the_lease() {
    let first = Given::new().await;
    let second = first.another("second");
    let hold = async |given: &Given, from: i64| {
        given.store.hold(tenant(WOODGROVE), at(from), at(from + LEASED)).await.unwrap()
    };
    assert!(!hold(&second, LEASED - 1).await);
    assert!(hold(&first, 100).await, "whoever has it may keep it");
    assert!(!hold(&second, LEASED).await);
    assert!(hold(&second, 100 + LEASED).await, "it has run out");
    assert!(!hold(&first, 101 + LEASED).await);
    first.store.let_go(tenant(WOODGROVE)).await.unwrap();
    assert!(!hold(&first, 101 + LEASED).await, "letting go of another's lease is nothing");
    second.store.let_go(tenant(WOODGROVE)).await.unwrap();
    assert!(hold(&first, 101 + LEASED).await);
}

#[tokio::test]
async fn whoever_lost_the_lease_writes_nothing_more() {
    let first = Given::new().await;
    let [step, other] = steps();
    let cases = [case(StepState::Intended)];
    first.store.intend(&[&step], &cases, at(0), at(300)).await.unwrap();
    let second = first.another("second");
    second.lease(LEASED).await;
    let before = second.store.cases(tenant(WOODGROVE)).await.unwrap();
    let taken = outcome(StepState::Revoked, 1);
    let proofs = [(step.id.clone(), Proof::Gone)];
    let looks = Looks { read_at: Some(at(9)), settling: vec![] };
    let refused: [Result<(), PortError>; 6] = [
        first.store.intend(&[&other], &[case_of(7, StepState::Intended)], at(1), at(301)).await,
        first.store.settle(tenant(WOODGROVE), &step, &taken).await,
        first.store.conclude(conclusion(case(StepState::Revoked), 1)).await,
        first.store.verified(tenant(WOODGROVE), &proofs, Conclusion::default()).await,
        first
            .store
            .verified(tenant(WOODGROVE), &proofs, conclusion(case(StepState::Verified), 1))
            .await,
        first.store.remember(tenant(WOODGROVE), &looks).await,
    ];
    for result in refused {
        let error = result.unwrap_err();
        assert_eq!(error.kind, Failure::Transient);
        assert_eq!(error.said, "another worker has taken the tenant's lease; nothing was written");
    }
    assert_eq!(second.store.cases(tenant(WOODGROVE)).await.unwrap(), before);
    assert_eq!((second.chain_length().await, second.due_steps(300).await), (0, 1));
    assert_eq!(second.store.looks(tenant(WOODGROVE)).await.unwrap(), Looks::default());
    assert_eq!(second.store.due(at(9)).await.unwrap(), []);
}

#[tokio::test]
async fn records_added_at_the_same_time_are_one_chain() {
    let given = Given::new().await;
    let concluded =
        (0..4).map(|n| given.store.conclude(conclusion(case_of(n, StepState::Held), 0)));
    try_join_all(concluded).await.unwrap();
    assert_eq!(given.chain_length().await, 4);
}

#[tokio::test]
async fn whoever_lost_the_race_for_the_chain_reads_its_end_again() {
    let (between, given) = watched().await;
    given.store.conclude(conclusion(case(StepState::Held), 0)).await.unwrap();
    let refusal = cancelled(&["None", "ConditionalCheckFailed", "None", "None", "None"]);
    between.refuse("TransactWriteItems", 2, &refusal);
    given.store.conclude(conclusion(case(StepState::Held), 1)).await.unwrap();
    assert_eq!((between.count("GetItem"), between.count("TransactWriteItems")), (3, 3));
    assert_eq!(given.chain_length().await, 2);
    between.refuse("TransactWriteItems", usize::MAX, &refusal);
    let error = given.store.conclude(conclusion(case(StepState::Held), 2)).await.unwrap_err();
    assert_eq!((error.kind, between.count("TransactWriteItems")), (Failure::Transient, 5));
    assert_eq!(given.chain_length().await, 2);
}

#[tokio::test]
async fn a_step_that_was_ended_is_left_out_and_the_others_are_begun() {
    let given = Given::new().await;
    let all: Vec<Step> = (0..150).map(step).collect();
    let cases = [case_with(&all, StepState::Intended)];
    let ended = [&all[3], &all[77], &all[149]];
    given.store.intend(&ended, &cases, at(0), at(300)).await.unwrap();
    for step in ended {
        let taken = outcome(StepState::Revoked, 0);
        given.store.settle(tenant(WOODGROVE), step, &taken).await.unwrap();
    }
    let steps: Vec<&Step> = all.iter().collect();
    given.store.intend(&steps, &cases, at(1), at(301)).await.unwrap();
    let history = given.store.history(tenant(WOODGROVE), at(0)).await.unwrap();
    assert_eq!((history.steps.len(), history.revocations), (150, 3));
    let begun = history.steps.values().filter(|past| past.state == StepState::Intended).count();
    assert_eq!(begun, 147);
}

#[tokio::test]
async fn a_look_at_more_partners_than_fit_together_is_kept_whole() {
    let (between, given) = watched().await;
    between.instead(|_, _| None);
    given.store.conclude(many(70)).await.unwrap();
    assert_eq!(between.count("TransactWriteItems"), 3);
    assert_eq!(given.store.cases(tenant(WOODGROVE)).await.unwrap().len(), 70);
    assert_eq!(given.chain_length().await, 70);
    let mut delivered = BTreeSet::new();
    loop {
        let due = given.store.due(at(100)).await.unwrap();
        if due.is_empty() {
            break;
        }
        for delivery in due {
            assert!(delivered.insert(delivery.id.clone()), "{}", delivery.id);
            given.store.delivered(&delivery).await.unwrap();
        }
    }
    assert_eq!(delivered.len(), 70);
}

#[tokio::test]
async fn a_crash_between_two_transactions_is_mended_by_the_look_that_comes_again() {
    let (between, given) = watched().await;
    let mut passed = 0;
    between.instead(move |operation, _| {
        passed += usize::from(operation == "TransactWriteItems");
        let down = json!({"__type": "AccessDeniedException"});
        (operation == "TransactWriteItems" && passed > 1).then(|| refused(&down))
    });
    assert!(given.store.conclude(many(70)).await.is_err());
    between.instead(|_, _| None);
    let kept = given.store.cases(tenant(WOODGROVE)).await.unwrap();
    assert!(!kept.is_empty() && kept.len() < 70, "{}", kept.len());
    assert_eq!(given.chain_length().await, kept.len(), "each case has its record");
    // The look that comes again finds some of its cases as it would leave them.
    let mut left = many(70);
    left.cases.retain(|(case, ..)| !kept.contains(case));
    given.store.conclude(left).await.unwrap();
    let expect: Vec<Case> = many(70).cases.into_iter().map(|(case, ..)| case).collect();
    assert_eq!(given.store.cases(tenant(WOODGROVE)).await.unwrap(), expect);
    assert_eq!(given.chain_length().await, 70);
}

#[tokio::test]
async fn proofs_that_do_not_fit_with_their_case_follow_it() {
    let (between, given) = watched().await;
    let all: Vec<Step> = (0..100).map(step).collect();
    let steps: Vec<&Step> = all.iter().collect();
    let cases = [case_with(&all, StepState::Intended)];
    given.store.intend(&steps, &cases, at(0), at(300)).await.unwrap();
    let proofs: Vec<(StepId, Proof)> =
        all.iter().map(|step| (step.id.clone(), Proof::Gone)).collect();
    let gone = || conclusion(case_with(&all, StepState::Verified), 300);
    let mut passed = 0;
    between.instead(move |operation, _| {
        passed += usize::from(operation == "TransactWriteItems");
        let down = json!({"__type": "AccessDeniedException"});
        (operation == "TransactWriteItems" && passed > 1).then(|| refused(&down))
    });
    assert!(given.store.verified(tenant(WOODGROVE), &proofs, gone()).await.is_err());
    between.instead(|_, _| None);
    let left = given.due_steps(300).await;
    assert!((1..100).contains(&left), "{left} are still to be read again");
    let cases = given.store.cases(tenant(WOODGROVE)).await.unwrap();
    let rows = cases[0].rows.iter().filter_map(|row| row.step.as_ref());
    assert!(rows.clone().count() == 100 && rows.clone().all(|s| s.state == StepState::Verified));
    // They are read again, are still gone, and change no case.
    given.store.verified(tenant(WOODGROVE), &proofs, Conclusion::default()).await.unwrap();
    assert_eq!((given.due_steps(9999).await, given.chain_length().await), (0, 1));
}

#[tokio::test]
async fn a_case_of_thousands_of_rows_is_kept() {
    let given = Given::new().await;
    let all: Vec<Step> = (0..5000).map(step).collect();
    let case = case_with(&all, StepState::Held);
    assert!(serde_json::to_string(&case).unwrap().len() > 5_000_000);
    given.store.conclude(conclusion(case, 0)).await.unwrap();
    let cases = given.store.cases(tenant(WOODGROVE)).await.unwrap();
    assert_eq!(cases[0].rows.len(), 5000);
    assert_eq!(given.chain_length().await, 1);
    let one =
        given.store.settle(tenant(WOODGROVE), &all[17], &outcome(StepState::Refused, 1)).await;
    one.unwrap();
    let cases = given.store.cases(tenant(WOODGROVE)).await.unwrap();
    let row = cases[0].rows.iter().find(|row| row.key == all[17].key()).unwrap();
    assert_eq!(row.step.as_ref().unwrap().state, StepState::Refused);
}

#[tokio::test]
async fn a_case_that_is_too_large_is_refused_in_words_and_changes_nothing() {
    let given = Given::new().await;
    let mut case = case_with(&(0..2000).map(step).collect::<Vec<_>>(), StepState::Held);
    for (number, row) in case.rows.iter_mut().enumerate() {
        let digests =
            (0..40).map(|n| Sha256Hex::of(format!("{number} {n}").as_bytes()).to_string());
        row.step.as_mut().unwrap().by_hand = digests.collect();
    }
    let error = given.store.conclude(conclusion(case, 0)).await.unwrap_err();
    assert_eq!(error.kind, Failure::Refused);
    assert!(
        error.said.starts_with("the case of Contoso Reseller in Woodgrove is too large"),
        "{error}"
    );
    assert_eq!(given.store.cases(tenant(WOODGROVE)).await.unwrap(), []);
}

#[tokio::test]
async fn what_the_index_still_shows_is_read_again_from_the_table() {
    let (between, given) = watched().await;
    let [step, _] = steps();
    let cases = [case(StepState::Intended)];
    given.store.intend(&[&step], &cases, at(0), at(300)).await.unwrap();
    // One partition of the index holds it; its answer is told again later.
    assert_eq!(given.store.due_verifications(at(300)).await.unwrap().len(), 1);
    let shown = between.answer_with("Query", b"STEP#");
    given.store.settle(tenant(WOODGROVE), &step, &outcome(StepState::Refused, 1)).await.unwrap();
    between.instead(move |operation, asked| {
        let index = operation == "Query" && asked.get("IndexName").is_some();
        index.then(|| {
            let mut response = refused(&serde_json::from_slice(&shown).unwrap());
            *response.status_mut() = http::StatusCode::OK;
            response
        })
    });
    assert_eq!(given.store.due_verifications(at(300)).await.unwrap(), []);
}

#[tokio::test]
async fn a_message_is_handed_to_one_courier_at_a_time() {
    let given = Given::new().await;
    given.store.conclude(conclusion(case(StepState::Held), 0)).await.unwrap();
    let other = given.another("other");
    let due = async |given: &Given, seconds: i64| given.store.due(at(seconds)).await.unwrap();
    assert_eq!(due(&given, 0).await.len(), 1);
    assert_eq!(due(&other, 0).await, []);
    assert_eq!(due(&other, 119).await, []);
    let again = due(&other, 120).await;
    assert_eq!(again.len(), 1, "the first courier was never heard of again");
    other.store.failed(&again[0], Some(at(125)), "503").await.unwrap();
    assert_eq!(due(&given, 124).await, []);
    assert_eq!(due(&given, 125).await[0].attempts, 1);
}

#[tokio::test]
async fn a_message_that_waits_for_another_is_not_met_again_and_again() {
    let (between, given) = watched().await;
    let first = conclusion(case(StepState::Held), 0);
    let mut second = first.cases[0].2.clone();
    second[0].id = format!("{}-2", second[0].data.key);
    given.store.conclude(first).await.unwrap();
    let cases = vec![(case(StepState::Held), None, second)];
    given.store.conclude(Conclusion { cases, ..Conclusion::default() }).await.unwrap();
    let message = given.store.due(at(0)).await.unwrap().remove(0);
    given.store.failed(&message, Some(at(3600)), "503").await.unwrap();
    assert_eq!(given.store.due(at(10)).await.unwrap(), []);
    between.instead(|_, _| None);
    assert_eq!(given.store.due(at(11)).await.unwrap(), []);
    assert_eq!(between.count("Query"), 4, "the index shows nothing, and no ticket is asked about");
    let again = given.store.due(at(3600)).await.unwrap().remove(0);
    assert_eq!((&again.id, again.attempts), (&message.id, 1));
    given.store.delivered(&again).await.unwrap();
    let next = given.store.due(at(3600)).await.unwrap().remove(0);
    assert!(next.id.ends_with("-2"), "{}", next.id);
}

#[tokio::test]
async fn tenants_with_something_due_are_found() {
    let given = Given::new().await;
    let due = async |seconds: i64| {
        let due = given.store.due_tenants(at(seconds)).await.unwrap();
        due.into_iter().map(|tenant| tenant.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(due(0).await, [""; 0]);
    let (subject, at_120) = (Subject::tenant(), at(120));
    let settling =
        Settling { subject, due: at_120, signals: 3, first: None, attempts: 2, owed: true };
    let looks = Looks { read_at: Some(at(0)), settling: vec![settling] };
    given.store.remember(tenant(CONTOSO), &looks).await.unwrap();
    assert_eq!(given.store.looks(tenant(CONTOSO)).await.unwrap(), looks);
    assert_eq!(due(119).await, [""; 0]);
    assert_eq!(due(120).await, [CONTOSO]);
    given.store.conclude(conclusion(case(StepState::Held), 130)).await.unwrap();
    assert_eq!(due(130).await, [WOODGROVE, CONTOSO], "a message waits");
    given.store.remember(tenant(CONTOSO), &Looks::default()).await.unwrap();
    let message = given.store.due(at(130)).await.unwrap().remove(0);
    given.store.delivered(&message).await.unwrap();
    assert_eq!(due(9999).await, [""; 0]);
    let [step, _] = steps();
    given.store.intend(&[&step], &[case(StepState::Intended)], at(0), at(300)).await.unwrap();
    assert_eq!((due(299).await, due(300).await), (vec![], vec![WOODGROVE.to_owned()]));
}

#[tokio::test]
async fn a_mark_is_set_by_whoever_knows_what_it_was() {
    let given = Given::new().await;
    let set = async |was: Option<&str>, value: &str| {
        given.store.set_mark(tenant(WOODGROVE), "audits", was, value).await.unwrap()
    };
    let mark = async || given.store.mark(tenant(WOODGROVE), "audits").await.unwrap();
    assert_eq!(mark().await, None);
    assert!(!set(Some("a"), "b").await);
    assert!(set(None, "a").await);
    assert!(!set(None, "b").await);
    assert_eq!(mark().await.as_deref(), Some("a"));
    let raced =
        join_all(
            (0..4).map(|n| {
                let value = format!("b{n}");
                let store = &given.store;
                async move {
                    store.set_mark(tenant(WOODGROVE), "audits", Some("a"), &value).await.unwrap()
                }
            }),
        );
    assert_eq!(raced.await.into_iter().filter(|set| *set).count(), 1);
    assert_eq!(given.store.mark(tenant(CONTOSO), "audits").await.unwrap(), None);
}

#[tokio::test]
async fn another_worker_sees_what_was_planned() {
    let given = Given::new().await;
    let plan = planned();
    let steps: Vec<&Step> = plan.cases[0].steps.iter().collect();
    let cases = [case(StepState::Intended)];
    given.store.intend(&steps, &cases, at(0), at(300)).await.unwrap();
    let other = given.another("other");
    let due = other.store.due_verifications_of(tenant(WOODGROVE), at(300)).await.unwrap();
    let due: BTreeSet<StepId> = due.into_iter().map(|due| due.step.id).collect();
    assert_eq!(due, steps.iter().map(|step| step.id.clone()).collect());
}

#[tokio::test]
async fn what_senders_brought_is_known_and_what_the_program_read_itself_is_not() {
    let given = Given::new().await;
    let signal = |sender, event: &str, seconds| Signal {
        sender,
        event_id: (!event.is_empty()).then(|| event.to_owned()),
        received_at: at(seconds),
        ..schedule::sweep(tenant(WOODGROVE), at(seconds)).into_inner()
    };
    let many: Vec<Signal> = (0..120).map(|n| signal(Sender::O365, &format!("o{n}"), 3)).collect();
    let brought = [
        signal(Sender::Audit, "a", 1),
        signal(Sender::Audit, "a", 1),
        signal(Sender::Graph, "", 2),
        signal(Sender::AuditLog, "read", 4),
        signal(Sender::Schedule, "", 5),
    ];
    let all: Vec<&Signal> = brought.iter().chain(&many).collect();
    given.store.note_heard(&all).await.unwrap();
    given.store.note_heard(&all[..1]).await.unwrap();
    let asked = ["a", "b", "read", "o0", "o119"].map(str::to_owned);
    let heard = given.store.heard(tenant(WOODGROVE), &asked).await.unwrap();
    let last = [(Sender::Graph, at(2)), (Sender::Audit, at(1)), (Sender::O365, at(3))];
    assert_eq!(heard.last, last.into());
    assert_eq!(heard.brought, ["a", "o0", "o119"].map(str::to_owned).into());
    let elsewhere = given.store.heard(tenant(CONTOSO), &asked).await.unwrap();
    assert_eq!(elsewhere, Heard::default());
}
