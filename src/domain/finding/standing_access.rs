//! `standing-access`: a partner holds a role without end, or longer than the policy lets it, or all the time where it should have to activate it.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::StandingAccess,
    name_text: "standing-access",
    severity: Severity::Medium,
    reads: &[
        Part::RoleAssignments,
        Part::Principals,
        Part::Guests,
        Part::ActiveSchedules,
        Part::EligibleSchedules,
    ],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
