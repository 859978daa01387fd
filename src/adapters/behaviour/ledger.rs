//! The ledger: intents, outcomes, verifications, and conclusions that are whole or not at all.

mod restored;

use jiff::Timestamp;

use super::{Given, Store, at, tenant};
use crate::domain::case::{Case, Outcome};
use crate::domain::facts::Facts;
use crate::domain::finding::testing::{self, CONTOSO, WOODGROVE, noon};
use crate::domain::grant::Held;
use crate::domain::id::{AssignmentId, StepId};
use crate::domain::plan::{Circumstances, History, PastStep, Plan, Step, StepState, Target, plan};
use crate::domain::policy::Mode;
use crate::domain::record::chain::{Anchor, Entry, check};
use crate::domain::record::{Record, RecordEvent};
use crate::domain::ticket::{Message, messages};
use crate::ports::{Conclusion, DueVerification, Ledger as _, Outbox as _, Proof};

pub(in crate::adapters) use self::restored::what_is_put_back_is_restored_in_step_and_case_together;

/// When the outcome of what is intended at noon is to be known.
const CHECK: i64 = 300;

/// Two steps about one partner, and the case they belong to.
pub(in crate::adapters) fn planned() -> Plan {
    let given = testing::Case::new()
        .with_policy("respond: {role-not-allowed: {do: revoke, ticket: security}}")
        .with_policy("tickets: {security: {kind: webhook, url: https://tickets.example/in}}")
        .member("Megan", "Global Administrator")
        .foreign_group("A", "Reports Reader")
        .foreign_group("B", "Search Editor");
    let policy = given.policy();
    let tenant = &policy.roster.tenants[0];
    let history = History::default();
    let about = Circumstances {
        policy: &policy,
        tenant,
        history: &history,
        own_apps: &[],
        stopped: None,
        now: noon(),
    };
    plan(&given.facts, about)
}

pub(in crate::adapters) fn steps() -> [Step; 2] {
    planned().cases.remove(0).steps.try_into().unwrap()
}

/// The case after a look in which every step ended so.
pub(in crate::adapters) fn case(state: StepState) -> Case {
    let planned = planned();
    let part = planned.cases[0].clone();
    let mut case = Case::open(planned.tenant, "Woodgrove", part.partner.clone(), Mode::Enforce);
    case.look(part, &Facts::default(), noon(), |_| outcome(state, 0));
    case
}

pub(in crate::adapters) fn outcome(state: StepState, seconds: i64) -> Outcome {
    Outcome {
        state,
        detail: Some(format!("it was {}", state.as_str())),
        request_id: Some("r-1".to_owned()),
        acted_at: Some(at(seconds)),
    }
}

fn record(case: &Case, seconds: i64) -> Record {
    let policy = crate::domain::id::Sha256Hex::of(b"policy");
    let record = Record::of(RecordEvent::Looked, at(seconds), &policy, case);
    Record { read_at: Some(at(seconds)), ..record }
}

/// What an entry says.
pub(in crate::adapters) fn parsed(entry: &Entry) -> Record {
    serde_json::from_str(entry.record.as_deref().unwrap()).unwrap()
}

/// What a look some seconds after noon leaves behind of a case.
pub(in crate::adapters) fn conclusion(mut case: Case, seconds: i64) -> Conclusion {
    let messages: Vec<Message> = messages(&mut case, "rec-1", None, at(seconds));
    let record = record(&case, seconds);
    Conclusion { cases: vec![(case, Some(record), messages)], ..Conclusion::default() }
}

pub(in crate::adapters) fn nothing() -> Conclusion {
    Conclusion::default()
}

impl<S: Store> Given<S> {
    async fn intend(&self, step: &Step, seconds: i64) {
        let cases = [case(StepState::Intended)];
        self.store.intend(&[step], &cases, at(seconds), at(seconds + CHECK)).await.unwrap();
    }

    async fn settle(&self, step: &Step, state: StepState, seconds: i64) {
        let outcome = outcome(state, seconds);
        self.store.settle(tenant(WOODGROVE), step, &outcome).await.unwrap();
    }

    async fn state(&self, step: &Step) -> Option<StepState> {
        let history = self.store.history(tenant(WOODGROVE), noon()).await.unwrap();
        history.steps.get(&step.key()).map(|past| past.state)
    }

