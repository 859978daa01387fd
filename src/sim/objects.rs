//! Directory objects: `getByIds`, users, groups
//! (<https://learn.microsoft.com/graph/api/directoryobject-getbyids>).

use serde_json::{Value, json};

use super::administrative_units;
use super::directory::Directory;
use super::graph::Ask;
use super::moment::Moment;
use super::principal::{Principal, PrincipalKind};
use super::query::{Object, Place, Query, page};
use super::reply::{GraphError, Reply};
use super::state::State;

/// The type of an administrative unit.
const UNIT: &str = "administrativeUnit";

/// The most ids `getByIds` takes.
const MOST_IDS: usize = 1000;

/// What Graph returns of a user without `$select`; `userType` is not among it
/// (<https://learn.microsoft.com/graph/api/user-list>).
const USER_DEFAULTS: &[&str] = &[
    "id",
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];
const GROUP_DEFAULTS: &[&str] = &[
    "id",
    "description",
    "displayName",
    "groupTypes",
    "isAssignableToRole",
    "mail",
    "mailEnabled",
    "mailNickname",
    "securityEnabled",
    "visibility",
];
const SERVICE_PRINCIPAL_DEFAULTS: &[&str] = &[
    "id",
    "accountEnabled",
    "appDisplayName",
    "appId",
    "appOwnerOrganizationId",
    "displayName",
    "servicePrincipalType",
];
const PARTNER_DEFAULTS: &[&str] =
    &["id", "description", "displayName", "externalPartnerTenantId", "objectType"];

/// `POST directoryObjects/getByIds`. What is unknown or not of a wanted type is silently left
/// out; references to a partner come only if `types` names them.
pub(crate) fn by_ids(state: &State, tenant: &str, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let body: Value = serde_json::from_slice(&ask.asked.body)
        .map_err(|_| GraphError::bad_request("Unable to read JSON request payload."))?;
    let ids = texts(&body, "ids")?.unwrap_or_default();
    if ids.is_empty() || ids.len() > MOST_IDS {
        let message = format!("'ids' must hold between 1 and {MOST_IDS} ids.");
        return Err(GraphError::bad_request(message));
    }
    let types = texts(&body, "types")?;
    let found = ids.iter().filter_map(|id| {
        let id = id.to_ascii_lowercase();
        if let Some((id, unit)) = directory.units.get_key_value(&id) {
            let wanted = everything(types.as_deref()) || named(types.as_deref(), UNIT);
            return wanted.then(|| administrative_units::typed_json(id, unit));
        }
        let (id, principal) = directory.principals.get_key_value(&id)?;
        wanted(types.as_deref(), principal.kind).then(|| default_json(id, principal))
    });
    Ok(ask.collection("directoryObjects", &found.collect::<Vec<_>>(), None))
}

fn texts<'b>(body: &'b Value, name: &str) -> Result<Option<Vec<&'b str>>, GraphError> {
    let invalid = || GraphError::bad_request(format!("'{name}' must be a list of strings."));
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(list) => {
            let list = list.as_array().ok_or_else(invalid)?;
            let texts = list.iter().map(|item| item.as_str().ok_or_else(invalid));
            texts.collect::<Result<_, _>>().map(Some)
        }
    }
}

/// "If not specified, the default is directoryObject, which contains all of the resource types
/// defined in the directory, except for references to a Cloud Solution Provider partner".
fn everything(types: Option<&[&str]>) -> bool {
    types.is_none_or(<[_]>::is_empty) || named(types, "directoryObject")
}

fn named(types: Option<&[&str]>, name: &str) -> bool {
    types.is_some_and(|types| types.contains(&name))
}

fn wanted(types: Option<&[&str]>, kind: PrincipalKind) -> bool {
    let all = everything(types);
    let named = |name: &str| named(types, name);
    match kind {
        PrincipalKind::Member | PrincipalKind::Guest => all || named("user"),
        PrincipalKind::Group => all || named("group"),
        PrincipalKind::ServicePrincipal => all || named("servicePrincipal"),
        PrincipalKind::PartnerGroup => named("directoryObjectPartnerReference"),
    }
}

