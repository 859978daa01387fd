//! What people are woken for: power that this program lost, and power that it uses too much of.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tracing::{error, info, warn};

use super::World;
use crate::domain::facts::{Gap, GapCause};
use crate::domain::plan::{Plan, Step};
use crate::domain::roster::Tenant;
use crate::ports::{PortError, chain};
use crate::telemetry::metric::{self, Denied};

/// Where it is remembered when a tenant's limit was told of last.
const LIMIT: &str = "revocation-limit";

/// Where it is remembered what this program was told that it may not do.
const POWER: &str = "power-lost";

/// What not being let in is remembered as. No part of a tenant is called so.
const SIGN_IN: &str = "sign-in";

/// Tells of what this program is not let read any more: of each thing once, and once when that is
/// over. It is counted at every look.
pub(super) async fn denied_reads(world: &World, tenant: &Tenant, gaps: &[Gap]) {
    let denied = gaps.iter().filter(|gap| gap.cause == GapCause::Denied);
    if shut_out(gaps).is_some() {
        metric::denied(tenant.id, Denied::SignIn, 1);
    } else if denied.clone().count() > 0 {
        metric::denied(tenant.id, Denied::Read, denied.count());
    }
    let marks = world.marks.as_ref();
    let told = match marks.mark(tenant.id, POWER).await {
        Ok(told) => told,
        Err(error) => {
            warn!(tenant.name, "what was told before cannot be read: {}", chain(&error));
            return tell(tenant, &lost(&BTreeSet::new(), gaps), gaps);
        }
    };
    let before: BTreeSet<String> =
        told.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let lost = lost(&before, gaps);
    if lost.now == before {
        return;
    }
    let now = serde_json::to_string(&lost.now).unwrap_or_default();
    // Of several who find the same, one tells.
    match marks.set_mark(tenant.id, POWER, told.as_deref(), &now).await {
        Ok(false) => {}
        Ok(true) => tell(tenant, &lost, gaps),
        Err(error) => {
            warn!(tenant.name, "what is told cannot be remembered: {}", chain(&error));
            tell(tenant, &lost, gaps);
        }
    }
}

/// What changed in what this program is let do.
#[derive(Debug, PartialEq, Eq)]
struct Lost {
    /// What it lacks now, as far as is known.
    now: BTreeSet<String>,
    /// What it lacks since this look.
    new: BTreeSet<String>,
    /// What it lacks no more.
    over: BTreeSet<String>,
}

/// What was lost and won again since `before`, by a look with these gaps. What could not be read for
/// another reason may still be denied.
fn lost(before: &BTreeSet<String>, gaps: &[Gap]) -> Lost {
    let now: BTreeSet<String> = if shut_out(gaps).is_some() {
        before.iter().cloned().chain([SIGN_IN.to_owned()]).collect()
    } else {
        let denied = gaps.iter().filter(|gap| gap.cause == GapCause::Denied);
        let unknown = |lacks: &&String| {
            let passing = |gap: &Gap| gap.cause != GapCause::Denied;
            gaps.iter().any(|gap| passing(gap) && (*lacks == SIGN_IN || *lacks == gap.part.noun()))
        };
        let kept = before.iter().filter(unknown).cloned();
        denied.map(|gap| gap.part.noun().to_owned()).chain(kept).collect()
    };
    let new = now.difference(before).cloned().collect();
    let over = before.difference(&now).cloned().collect();
    Lost { now, new, over }
}

fn shut_out(gaps: &[Gap]) -> Option<&Gap> {
    gaps.iter().find(|gap| gap.cause == GapCause::SignInRefused)
}

fn tell(tenant: &Tenant, lost: &Lost, gaps: &[Gap]) {
    if lost.new.contains(SIGN_IN)
        && let Some(gap) = shut_out(gaps)
    {
        error!(
            tenant.name,
            code = "sign-in-refused",
            "this program is not let into the tenant any more, and sees nothing of it; mend its \
             credential, or consent to the application again: {}",
            gap.detail
        );
    }
    let mut told = BTreeSet::new();
    for gap in gaps.iter().filter(|gap| gap.cause == GapCause::Denied) {
        if lost.new.contains(gap.part.noun()) && told.insert(gap.part) {
            error!(
                tenant.name,
                code = "read-denied",
                "this program may not read the {}; grant its application {} and consent to it: {}",
                gap.part.noun(),
                gap.part.permission(),
                gap.detail
            );
        }
    }
    for what in &lost.over {
        if what == SIGN_IN {
            info!(tenant.name, code = "sign-in-refused", "over: it is let into the tenant again");
        } else {
            info!(tenant.name, code = "read-denied", "over: the {what} are read again");
        }
    }
}

