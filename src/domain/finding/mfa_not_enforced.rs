//! `mfa-not-enforced`: nothing makes a partner's people prove themselves by a second factor.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::MfaNotEnforced,
    name_text: "mfa-not-enforced",
    severity: Severity::High,
    reads: &[Part::ConditionalAccess, Part::Memberships],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
