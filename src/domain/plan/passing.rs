//! When that passes for which steps wait, so that they are taken up then.

use jiff::{SignedDuration, Timestamp};

use super::{Circumstances, PlannedCase, Verdict};
use crate::domain::approval::Asked;
use crate::domain::policy::Mode;

/// What ends at a moment may still be in force at that moment.
const BEYOND: SignedDuration = SignedDuration::from_secs(1);

/// When that passes for which steps wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// At this time, if nothing else comes in between.
    At(Timestamp),
    /// Once somebody resumes what was stopped.
    OnceResumed,
}

/// The first that passes of all for which steps wait: the stop switch before all else, then planned
/// changes, the guardrail's window, and the time people have to answer. Where nothing is written,
/// nothing is taken up.
pub(super) fn passes(
    cases: &[PlannedCase],
    about: Circumstances<'_>,
    held_by_limit: u32,
) -> Option<Passes> {
    let Circumstances { policy, tenant, history, now, .. } = about;
    if policy.mode == Mode::Observe {
        return None;
    }
    let is_held = |case: &&PlannedCase| {
        case.steps.iter().any(|step| matches!(step.verdict, Verdict::Held(_)))
    };
    let mut held = cases.iter().filter(is_held).peekable();
    if about.stopped.is_some() && held.peek().is_some() {
        return Some(Passes::OnceResumed);
    }
    let rails = &policy.guardrails;
    let changes = held.filter_map(|case| rails.planned_change(tenant.id, case.partner.id, now));
    let changes = changes.map(|change| Some(change.until));
    // A limit of none at all never passes.
    let limit = (held_by_limit > 0 && rails.max_revocations > 0)
        .then(|| history.first_revocation.unwrap_or(now).checked_add(rails.per).ok());
    let asked = cases.iter().filter(|case| case.asks).filter_map(|case| case.asked.as_ref());
    let asked = asked.filter(|asked| Asked::is_open(asked)).map(|asked| Some(asked.until));
    let first = changes.chain(limit).chain(asked).flatten().min()?;
    first.checked_add(BEYOND).ok().map(Passes::At)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{Case, noon};
    use crate::domain::plan::{History, plan};
    use crate::domain::stop::Stop;

    const REVOKE: &str =
        "respond:\n  privileged-role: {do: revoke}\n  role-not-allowed: {do: revoke}\n";
    const ASK: &str =
        "respond:\n  privileged-role: {do: approve}\n  role-not-allowed: {do: approve}\n";

    fn given(policy: &str) -> Case {
        let case = Case::new().member("Megan", "Global Administrator");
        case.foreign_group("AdminAgents", "Global Administrator")
            .foreign_group("HelpdeskAgents", "Reports Reader")
            .with_policy(policy)
    }

    /// After so many revocations, the first of them so many minutes ago.
    fn after(revocations: u32, minutes: i64) -> History {
        let first = noon() - SignedDuration::from_mins(minutes);
        let first_revocation = (revocations > 0).then_some(first);
        History { revocations, first_revocation, ..History::default() }
    }

    /// Minutes from now on, or that it is not known when.
    #[track_caller]
    fn check(case: &Case, history: &History, stopped: Option<&Stop>, expect: Option<Passes>) {
        let policy = case.policy();
        let tenant = &policy.roster.tenants[0];
        let about =
            Circumstances { policy: &policy, tenant, history, own_apps: &[], stopped, now: noon() };
        assert_eq!(plan(&case.facts, about).passes, expect);
    }

    fn in_minutes(minutes: i64) -> Passes {
        Passes::At(noon() + SignedDuration::from_mins(minutes) + BEYOND)
    }

    #[test]
    fn what_is_done_or_held_for_good_is_not_taken_up() {
        check(&given(REVOKE), &after(0, 0), None, None);
        let protected = Case::new()
            .member("Megan", "Global Administrator")
            .dedicated_account("svc@woodgrove.example", "Reports Reader")
            .with_policy(&format!("{REVOKE}guardrails: {{protected: [svc@woodgrove.example]}}"));
        check(&protected, &after(0, 0), None, None);
    }

    #[test]
    fn what_the_limit_holds_is_taken_up_when_the_first_revocation_leaves_the_window() {
        let two = format!("{REVOKE}guardrails: {{maxRevocations: 2, per: 90m}}");
        check(&given(&two), &after(0, 0), None, None);
        check(&given(&two), &after(1, 30), None, Some(in_minutes(60)));
        check(&given(&two), &after(2, 89), None, Some(in_minutes(1)));
        // Those that are under way have no moment yet.
        let one = format!("{REVOKE}guardrails: {{maxRevocations: 1, per: 90m}}");
        check(&given(&one), &after(0, 0), None, Some(in_minutes(90)));
        let never = format!("{REVOKE}guardrails: {{maxRevocations: 0, per: 90m}}");
        check(&given(&never), &after(0, 0), None, None);
        check(&given(&two).mode("observe"), &after(2, 30), None, None);
    }

    #[test]
    fn what_a_planned_change_holds_is_taken_up_when_it_is_over() {
        let during = |until: &str, more: &str| {
            format!(
                "{REVOKE}guardrails:\n  maxRevocations: 2\n  plannedChanges: [{{from: 2026-11-23, \
                 until: {until}, reason: move}}{more}]"
            )
        };
        let (two, none) = (after(2, 30), after(0, 0));
        check(&given(&during("2026-11-23T12:20Z", "")), &none, None, Some(in_minutes(20)));
        // Of those that hold one partner the last counts.
        let more = ", {from: 2026-11-23, until: 2026-11-23T12:10Z, reason: x}";
        check(&given(&during("2026-11-23T12:20Z", more)), &none, None, Some(in_minutes(20)));
        // It comes before the limit is asked.
        check(&given(&during("2026-11-23T13:20Z", "")), &two, None, Some(in_minutes(80)));
        check(&given(&during("2026-11-23T12:00Z", "")), &two, None, Some(in_minutes(30)));
    }

    #[test]
    fn what_is_stopped_is_taken_up_once_somebody_resumes_it() {
        let stop = Stop::new("INC-7", noon());
        let one = format!("{REVOKE}guardrails: {{maxRevocations: 1}}");
        let resumed = Some(Passes::OnceResumed);
        check(&given(REVOKE), &after(0, 0), Some(&stop), resumed);
        check(&given(&one), &after(1, 30), Some(&stop), resumed);
        check(&given(REVOKE).mode("observe"), &after(0, 0), Some(&stop), None);
        check(
            &Case::new().member("Megan", "Global Administrator"),
            &after(0, 0),
            Some(&stop),
            None,
        );
    }

    #[test]
    fn what_people_are_asked_is_taken_up_when_their_time_is_over() {
        let ask = format!("{ASK}approvals: {{expire: 2h}}\n");
        check(&given(&ask), &after(0, 0), None, Some(in_minutes(120)));
        let stop = Stop::new("INC-7", noon());
        check(&given(&ask), &after(0, 0), Some(&stop), Some(in_minutes(120)));
        check(&given(&ask).mode("observe"), &after(0, 0), None, None);
    }
}
