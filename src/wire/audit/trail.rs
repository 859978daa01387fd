//! What this program's own writes leave in the audit log, by the names of activities.
//!
//! Sources: "Microsoft Entra audit log categories and activities" of 2024-04-15; for what has no name
//! there (applications that are disabled, relationships), the names are recognised by what they have in
//! common. A name alone proves nothing: whoever asks compares it with what is known to have been done.

use super::activity::Activity;
use crate::domain::plan::Remediation;

/// What of this program's own can have left an activity behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trail {
    /// Steps that leave it when they are carried out.
    pub done: &'static [Remediation],
    /// Steps that leave it when what they did is put back.
    pub undone: &'static [Remediation],
    /// Whether nothing that goes by this name gives anybody anything, so that what a step of ours
    /// is known to have done is no reason to look.
    pub takes: bool,
}

impl Trail {
    /// The trail of the activity that a signal names ([`Signal::what`]).
    ///
    /// [`Signal::what`]: crate::domain::signal::Signal::what
    pub fn of(what: &str) -> Self {
        Activity::new(what).trail()
    }
}

/// Privileged Identity Management ends a role in place of its deletion, so that each of the three can
/// leave every one of the names.
const ROLES: &[Remediation] = &[
    Remediation::RevokeRoleAssignment,
    Remediation::RemoveEligibility,
    Remediation::RemoveScheduledAssignment,
];
const MEMBERS: &[Remediation] = &[Remediation::RemoveGroupMember];
const APP_ROLES: &[Remediation] = &[Remediation::RemoveAppRole];
const SESSIONS: &[Remediation] = &[Remediation::RevokeSessions];
const GUESTS: &[Remediation] = &[Remediation::DisableGuest];
const ACCOUNTS: &[Remediation] = &[Remediation::DisableGuest, Remediation::RevokeSessions];
const APPS: &[Remediation] = &[Remediation::DisableApp];
const POLICIES: &[Remediation] = &[Remediation::Quarantine];
const RELATIONSHIPS: &[Remediation] = &[
    Remediation::DropGlobalAdministrator,
    Remediation::StopAutoExtend,
    Remediation::DeleteAccessAssignment,
    Remediation::TerminateRelationship,
];

const fn taking(done: &'static [Remediation]) -> Trail {
    Trail { done, undone: &[], takes: true }
}

const fn undoing(undone: &'static [Remediation]) -> Trail {
    Trail { done: &[], undone, takes: false }
}

const fn either(done: &'static [Remediation], undone: &'static [Remediation]) -> Trail {
    Trail { done, undone, takes: false }
}

/// Whole names.
const NAMES: &[(&str, Trail)] = &[
    ("remove member from role", taking(ROLES)),
    (
        "remove member from role scoped over restricted management administrative unit",
        taking(ROLES),
    ),
    ("remove role assignment from role definition", taking(ROLES)),
    ("remove scoped member from role", taking(ROLES)),
    ("remove eligible member from role", taking(ROLES)),
    ("remove permanent direct role assignment", taking(ROLES)),
    ("remove permanent eligible role assignment", taking(ROLES)),
    ("remove member from group", taking(MEMBERS)),
    ("remove app role assignment from service principal", taking(APP_ROLES)),
    ("update stsrefreshtokenvalidfrom timestamp", taking(SESSIONS)),
    ("disable account", taking(GUESTS)),
    ("disable service principal", taking(APPS)),
    ("add member to role", undoing(ROLES)),
    ("add member to role scoped over restricted management administrative unit", undoing(ROLES)),
    ("add role assignment to role definition", undoing(ROLES)),
    ("add scoped member to role", undoing(ROLES)),
    ("add eligible member to role", undoing(ROLES)),
    ("add member to group", undoing(MEMBERS)),
    ("add app role assignment to service principal", undoing(APP_ROLES)),
    ("enable account", undoing(GUESTS)),
    ("enable service principal", undoing(APPS)),
    ("update user", either(ACCOUNTS, GUESTS)),
    ("update service principal", either(APPS, APPS)),
    // One that is there otherwise is put right; of two that were made at once, one is taken back.
    ("add conditional access policy", either(POLICIES, &[])),
    ("update conditional access policy", either(POLICIES, &[])),
    ("delete conditional access policy", either(POLICIES, POLICIES)),
    ("add policy", either(POLICIES, &[])),
    ("update policy", either(POLICIES, &[])),
    ("delete policy", either(POLICIES, POLICIES)),
];

