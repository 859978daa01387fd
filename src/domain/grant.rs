//! Facts to Grants: who among the role holders is a partner's, and how that is known.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::{DirectoryObject, Facts, Part, PartnerReference, RoleAssignment, User};
use super::id::{AssignmentId, PartnerId, PrincipalId, Sha256Hex, TenantId};
use super::role::{self, RoleTemplateId};
use super::roster::{AffectedPartner, Tenant};
use super::text;

/// One way in which one principal of a partner holds one role.
///
/// The tenant's own people never appear in a grant, so no finding and no step can be about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The partner it is laid to.
    pub partner: AffectedPartner,
    /// By what it holds the role.
    #[serde(flatten)]
    pub held: Held,
    /// Who holds it.
    pub principal: PrincipalId,
    /// What kind of principal that is.
    pub kind: PrincipalKind,
    /// The principal's name, fit to show.
    pub principal_name: String,
    /// The user principal name, for accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_principal_name: Option<String>,
    /// The application's id, for applications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The role.
    pub role: Role,
    /// Where it holds; `/` is the whole directory.
    pub scope: String,
    /// When it ends by itself; nothing where it has no end or none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Whether its holder was eligible and activated it for a few hours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub activated: bool,
}

/// By what a role is held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Held {
    /// By being in a group of the tenant's own that holds it, directly or through other groups.
    ThroughGroup {
        /// The assignment, or the eligibility, of the group.
        through: AssignmentId,
        /// The group.
        group: PrincipalId,
        /// Its name, fit to show.
        group_name: String,
        /// Whether the group may only activate it.
        #[serde(default)]
        eligible: bool,
    },
    /// It may be activated.
    Eligible {
        /// `unifiedRoleEligibilityScheduleInstance`.
        eligibility: AssignmentId,
    },
    /// By a schedule of Privileged Identity Management that no role assignment shows.
    Scheduled {
        /// `unifiedRoleAssignmentScheduleInstance`.
        schedule: AssignmentId,
    },
    /// An application permission, not a directory role.
    AppRole {
        /// `appRoleAssignment`.
        app_role: AssignmentId,
    },
    /// By a role assignment of its own.
    Assignment {
        /// `unifiedRoleAssignment`.
        assignment: AssignmentId,
    },
}

impl Held {
    /// The id of what gives the role.
    pub fn id(&self) -> &AssignmentId {
        match self {
            Self::ThroughGroup { through: id, .. }
            | Self::Eligible { eligibility: id }
            | Self::Scheduled { schedule: id }
            | Self::AppRole { app_role: id }
            | Self::Assignment { assignment: id } => id,
        }
    }

    /// The part of the tenant in which it would be seen that this is gone.
    pub fn part(&self) -> Part {
        match self {
            Self::ThroughGroup { .. } => Part::GroupMembers,
            Self::Eligible { .. } => Part::EligibleSchedules,
            Self::Scheduled { .. } => Part::ActiveSchedules,
            Self::AppRole { .. } => Part::PartnerApps,
            Self::Assignment { .. } => Part::RoleAssignments,
        }
    }
}

/// How a partner's principal stands in the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrincipalKind {
    /// A group (or other object) of the partner's own directory, by delegated administration.
    ForeignGroup,
    /// A guest account of the partner's people.
    Guest,
    /// An account of the tenant that the policy says was given to the partner.
    DedicatedAccount,
    /// An application registered in the partner's tenant.
    App,
    /// A principal of which it cannot be told whose it is.
    Unclassified,
}

/// A role as a grant names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// The definition.
    pub definition_id: String,
    /// The template, where it is a GUID as it should be.
    pub template_id: Option<RoleTemplateId>,
    /// The name to show.
    pub name: String,
    /// Whether it is privileged; nothing where nobody says.
    pub privileged: Option<bool>,
}

impl Grant {
    /// What stays the same as long as it is the same grant.
    pub fn key(&self) -> Sha256Hex {
        Sha256Hex::of_fields(&[
            &self.held.id().0,
            self.principal.as_str(),
            &self.role.definition_id.to_ascii_lowercase(),
            &self.scope,
        ])
    }

    /// The role assignment, where the role is held by one of its own: what a deletion names.
    pub fn assignment(&self) -> Option<&AssignmentId> {
        match &self.held {
            Held::Assignment { assignment } => Some(assignment),
            Held::ThroughGroup { .. }
            | Held::Eligible { .. }
            | Held::Scheduled { .. }
            | Held::AppRole { .. } => None,
        }
    }

