//! What is asked of a tenant to take a snapshot of it. None of it changes anything.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value;

use super::{Listed, PortError};
use crate::domain::facts::{
    Customer, DelegatedAdminRelationship, DirectoryObject, GivenAccount, GovernanceRelationship,
    InboundTrust, Member, PartnerApp, PartnerEntry, RoleAssignment, RoleDefinition,
    ScheduleInstance, ServiceProviderConstraints, SignIn, User,
};
use crate::domain::id::{PartnerId, PrincipalId, TenantId};
use crate::domain::roster::AccountName;

/// `RoleManagement.Read.Directory`: who holds which role, and which roles there are.
#[async_trait]
pub trait ReadRoles: Send + Sync {
    /// Every directory role assignment.
    async fn assignments(&self, tenant: TenantId) -> Listed<RoleAssignment>;
    /// The role assignments of one principal.
    async fn assignments_of(
        &self,
        tenant: TenantId,
        principal: &PrincipalId,
    ) -> Result<Vec<RoleAssignment>, PortError>;
    /// Every role definition. Nothing where this cloud does not offer them.
    async fn definitions(&self, tenant: TenantId) -> Listed<RoleDefinition>;
}

/// `RoleAssignmentSchedule.Read.Directory`: what Privileged Identity Management says of roles that
/// are held, such as when they end.
#[async_trait]
pub trait ReadActiveSchedules: Send + Sync {
    /// Every active instance. Nothing where the tenant has no licence for Privileged Identity
    /// Management, or its cloud does not offer it.
    async fn active(&self, tenant: TenantId) -> Listed<ScheduleInstance>;
}

/// `RoleEligibilitySchedule.Read.Directory`: which roles may be activated by whom.
#[async_trait]
pub trait ReadEligibleSchedules: Send + Sync {
    /// Every eligible instance. Nothing where the tenant has no licence for Privileged Identity
    /// Management, or its cloud does not offer it.
    async fn eligible(&self, tenant: TenantId) -> Listed<ScheduleInstance>;
}

/// `Directory.Read.All`: what kind of objects principals are.
#[async_trait]
pub trait ReadObjects: Send + Sync {
    /// The objects with these ids. Those that do not exist are left out.
    async fn objects(
        &self,
        tenant: TenantId,
        ids: &[PrincipalId],
    ) -> Listed<(PrincipalId, DirectoryObject)>;
    /// The names of administrative units, by id. They decide nothing, so failing is nothing
    /// either.
    async fn unit_names(&self, tenant: TenantId, ids: &[PrincipalId])
    -> Vec<(PrincipalId, String)>;
}

/// `User.Read.All`: which accounts are guests, and what accounts are.
#[async_trait]
pub trait ReadUsers: Send + Sync {
    /// Every guest account.
    async fn guests(&self, tenant: TenantId) -> Listed<(PrincipalId, User)>;
    /// The accounts with these names, each with the name it was asked by. One that could not be
    /// read is left out; one that does not exist is not.
    async fn accounts(
        &self,
        tenant: TenantId,
        names: &[AccountName],
    ) -> Listed<(AccountName, GivenAccount)>;
    /// How each of these accounts may sign in; nothing for one that does not exist. One that could
    /// not be read is left out.
    async fn sign_ins(
        &self,
        tenant: TenantId,
        accounts: &[PrincipalId],
    ) -> Listed<(PrincipalId, Option<SignIn>)>;
}

/// `GroupMember.Read.All`: who is in which group.
#[async_trait]
pub trait ReadGroupMembers: Send + Sync {
    /// Who is in each of these groups of the tenant's own, through groups in groups too.
    async fn members(
        &self,
        tenant: TenantId,
        groups: &[PrincipalId],
    ) -> Listed<(PrincipalId, Vec<Member>)>;
    /// Who is directly in each of these groups. A group whose members could not be read whole is
    /// left out.
    async fn direct_members(
        &self,
        tenant: TenantId,
        groups: &[PrincipalId],
    ) -> Listed<(PrincipalId, BTreeSet<PrincipalId>)>;
    /// The groups that each of these accounts is in, through groups in groups too. An account
    /// whose groups could not be read whole is left out.
    async fn memberships(
        &self,
        tenant: TenantId,
        accounts: &[PrincipalId],
    ) -> Listed<(PrincipalId, BTreeSet<PrincipalId>)>;
}

