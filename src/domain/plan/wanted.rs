//! Findings to what the policy wants done about them, before any guardrail is asked.

mod grants;
mod relationships;

use super::{Circumstances, Remediation, Target};
use crate::domain::facts::Facts;
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
    /// What the facts say of whether it can be done.
    pub(super) known: Known,
}

/// What the facts say of whether something can be done, or is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing that stands in its way.
    Open,
    /// It cannot be done, for this reason.
    Unfit(String),
}

impl Wanted {
    /// That this is done to this, because of nothing yet.
    fn new(partner: &AffectedPartner, remediation: Remediation, target: Target, act: Do) -> Self {
        Self {
            partner: partner.clone(),
            remediation,
            target,
            act,
            because: Vec::new(),
            answers: Vec::new(),
            episode: None,
            known: Known::Open,
        }
    }

    /// One more finding asks for it, by this response.
    fn asked_by(&mut self, finding: FindingName, act: Do) {
        self.act = act.max(self.act);
        if !self.because.contains(&finding) {
            self.because.push(finding);
        }
    }

    /// What its history is kept by.
    pub(super) fn key(&self) -> Sha256Hex {
        self.target.key(self.remediation, &self.partner)
    }
}

/// What the policy wants done about one partner, in the order in which it is done.
pub(super) fn wanted(
    partner: &AffectedPartner,
    findings: &[Finding],
    facts: &Facts,
    about: Circumstances<'_>,
) -> Vec<Wanted> {
    let mut wanted = grants::wanted(findings, about);
    wanted.extend(relationships::wanted(partner, findings, facts, about));
    wanted
}
