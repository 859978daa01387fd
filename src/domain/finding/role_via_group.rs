//! `role-via-group`: a partner's account holds a role by being in a group.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::RoleViaGroup,
    name_text: "role-via-group",
    severity: Severity::High,
    reads: &[Part::RoleAssignments, Part::Principals, Part::GroupMembers, Part::Guests],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
