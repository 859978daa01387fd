//! `gdap-role-not-allowed`: a relationship of this partner gives a role that the policy does not allow.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::GdapRoleNotAllowed,
    name_text: "gdap-role-not-allowed",
    severity: Severity::High,
    reads: &[Part::Relationships],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
