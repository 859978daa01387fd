//! Findings to what the policy wants done about them, before any guardrail is asked.

mod grants;

use super::{Circumstances, Remediation, Target};
use crate::domain::finding::{Finding, FindingName};
use crate::domain::id::Sha256Hex;
use crate::domain::policy::Do;
use crate::domain::roster::AffectedPartner;

/// One thing the policy wants done.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The partner it is about.
    pub(super) partner: AffectedPartner,
    /// What to do.
    pub(super) remediation: Remediation,
    /// What to do it to.
    pub(super) target: Target,
    /// The strongest response that asks for it.
    pub(super) act: Do,
    /// The findings that ask for it.
    pub(super) because: Vec<FindingName>,
    /// The rows that are done with once it is proven, beside a grant's own.
    pub(super) answers: Vec<Sha256Hex>,
    /// Which episode it is, where that goes by another step's.
    pub(super) episode: Option<u32>,
}

impl Wanted {
    /// What its history is kept by.
    pub(super) fn key(&self) -> Sha256Hex {
        self.target.key(self.remediation, &self.partner)
    }
}

/// What the policy wants done about one partner.
pub(super) fn wanted(findings: &[Finding], about: Circumstances<'_>) -> Vec<Wanted> {
    grants::wanted(findings, about)
}
