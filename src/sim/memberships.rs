//! Who is in a group through other groups, and what a user belongs to
//! (<https://learn.microsoft.com/graph/api/group-list-transitivemembers>,
//! <https://learn.microsoft.com/graph/api/user-list-transitivememberof>).

use std::collections::{BTreeSet, HashSet};

use serde_json::{Value, json};

use super::administrative_units;
use super::directory::Directory;
use super::graph::Ask;
use super::ids;
use super::objects::{self, object};
use super::principal::PrincipalKind;
use super::query::{Object, Place, page};
use super::reply::{GraphError, Reply};
use super::state::{Settings, State};

/// One object of a collection of mixed types.
struct Found {
    kind: Kind,
    full: Object,
}

/// The types that such a collection can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    User,
    Group,
    ServicePrincipal,
    DirectoryRole,
    AdministrativeUnit,
}

impl Kind {
    fn of(kind: PrincipalKind) -> Option<Self> {
        match kind {
            PrincipalKind::Member | PrincipalKind::Guest => Some(Self::User),
            PrincipalKind::Group => Some(Self::Group),
            PrincipalKind::ServicePrincipal => Some(Self::ServicePrincipal),
            PrincipalKind::PartnerGroup => None,
        }
    }

    /// The type a path segment casts to.
    fn cast(segment: &str) -> Option<Self> {
        match segment {
            "microsoft.graph.user" => Some(Self::User),
            "microsoft.graph.group" => Some(Self::Group),
            "microsoft.graph.servicePrincipal" => Some(Self::ServicePrincipal),
            "microsoft.graph.directoryRole" => Some(Self::DirectoryRole),
            "microsoft.graph.administrativeUnit" => Some(Self::AdministrativeUnit),
            _ => None,
        }
    }

    fn odata_type(self) -> &'static str {
        match self {
            Self::User => "#microsoft.graph.user",
            Self::Group => "#microsoft.graph.group",
            Self::ServicePrincipal => "#microsoft.graph.servicePrincipal",
            Self::DirectoryRole => "#microsoft.graph.directoryRole",
            Self::AdministrativeUnit => "#microsoft.graph.administrativeUnit",
        }
    }

    fn collection(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Group => "groups",
            Self::ServicePrincipal => "servicePrincipals",
            Self::DirectoryRole => "directoryRoles",
            Self::AdministrativeUnit => "administrativeUnits",
        }
    }

    fn defaults(self) -> Option<&'static [&'static str]> {
        match self {
            Self::User => Some(objects::defaults(PrincipalKind::Member)),
            Self::Group => Some(objects::defaults(PrincipalKind::Group)),
            Self::ServicePrincipal => Some(objects::defaults(PrincipalKind::ServicePrincipal)),
            Self::DirectoryRole | Self::AdministrativeUnit => None,
        }
    }

    /// The permissions of which one is needed to see more of an object than its id.
    fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::User => &["User.Read.All", "Directory.Read.All"],
            Self::Group => &["Group.Read.All", "GroupMember.Read.All", "Directory.Read.All"],
            Self::ServicePrincipal => &["Application.Read.All", "Directory.Read.All"],
            Self::DirectoryRole => &[
                "RoleManagement.Read.Directory",
                "RoleManagement.ReadWrite.Directory",
                "Directory.Read.All",
            ],
            Self::AdministrativeUnit => &["AdministrativeUnit.Read.All", "Directory.Read.All"],
        }
    }
}

/// `GET groups/{id}/transitiveMembers`, with a cast to one type or without.
pub(crate) fn transitive_members(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
    cast: Option<&str>,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let (group, _) = objects::own_group(directory, id)?;
    let mut found: Vec<&str> = Vec::new();
    let mut seen = HashSet::from([group.as_str()]);
    let mut level = vec![group.as_str()];
    while let Some(group) = level.pop() {
        let members = directory.principals.get(group).map(|group| &group.members);
        for member in members.into_iter().flatten() {
            if seen.insert(member) {
                found.push(member);
                level.push(member);
            }
        }
    }
    let found = found.into_iter().filter_map(|id| principal(directory, id)).collect();
    answer(&state.settings, ask, found, cast)
}

