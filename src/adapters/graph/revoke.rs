//! What is taken away through Graph.

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use url::Url;

use super::{Graph, WHOM, refusal, said};
use crate::domain::case::Outcome;
use crate::domain::id::{AssignmentId, TenantId};
use crate::domain::plan::{Step, StepState};
use crate::ports::{PortError, RevokeRoleAssignment};

/// A connection with the power to revoke. Only an enforcing worker makes one.
#[derive(Clone)]
pub struct Revoker(pub(super) Graph);

#[async_trait]
impl RevokeRoleAssignment for Revoker {
    async fn revoke(
        &self,
        _: &Step,
        tenant: TenantId,
        id: &AssignmentId,
    ) -> Result<Outcome, PortError> {
        let Self(graph) = self;
        let mut url: Url = graph.url("v1.0/roleManagement/directory/roleAssignments")?;
        if let Ok(mut path) = url.path_segments_mut() {
            // The id is opaque and may hold anything.
            path.push(&id.0);
        }
        let send = graph.send(tenant, |client| client.request(Method::DELETE, url.clone()));
        let answer = send.await?;
        let (state, detail) = match answer.status {
            status if status.is_success() => (StepState::Revoked, None),
            StatusCode::NOT_FOUND => (StepState::Revoked, Some("it was already gone".to_owned())),
            // Our own standing is in doubt, not the step.
            StatusCode::UNAUTHORIZED => return Err(refusal(&answer)),
            _ => (StepState::Refused, Some(format!("{WHOM} answered {}", said(&answer)))),
        };
        Ok(Outcome {
            state,
            detail,
            request_id: answer.header("request-id").map(str::to_owned),
            acted_at: (state == StepState::Revoked).then(|| graph.clock.now()),
        })
    }
}