    /// Whether `facts` show that it is held.
    pub fn is_seen_in(&self, facts: &Facts) -> bool {
        match &self.held {
            Held::Assignment { assignment } => {
                facts.assignments.iter().any(|held| held.id == *assignment)
            }
            Held::ThroughGroup { through, group, eligible, .. } => {
                let holds = if *eligible {
                    facts.eligible.iter().any(|held| held.id == *through)
                } else {
                    facts.assignments.iter().any(|held| held.id == *through)
                };
                let members = facts.members.get(group);
                holds && members.is_some_and(|all| all.iter().any(|m| m.id == self.principal))
            }
            Held::Eligible { eligibility } => facts.eligible.iter().any(|e| e.id == *eligibility),
            Held::Scheduled { schedule } => facts.active.iter().any(|held| held.id == *schedule),
            Held::AppRole { app_role } => {
                facts.apps.iter().flat_map(|app| &app.app_roles).any(|role| role.id == *app_role)
            }
        }
    }

    /// `AdminAgents` or `Alice (alice@…)`.
    pub fn holder(&self) -> String {
        match &self.user_principal_name {
            Some(upn) if *upn != self.principal_name => {
                format!("{} ({})", self.principal_name, text::foreign(upn))
            }
            _ => self.principal_name.clone(),
        }
    }

    /// The holder and how it belongs to the partner, between commas.
    pub fn introduced(&self) -> String {
        let holder = self.holder();
        let partner = &self.partner.name;
        match self.kind {
            PrincipalKind::ForeignGroup => {
                format!("{holder}, a principal of {partner}'s own directory,")
            }
            PrincipalKind::Guest => format!("{holder}, a guest of {partner},"),
            PrincipalKind::DedicatedAccount => format!("{holder}, an account given to {partner},"),
            PrincipalKind::App => format!("{holder}, an application of {partner},"),
            PrincipalKind::Unclassified => holder,
        }
    }

    /// Where it holds, for people; empty for the whole directory.
    pub fn scope_note(&self) -> String {
        if self.scope == "/" {
            String::new()
        } else {
            format!(" (scope {})", text::foreign(&self.scope))
        }
    }

    /// Whether the policy lets the partner hold this role at `now`.
    pub fn is_allowed(&self, tenant: &Tenant, now: Timestamp) -> bool {
        let Some(role) = self.role.template_id else { return false };
        let Some(partner) = self.partner.id else { return false };
        if partner == PartnerId::MICROSOFT_SUPPORT && role == role::MICROSOFT_365_SUPPORT_ENGINEER {
            // Microsoft adds this for a support case the tenant opened, and removes it after.
            return true;
        }
        tenant.partner(partner).map_or(&tenant.unlisted, |partner| &partner.allow).covers(role, now)
    }
}

/// Every grant of a partner, and every assignment of which it cannot be told whose it is.
pub fn grants(facts: &Facts, tenant: &Tenant) -> Vec<Grant> {
    facts
        .assignments
        .iter()
        .filter_map(|assignment| {
            let holder = holder(facts, tenant, assignment)?;
            Some(Grant {
                partner: holder.partner,
                held: Held::Assignment { assignment: assignment.id.clone() },
                principal: assignment.principal_id.clone(),
                kind: holder.kind,
                principal_name: holder.name,
                user_principal_name: holder.upn,
                app_id: app_id(facts, &assignment.principal_id),
                role: role_of(facts, &assignment.role_definition_id),
                scope: assignment.directory_scope_id.clone(),
                ends: None,
                activated: false,
            })
        })
        .collect()
}

/// Whether somebody of the tenant's own holds Global Administrator over the whole directory.
///
/// It is answered by what was seen. Where too little was read to see one, the answer is no.
pub fn keeps_a_global_administrator(facts: &Facts, tenant: &Tenant) -> bool {
    facts.assignments.iter().any(|assignment| {
        assignment.directory_scope_id == "/"
            && role_of(facts, &assignment.role_definition_id).template_id
                == Some(role::GLOBAL_ADMINISTRATOR)
            && holder(facts, tenant, assignment).is_none()
            && match facts.objects.get(&assignment.principal_id) {
                Some(DirectoryObject::User(user)) => {
                    !is_guest(facts, &assignment.principal_id, user)
                }
                _ => false,
            }
    })
}

