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

/// Source: Microsoft Graph documentation, "Delete unifiedRoleAssignment": 204 is the answer.
#[async_trait]
impl RevokeRoleAssignment for Revoker {
    async fn revoke(
        &self,
        _: &Step,
        tenant: TenantId,
        id: &AssignmentId,
    ) -> Result<Outcome, PortError> {
        let Self(graph) = self;
        if !is_segment(&id.0) {
            let (state, detail) = (StepState::Refused, Some("its id cannot be asked for".into()));
            return Ok(Outcome { state, detail, request_id: None, acted_at: None });
        }
        let mut url: Url = graph.url("v1.0/roleManagement/directory/roleAssignments")?;
        if let Ok(mut path) = url.path_segments_mut() {
            // The id is opaque and may hold anything.
            path.push(&id.0);
        }
        let send = graph.send(tenant, |client| client.request(Method::DELETE, url.clone()));
        let answer = send.await?;
        let (state, detail) = match answer.status {
            StatusCode::NO_CONTENT => (StepState::Revoked, None),
            StatusCode::NOT_FOUND => (StepState::Revoked, Some("it was already gone".to_owned())),
            // Our own standing is in doubt, not the step.
            StatusCode::UNAUTHORIZED => return Err(refusal(&answer)),
            status if status.is_client_error() => {
                (StepState::Refused, Some(format!("{WHOM} answered {}", said(&answer))))
            }
            // Neither yes nor no, such as the page of a gateway: nothing may have come of it.
            _ => return Err(refusal(&answer)),
        };
        Ok(Outcome {
            state,
            detail,
            request_id: answer.header("request-id").map(str::to_owned),
            acted_at: (state == StepState::Revoked).then(|| graph.clock.now()),
        })
    }
}

/// Whether a text can be one segment of a url's path. What cannot would be left out of it, and
/// the call would be about something else.
pub(super) fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(['\t', '\n', '\r'])
}
