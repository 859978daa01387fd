//! What a ticket says about what people are asked: which of its states decide, and which of them
//! count.
//!
//! A ticket stands in a state for as long as nobody changes it, and an answer is to a question. So a
//! state counts only after the ticket was seen without it, once the question stood in it: what
//! answered an earlier question answers no later one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::said::Standing;
use crate::domain::approval::{Answer, ProposalId};
use crate::domain::sink::Decides;

/// What the systems' own approvals come to, as adapters tell of it: given by those who were asked
/// there, whatever became of the ticket since.
const NATIVE: &str = "approval:";

/// Which answers the states of a ticket give.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shown {
    /// Whether one of them agrees.
    pub approves: bool,
    /// Whether one of them refuses.
    pub refuses: bool,
    /// Whether the one that agrees may count: not in a ticket that is ended, unless it is the
    /// system's own approval.
    pub stands: bool,
}

impl Shown {
    /// What a ticket shows. `approves_itself` says whether the system has approvals of its own.
    pub fn of(standing: &Standing, decides: &Decides, approves_itself: bool) -> Self {
        let any = |named: &[String]| {
            let mut shown = standing.states.iter().filter(|state| named.contains(state));
            let native = approves_itself && shown.clone().any(|it| it.starts_with(NATIVE));
            (shown.next().is_some(), native)
        };
        let ((approves, native), (refuses, _)) = (any(&decides.approve), any(&decides.refuse));
        Self { approves, refuses, stands: approves && (standing.open || native) }
    }

    fn shows(self, answer: Answer) -> bool {
        match answer {
            Answer::Approve => self.approves,
            Answer::Refuse => self.refuses,
        }
    }
}

/// A question that stands in a ticket, and what the ticket is still to change before it can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asks {
    /// The question.
    pub proposal: ProposalId,
    /// The answers that the ticket was not seen without since the question stands in it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stale: BTreeSet<Answer>,
}

impl Asks {
    /// A question that was just said in a ticket that has not been read since.
    pub fn new(proposal: ProposalId) -> Self {
        Self { proposal, stale: [Answer::Approve, Answer::Refuse].into() }
    }

    /// Takes in what a ticket shows, read after the question was said in it. Says what it answers:
    /// nothing where it gives no answer that is new. As long as it shows a refusal it agrees to
    /// nothing.
    pub fn read(&self, shown: Shown) -> (Self, Option<Answer>) {
        let counts = |answer| shown.shows(answer) && !self.stale.contains(&answer);
        let answer = if counts(Answer::Refuse) {
            Some(Answer::Refuse)
        } else {
            let agrees = counts(Answer::Approve) && shown.stands && !shown.refuses;
            agrees.then_some(Answer::Approve)
        };
        let stale = self.stale.iter().copied().filter(|answer| shown.shows(*answer)).collect();
        (Self { proposal: self.proposal.clone(), stale }, answer)
    }
}

