//! `inbound-trust`: a partner's word is taken for the second factor of its people.

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::InboundTrust,
    name_text: "inbound-trust",
    severity: Severity::Low,
    reads: &[Part::PartnerEntries],
    why: "",
    mend: "",
    page: "",
    check,
};

fn check(_: &View<'_>) -> Vec<Finding> {
    Vec::new()
}
