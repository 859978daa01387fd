//! `support-access-lingering`: microsoft Support still has access long after a support case.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::SupportAccessLingering,
    name_text: "support-access-lingering",
    severity: Severity::Medium,
    reads: &[Part::PartnerEntries, Part::RoleAssignments],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
