//! What is put back through Graph.

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::revoke::{came_of, is_segment, says};
use super::{Graph, WHOM, refusal, said};
use crate::adapters::http::Answer;
use crate::domain::case::Outcome;
use crate::domain::conditional_access::quarantine::{has_tag, tag};
use crate::domain::id::{PartnerId, PrincipalId, TenantId};
use crate::domain::plan::StepState;
use crate::domain::restore::Restoration;
use crate::ports::{Failure, Listed, PortError, PutBack};

const DIRECTORY: &str = "roleManagement/directory";
const POLICIES: &str = "identity/conditionalAccess/policies";
const RELATIONSHIPS: &str = "tenantRelationships/delegatedAdminRelationships";

/// A connection with the power to put back. Only the command `restore` makes one.
#[derive(Clone)]
pub struct Restorer(pub(super) Graph);

/// A call: the way from the version on, where an id is a segment of its own, and what is sent.
struct Call {
    method: Method,
    path: Vec<String>,
    body: Option<Value>,
    etag: Option<String>,
    /// Whether what was made is a request that has a status of its own.
    is_request: bool,
}

fn call(method: Method, base: &str, ids: &[&str], body: Value) -> Call {
    let path = base.split('/').chain(ids.iter().copied()).map(str::to_owned).collect();
    Call { method, path, body: Some(body), etag: None, is_request: false }
}

/// The errors which say that it is there already: the code, and what the message holds. Reading
/// again tells in any case.
///
/// Source: as for what takes away; the messages are those that clients have reported of role
/// assignments, members and app roles that were there.
const THERE_ALREADY: [(&str, &str); 4] = [
    ("RoleAssignmentExists", ""),
    (
        "Request_BadRequest",
        "A conflicting object with one or more of the specified property values",
    ),
    ("Request_BadRequest", "added object references already exist"),
    ("Request_BadRequest", "Permission being assigned already exists on the object"),
];

/// A request about the same role and principal waits, maybe ours whose answer was lost.
const WAITS: &str = "PendingRoleAssignmentRequest";

#[async_trait]
impl PutBack for Restorer {
    async fn put_back(
        &self,
        tenant: TenantId,
        restoration: &Restoration,
        justification: &str,
        now: Timestamp,
    ) -> Result<Outcome, PortError> {
        let calls = match restoration {
            Restoration::EndQuarantine { partner } => self.policies_of(tenant, *partner).await,
            Restoration::AutoExtend { relationship, duration } => {
                let change = json!({"autoExtendDuration": duration});
                self.etag(tenant, relationship).await.map(|etag| {
                    vec![Call {
                        etag,
                        ..call(Method::PATCH, RELATIONSHIPS, &[relationship], change)
                    }]
                })
            }
            Restoration::AssignRole { .. }
            | Restoration::AssignSchedule { .. }
            | Restoration::AddGroupMember { .. }
            | Restoration::AssignAppRole { .. }
            | Restoration::EnableAccount { .. }
            | Restoration::EnableApp { .. }
            | Restoration::CreateAccessAssignment { .. } => {
                self.calls_for(restoration, justification, now)
            }
        };
        let calls = match calls {
            Ok(calls) => calls,
            // Nothing was asked to change yet.
            Err(PortError {
                kind: Failure::Gone | Failure::Refused | Failure::Denied,
                said,
                ..
            }) => {
                return Ok(refused(&said, None));
            }
            Err(error) => return Err(error),
        };
        let all = calls.len();
        let mut last = refused("there is nothing to put it back with", None);
        for (done, call) in calls.into_iter().enumerate() {
            last = self.send(tenant, call).await?;
            if last.state == StepState::Refused {
                let why = last.detail.unwrap_or_default();
                let before = format!("{why}; {done} of {all} changes were made before it");
                last.detail = Some(if all > 1 { before } else { why });
                break;
            }
        }
        Ok(last)
    }
}

/// How a call ended.
fn ended(call: &Call, answer: &Answer) -> Result<(StepState, Option<String>), PortError> {
    let said = || format!("{WHOM} answered {}", said(answer));
    let there = |(code, part): &(&str, &str)| says(answer, code, part);
    Ok(match answer.status {
        status if status.is_success() && call.is_request => match came_of(answer)? {
            (StepState::Revoked, detail) => (StepState::Restored, detail),
            other => other,
        },
        // What is accepted and not done yet is seen once it is there.
        StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
            (StepState::Restored, None)
        }
        // Our own standing is in doubt, not what is put back.
        StatusCode::UNAUTHORIZED => return Err(refusal(answer)),
        StatusCode::NOT_FOUND if call.method == Method::DELETE => {
            (StepState::Restored, Some("it was already gone".to_owned()))
        }
        status if status.is_client_error() && THERE_ALREADY.iter().any(there) => {
            (StepState::Restored, Some(format!("{}, so it is there already", said())))
        }
        status if status.is_client_error() && says(answer, WAITS, "") => {
            return Err(PortError { kind: Failure::Transient, ..refusal(answer) });
        }
        StatusCode::PRECONDITION_FAILED => {
            let said = said();
            (
                StepState::Refused,
                Some(format!("{said}: it was changed in the meantime; run it again")),
            )
        }
        status if status.is_client_error() => (StepState::Refused, Some(said())),
        // Neither yes nor no, such as the page of a gateway.
        _ => return Err(refusal(answer)),
    })
}

