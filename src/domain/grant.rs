//! Facts to Grants: every way in which a partner holds a role, and how it is known to be its.

mod groups;
mod holder;
mod likeness;
mod ways;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Part};
use super::id::{AssignmentId, PartnerId, PrincipalId, Sha256Hex};
use super::role::{self, RoleTemplateId};
use super::roster::{AffectedPartner, Tenant};
use super::text;

pub use self::holder::{Belongs, belongs, named};
pub use self::ways::{grants, keeps_a_global_administrator};

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
    /// What the scope is called, where it is an administrative unit whose name was read; fit to
    /// show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_name: Option<String>,
    /// When it ends by itself; nothing where it has no end or none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Whether its holder was eligible and activated it for a few hours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub activated: bool,
}

/// By what a role is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        /// The groups that the principal is directly in and by which it is in this one; this one
        /// itself, as a rule. Empty where that is not known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        within: Vec<Within>,
        /// The other roles that the principal has by these groups, and loses with them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<Role>,
    },
    /// It may be activated.
    Eligible {
        /// `unifiedRoleEligibilityScheduleInstance`.
        eligibility: AssignmentId,
        /// Whether it is only the shadow of another: of a group's, or of one for a wider scope.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        derived: bool,
    },
    /// By a schedule of Privileged Identity Management that no role assignment shows.
    Scheduled {
        /// `unifiedRoleAssignmentScheduleInstance`.
        schedule: AssignmentId,
        /// Whether it is only the shadow of another: of a group's, or of one for a wider scope.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        derived: bool,
    },
    /// An application permission, not a directory role.
    AppRole {
        /// `appRoleAssignment`.
        app_role: AssignmentId,
        /// The service principal of the API it is for, where Graph says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resource: Option<String>,
    },
    /// By a role assignment of its own.
    Assignment {
        /// `unifiedRoleAssignment`.
        assignment: AssignmentId,
        /// Whether Privileged Identity Management has a schedule of it, so that it too can end it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        scheduled: bool,
    },
}

/// A group that a principal is directly in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Within {
    /// The group.
    pub group: PrincipalId,
    /// Its name, fit to show.
    pub group_name: String,
    /// What says who is in it, where that is not the list of its members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_by: Option<KeptBy>,
}

/// What says who is in a group, so that nobody can be taken out of it through Graph.
///
/// Source: Microsoft Graph documentation, "Remove member" (dynamic memberships) and "group
/// resource type" (`onPremisesSyncEnabled`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptBy {
    /// A rule (`DynamicMembership`).
    Rule,
    /// A directory on premises.
    OnPremises,
}

impl Held {
    /// The id of what gives the role.
    pub fn id(&self) -> &AssignmentId {
        match self {
            Self::ThroughGroup { through: id, .. }
            | Self::Eligible { eligibility: id, .. }
            | Self::Scheduled { schedule: id, .. }
            | Self::AppRole { app_role: id, .. }
            | Self::Assignment { assignment: id, .. } => id,
        }
    }