/// `GET users`.
pub(crate) fn users(state: &State, tenant: &str, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let fields = ["userType", "id", "accountEnabled", "mail", "userPrincipalName"];
    let filter = ask.query.filter_on(&fields)?;
    let same =
        |has: Option<&str>, value: &str| has.is_some_and(|it| it.eq_ignore_ascii_case(value));
    let is_wanted = |id: &str, user: &Principal| match filter {
        None => true,
        Some(("userType", kind)) => user_type(user).eq_ignore_ascii_case(kind),
        Some(("accountEnabled", value)) => user.account_enabled.to_string() == value,
        Some(("mail", value)) => same(user.mail.as_deref(), value),
        Some(("userPrincipalName", value)) => same(user.user_principal_name.as_deref(), value),
        Some((_, wanted)) => id.eq_ignore_ascii_case(wanted),
    };
    let after = ask.query.from.map_or(0, |place| place.after);
    let users = (1..).zip(&directory.principals).filter(|(n, (id, principal))| {
        *n > after && principal.is_user() && is_wanted(id, principal)
    });
    let (users, last) = page(users, ask.size(&state.settings));
    let items =
        users.into_iter().map(|(id, user)| ask.query.project(full(id, user), USER_DEFAULTS));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    Ok(ask.collection("users", &items, last.map(|after| Place { read: 0, after })))
}

/// `GET users/{id or sign-in name}`.
pub(crate) fn user(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let (key, user) = own_user(directory, id)?;
    Ok(ask.item("users", ask.query.project(full(key, user), USER_DEFAULTS)?))
}

/// A user by id or sign-in name.
pub(crate) fn own_user<'d>(
    directory: &'d Directory,
    id: &str,
) -> Result<(&'d String, &'d Principal), GraphError> {
    let named = |user: &Principal| {
        let name = user.user_principal_name.as_deref();
        name.is_some_and(|name| name.eq_ignore_ascii_case(id))
    };
    let mut users = directory.principals.iter().filter(|(_, principal)| principal.is_user());
    let found = users.find(|(key, user)| key.eq_ignore_ascii_case(id) || named(user));
    found.ok_or_else(|| GraphError::not_found(id))
}

/// `GET groups/{id}`. A partner's group is not a group here.
pub(crate) fn group(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let (key, group) = own_group(directory, id)?;
    Ok(ask.item("groups", ask.query.project(full(key, group), GROUP_DEFAULTS)?))
}

/// `GET groups/{id}/members`.
pub(crate) fn members(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let (_, group) = own_group(directory, id)?;
    let after = ask.query.from.map_or(0, |place| place.after);
    let members = (1..).zip(&group.members).filter_map(|(n, member)| {
        let member = directory.principals.get_key_value(member)?;
        (n > after).then_some((n, member))
    });
    let (members, last) = page(members, ask.size(&state.settings));
    let items = members.into_iter().map(|(id, member)| selected_json(&ask.query, id, member));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    Ok(ask.collection("directoryObjects", &items, last.map(|after| Place { read: 0, after })))
}

/// A group of the tenant itself.
pub(crate) fn own_group<'d>(
    directory: &'d Directory,
    id: &str,
) -> Result<(&'d String, &'d Principal), GraphError> {
    let found = directory.principals.get_key_value(&id.to_ascii_lowercase());
    let group = found.filter(|(_, principal)| principal.kind == PrincipalKind::Group);
    group.ok_or_else(|| GraphError::not_found(id))
}

/// An object as a collection of mixed types shows it.
pub(crate) fn default_json(id: &str, principal: &Principal) -> Object {
    let mut object = full(id, principal);
    object.retain(|name, _| defaults(principal.kind).contains(&name.as_str()));
    typed(principal.kind, object)
}

fn selected_json(query: &Query, id: &str, principal: &Principal) -> Result<Object, GraphError> {
    let object = query.project(full(id, principal), defaults(principal.kind))?;
    Ok(typed(principal.kind, object))
}

