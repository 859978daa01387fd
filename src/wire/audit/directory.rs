//! A directoryAudit, bare or within Azure Monitor's envelope.
//!
//! Sources: Microsoft Graph metadata, type `directoryAudit`; Azure Monitor's envelope and the
//! values of properties as found in published records of Entra diagnostic settings. In those
//! records `initiatedBy.app.appId` is null more often than not.

use serde::Deserialize;
use serde_json::Value;

use super::Event;
use super::activity::Activity;
use super::value::{Change, guid, lenient, service_principal};
use crate::domain::id::TenantId;
use crate::domain::signal::Initiator;
use crate::domain::text;
use crate::wire::{Reject, shaped};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DirectoryAudit {
    activity_display_name: String,
    id: Option<Value>,
    category: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    activity_date_time: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    target_resources: Option<Vec<TargetResource>>,
    initiated_by: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetResource {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    modified_properties: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModifiedProperty {
    display_name: String,
    #[serde(default)]
    old_value: Value,
    #[serde(default)]
    new_value: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AzureMonitorRecord {
    tenant_id: String,
    properties: Value,
}

/// Kinds of targets that stand beside whatever something was done to.
const BESIDE: [&str; 5] = ["Directory", "Other", "Policy", "Request", "Role"];

impl TargetResource {
    fn is_principal(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        !BESIDE.iter().any(|beside| beside.eq_ignore_ascii_case(kind))
    }
}

/// A bare directoryAudit.
pub(super) fn event(path: &str, item: Value, own_apps: &[String]) -> Result<Event, Reject> {
    let audit: DirectoryAudit = shaped(path, item)?;
    let targets = audit.target_resources.unwrap_or_default();
    let changes = targets.iter().flat_map(changes).collect();
    // The role is the same in many events; what differs is who got it.
    let is_role = |target: &&TargetResource| {
        target.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("role"))
    };
    let object = targets
        .iter()
        .filter(|target| !is_role(target))
        .find_map(|target| target.id.clone().filter(|id| !id.trim().is_empty()));
    let principals = targets.iter().filter(|target| target.is_principal());
    let principals = principals.filter_map(|target| target.id.clone()).collect();
    Ok(Event {
        tenant: None,
        activity: Activity::new(&audit.activity_display_name),
        category: audit.category,
        id: audit.id.as_ref().and_then(Value::as_str).map(text::foreign),
        at: audit.activity_date_time.as_deref().and_then(|at| at.parse().ok()),
        object,
        principals,
        changes,
        initiator: by_application(audit.initiated_by.as_ref(), own_apps),
    })
}

/// A record of Azure Monitor, which names its tenant.
pub(super) fn azure_monitor(
    path: &str,
    record: Value,
    own_apps: &[String],
) -> Result<Event, Reject> {
    let record: AzureMonitorRecord = shaped(path, record)?;
    let tenant: TenantId = record.tenant_id.parse().map_err(|_| Reject::Malformed {
        path: format!("{path}.tenantId"),
        what: "not a tenant id".to_owned(),
    })?;
    let event = event(&format!("{path}.properties"), record.properties, own_apps)?;
    Ok(Event { tenant: Some(tenant), ..event })
}

fn changes(target: &TargetResource) -> impl Iterator<Item = Change> {
    target.modified_properties.iter().flatten().filter_map(|property| {
        let property = ModifiedProperty::deserialize(property).ok()?;
        Some(Change::new(&property.display_name, &property.old_value, &property.new_value))
    })
}

/// Which application did it, where the event leaves no doubt that it was one and no person.
fn by_application(initiated_by: Option<&Value>, own_apps: &[String]) -> Option<Initiator> {
    let initiated_by = initiated_by?;
    if initiated_by.get("user").is_some_and(|user| !user.is_null()) {
        return None;
    }
    let app = initiated_by.get("app")?;
    match app.get("appId").filter(|id| !id.is_null()) {
        Some(id) => {
            let id = id.as_str()?;
            own_apps.iter().any(|own| own.eq_ignore_ascii_case(id)).then_some(Initiator::OurApp)
        }
        None => app.get("servicePrincipalId")?.as_str().and_then(guid).map(service_principal),
    }
}
