//! What a scan of a tenant shows: who holds what, what breaks the policy, what stayed unknown.

use jiff::Timestamp;
use serde::Serialize;

use super::facts::{Facts, Gap};
use super::finding::{Finding, findings};
use super::grant::{Grant, grants};
use super::policy::Policy;
use super::roster::Tenant;

/// One tenant, as a scan saw it.
#[derive(Debug, Clone, Serialize)]
pub struct Scanned<'a> {
    /// The tenant, as the policy names it.
    #[serde(skip)]
    pub tenant: &'a Tenant,
    /// What was read.
    #[serde(skip)]
    pub facts: &'a Facts,
    /// When the reading began.
    pub read_at: Timestamp,
    /// The moment as of which it is judged.
    pub judged_at: Timestamp,
    /// Every way in which a partner holds a role.
    pub grants: Vec<Grant>,
    /// What breaks the policy, the most severe first.
    pub findings: Vec<Finding>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// Looks at one snapshot by a policy.
pub fn scanned<'a>(
    facts: &'a Facts,
    tenant: &'a Tenant,
    policy: &Policy,
    read_at: Timestamp,
    now: Timestamp,
) -> Scanned<'a> {
    Scanned {
        tenant,
        facts,
        read_at,
        judged_at: now,
        grants: grants(facts, tenant),
        findings: findings(facts, tenant, policy, now),
        gaps: facts.gaps.clone(),
    }
}
