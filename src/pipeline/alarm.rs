//! What people are woken for: power that this program lost, and power that it uses too much of.

use jiff::Timestamp;
use tracing::error;

use super::World;
use crate::domain::facts::{Gap, GapCause};
use crate::domain::plan::{Plan, Step};
use crate::domain::roster::Tenant;
use crate::ports::PortError;
use crate::telemetry::metric::{self, Denied};

/// Where it is remembered when a tenant's limit was told of last.
const LIMIT: &str = "revocation-limit";

/// Tells of what this program was not let read.
pub(super) fn denied_reads(tenant: &Tenant, gaps: &[Gap]) {
    if let Some(gap) = gaps.iter().find(|gap| gap.cause == GapCause::SignInRefused) {
        error!(
            tenant.name,
            "this program is not let into the tenant any more, and sees nothing of it; mend its \
             credential, or consent to the application again: {}",
            gap.detail
        );
        metric::denied(tenant.id, Denied::SignIn, 1);
        return;
    }
    let denied: Vec<&Gap> = gaps.iter().filter(|gap| gap.cause == GapCause::Denied).collect();
    for gap in &denied {
        error!(
            tenant.name,
            "this program may not read the {}; grant its application {} and consent to it: {}",
            gap.part.noun(),
            gap.part.permission(),
            gap.detail
        );
    }
    if !denied.is_empty() {
        metric::denied(tenant.id, Denied::Read, denied.len());
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