/// `Application.Read.All`: applications and the application permissions they were granted.
#[async_trait]
pub trait ReadPartnerApps: Send + Sync {
    /// The applications that were registered in these tenants.
    async fn partner_apps(&self, tenant: TenantId, owners: &[PartnerId]) -> Listed<PartnerApp>;
    /// How each of these applications may sign in; nothing for one that does not exist. One that
    /// could not be read is left out.
    async fn app_sign_ins(
        &self,
        tenant: TenantId,
        apps: &[PrincipalId],
    ) -> Listed<(PrincipalId, Option<SignIn>)>;
}

/// `Policy.Read.All`: what the cross-tenant access policy says of other tenants.
#[async_trait]
pub trait ReadCrossTenantAccess: Send + Sync {
    /// Every partner entry.
    async fn partner_entries(&self, tenant: TenantId) -> Listed<PartnerEntry>;
    /// What is trusted of a tenant without an entry, or whose entry does not say.
    async fn default_trust(&self, tenant: TenantId) -> Result<InboundTrust, PortError>;
    /// What each of these service providers may be given. One for which Microsoft shows nothing is
    /// left out.
    async fn constraints(
        &self,
        tenant: TenantId,
        providers: &[PartnerId],
    ) -> Listed<(PartnerId, ServiceProviderConstraints)>;
}

/// `Policy.Read.All`: what is demanded of people who sign in.
#[async_trait]
pub trait ReadConditionalAccess: Send + Sync {
    /// Every conditional access policy, as Graph gives it, with what its authentication strength
    /// requires.
    async fn policies(&self, tenant: TenantId) -> Listed<Value>;
    /// Whether security defaults are on.
    async fn security_defaults(&self, tenant: TenantId) -> Result<bool, PortError>;
}

/// `TenantGovernance-Relationship.Read.All`: which other tenants govern this one.
#[async_trait]
pub trait ReadGovernance: Send + Sync {
    /// Every governance relationship. Nothing where this cloud does not offer them.
    async fn governance(&self, tenant: TenantId) -> Listed<GovernanceRelationship>;
}

/// `CrossTenantInformation.ReadBasic.All`: what another tenant calls itself.
#[async_trait]
pub trait ReadTenantNames: Send + Sync {
    /// The name, where it can be had. It decides nothing, so failing is nothing either.
    async fn tenant_name(&self, tenant: TenantId, other: PartnerId) -> Option<String>;
}

/// `DelegatedAdminRelationship.Read.All`: what a partner may do in the tenants of its customers.
#[async_trait]
pub trait ReadRelationships: Send + Sync {
    /// Every granular delegated admin relationship of a partner's own tenant; those that give power
    /// with the access assignments that say which groups of the partner have it.
    async fn relationships(&self, tenant: TenantId) -> Listed<DelegatedAdminRelationship>;
    /// These of them as they are now, with what Microsoft was asked to do with them. One that does
    /// not exist is left out.
    async fn relationships_now(
        &self,
        tenant: TenantId,
        ids: &[String],
    ) -> Listed<DelegatedAdminRelationship>;
}

/// `Directory.Read.All`: with whom a partner has contracts.
#[async_trait]
pub trait ReadCustomers: Send + Sync {
    /// Every customer of a partner's own tenant, whether or not there is a relationship with it.
    async fn customers(&self, tenant: TenantId) -> Listed<Customer>;
}

/// The Partner Center API: whether customers let a partner administer by the old way (DAP).
#[async_trait]
pub trait ReadDelegatedAccess: Send + Sync {
    /// What Partner Center says of each of these customers of a partner's own tenant. One that it
    /// does not know as a customer is left out.
    async fn delegated_access(
        &self,
        tenant: TenantId,
        customers: &[PartnerId],
    ) -> Listed<(PartnerId, bool)>;
}
