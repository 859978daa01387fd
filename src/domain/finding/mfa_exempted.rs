//! `mfa-exempted`: a policy that demands a second factor leaves a partner's people out.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::MfaExempted,
    name_text: "mfa-exempted",
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
