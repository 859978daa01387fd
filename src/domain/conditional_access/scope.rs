//! Whom a policy is for.

use std::str::FromStr as _;

use uuid::Uuid;

use super::policy::{ExternalTenants, GuestsOrExternalUsers, Read, Users, unknown};
use super::{DirectoryUser, ServiceProvider, SignInIdentity, UserKind};
use crate::domain::id::{PartnerId, PrincipalId};
use crate::domain::role::RoleTemplateId;

/// Whether a part of a policy concerns somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    /// It does, by what is named.
    Yes(String),
    /// It does not.
    No,
    /// It cannot be told, because of what is named.
    Maybe(String),
}

impl Match {
    fn yes(by: &str) -> Self {
        Self::Yes(by.to_owned())
    }

    fn maybe(why: &str) -> Self {
        Self::Maybe(why.to_owned())
    }

    /// Any one of them is enough.
    fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut whole = Self::No;
        for part in parts {
            match (&whole, part) {
                (_, Self::Yes(by)) => return Self::Yes(by),
                (Self::No, maybe @ Self::Maybe(_)) => whole = maybe,
                (_, _) => {}
            }
        }
        whole
    }

    /// Both must hold; the first tells how.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Maybe(why), _) | (Self::Yes(_), Self::Maybe(why)) => Self::Maybe(why),
            (Self::Yes(by), Self::Yes(_)) => Self::Yes(by),
        }
    }
}

/// One side of the users of a policy: those included, or those excluded.
struct Side<'a> {
    users: &'a [String],
    groups: &'a [String],
    roles: &'a [String],
    guests: Option<&'a Read<GuestsOrExternalUsers>>,
}

/// Whether a policy includes somebody.
pub(super) fn includes(users: &Users, who: &SignInIdentity<'_>) -> Match {
    let side = Side {
        users: &users.include_users,
        groups: &users.include_groups,
        roles: &users.include_roles,
        guests: users.include_guests_or_external_users.as_ref(),
    };
    side.concerns(who)
}

/// Whether a policy excludes somebody, which beats including them.
pub(super) fn excludes(users: &Users, who: &SignInIdentity<'_>) -> Match {
    let side = Side {
        users: &users.exclude_users,
        groups: &users.exclude_groups,
        roles: &users.exclude_roles,
        guests: users.exclude_guests_or_external_users.as_ref(),
    };
    let unknown =
        unknown(&users.rest).map(|_| Match::maybe("people named in a way that is not understood"));
    let parts = [side.concerns(who), activated(side.roles, who)];
    Match::any(parts.into_iter().chain(unknown))
}

impl Side<'_> {
    fn concerns(&self, who: &SignInIdentity<'_>) -> Match {
        let guests = self.guests.map_or(Match::No, |guests| match guests {
            Read::Known(guests) => external_users(guests, who),
            Read::Other(_) => Match::maybe("external users named in a way that is not understood"),
        });
        let users = self.users.iter().map(|name| user(name, who));
        Match::any(users.chain([groups(self.groups, who), roles(self.roles, who), guests]))
    }
}

fn user(name: &str, who: &SignInIdentity<'_>) -> Match {
    if name.eq_ignore_ascii_case("All") {
        return Match::yes("all users");
    }
    if name.eq_ignore_ascii_case("None") {
        return Match::No;
    }
    if name.eq_ignore_ascii_case("GuestsOrExternalUsers") {
        return match who {
            SignInIdentity::ServiceProvider(_) => Match::yes("all guests and external users"),
            SignInIdentity::User(user) => match user.kind {
                Some(UserKind::Member) => Match::No,
                Some(_) => Match::yes("all guests and external users"),
                None => Match::maybe(
                    "all guests and external users, and whether the account is one is not known",
                ),
            },
        };
    }
    if Uuid::try_parse(name.trim()).is_err() {
        return Match::maybe("users named in a way that is not understood");
    }
    match who {
        SignInIdentity::User(user) if *user.id == PrincipalId::new(name) => {
            Match::yes("this account by name")
        }
        SignInIdentity::User(_) | SignInIdentity::ServiceProvider(_) => Match::No,
    }
}

