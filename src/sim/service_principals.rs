//! Service principals, and the application permissions they were granted
//! (<https://learn.microsoft.com/graph/api/resources/serviceprincipal>).

use serde::Deserialize;
use serde_json::{Value, json};

use super::directory::Directory;
use super::graph::Ask;
use super::ids;
use super::objects::{self, object};
use super::principal::{Principal, PrincipalKind};
use super::query::{Object, Place, page};
use super::reply::{GraphError, Reply};
use super::scenario::ScenarioError;
use super::state::State;

/// The application that Microsoft Graph is.
pub(crate) const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";
const GRAPH_NAME: &str = "Microsoft Graph";

/// The tenant that owns Microsoft's own applications (Microsoft Entra documentation, "Verify
/// first-party Microsoft applications in sign-in reports").
pub(crate) const MICROSOFT_SERVICES: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";

/// Some application permissions of Microsoft Graph
/// (<https://learn.microsoft.com/graph/permissions-reference>).
const GRAPH_ROLES: &[(&str, &str)] = &[
    ("RoleManagement.ReadWrite.Directory", "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"),
    ("RoleManagement.Read.Directory", "483bed4a-2ad3-4361-a73b-c83ccdbdc53c"),
    ("AppRoleAssignment.ReadWrite.All", "06b708a9-e830-4db3-a914-8e69da51d44f"),
    ("Application.ReadWrite.All", "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"),
    ("Application.Read.All", "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30"),
    ("Directory.ReadWrite.All", "19dbc75e-c2e2-444c-a770-ec69d8559fc7"),
    ("Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61"),
    ("Group.ReadWrite.All", "62a82d76-70ea-41e2-9197-370581804d09"),
    ("Policy.ReadWrite.CrossTenantAccess", "338163d7-f101-4c92-94ba-ca46fe52447c"),
    ("Policy.Read.All", "246dd0d5-5bd0-4def-940b-0421030a5b68"),
    ("User.Read.All", "df021288-bdef-4463-88db-98f22de89214"),
    ("AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da"),
];

/// An application permission that a service principal was granted
/// (<https://learn.microsoft.com/graph/api/resources/approleassignment>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppRoleAssignment {
    /// The service principal, by name or id.
    pub principal: String,
    /// The permission: its id, or the name of one of Microsoft Graph's.
    pub app_role: String,
    /// The service principal whose permission it is, by name or id; Microsoft Graph's, which every
    /// tenant with such a grant has, when absent.
    #[serde(default)]
    pub resource: Option<String>,
}

impl AppRoleAssignment {
    /// A permission of Microsoft Graph.
    pub fn of_graph(principal: &str, permission: &str) -> Self {
        let (principal, app_role) = (principal.to_owned(), permission.to_owned());
        Self { principal, app_role, resource: None }
    }
}

/// A permission granted: who has it, whose it is, which it is.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) principal: String,
    pub(crate) resource: String,
    pub(crate) app_role: String,
    /// What tells it from the same that was granted before: each time it gets a new id.
    pub(crate) granted: String,
}

impl Grant {
    /// The id of its `appRoleAssignment`.
    pub(crate) fn id(&self) -> String {
        let Self { principal, resource, app_role, granted } = self;
        ids::token(&["appRoleAssignment", principal, resource, app_role, granted])
    }

    /// Whether both give the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.principal == other.principal
            && self.resource == other.resource
            && self.app_role == other.app_role
    }

    /// What an assignment of the scenario comes to; Microsoft Graph appears with its first grant.
    pub(crate) fn new(
        directory: &mut Directory,
        given: &AppRoleAssignment,
    ) -> Result<Self, ScenarioError> {
        let resource = match &given.resource {
            Some(resource) => directory.principal_id(resource)?,
            None => graph(directory)?,
        };
        let named = GRAPH_ROLES.iter().find(|(name, _)| *name == given.app_role);
        let app_role = match named {
            Some((_, id)) => (*id).to_owned(),
            None if ids::is_guid(&given.app_role) => given.app_role.to_ascii_lowercase(),
            None => {
                let what = format!("there is no application permission {:?}", given.app_role);
                return Err(ScenarioError::new(&directory.name, what));
            }
        };
        let principal = directory.principal_id(&given.principal)?;
        Ok(Self { principal, resource, app_role, granted: String::new() })
    }
}

/// Microsoft Graph's own service principal in a tenant.
fn graph(directory: &mut Directory) -> Result<String, ScenarioError> {
    let mut all = directory.principals.iter();
    let there = all.find(|(_, it)| it.app_id.as_deref() == Some(GRAPH_APP));
    if let Some((id, _)) = there {
        return Ok(id.clone());
    }
    directory.admit(Principal::service_principal(GRAPH_NAME, GRAPH_APP, MICROSOFT_SERVICES))
}

