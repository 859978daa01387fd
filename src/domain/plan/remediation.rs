//! What can be done about what was found.

use serde::{Deserialize, Serialize};

use crate::domain::grant::Held;

/// What can be done about what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remediation {
    /// `DELETE /roleManagement/directory/roleAssignments/{id}`.
    RevokeRoleAssignment,
    /// An `adminRemove` request to Privileged Identity Management for what may be activated.
    RemoveEligibility,
    /// An `adminRemove` request to Privileged Identity Management for what it has made active.
    RemoveScheduledAssignment,
    /// `DELETE /groups/{id}/members/{id}/$ref`.
    RemoveGroupMember,
    /// `DELETE /servicePrincipals/{id}/appRoleAssignments/{id}`.
    RemoveAppRole,
    /// `POST /users/{id}/revokeSignInSessions`.
    RevokeSessions,
    /// `PATCH /users/{id}` with `accountEnabled: false`.
    DisableGuest,
    /// `PATCH /servicePrincipals/{id}` with `accountEnabled: false`.
    DisableApp,
    /// `POST /identity/conditionalAccess/policies`: one policy that blocks the partner's people.
    Quarantine,
    /// `PATCH` of a relationship whose `accessDetails` leave Global Administrator out.
    DropGlobalAdministrator,
    /// `PATCH` of a relationship with `autoExtendDuration: PT0S`.
    StopAutoExtend,
    /// `DELETE …/accessAssignments/{id}` of a relationship.
    DeleteAccessAssignment,
    /// `POST …/requests` of a relationship with `action: terminate`.
    TerminateRelationship,
}

impl Remediation {
    /// Every one there is.
    pub const ALL: [Self; 13] = [
        Self::RevokeRoleAssignment,
        Self::RemoveEligibility,
        Self::RemoveScheduledAssignment,
        Self::RemoveGroupMember,
        Self::RemoveAppRole,
        Self::RevokeSessions,
        Self::DisableGuest,
        Self::DisableApp,
        Self::Quarantine,
        Self::DropGlobalAdministrator,
        Self::StopAutoExtend,
        Self::DeleteAccessAssignment,
        Self::TerminateRelationship,
    ];

    /// What takes a grant away.
    pub fn of(held: &Held) -> Self {
        match held {
            Held::Assignment { .. } => Self::RevokeRoleAssignment,
            Held::Eligible { .. } => Self::RemoveEligibility,
            Held::Scheduled { .. } => Self::RemoveScheduledAssignment,
            Held::ThroughGroup { .. } => Self::RemoveGroupMember,
            Held::AppRole { .. } => Self::RemoveAppRole,
        }
    }

    /// The name as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RevokeRoleAssignment => "revoke-role-assignment",
            Self::RemoveEligibility => "remove-eligibility",
            Self::RemoveScheduledAssignment => "remove-scheduled-assignment",
            Self::RemoveGroupMember => "remove-group-member",
            Self::RemoveAppRole => "remove-app-role",
            Self::RevokeSessions => "revoke-sessions",
            Self::DisableGuest => "disable-guest",
            Self::DisableApp => "disable-app",
            Self::Quarantine => "quarantine",
            Self::DropGlobalAdministrator => "drop-global-administrator",
            Self::StopAutoExtend => "stop-auto-extend",
            Self::DeleteAccessAssignment => "delete-access-assignment",
            Self::TerminateRelationship => "terminate-relationship",
        }
    }

    /// The application permissions it takes, the weakest that do.
    ///
    /// Source: the "Permissions" tables of the Microsoft Graph documentation of each call.
    pub fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::RevokeRoleAssignment => &["RoleManagement.ReadWrite.Directory"],
            Self::RemoveEligibility => &["RoleEligibilitySchedule.ReadWrite.Directory"],
            Self::RemoveScheduledAssignment => &["RoleAssignmentSchedule.ReadWrite.Directory"],
            // The second is needed for groups that can hold roles, and only such are concerned.
            Self::RemoveGroupMember => {
                &["GroupMember.ReadWrite.All", "RoleManagement.ReadWrite.Directory"]
            }
            Self::RemoveAppRole => &["AppRoleAssignment.ReadWrite.All"],
            Self::RevokeSessions => &["User.RevokeSessions.All"],
            Self::DisableGuest => &["User.EnableDisableAccount.All"],
            Self::DisableApp => &["Application.ReadWrite.All"],
            Self::Quarantine => &["Policy.ReadWrite.ConditionalAccess", "Policy.Read.All"],
            Self::DropGlobalAdministrator
            | Self::StopAutoExtend
            | Self::DeleteAccessAssignment
            | Self::TerminateRelationship => &["DelegatedAdminRelationship.ReadWrite.All"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_signing_in_names_what_each_takes() {
        let page = include_str!("../../../docs/sign-in.md");
        let rows = page.lines().filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
            let [name, _, permissions, ..] = cells.as_slice() else { return None };
            Some(((*name).to_owned(), (*permissions).to_owned()))
        });
        let rows: Vec<(String, String)> = rows.collect();
        for remediation in Remediation::ALL {
            let name = format!("`{}`", remediation.as_str());
            let told: Vec<&String> =
                rows.iter().filter(|row| row.0 == name).map(|row| &row.1).collect();
            let permissions: Vec<String> =
                remediation.permissions().iter().map(|it| format!("`{it}`")).collect();
            assert_eq!(told, [&permissions.join(", ")], "{name}");
            for permission in permissions {
                let has_id = |line: &&str| {
                    let id = line.strip_prefix(&format!("| {permission} | `"));
                    id.and_then(|id| id.get(..36))
                        .is_some_and(|id| id.parse::<uuid::Uuid>().is_ok())
                };
                assert_eq!(page.lines().filter(has_id).count(), 1, "the id of {permission}");
            }
        }
    }
}