    /// The parts of the tenant that have to be read whole before it is seen that this is gone. Of
    /// which group members are read, is told by what the holders of roles are.
    fn parts(&self) -> &'static [Part] {
        match self {
            Self::ThroughGroup { eligible: true, .. } => {
                &[Part::Principals, Part::GroupMembers, Part::EligibleSchedules]
            }
            Self::ThroughGroup { .. } => &[
                Part::Principals,
                Part::GroupMembers,
                Part::RoleAssignments,
                Part::ActiveSchedules,
            ],
            Self::Eligible { .. } => &[Part::EligibleSchedules],
            Self::Scheduled { .. } => &[Part::ActiveSchedules],
            Self::AppRole { .. } => &[Part::PartnerApps],
            Self::Assignment { .. } => &[Part::RoleAssignments],
        }
    }

    /// The groups that somebody has to be taken out of to lose it.
    pub fn within(&self) -> &[Within] {
        match self {
            Self::ThroughGroup { within, .. } => within,
            Self::Eligible { .. }
            | Self::Scheduled { .. }
            | Self::AppRole { .. }
            | Self::Assignment { .. } => &[],
        }
    }

    /// The roles that go with it when it is taken away.
    pub fn also(&self) -> &[Role] {
        match self {
            Self::ThroughGroup { also, .. } => also,
            Self::Eligible { .. }
            | Self::Scheduled { .. }
            | Self::AppRole { .. }
            | Self::Assignment { .. } => &[],
        }
    }

    /// Whether it has to be activated before it can be used.
    pub fn must_be_activated(&self) -> bool {
        matches!(self, Self::Eligible { .. } | Self::ThroughGroup { eligible: true, .. })
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
    /// What stays the same as long as it is the same grant. What was taken away and is given anew has
    /// a new id and so another key; what the two have in common is their [`Grant::likeness`].
    pub fn key(&self) -> Sha256Hex {
        Sha256Hex::of_fields(&[
            &self.held.id().0,
            self.principal.as_str(),
            &self.role.definition_id.to_ascii_lowercase(),
            &self.scope,
        ])
    }

    /// The parts of the tenant that have to be read whole before it is seen that it is gone.
    pub fn rests_on(&self) -> impl Iterator<Item = Part> {
        // Applications are asked for by whose they are, and this tells of partners nobody named.
        let is_strangers = matches!(self.held, Held::AppRole { .. }) && !self.partner.listed;
        let strangers: &[Part] =
            if is_strangers { &[Part::PartnerEntries, Part::Governance] } else { &[] };
        self.held.parts().iter().chain(strangers).copied()
    }

    /// The role assignment, where the role is held by one of its own: what a deletion names.
    pub fn assignment(&self) -> Option<&AssignmentId> {
        match &self.held {
            Held::Assignment { assignment, .. } => Some(assignment),
            Held::ThroughGroup { .. }
            | Held::Eligible { .. }
            | Held::Scheduled { .. }
            | Held::AppRole { .. } => None,
        }
    }

    /// Whether `facts` show that it is held.
    pub fn is_seen_in(&self, facts: &Facts) -> bool {
        match &self.held {
            Held::Assignment { assignment, .. } => {
                facts.assignments.iter().any(|held| held.id == *assignment)
            }
            Held::ThroughGroup { through, group, eligible, .. } => {
                let holds = if *eligible {
                    facts.eligible.iter().any(|held| held.id == *through)
                } else {
                    facts.assignments.iter().any(|held| held.id == *through)
                        || facts.active.iter().any(|held| held.id == *through)
                };
                let members = facts.members.get(group);
                holds && members.is_some_and(|all| all.iter().any(|m| m.id == self.principal))
            }
            Held::Eligible { eligibility, .. } => {
                facts.eligible.iter().any(|e| e.id == *eligibility)
            }
            Held::Scheduled { schedule, .. } => {
                facts.active.iter().any(|held| held.id == *schedule)
            }
            Held::AppRole { app_role, .. } => {
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

    /// What its holder may do, from the verb on: `holds Reports Reader`, `may activate the
    /// privileged role User Administrator by being in Admins`. `what` comes before the role's name,
    /// with a space behind it.
    pub fn deed(&self, what: &str) -> String {
        let verb = if self.held.must_be_activated() { "may activate" } else { "holds" };
        let (role, scope) = (&self.role.name, self.scope_note());
        match &self.held {
            Held::AppRole { .. } => format!("{verb} the application permission {role}"),
            Held::ThroughGroup { group_name, .. } => {
                format!("{verb} {what}{role}{scope} by being in {group_name}")
            }
            Held::Assignment { .. } | Held::Eligible { .. } | Held::Scheduled { .. } => {
                format!("{verb} {what}{role}{scope}")
            }
        }
    }

    /// Where it holds, for people; empty for the whole directory.
    pub fn scope_note(&self) -> String {
        match &self.scope_name {
            _ if self.scope == "/" => String::new(),
            Some(name) => format!(" (in the administrative unit {name})"),
            None => format!(" (scope {})", text::foreign(&self.scope)),
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