    /// How many revocations count since some seconds after noon.
    async fn count(&self, seconds: i64) -> u32 {
        self.store.history(tenant(WOODGROVE), at(seconds)).await.unwrap().revocations
    }

    async fn due_steps(&self, seconds: i64) -> Vec<DueVerification> {
        self.store.due_verifications(at(seconds)).await.unwrap()
    }

    /// Seconds after noon at which something is to be read again.
    async fn next_verification(&self) -> Option<i64> {
        let due = self.store.next_verification().await.unwrap();
        due.map(|due| due.as_second() - noon().as_second())
    }

    async fn verified(&self, step: &Step, proof: Proof) {
        self.store
            .verified(tenant(WOODGROVE), &[(step.id.clone(), proof)], nothing())
            .await
            .unwrap();
    }
}

pub(in crate::adapters) async fn the_history_tells_how_far_each_step_has_come<S: Store>() {
    let given = Given::<S>::new().await;
    let [first, second] = steps();
    assert_eq!(given.store.history(tenant(WOODGROVE), noon()).await.unwrap(), History::default());
    given.intend(&first, 0).await;
    given.intend(&second, 0).await;
    given.settle(&first, StepState::Revoked, 1).await;
    given.intend(&second, 2).await;
    let history = given.store.history(tenant(WOODGROVE), noon()).await.unwrap();
    let expect = [
        (
            first.key(),
            PastStep { episode: 0, state: StepState::Revoked, at: at(0), approved: false },
        ),
        (
            second.key(),
            PastStep { episode: 0, state: StepState::Intended, at: at(2), approved: false },
        ),
    ];
    // The first attempt at the second may have come about too.
    let first_revocation = Some(at(0));
    let mut expected = History { revocations: 2, first_revocation, ..History::default() };
    for ((key, past), step) in expect.into_iter().zip([&first, &second]) {
        expected.take_in(key, Some(step.grant().unwrap().likeness()), past);
    }
    assert_eq!(expected.alike.len(), 2);
    let expect = expected;
    assert_eq!(history, expect);
    let elsewhere = given.store.history(tenant(CONTOSO), noon()).await.unwrap();
    assert_eq!(elsewhere, History::default());
    given.settle(&second, StepState::Refused, 1).await;
    assert_eq!(given.state(&second).await, Some(StepState::Refused));
    assert_eq!(given.after_a_crash().await.state(&first).await, Some(StepState::Revoked));
}

pub(in crate::adapters) async fn of_several_episodes_the_last_counts<S: Store>() {
    let given = Given::<S>::new().await;
    let [first, _] = steps();
    given.intend(&first, 0).await;
    given.settle(&first, StepState::Revoked, 0).await;
    given.verified(&first, Proof::Gone).await;
    let id = crate::domain::id::Sha256Hex::of(b"another");
    let again = Step { id: StepId(id), episode: 1, ..first.clone() };
    given.intend(&again, 60).await;
    let history = given.store.history(tenant(WOODGROVE), noon()).await.unwrap();
    let past = PastStep { episode: 1, state: StepState::Intended, at: at(60), approved: false };
    assert_eq!(history.steps[&first.key()], past);
    // What was given again has another id, and is known by what it gives to whom.
    let mut grant = first.grant().unwrap().clone();
    let likeness = grant.likeness();
    assert_eq!(history.alike[&likeness], past);
    let assignment = AssignmentId("anew".to_owned());
    grant.held = Held::Assignment { assignment, scheduled: false };
    let id = StepId(crate::domain::id::Sha256Hex::of(b"anew"));
    let target = Target::Grant(Box::new(grant));
    let anew = Step { id, episode: 2, target, ..first.clone() };
    given.intend(&anew, 90).await;
    given.settle(&anew, StepState::Revoked, 90).await;
    given.verified(&anew, Proof::Gone).await;
    let history = given.store.history(tenant(WOODGROVE), noon()).await.unwrap();
    assert_eq!(history.steps[&first.key()], past);
    let latest = PastStep { episode: 2, state: StepState::Verified, at: at(90), approved: false };
    assert_eq!((history.steps[&anew.key()], history.alike[&likeness]), (latest, latest));
    assert_eq!(history.taken_away(), [(likeness, 3)].into());
}

pub(in crate::adapters) async fn a_step_is_begun_again_only_while_nothing_has_come_of_it<
    S: Store,
