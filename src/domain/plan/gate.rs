//! The gate: where the policy says so of a sink, nothing is written about a case before its ticket
//! is there.

use std::collections::BTreeSet;

use super::Circumstances;
use crate::domain::id::SinkName;
use crate::domain::policy::Mode;

/// The sink whose ticket has to be there before anything is written about a partner, and is not as
/// far as is known. `sinks` are those that are told of what is found now.
pub(super) fn shut(
    about: Circumstances<'_>,
    partner: &str,
    sinks: &BTreeSet<SinkName>,
) -> Option<SinkName> {
    let Circumstances { policy, history, .. } = about;
    // Nothing is written there anyway.
    if policy.mode == Mode::Observe {
        return None;
    }
    let gates = |sink: &SinkName| policy.tickets.get(sink).is_some_and(|it| it.common.gate);
    let tickets = history.tickets.get(partner);
    let is_there = |sink: &SinkName| tickets.and_then(|known| known.get(sink)) == Some(&true);
    // The case is told to those too who were told of what is found no longer.
    let told = tickets.into_iter().flat_map(|known| known.keys());
    sinks.iter().chain(told).find(|sink| gates(sink) && !is_there(sink)).cloned()
}

/// Why it holds everything back, in words.
pub(super) fn holds(sink: &SinkName) -> String {
    format!("nothing is written before its ticket in {sink} is there (tickets.{sink}.gate)")
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::domain::approval::{Answer, Decision, Proposal, ProposalChange};
    use crate::domain::finding::testing::{Case, noon};
    use crate::domain::plan::{History, Passes, Plan, Verdict, plan};
    use crate::domain::roster::AffectedPartner;

    const GATED: &str = "
tickets:
  gate: {kind: webhook, url: https://gate.example, gate: true}
  told: {kind: webhook, url: https://told.example}
";

    fn given(act: &str, sink: &str) -> Case {
        let respond = format!("respond:\n  role-not-allowed: {{do: {act}, ticket: {sink}}}\n");
        Case::new()
            .with_policy(&format!("{respond}{GATED}"))
            .member("Megan", "Global Administrator")
            .foreign_group("Agents", "Reports Reader")
    }

    fn planned(given: &Case, history: &History) -> Plan {
        let policy = given.policy();
        let (tenant, own_apps) = (&policy.roster.tenants[0], &[]);
        let about = Circumstances {
            policy: &policy,
            tenant,
            history,
            own_apps,
            stopped: None,
            now: noon(),
        };
        plan(&given.facts, about)
    }

    /// A case of the partner that goes on, with tickets that are there or not.
    fn with(partner: &AffectedPartner, tickets: &[(&str, bool)]) -> History {
        let tickets = tickets.iter().map(|(sink, there)| (SinkName((*sink).to_owned()), *there));
        History { tickets: [(partner.key(), tickets.collect())].into(), ..History::default() }
    }

    fn is_held(plan: &Plan) -> bool {
        let steps = &plan.cases[0].steps;
        assert!(!steps.is_empty());
        let held = |reason: &String| reason == &holds(&SinkName("gate".to_owned()));
        let is = |verdict: &Verdict| matches!(verdict, Verdict::Held(reason) if held(reason));
        let all = steps.iter().all(|step| is(&step.verdict) && step.waits);
        let none = steps.iter().all(|step| !matches!(step.verdict, Verdict::Held(_)));
        assert!(all || none, "{plan}");
        assert_eq!(plan.cases[0].gate.is_some(), all, "{plan}");
        all
    }

    #[test]
    fn nothing_is_written_before_the_ticket_is_there() {
        let given = given("revoke", "gate");
        let first = planned(&given, &History::default());
        assert!(is_held(&first));
        let Verdict::Held(why) = &first.cases[0].steps[0].verdict else { panic!("{first}") };
        assert_eq!(
            why,
            "nothing is written before its ticket in gate is there (tickets.gate.gate)"
        );
        let again = noon() + SignedDuration::from_secs(601);
        assert_eq!(first.passes, Some(Passes::At(again)));
        let partner = first.cases[0].partner.clone();
        assert!(is_held(&planned(&given, &with(&partner, &[("gate", false)]))));
        assert!(is_held(&planned(&given, &with(&AffectedPartner::unknown(), &[("gate", true)]))));
        let there = planned(&given, &with(&partner, &[("gate", true)]));
        assert!(!is_held(&there));
        assert_eq!(there.passes, None);
        assert!(!is_held(&planned(&given.mode("observe"), &History::default())));
    }

    #[test]
    fn a_sink_that_does_not_gate_holds_nothing_back() {
        let given = given("revoke", "told");
        let first = planned(&given, &History::default());
        assert!(!is_held(&first));
        let partner = &first.cases[0].partner;
        // Of one case there may be tickets in several sinks.
        assert!(is_held(&planned(&given, &with(partner, &[("gate", false)]))));
        assert!(!is_held(&planned(&given, &with(partner, &[("gate", true), ("told", false)]))));
        assert!(!is_held(&planned(&given, &with(partner, &[("gone", false)]))));
    }

    #[test]
    fn people_are_asked_before_the_gate_is_and_their_word_does_not_open_it() {
        let given = given("approve", "gate");
        let first = planned(&given, &History::default());
        let waits = |plan: &Plan| plan.cases[0].steps[0].verdict == Verdict::AwaitApproval;
        assert!(waits(&first));
        let Some(ProposalChange::Put(question)) = first.cases[0].changes.first() else {
            panic!("nobody is asked: {first}")
        };
        let said = Decision::by_name(Answer::Approve, "Megan", noon()).unwrap();
        let approved = Proposal::new((**question).clone()).decide(said, noon()).unwrap();
        let partner = first.cases[0].partner.clone();
        let proposals = [(partner.key(), approved)];
        let shut = History { proposals: proposals.clone().into(), ..History::default() };
        assert!(is_held(&planned(&given, &shut)));
        let open = History { proposals: proposals.into(), ..with(&partner, &[("gate", true)]) };
        let open = planned(&given, &open);
        assert_eq!(open.cases[0].steps[0].verdict, Verdict::CarryOut);
        // It is another matter for what the plan is that people agreed to.
        assert!(open.cases[0].changes.is_empty());
    }
}
