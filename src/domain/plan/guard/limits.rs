//! Nothing is done without end: not to what keeps coming back, and not to everybody at once.

use super::Asked;
use crate::domain::plan::{Circumstances, Remediation};

/// How often access that keeps coming back is taken away before a person has to see to it.
const EPISODES_MAX: u32 = 3;

/// It came back too often.
pub(super) fn comes_back(asked: &Asked<'_>) -> Option<String> {
    let times = asked.episode;
    if times < EPISODES_MAX {
        return None;
    }
    if asked.wanted.remediation == Remediation::Quarantine {
        return Some(format!("it was made {times} times and was undone each time"));
    }
    // What goes with others shares their lot.
    let alone = asked.wanted.goes_with.is_empty();
    alone.then(|| format!("it was taken away {times} times and came back each time"))
}

/// Too much was done already.
pub(super) fn too_many(about: Circumstances<'_>, revocations: u32) -> Option<String> {
    let rails = &about.policy.guardrails;
    (revocations >= rails.max_revocations).then(|| {
        format!(
            "{} revocations within {:#} are the most the policy allows (guardrails.maxRevocations)",
            rails.max_revocations, rails.per
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{access_assignment, check, check_now, guest, relationship};
    use super::*;

    #[test]
    fn what_came_back_three_times_is_left_to_a_person() {
        for mut it in [guest(), relationship(), access_assignment()] {
            for (episode, expect) in
                [(0, None), (2, None), (3, Some("taken away 3 times")), (4, Some("4 times"))]
            {
                it.episode = episode;
                check(comes_back, &it, expect);
            }
        }
    }

    #[test]
    fn the_limit_itself_is_too_many() {
        let check = |policy: &str, revocations, expect: Option<&str>| {
            check_now(|about| too_many(about, revocations), &guest().under(policy), expect);
        };
        let two = "guardrails: {maxRevocations: 2, per: 90m}";
        let full = Some("2 revocations within 1h 30m are the most the policy allows");
        for (revocations, expect) in [(0, None), (1, None), (2, full), (u32::MAX, full)] {
            check(two, revocations, expect);
        }
        check("guardrails: {maxRevocations: 0}", 0, Some("0 revocations"));
        check("", 49, None);
        check("", 50, Some("50 revocations within 1h"));
    }
}
