//! What an application may change in a tenant beside deleting role assignments: what remediations
//! ask for, and what undoes them.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::directory::{Directory, Held};
use super::graph::Ask;
use super::ids;
use super::objects::{self, object};
use super::policy_changes;
use super::query::Object;
use super::relationship_changes::{self, Wish};
use super::reply::{GraphError, Reply};
use super::service_principals::Grant;
use super::state::State;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// `POST …/roleAssignments`
    /// (<https://learn.microsoft.com/graph/api/rbacapplication-post-roleassignments>).
    Assign,
    /// `POST …/roleAssignmentScheduleRequests`
    /// (<https://learn.microsoft.com/graph/api/rbacapplication-post-roleassignmentschedulerequests>).
    ActiveRequest,
    /// `POST …/roleEligibilityScheduleRequests`
    /// (<https://learn.microsoft.com/graph/api/rbacapplication-post-roleeligibilityschedulerequests>).
    EligibleRequest,
    /// `DELETE groups/{id}/members/{id}/$ref`
    /// (<https://learn.microsoft.com/graph/api/group-delete-members>).
    RemoveMember(&'a str, &'a str),
    /// `POST groups/{id}/members/$ref`
    /// (<https://learn.microsoft.com/graph/api/group-post-members>).
    AddMember(&'a str),
    /// `POST users/{id}/revokeSignInSessions`
    /// (<https://learn.microsoft.com/graph/api/user-revokesigninsessions>).
    EndSessions(&'a str),
    /// `PATCH users/{id}` (<https://learn.microsoft.com/graph/api/user-update>).
    UpdateUser(&'a str),
    /// `PATCH servicePrincipals/{id}`
    /// (<https://learn.microsoft.com/graph/api/serviceprincipal-update>).
    UpdateServicePrincipal(&'a str),
    /// `DELETE servicePrincipals/{id}/appRoleAssignments/{id}`
    /// (<https://learn.microsoft.com/graph/api/serviceprincipal-delete-approleassignments>).
    RemoveAppRole(&'a str, &'a str),
    /// `POST servicePrincipals/{id}/appRoleAssignments`
    /// (<https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignments>).
    AddAppRole(&'a str),
    /// `POST identity/conditionalAccess/policies`.
    NewPolicy,
    /// `PATCH identity/conditionalAccess/policies/{id}`.
    UpdatePolicy(&'a str),
    /// `DELETE identity/conditionalAccess/policies/{id}`.
    DeletePolicy(&'a str),
    /// What is asked of a relationship of a partner.
    Relationship(Wish<'a>),
}

impl<'a> Change<'a> {
    /// The change that a method and a path ask for.
    pub(crate) fn of(method: &str, segments: &'a [&'a str]) -> Option<Self> {
        Some(match (method, segments) {
            ("POST", ["roleManagement", "directory", "roleAssignments"]) => Self::Assign,
            ("POST", ["roleManagement", "directory", "roleAssignmentScheduleRequests"]) => {
                Self::ActiveRequest
            }
            ("POST", ["roleManagement", "directory", "roleEligibilityScheduleRequests"]) => {
                Self::EligibleRequest
            }
            ("DELETE", ["groups", group, "members", member, "$ref"]) => {
                Self::RemoveMember(group, member)
            }
            ("POST", ["groups", group, "members", "$ref"]) => Self::AddMember(group),
            ("POST", ["users", id, "revokeSignInSessions"]) => Self::EndSessions(id),
            ("PATCH", ["users", id]) => Self::UpdateUser(id),
            ("PATCH", ["servicePrincipals", id]) => Self::UpdateServicePrincipal(id),
            ("DELETE", ["servicePrincipals", id, "appRoleAssignments", grant]) => {
                Self::RemoveAppRole(id, grant)
            }
            ("POST", ["servicePrincipals", id, "appRoleAssignments"]) => Self::AddAppRole(id),
            (method, ["tenantRelationships", "delegatedAdminRelationships", rest @ ..]) => {
                Self::Relationship(match (method, rest) {
                    ("PATCH", [id]) => Wish::Update(id),
                    ("POST", [id, "requests"]) => Wish::Request(id),
                    ("POST", [id, "accessAssignments"]) => Wish::NewAssignment(id),
                    ("DELETE", [id, "accessAssignments", one]) => Wish::DeleteAssignment(id, one),
                    _ => return None,
                })
            }
            ("POST", ["identity", "conditionalAccess", "policies"]) => Self::NewPolicy,
            ("PATCH", ["identity", "conditionalAccess", "policies", id]) => Self::UpdatePolicy(id),
            ("DELETE", ["identity", "conditionalAccess", "policies", id]) => Self::DeletePolicy(id),
            _ => return None,
        })
    }

    /// The application permissions of which one is needed; each page has them in its table.
    pub(crate) fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Assign => &["RoleManagement.ReadWrite.Directory"],
            Self::ActiveRequest => &[
                "RoleAssignmentSchedule.ReadWrite.Directory",
                "RoleManagement.ReadWrite.Directory",
                "RoleAssignmentSchedule.Remove.Directory",
            ],
            Self::EligibleRequest => &[
                "RoleEligibilitySchedule.ReadWrite.Directory",
                "RoleManagement.ReadWrite.Directory",
                "RoleEligibilitySchedule.Remove.Directory",
            ],
            Self::RemoveMember(..) | Self::AddMember(_) => {
                &["GroupMember.ReadWrite.All", "Group.ReadWrite.All"]
            }
            Self::EndSessions(_) => &["User.RevokeSessions.All", "User.ReadWrite.All"],
            Self::UpdateUser(_) => &["User.EnableDisableAccount.All", "User.ReadWrite.All"],
            Self::UpdateServicePrincipal(_) => &["Application.ReadWrite.All"],
            Self::RemoveAppRole(..) | Self::AddAppRole(_) => &["AppRoleAssignment.ReadWrite.All"],
            Self::NewPolicy | Self::UpdatePolicy(_) | Self::DeletePolicy(_) => {
                &["Policy.ReadWrite.ConditionalAccess"]
            }
            Self::Relationship(_) => &["DelegatedAdminRelationship.ReadWrite.All"],
        }
    }
}

/// Makes a change.
pub(crate) fn make(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    change: Change<'_>,
) -> Result<Reply, GraphError> {
    match change {
        Change::NewPolicy => policy_changes::create(state, tenant, ask),
        Change::UpdatePolicy(id) => policy_changes::update(state, tenant, ask, id),
        Change::DeletePolicy(id) => policy_changes::delete(state, tenant, ask, id),
        Change::Assign => assign(of(state, tenant)?, ask),
        Change::ActiveRequest => request(of(state, tenant)?, ask, false),
        Change::EligibleRequest => request(of(state, tenant)?, ask, true),
        Change::RemoveMember(group, member) => {
            remove_member(of(state, tenant)?, ask, group, member)
        }
        Change::AddMember(group) => add_member(of(state, tenant)?, ask, group),
        Change::EndSessions(id) => end_sessions(of(state, tenant)?, ask, id),
        Change::UpdateUser(id) => {
            let directory = of(state, tenant)?;
            let (id, _) = objects::own_user(directory, id)?;
            enable(directory, ask, &id.clone())
        }
        Change::UpdateServicePrincipal(id) => {
            let directory = of(state, tenant)?;
            let (id, _) = super::service_principals::own(directory, id)?;
            enable(directory, ask, &id.clone())
        }
        Change::RemoveAppRole(id, grant) => remove_app_role(of(state, tenant)?, id, grant),
        Change::AddAppRole(id) => add_app_role(of(state, tenant)?, ask, id),
        Change::Relationship(wish) => relationship_changes::make(of(state, tenant)?, ask, wish),
    }
}

fn of<'s>(state: &'s mut State, tenant: &str) -> Result<&'s mut Directory, GraphError> {
    state.directories.get_mut(tenant).ok_or_else(GraphError::unauthenticated)
}

pub(crate) fn body(ask: &Ask<'_>) -> Result<Object, GraphError> {
    match serde_json::from_slice(&ask.asked.body) {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(GraphError::bad_request("Unable to read JSON request payload.")),
    }
}

fn text<'b>(body: &'b Object, name: &str) -> Result<&'b str, GraphError> {
    let value = body.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
    value.ok_or_else(|| GraphError::bad_request(format!("The property '{name}' is missing.")))
}

