//! The dry run: a writer that writes nothing and says what it would have asked for.

use async_trait::async_trait;

use crate::domain::case::Outcome;
use crate::domain::grant::Grant;
use crate::domain::id::{AssignmentId, PrincipalId, StepId, TenantId};
use crate::domain::plan::{Step, StepState};
use crate::domain::text;
use crate::ports::{
    DisableAccount, DisableApp, PortError, ReduceRelationships, RemoveAppRole, RemoveEligibility,
    RemoveGroupMember, RemoveScheduledAssignment, RevokeRoleAssignment, RevokeSessions, With,
};

/// Describes every write instead of making it.
#[derive(Debug, Clone, Copy)]
pub struct Recorder;

fn described(call: &str) -> Outcome {
    Outcome {
        state: StepState::Described,
        detail: Some(format!("it would be {call}")),
        request_id: None,
        acted_at: None,
    }
}

#[async_trait]
impl RevokeRoleAssignment for Recorder {
    async fn revoke(&self, _: &Step, _: TenantId, id: &AssignmentId) -> Result<Outcome, PortError> {
        Ok(described(&format!("DELETE /v1.0/roleManagement/directory/roleAssignments/{id}")))
    }
}

#[async_trait]
impl RemoveEligibility for Recorder {
    async fn remove_eligibility(
        &self,
        _: &StepId,
        _: TenantId,
        _: &Grant,
    ) -> Result<Outcome, PortError> {
        let path = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";
        Ok(described(&format!("POST {path} with adminRemove")))
    }
}

#[async_trait]
impl RemoveScheduledAssignment for Recorder {
    async fn remove_scheduled(
        &self,
        _: &StepId,
        _: TenantId,
        _: &Grant,
    ) -> Result<Outcome, PortError> {
        let path = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
        Ok(described(&format!("POST {path} with adminRemove")))
    }
}

#[async_trait]
impl RemoveGroupMember for Recorder {
    async fn remove_member(
        &self,
        _: TenantId,
        group: &PrincipalId,
        member: &PrincipalId,
    ) -> Result<Outcome, PortError> {
        Ok(described(&format!("DELETE /v1.0/groups/{group}/members/{member}/$ref")))
    }
}

#[async_trait]
impl RemoveAppRole for Recorder {
    async fn remove_app_role(
        &self,
        _: TenantId,
        app: &PrincipalId,
        id: &AssignmentId,
    ) -> Result<Outcome, PortError> {
        Ok(described(&format!("DELETE /v1.0/servicePrincipals/{app}/appRoleAssignments/{id}")))
    }
}

#[async_trait]
impl RevokeSessions for Recorder {
    async fn revoke_sessions(&self, _: TenantId, id: &PrincipalId) -> Result<Outcome, PortError> {
        Ok(described(&format!("POST /v1.0/users/{id}/revokeSignInSessions")))
    }
}

#[async_trait]
impl DisableAccount for Recorder {
    async fn disable_account(&self, _: TenantId, id: &PrincipalId) -> Result<Outcome, PortError> {
        Ok(described(&format!("PATCH /v1.0/users/{id} with accountEnabled false")))
    }
}

#[async_trait]
impl DisableApp for Recorder {
    async fn disable_app(&self, _: TenantId, id: &PrincipalId) -> Result<Outcome, PortError> {
        Ok(described(&format!("PATCH /v1.0/servicePrincipals/{id} with accountEnabled false")))
    }
}

fn relationship(id: &str) -> String {
    format!("/v1.0/tenantRelationships/delegatedAdminRelationships/{}", text::foreign(id))
}

#[async_trait]
impl ReduceRelationships for Recorder {
    async fn drop_global_administrator(
        &self,
        _: TenantId,
        with: With<'_>,
        _: &[String],
    ) -> Result<Outcome, PortError> {
        let path = relationship(with.relationship);
        Ok(described(&format!("PATCH {path} with accessDetails without Global Administrator")))
    }

    async fn stop_auto_extend(&self, _: TenantId, with: With<'_>) -> Result<Outcome, PortError> {
        let path = relationship(with.relationship);
        Ok(described(&format!("PATCH {path} with autoExtendDuration PT0S")))
    }

    async fn delete_access_assignment(
        &self,
        _: TenantId,
        id: &str,
        access_assignment: &str,
        _: &PrincipalId,
        _: &[String],
    ) -> Result<Outcome, PortError> {
        let (path, id) = (relationship(id), text::foreign(access_assignment));
        Ok(described(&format!("DELETE {path}/accessAssignments/{id}")))
    }

    async fn terminate(&self, _: TenantId, with: With<'_>) -> Result<Outcome, PortError> {
        let path = relationship(with.relationship);
        Ok(described(&format!("POST {path}/requests with action terminate")))
    }
}
