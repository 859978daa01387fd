//! Carrying a plan out, to the letter.

use std::sync::Arc;

use tracing::{info, warn};

use super::record::OfLook;
use super::{World, alarm, stop};
use crate::domain::case::{Case, Outcome};
use crate::domain::grant::{Grant, Held, PrincipalKind, Within};
use crate::domain::id::{PrincipalId, TenantId};
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

    /// Makes the calls that a step asks for; [`StepState::Held`] where `pause` held back a further
    /// one.
    async fn carry_out(
        &self,
        tenant: TenantId,
        step: &Step,
        pause: Pause<'_>,
    ) -> Result<Outcome, PortError> {
        match (&step.target, step.remediation) {
            (Target::Grant(grant), _) => self.take_away(tenant, step, grant, pause).await,
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

    /// Takes somebody out of one group after another, until one refuses or `pause` holds it back.
    async fn take_out(
        &self,
        tenant: TenantId,
        member: &PrincipalId,
        within: &[Within],
        pause: Pause<'_>,
    ) -> Result<Outcome, PortError> {
        let (mut all, mut out_of): (Option<Outcome>, Vec<String>) = (None, Vec::new());
        for (at, Within { group, group_name, .. }) in within.iter().enumerate() {
            let left = within.get(at..).unwrap_or_default();
            if all.is_some()
                && let Some(held) = pause.held().await
            {
                let said = held.detail.as_deref().unwrap_or("all is stopped");
                let detail = Some(in_part(&out_of, left, said));
                // What was taken before is taken.
                let acted_at = all.and_then(|before| before.acted_at);
                return Ok(Outcome { detail, acted_at, ..held });
            }
            let next =
                self.members.remove_member(tenant, group, member).await.map_err(|error| {
                    let said = in_part(&out_of, left, &error.said);
                    PortError { said, ..error }
                })?;
            if next.state == StepState::Refused {
                let said = next.detail.as_deref().unwrap_or("refused");
                let detail = Some(in_part(&out_of, left, said));
                // What was taken before is taken.
                let acted_at = all.and_then(|before| before.acted_at);
                return Ok(Outcome { detail, acted_at, ..next });
            }
            let request = next.request_id.as_ref();
            let request = request.map_or_else(String::new, |id| format!(" (request-id {id})"));
            out_of.push(format!("{group_name}{request}"));
            all = Some(all.map_or(next.clone(), |before| both(before, next)));
        }
        Ok(all.unwrap_or_else(unknown))
    }

    async fn take_away(
        &self,
        tenant: TenantId,
        step: &Step,
        grant: &Grant,
        pause: Pause<'_>,
    ) -> Result<Outcome, PortError> {
        match &grant.held {
            Held::Assignment { assignment, scheduled } => {
                let outcome = self.roles.revoke(step, tenant, assignment).await?;
                // A partner's own groups are nothing that Privileged Identity Management knows.
                let its = *scheduled && grant.kind != PrincipalKind::ForeignGroup;
                if outcome.state != StepState::Refused || !its {
                    return Ok(outcome);
                }
                if let Some(held) = pause.held().await {
                    return Ok(held);
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
                self.take_out(tenant, &grant.principal, within, pause).await
            }
            Held::AppRole { app_role, .. } => {
                self.app_roles.remove_app_role(tenant, &grant.principal, app_role).await
            }
        }
    }
}

/// What is left after somebody was taken out of some groups, in words: what was said of the next one
/// alone tells neither which of the ways is gone nor which remain.
fn in_part(out_of: &[String], left: &[Within], said: &str) -> String {
    if out_of.is_empty() {
        return said.to_owned();
    }
    let left: Vec<&str> = left.iter().map(|within| within.group_name.as_str()).collect();
    let (out_of, left) = (out_of.join(" and "), left.join(" and "));
    format!(
        "done in part: it is out of {out_of}, and still in {left}, by which it keeps all: {said}"
    )
}

/// Whether a call that failed so certainly took nothing away. Of several calls the first may have.
fn certainly_nothing(step: &Step, error: &PortError) -> bool {
    let is_one = step.grant().is_none_or(|grant| grant.held.within().len() <= 1);
    let heard =
        matches!(error.kind, Failure::Throttled(_) | Failure::SignInRefused | Failure::Denied);
    is_one && heard
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
    let pause = Pause { world, mode: plan.mode };
    for step in plan.cases.iter().flat_map(|case| &case.steps) {
        if step.verdict != Verdict::CarryOut {
            continue;
        }
        let ended = match pause.held().await {
            Some(held) => {
                world.ledger.not_taken(plan.tenant, step).await?;
                Ok(held)
            }
            None => world.writers.carry_out(plan.tenant, step, pause).await,
        };
        let mut stuck = false;
        let outcome = match ended {
            Ok(held) if held.state == StepState::Held => {
                stopped = true;
                warn!(
                    tenant.name = plan.tenant_name,
                    "{}: held at the last moment",
                    step.summary()
                );
                for case in cases.iter_mut() {
                    case.settle(&step.id, &held);
                }
                continue;
            }
            Ok(outcome) if plan.mode == Mode::Observe => outcome,
            Ok(outcome) => {
                world.ledger.settle(plan.tenant, step, &outcome).await?;
                outcome
            }
            Err(error) => {
                settled = false;
                stuck = matches!(error.kind, Failure::SignInRefused | Failure::Denied);
                warn!(tenant.name = plan.tenant_name, "{}: {}", step.summary(), chain(&error));
                if plan.mode != Mode::Observe && certainly_nothing(step, &error) {
                    world.ledger.not_taken(plan.tenant, step).await?;
                }
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

/// What may hold back what was planned: the stop switch, read before each call.
#[derive(Clone, Copy)]
struct Pause<'a> {
    world: &'a World,
    mode: Mode,
}

impl Pause<'_> {
    /// What becomes of a step when all is stopped after it was planned, or between two of its calls.
    ///
    /// It stays written down as intended: after a call that was made or whose outcome is unknown
    /// that is the truth, and otherwise reading again shows that it was not done, and the next look
    /// begins it anew.
    async fn held(self) -> Option<Outcome> {
        // The recorder writes nothing.
        if self.mode == Mode::Observe {
            return None;
        }
        let stop = stop::asked(self.world.stop.as_ref()).await?;
        let (state, detail) = (StepState::Held, Some(stop.holds()));
        Some(Outcome { state, detail, request_id: None, acted_at: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_and_what_remains_of_several_groups_is_told() {
        let within = |name: &str| Within {
            group: PrincipalId::new(name),
            group_name: name.to_owned(),
            kept_by: None,
        };
        let left = [within("Night"), within("Weekend")];
        let out_of = ["Help (request-id r-1)".to_owned()];
        assert_eq!(
            in_part(&out_of, &left, "Microsoft Graph answered 403"),
            "done in part: it is out of Help (request-id r-1), and still in Night and Weekend, by \
             which it keeps all: Microsoft Graph answered 403"
        );
        assert_eq!(
            in_part(&[], &left, "Microsoft Graph answered 403"),
            "Microsoft Graph answered 403"
        );
    }

    #[test]
    fn only_what_was_answered_and_is_one_call_certainly_took_nothing() {
        use crate::domain::finding::testing::{Case as Given, noon};
        use crate::domain::plan::{Circumstances, History, plan};
        let given = Given::new()
            .with_policy("respond: {role-not-allowed: {do: revoke}}")
            .member("Megan", "Global Administrator")
            .own_group("Admins", "Exchange Administrator")
            .guest_in("Admins", "Alice", "alice@contoso-reseller.example");
        let (policy, history) = (given.policy(), History::default());
        let about = Circumstances {
            policy: &policy,
            tenant: &policy.roster.tenants[0],
            history: &history,
            own_apps: &[],
            stopped: None,
            now: noon(),
        };
        let mut step = plan(&given.facts, about).cases[0].steps[0].clone();
        let nothing = |step: &Step, kind| certainly_nothing(step, &PortError::new(kind, "said"));
        for kind in [Failure::Throttled(None), Failure::Denied, Failure::SignInRefused] {
            assert!(nothing(&step, kind), "{kind:?}");
        }
        // The answer may be all that was lost.
        for kind in [Failure::Transient, Failure::Unintelligible] {
            assert!(!nothing(&step, kind), "{kind:?}");
        }
        let Target::Grant(grant) = &mut step.target else { panic!("{step:?}") };
        let Held::ThroughGroup { within, .. } = &mut grant.held else { panic!("{grant:?}") };
        within.push(within[0].clone());
        assert!(!nothing(&step, Failure::Throttled(None)), "the first of two may have been taken");
    }
}
