//! `gdap-auto-extend`: a relationship of this partner extends itself without anybody deciding.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::GdapAutoExtend,
    name_text: "gdap-auto-extend",
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
