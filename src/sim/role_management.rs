//! `roleManagement/directory`: role assignments and role definitions
//! (<https://learn.microsoft.com/graph/api/resources/rolemanagement>).

use http::StatusCode;
use serde_json::{Value, json};

use super::directory::{Directory, Held, NotRemoved, Removal};
use super::graph::Ask;
use super::objects;
use super::query::{Object, Place, page};
use super::reply::{GraphError, Reply};
use super::roles::Role;
use super::state::{Deletion, Settings, State};

const ASSIGNMENTS: &str = "roleManagement/directory/roleAssignments";
const DEFINITIONS: &str = "roleManagement/directory/roleDefinitions";

const ASSIGNMENT_DEFAULTS: &[&str] = &[
    "id",
    "principalId",
    "principalOrganizationId",
    "directoryScopeId",
    "resourceScope",
    "roleDefinitionId",
];
const DEFINITION_DEFAULTS: &[&str] =
    &["id", "description", "displayName", "isBuiltIn", "isEnabled", "isPrivileged", "templateId"];

/// `GET …/roleAssignments`.
pub(crate) fn assignments(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
) -> Result<Reply, GraphError> {
    let State { settings, directories, .. } = state;
    let directory = directories.get_mut(tenant).ok_or_else(GraphError::unauthenticated)?;
    let filter = ask.query.filter_on(&["principalId", "roleDefinitionId"])?;
    let place = match ask.query.from {
        Some(place) => place,
        None => Place { read: directory.begin_read(), after: 0 },
    };
    let wanted = |held: &Held| match filter {
        None => true,
        Some(("principalId", id)) => held.principal.eq_ignore_ascii_case(id),
        Some((_, id)) => held.role.eq_ignore_ascii_case(id),
    };
    let directory = &*directory;
    let shown = directory.shown(place.read, place.after).filter(|(_, held)| wanted(held));
    let (held, last) = page(shown, ask.size(settings));
    let items = held.into_iter().map(|held| assignment_json(settings, directory, ask, held));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    let next = last.map(|after| Place { after, ..place });
    Ok(ask.collection(ASSIGNMENTS, &items, next))
}

/// `GET …/roleAssignments/{id}`.
pub(crate) fn assignment(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let State { settings, directories, .. } = state;
    let directory = directories.get_mut(tenant).ok_or_else(GraphError::unauthenticated)?;
    let read = directory.begin_read();
    let held = directory.shown_item(read, id).ok_or_else(|| GraphError::not_found(id))?;
    Ok(ask.item(ASSIGNMENTS, assignment_json(settings, directory, ask, held)?))
}

/// `DELETE …/roleAssignments/{id}`
/// (<https://learn.microsoft.com/graph/api/unifiedroleassignment-delete>).
pub(crate) fn remove(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let State { directories, faults, deletions, .. } = state;
    let directory = directories.get_mut(tenant).ok_or_else(GraphError::unauthenticated)?;
    let refusal = faults.refuse_foreign_deletion;
    let how = Removal {
        refuse_foreign: refusal.is_some(),
        lag: faults.lag_reads,
        recreate: faults.recreate,
    };
    match directory.remove(id, how) {
        Ok(held) => {
            deletions.push(Deletion {
                tenant: tenant.to_owned(),
                assignment_id: held.id,
                principal_id: held.principal,
                role_definition_id: held.role,
                call: ask.asked.sequence,
            });
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        Err(NotRemoved::Absent) => Err(GraphError::not_found(id)),
        Err(NotRemoved::Foreign) => Err(GraphError::of(refusal.unwrap_or_default().status)),
    }
}

/// `GET …/roleDefinitions`.
pub(crate) fn definitions(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let fields: &[&str] = if ask.beta { &["isBuiltIn", "isPrivileged"] } else { &["isBuiltIn"] };
    let filter = ask.query.filter_on(fields)?;
    let wanted = |role: &Role| match filter {
        None => true,
        Some(("isPrivileged", value)) => role.privileged.to_string() == value,
        Some((_, value)) => role.built_in.to_string() == value,
    };
    let after = ask.query.from.map_or(0, |place| place.after);
    let roles = (1..).zip(&directory.roles).filter(|(n, (_, role))| *n > after && wanted(role));
    let (roles, last) = page(roles, ask.size(&state.settings));
    let items = roles.into_iter().map(|(id, role)| definition_json(ask, id, role));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    Ok(ask.collection(DEFINITIONS, &items, last.map(|after| Place { read: 0, after })))
}

fn assignment_json(
    settings: &Settings,
    directory: &Directory,
    ask: &Ask<'_>,
    held: &Held,
) -> Result<Object, GraphError> {
    let full = objects::object(json!({
        "id": held.id,
        "principalId": held.principal,
        "principalOrganizationId": held.organization,
        "directoryScopeId": held.scope,
        "resourceScope": held.scope,
        "roleDefinitionId": held.role,
        "appScopeId": null,
        "condition": null,
    }));
    let mut item = ask.query.project(full, ASSIGNMENT_DEFAULTS)?;
    let shows_organization = ask.beta || settings.v1_organization;
    if !shows_organization || held.organization.is_none() {
        item.remove("principalOrganizationId");
    }
    expand(directory, ask, held, &mut item)?;
    Ok(item)
}

/// `$expand=principal` or `roleDefinition`. A partner's group does not resolve: it has no
/// `principal`, and a holder nobody knows has `null`.
pub(crate) fn expand(
    directory: &Directory,
    ask: &Ask<'_>,
    held: &Held,
    item: &mut Object,
) -> Result<(), GraphError> {
    match ask.query.expand.as_deref() {
        None => {}
        Some("principal") if directory.is_foreign(held) => {}
        Some("principal") => {
            let principal = directory.principals.get(&held.principal);
            let value = principal.map_or(Value::Null, |principal| {
                Value::Object(objects::default_json(&held.principal, principal))
            });
            item.insert("principal".to_owned(), value);
        }
        Some("roleDefinition") => {
            let value = match directory.roles.get(&held.role) {
                Some(role) => Value::Object(full_definition(ask, &held.role, role)),
                None => Value::Null,
            };
            item.insert("roleDefinition".to_owned(), value);
        }
        Some(other) => {
            let message = format!("The property '{other}' cannot be expanded.");
            return Err(GraphError::bad_request(message));
        }
    }
    Ok(())
}

fn definition_json(ask: &Ask<'_>, id: &str, role: &Role) -> Result<Object, GraphError> {
    ask.query.project(full_definition(ask, id, role), DEFINITION_DEFAULTS)
}

/// A role definition; for a built-in role the template id is the id.
fn full_definition(ask: &Ask<'_>, id: &str, role: &Role) -> Object {
    let mut full = objects::object(json!({
        "id": id,
        "description": role.name,
        "displayName": role.name,
        "isBuiltIn": role.built_in,
        "isEnabled": true,
        "templateId": id,
    }));
    if ask.beta {
        full.insert("isPrivileged".to_owned(), Value::from(role.privileged));
    }
    full
}