/// What a body says of who is to hold what.
fn wanted(directory: &Directory, body: &Object) -> Result<Held, GraphError> {
    let principal = text(body, "principalId")?.to_ascii_lowercase();
    let role = text(body, "roleDefinitionId")?.to_ascii_lowercase();
    let scope = text(body, "directoryScopeId")?;
    if !directory.roles.contains_key(&role) {
        return Err(GraphError::new(
            StatusCode::BAD_REQUEST,
            "Request_BadRequest",
            format!("The role definition '{role}' does not exist."),
        ));
    }
    Ok(directory.to_hold(&principal, &role, scope))
}

fn same(held: &Held, other: &Held) -> bool {
    held.principal == other.principal && held.role == other.role && held.scope == other.scope
}

fn assign(directory: &mut Directory, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let held = wanted(directory, &body(ask)?)?;
    if !directory.principals.contains_key(&held.principal) {
        return Err(GraphError::not_found(&held.principal));
    }
    if directory.in_force().any(|it| same(it, &held)) {
        return Err(GraphError::new(
            StatusCode::BAD_REQUEST,
            "Request_BadRequest",
            "A conflicting object with one or more of the specified property values is present in \
             the directory.",
        ));
    }
    let shown = object(json!({
        "@odata.type": "#microsoft.graph.unifiedRoleAssignment",
        "id": held.id,
        "principalId": held.principal,
        "roleDefinitionId": held.role,
        "directoryScopeId": held.scope,
        "resourceScope": held.scope,
    }));
    directory.put(held);
    Ok(created("roleManagement/directory/roleAssignments", ask, shown))
}