fn groups(ids: &[String], who: &SignInIdentity<'_>) -> Match {
    let SignInIdentity::User(user) = who else { return Match::No };
    match user.groups {
        _ if ids.is_empty() => Match::No,
        Some(groups) if ids.iter().any(|id| groups.contains(&PrincipalId::new(id))) => {
            Match::yes("a group the account is in")
        }
        Some(_) => Match::No,
        None => Match::maybe("groups, and which groups the account is in is not known"),
    }
}

/// Built-in roles held actively and for the whole directory count. A partner's technicians hold
/// theirs elsewhere: leaving out Global Administrator is known to let older delegated admin
/// privileges through (Azure Identity Support blog of Microsoft Japan, 2022-07-25), and of the
/// granular ones nothing is documented.
fn roles(ids: &[String], who: &SignInIdentity<'_>) -> Match {
    if ids.is_empty() {
        return Match::No;
    }
    let held = match who {
        SignInIdentity::ServiceProvider(provider) => provider.roles,
        SignInIdentity::User(user) => user.roles,
    };
    let Some(held) = held else {
        return Match::maybe("holders of certain roles, and which roles are held is not known");
    };
    let Ok(ids) =
        ids.iter().map(|id| RoleTemplateId::from_str(id.trim())).collect::<Result<Vec<_>, _>>()
    else {
        return Match::maybe("roles named in a way that is not understood");
    };
    let Some(role) = ids.iter().find(|id| held.contains(id)) else { return Match::No };
    let name = name_of(*role);
    match who {
        SignInIdentity::User(_) => Match::Yes(format!("holders of the role {name}")),
        SignInIdentity::ServiceProvider(_) => Match::Maybe(format!(
            "holders of the role {name}, and Microsoft does not say whether a partner's technicians count"
        )),
    }
}

/// Whether somebody may come to hold one of these roles by activating it.
fn activated(ids: &[String], who: &SignInIdentity<'_>) -> Match {
    let SignInIdentity::User(user) = who else { return Match::No };
    match user.may_activate {
        _ if ids.is_empty() => Match::No,
        None => {
            Match::maybe("holders of certain roles, and which roles may be activated is not known")
        }
        Some(roles) => {
            let named = |role: &&RoleTemplateId| {
                ids.iter().any(|id| RoleTemplateId::from_str(id.trim()) == Ok(**role))
            };
            roles.iter().find(named).map_or(Match::No, |role| {
                Match::Maybe(format!(
                    "holders of the role {}, which the account may activate",
                    name_of(*role)
                ))
            })
        }
    }
}

fn name_of(role: RoleTemplateId) -> &'static str {
    crate::domain::role::by_id(role).map_or("a certain role", |role| role.name)
}

/// Members of `conditionalAccessGuestOrExternalUserTypes`: what the portal calls all guests and
/// external users.
const TYPES: &[&str] = &[
    "internalGuest",
    "b2bCollaborationGuest",
    "b2bCollaborationMember",
    "b2bDirectConnectUser",
    OTHER_EXTERNAL_USER,
    SERVICE_PROVIDER,
];
const OTHER_EXTERNAL_USER: &str = "otherExternalUser";
const SERVICE_PROVIDER: &str = "serviceProvider";

/// The types a policy names.
struct Types<'a>(Vec<&'a str>);