/// `GET users/{id or sign-in name}/transitiveMemberOf`, with a cast to one type or without.
pub(crate) fn transitive_member_of(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
    cast: Option<&str>,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let (user, _) = objects::own_user(directory, id)?;
    let mut holders = vec![user.as_str()];
    let mut next = 0;
    while let Some(member) = holders.get(next).copied() {
        next += 1;
        for (id, group) in &directory.principals {
            let inside = group.members.iter().any(|it| it == member);
            if inside && !holders.contains(&id.as_str()) {
                holders.push(id);
            }
        }
    }
    let groups = holders.iter().skip(1).filter_map(|id| principal(directory, id));
    let found = groups.chain(roles(directory, &holders)).chain(units(directory, user));
    answer(&state.settings, ask, found.collect(), cast)
}

fn principal(directory: &Directory, id: &str) -> Option<Found> {
    let (id, principal) = directory.principals.get_key_value(id)?;
    Some(Found { kind: Kind::of(principal.kind)?, full: objects::full(id, principal) })
}

/// The roles that any of these hold over the whole tenant, as `directoryRole`s: those have ids of
/// their own.
fn roles(directory: &Directory, holders: &[&str]) -> Vec<Found> {
    let held = directory
        .in_force()
        .filter(|held| held.scope == "/" && holders.iter().any(|holder| *holder == held.principal));
    let ids: BTreeSet<&str> = held.map(|held| held.role.as_str()).collect();
    let roles = ids.into_iter().filter_map(|id| Some((id, directory.roles.get(id)?)));
    let found = roles.filter(|(_, role)| role.built_in).map(|(id, role)| Found {
        kind: Kind::DirectoryRole,
        full: object(json!({
            "id": ids::guid(&[&directory.id, "directoryRole", id]),
            "deletedDateTime": null,
            "description": role.name,
            "displayName": role.name,
            "roleTemplateId": id,
        })),
    });
    found.collect()
}

fn units(directory: &Directory, user: &str) -> Vec<Found> {
    let of = directory.units.iter().filter(|(_, unit)| unit.members.iter().any(|it| it == user));
    let found = of.map(|(id, unit)| Found {
        kind: Kind::AdministrativeUnit,
        full: administrative_units::typed_json(id, unit),
    });
    found.collect()
}

/// A cast is one of the advanced queries
/// (<https://learn.microsoft.com/graph/aad-advanced-queries>).
fn answer(
    settings: &Settings,
    ask: &Ask<'_>,
    mut found: Vec<Found>,
    cast: Option<&str>,
) -> Result<Reply, GraphError> {
    ask.query.filter_on(&[])?;
    let mut collection = "directoryObjects";
    if let Some(segment) = cast {
        let kind = Kind::cast(segment).ok_or_else(|| {
            GraphError::bad_request(format!("Resource not found for the segment '{segment}'."))
        })?;
        if !ask.advanced() {
            return Err(GraphError::unsupported(
                "The OData cast is only supported with the request header 'ConsistencyLevel: \
                 eventual' and the query parameter '$count=true'.",
            ));
        }
        found.retain(|it| it.kind == kind);
        collection = kind.collection();
    }
    let total = found.len();
    let after = ask.query.from.map_or(0, |place| place.after);
    let rest = (1..).zip(found).filter(|(number, _)| *number > after);
    let (found, last) = page(rest, ask.size(settings));
    let items = found.into_iter().map(|it| shown(ask, it, cast.is_some()));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    let next = last.map(|after| Place { read: 0, after });
    Ok(ask.counted(collection, &items, next, total))
}

/// An object as the one who asks may see it: of a type that the permissions do not cover, only
/// type and id are told, and everything else is null
/// (<https://learn.microsoft.com/graph/permissions-overview>, "Limited information returned for
/// inaccessible member objects").
fn shown(ask: &Ask<'_>, found: Found, cast: bool) -> Result<Object, GraphError> {
    let Found { kind, mut full } = found;
    let may = kind.permissions().iter().any(|name| ask.roles.iter().any(|role| role == name));
    if !may {
        let hidden = full.iter_mut().filter(|(name, _)| *name != "id" && !name.starts_with('@'));
        hidden.for_each(|(_, value)| *value = Value::Null);
    }
    let known: Vec<String> = full.keys().cloned().collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let defaults = kind.defaults().unwrap_or(&known);
    if cast {
        full.remove("@odata.type");
        return ask.query.project(full, defaults);
    }
    match &ask.query.select {
        // One type may have what another has not.
        Some(select) => full.retain(|name, _| select.contains(name)),
        None => full.retain(|name, _| defaults.contains(&name.as_str())),
    }
    let mut typed = object(json!({ "@odata.type": kind.odata_type() }));
    typed.extend(full.into_iter().filter(|(name, _)| !name.starts_with('@')));
    Ok(typed)
}
