//! Carrying a plan out, to the letter.

use std::sync::Arc;

use tracing::{info, warn};

use super::record::OfLook;
use super::{World, alarm, stop};
use crate::domain::case::{Case, Outcome};
use crate::domain::grant::{Grant, Held, PrincipalKind, Within};
use crate::domain::id::TenantId;
use crate::domain::plan::{Plan, Remediation, Step, StepState, Target, Verdict};
use crate::domain::policy::Mode;
use crate::ports::{
    DisableAccount, DisableApp, Failure, PortError, QuarantinePartner, ReduceRelationships,
    RemoveAppRole, RemoveEligibility, RemoveGroupMember, RemoveScheduledAssignment,
    RevokeRoleAssignment, RevokeSessions, With, chain,
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
    /// Keeps partners out by conditional access.
    pub quarantine: Arc<dyn QuarantinePartner>,
    /// Makes a partner's relationships less, or ends them.
    pub relationships: Arc<dyn ReduceRelationships>,
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
            + QuarantinePartner
            + ReduceRelationships
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
            quarantine: one.clone(),
            relationships: one.clone(),
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
            (Target::Partner, Remediation::Quarantine) => match &step.quarantine {
                Some(quarantine) => self.quarantine.quarantine(tenant, quarantine).await,
                None => Ok(unknown()),
            },
            (Target::Relationship { relationship, roles, .. }, _) => {
                self.reduce(tenant, step, relationship, roles).await
            }
            (
                Target::AccessAssignment { relationship, access_assignment, group, roles, .. },
                Remediation::DeleteAccessAssignment,
            ) => {
                let one = &self.relationships;
                one.delete_access_assignment(tenant, relationship, access_assignment, group, roles)
                    .await
            }
            _ => Ok(unknown()),
        }
    }

    async fn reduce(
        &self,
        tenant: TenantId,
        step: &Step,
        relationship: &str,
        roles: &[String],
    ) -> Result<Outcome, PortError> {
        let Some(customer) = step.partner.id else { return Ok(unknown()) };
        let (one, with) = (&self.relationships, With { relationship, customer });
        match step.remediation {
            Remediation::DropGlobalAdministrator => {
                one.drop_global_administrator(tenant, with, roles).await
            }
            Remediation::StopAutoExtend => one.stop_auto_extend(tenant, with).await,
            Remediation::TerminateRelationship => one.terminate(tenant, with).await,
            Remediation::RevokeRoleAssignment
            | Remediation::RemoveEligibility
            | Remediation::RemoveScheduledAssignment
            | Remediation::RemoveGroupMember
            | Remediation::RemoveAppRole
            | Remediation::RevokeSessions
            | Remediation::DisableGuest
            | Remediation::DisableApp
            | Remediation::Quarantine
            | Remediation::DeleteAccessAssignment => Ok(unknown()),
        }
    }

    async fn take_away(
        &self,
        tenant: TenantId,
        step: &Step,
        grant: &Grant,
    ) -> Result<Outcome, PortError> {
        match &grant.held {
            Held::Assignment { assignment, scheduled } => {
                let outcome = self.roles.revoke(step, tenant, assignment).await?;
                // A partner's own groups are nothing that Privileged Identity Management knows.
                let its = *scheduled && grant.kind != PrincipalKind::ForeignGroup;
                if outcome.state != StepState::Refused || !its {
                    return Ok(outcome);
                }
                let other = self.scheduled.remove_scheduled(&step.id, tenant, grant).await?;
                Ok(either(outcome, other))
            }
            Held::Eligible { .. } => {
                self.eligibility.remove_eligibility(&step.id, tenant, grant).await
            }
            Held::Scheduled { .. } => {
                self.scheduled.remove_scheduled(&step.id, tenant, grant).await
            }
            Held::ThroughGroup { within, .. } => {
                let mut all: Option<Outcome> = None;
                for Within { group, .. } in within {
                    let next = self.members.remove_member(tenant, group, &grant.principal).await?;
                    if next.state == StepState::Refused {
                        return Ok(next);
                    }
                    all = Some(all.map_or(next.clone(), |before| both(before, next)));
                }
                Ok(all.unwrap_or_else(unknown))
            }
            Held::AppRole { app_role, .. } => {
                self.app_roles.remove_app_role(tenant, &grant.principal, app_role).await
            }
        }
    }
}

/// How a refused deletion and the request to Privileged Identity Management in its stead ended.
fn either(deletion: Outcome, request: Outcome) -> Outcome {
    match (request.state, request.detail) {
        (StepState::Revoked, None) => Outcome { detail: None, ..request },
        (StepState::Refused, Some(said)) => {
            let before = deletion.detail.unwrap_or_default();
            let detail = Some(format!("{before}; and as a schedule: {said}"));
            Outcome { detail, ..deletion }
        }
        // What the deletion was refused for is there, so that it is none of what was not found.
        _ => deletion,
    }
}

/// How two calls of one step ended, neither of which was refused.
fn both(before: Outcome, next: Outcome) -> Outcome {
    let detail = match (before.detail, next.detail) {
        (Some(before), Some(next)) if before != next => Some(format!("{before}, then {next}")),
        (Some(same), Some(_)) => Some(same),
        // One of the two was there and is taken away.
        _ => None,
    };
    Outcome { detail, ..next }
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

/// How carrying a plan out went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acted {
    /// Every step has an outcome.
    pub(super) settled: bool,
    /// The stop switch held a step back that was planned before.
    pub(super) stopped: bool,
}

/// Carries the plan out, to the letter.
pub(super) async fn act(
    world: &World,
    plan: &Plan,
    cases: &mut [Case],
    told: &mut OfLook,
) -> Result<Acted, PortError> {
    let (mut settled, mut stopped) = (true, false);
    for step in plan.cases.iter().flat_map(|case| &case.steps) {
        if step.verdict != Verdict::CarryOut {
            continue;
        }
        if let Some(held) = held_at_last(world, plan.mode).await {
            stopped = true;
            warn!(tenant.name = plan.tenant_name, "{}: held at the last moment", step.summary());
            for case in cases.iter_mut() {
                case.settle(&step.id, &held);
            }
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
                if stuck {
                    alarm::denied_write(plan, step, &error.said);
                }
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
        if outcome.state == StepState::Refused {
            alarm::denied_write(plan, step, outcome.detail.as_deref().unwrap_or_default());
        }
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
    Ok(Acted { settled, stopped })
}

/// What becomes of a step when all is stopped after it was planned.
///
/// It stays written down as intended: after a call whose outcome is unknown that is the truth, and
/// otherwise reading again shows that it was not done, and the next look begins it anew.
async fn held_at_last(world: &World, mode: Mode) -> Option<Outcome> {
    // The recorder writes nothing.
    if mode == Mode::Observe {
        return None;
    }
    let stop = stop::asked(world.stop.as_ref()).await?;
    let (state, detail) = (StepState::Held, Some(stop.holds()));
    Some(Outcome { state, detail, request_id: None, acted_at: None })
}
