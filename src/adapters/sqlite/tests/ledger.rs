//! What only this store does: one transaction for everything, and one process at a time.

use super::*;
use crate::adapters::behaviour::ledger::{case, conclusion, outcome, steps};
use crate::domain::case::Case;
use crate::domain::facts::Facts;
use crate::domain::plan::{Step, StepState};
use crate::ports::{Ledger as _, Outbox as _, Proof};

async fn intend(given: &Given, step: &Step) {
    let cases = [case(StepState::Intended)];
    given.store.intend(&[step], &cases, at(0), at(300)).await.unwrap();
}

#[tokio::test]
async fn a_step_without_an_outcome_is_read_again_after_a_crash() {
    let given = given();
    let [step, _] = steps();
    intend(&given, &step).await;
    let due = given.after_a_crash().store.due_verifications(at(1)).await.unwrap();
    let due: Vec<Step> = due.into_iter().map(|due| due.step).collect();
    assert_eq!(due, [step]);
}

#[tokio::test]
async fn a_conclusion_that_cannot_be_kept_whole_leaves_no_trace() {
    for table in ["outbox", "records"] {
        let given = given();
        let [step, _] = steps();
        intend(&given, &step).await;
        let taken = outcome(StepState::Revoked, 0);
        given.store.settle(tenant(WOODGROVE), &step, &taken).await.unwrap();
        let before = given.store.cases(tenant(WOODGROVE)).await.unwrap();
        let full = format!(
            "CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
        );
        given.store.run(move |db| db.execute_batch(&full)).await.unwrap();
        let gone = || {
            let mut case = case(StepState::Revoked);
            case.look(emptied(&case), &Facts::default(), at(9), |_| outcome(StepState::Revoked, 9));
            conclusion(case, 9)
        };
        let nothing_changed = async || {
            assert_eq!(given.store.cases(tenant(WOODGROVE)).await.unwrap(), before);
            assert_eq!(given.store.chain().await.unwrap().1, []);
            assert_eq!(given.store.due(at(9)).await.unwrap(), []);
            assert_eq!(given.store.due_verifications(at(9)).await.unwrap().len(), 1);
        };
        assert!(given.store.conclude(gone()).await.is_err());
        nothing_changed().await;
        assert!(
            given
                .store
                .verified(tenant(WOODGROVE), &[(step.id.clone(), Proof::Gone)], gone())
                .await
                .is_err()
        );
        nothing_changed().await;
        given.sql("DROP TRIGGER full").await;
        given.store.conclude(gone()).await.unwrap();
        assert_eq!(given.store.chain().await.unwrap().1.len(), 1);
        assert_eq!(given.store.due_verifications(at(9)).await.unwrap(), []);
    }
}

/// A look at the partner of a case that finds nothing.
fn emptied(case: &Case) -> crate::domain::plan::PlannedCase {
    crate::domain::plan::PlannedCase::nothing(case.partner.clone())
}
