//! Relationships of a partner changed and ended, as long-running operations
//! (<https://learn.microsoft.com/graph/api/delegatedadminrelationship-update>,
//! <https://learn.microsoft.com/graph/api/delegatedadminrelationship-post-requests>,
//! <https://learn.microsoft.com/graph/api/delegatedadminrelationship-post-accessassignments>,
//! <https://learn.microsoft.com/graph/api/delegatedadminaccessassignment-delete>).

use http::StatusCode;
use http::header::LOCATION;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::changes::{body, created};
use super::delegated_admin::{Related, Used, etag};
use super::directory::Directory;
use super::graph::Ask;
use super::ids;
use super::partner_side::{Changes, Operation};
use super::relationship_effects::{Effect, GLOBAL_ADMINISTRATOR, Pending, Requested};
use super::reply::{GraphError, Reply};

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

/// Makes a change. Whoever asks has to be in a partner's tenant.
pub(crate) fn make(
    directory: &mut Directory,
    ask: &Ask<'_>,
    wish: Wish<'_>,
) -> Result<Reply, GraphError> {
    let forbidden = || GraphError::of(StatusCode::FORBIDDEN);
    let partnership = directory.partnership.as_mut().ok_or_else(forbidden)?;
    partnership.settle(ask.asked.now);
    let changes = partnership.changes;
    let (Wish::Update(id)
    | Wish::Request(id)
    | Wish::DeleteAssignment(id, _)
    | Wish::NewAssignment(id)) = wish;
    let found = partnership.relationships.iter_mut().find(|it| it.id.eq_ignore_ascii_case(id));
    let related = found.ok_or_else(|| GraphError::not_found(id))?;
    match wish {
        Wish::Update(_) => update(related, ask, changes),
        Wish::Request(_) => request(related, ask, changes),
        Wish::DeleteAssignment(_, one) => delete(related, ask, one, changes),
        Wish::NewAssignment(_) => add(related, ask, changes),
    }
}

/// What is done in its own time, told by the operation or the request with this id.
fn later(ask: &Ask<'_>, changes: Changes, told_by: Option<String>, effect: Effect) -> Pending {
    let due = ask.asked.now + SignedDuration::from_millis(changes.take);
    Pending { told_by, due, effect, fails: changes.fail }
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

fn update(related: &mut Related, ask: &Ask<'_>, changes: Changes) -> Result<Reply, GraphError> {
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
    let operation = Operation {
        operation_type: kind.to_owned(),
        id: Some(id.clone()),
        status: "notStarted".to_owned(),
        data: given.to_string(),
        created_date_time: None,
    };
    related.operations.push((id.clone(), operation, ask.asked.now));
    related.pending.push(later(ask, changes, Some(id.clone()), effect));
    let path = ask.asked.path();
    let location = format!("{}{path}/operations/{id}", ask.asked.origin());
    Ok(Reply::json(StatusCode::ACCEPTED, &Value::Object(related.to_json()))
        .with(LOCATION, &location)
        .retry_after(Some(1)))
}

fn request(related: &mut Related, ask: &Ask<'_>, changes: Changes) -> Result<Reply, GraphError> {
    let given = body(ask)?;
    if given.get("action") != Some(&json!("terminate")) || related.given.status != "active" {
        return Err(GraphError::bad_request("The request is not valid in this status."));
    }
    related.changes_now(ask.asked.now, changes);
    "terminationRequested".clone_into(&mut related.given.status);
    let id = ids::guid(&["request", &ask.asked.request_id()]);
    let request = Requested::new(&id, "terminate", ask.asked.now);
    let shown = request.to_json();
    related.requests.push(request);
    related.pending.push(later(ask, changes, Some(id), Effect::Terminated));
    Ok(created("requests", ask, shown))
}

fn delete(
    related: &mut Related,
    ask: &Ask<'_>,
    one: &str,
    changes: Changes,
) -> Result<Reply, GraphError> {
    let found = related.assignments.iter().position(|it| it.id == one && it.status != "deleted");
    let place = found.ok_or_else(|| GraphError::not_found(one))?;
    let used = &related.assignments[place];
    matches(ask, &etag(&used.id, used.version))?;
    related.remember(changes.lag_reads);
    let used = &mut related.assignments[place];
    "deleting".clone_into(&mut used.status);
    used.version += 1;
    related.pending.push(later(ask, changes, None, Effect::Deleted(one.to_owned())));
    let accepted = changes.deletions_accepted;
    let status = if accepted { StatusCode::ACCEPTED } else { StatusCode::NO_CONTENT };
    Ok(Reply::empty(status))
}

fn add(related: &mut Related, ask: &Ask<'_>, changes: Changes) -> Result<Reply, GraphError> {
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
    related.remember(changes.lag_reads);
    related.assignments.push(used);
    related.pending.push(later(ask, changes, None, Effect::Active(id)));
    Ok(created("accessAssignments", ask, shown))
}
