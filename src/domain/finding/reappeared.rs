//! `reappeared`: access that was taken away is back.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::Reappeared,
    name_text: "reappeared",
    severity: Severity::Critical,
    reads: &[Part::RoleAssignments, Part::Principals],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
