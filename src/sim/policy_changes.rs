//! Conditional access policies made, changed and deleted
//! (<https://learn.microsoft.com/graph/api/conditionalaccessroot-post-policies>,
//! <https://learn.microsoft.com/graph/api/conditionalaccesspolicy-update>,
//! <https://learn.microsoft.com/graph/api/conditionalaccesspolicy-delete>).

use http::StatusCode;
use serde_json::{Value, json};

use super::changes::{body, created};
use super::conditional_access::{POLICIES, throttled};
use super::directory::Directory;
use super::graph::Ask;
use super::ids;
use super::objects::object;
use super::query::Object;
use super::reply::{GraphError, Reply};
use super::state::State;

const STATES: [&str; 3] = ["enabled", "disabled", "enabledForReportingButNotEnforced"];

/// The kinds of guests and external users
/// (<https://learn.microsoft.com/graph/api/resources/conditionalaccessguestsorexternalusers>).
const EXTERNAL: [&str; 6] = [
    "internalGuest",
    "b2bCollaborationGuest",
    "b2bCollaborationMember",
    "b2bDirectConnectUser",
    "otherExternalUser",
    "serviceProvider",
];

fn directory<'s>(
    state: &'s mut State,
    tenant: &str,
    ask: &Ask<'_>,
) -> Result<&'s mut Directory, GraphError> {
    throttled(state, tenant, ask)?;
    state.directories.get_mut(tenant).ok_or_else(GraphError::unauthenticated)
}

/// `GET identity/conditionalAccess/policies/{id}`.
pub(crate) fn one(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = directory(state, tenant, ask)?;
    let place = place(directory, id)?;
    let policy = directory.conditional_access.policies.get(place).cloned();
    Ok(ask.item(POLICIES, policy.unwrap_or_default()))
}

/// Makes one. Two may have the same name.
pub(crate) fn create(state: &mut State, tenant: &str, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let directory = directory(state, tenant, ask)?;
    let given = body(ask)?;
    check(directory, &given, true)?;
    if directory.conditional_access.security_defaults
        && given.get("state") == Some(&json!("enabled"))
    {
        return Err(invalid(
            "1007",
            "Security Defaults is enabled in the tenant. You must disable \
                                    Security defaults before enabling a Conditional Access policy.",
        ));
    }
    let mut policy = object(json!({
        "id": ids::guid(&[tenant, "policy", &ask.asked.request_id()]),
        "templateId": null,
        "createdDateTime": ask.asked.now.to_string(),
        "modifiedDateTime": null,
        "sessionControls": null,
    }));
    policy.extend(given);
    directory.conditional_access.policies.push(policy.clone());
    Ok(created(POLICIES, ask, policy))
}

/// Changes one.
pub(crate) fn update(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = directory(state, tenant, ask)?;
    let place = place(directory, id)?;
    let given = body(ask)?;
    check(directory, &given, false)?;
    if let Some(policy) = directory.conditional_access.policies.get_mut(place) {
        policy.extend(given);
        policy.insert("modifiedDateTime".to_owned(), ask.asked.now.to_string().into());
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

/// Deletes one.
pub(crate) fn delete(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = directory(state, tenant, ask)?;
    let place = place(directory, id)?;
    directory.conditional_access.policies.remove(place);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn place(directory: &Directory, id: &str) -> Result<usize, GraphError> {
    let mut all = directory.conditional_access.policies.iter();
    all.position(|it| it.get("id").and_then(Value::as_str) == Some(id))
        .ok_or_else(|| GraphError::not_found(id))
}

fn invalid(number: &str, what: &str) -> GraphError {
    GraphError::new(StatusCode::BAD_REQUEST, "BadRequest", format!("{number}: {what}"))
}

/// What Microsoft checks of a policy, as far as it matters here.
fn check(directory: &Directory, given: &Object, whole: bool) -> Result<(), GraphError> {
    let wrong = |what: &str| Err(invalid("1001", what));
    match given.get("state").map(Value::as_str) {
        Some(Some(state)) if STATES.contains(&state) => {}
        None if !whole => {}
        _ => {
            return wrong(
                "The policy's state is not one of enabled, disabled and \
                           enabledForReportingButNotEnforced.",
            );
        }
    }
    if !whole {
        return Ok(());
    }
    let policy = Value::Object(given.clone());
    if policy["displayName"].as_str().is_none_or(|name| name.is_empty() || name.len() > 256) {
        return wrong("The policy has no display name, or one that is too long.");
    }
    let conditions = &policy["conditions"];
    if conditions["applications"]["includeApplications"].as_array().is_none_or(Vec::is_empty) {
        return wrong("The policy includes no applications.");
    }
    if policy["grantControls"]["builtInControls"].as_array().is_none_or(Vec::is_empty)
        && policy["sessionControls"].is_null()
    {
        return wrong("The policy has no controls.");
    }
    let users = &conditions["users"];
    let listed = |name: &str| users[name].as_array().is_some_and(|list| !list.is_empty());
    let external = &users["includeGuestsOrExternalUsers"];
    let includes = listed("includeUsers") || listed("includeGroups") || listed("includeRoles");
    if !includes && external.is_null() {
        return wrong("The policy includes no users.");
    }
    for name in ["includeUsers", "excludeUsers"] {
        let ids = users[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        for id in ids.filter(|id| !matches!(*id, "All" | "None" | "GuestsOrExternalUsers")) {
            if !directory.principals.contains_key(&id.to_ascii_lowercase()) {
                return wrong("A user of the policy does not exist in the directory.");
            }
        }
    }
    if external.is_null() { Ok(()) } else { check_external(external) }
}

/// Source: "conditionalAccessEnumeratedExternalTenants resource type".
fn check_external(external: &Value) -> Result<(), GraphError> {
    let wrong = |what: &str| Err(invalid("1001", what));
    let kinds = external["guestOrExternalUserTypes"].as_str().unwrap_or_default();
    if kinds.is_empty() || kinds.split(',').any(|kind| !EXTERNAL.contains(&kind.trim())) {
        return wrong("The kinds of guests or external users are not valid.");
    }
    let tenants = &external["externalTenants"];
    let members = tenants["members"].as_array();
    match (tenants["@odata.type"].as_str(), tenants["membershipKind"].as_str()) {
        (
            Some("#microsoft.graph.conditionalAccessEnumeratedExternalTenants"),
            Some("enumerated"),
        ) if members.is_some_and(|all| {
            let is_id = |it: &Value| it.as_str().is_some_and(ids::is_guid);
            !all.is_empty() && all.iter().all(is_id)
        }) =>
        {
            Ok(())
        }
        (Some("#microsoft.graph.conditionalAccessAllExternalTenants"), Some("all")) => Ok(()),
        (None, None) if tenants.is_null() => Ok(()),
        _ => wrong("The external tenants are not valid."),
    }
}
