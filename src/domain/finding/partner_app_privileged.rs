//! `partner-app-privileged`: a partner's application holds a directory role or a powerful permission.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::PartnerAppPrivileged,
    name_text: "partner-app-privileged",
    severity: Severity::High,
    reads: &[Part::PartnerApps, Part::RoleAssignments, Part::Principals],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