pub(crate) fn created(kind: &str, ask: &Ask<'_>, shown: Object) -> Reply {
    let mut reply = ask.item(kind, shown);
    reply.status = StatusCode::CREATED;
    reply
}

/// A request to Privileged Identity Management. It is carried out at once, as for administrators.
fn request(directory: &mut Directory, ask: &Ask<'_>, eligible: bool) -> Result<Reply, GraphError> {
    super::pim::licensed(directory)?;
    let body = body(ask)?;
    let action = text(&body, "action")?;
    if action != "adminRemove" {
        may_assign(ask, eligible)?;
    }
    let held = wanted(directory, &body)?;
    let is_there = if eligible {
        directory.eligible.iter().any(|it| same(it, &held))
    } else {
        directory.in_force().chain(&directory.derived).any(|it| same(it, &held))
    };
    let status = match (action, is_there) {
        ("adminRemove", false) => {
            return Err(GraphError::new(
                StatusCode::BAD_REQUEST,
                "RoleAssignmentDoesNotExist",
                "The Role assignment does not exist.",
            ));
        }
        ("adminRemove", true) if eligible => {
            directory.eligible.retain(|it| !same(it, &held));
            "Revoked"
        }
        ("adminRemove", true) => {
            directory.derived.retain(|it| !same(it, &held));
            directory.drop_held(|it| same(it, &held));
            "Revoked"
        }
        ("adminAssign", true) => {
            return Err(GraphError::new(
                StatusCode::BAD_REQUEST,
                "RoleAssignmentExists",
                "The Role assignment already exists.",
            ));
        }
        ("adminAssign", false) => {
            if body.get("justification").and_then(Value::as_str).is_none() {
                return Err(GraphError::new(
                    StatusCode::BAD_REQUEST,
                    "RoleAssignmentRequestPolicyValidationFailed",
                    "The following policy rules failed: [\"JustificationRule\"]",
                ));
            }
            if !directory.principals.contains_key(&held.principal) {
                return Err(GraphError::new(
                    StatusCode::BAD_REQUEST,
                    "SubjectNotFound",
                    "The subject is not found.",
                ));
            }
            let end = expiry(&body, ask.asked.now)?;
            let mut held = held;
            (held.start, held.end) = (Some(ask.asked.now), end);
            if eligible {
                directory.eligible.push(held);
            } else {
                directory.put(held);
            }
            "Provisioned"
        }
        _ => return Err(GraphError::bad_request(format!("The action '{action}' is not known."))),
    };
    let kind = if eligible {
        "roleManagement/directory/roleEligibilityScheduleRequests"
    } else {
        "roleManagement/directory/roleAssignmentScheduleRequests"
    };
    let number = ask.asked.request_id();
    let mut shown = object(json!({
        "id": ids::guid(&["request", &number]),
        "status": status,
        "createdDateTime": ask.asked.now.to_string(),
    }));
    shown.extend(body);
    Ok(created(kind, ask, shown))
}

/// Whoever may only remove (`….Remove.Directory`) may ask for nothing else.
fn may_assign(ask: &Ask<'_>, eligible: bool) -> Result<(), GraphError> {
    let assign =
        if eligible { Change::EligibleRequest } else { Change::ActiveRequest }.permissions();
    let assign = assign.iter().filter(|permission| !permission.contains(".Remove."));
    let assign: Vec<&str> = assign.copied().collect();
    if ask.roles.iter().any(|role| assign.contains(&role.as_str())) {
        return Ok(());
    }
    Err(GraphError::of(StatusCode::FORBIDDEN))
}

/// When what is asked for ends.
fn expiry(body: &Object, now: Timestamp) -> Result<Option<Timestamp>, GraphError> {
    let expiration = &body.get("scheduleInfo").cloned().unwrap_or_default()["expiration"];
    let end = || {
        let end = expiration["endDateTime"].as_str().and_then(|end| end.parse().ok());
        end.filter(|end: &Timestamp| *end > now)
    };
    match expiration["type"].as_str() {
        Some("noExpiration") => Ok(None),
        Some("afterDateTime") => end().map(Some).ok_or_else(|| {
            GraphError::new(
                StatusCode::BAD_REQUEST,
                "InvalidExpiration",
                "The end of the schedule has to lie ahead.",
            )
        }),
        _ => Err(GraphError::bad_request("The property 'scheduleInfo.expiration' is missing.")),
    }
}

