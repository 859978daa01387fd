//! Relationships of a partner changed and ended, as long-running operations
//! (<https://learn.microsoft.com/graph/api/delegatedadminrelationship-update>,
//! <https://learn.microsoft.com/graph/api/delegatedadminrelationship-post-requests>,
//! <https://learn.microsoft.com/graph/api/delegatedadminrelationship-post-accessassignments>,
//! <https://learn.microsoft.com/graph/api/delegatedadminaccessassignment-delete>).

use http::StatusCode;
use http::header::LOCATION;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::changes::{body, created};
use super::delegated_admin::{Related, Used, etag};
use super::directory::Directory;
use super::graph::Ask;
use super::ids;
use super::objects::object;
use super::partner_side::Operation;
use super::reply::{GraphError, Reply};

/// The roles' template id of Global Administrator.
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// What is asked of a relationship.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish<'a> {
    /// `PATCH …/{id}`.
    Update(&'a str),
    /// `POST …/{id}/requests`.
    Request(&'a str),
    /// `DELETE …/{id}/accessAssignments/{id}`.
    DeleteAssignment(&'a str, &'a str),
    /// `POST …/{id}/accessAssignments`.
    NewAssignment(&'a str),
}

/// What an operation comes to, once it has succeeded.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Roles(Vec<String>),
    AutoExtend(String),
    Terminated,
    Deleted(String),
    Active(String),
}

/// An operation under way.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) operation: Option<String>,
    pub(crate) due: Timestamp,
    pub(crate) effect: Effect,
}

/// Makes a change. Whoever asks has to be in a partner's tenant.
pub(crate) fn make(
    directory: &mut Directory,
    ask: &Ask<'_>,
    wish: Wish<'_>,
) -> Result<Reply, GraphError> {
    let forbidden = || GraphError::of(StatusCode::FORBIDDEN);
    let partnership = directory.partnership.as_mut().ok_or_else(forbidden)?;
    partnership.settle(ask.asked.now);
    let takes = SignedDuration::from_millis(partnership.operations_take);
    let fails = partnership.operations_fail;
    let accepted = partnership.deletions_accepted;
    let (Wish::Update(id)
    | Wish::Request(id)
    | Wish::DeleteAssignment(id, _)
    | Wish::NewAssignment(id)) = wish;
    let found = partnership.relationships.iter_mut().find(|it| it.id.eq_ignore_ascii_case(id));
    let related = found.ok_or_else(|| GraphError::not_found(id))?;
    let due = ask.asked.now + takes;
    match wish {
        Wish::Update(_) => update(related, ask, due, fails),
        Wish::Request(_) => request(related, ask, due),
        Wish::DeleteAssignment(_, one) => delete(related, ask, one, due, accepted),
        Wish::NewAssignment(_) => add(related, ask, due),
    }
}

/// A change has to be against what there is.
fn matches(ask: &Ask<'_>, etag: &str) -> Result<(), GraphError> {
    match ask.asked.header("if-match") {
        Some(given) if given == etag => Ok(()),
        Some(_) => Err(GraphError::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            "The resource was changed in the meantime.",
        )),
        None => Err(GraphError::new(
            StatusCode::PRECONDITION_REQUIRED,
            "PreconditionRequired",
            "The header If-Match is missing.",
        )),
    }
}

