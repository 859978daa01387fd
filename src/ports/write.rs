//! What is changed in a tenant. One trait for each permission; only the worker holds any of them.
//!
//! Of each: what is already so counts as done. A refusal is no error but an [`Outcome`]. Errors of
//! the kinds `Transient` and `Throttled` leave it unknown whether it was done.

use async_trait::async_trait;
use jiff::Timestamp;

use super::PortError;
use crate::domain::case::Outcome;
use crate::domain::conditional_access::quarantine::Quarantine;
use crate::domain::grant::Grant;
use crate::domain::id::{AssignmentId, PartnerId, PrincipalId, StepId, TenantId};
use crate::domain::plan::Step;
use crate::domain::restore::Restoration;

/// `RoleManagement.ReadWrite.Directory`: take a role assignment away.
#[async_trait]
pub trait RevokeRoleAssignment: Send + Sync {
    /// Takes it away.
    async fn revoke(
        &self,
        step: &Step,
        tenant: TenantId,
        id: &AssignmentId,
    ) -> Result<Outcome, PortError>;
}

/// `RoleEligibilitySchedule.ReadWrite.Directory`: end what may be activated.
#[async_trait]
pub trait RemoveEligibility: Send + Sync {
    /// Ends the eligibility of a grant's principal for its role and scope.
    async fn remove_eligibility(
        &self,
        step: &StepId,
        tenant: TenantId,
        grant: &Grant,
    ) -> Result<Outcome, PortError>;
}

/// `RoleAssignmentSchedule.ReadWrite.Directory`: end what Privileged Identity Management made
/// active.
#[async_trait]
pub trait RemoveScheduledAssignment: Send + Sync {
    /// Ends the active assignment of a grant's principal to its role and scope.
    async fn remove_scheduled(
        &self,
        step: &StepId,
        tenant: TenantId,
        grant: &Grant,
    ) -> Result<Outcome, PortError>;
}

/// `GroupMember.ReadWrite.All`, and `RoleManagement.ReadWrite.Directory` for groups that can hold
/// roles: take somebody out of a group.
#[async_trait]
pub trait RemoveGroupMember: Send + Sync {
    /// Takes a direct member out of a group.
    async fn remove_member(
        &self,
        tenant: TenantId,
        group: &PrincipalId,
        member: &PrincipalId,
    ) -> Result<Outcome, PortError>;
}

/// `AppRoleAssignment.ReadWrite.All`: take an application permission away.
#[async_trait]
pub trait RemoveAppRole: Send + Sync {
    /// Takes a permission from a service principal.
    async fn remove_app_role(
        &self,
        tenant: TenantId,
        app: &PrincipalId,
        id: &AssignmentId,
    ) -> Result<Outcome, PortError>;
}

/// `User.RevokeSessions.All`: make somebody sign in anew.
#[async_trait]
pub trait RevokeSessions: Send + Sync {
    /// Ends every session of an account.
    async fn revoke_sessions(
        &self,
        tenant: TenantId,
        account: &PrincipalId,
    ) -> Result<Outcome, PortError>;
}

/// `User.EnableDisableAccount.All`: keep an account from signing in.
#[async_trait]
pub trait DisableAccount: Send + Sync {
    /// Disables an account.
    async fn disable_account(
        &self,
        tenant: TenantId,
        account: &PrincipalId,
    ) -> Result<Outcome, PortError>;
}

/// `Application.ReadWrite.All`: keep an application from signing in.
#[async_trait]
pub trait DisableApp: Send + Sync {
    /// Disables a service principal.
    async fn disable_app(&self, tenant: TenantId, app: &PrincipalId) -> Result<Outcome, PortError>;
}

/// What every restoration takes (see [`Restoration::permissions`]): put back what was taken away.
/// Only the command `restore` holds it, for as long as it runs; no worker does.
#[async_trait]
pub trait PutBack: Send + Sync {
    /// Puts it back. What it says of success is not believed: whoever asks reads again.
    async fn put_back(
        &self,
        tenant: TenantId,
        restoration: &Restoration,
        justification: &str,
        now: Timestamp,
    ) -> Result<Outcome, PortError>;
}
/// `Policy.ReadWrite.ConditionalAccess` and `Policy.Read.All`: keep a partner's people out.
#[async_trait]
pub trait QuarantinePartner: Send + Sync {
    /// Sees to it that the policy is there as it is to be, once: one that bears its tag already is
    /// put right, and none is made beside it.
    async fn quarantine(
        &self,
        tenant: TenantId,
        quarantine: &Quarantine,
    ) -> Result<Outcome, PortError>;
}

/// `DelegatedAdminRelationship.ReadWrite.All`: make what a partner may do in customers' tenants less.
///
/// Of each: the relationship is read right before it is changed. One that is not as it was when the
/// step was decided is left as it is, and that is an [`Outcome`] with the words why.
#[async_trait]
pub trait ReduceRelationships: Send + Sync {
    /// Takes Global Administrator out of a relationship that gives `roles`.
    async fn drop_global_administrator(
        &self,
        tenant: TenantId,
        with: With<'_>,
        roles: &[String],
    ) -> Result<Outcome, PortError>;
    /// Lets a relationship end when it ends.
    async fn stop_auto_extend(
        &self,
        tenant: TenantId,
        with: With<'_>,
    ) -> Result<Outcome, PortError>;
    /// Takes from a group the `roles` that a relationship gives it.
    async fn delete_access_assignment(
        &self,
        tenant: TenantId,
        relationship: &str,
        access_assignment: &str,
        group: &PrincipalId,
        roles: &[String],
    ) -> Result<Outcome, PortError>;
    /// Ends a relationship.
    async fn terminate(&self, tenant: TenantId, with: With<'_>) -> Result<Outcome, PortError>;
}

/// A relationship, and the customer it is with.
#[derive(Debug, Clone, Copy)]
pub struct With<'a> {
    /// The relationship's id.
    pub relationship: &'a str,
    /// The customer's tenant.
    pub customer: PartnerId,
}
