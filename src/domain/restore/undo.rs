//! What cannot be undone, known before it is done.

use super::target_of;
use crate::domain::case::Row;
use crate::domain::grant::{Grant, Held};
use crate::domain::plan::{Remediation, Step, Target};

impl Remediation {
    /// Why it cannot be undone; nothing where it can. People are told before it is done.
    pub fn cannot_be_undone(self) -> Option<&'static str> {
        match self {
            Self::RevokeRoleAssignment
            | Self::RemoveEligibility
            | Self::RemoveScheduledAssignment
            | Self::RemoveGroupMember
            | Self::RemoveAppRole
            | Self::DisableGuest
            | Self::DisableApp
            | Self::Quarantine
            | Self::StopAutoExtend
            | Self::DeleteAccessAssignment => None,
            Self::RevokeSessions => Some("sessions that were ended stay ended; sign in anew"),
            Self::DropGlobalAdministrator => Some(
                "Microsoft lets no role be added to an active relationship; ask the customer for a \
                 new one",
            ),
            Self::TerminateRelationship => {
                Some("a relationship that has ended stays ended; ask the customer for a new one")
            }
        }
    }
}

/// Why nothing can give this grant back.
pub(super) fn of_grant(grant: &Grant) -> Option<&'static str> {
    if grant.activated {
        return Some(
            "it was activated for some hours; its holder may activate it again while eligible",
        );
    }
    match grant.held {
        Held::AppRole { resource: None, .. } => {
            Some("Microsoft does not say of which API the permission is")
        }
        Held::AppRole { .. }
        | Held::Assignment { .. }
        | Held::Eligible { .. }
        | Held::Scheduled { .. }
        | Held::ThroughGroup { .. } => None,
    }
}

fn of(remediation: Remediation, target: &Target) -> Option<&'static str> {
    let of_target = || match target {
        Target::Grant(grant) => of_grant(grant),
        Target::Principal { .. }
        | Target::Partner
        | Target::Relationship { .. }
        | Target::AccessAssignment { .. } => None,
    };
    remediation.cannot_be_undone().or_else(of_target)
}

impl Step {
    /// Why it cannot be undone once it is done; nothing where it can.
    pub fn cannot_be_undone(&self) -> Option<&'static str> {
        of(self.remediation, &self.target)
    }
}

impl Row {
    /// Why its step cannot be undone once it is done; nothing where it can, and where it has none.
    pub fn cannot_be_undone(&self) -> Option<&'static str> {
        let step = self.step.as_ref()?;
        step.remediation.cannot_be_undone().or_else(|| of(step.remediation, &target_of(self)?))
    }
}