/// Tells, once in each window, that no more is taken away in a tenant.
///
/// # Errors
/// Those of the marks.
pub(super) async fn limit(world: &World, plan: &Plan, now: Timestamp) -> Result<(), PortError> {
    let held = plan.held_by_limit;
    if held == 0 {
        return Ok(());
    }
    let told = world.marks.mark(plan.tenant, LIMIT).await?;
    let guardrails = &world.policy.guardrails;
    let last = told.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
    // A mark from the future was made by a clock that was wrong.
    if last.is_some_and(|last| last <= now && now < last + guardrails.per) {
        return Ok(());
    }
    // Of several who find the same, one tells.
    if !world.marks.set_mark(plan.tenant, LIMIT, told.as_deref(), &now.to_string()).await? {
        return Ok(());
    }
    error!(
        tenant.name = plan.tenant_name,
        held,
        "{} revocations within {:#} are the most the policy allows (guardrails.maxRevocations): \
         nothing more is taken away until that time is over; see whether this is an attack, or a \
         policy that is too strict",
        guardrails.max_revocations,
        guardrails.per
    );
    metric::limited(plan.tenant);
    Ok(())
}

/// Tells of a step that this program was not let carry out.
pub(super) fn denied_write(plan: &Plan, step: &Step, said: &str) {
    let permissions = step.remediation.permissions().join(" and ");
    error!(
        tenant.name = plan.tenant_name,
        partner.name = step.partner.name,
        "refused: {}; see that the application that writes is let in and has {permissions}, or do \
         it by hand as the ticket says: {said}",
        step.summary()
    );
    metric::denied(plan.tenant, Denied::Write, 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::Part;

    fn gaps(gaps: &[(Part, GapCause)]) -> Vec<Gap> {
        let gap = |(part, cause): &(Part, GapCause)| Gap {
            part: *part,
            cause: *cause,
            detail: "said".to_owned(),
        };
        gaps.iter().map(gap).collect()
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// What is lacking now, anew and no more after a look.
    fn check(before: &[&str], found: &[(Part, GapCause)], expect: [&[&str]; 3]) {
        let [now, new, over] = expect.map(set);
        assert_eq!(
            lost(&set(before), &gaps(found)),
            Lost { now, new, over },
            "{before:?} {found:?}"
        );
    }

    #[test]
    fn what_is_lost_is_told_once_and_what_is_won_again_once() {
        use GapCause::{Denied, SignInRefused, Unavailable};
        let (guests, roles) = (Part::Guests, Part::RoleAssignments);
        let (g, r) = (guests.noun(), roles.noun());
        check(&[], &[], [&[], &[], &[]]);
        check(&[], &[(guests, Denied), (guests, Denied)], [&[g], &[g], &[]]);
        check(&[g], &[(guests, Denied)], [&[g], &[], &[]]);
        check(&[g], &[(guests, Denied), (roles, Denied)], [&[g, r], &[r], &[]]);
        check(&[g, r], &[(roles, Denied)], [&[r], &[], &[g]]);
        check(&[g], &[], [&[], &[], &[g]]);
        // What is busy may still be denied.
        check(&[g], &[(guests, Unavailable)], [&[g], &[], &[]]);
        check(&[g], &[(roles, Unavailable)], [&[], &[], &[g]]);
        // Whoever is not let in learns nothing about the rest.
        check(&[g], &[(roles, SignInRefused)], [&[g, SIGN_IN], &[SIGN_IN], &[]]);
        check(&[g, SIGN_IN], &[(roles, SignInRefused)], [&[g, SIGN_IN], &[], &[]]);
        check(&[SIGN_IN], &[(guests, Unavailable)], [&[SIGN_IN], &[], &[]]);
        check(&[SIGN_IN], &[(guests, Denied)], [&[g], &[g], &[SIGN_IN]]);
        check(&[g, SIGN_IN], &[], [&[], &[], &[g, SIGN_IN]]);
    }
}
