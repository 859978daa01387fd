//! What is taken away through Graph.

use async_trait::async_trait;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::{Graph, WHOM, refusal, said};
use crate::adapters::http::Answer;
use crate::domain::case::Outcome;
use crate::domain::grant::Grant;
use crate::domain::id::{AssignmentId, PrincipalId, StepId, TenantId};
use crate::domain::plan::{Step, StepState};
use crate::ports::{
    DisableAccount, DisableApp, PortError, RemoveAppRole, RemoveEligibility, RemoveGroupMember,
    RemoveScheduledAssignment, RevokeRoleAssignment, RevokeSessions,
};

/// A connection with the power to take away. Only a worker that may write makes one.
#[derive(Clone)]
pub struct Revoker(pub(super) Graph);

/// A call that changes something, and how its answers are to be understood.
struct Call<'a> {
    method: Method,
    /// The way from the origin, segment by segment. Ids are opaque and may hold anything.
    path: &'a [&'a str],
    body: Option<Value>,
    /// Graph's word that it is done.
    done: StatusCode,
    /// The code of an error which says that it was so already.
    so_already: Option<&'a str>,
}

impl Revoker {
    async fn call(&self, tenant: TenantId, call: Call<'_>) -> Result<Outcome, PortError> {
        let Self(graph) = self;
        if !call.path.iter().all(|segment| is_segment(segment)) {
            let (state, detail) = (StepState::Refused, Some("its id cannot be asked for".into()));
            return Ok(Outcome { state, detail, request_id: None, acted_at: None });
        }
        let mut url: Url = graph.url("v1.0/")?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(call.path);
        }
        let request = |client: &Client| {
            let request = client.request(call.method.clone(), url.clone());
            match &call.body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let answer = graph.send(tenant, request).await?;
        let (state, detail) = match answer.status {
            status if status == call.done => (StepState::Revoked, None),
            StatusCode::NOT_FOUND => (StepState::Revoked, Some("it was already gone".to_owned())),
            // Our own standing is in doubt, not the step.
            StatusCode::UNAUTHORIZED => return Err(refusal(&answer)),
            status if status.is_client_error() => match call.so_already {
                Some(code) if says(&answer, code) => {
                    (StepState::Revoked, Some("it was already gone".to_owned()))
                }
                _ => (StepState::Refused, Some(format!("{WHOM} answered {}", said(&answer)))),
            },
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

    /// Source: Microsoft Graph documentation, "Create roleAssignmentScheduleRequests" and "Create
    /// roleEligibilityScheduleRequests": 201 is the answer.
    async fn admin_remove(
        &self,
        step: &StepId,
        tenant: TenantId,
        grant: &Grant,
        requests: &str,
    ) -> Result<Outcome, PortError> {
        let call = Call {
            method: Method::POST,
            path: &["roleManagement", "directory", requests],
            body: Some(json!({
                "action": "adminRemove",
                "principalId": grant.principal,
                "roleDefinitionId": grant.role.definition_id,
                "directoryScopeId": grant.scope,
                "justification": format!("Partner Warden, step {}", step.0.short()),
            })),
            done: StatusCode::CREATED,
            so_already: Some("RoleAssignmentDoesNotExist"),
        };
        self.call(tenant, call).await
    }
}

fn says(answer: &Answer, code: &str) -> bool {
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    body.is_some_and(|body| body["error"]["code"].as_str() == Some(code))
}

/// Source: Microsoft Graph documentation, "Delete unifiedRoleAssignment": 204 is the answer.
#[async_trait]
impl RevokeRoleAssignment for Revoker {
    async fn revoke(
        &self,
        _: &Step,
        tenant: TenantId,
        id: &AssignmentId,
    ) -> Result<Outcome, PortError> {
        let path = ["roleManagement", "directory", "roleAssignments", &id.0];
        self.call(tenant, deletion(&path)).await
    }
}

#[async_trait]
impl RemoveEligibility for Revoker {
    async fn remove_eligibility(
        &self,
        step: &StepId,
        tenant: TenantId,
        grant: &Grant,
    ) -> Result<Outcome, PortError> {
        self.admin_remove(step, tenant, grant, "roleEligibilityScheduleRequests").await
    }
}

#[async_trait]
impl RemoveScheduledAssignment for Revoker {
    async fn remove_scheduled(
        &self,
        step: &StepId,
        tenant: TenantId,
        grant: &Grant,
    ) -> Result<Outcome, PortError> {
        self.admin_remove(step, tenant, grant, "roleAssignmentScheduleRequests").await
    }
}

/// Source: Microsoft Graph documentation, "Remove member": 204 is the answer.
#[async_trait]
impl RemoveGroupMember for Revoker {
    async fn remove_member(
        &self,
        tenant: TenantId,
        group: &PrincipalId,
        member: &PrincipalId,
    ) -> Result<Outcome, PortError> {
        let path = ["groups", group.as_str(), "members", member.as_str(), "$ref"];
        self.call(tenant, deletion(&path)).await
    }
}

/// Source: Microsoft Graph documentation, "Delete appRoleAssignment": 204 is the answer.
#[async_trait]
impl RemoveAppRole for Revoker {
    async fn remove_app_role(
        &self,
        tenant: TenantId,
        app: &PrincipalId,
        id: &AssignmentId,
    ) -> Result<Outcome, PortError> {
        let path = ["servicePrincipals", app.as_str(), "appRoleAssignments", &id.0];
        self.call(tenant, deletion(&path)).await
    }
}

/// Source: Microsoft Graph documentation, "user: revokeSignInSessions": 200 is the answer.
#[async_trait]
impl RevokeSessions for Revoker {
    async fn revoke_sessions(
        &self,
        tenant: TenantId,
        account: &PrincipalId,
    ) -> Result<Outcome, PortError> {
        let call = Call {
            method: Method::POST,
            path: &["users", account.as_str(), "revokeSignInSessions"],
            body: None,
            done: StatusCode::OK,
            so_already: None,
        };
        self.call(tenant, call).await
    }
}

/// Source: Microsoft Graph documentation, "Update user": 204 is the answer.
#[async_trait]
impl DisableAccount for Revoker {
    async fn disable_account(
        &self,
        tenant: TenantId,
        account: &PrincipalId,
    ) -> Result<Outcome, PortError> {
        self.call(tenant, disabling(&["users", account.as_str()])).await
    }
}

/// Source: Microsoft Graph documentation, "Update servicePrincipal": 204 is the answer.
#[async_trait]
impl DisableApp for Revoker {
    async fn disable_app(&self, tenant: TenantId, app: &PrincipalId) -> Result<Outcome, PortError> {
        self.call(tenant, disabling(&["servicePrincipals", app.as_str()])).await
    }
}

fn deletion<'a>(path: &'a [&'a str]) -> Call<'a> {
    let done = StatusCode::NO_CONTENT;
    Call { method: Method::DELETE, path, body: None, done, so_already: None }
}

fn disabling<'a>(path: &'a [&'a str]) -> Call<'a> {
    let body = Some(json!({"accountEnabled": false}));
    let done = StatusCode::NO_CONTENT;
    Call { method: Method::PATCH, path, body, done, so_already: None }
}

/// Whether a text can be one segment of a url's path. What cannot would be left out of it, and
/// the call would be about something else.
pub(super) fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(['\t', '\n', '\r'])
}
