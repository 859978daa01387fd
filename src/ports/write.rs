//! What is changed in a tenant. One trait for each permission; only the worker holds any of them.
//!
//! Of each: what is already so counts as done. A refusal is no error but an [`Outcome`]. Errors of
//! the kinds `Transient` and `Throttled` leave it unknown whether it was done.

use async_trait::async_trait;
use jiff::Timestamp;

use super::PortError;
use crate::domain::case::Outcome;
use crate::domain::grant::Grant;
use crate::domain::id::{AssignmentId, PrincipalId, StepId, TenantId};
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
