//! What is asked of the tenants, and what comes of it.

use async_trait::async_trait;
use jiff::Timestamp;
use partner_warden::domain::case::Outcome;
use partner_warden::domain::conditional_access::quarantine::{Quarantine, has_tag};
use partner_warden::domain::grant::{Grant, Held};
use partner_warden::domain::id::{AssignmentId, PrincipalId, StepId, TenantId};
use partner_warden::domain::plan::{Remediation, Step, StepState, Target};
use partner_warden::domain::stop::Stop;
use partner_warden::ports::{
    DisableAccount, DisableApp, Failure, PortError, QuarantinePartner, ReduceRelationships,
    RemoveAppRole, RemoveEligibility, RemoveGroupMember, RemoveScheduledAssignment,
    RevokeRoleAssignment, RevokeSessions, StopSwitch, TurnStopSwitch as _, With,
};

use super::cast::{holder_of, role_id, tenant_of};
use super::events::Fault;
use super::state::{Gone, State};
use super::town::{Tenants, failed};

/// One call that changes something.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Assignment(AssignmentId),
    Active(PrincipalId, String),
    Eligible(PrincipalId, String),
    Member { group: PrincipalId, member: PrincipalId },
    Permission { app: PrincipalId, id: AssignmentId },
    Sessions(PrincipalId),
    Account(PrincipalId),
    App(PrincipalId),
    Quarantine(Quarantine),
    Relationship(Remediation, String),
}

impl Call {
    /// Whether a step asks for it.
    pub(super) fn is_of(&self, step: &Step) -> bool {
        let grant = step.grant();
        let is = |of: &PrincipalId, remediation| {
            step.remediation == remediation
                && matches!(&step.target, Target::Principal { principal, .. } if principal == of)
        };
        let held = |principal: &PrincipalId, role: &String| {
            grant.is_some_and(|it| it.principal == *principal && it.role.definition_id == *role)
        };
        match self {
            Self::Assignment(id) => grant.and_then(Grant::assignment) == Some(id),
            Self::Active(principal, role) => {
                held(principal, role)
                    && matches!(
                        grant.map(|it| &it.held),
                        Some(Held::Scheduled { .. } | Held::Assignment { scheduled: true, .. })
                    )
            }
            Self::Eligible(principal, role) => {
                held(principal, role)
                    && matches!(grant.map(|it| &it.held), Some(Held::Eligible { .. }))
            }
            Self::Member { group, member } => grant.is_some_and(|it| {
                it.principal == *member
                    && it.held.within().iter().any(|in_it| in_it.group == *group)
            }),
            Self::Permission { app, id } => grant.is_some_and(|it| {
                it.principal == *app
                    && matches!(&it.held, Held::AppRole { app_role, .. } if app_role == id)
            }),
            Self::Sessions(id) => is(id, Remediation::RevokeSessions),
            Self::Account(id) => is(id, Remediation::DisableGuest),
            Self::App(id) => is(id, Remediation::DisableApp),
            Self::Quarantine(quarantine) => {
                step.quarantine.as_ref().is_some_and(|it| it.tag == quarantine.tag)
            }
            Self::Relationship(remediation, id) => {
                step.remediation == *remediation
                    && match &step.target {
                        Target::Relationship { relationship, .. }
                        | Target::AccessAssignment { relationship, .. } => relationship == id,
                        Target::Grant(_) | Target::Principal { .. } | Target::Partner => false,
                    }
            }
        }
    }

    /// Whether it takes a grant away.
    fn is_about_a_grant(&self) -> bool {
        match self {
            Self::Assignment(_)
            | Self::Active(..)
            | Self::Eligible(..)
            | Self::Member { .. }
            | Self::Permission { .. } => true,
            Self::Sessions(_)
            | Self::Account(_)
            | Self::App(_)
            | Self::Quarantine(_)
            | Self::Relationship(..) => false,
        }
    }

    /// Whether the whole directory has one Global Administrator fewer after it.
    pub(super) fn takes_administrator(&self, state: &State) -> bool {
        let is_it = |role: &str| role == role_id(0);
        match self {
            Self::Assignment(id) => {
                let mut all = state.assignments.iter();
                all.any(|it| it.id == *id && is_it(&it.role_definition_id))
            }
            Self::Active(_, role) => is_it(role),
            Self::Eligible(..)
            | Self::Member { .. }
            | Self::Permission { .. }
            | Self::Sessions(_)
            | Self::Account(_)
            | Self::App(_)
            | Self::Quarantine(_)
            | Self::Relationship(..) => false,
        }
    }

