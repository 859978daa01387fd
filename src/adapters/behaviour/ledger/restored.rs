//! What was taken away and is put back.

use super::*;

/// As `restore` does it: what is about to be put back was seen to be gone, and is written down before
/// the call and after it.
pub(in crate::adapters) async fn what_is_put_back_is_restored_in_step_and_case_together<
    S: Store,
>() {
    let given = Given::<S>::new().await;
    let [first, second] = steps();
    let done = case(StepState::Revoked);
    for step in [&first, &second] {
        given.store.intend(&[step], std::slice::from_ref(&done), at(0), at(CHECK)).await.unwrap();
        given.settle(step, StepState::Revoked, 0).await;
    }
    let write_down = async |given: &Given<S>, case: &Case, proof: Option<Proof>, seconds: i64| {
        let proofs: Vec<(StepId, Proof)> =
            proof.map(|proof| (first.id.clone(), proof)).into_iter().collect();
        let record = Record { event: RecordEvent::Restored, ..record(case, seconds) };
        let cases = vec![(case.clone(), Some(record), Vec::new())];
        let conclusion = Conclusion { cases, ..Conclusion::default() };
        given.store.verified(tenant(WOODGROVE), &proofs, conclusion).await.unwrap();
    };
    let mut latest = done.clone();
    latest.putting_back(&done, &first.id, "CHG-1", at(60));
    write_down(&given, &latest, Some(Proof::Gone), 60).await;
    let given = given.after_a_crash().await;
    assert_eq!(given.state(&first).await, Some(StepState::Verified));
    let kept = given.store.cases(tenant(WOODGROVE)).await.unwrap();
    assert_eq!(kept, [latest.clone()]);
    assert!(kept[0].is_restoring(&first.id) && !kept[0].is_restoring(&second.id));
    // How it ended is not known: the step stays as it is.
    let unknown = Outcome { acted_at: None, ..outcome(StepState::Intended, 61) };
    latest.put_back(&done, &first.id, &unknown, false, at(61));
    write_down(&given, &latest, None, 61).await;
    assert_eq!(given.state(&first).await, Some(StepState::Verified));
    assert!(given.store.cases(tenant(WOODGROVE)).await.unwrap()[0].is_restoring(&first.id));
    // And as often as it is written down that it is there.
    for seconds in [62, 63] {
        latest.put_back(
            &done,
            &first.id,
            &outcome(StepState::Restored, seconds),
            true,
            at(seconds),
        );
        write_down(&given, &latest, Some(Proof::Restored), seconds).await;
        assert_eq!(given.state(&first).await, Some(StepState::Restored));
        assert_eq!(given.state(&second).await, Some(StepState::Revoked), "it is another's");
    }
    let given = given.after_a_crash().await;
    let kept = given.store.cases(tenant(WOODGROVE)).await.unwrap();
    assert_eq!(kept, [latest]);
    assert!(!kept[0].is_restoring(&first.id));
    let due: Vec<StepId> = given.due_steps(9999).await.into_iter().map(|due| due.step.id).collect();
    assert_eq!(
        due,
        std::slice::from_ref(&second.id),
        "what was put back is not read again to be gone"
    );
    let history = given.store.history(tenant(WOODGROVE), noon()).await.unwrap();
    assert_eq!(history.taken_away(), [].into());
    let likeness = first.grant().unwrap().likeness();
    assert_eq!(history.alike[&likeness].state, StepState::Restored);
    // The same step is never begun again; what is done anew is another episode.
    given.intend(&first, 120).await;
    assert_eq!(given.state(&first).await, Some(StepState::Restored));
}