const PROPERTIES: &[&str] = &[
    "id",
    "deletedDateTime",
    "appRoleId",
    "createdDateTime",
    "principalDisplayName",
    "principalId",
    "principalType",
    "resourceDisplayName",
    "resourceId",
];

/// `GET servicePrincipals`. `appOwnerOrganizationId` is an `Edm.Guid`, so its value has no quotes,
/// and a filter on it is an advanced query
/// (<https://learn.microsoft.com/graph/filter-query-parameter>,
/// <https://learn.microsoft.com/graph/aad-advanced-queries>).
pub(crate) fn list(state: &State, tenant: &str, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let owner = match &ask.query.filter {
        Some(filter) if filter.field == "appOwnerOrganizationId" && !filter.ge => {
            if !filter.guid {
                return Err(GraphError::bad_request(
                    "A binary operator with incompatible types was detected. Found operand types \
                     'Edm.Guid' and 'Edm.String' for operator kind 'Equal'.",
                ));
            }
            if !ask.advanced() {
                return Err(GraphError::unsupported(
                    "Unsupported or invalid query filter clause specified for property \
                     'appOwnerOrganizationId' of resource 'ServicePrincipal'.",
                ));
            }
            Some(filter.value.as_str())
        }
        _ => None,
    };
    let app = if owner.is_some() { None } else { ask.query.filter_on(&["appId"])? };
    let same = |has: Option<&String>, wanted: &str| {
        has.is_some_and(|has| has.eq_ignore_ascii_case(wanted))
    };
    let wanted = |it: &Principal| {
        it.kind == PrincipalKind::ServicePrincipal
            && owner.is_none_or(|owner| same(it.home_tenant.as_ref(), owner))
            && app.is_none_or(|(_, app)| same(it.app_id.as_ref(), app))
    };
    let found: Vec<_> = directory.principals.iter().filter(|(_, it)| wanted(it)).collect();
    let total = found.len();
    let after = ask.query.from.map_or(0, |place| place.after);
    let rest = (1..).zip(found).filter(|(number, _)| *number > after);
    let (found, last) = page(rest, ask.size(&state.settings));
    let items = found.into_iter().map(|(id, it)| shown(ask, id, it));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    let next = last.map(|after| Place { read: 0, after });
    Ok(ask.counted("servicePrincipals", &items, next, total))
}

/// `GET servicePrincipals/{id}`.
pub(crate) fn item(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let (id, principal) = own(directory, id)?;
    Ok(ask.item("servicePrincipals", shown(ask, id, principal)?))
}

/// `GET servicePrincipals/{id}/appRoleAssignments`
/// (<https://learn.microsoft.com/graph/api/serviceprincipal-list-approleassignments>).
pub(crate) fn app_role_assignments(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let (id, _) = own(directory, id)?;
    ask.query.filter_on(&[])?;
    let grants = directory.grants.iter().filter(|grant| grant.principal == *id);
    let items = grants.map(|grant| grant_json(directory, grant));
    ask.list(&state.settings, "appRoleAssignments", PROPERTIES, items)
}

pub(crate) fn own<'d>(
    directory: &'d Directory,
    id: &str,
) -> Result<(&'d String, &'d Principal), GraphError> {
    let found = directory.principals.get_key_value(&id.to_ascii_lowercase());
    let own = found.filter(|(_, it)| it.kind == PrincipalKind::ServicePrincipal);
    own.ok_or_else(|| GraphError::not_found(id))
}

fn shown(ask: &Ask<'_>, id: &str, principal: &Principal) -> Result<Object, GraphError> {
    let mut full = objects::full(id, principal);
    full.insert("appRoles".to_owned(), app_roles(principal));
    ask.query.project(full, objects::defaults(PrincipalKind::ServicePrincipal))
}

/// The permissions that an application offers
/// (<https://learn.microsoft.com/graph/api/resources/approle>).
fn app_roles(principal: &Principal) -> Value {
    let graph = principal.app_id.as_deref() == Some(GRAPH_APP);
    let roles = GRAPH_ROLES.iter().filter(|_| graph).map(|(value, id)| {
        json!({
            "allowedMemberTypes": ["Application"],
            "description": value,
            "displayName": value,
            "id": id,
            "isEnabled": true,
            "origin": "Application",
            "value": value,
        })
    });
    roles.collect()
}

pub(crate) fn grant_json(directory: &Directory, grant: &Grant) -> Object {
    let Grant { principal, resource, app_role, .. } = grant;
    let name = |id: &str| directory.principals.get(id).map(|it| it.name.as_str());
    object(json!({
        "id": grant.id(),
        "deletedDateTime": null,
        "appRoleId": app_role,
        "createdDateTime": "2026-01-01T00:00:00Z",
        "principalDisplayName": name(principal),
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": name(resource),
        "resourceId": resource,
    }))
}
