//! Roles and permissions to be taken away: one step for each grant, the strongest response wins.

use indexmap::IndexMap;

use super::Wanted;
use crate::domain::finding::{Finding, may_stand};
use crate::domain::id::Sha256Hex;
use crate::domain::plan::{Circumstances, Remediation, Target};
use crate::domain::policy::Do;

pub(super) fn wanted(findings: &[Finding], about: Circumstances<'_>) -> Vec<Wanted> {
    let Circumstances { policy, tenant, now, .. } = about;
    let mut wanted: IndexMap<Sha256Hex, Wanted> = IndexMap::new();
    for finding in findings {
        let Some(grant) = &finding.grant else { continue };
        let act = policy.response(finding.finding, finding.severity).act;
        let takes_away = matches!(act, Do::Approve | Do::Revoke);
        // A partner may be told of for being there at all, and still keep what is allowed.
        if !takes_away || !finding.certain || may_stand(grant, tenant, policy, now) {
            continue;
        }
        let wanted = wanted.entry(grant.key()).or_insert_with(|| {
            let target = Target::Grant(Box::new(grant.clone()));
            Wanted::new(&grant.partner, Remediation::of(&grant.held), target, act)
        });
        wanted.asked_by(finding.finding, act);
    }
    wanted.into_values().collect()
}