    /// Does it to a tenant. Says what was there before; nothing if it was so already.
    pub(super) fn take(&self, tenant: usize, state: &mut State, now: Timestamp) -> Vec<Gone> {
        let holder = |id: &PrincipalId| holder_of(tenant, id).unwrap();
        match self {
            Self::Assignment(id) => {
                let gone = drain(&mut state.assignments, |it| it.id == *id);
                // Its schedule goes with it.
                state.active.retain(|it| it.role_assignment_origin_id.as_ref() != Some(id));
                gone.into_iter().map(Gone::Assignment).collect()
            }
            Self::Active(principal, role) => {
                let its = |id: &PrincipalId, of: &String| id == principal && of == role;
                let gone =
                    drain(&mut state.active, |it| its(&it.principal_id, &it.role_definition_id));
                let ids: Vec<AssignmentId> =
                    gone.iter().filter_map(|it| it.role_assignment_origin_id.clone()).collect();
                let assigned = drain(&mut state.assignments, |it| ids.contains(&it.id));
                let gone = gone.into_iter().map(Gone::Active);
                gone.chain(assigned.into_iter().map(Gone::Assignment)).collect()
            }
            Self::Eligible(principal, role) => {
                let is_it = |id: &PrincipalId, of: &String| id == principal && of == role;
                let gone = drain(&mut state.eligible, |it| {
                    is_it(&it.principal_id, &it.role_definition_id)
                });
                gone.into_iter().map(Gone::Eligible).collect()
            }
            Self::Member { group, member } => {
                let (group, member) = (holder(group), holder(member));
                let members = state.members.entry(group).or_default();
                members.remove(&member).then_some(Gone::Member(group, member)).into_iter().collect()
            }
            Self::Permission { app, id } => {
                let app = holder(app);
                let all = state.permissions.entry(app).or_default();
                let gone = drain(all, |it| it.id == *id);
                gone.into_iter().map(|it| Gone::Permission(app, it)).collect()
            }
            Self::Sessions(id) => {
                state.sessions.insert(holder(id), now);
                vec![Gone::Sessions]
            }
            Self::Account(id) | Self::App(id) => {
                let holder = holder(id);
                state.disabled.insert(holder).then_some(Gone::Enabled(holder)).into_iter().collect()
            }
            Self::Quarantine(quarantine) => {
                let found = state.policies.iter().any(|it| quarantine.is_met_by(it));
                if found {
                    return Vec::new();
                }
                state.policies.retain(|it| !has_tag(it, &quarantine.tag));
                state.policies.push(quarantine.document());
                vec![Gone::Unblocked(quarantine.name())]
            }
            Self::Relationship(remediation, id) => {
                let of = state.relationships.iter_mut().filter(|it| it.id == *id);
                for it in of {
                    if *remediation == Remediation::DropGlobalAdministrator {
                        let roles = it.access_details.as_mut().map(|it| &mut it.unified_roles);
                        let is_it = |id: &str| id == role_id(0);
                        if let Some(roles) = roles {
                            roles.retain(|it| !is_it(&it.role_definition_id));
                        }
                    } else if *remediation == Remediation::StopAutoExtend {
                        it.auto_extend_duration = Some("PT0S".to_owned());
                    } else if *remediation == Remediation::DeleteAccessAssignment {
                        it.access_assignments.clear();
                    } else {
                        it.status = Some("terminated".to_owned());
                    }
                }
                vec![Gone::Relationship]
            }
        }
    }
}