/// Beginnings, behind which it says how far the request has come and for how long it is.
const BEGINNINGS: &[(&str, Trail)] = &[
    ("remove member from role in pim completed", taking(ROLES)),
    ("remove member from role in pim requested", taking(ROLES)),
    ("remove eligible member from role in pim completed", taking(ROLES)),
    ("remove eligible member from role in pim requested", taking(ROLES)),
    ("add member to role in pim completed", undoing(ROLES)),
    ("add member to role in pim requested", undoing(ROLES)),
    ("add eligible member to role in pim completed", undoing(ROLES)),
    ("add eligible member to role in pim requested", undoing(ROLES)),
];

/// Words that names about relationships have in common.
const RELATIONSHIP_WORDS: &[&str] = &["access assignment", "delegated admin"];

/// The trail of a name in lower case, with one space between two words.
pub(super) fn of_plain(plain: &str) -> Trail {
    if let Some((_, trail)) = NAMES.iter().find(|(name, _)| *name == plain) {
        return *trail;
    }
    if let Some((_, trail)) = BEGINNINGS.iter().find(|(name, _)| plain.starts_with(name)) {
        return *trail;
    }
    if RELATIONSHIP_WORDS.iter().any(|word| plain.contains(word)) {
        return either(RELATIONSHIPS, RELATIONSHIPS);
    }
    Trail::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_write_leaves_a_trail_that_is_known() {
        for remediation in Remediation::ALL {
            let names = NAMES.iter().chain(BEGINNINGS);
            let mut trails = names.map(|(_, trail)| *trail).chain([of_plain("delegated admin")]);
            assert!(trails.any(|trail| trail.done.contains(&remediation)), "{remediation:?}");
        }
        for remediation in Remediation::ALL.into_iter().filter(|it| it.cannot_be_undone().is_none())
        {
            let names = NAMES.iter().chain(BEGINNINGS);
            let mut trails = names.map(|(_, trail)| *trail).chain([of_plain("delegated admin")]);
            assert!(trails.any(|trail| trail.undone.contains(&remediation)), "{remediation:?}");
        }
    }

    #[test]
    fn what_takes_gives_nobody_anything() {
        for name in [
            "Remove member from role",
            "remove member  from role.",
            "Remove role assignment from role definition",
            "Remove member from role in PIM completed (permanent)",
            "Remove eligible member from role in PIM requested (timebound)",
            "Remove member from group.",
            "Remove app role assignment from service principal",
            "Update StsRefreshTokenValidFrom Timestamp",
            "Disable account",
        ] {
            assert!(Trail::of(name).takes, "{name}");
            assert_eq!(Trail::of(name).undone, [], "{name}");
        }
        for name in [
            "Add member to role",
            "Add member to role in PIM completed (permanent)",
            "Update user",
            "Update service principal",
            "Add Conditional Access policy",
            // It lifts what keeps somebody out.
            "Delete Conditional Access policy",
            "Update delegated admin relationship",
        ] {
            let trail = Trail::of(name);
            assert!(!trail.takes, "{name}");
            assert!(!trail.done.is_empty() || !trail.undone.is_empty(), "{name}");
        }
    }

    #[test]
    fn what_no_step_does_has_no_trail() {
        for name in [
            "Remove member from role (PIM activation expired)",
            "Remove partner from company",
            "Remove member from roles",
            "Remove app role assignment from user",
            "Add service principal credentials",
            "Update application - Certificates and secrets management",
            "Add owner to service principal",
            "Reset password",
            "Delete user",
            "",
        ] {
            assert_eq!(Trail::of(name), Trail::default(), "{name}");
        }
    }
}