/// A group that can hold roles may only be changed by those who may assign roles.
fn may_change_group(directory: &Directory, ask: &Ask<'_>, group: &str) -> Result<(), GraphError> {
    let holds_roles = directory.principals.get(group).is_some_and(|it| it.is_assignable_to_role);
    let may = ask.roles.iter().any(|role| role == "RoleManagement.ReadWrite.Directory");
    if holds_roles && !may {
        return Err(GraphError::of(StatusCode::FORBIDDEN));
    }
    Ok(())
}

fn remove_member(
    directory: &mut Directory,
    ask: &Ask<'_>,
    group: &str,
    member: &str,
) -> Result<Reply, GraphError> {
    let (group, _) = objects::own_group(directory, group)?;
    let (group, member) = (group.clone(), member.to_ascii_lowercase());
    may_change_group(directory, ask, &group)?;
    let found = directory.principals.get_mut(&group);
    let members = found.map(|group| &mut group.members);
    let place = members.as_ref().and_then(|all| all.iter().position(|it| *it == member));
    let (Some(members), Some(place)) = (members, place) else {
        return Err(GraphError::not_found(&member));
    };
    members.remove(place);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn add_member(directory: &mut Directory, ask: &Ask<'_>, group: &str) -> Result<Reply, GraphError> {
    let (group, _) = objects::own_group(directory, group)?;
    let group = group.clone();
    may_change_group(directory, ask, &group)?;
    let body = body(ask)?;
    let url = text(&body, "@odata.id")?;
    let member = url.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    if !directory.principals.contains_key(&member) {
        return Err(GraphError::not_found(&member));
    }
    let Some(group) = directory.principals.get_mut(&group) else {
        return Err(GraphError::not_found(&group));
    };
    if group.members.contains(&member) {
        return Err(GraphError::new(
            StatusCode::BAD_REQUEST,
            "Request_BadRequest",
            "One or more added object references already exist for the following modified \
             properties: 'members'.",
        ));
    }
    group.members.push(member);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn end_sessions(directory: &mut Directory, ask: &Ask<'_>, id: &str) -> Result<Reply, GraphError> {
    let (id, _) = objects::own_user(directory, id)?;
    let id = id.clone();
    if let Some(user) = directory.principals.get_mut(&id) {
        user.sessions_valid_from = Some(ask.asked.now);
    }
    let context = format!("{}/v1.0/$metadata#Edm.Boolean", ask.asked.origin());
    Ok(Reply::json(StatusCode::OK, &json!({ "@odata.context": context, "value": true })))
}

/// `accountEnabled` is all that can be changed here.
fn enable(directory: &mut Directory, ask: &Ask<'_>, id: &str) -> Result<Reply, GraphError> {
    let body = body(ask)?;
    let enabled = body.get("accountEnabled").and_then(Value::as_bool);
    let (Some(enabled), 1) = (enabled, body.len()) else {
        return Err(GraphError::bad_request("Only 'accountEnabled' can be changed here."));
    };
    if let Some(principal) = directory.principals.get_mut(id) {
        principal.account_enabled = enabled;
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn remove_app_role(directory: &mut Directory, id: &str, grant: &str) -> Result<Reply, GraphError> {
    let (id, _) = super::service_principals::own(directory, id)?;
    let id = id.clone();
    let before = directory.grants.len();
    directory.grants.retain(|it| !(it.principal == id && it.id() == grant));
    if directory.grants.len() == before {
        return Err(GraphError::not_found(grant));
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn add_app_role(directory: &mut Directory, ask: &Ask<'_>, id: &str) -> Result<Reply, GraphError> {
    let (principal, _) = super::service_principals::own(directory, id)?;
    let principal = principal.clone();
    let body = body(ask)?;
    let (resource, _) = super::service_principals::own(directory, text(&body, "resourceId")?)?;
    let grant = Grant {
        principal,
        resource: resource.clone(),
        app_role: text(&body, "appRoleId")?.to_ascii_lowercase(),
        granted: ask.asked.request_id(),
    };
    if text(&body, "principalId")?.to_ascii_lowercase() != grant.principal {
        return Err(GraphError::bad_request("The principal is another than that of the path."));
    }
    if directory.grants.iter().any(|it| it.is_same(&grant)) {
        return Err(GraphError::new(
            StatusCode::BAD_REQUEST,
            "Request_BadRequest",
            "Permission being assigned already exists on the object.",
        ));
    }
    let shown = super::service_principals::grant_json(directory, &grant);
    directory.grants.push(grant);
    Ok(created("appRoleAssignments", ask, shown))
}