/// Whether somebody may decide in a ticket, by what the system calls them. Where the policy names
/// who may, nobody who is not known may.
pub fn may_decide(by: &[String], decides: &Decides) -> bool {
    decides.by.is_empty() || by.iter().any(|name| decides.by.contains(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decides() -> Decides {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Decides {
            approve: names(&["Approved", "approval:approved"]),
            refuse: names(&["Rejected", "10042"]),
            by: vec![],
        }
    }

    fn shown(open: bool, states: &[&str]) -> Shown {
        let states = states.iter().map(ToString::to_string).collect();
        Shown::of(&Standing { open, states, by: vec![] }, &decides(), true)
    }

    fn asked() -> Asks {
        Asks::new(ProposalId::parse("0123456789abcdef0123456789abcdef").unwrap())
    }

    use Answer::{Approve, Refuse};

    /// What comes of readings one after the other.
    fn answers(readings: &[(bool, &[&str])]) -> Vec<Option<Answer>> {
        let mut asks = asked();
        let mut told = Vec::new();
        for (open, states) in readings {
            let (next, answer) = asks.read(shown(*open, states));
            told.push(answer);
            asks = next;
        }
        told
    }

    #[test]
    fn only_the_states_that_are_named_decide_and_each_as_it_is_written() {
        let of = |open, states: &[&str]| {
            let it = shown(open, states);
            (it.approves, it.refuses, it.stands)
        };
        assert_eq!(of(true, &["Approved"]), (true, false, true));
        assert_eq!(of(true, &["10042", "Waiting"]), (false, true, false));
        assert_eq!(of(true, &["approved", "resolved", "closed", "Done"]), (false, false, false));
        assert_eq!(of(true, &[]), (false, false, false));
        // A ticket that is ended agrees to nothing, and refuses all the same.
        assert_eq!(of(false, &["Approved"]), (true, false, false));
        assert_eq!(of(false, &["Rejected"]), (false, true, false));
        // Unless it is what the system's own approval came to.
        assert_eq!(of(false, &["approval:approved"]), (true, false, true));
        let standing =
            Standing { open: false, states: vec!["approval:approved".to_owned()], by: vec![] };
        assert!(!Shown::of(&standing, &decides(), false).stands, "a label is called so");
    }

    #[test]
    fn a_state_counts_once_the_ticket_was_seen_without_it() {
        let (open, yes, no) = ((true, &["New"][..]), (true, &["Approved"][..]), &["Rejected"][..]);
        assert_eq!(answers(&[open, yes]), [None, Some(Approve)]);
        assert_eq!(answers(&[open, (true, no)]), [None, Some(Refuse)]);
        // What stood in it when it was asked is no answer, however often it is read.
        assert_eq!(answers(&[yes, yes, yes]), [None, None, None]);
        assert_eq!(answers(&[yes, open, yes]), [None, None, Some(Approve)]);
        assert_eq!(answers(&[(true, no), (true, no), open, (true, no)])[3], Some(Refuse));
        // From one answer to the other is a change.
        assert_eq!(answers(&[(true, no), yes]), [None, Some(Approve)]);
        assert_eq!(answers(&[yes, (true, no)]), [None, Some(Refuse)]);
    }

    #[test]
    fn a_refusal_wins_and_an_old_one_keeps_from_agreeing() {
        let open = (true, &["New"][..]);
        let both = (true, &["Approved", "Rejected"][..]);
        assert_eq!(answers(&[open, both]), [None, Some(Refuse)]);
        let old = (true, &["Rejected"][..]);
        assert_eq!(answers(&[old, both]), [None, None], "somebody's refusal still stands there");
        assert_eq!(answers(&[old, both, (true, &["Approved"])])[2], Some(Approve));
    }

    #[test]
    fn a_ticket_that_is_ended_agrees_to_nothing() {
        let open = (true, &["New"][..]);
        assert_eq!(answers(&[open, (false, &["Approved"])]), [None, None]);
        assert_eq!(
            answers(&[open, (false, &["Approved"]), (true, &["Approved"])])[2],
            Some(Approve)
        );
        assert_eq!(answers(&[open, (false, &["approval:approved"])])[1], Some(Approve));
        assert_eq!(answers(&[open, (false, &["Rejected"])])[1], Some(Refuse));
    }

    #[test]
    fn whoever_is_not_named_may_not_decide_where_somebody_is() {
        let by = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(may_decide(&by(&[]), &decides()) && may_decide(&by(&["anybody"]), &decides()));
        let named = Decides { by: by(&["megan", "adele"]), ..decides() };
        assert!(may_decide(&by(&["5b10", "megan"]), &named));
        for other in [&[][..], &[""], &["Megan"], &["megan bowen", "mallory"]] {
            assert!(!may_decide(&by(other), &named), "{other:?}");
        }
    }

    proptest! {
        /// Nothing is agreed to unless an earlier reading showed no state that agrees, and the last
        /// shows one, and none that refuses, in a ticket that is not ended.
        #[test]
        fn what_is_agreed_to_is_always_new(
            readings in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..8),
        ) {
            let mut asks = asked();
            for (at, (open, yes, no)) in readings.iter().enumerate() {
                let mut states = vec!["New"];
                states.extend(yes.then_some("Approved"));
                states.extend(no.then_some("Rejected"));
                let (next, answer) = asks.read(shown(*open, &states));
                let earlier = &readings[..at];
                if answer == Some(Approve) {
                    prop_assert!(*open && *yes && !*no);
                    prop_assert!(earlier.iter().any(|(_, yes, _)| !yes));
                }
                if answer == Some(Refuse) {
                    prop_assert!(*no && earlier.iter().any(|(.., no)| !no));
                }
                asks = next;
            }
        }
    }
}