fn refused(why: &str, request_id: Option<&str>) -> Outcome {
    let (state, detail) = (StepState::Refused, Some(why.to_owned()));
    Outcome { state, detail, request_id: request_id.map(str::to_owned), acted_at: None }
}

impl Restorer {
    async fn send(&self, tenant: TenantId, call: Call) -> Result<Outcome, PortError> {
        let Self(graph) = self;
        if !call.path.iter().all(|segment| is_segment(segment)) {
            return Ok(refused("its id cannot be asked for", None));
        }
        let url = self.way(&call.path)?;
        let request = |client: &Client| {
            let request = client.request(call.method.clone(), url.clone());
            let request = match &call.etag {
                Some(etag) => request.header("If-Match", etag),
                None => request,
            };
            match &call.body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let answer = graph.send(tenant, request).await?;
        let request_id = answer.header("request-id").map(str::to_owned);
        let (state, detail) = ended(&call, &answer)?;
        let acted_at = (state == StepState::Restored).then(|| graph.clock.now());
        Ok(Outcome { state, detail, request_id, acted_at })
    }

    fn way(&self, path: &[String]) -> Result<Url, PortError> {
        let mut url = self.0.url("v1.0/")?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Ok(url)
    }

    /// The deletion of every policy that keeps a partner out of a tenant. A list that is not whole
    /// might leave one in place.
    async fn policies_of(
        &self,
        tenant: TenantId,
        partner: PartnerId,
    ) -> Result<Vec<Call>, PortError> {
        let path = format!("v1.0/{POLICIES}");
        let Listed { items, failure } = self.0.list::<Value>(tenant, &[&path]).await;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let tag = tag(tenant, partner);
        let tagged = items.iter().filter(|policy| has_tag(policy, &tag));
        let ids = tagged.filter_map(|policy| policy["id"].as_str());
        let deletion =
            |id| Call { body: None, ..call(Method::DELETE, POLICIES, &[id], Value::Null) };
        Ok(ids.map(deletion).collect())
    }

    /// What a relationship is now, for a change to it.
    async fn etag(
        &self,
        tenant: TenantId,
        relationship: &str,
    ) -> Result<Option<String>, PortError> {
        let path: Vec<String> =
            RELATIONSHIPS.split('/').chain([relationship]).map(str::to_owned).collect();
        if !is_segment(relationship) {
            return Ok(None);
        }
        let shown = self.0.json(tenant, Method::GET, &self.way(&path)?, None).await?;
        Ok(shown["@odata.etag"].as_str().map(str::to_owned))
    }

    /// Sources: Microsoft Graph documentation, "Create unifiedRoleAssignment", "Create
    /// roleAssignmentScheduleRequests", "Create roleEligibilityScheduleRequests", "Add members",
    /// "Grant an appRoleAssignment to a service principal", "Update user", "Update
    /// servicePrincipal", "Create accessAssignments".
    fn calls_for(
        &self,
        restoration: &Restoration,
        justification: &str,
        now: Timestamp,
    ) -> Result<Vec<Call>, PortError> {
        let enabled = || json!({"accountEnabled": true});
        Ok(vec![match restoration {
            Restoration::AssignRole { principal, role_definition_id, scope } => call(
                Method::POST,
                DIRECTORY,
                &["roleAssignments"],
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
                Call { is_request: true, ..call(Method::POST, DIRECTORY, &[requests], body) }
            }
            Restoration::AddGroupMember { groups, member } => {
                let object = self.0.url(&format!("v1.0/directoryObjects/{member}"))?;
                let body = json!({"@odata.id": object.as_str()});
                let into = |group: &PrincipalId| {
                    let ids = [group.as_str(), "members", "$ref"];
                    call(Method::POST, "groups", &ids, body.clone())
                };
                return Ok(groups.iter().map(into).collect());
            }
            Restoration::AssignAppRole { app, resource, app_role_id } => call(
                Method::POST,
                "servicePrincipals",
                &[app.as_str(), "appRoleAssignments"],
                json!({"principalId": app, "resourceId": resource, "appRoleId": app_role_id}),
            ),
            Restoration::EnableAccount { account } => {
                call(Method::PATCH, "users", &[account.as_str()], enabled())
            }
            Restoration::EnableApp { app } => {
                call(Method::PATCH, "servicePrincipals", &[app.as_str()], enabled())
            }
            Restoration::CreateAccessAssignment { relationship, group, roles } => {
                let roles: Vec<Value> =
                    roles.iter().map(|role| json!({"roleDefinitionId": role})).collect();
                let body = json!({
                    "accessContainer": {
                        "accessContainerId": group,
                        "accessContainerType": "securityGroup",
                    },
                    "accessDetails": {"unifiedRoles": roles},
                });
                call(Method::POST, RELATIONSHIPS, &[relationship, "accessAssignments"], body)
            }
            // What is read before it is changed.
            Restoration::EndQuarantine { .. } | Restoration::AutoExtend { .. } => {
                return Ok(Vec::new());
            }
        }])
    }
}
