//! `gdap-too-long`: a relationship of this partner lasts longer than the policy lets it.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::GdapTooLong,
    name_text: "gdap-too-long",
    severity: Severity::Medium,
    reads: &[Part::Relationships],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
