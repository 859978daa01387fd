//! `allowance-expired`: what the policy once allowed a partner has run out, and it still holds it.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::AllowanceExpired,
    name_text: "allowance-expired",
    severity: Severity::Medium,
    reads: &[Part::RoleAssignments, Part::Principals, Part::Guests],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