impl<'a> Types<'a> {
    fn of(guests: &'a GuestsOrExternalUsers) -> Self {
        let text = guests.guest_or_external_user_types.as_deref().unwrap_or_default();
        Self(text.split(',').map(str::trim).filter(|kind| !matches!(*kind, "" | "none")).collect())
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    fn has_kind(&self, kind: UserKind) -> bool {
        match kind {
            UserKind::Member => false,
            UserKind::InternalGuest => self.has("internalGuest"),
            UserKind::B2bCollaborationGuest => self.has("b2bCollaborationGuest"),
            UserKind::B2bCollaborationMember => self.has("b2bCollaborationMember"),
        }
    }

    /// What follows where no type that is understood fits.
    fn otherwise(&self) -> Match {
        if self.0.iter().all(|name| TYPES.contains(name)) {
            Match::No
        } else {
            Match::maybe("a kind of external users that is not understood")
        }
    }

    fn service_provider(&self, provider: &ServiceProvider<'_>) -> Match {
        let all = TYPES.iter().all(|name| self.has(name));
        if all || (self.has(SERVICE_PROVIDER) && provider.is_flagged) {
            return Match::yes("service provider users of this partner");
        }
        if !provider.is_flagged && (self.has(SERVICE_PROVIDER) || self.has(OTHER_EXTERNAL_USER)) {
            return Match::maybe(
                "service provider users, and the cross-tenant access settings do not have the partner as one",
            );
        }
        self.otherwise()
    }

    fn user(&self, user: &DirectoryUser<'_>) -> Match {
        match user.kind {
            Some(kind) if self.has_kind(kind) => Match::yes("guest users of this partner"),
            Some(UserKind::Member) => Match::No,
            None if !self.0.is_empty() && self.0 != [SERVICE_PROVIDER] => {
                Match::maybe("kinds of external users, and whether the account is one is not known")
            }
            Some(_) | None => self.otherwise(),
        }
    }
}

fn external_users(guests: &GuestsOrExternalUsers, who: &SignInIdentity<'_>) -> Match {
    let types = Types::of(guests);
    let whole = match who {
        SignInIdentity::ServiceProvider(provider) => {
            let of = tenants(guests.external_tenants.as_ref(), Some(provider.partner));
            types.service_provider(provider).and(of)
        }
        SignInIdentity::User(user) => {
            let of = if user.kind == Some(UserKind::InternalGuest) {
                here(guests.external_tenants.as_ref())
            } else {
                tenants(guests.external_tenants.as_ref(), user.home)
            };
            types.user(user).and(of)
        }
    };
    let unknown = unknown(&guests.rest)
        .next()
        .map(|_| Match::maybe("external users by a condition that is not understood"));
    match unknown {
        Some(unknown) => whole.and(unknown),
        None => whole,
    }
}

/// Whether tenants are all tenants; nothing where that cannot be told.
fn are_all(tenants: &ExternalTenants) -> Option<bool> {
    if unknown(&tenants.rest).next().is_some() {
        return None;
    }
    let kind = tenants.membership_kind.as_deref().or_else(|| {
        match tenants.rest.get("@odata.type")?.as_str()? {
            "#microsoft.graph.conditionalAccessAllExternalTenants" => Some("all"),
            "#microsoft.graph.conditionalAccessEnumeratedExternalTenants" => Some("enumerated"),
            _ => None,
        }
    });
    match kind? {
        "all" => Some(true),
        "enumerated" => Some(false),
        _ => None,
    }
}

fn tenants(tenants: Option<&Read<ExternalTenants>>, home: Option<PartnerId>) -> Match {
    const OPEN: &str = "external users of tenants that are named in a way that is not understood";
    let Some(Read::Known(tenants)) = tenants else { return Match::maybe(OPEN) };
    match (are_all(tenants), home) {
        (Some(true), _) => Match::yes("all tenants"),
        (Some(false), Some(home)) => {
            let ids: Vec<_> = tenants.members.iter().map(|id| PartnerId::from_str(id)).collect();
            if ids.contains(&Ok(home)) {
                Match::yes("this tenant")
            } else if ids.iter().any(Result::is_err) {
                Match::maybe(OPEN)
            } else {
                Match::No
            }
        }
        (Some(false), None) => Match::maybe(
            "external users of certain tenants, and where the account comes from is not known",
        ),
        (None, _) => Match::maybe(OPEN),
    }
}

/// Guests that sign in here come from no other tenant.
fn here(tenants: Option<&Read<ExternalTenants>>) -> Match {
    match tenants {
        None => Match::yes("this tenant"),
        Some(Read::Known(tenants)) if are_all(tenants) == Some(true) => Match::yes("all tenants"),
        Some(_) => Match::maybe("guests by their home tenant, which local guests do not have"),
    }
}
