//! A record of the Office 365 Management Activity API.
//!
//! Sources: "Office 365 Management Activity API schema", common schema and Azure Active Directory
//! schema; how `Actor` and `Target` name one object several times over, as found in published
//! records.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Event;
use super::activity::Activity;
use super::value::{Change, guid, lenient, service_principal};
use crate::domain::id::TenantId;
use crate::domain::signal::Initiator;
use crate::domain::text;
use crate::wire::{Reject, shaped};

/// `IdentityType` of a user principal name.
const UPN: i64 = 5;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    operation: String,
    organization_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    creation_time: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    user_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    object_id: Option<String>,
    #[serde(default)]
    actor: Value,
    #[serde(default, deserialize_with = "lenient")]
    target: Option<Vec<Identity>>,
    #[serde(default, deserialize_with = "lenient")]
    modified_properties: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "lenient")]
    extended_properties: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Type", default)]
    kind: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ModifiedProperty {
    name: String,
    #[serde(default)]
    new_value: Value,
    #[serde(default)]
    old_value: Value,
}

/// Whether an item is such a record and nothing else.
pub(super) fn is_one(item: &Value) -> bool {
    item.get("Operation").is_some() && item.get("RecordType").is_some()
}

/// Reads one. Its operation tells whether it matters, whatever its record type: 8 is Microsoft
/// Entra, and what others do under these names is worth a look too.
pub(super) fn event(path: &str, item: Value, own_apps: &[String]) -> Result<Event, Reject> {
    let record: Record = shaped(path, item)?;
    let tenant = record.organization_id.as_deref().map(str::parse).transpose();
    let tenant: Option<TenantId> = tenant.map_err(|_| Reject::Malformed {
        path: format!("{path}.OrganizationId"),
        what: "not a tenant id".to_owned(),
    })?;
    let changes: Vec<Change> = record.changes().collect();
    Ok(Event {
        tenant,
        activity: Activity::new(&record.operation),
        category: record.category(),
        at: record.creation_time.as_deref().and_then(in_utc),
        object: record.object(&changes),
        principals: record.object(&changes).into_iter().collect(),
        id: record.id.as_deref().map(text::foreign),
        changes,
        initiator: record.by_application(own_apps),
    })
}

/// A moment without a zone is in UTC.
fn in_utc(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let moment: DateTime = text.parse().ok()?;
        Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

impl Record {
    fn changes(&self) -> impl Iterator<Item = Change> {
        self.modified_properties.iter().flatten().filter_map(|property| {
            let property = ModifiedProperty::deserialize(property).ok()?;
            Some(Change::new(&property.name, &property.old_value, &property.new_value))
        })
    }

    /// The audit category, which some records carry along.
    fn category(&self) -> Option<String> {
        let named = |property: &&Value| {
            let name = property.get("Name").and_then(Value::as_str);
            name.is_some_and(|name| name.eq_ignore_ascii_case("auditEventCategory"))
        };
        let property = self.extended_properties.iter().flatten().find(named)?;
        property.get("Value")?.as_str().map(str::to_owned)
    }

    /// Whom it is about: never the role, which is the same in many records.
    fn object(&self, changes: &[Change]) -> Option<String> {
        let target: Vec<&str> = self.target.iter().flatten().map(|it| it.id.as_str()).collect();
        let role = |change: &&Change| change.is("Role.ObjectID") || change.is("Role.TemplateId");
        let mut roles: Vec<Uuid> = changes.iter().filter(role).flat_map(Change::guids).collect();
        roles.extend(
            target
                .iter()
                .filter_map(|id| kind_and_guid(id))
                .filter_map(|(kind, id)| kind.eq_ignore_ascii_case("role").then_some(id)),
        );
        let guids = target
            .iter()
            .filter_map(|text| guid(text).or_else(|| kind_and_guid(text).map(|(_, id)| id)));
        let mut others = guids.filter(|id| !roles.contains(id));
        let object = self.object_id.as_deref().map(str::trim);
        let object = object.filter(|text| {
            let placeholder = text.is_empty() || text.eq_ignore_ascii_case("not available");
            !placeholder && !guid(text).is_some_and(|id| roles.contains(&id))
        });
        let upn = || self.target.iter().flatten().find(|it| it.kind == UPN).map(|it| &it.id);
        let guid = others.next().map(|id| id.to_string());
        guid.or_else(|| object.map(str::to_owned)).or_else(|| upn().cloned())
    }

    /// Which application did it, where the record leaves no doubt that it was one and no person.
    fn by_application(&self, own_apps: &[String]) -> Option<Initiator> {
        let actors: Option<Vec<Identity>> = Deserialize::deserialize(&self.actor).ok()?;
        let actors = actors.unwrap_or_default();
        let user = self.user_id.as_deref();
        let all = || actors.iter().map(|actor| actor.id.as_str()).chain(user);
        let kinds: Vec<(&str, Uuid)> = all().filter_map(kind_and_guid).collect();
        let is_application =
            |(kind, _): &(&str, Uuid)| kind.eq_ignore_ascii_case("ServicePrincipal");
        let person = actors.iter().any(|actor| actor.kind == UPN)
            || actors.iter().any(|actor| actor.id.eq_ignore_ascii_case("user"))
            || user.is_some_and(|user| user.contains('@'))
            || !kinds.iter().all(is_application);
        if person {
            return None;
        }
        if let Some((_, id)) = kinds.first() {
            return kinds.iter().all(|(_, other)| other == id).then(|| service_principal(*id));
        }
        let application = all().any(|id| id.eq_ignore_ascii_case("ServicePrincipal"));
        let ours = |id: &str| own_apps.iter().any(|own| own.eq_ignore_ascii_case(id.trim()));
        (application && all().any(ours)).then_some(Initiator::OurApp)
    }
}

/// `User_1cef1fdb-…` in its two parts.
fn kind_and_guid(text: &str) -> Option<(&str, Uuid)> {
    let (kind, id) = text.trim().split_once('_')?;
    Some((kind, guid(id)?))
}
