//! The parts a tenant is read in, and what could not be read.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a tenant that is read by one kind of request.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Who holds which directory role.
    RoleAssignments,
    /// What kind of principal holds it.
    Principals,
    /// Which accounts are guests.
    Guests,
    /// Which partners the cross-tenant access policy names, and what is trusted of them.
    PartnerEntries,
    /// Which roles exist and which of them are privileged.
    RoleDefinitions,
    /// When roles that are held end.
    ActiveSchedules,
    /// Which roles may be activated.
    EligibleSchedules,
    /// Who is in the groups that hold roles.
    GroupMembers,
    /// The accounts that were given to partners.
    Accounts,
    /// Which groups partners' accounts are in.
    Memberships,
    /// Applications of partners and what they were granted.
    PartnerApps,
    /// Which roles a service provider may be given.
    ServiceProviderConstraints,
    /// Tenant governance relationships.
    Governance,
    /// Conditional access policies and security defaults.
    ConditionalAccess,
    /// A partner's relationships with its customers.
    Relationships,
    /// What Partner Center says of the old way to administer customers.
    DelegatedAccess,
}

impl Part {
    /// What it is, for people.
    pub fn noun(self) -> &'static str {
        match self {
            Self::RoleAssignments => "directory role assignments",
            Self::Principals => "principals that hold roles",
            Self::Guests => "guest accounts",
            Self::PartnerEntries => "partner entries of the cross-tenant access policy",
            Self::RoleDefinitions => "role definitions",
            Self::ActiveSchedules => "active role schedules of Privileged Identity Management",
            Self::EligibleSchedules => "eligible role schedules of Privileged Identity Management",
            Self::GroupMembers => "members of groups that hold roles",
            Self::Accounts => "accounts given to partners",
            Self::Memberships => "groups that partners' accounts are in",
            Self::PartnerApps => "applications of partners",
            Self::ServiceProviderConstraints => "roles that service providers may be given",
            Self::Governance => "tenant governance relationships",
            Self::ConditionalAccess => "conditional access policies",
            Self::Relationships => "delegated admin relationships",
            Self::DelegatedAccess => "delegated access of customers in Partner Center",
        }
    }

    /// The least application permission that reads it.
    ///
    /// Source: permissions.json of microsoftgraph/microsoft-graph-devx-content, 2026-08-07.
    pub fn permission(self) -> &'static str {
        match self {
            Self::RoleAssignments | Self::RoleDefinitions => "RoleManagement.Read.Directory",
            Self::Principals => "Directory.Read.All",
            Self::Guests | Self::Accounts => "User.Read.All",
            Self::PartnerEntries | Self::ServiceProviderConstraints | Self::ConditionalAccess => {
                "Policy.Read.All"
            }
            Self::ActiveSchedules => "RoleAssignmentSchedule.Read.Directory",
            Self::EligibleSchedules => "RoleEligibilitySchedule.Read.Directory",
            Self::GroupMembers | Self::Memberships => "GroupMember.Read.All",
            Self::PartnerApps => "Application.Read.All",
            Self::Governance => "TenantGovernance-Relationship.Read.All",
            Self::Relationships => "DelegatedAdminRelationship.Read.All",
            Self::DelegatedAccess => "access to the Partner Center API",
        }
    }
}

/// Why a part could not be read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum GapCause {
    /// We were not let into the tenant at all; somebody has to mend that.
    SignInRefused,
    /// Graph refused; asking again changes nothing until someone grants the permission.
    Denied,
    /// Graph was busy, broken or out of reach; asking again may help.
    Unavailable,
    /// Graph answered with something that cannot be read.
    Unintelligible,
}

/// A part of a tenant that could not be read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Which part.
    pub part: Part,
    /// Why.
    pub cause: GapCause,
    /// What Graph or the network said, in words fit to show.
    pub detail: String,
}

impl Gap {
    /// Whether reading again later may fill it.
    pub fn may_pass(&self) -> bool {
        !matches!(self.cause, GapCause::Denied | GapCause::SignInRefused)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} could not be read whole: {}", self.part.noun(), self.detail)
    }
}