>() {
    async fn check<S: Store>(state: StepState, expect: StepState) {
        let given = Given::<S>::new().await;
        let [step, _] = steps();
        given.intend(&step, 0).await;
        match state {
            StepState::Intended => {}
            StepState::Verified => given.verified(&step, Proof::Gone).await,
            StepState::Reappeared => given.verified(&step, Proof::StillThere).await,
            StepState::Unverified => given.verified(&step, Proof::Unread).await,
            StepState::Described
            | StepState::AwaitingApproval
            | StepState::Held
            | StepState::Revoked
            | StepState::Restored
            | StepState::Refused => given.settle(&step, state, 1).await,
        }
        given.intend(&step, 60).await;
        assert_eq!(given.state(&step).await, Some(expect), "{state:?}");
        let again = (expect == StepState::Intended).then_some(60 + CHECK);
        let due = given.next_verification().await.filter(|due| *due > 0);
        assert_eq!(due, again, "{state:?}");
    }
    check::<S>(StepState::Intended, StepState::Intended).await;
    check::<S>(StepState::Refused, StepState::Intended).await;
    check::<S>(StepState::Revoked, StepState::Revoked).await;
    check::<S>(StepState::Verified, StepState::Verified).await;
    check::<S>(StepState::Unverified, StepState::Unverified).await;
}

pub(in crate::adapters) async fn what_graph_took_is_read_again_at_once<S: Store>() {
    let given = Given::<S>::new().await;
    let [first, second] = steps();
    given.intend(&first, 0).await;
    given.intend(&second, 0).await;
    assert_eq!(given.due_steps(CHECK - 1).await, []);
    assert_eq!(given.next_verification().await, Some(CHECK));
    given.settle(&first, StepState::Revoked, 1).await;
    let expect =
        DueVerification { tenant: tenant(WOODGROVE), step: first, attempt: 0, taken: true };
    assert_eq!(given.due_steps(1).await, [expect]);
    given.settle(&second, StepState::Refused, 1).await;
    assert_eq!(given.due_steps(CHECK).await.len(), 1, "what Graph refused stays as it is");
}

pub(in crate::adapters) async fn a_step_without_an_outcome_is_read_again_when_its_time_is_up<
    S: Store,
>() {
    let given = Given::<S>::new().await;
    let [step, _] = steps();
    given.intend(&step, 0).await;
    let due =
        |due: Vec<DueVerification>| due.into_iter().map(|due| due.step.id).collect::<Vec<_>>();
    assert_eq!(due(given.due_steps(CHECK - 1).await), []);
    assert_eq!(due(given.due_steps(CHECK).await), [step.id]);
}

pub(in crate::adapters) async fn the_case_of_what_is_intended_survives_a_crash<S: Store>() {
    let given = Given::<S>::new().await;
    let [step, _] = steps();
    given.intend(&step, 0).await;
    let cases = given.after_a_crash().await.store.cases(tenant(WOODGROVE)).await.unwrap();
    assert_eq!(cases, [case(StepState::Intended)]);
    assert_eq!(given.store.cases(tenant(CONTOSO)).await.unwrap(), []);
}

pub(in crate::adapters) async fn reading_again_ends_when_access_is_gone_or_patience_is<S: Store>() {
    let given = Given::<S>::new().await;
    let [first, second] = steps();
    for step in [&first, &second] {
        given.intend(step, 0).await;
        given.settle(step, StepState::Revoked, 0).await;
    }
    given.verified(&first, Proof::Again(at(30))).await;
    assert_eq!(given.state(&first).await, Some(StepState::Revoked));
    let due: Vec<(Step, u32)> =
        given.due_steps(30).await.into_iter().map(|due| (due.step, due.attempt)).collect();
    assert_eq!(due, [(second.clone(), 0), (first.clone(), 1)], "the longest due first");
    given.verified(&second, Proof::StillThere).await;
    assert_eq!(given.state(&second).await, Some(StepState::Reappeared));
    assert_eq!(given.next_verification().await, Some(30));
    assert_eq!(given.due_steps(29).await, []);
    given.verified(&first, Proof::Gone).await;
    assert_eq!(given.state(&first).await, Some(StepState::Verified));
    assert_eq!((given.due_steps(9999).await, given.next_verification().await), (vec![], None));
}

