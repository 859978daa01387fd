//! `gdap-global-administrator`: a relationship of this partner gives Global Administrator in a customer's tenant.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::GdapGlobalAdministrator,
    name_text: "gdap-global-administrator",
    severity: Severity::Critical,
    reads: &[Part::Relationships],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
