//! Administrative units, the parts of a tenant that a role can be limited to
//! (<https://learn.microsoft.com/graph/api/resources/administrativeunit>).

use serde::Deserialize;
use serde_json::json;

use super::graph::Ask;
use super::ids;
use super::objects::object;
use super::query::Object;
use super::reply::{GraphError, Reply};
use super::state::State;

/// An administrative unit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdministrativeUnit {
    /// Its `displayName`.
    pub name: String,
    /// Its id; derived from tenant and name when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// Its description.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether only its own members may see who is in it.
    #[serde(default)]
    pub hidden_membership: bool,
    /// Its members, by name or id.
    #[serde(default)]
    pub members: Vec<String>,
}

impl AdministrativeUnit {
    /// One with these members, by name or id.
    pub fn new(name: &str, members: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            id: None,
            description: None,
            hidden_membership: false,
            members: members.iter().map(|&member| member.to_owned()).collect(),
        }
    }

    pub(crate) fn id_in(&self, tenant: &str) -> String {
        match &self.id {
            Some(id) => id.to_ascii_lowercase(),
            None => ids::guid(&[tenant, "administrativeUnit", &self.name]),
        }
    }
}

const PROPERTIES: &[&str] = &[
    "id",
    "deletedDateTime",
    "description",
    "displayName",
    "isMemberManagementRestricted",
    "membershipRule",
    "membershipRuleProcessingState",
    "membershipType",
    "visibility",
];

/// `GET directory/administrativeUnits`.
pub(crate) fn list(state: &State, tenant: &str, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    ask.query.filter_on(&[])?;
    let units = directory.units.iter().map(|(id, unit)| unit_json(id, unit));
    ask.list(&state.settings, "directory/administrativeUnits", PROPERTIES, units)
}

/// `GET directory/administrativeUnits/{id}`.
pub(crate) fn unit(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let found = directory.units.get_key_value(&id.to_ascii_lowercase());
    let (id, unit) = found.ok_or_else(|| GraphError::not_found(id))?;
    let item = ask.query.choose(unit_json(id, unit), PROPERTIES)?;
    Ok(ask.item("directory/administrativeUnits", item))
}

/// A unit among objects of other types.
pub(crate) fn typed_json(id: &str, unit: &AdministrativeUnit) -> Object {
    let mut typed = object(json!({ "@odata.type": "#microsoft.graph.administrativeUnit" }));
    typed.extend(unit_json(id, unit));
    typed
}

fn unit_json(id: &str, unit: &AdministrativeUnit) -> Object {
    object(json!({
        "id": id,
        "deletedDateTime": null,
        "description": unit.description,
        "displayName": unit.name,
        "isMemberManagementRestricted": false,
        "membershipRule": null,
        "membershipRuleProcessingState": null,
        "membershipType": null,
        "visibility": unit.hidden_membership.then_some("HiddenMembership"),
    }))
}