pub(in crate::adapters) async fn revocations_that_came_about_within_the_window_are_counted<
    S: Store,
>() {
    let given = Given::<S>::new().await;
    let [first, second] = steps();
    let since = async |seconds: i64| {
        let history = given.store.history(tenant(WOODGROVE), at(seconds)).await.unwrap();
        (history.revocations, history.first_revocation)
    };
    given.intend(&first, 0).await;
    assert_eq!(since(0).await, (0, None), "it is only intended");
    let refused = Outcome { acted_at: None, ..outcome(StepState::Refused, 10) };
    given.store.settle(tenant(WOODGROVE), &first, &refused).await.unwrap();
    assert_eq!(since(0).await, (0, None), "it was refused");
    given.settle(&first, StepState::Revoked, 10).await;
    given.intend(&second, 20).await;
    given.settle(&second, StepState::Revoked, 20).await;
    given.verified(&second, Proof::Gone).await;
    for (seconds, expect) in
        [(0, (2, Some(at(10)))), (10, (2, Some(at(10)))), (11, (1, Some(at(20)))), (21, (0, None))]
    {
        assert_eq!(since(seconds).await, expect, "since {seconds}");
    }
}

pub(in crate::adapters) async fn a_revocation_whose_answer_was_lost_is_counted_once_it_is_seen<
    S: Store,
>() {
    let given = Given::<S>::new().await;
    let [step, _] = steps();
    given.intend(&step, 10).await;
    given.verified(&step, Proof::Gone).await;
    let since = async |seconds: i64| {
        let history = given.store.history(tenant(WOODGROVE), at(seconds)).await.unwrap();
        history.revocations
    };
    assert_eq!([since(0).await, since(10).await, since(11).await], [1, 1, 0]);
}

pub(in crate::adapters) async fn each_attempt_without_an_answer_counts_beside_what_came_of_the_next<
    S: Store,
>() {
    let given = Given::<S>::new().await;
    let [first, second] = steps();
    let since = async |seconds: i64| {
        let history = given.store.history(tenant(WOODGROVE), at(seconds)).await.unwrap();
        history.revocations
    };
    // Its answer was lost, the same was given again, and it is done once more.
    given.intend(&first, 10).await;
    assert_eq!(since(0).await, 0, "the step that is begun tells of the last attempt");
    given.intend(&first, 20).await;
    assert_eq!([since(10).await, since(11).await], [1, 0]);
    given.settle(&first, StepState::Revoked, 25).await;
    assert_eq!([since(10).await, since(11).await, since(26).await], [2, 1, 0]);
    given.verified(&first, Proof::Gone).await;
    assert_eq!(since(10).await, 2);
    // Neither of two was answered, and it is seen to be gone.
    given.intend(&second, 30).await;
    given.intend(&second, 40).await;
    given.verified(&second, Proof::Gone).await;
    assert_eq!([since(26).await, since(31).await, since(41).await], [2, 1, 0]);
    assert_eq!(given.after_a_crash().await.count(0).await, 4);
}

pub(in crate::adapters) async fn an_attempt_that_certainly_took_nothing_counts_for_nothing<
    S: Store,
>() {
    let given = Given::<S>::new().await;
    let [first, second] = steps();
    given.store.not_taken(tenant(WOODGROVE), &first).await.unwrap();
    given.intend(&first, 10).await;
    given.store.not_taken(tenant(WOODGROVE), &first).await.unwrap();
    assert_eq!(given.state(&first).await, Some(StepState::Intended), "it stays begun");
    given.intend(&first, 20).await;
    assert_eq!(given.count(0).await, 0);
    given.settle(&first, StepState::Revoked, 25).await;
    assert_eq!(given.count(0).await, 1);
    // One that was refused whole took nothing; one that was refused in part did.
    given.intend(&second, 30).await;
    let refused = Outcome { acted_at: None, ..outcome(StepState::Refused, 31) };
    given.store.settle(tenant(WOODGROVE), &second, &refused).await.unwrap();
    assert_eq!(given.count(0).await, 1);
    given.intend(&second, 40).await;
    given.settle(&second, StepState::Refused, 41).await;
    assert_eq!(given.count(0).await, 2);
}

pub(in crate::adapters) async fn what_is_as_good_as_not_begun_may_have_taken_something_all_the_same<
    S: Store,
