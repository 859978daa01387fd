//! Roles: which there are, who holds them, when that ends, who may activate one.

use async_trait::async_trait;

use super::super::Graph;
use super::unless_absent;
use crate::domain::facts::{RoleAssignment, RoleDefinition, ScheduleInstance};
use crate::domain::id::{PrincipalId, TenantId};
use crate::ports::{
    Failure, Listed, PortError, ReadActiveSchedules, ReadEligibleSchedules, ReadRoles,
};

/// `principalOrganizationId` is documented for beta only; v1.0 serves where beta does not.
const ASSIGNMENTS: [&str; 2] = [
    "beta/roleManagement/directory/roleAssignments",
    "v1.0/roleManagement/directory/roleAssignments",
];

/// `isPrivileged` exists in beta only.
const DEFINITIONS: [&str; 2] = [
    "beta/roleManagement/directory/roleDefinitions",
    "v1.0/roleManagement/directory/roleDefinitions",
];

/// Source: Microsoft Graph documentation, "List roleAssignmentScheduleInstances".
const ACTIVE: &str = "v1.0/roleManagement/directory/roleAssignmentScheduleInstances";

/// Source: Microsoft Graph documentation, "List roleEligibilityScheduleInstances".
const ELIGIBLE: &str = "v1.0/roleManagement/directory/roleEligibilityScheduleInstances";

#[async_trait]
impl ReadRoles for Graph {
    async fn assignments(&self, tenant: TenantId) -> Listed<RoleAssignment> {
        self.list(tenant, &ASSIGNMENTS).await
    }

    async fn assignments_of(
        &self,
        tenant: TenantId,
        principal: &PrincipalId,
    ) -> Result<Vec<RoleAssignment>, PortError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !principal.as_str().chars().all(plain) {
            let said = "a principal has an id that cannot be asked for";
            return Err(PortError::new(Failure::Unintelligible, said));
        }
        let paths =
            ASSIGNMENTS.map(|path| format!("{path}?$filter=principalId%20eq%20'{principal}'"));
        let listed: Listed<RoleAssignment> =
            self.list(tenant, &paths.each_ref().map(String::as_str)).await;
        match listed.failure {
            Some(failure) => Err(failure),
            None => Ok(listed
                .items
                .into_iter()
                .filter(|assignment| assignment.principal_id == *principal)
                .collect()),
        }
    }

    async fn definitions(&self, tenant: TenantId) -> Listed<RoleDefinition> {
        // A cloud without them leaves the embedded catalogue, in which an unknown role is not
        // taken for harmless.
        let listed = self.list(tenant, &DEFINITIONS).await;
        unless_absent(listed, &[Failure::Gone, Failure::Refused])
    }
}

#[async_trait]
impl ReadActiveSchedules for Graph {
    async fn active(&self, tenant: TenantId) -> Listed<ScheduleInstance> {
        unless_absent(self.list(tenant, &[ACTIVE]).await, &[Failure::Gone])
    }
}

#[async_trait]
impl ReadEligibleSchedules for Graph {
    async fn eligible(&self, tenant: TenantId) -> Listed<ScheduleInstance> {
        unless_absent(self.list(tenant, &[ELIGIBLE]).await, &[Failure::Gone])
    }
}