/// Takes out what is so, in order.
fn drain<T>(all: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> Vec<T> {
    let (gone, kept) = std::mem::take(all).into_iter().partition(|it| is_it(it));
    *all = kept;
    gone
}

fn outcome(state: StepState, acted_at: Option<Timestamp>) -> Outcome {
    Outcome { state, detail: None, request_id: None, acted_at }
}

impl Tenants {
    /// A call arrives, and something comes of it.
    async fn write(&self, tenant: TenantId, call: Call) -> Result<Outcome, PortError> {
        let tenant = tenant_of(tenant);
        self.mortal().await;
        let stops = {
            let mut town = self.town();
            town.arrives(tenant, &call);
            let stops = std::mem::take(&mut town.stop_while_writing).then_some(town.now);
            town.stopped |= stops.is_some();
            stops
        };
        if let Some(now) = stops {
            self.stop.stop(&Stop::new("while it writes", now)).await.unwrap();
        }
        let ended = self.comes_of(tenant, &call);
        self.mortal().await;
        ended
    }

    fn comes_of(&self, tenant: usize, call: &Call) -> Result<Outcome, PortError> {
        let mut town = self.town();
        if town.meets(Fault::Before) {
            return Err(failed(Failure::Transient));
        }
        if town.meets(Fault::Throttled) {
            return Err(failed(Failure::Throttled(None)));
        }
        if town.meets(Fault::Denied) {
            return Err(failed(Failure::SignInRefused));
        }
        let refusal = if call.is_about_a_grant() { Fault::Refused } else { Fault::RefusedOther };
        if town.meets(refusal) {
            town.refuses(tenant);
            return Ok(outcome(StepState::Refused, None));
        }
        let now = town.now;
        if town.meets(Fault::Idle) {
            return Ok(outcome(StepState::Revoked, Some(now)));
        }
        town.takes_effect(tenant, call);
        if town.meets(Fault::After) {
            return Err(failed(Failure::Transient));
        }
        Ok(outcome(StepState::Revoked, Some(now)))
    }
}

/// The real switch, as the tenants hear of it.
#[async_trait]
impl StopSwitch for Tenants {
    async fn stopped(&self) -> Result<Option<Stop>, PortError> {
        if self.town().meets(Fault::StopUnreadable) {
            self.town().may_write = false;
            return Err(failed(Failure::Transient));
        }
        let stopped = self.stop.stopped().await;
        self.town().may_write = matches!(stopped, Ok(None));
        stopped
    }
}

#[async_trait]
impl RevokeRoleAssignment for Tenants {
    async fn revoke(
        &self,
        _: &Step,
        tenant: TenantId,
        id: &AssignmentId,
    ) -> Result<Outcome, PortError> {
        self.write(tenant, Call::Assignment(id.clone())).await
    }
}

#[async_trait]
impl RemoveEligibility for Tenants {
    async fn remove_eligibility(
        &self,
        _: &StepId,
        tenant: TenantId,
        grant: &Grant,
    ) -> Result<Outcome, PortError> {
        let role = grant.role.definition_id.clone();
        self.write(tenant, Call::Eligible(grant.principal.clone(), role)).await
    }
}

#[async_trait]
impl RemoveScheduledAssignment for Tenants {
    async fn remove_scheduled(
        &self,
        _: &StepId,
        tenant: TenantId,
        grant: &Grant,
    ) -> Result<Outcome, PortError> {
        let role = grant.role.definition_id.clone();
        self.write(tenant, Call::Active(grant.principal.clone(), role)).await
    }
}

#[async_trait]
impl RemoveGroupMember for Tenants {
    async fn remove_member(
        &self,
        tenant: TenantId,
        group: &PrincipalId,
        member: &PrincipalId,
    ) -> Result<Outcome, PortError> {
        let (group, member) = (group.clone(), member.clone());
        self.write(tenant, Call::Member { group, member }).await
    }
}

#[async_trait]
impl RemoveAppRole for Tenants {
    async fn remove_app_role(
        &self,
        tenant: TenantId,
        app: &PrincipalId,
        id: &AssignmentId,
    ) -> Result<Outcome, PortError> {
        self.write(tenant, Call::Permission { app: app.clone(), id: id.clone() }).await
    }
}

#[async_trait]
impl RevokeSessions for Tenants {
    async fn revoke_sessions(
        &self,
        tenant: TenantId,
        account: &PrincipalId,
    ) -> Result<Outcome, PortError> {
        self.write(tenant, Call::Sessions(account.clone())).await
    }
}

#[async_trait]
impl DisableAccount for Tenants {
    async fn disable_account(
        &self,
        tenant: TenantId,
        account: &PrincipalId,
    ) -> Result<Outcome, PortError> {
        self.write(tenant, Call::Account(account.clone())).await
    }
}

#[async_trait]
impl DisableApp for Tenants {
    async fn disable_app(&self, tenant: TenantId, app: &PrincipalId) -> Result<Outcome, PortError> {
        self.write(tenant, Call::App(app.clone())).await
    }
}

#[async_trait]
impl QuarantinePartner for Tenants {
    async fn quarantine(
        &self,
        tenant: TenantId,
        quarantine: &Quarantine,
    ) -> Result<Outcome, PortError> {
        self.write(tenant, Call::Quarantine(quarantine.clone())).await
    }
}

#[async_trait]
impl ReduceRelationships for Tenants {
    async fn drop_global_administrator(
        &self,
        tenant: TenantId,
        with: With<'_>,
        _: &[String],
    ) -> Result<Outcome, PortError> {
        let which = Remediation::DropGlobalAdministrator;
        self.write(tenant, Call::Relationship(which, with.relationship.to_owned())).await
    }

    async fn stop_auto_extend(
        &self,
        tenant: TenantId,
        with: With<'_>,
    ) -> Result<Outcome, PortError> {
        let which = Remediation::StopAutoExtend;
        self.write(tenant, Call::Relationship(which, with.relationship.to_owned())).await
    }

    async fn delete_access_assignment(
        &self,
        tenant: TenantId,
        relationship: &str,
        _: &str,
        _: &PrincipalId,
        _: &[String],
    ) -> Result<Outcome, PortError> {
        let which = Remediation::DeleteAccessAssignment;
        self.write(tenant, Call::Relationship(which, relationship.to_owned())).await
    }

    async fn terminate(&self, tenant: TenantId, with: With<'_>) -> Result<Outcome, PortError> {
        let which = Remediation::TerminateRelationship;
        self.write(tenant, Call::Relationship(which, with.relationship.to_owned())).await
    }
}