>() {
    let given = Given::<S>::new().await;
    let [step, _] = steps();
    given.intend(&step, 10).await;
    given.verified(&step, Proof::NotDone).await;
    assert_eq!((given.state(&step).await, given.count(10).await), (None, 1));
    given.intend(&step, 20).await;
    assert_eq!(given.state(&step).await, Some(StepState::Intended));
    given.settle(&step, StepState::Revoked, 21).await;
    assert_eq!([given.count(10).await, given.count(11).await], [2, 1]);
}

pub(in crate::adapters) async fn what_graph_never_took_is_as_good_as_not_begun<S: Store>() {
    let given = Given::<S>::new().await;
    let [step, _] = steps();
    given.intend(&step, 0).await;
    assert_eq!(given.due_steps(CHECK).await.first().map(|due| due.taken), Some(false));
    given.verified(&step, Proof::NotDone).await;
    assert_eq!((given.state(&step).await, given.next_verification().await), (None, None));
}

pub(in crate::adapters) async fn a_conclusion_is_kept_whole<S: Store>() {
    let given = Given::<S>::new().await;
    let concluded = conclusion(case(StepState::Revoked), 0);
    let (case, record, messages) = concluded.cases[0].clone();
    given.store.conclude(concluded).await.unwrap();
    let given = given.after_a_crash().await;
    assert_eq!(given.store.cases(tenant(WOODGROVE)).await.unwrap(), [case]);
    let (_, chain) = given.at_hand.chain(tenant(WOODGROVE)).await;
    assert_eq!(chain.len(), 1);
    assert_eq!(parsed(&chain[0]), record.unwrap());
    let sent = given.store.due(at(0)).await.unwrap();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].id, messages[0].id);
}

pub(in crate::adapters) async fn what_a_look_no_longer_finds_is_not_read_again<S: Store>() {
    let given = Given::<S>::new().await;
    let [first, second] = steps();
    for step in [&first, &second] {
        given.intend(step, 0).await;
        given.settle(step, StepState::Revoked, 0).await;
    }
    let mut case = case(StepState::Revoked);
    case.verified(&first.id, at(5));
    given.store.conclude(conclusion(case, 5)).await.unwrap();
    assert_eq!(given.state(&first).await, Some(StepState::Verified));
    assert_eq!(given.state(&second).await, Some(StepState::Revoked));
    let due: Vec<Step> = given.due_steps(5).await.into_iter().map(|due| due.step).collect();
    assert_eq!(due, [second]);
}

pub(in crate::adapters) async fn what_was_never_intended_is_not_made_up<S: Store>() {
    let given = Given::<S>::new().await;
    let [step, _] = steps();
    given.settle(&step, StepState::Revoked, 1).await;
    given.verified(&step, Proof::Gone).await;
    let history = given.store.history(tenant(WOODGROVE), noon()).await.unwrap();
    assert_eq!(history, History::default());
    assert_eq!(given.store.cases(tenant(WOODGROVE)).await.unwrap(), []);
    given.store.intend(&[&step], &[], at(0), at(CHECK)).await.unwrap();
    assert_eq!(given.next_verification().await, None, "a step without a case is none");
}

pub(in crate::adapters) async fn every_record_is_linked_to_the_one_before_it<S: Store>() {
    let given = Given::<S>::new().await;
    for seconds in 0..4 {
        let concluded = conclusion(case(StepState::Revoked), seconds);
        given.store.conclude(concluded).await.unwrap();
    }
    let (anchor, chain) = given.at_hand.chain(tenant(WOODGROVE)).await;
    assert_eq!(anchor, Anchor::default());
    let proven = check(anchor, &chain, None).unwrap();
    assert_eq!((proven.records, proven.unproven, proven.last), (4, 0, 4));
    assert!(chain.iter().all(Entry::is_sealed_by_digest));
    let moments: Vec<Timestamp> = chain.iter().map(|entry| parsed(entry).at).collect();
    assert_eq!(moments, [at(0), at(1), at(2), at(3)]);
    for number in 0..4 {
        let mut forged = chain.clone();
        let text = forged[number].record.as_mut().unwrap();
        *text = text.replace("Woodgrove", "Woodgrave");
        let broken = check(Anchor::default(), &forged, None).unwrap_err();
        assert_eq!(broken.sequence, chain[number].sequence);
    }
}