fn typed(kind: PrincipalKind, object: Object) -> Object {
    let name = match kind {
        PrincipalKind::Member | PrincipalKind::Guest => "#microsoft.graph.user",
        PrincipalKind::Group => "#microsoft.graph.group",
        PrincipalKind::ServicePrincipal => "#microsoft.graph.servicePrincipal",
        PrincipalKind::PartnerGroup => "#microsoft.graph.directoryObjectPartnerReference",
    };
    let mut typed = Object::new();
    typed.insert("@odata.type".to_owned(), Value::from(name));
    typed.extend(object);
    typed
}

/// What Graph shows of an object without `$select`.
pub(crate) fn defaults(kind: PrincipalKind) -> &'static [&'static str] {
    match kind {
        PrincipalKind::Member | PrincipalKind::Guest => USER_DEFAULTS,
        PrincipalKind::Group => GROUP_DEFAULTS,
        PrincipalKind::ServicePrincipal => SERVICE_PRINCIPAL_DEFAULTS,
        PrincipalKind::PartnerGroup => PARTNER_DEFAULTS,
    }
}

fn user_type(principal: &Principal) -> &'static str {
    if principal.kind == PrincipalKind::Guest { "Guest" } else { "Member" }
}

/// All that is known of an object.
pub(crate) fn full(id: &str, principal: &Principal) -> Object {
    object(match principal.kind {
        PrincipalKind::Member | PrincipalKind::Guest => user_json(id, principal),
        PrincipalKind::Group => json!({
            "id": id,
            "description": principal.description,
            "displayName": principal.name,
            "groupTypes": [],
            "isAssignableToRole": principal.is_assignable_to_role,
            "mail": null,
            "mailEnabled": false,
            "mailNickname": super::ids::label(&principal.name),
            "securityEnabled": true,
            "visibility": "Private",
        }),
        PrincipalKind::ServicePrincipal => json!({
            "id": id,
            "accountEnabled": principal.account_enabled,
            "appDisplayName": principal.name,
            "appId": principal.app_id,
            "appOwnerOrganizationId": principal.home_tenant,
            "displayName": principal.name,
            "servicePrincipalType": "Application",
        }),
        PrincipalKind::PartnerGroup => json!({
            "id": id,
            "description": principal.description,
            "displayName": principal.name,
            "externalPartnerTenantId": principal.home_tenant,
            "objectType": "group",
        }),
    })
}

fn user_json(id: &str, user: &Principal) -> Value {
    let guest = user.kind == PrincipalKind::Guest;
    let created = match user.created_date_time {
        Some(Moment::At(time)) => time.to_string(),
        Some(Moment::AfterStart(_)) | None => "2026-01-01T00:00:00Z".to_owned(),
    };
    let sessions = user.sessions_valid_from.map_or_else(|| created.clone(), |it| it.to_string());
    let invitation = if user.pending_acceptance { "PendingAcceptance" } else { "Accepted" };
    json!({
        "id": id,
        "accountEnabled": user.account_enabled,
        "businessPhones": [],
        "createdDateTime": created,
        "creationType": guest.then_some("Invitation"),
        "displayName": user.name,
        "externalUserState": guest.then_some(invitation),
        "givenName": null,
        "identities": identities(user),
        "jobTitle": null,
        "mail": user.mail,
        "mobilePhone": null,
        "officeLocation": null,
        "otherMails": user.mail.iter().collect::<Vec<_>>(),
        "preferredLanguage": null,
        "signInSessionsValidFromDateTime": sessions,
        "surname": null,
        "userPrincipalName": user.user_principal_name,
        "userType": user_type(user),
    })
}

/// How a user signs in (<https://learn.microsoft.com/graph/api/resources/objectidentity>).
fn identities(user: &Principal) -> Value {
    let name = user.user_principal_name.as_deref().unwrap_or_default();
    let domain = name.rsplit_once('@').map(|(_, domain)| domain);
    let own = json!({
        "signInType": "userPrincipalName", "issuer": domain, "issuerAssignedId": name,
    });
    if user.kind == PrincipalKind::Guest {
        let home = json!({
            "signInType": "federated", "issuer": "ExternalAzureAD", "issuerAssignedId": null,
        });
        json!([home, own])
    } else {
        json!([own])
    }
}

/// The object in a value built as one.
pub(crate) fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Object::new()
        }
    }
}
