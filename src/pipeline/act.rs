//! Carrying a plan out, to the letter.

use std::sync::Arc;

use tracing::{info, warn};

use super::World;
use super::record::OfLook;
use crate::domain::case::{Case, Outcome};
use crate::domain::grant::{Grant, Held};
use crate::domain::id::TenantId;
use crate::domain::plan::{Plan, Remediation, Step, StepState, Target, Verdict};
use crate::domain::policy::Mode;
use crate::ports::{
    DisableAccount, DisableApp, Failure, PortError, RemoveAppRole, RemoveEligibility,
    RemoveGroupMember, RemoveScheduledAssignment, RevokeRoleAssignment, RevokeSessions, chain,
};
use crate::telemetry::metric;

/// What changes a tenant: one port for each permission.
#[derive(Clone)]
pub struct Writers {
    /// Takes role assignments away.
    pub roles: Arc<dyn RevokeRoleAssignment>,
    /// Ends what may be activated.
    pub eligibility: Arc<dyn RemoveEligibility>,
    /// Ends what Privileged Identity Management made active.
    pub scheduled: Arc<dyn RemoveScheduledAssignment>,
    /// Takes somebody out of a group.
    pub members: Arc<dyn RemoveGroupMember>,
    /// Takes application permissions away.
    pub app_roles: Arc<dyn RemoveAppRole>,
    /// Ends sessions.
    pub sessions: Arc<dyn RevokeSessions>,
    /// Disables accounts.
    pub accounts: Arc<dyn DisableAccount>,
    /// Disables applications.
    pub apps: Arc<dyn DisableApp>,
}

impl Writers {
    /// The same for everything.
    pub fn all<T>(one: &Arc<T>) -> Self
    where
        T: RevokeRoleAssignment
            + RemoveEligibility
            + RemoveScheduledAssignment
            + RemoveGroupMember
            + RemoveAppRole
            + RevokeSessions
            + DisableAccount
            + DisableApp
            + 'static,
    {
        Self {
            roles: one.clone(),
            eligibility: one.clone(),
            scheduled: one.clone(),
            members: one.clone(),
            app_roles: one.clone(),
            sessions: one.clone(),
            accounts: one.clone(),
            apps: one.clone(),
        }
    }

    /// Makes the call that a step asks for.
    async fn carry_out(&self, tenant: TenantId, step: &Step) -> Result<Outcome, PortError> {
        match (&step.target, step.remediation) {
            (Target::Grant(grant), _) => self.take_away(tenant, step, grant).await,
            (Target::Principal { principal, .. }, Remediation::RevokeSessions) => {
                self.sessions.revoke_sessions(tenant, principal).await
            }
            (Target::Principal { principal, .. }, Remediation::DisableGuest) => {
                self.accounts.disable_account(tenant, principal).await
            }
            (Target::Principal { principal, .. }, Remediation::DisableApp) => {
                self.apps.disable_app(tenant, principal).await
            }
            _ => Ok(unknown()),
        }
    }

    async fn take_away(
        &self,
        tenant: TenantId,
        step: &Step,
        grant: &Grant,
    ) -> Result<Outcome, PortError> {
        match &grant.held {
            Held::Assignment { assignment } => self.roles.revoke(step, tenant, assignment).await,
            Held::Eligible { .. } => {
                self.eligibility.remove_eligibility(&step.id, tenant, grant).await
            }
            Held::Scheduled { .. } => {
                self.scheduled.remove_scheduled(&step.id, tenant, grant).await
            }
            Held::ThroughGroup { group, .. } => {
                self.members.remove_member(tenant, group, &grant.principal).await
            }
            Held::AppRole { app_role, .. } => {
                self.app_roles.remove_app_role(tenant, &grant.principal, app_role).await
            }
        }
    }
}

/// A step that no version of this program plans.
fn unknown() -> Outcome {
    let detail = Some("this version has no call for it".to_owned());
    Outcome { state: StepState::Refused, detail, request_id: None, acted_at: None }
}

/// The steps that will be written to Graph.
pub(super) fn writes(plan: &Plan) -> Vec<&Step> {
    let carried_out =
        |step: &&Step| plan.mode != Mode::Observe && step.verdict == Verdict::CarryOut;
    plan.cases.iter().flat_map(|case| &case.steps).filter(carried_out).collect()
}

/// Carries the plan out, to the letter. Says whether every step has an outcome.
pub(super) async fn act(
    world: &World,
    plan: &Plan,
    cases: &mut [Case],
    told: &mut OfLook,
) -> Result<bool, PortError> {
    let mut settled = true;
    for step in plan.cases.iter().flat_map(|case| &case.steps) {
        if step.verdict != Verdict::CarryOut {
            continue;
        }
        let mut stuck = false;
        let outcome = match world.writers.carry_out(plan.tenant, step).await {
            Ok(outcome) if plan.mode == Mode::Observe => outcome,
            Ok(outcome) => {
                world.ledger.settle(plan.tenant, step, &outcome).await?;
                outcome
            }
            Err(error) => {
                settled = false;
                stuck = matches!(error.kind, Failure::SignInRefused | Failure::Denied);
                warn!(tenant.name = plan.tenant_name, "{}: {}", step.summary(), chain(&error));
                let (state, detail) = (StepState::Intended, Some(error.said));
                Outcome { state, detail, request_id: None, acted_at: None }
            }
        };
        info!(
            tenant.name = plan.tenant_name,
            partner.name = step.partner.name,
            outcome = outcome.state.as_str(),
            request_id = outcome.request_id,
            "{}{}",
            step.summary(),
            outcome.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}")),
        );
        metric::acted(outcome.state);
        if let (StepState::Revoked, Some(at)) = (outcome.state, outcome.acted_at) {
            metric::revoked(&told.cause(), &step.partner, at);
        }
        told.called(plan.mode, step, &outcome);
        for case in cases.iter_mut() {
            case.settle(&step.id, &outcome);
            if stuck {
                case.stuck(&step.id);
            }
        }
    }
    Ok(settled)
}
