//! What is put back through Graph.

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::revoke::is_segment;
use super::{Graph, WHOM, refusal, said};
use crate::domain::case::Outcome;
use crate::domain::id::TenantId;
use crate::domain::plan::StepState;
use crate::domain::restore::Restoration;
use crate::ports::{PortError, PutBack};

/// A connection with the power to put back. Only the command `restore` makes one.
#[derive(Clone)]
pub struct Restorer(pub(super) Graph);

/// A call: the way from the version on, segment by segment, and what is sent.
struct Call {
    method: Method,
    path: Vec<String>,
    body: Value,
}

fn call(method: Method, path: &[&str], body: Value) -> Call {
    Call { method, path: path.iter().map(|segment| (*segment).to_owned()).collect(), body }
}

#[async_trait]
impl PutBack for Restorer {
    async fn put_back(
        &self,
        tenant: TenantId,
        restoration: &Restoration,
        justification: &str,
        now: Timestamp,
    ) -> Result<Outcome, PortError> {
        let Self(graph) = self;
        let call = self.call_for(restoration, justification, now)?;
        if !call.path.iter().all(|segment| is_segment(segment)) {
            return Ok(refused("its id cannot be asked for"));
        }
        let mut url: Url = graph.url("v1.0/")?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&call.path);
        }
        let request =
            |client: &Client| client.request(call.method.clone(), url.clone()).json(&call.body);
        let answer = graph.send(tenant, request).await?;
        let (state, detail) = match answer.status {
            status if status.is_success() => (StepState::Restored, None),
            StatusCode::UNAUTHORIZED => return Err(refusal(&answer)),
            status if status.is_client_error() => {
                (StepState::Refused, Some(format!("{WHOM} answered {}", said(&answer))))
            }
            _ => return Err(refusal(&answer)),
        };
        Ok(Outcome {
            state,
            detail,
            request_id: answer.header("request-id").map(str::to_owned),
            acted_at: (state == StepState::Restored).then(|| graph.clock.now()),
        })
    }
}

fn refused(why: &str) -> Outcome {
    let (state, detail) = (StepState::Refused, Some(why.to_owned()));
    Outcome { state, detail, request_id: None, acted_at: None }
}

impl Restorer {
    /// Source: Microsoft Graph documentation, "Create unifiedRoleAssignment", "Create
    /// roleAssignmentScheduleRequests", "Create roleEligibilityScheduleRequests", "Add members",
    /// "Grant an appRoleAssignment to a service principal", "Update user", "Update
    /// servicePrincipal".
    fn call_for(
        &self,
        restoration: &Restoration,
        justification: &str,
        now: Timestamp,
    ) -> Result<Call, PortError> {
        let directory = ["roleManagement", "directory"];
        Ok(match restoration {
            Restoration::AssignRole { principal, role_definition_id, scope } => call(
                Method::POST,
                &[directory[0], directory[1], "roleAssignments"],
                json!({
                    "@odata.type": "#microsoft.graph.unifiedRoleAssignment",
                    "principalId": principal,
                    "roleDefinitionId": role_definition_id,
                    "directoryScopeId": scope,
                }),
            ),
            Restoration::AssignSchedule {
                eligible,
                principal,
                role_definition_id,
                scope,
                ends,
            } => {
                let requests = if *eligible {
                    "roleEligibilityScheduleRequests"
                } else {
                    "roleAssignmentScheduleRequests"
                };
                let expiration = match ends {
                    Some(ends) => json!({"type": "afterDateTime", "endDateTime": ends.to_string()}),
                    None => json!({"type": "noExpiration"}),
                };
                let body = json!({
                    "action": "adminAssign",
                    "principalId": principal,
                    "roleDefinitionId": role_definition_id,
                    "directoryScopeId": scope,
                    "justification": justification,
                    "scheduleInfo": {"startDateTime": now.to_string(), "expiration": expiration},
                });
                call(Method::POST, &[directory[0], directory[1], requests], body)
            }
            Restoration::AddGroupMember { group, member } => {
                let object = self.0.url(&format!("v1.0/directoryObjects/{member}"))?;
                let body = json!({"@odata.id": object.as_str()});
                call(Method::POST, &["groups", group.as_str(), "members", "$ref"], body)
            }
            Restoration::AssignAppRole { app, resource, app_role_id } => call(
                Method::POST,
                &["servicePrincipals", app.as_str(), "appRoleAssignments"],
                json!({"principalId": app, "resourceId": resource, "appRoleId": app_role_id}),
            ),
            Restoration::EnableAccount { account } => {
                call(Method::PATCH, &["users", account.as_str()], json!({"accountEnabled": true}))
            }
            Restoration::EnableApp { app } => {
                let body = json!({"accountEnabled": true});
                call(Method::PATCH, &["servicePrincipals", app.as_str()], body)
            }
            Restoration::EndQuarantine
            | Restoration::AutoExtend { .. }
            | Restoration::CreateAccessAssignment { .. } => todo!(),
        })
    }
}
