//! What is taken away through Graph.

use async_trait::async_trait;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::{Graph, WHOM, parsed, refusal, said};
use crate::adapters::http::Answer;
use crate::domain::case::Outcome;
use crate::domain::grant::Grant;
use crate::domain::id::{AssignmentId, PrincipalId, StepId, TenantId};
use crate::domain::plan::{Step, StepState};
use crate::domain::text;
use crate::ports::{
    DisableAccount, DisableApp, Failure, PortError, RemoveAppRole, RemoveEligibility,
    RemoveGroupMember, RemoveScheduledAssignment, RevokeRoleAssignment, RevokeSessions,
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
    /// Whether what was made is a request that has a status of its own.
    is_request: bool,
    /// The errors which say that it was so already: the code, and what the message holds.
    so_already: &'static [(&'static str, &'static str)],
    /// The codes of errors which say that it cannot be done yet.
    not_yet: &'static [&'static str],
}

/// What is to be ended is not there. Graph was seen to say so of a removal that it had carried out,
/// and in any case it is read again.
///
/// Source: Microsoft Graph documentation, "Create governanceRoleAssignmentRequest" (error codes),
/// the predecessor whose codes the present requests have kept.
const NOT_THERE: &[(&str, &str)] = &[("RoleAssignmentDoesNotExist", "")];

/// A request about the same role and principal waits, maybe ours whose answer was lost; and for
/// five minutes from its beginning no active assignment can be ended.
///
/// Source: as for [`NOT_THERE`]; that the second concerns removals by an administrator too was
/// reported by clients.
const NOT_YET: &[&str] = &["PendingRoleAssignmentRequest", "ActiveDurationTooShort"];

/// Beside 404: the code is that of any bad request, so the message has to tell.
const NO_GRANT: &[(&str, &str)] =
    &[("Request_BadRequest", "EntitlementGrant being updated or deleted is not found")];

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
        let already = || (StepState::Revoked, Some("it was already gone".to_owned()));
        let said = |code: &str, part: &str| says(&answer, code, part);
        let (state, detail) = match answer.status {
            status if status == call.done && call.is_request => came_of(&answer)?,
            status if status == call.done => (StepState::Revoked, None),
            StatusCode::NOT_FOUND => already(),
            // Our own standing is in doubt, not the step.
            StatusCode::UNAUTHORIZED => return Err(refusal(&answer)),
            status if status.is_client_error() => {
                if call.not_yet.iter().any(|code| said(code, "")) {
                    return Err(PortError { kind: Failure::Transient, ..refusal(&answer) });
                }
                if call.so_already.iter().any(|(code, part)| said(code, part)) {
                    already()
                } else {
                    (StepState::Refused, Some(format!("{WHOM} answered {}", self::said(&answer))))
                }
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
            is_request: true,
            so_already: NOT_THERE,
            not_yet: NOT_YET,
        };
        self.call(tenant, call).await
    }
}

/// What came of a request that Graph took. What is not done is not called so: it may never be.
///
/// Source: Microsoft Graph documentation, "request resource type" (the values of `status`), and of
/// the same requests for Azure roles, which has more of them.
pub(super) fn came_of(answer: &Answer) -> Result<(StepState, Option<String>), PortError> {
    const DONE: [&str; 2] = ["Revoked", "Provisioned"];
    const NEVER: [&str; 7] = [
        "AdminDenied",
        "Canceled",
        "Denied",
        "Failed",
        "FailedAsResourceIsLocked",
        "Invalid",
        "TimedOut",
    ];
    const ASKED: [&str; 3] =
        ["PendingAdminDecision", "PendingApproval", "PendingApprovalProvisioning"];
    let request: Value = parsed(answer)?;
    let Some(status) = request.get("status").and_then(Value::as_str) else {
        // It was taken. Whether it came about is read again in any case.
        return Ok((StepState::Revoked, None));
    };
    let is = |known: &[&str]| known.iter().any(|it| it.eq_ignore_ascii_case(status));
    let shown = text::foreign(status);
    if is(&DONE) {
        Ok((StepState::Revoked, None))
    } else if is(&NEVER) {
        let said = format!("{WHOM} took the request and did not carry it out ({shown})");
        Ok((StepState::Refused, Some(said)))
    } else if is(&ASKED) {
        let said = format!(
            "the request waits in Privileged Identity Management for somebody to approve it \
             ({shown})"
        );
        Ok((StepState::Refused, Some(said)))
    } else {
        let said = format!("{WHOM} took the request and has not carried it out yet ({shown})");
        Err(PortError::new(Failure::Transient, said))
    }
}

/// Whether an error has this code, and a message that holds `part`.
pub(super) fn says(answer: &Answer, code: &str, part: &str) -> bool {
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    body.is_some_and(|body| {
        let message = body["error"]["message"].as_str().unwrap_or_default();
        body["error"]["code"].as_str() == Some(code) && message.contains(part)
    })
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
        self.call(tenant, Call { so_already: NO_GRANT, ..deletion(&path) }).await
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
            is_request: false,
            so_already: &[],
            not_yet: &[],
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
    Call {
        method: Method::DELETE,
        path,
        body: None,
        done,
        is_request: false,
        so_already: &[],
        not_yet: &[],
    }
}

fn disabling<'a>(path: &'a [&'a str]) -> Call<'a> {
    let body = Some(json!({"accountEnabled": false}));
    let done = StatusCode::NO_CONTENT;
    Call {
        method: Method::PATCH,
        path,
        body,
        done,
        is_request: false,
        so_already: &[],
        not_yet: &[],
    }
}

/// Whether a text can be one segment of a url's path. What cannot would be left out of it, and
/// the call would be about something else.
pub(super) fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(['\t', '\n', '\r'])
}
