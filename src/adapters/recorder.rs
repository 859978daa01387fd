//! The dry run: a writer that writes nothing and says what it would have asked for.

use async_trait::async_trait;

use crate::domain::case::Outcome;
use crate::domain::id::{AssignmentId, TenantId};
use crate::domain::plan::{Step, StepState};
use crate::ports::{PortError, RevokeRoleAssignment};

/// Describes every write instead of making it.
#[derive(Debug, Clone, Copy)]
pub struct Recorder;

#[async_trait]
impl RevokeRoleAssignment for Recorder {
    async fn revoke(&self, _: &Step, _: TenantId, id: &AssignmentId) -> Result<Outcome, PortError> {
        Ok(Outcome {
            state: StepState::Described,
            detail: Some(format!(
                "it would be DELETE /v1.0/roleManagement/directory/roleAssignments/{id}"
            )),
            request_id: None,
            acted_at: None,
        })
    }
}