fn update(
    related: &mut Related,
    ask: &Ask<'_>,
    due: Timestamp,
    fails: bool,
) -> Result<Reply, GraphError> {
    matches(ask, &etag(&related.id, related.version))?;
    let given = Value::Object(body(ask)?);
    let refuse = |what: &str| Err(GraphError::bad_request(what));
    if !matches!(related.given.status.as_str(), "active" | "created") {
        return refuse("The relationship cannot be changed in its present status.");
    }
    let (effect, kind) = if let Some(roles) = given["accessDetails"]["unifiedRoles"].as_array() {
        let ids = roles.iter().filter_map(|it| it["roleDefinitionId"].as_str());
        let roles: Vec<String> = ids.map(str::to_ascii_lowercase).collect();
        let kept = related.roles.iter().filter(|it| *it != GLOBAL_ADMINISTRATOR);
        if related.given.status == "active" && !kept.eq(roles.iter()) {
            return refuse("Only Global Administrator can be removed from an active relationship.");
        }
        (Effect::Roles(roles), "delegatedAdminRelationshipUpdate")
    } else if let Some(duration) = given["autoExtendDuration"].as_str() {
        if !matches!(duration, "PT0S" | "P0D" | "P180D") {
            return refuse("The auto-extend duration is not valid.");
        }
        if duration == "P180D" && related.roles.iter().any(|it| it == GLOBAL_ADMINISTRATOR) {
            return refuse("A relationship with Global Administrator cannot be auto-extended.");
        }
        (Effect::AutoExtend(duration.to_owned()), "delegatedAdminRelationshipUpdate")
    } else {
        return refuse("There is nothing to change.");
    };
    let id = ids::guid(&["operation", &related.id, &ask.asked.request_id()]);
    let status = if fails { "failed" } else { "notStarted" };
    let operation = Operation {
        operation_type: kind.to_owned(),
        id: Some(id.clone()),
        status: status.to_owned(),
        data: given.to_string(),
        created_date_time: None,
    };
    related.operations.push((id.clone(), operation, ask.asked.now));
    if !fails {
        related.pending.push(Pending { operation: Some(id.clone()), due, effect });
    }
    let path = ask.asked.path();
    let location = format!("{}{path}/operations/{id}", ask.asked.origin());
    Ok(Reply::json(StatusCode::ACCEPTED, &Value::Object(related.to_json()))
        .with(LOCATION, &location)
        .retry_after(Some(1)))
}

fn request(related: &mut Related, ask: &Ask<'_>, due: Timestamp) -> Result<Reply, GraphError> {
    let given = body(ask)?;
    if given.get("action") != Some(&json!("terminate")) || related.given.status != "active" {
        return Err(GraphError::bad_request("The request is not valid in this status."));
    }
    related.change("terminationRequested", ask.asked.now);
    related.pending.push(Pending { operation: None, due, effect: Effect::Terminated });
    let shown = object(json!({
        "id": ids::guid(&["request", &ask.asked.request_id()]),
        "action": "terminate",
        "status": "created",
        "createdDateTime": ask.asked.now.to_string(),
    }));
    Ok(created("requests", ask, shown))
}

fn delete(
    related: &mut Related,
    ask: &Ask<'_>,
    one: &str,
    due: Timestamp,
    accepted: bool,
) -> Result<Reply, GraphError> {
    let found = related.assignments.iter_mut().find(|it| it.id == one && it.status != "deleted");
    let used = found.ok_or_else(|| GraphError::not_found(one))?;
    matches(ask, &etag(&used.id, used.version))?;
    "deleting".clone_into(&mut used.status);
    used.version += 1;
    related.pending.push(Pending { operation: None, due, effect: Effect::Deleted(one.to_owned()) });
    let status = if accepted { StatusCode::ACCEPTED } else { StatusCode::NO_CONTENT };
    Ok(Reply::empty(status))
}

fn add(related: &mut Related, ask: &Ask<'_>, due: Timestamp) -> Result<Reply, GraphError> {
    let given = Value::Object(body(ask)?);
    let group = given["accessContainer"]["accessContainerId"].as_str().unwrap_or_default();
    let roles = given["accessDetails"]["unifiedRoles"].as_array().into_iter().flatten();
    let roles: Vec<String> = roles
        .filter_map(|it| it["roleDefinitionId"].as_str())
        .map(str::to_ascii_lowercase)
        .collect();
    let known = !roles.is_empty() && roles.iter().all(|role| related.roles.contains(role));
    if !known || !ids::is_guid(group) || related.given.status != "active" {
        return Err(GraphError::bad_request("The access assignment is not valid."));
    }
    let group = group.to_ascii_lowercase();
    let is_there = |it: &Used| it.group == group && it.status != "deleted";
    if related.assignments.iter().any(is_there) {
        return Err(GraphError::new(
            StatusCode::CONFLICT,
            "Conflict",
            "The security group has an access assignment already.",
        ));
    }
    let id = ids::guid(&["accessAssignment", &related.id, &ask.asked.request_id()]);
    let used = Used { id: id.clone(), group, roles, status: "pending".to_owned(), version: 1 };
    let shown = related.assignment_json(&used);
    related.assignments.push(used);
    related.pending.push(Pending { operation: None, due, effect: Effect::Active(id) });
    Ok(created("accessAssignments", ask, shown))
}
