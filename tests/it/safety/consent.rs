//! What people were asked, and what they said: kept here apart from the ledger.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use partner_warden::domain::approval::{Answer, ProposalChange, ProposalId, Question};
use partner_warden::domain::case::Case;
use partner_warden::domain::id::StepId;
use partner_warden::domain::plan::{Step, StepState};

use super::rules::Rules;

/// Everything that was asked, in its order.
#[derive(Default)]
pub(super) struct Questions {
    order: Vec<ProposalId>,
    asked: BTreeMap<ProposalId, Asked>,
}

/// A question.
struct Asked {
    /// The steps that waited for the answer when it was asked.
    steps: BTreeSet<StepId>,
    until: Timestamp,
    void: bool,
    said: Vec<(Answer, usize, Timestamp)>,
}

impl Questions {
    /// Takes in what became of questions when cases were written down.
    pub(super) fn change(&mut self, change: &ProposalChange, cases: &[&Case]) {
        match change {
            ProposalChange::Put(question) => self.put(question, cases),
            ProposalChange::Void { id, .. } => {
                if let Some(asked) = self.asked.get_mut(id) {
                    asked.void = true;
                }
            }
        }
    }

    fn put(&mut self, question: &Question, cases: &[&Case]) {
        let of = cases.iter().filter(|case| case.partner.key() == question.partner.key());
        let steps = of.flat_map(|case| &case.rows).filter_map(|row| row.step.as_ref());
        let waits = steps.filter(|step| step.state == StepState::AwaitingApproval);
        let steps = waits.map(|step| step.id.clone()).collect();
        let asked = Asked { steps, until: question.expires_at, void: false, said: Vec::new() };
        self.order.push(question.id.clone());
        self.asked.insert(question.id.clone(), asked);
    }

    /// The question that was asked last but so many.
    pub(super) fn last_but(&self, back: usize) -> Option<ProposalId> {
        self.order.iter().rev().nth(back).cloned()
    }

    /// Takes in what a person said.
    pub(super) fn said(&mut self, id: &ProposalId, answer: Answer, person: usize, at: Timestamp) {
        if let Some(asked) = self.asked.get_mut(id) {
            asked.said.push((answer, person, at));
        }
    }

    /// Whether people have agreed to this step, or why not.
    pub(super) fn agreed(
        &self,
        step: &Step,
        word: Option<&String>,
        begun: Timestamp,
        lasts: SignedDuration,
        rules: &Rules,
    ) -> Result<(), &'static str> {
        let id = word.ok_or("without a person's word")?;
        let id = ProposalId::parse(id).ok_or("by a word nobody gave")?;
        let asked = self.asked.get(&id).ok_or("by a word nobody asked for")?;
        if !asked.steps.contains(&step.id) {
            return Err("by a word about another plan");
        }
        if asked.void {
            return Err("by a word that counts for nothing any more");
        }
        if asked.said.iter().any(|(answer, ..)| *answer == Answer::Refuse) {
            return Err("though a person refused");
        }
        // Nobody has to have said anything then, nor in time.
        if rules.on_expiry() == "carry-out" && begun >= asked.until {
            return Ok(());
        }
        let in_time = asked.said.iter().filter(|(.., at)| *at < asked.until);
        let people: BTreeSet<usize> = in_time.map(|(_, person, _)| *person).collect();
        let last = asked.said.last().map(|(.., at)| *at);
        if people.len() >= rules.people {
            return match last {
                Some(at) if begun.duration_since(at) < lasts => Ok(()),
                _ => Err("by a word given too long ago"),
            };
        }
        Err("without enough people's word")
    }
}
