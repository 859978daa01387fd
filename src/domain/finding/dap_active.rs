//! `dap-active`: a customer still lets this partner administer it by the old way, which is unlimited.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::DapActive,
    name_text: "dap-active",
    severity: Severity::Critical,
    reads: &[Part::DelegatedAccess],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