/// Whether an account belongs to somebody outside, by any of the signs there are.
fn is_guest(facts: &Facts, principal: &PrincipalId, user: &User) -> bool {
    let upn = user.user_principal_name.as_deref();
    facts.guests.contains_key(principal)
        || user.user_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("guest"))
        || upn.is_some_and(|upn| upn.to_ascii_uppercase().contains("#EXT#"))
}

fn app_id(facts: &Facts, principal: &PrincipalId) -> Option<String> {
    match facts.objects.get(principal) {
        Some(DirectoryObject::ServicePrincipal(app)) => app.app_id.clone(),
        _ => None,
    }
}

struct Holder {
    kind: PrincipalKind,
    partner: AffectedPartner,
    name: String,
    upn: Option<String>,
}

/// Who holds the assignment, or nothing where that is the tenant's own affair.
fn holder(facts: &Facts, tenant: &Tenant, assignment: &RoleAssignment) -> Option<Holder> {
    let home = home(assignment, tenant.id);
    match facts.objects.get(&assignment.principal_id) {
        Some(DirectoryObject::PartnerReference(reference)) => {
            Some(foreign_group(facts, tenant, reference, &home))
        }
        Some(DirectoryObject::User(user)) => account(facts, tenant, assignment, user, &home),
        Some(DirectoryObject::ServicePrincipal(app)) => {
            let owner = app.app_owner_organization_id.as_deref().and_then(|id| id.parse().ok());
            let partner = known_partner(facts, tenant, owner?)?;
            Some(Holder {
                kind: PrincipalKind::App,
                partner,
                name: shown(app.display_name.as_deref(), &assignment.principal_id),
                upn: None,
            })
        }
        Some(DirectoryObject::Group(group)) => match home {
            Home::Here => None,
            // A group of this directory cannot be at home elsewhere: the two answers disagree.
            Home::Elsewhere(_) | Home::Garbled => Some(unclassified(
                shown(group.display_name.as_deref(), &assignment.principal_id),
                None,
            )),
        },
        Some(DirectoryObject::Other) | None => Some(match home {
            Home::Elsewhere(partner) => Holder {
                kind: PrincipalKind::ForeignGroup,
                partner: named(facts, tenant, partner),
                name: format!("principal {}", assignment.principal_id),
                upn: None,
            },
            // Nothing was resolved at all: the gap says so once, not once for each principal.
            Home::Here if facts.gaps.iter().any(|gap| gap.part == Part::Principals) => return None,
            Home::Here | Home::Garbled => {
                unclassified(format!("principal {}", assignment.principal_id), None)
            }
        }),
    }
}

enum Home {
    /// Graph names no other tenant.
    Here,
    Elsewhere(PartnerId),
    /// Graph names something that is no tenant.
    Garbled,
}

fn home(assignment: &RoleAssignment, own: TenantId) -> Home {
    match assignment.principal_organization_id.as_deref().map(str::trim) {
        None | Some("") => Home::Here,
        Some(id) => match id.parse::<TenantId>() {
            Ok(id) if id == own => Home::Here,
            Ok(id) => Home::Elsewhere(id.into()),
            Err(_) => Home::Garbled,
        },
    }
}

fn foreign_group(
    facts: &Facts,
    tenant: &Tenant,
    reference: &PartnerReference,
    home: &Home,
) -> Holder {
    let name = reference.display_name.as_deref().map(text::foreign).filter(|n| !n.is_empty());
    let name = name.unwrap_or_else(|| "unnamed group".to_owned());
    let told = reference.external_partner_tenant_id.as_deref().and_then(|id| id.parse().ok());
    let partner: Option<PartnerId> = match (told, home) {
        (Some(told), Home::Elsewhere(home)) if told != *home => None,
        (Some(told), _) => Some(told),
        (None, Home::Elsewhere(home)) => Some(*home),
        (None, Home::Here | Home::Garbled) => None,
    };
    match partner {
        Some(id) if id.tenant() != tenant.id => Holder {
            kind: PrincipalKind::ForeignGroup,
            partner: named(facts, tenant, id),
            name,
            upn: None,
        },
        _ => unclassified(name, None),
    }
}

