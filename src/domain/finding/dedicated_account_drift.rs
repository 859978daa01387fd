//! `dedicated-account-drift`: an account given to a partner is missing, disabled, or holds more than was agreed.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::DedicatedAccountDrift,
    name_text: "dedicated-account-drift",
    severity: Severity::Medium,
    reads: &[Part::Accounts, Part::RoleAssignments, Part::EligibleSchedules],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
