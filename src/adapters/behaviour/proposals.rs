//! What people are asked: kept with its case, decided once, and remembered.

use super::ledger::{conclusion, planned, steps};
use super::{Given, Store, at, tenant};
use crate::domain::approval::{
    Answer, Decision, Proposal, ProposalChange, ProposalId, Question, Standing, Void, plan_hash,
    question,
};
use crate::domain::finding::testing::{Case, WOODGROVE, noon};
use crate::domain::plan::StepState;
use crate::ports::{Conclusion, Decide as _, Ledger as _};

/// What is asked some seconds after noon about the case of two steps.
fn asked(seconds: i64) -> Question {
    let plan = planned();
    let policy = Case::new().policy();
    let digest = plan_hash(&plan.cases[0], &policy);
    question(&plan.cases[0], &policy, digest, (plan.tenant, "Woodgrove"), at(seconds))
}

fn says(answer: Answer, name: &str) -> Decision {
    Decision::by_name(answer, name, at(60)).unwrap()
}

impl<S: Store> Given<S> {
    /// Puts a question as a look does.
    async fn ask(&self, seconds: i64) -> Proposal {
        let question = asked(seconds);
        let put = ProposalChange::Put(Box::new(question.clone()));
        let of_case = conclusion(super::ledger::case(StepState::AwaitingApproval), seconds);
        let conclusion = Conclusion { proposals: vec![put], ..of_case };
        self.store.conclude(conclusion).await.unwrap();
        self.proposal(&question.id).await.unwrap()
    }

    async fn proposal(&self, id: &ProposalId) -> Option<Proposal> {
        self.store.proposal(id).await.unwrap()
    }

    async fn decide(&self, read: &Proposal, answer: Answer, name: &str) -> bool {
        let decided = read.decide(says(answer, name), at(60)).unwrap();
        self.store.decided(&decided).await.unwrap()
    }

    async fn void(&self, proposal: &Proposal) {
        let question = &proposal.question;
        let void = ProposalChange::Void {
            id: question.id.clone(),
            tenant: question.tenant,
            partner: question.partner.key(),
            void: Void { at: at(90), why: "so".to_owned() },
        };
        let conclusion = Conclusion { proposals: vec![void], ..Conclusion::default() };
        self.store.conclude(conclusion).await.unwrap();
    }

    /// The last that was asked about each partner, by the tenant's history.
    async fn last(&self) -> Vec<Proposal> {
        let history = self.store.history(tenant(WOODGROVE), noon()).await.unwrap();
        history.proposals.into_values().collect()
    }
}

pub(in crate::adapters) async fn a_question_is_read_as_it_was_put<S: Store>() {
    let given = Given::<S>::new().await;
    assert_eq!(given.last().await, []);
    assert_eq!(given.proposal(&asked(0).id).await, None);
    let proposal = given.ask(0).await;
    assert_eq!(proposal.question, asked(0));
    assert_eq!(proposal.standing(at(1)), Standing::Open);
    assert_eq!(given.last().await, std::slice::from_ref(&proposal));
    let next = given.after_a_crash().await;
    assert_eq!(next.proposal(&proposal.question.id).await, Some(proposal));
}

pub(in crate::adapters) async fn of_two_racing_decisions_one_is_taken<S: Store>() {
    let given = Given::<S>::new().await;
    let read = given.ask(0).await;
    let (approved, refused) = tokio::join!(
        given.decide(&read, Answer::Approve, "Megan"),
        given.decide(&read, Answer::Refuse, "Adele")
    );
    assert_ne!(approved, refused);
    let kept = given.proposal(&read.question.id).await.unwrap();
    let by: Vec<&str> = kept.decisions.iter().map(|it| it.by.as_str()).collect();
    assert_eq!(by, [if approved { "Megan" } else { "Adele" }]);
    assert!(kept.revision > read.revision);
    assert_eq!(given.after_a_crash().await.last().await, [kept]);
}

pub(in crate::adapters) async fn two_decisions_one_after_the_other_are_both_kept<S: Store>() {
    let given = Given::<S>::new().await;
    let mut first = given.ask(0).await;
    first.question.people = 2;
    assert!(given.decide(&first, Answer::Approve, "Megan").await);
    let mut second = given.proposal(&first.question.id).await.unwrap();
    second.question.people = 2;
    assert!(given.decide(&second, Answer::Approve, "Adele").await);
    let kept = given.proposal(&first.question.id).await.unwrap();
    assert_eq!(kept.decisions.len(), 2);
}

pub(in crate::adapters) async fn what_is_void_takes_no_decision_and_keeps_what_was_said<
    S: Store,
>() {
    let given = Given::<S>::new().await;
    let read = given.ask(0).await;
    given.void(&read).await;
    assert!(!given.decide(&read, Answer::Approve, "Megan").await);
    let kept = given.proposal(&read.question.id).await.unwrap();
    assert_eq!((kept.standing(at(91)), kept.decisions.len()), (Standing::Void, 0));

    let read = given.ask(100).await;
    assert!(given.decide(&read, Answer::Approve, "Megan").await);
    given.void(&read).await;
    let kept = given.proposal(&read.question.id).await.unwrap();
    assert_eq!((kept.standing(at(101)), kept.decisions.len()), (Standing::Void, 1));
}

pub(in crate::adapters) async fn the_last_question_about_a_partner_is_told<S: Store>() {
    let given = Given::<S>::new().await;
    let first = given.ask(0).await;
    let second = given.ask(10).await;
    assert_ne!(first.question.id, second.question.id);
    assert_eq!(given.last().await, [second]);
    let former = given.proposal(&first.question.id).await;
    assert_eq!(former, Some(first), "whoever has the former link is told what became of it");
}

pub(in crate::adapters) async fn what_is_begun_by_a_persons_word_says_so<S: Store>() {
    let given = Given::<S>::new().await;
    let read = given.ask(0).await;
    assert!(given.decide(&read, Answer::Approve, "Megan").await);
    let [mut step, other] = steps();
    step.approval = Some(read.question.id.as_str().to_owned());
    for seconds in [70, 80] {
        let cases = [super::ledger::case(StepState::Intended)];
        let both = [&step, &other];
        given.store.intend(&both, &cases, at(seconds), at(seconds + 300)).await.unwrap();
    }
    let kept = given.proposal(&read.question.id).await.unwrap();
    assert_eq!(kept.begun_at, Some(at(70)));
    let history = given.store.history(tenant(WOODGROVE), noon()).await.unwrap();
    assert!(history.steps[&step.key()].approved);
    assert!(!history.steps[&other.key()].approved);
}
