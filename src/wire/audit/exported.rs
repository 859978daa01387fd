//! Audit events out of an export, for a replay: what one says of roles, taken at its word.
//!
//! Nothing is done because of it. Where something is done, an event is only a reason to look.
//!
//! Sources: Microsoft Graph metadata, type `directoryAudit`; "Microsoft Entra audit log categories
//! and activities"; published records, in which the role of a removal stands in the old value.

use serde_json::Value;
use uuid::{Uuid, uuid};

use super::value::{Change, guid};
use super::{Event, directory, management};
use crate::domain::id::TenantId;
use crate::domain::replay::{Heard, Holder, Motion, RoleChange};
use crate::domain::role::RoleTemplateId;
use crate::wire::Reject;

/// The application that puts a partner's groups into roles and takes them out again, when a
/// granular delegated admin relationship begins and ends.
///
/// Source: Microsoft Partner Center documentation, "Introduction to GDAP", service principals.
const OFFLINE_PROCESSOR: Uuid = uuid!("a3475900-ccec-4a69-98f5-a65cd5dc5306");
const OFFLINE_PROCESSOR_NAME: &str = "Partner Customer Delegated Admin Offline Processor";

/// What an event of an export tells, with the tenant it names.
///
/// # Errors
/// [`Reject::Malformed`] when it cannot be understood.
pub fn heard(path: &str, item: Value) -> Result<(Option<TenantId>, Heard), Reject> {
    let is_management = management::is_one(&item);
    let is_record = item.get("properties").is_some() && item.get("tenantId").is_some();
    let properties = if is_record { item.get("properties") } else { None };
    let told = properties.unwrap_or(&item).clone();
    let event = match (is_management, is_record) {
        (true, _) => management::event(path, item, &[])?,
        (false, true) => directory::azure_monitor(path, item, &[])?,
        (false, false) => directory::event(path, item, &[])?,
    };
    let matters = event.matters() && !did_not_take_place(&told);
    let change = if matters { change(&event, &told) } else { None };
    let partner = matters.then(|| partner(&event)).flatten();
    let heard = Heard { at: event.at, what: event.activity.name, matters, change, partner };
    Ok((event.tenant, heard))
}

/// Whether the event says that what it tells of did not take place. A doubt counts as if it did.
///
/// Source: Microsoft Graph metadata, `operationResult`; "Office 365 Management Activity API schema",
/// `ResultStatus`.
fn did_not_take_place(told: &Value) -> bool {
    let result = told.get("result").or_else(|| told.get("ResultStatus"));
    let result = result.and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    ["failure", "failed", "timeout"].contains(&result.as_str())
}

/// The service provider that an entry of the cross-tenant access policy was made for.
fn partner(event: &Event) -> Option<(Uuid, bool)> {
    let name = event.activity.name.to_lowercase();
    if !name.contains("partner") || !name.contains("cross-tenant access setting") {
        return None;
    }
    let tenants = event.changes.iter().filter(|change| change.is("tenantId"));
    let tenant = tenants.flat_map(Change::guids).next()?;
    Some((tenant, !name.starts_with("delete")))
}

fn change(event: &Event, told: &Value) -> Option<RoleChange> {
    let name = event.activity.name.to_lowercase();
    let motion = motion(&name)?;
    let role = role(event, told)?;
    let holder = holder(told).or_else(|| {
        let id = event.object.clone()?;
        let upn = id.contains('@').then(|| id.clone());
        Some(Holder { id, name: None, user_principal_name: upn })
    })?;
    Some(RoleChange {
        motion,
        eligible: name.contains("eligible"),
        role,
        holder,
        by_delegated_administration: by_delegated_administration(told),
    })
}