fn account(
    facts: &Facts,
    tenant: &Tenant,
    assignment: &RoleAssignment,
    user: &User,
    home: &Home,
) -> Option<Holder> {
    let listed = facts.guests.get(&assignment.principal_id);
    let upn = user.user_principal_name.as_deref();
    let name = shown(user.display_name.as_deref(), &assignment.principal_id);
    let make = |kind, partner| {
        Some(Holder { kind, partner, name: name.clone(), upn: upn.map(str::to_owned) })
    };
    if let Some(partner) = tenant.partner_of_account(&assignment.principal_id, upn) {
        return make(PrincipalKind::DedicatedAccount, named(facts, tenant, partner.id));
    }
    match (is_guest(facts, &assignment.principal_id, user), home) {
        (true, home) => {
            let domains: Vec<String> =
                [Some(user), listed].into_iter().flatten().flat_map(guest_domains).collect();
            let by_home = match home {
                Home::Elsewhere(id) => known_partner(facts, tenant, *id),
                Home::Here | Home::Garbled => None,
            };
            let by_domain = || {
                let partner = domains.iter().find_map(|name| tenant.partner_of_domain(name))?;
                Some(named(facts, tenant, partner.id))
            };
            match by_home.or_else(by_domain) {
                Some(partner) => make(PrincipalKind::Guest, partner),
                None if domains.is_empty() && !matches!(home, Home::Elsewhere(_)) => {
                    Some(unclassified(name, upn.map(str::to_owned)))
                }
                // The guest of somebody who is no partner.
                None => None,
            }
        }
        (false, Home::Here) => None,
        // A member of this directory whose home is said to be elsewhere: the answers disagree.
        (false, Home::Elsewhere(_) | Home::Garbled) => {
            Some(unclassified(name, upn.map(str::to_owned)))
        }
    }
}

/// The domains a guest comes from: that of the mail address, and that before `#EXT#`.
fn guest_domains(user: &User) -> Vec<String> {
    let mail = user.mail.as_deref().and_then(|mail| mail.rsplit_once('@'));
    let upn = user.user_principal_name.as_deref().and_then(|upn| {
        let at = upn.to_ascii_uppercase().find("#EXT#")?;
        // The @ of the home address was replaced by _, which no domain contains.
        upn.get(..at)?.rsplit_once('_')
    });
    [mail, upn]
        .into_iter()
        .flatten()
        .map(|(_, domain)| domain.trim().to_lowercase())
        .filter(|domain| domain.contains('.'))
        .collect()
}

/// The tenant as a partner, if it is one: named by the policy or a service provider here.
fn known_partner(facts: &Facts, tenant: &Tenant, id: PartnerId) -> Option<AffectedPartner> {
    let is_provider = facts
        .partner_entries
        .iter()
        .any(|entry| entry.is_service_provider == Some(true) && entry.tenant_id.parse() == Ok(id));
    (tenant.partner(id).is_some() || is_provider).then(|| named(facts, tenant, id))
}

/// The partner with the best name there is for it.
pub fn named(facts: &Facts, tenant: &Tenant, id: PartnerId) -> AffectedPartner {
    if let Some(partner) = tenant.partner(id) {
        return AffectedPartner { id: Some(id), name: partner.name.clone(), listed: true };
    }
    let name = match facts.tenant_names.get(&id).map(|name| text::foreign(name)) {
        _ if id == PartnerId::MICROSOFT_SUPPORT => "Microsoft Support".to_owned(),
        Some(name) if !name.is_empty() => format!("“{name}” (calls itself so; tenant {id})"),
        _ => format!("unnamed tenant {id}"),
    };
    AffectedPartner { id: Some(id), name, listed: false }
}

fn unclassified(name: String, upn: Option<String>) -> Holder {
    Holder { kind: PrincipalKind::Unclassified, partner: AffectedPartner::unknown(), name, upn }
}

fn shown(name: Option<&str>, id: &PrincipalId) -> String {
    let name = name.map(text::foreign).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("principal {id}"))
}

/// A role by its definition id: what Graph says of it, else what the catalogue knows.
fn role_of(facts: &Facts, definition_id: &str) -> Role {
    let live = facts.roles.get(&definition_id.to_ascii_lowercase());
    let template_id = live
        .and_then(|role| role.template_id.as_deref())
        .and_then(|id| id.parse().ok())
        .or_else(|| definition_id.parse().ok());
    let built_in = template_id.and_then(role::by_id);
    let live_name = live.and_then(|role| role.display_name.as_deref()).map(text::foreign);
    let name = built_in
        .map(|role| role.name.to_owned())
        .or(live_name)
        .unwrap_or_else(|| format!("unknown role {}", text::foreign(definition_id)));
    // A role is harmless only if nobody calls it privileged.
    let privileged =
        match (live.and_then(|role| role.is_privileged), built_in.map(|role| role.privileged)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), _) | (_, Some(false)) => Some(false),
            (None, None) => None,
        };
    Role { definition_id: definition_id.to_owned(), template_id, name, privileged }
}