/// Whether the name of an activity says that a role was given or taken. Requests and what the
/// activation of an eligible role brings about are neither: the role's own event comes with them.
fn motion(name: &str) -> Option<Motion> {
    let speaks_of_holding = name.contains("member to role")
        || name.contains("member from role")
        || name.contains("role assignment to role definition")
        || name.contains("role assignment from role definition")
        || name.contains("eligibleroleassignment")
        || name == "remove permanent direct role assignment";
    if !speaks_of_holding || name.contains("requested") || name.contains("denied") {
        return None;
    }
    if name.starts_with("add ") {
        Some(Motion::Given)
    } else if name.starts_with("remove ") {
        Some(Motion::Taken)
    } else {
        None
    }
}

fn role(event: &Event, told: &Value) -> Option<RoleTemplateId> {
    let of = |property: &str| {
        event.changes.iter().filter(|change| change.is(property)).flat_map(Change::guids).next()
    };
    let detail = |key: &str| {
        let details = told.get("additionalDetails")?.as_array()?;
        let named = |detail: &&Value| {
            detail.get("key").and_then(Value::as_str).is_some_and(|k| k.eq_ignore_ascii_case(key))
        };
        guid(details.iter().find(named)?.get("value")?.as_str()?)
    };
    of("Role.TemplateId")
        .or_else(|| detail("TemplateId"))
        .or_else(|| detail("RoleDefinitionOriginId"))
        .or_else(|| of("RoleDefinition.TemplateId"))
        .map(RoleTemplateId::new)
}

/// Who got the role, or lost it: the first target that can hold one.
fn holder(told: &Value) -> Option<Holder> {
    const NO_HOLDER: [&str; 5] = ["role", "request", "directory", "policy", "device"];
    let targets = told.get("targetResources")?.as_array()?;
    let kind = |target: &Value| {
        target.get("type").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase()
    };
    let text = |target: &Value, key: &str| {
        let text = target.get(key)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let can_hold = |target: &&Value| {
        text(target, "id").is_some() && !NO_HOLDER.contains(&kind(target).as_str())
    };
    let named = ["user", "group", "serviceprincipal"];
    let target = targets
        .iter()
        .filter(can_hold)
        .find(|target| named.contains(&kind(target).as_str()))
        .or_else(|| targets.iter().find(can_hold))?;
    Some(Holder {
        id: text(target, "id")?,
        name: text(target, "displayName"),
        user_principal_name: text(target, "userPrincipalName"),
    })
}

fn by_delegated_administration(told: &Value) -> bool {
    let by = told.get("initiatedBy").and_then(|by| by.get("app"));
    let of = |key: &str| by.and_then(|by| by.get(key)).and_then(Value::as_str);
    let app = of("appId").and_then(guid) == Some(OFFLINE_PROCESSOR);
    let name = of("displayName").is_some_and(|it| it.eq_ignore_ascii_case(OFFLINE_PROCESSOR_NAME));
    let actor = told.get("Actor").and_then(Value::as_array).into_iter().flatten();
    let mut actors = actor.filter_map(|actor| actor.get("ID")?.as_str());
    app || name
        || actors.any(|id| {
            id.eq_ignore_ascii_case(OFFLINE_PROCESSOR_NAME) || guid(id) == Some(OFFLINE_PROCESSOR)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(result: &str) -> Heard {
        let event = json!({
            "activityDisplayName": "Add member to role",
            "category": "RoleManagement",
            "result": result,
            "targetResources": [{"id": "x", "type": "Group", "modifiedProperties": [{
                "displayName": "Role.TemplateId",
                "newValue": "\"62e90394-69f5-4237-9190-012177145e10\"",
            }]}],
        });
        heard("$", event).unwrap().1
    }

    #[test]
    fn what_did_not_take_place_gave_nobody_a_role() {
        let given = told("success");
        assert!(given.matters);
        assert_eq!(given.change.unwrap().motion, Motion::Given);
        for result in ["failure", "timeout"] {
            let heard = told(result);
            assert_eq!((heard.matters, heard.change), (false, None), "{result}");
        }
        assert!(told("unknownFutureValue").matters, "a doubt counts as if it took place");
    }
}
