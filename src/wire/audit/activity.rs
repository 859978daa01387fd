//! What the names of audit activities tell: whether one can have changed what a partner may do,
//! and what of this program's own can have left it.
//!
//! Source: "Microsoft Entra audit log categories and activities" of 2024-04-15. It says of itself
//! that it may not be in sync; so names are recognised by what they have in common, and any
//! activity of a category that is about access counts. The Management Activity API has the same
//! names with a period behind them, and mostly no category.

use super::trail::{self, Trail};
use crate::domain::text;

/// Categories of which every activity can change what a partner may do.
const CATEGORIES: &[&str] = &[
    "AuthorizationPolicy",
    "CrossTenantAccessSettings",
    "CrossTenantIdentitySyncSettings",
    "DelegatedAdminServiceProviderConstraints",
    "DirectoryManagement",
    "GroupManagement",
    "MicrosoftSupportAccessManagement",
    "Policy",
    "RoleManagement",
];

/// Words that tell the same wherever they stand in a name.
const WORDS: &[&str] = &[
    "conditional access",
    "cross-tenant",
    "delegated admin",
    "governance relationship",
    "named location",
    "partner",
    "role",
    "service principal",
];

/// Beginnings of further names that do.
const BEGINNINGS: &[&str] = &[
    // Whose guest somebody is, and whether an account can be used.
    "convert federated user",
    "delete external user",
    "delete user",
    "disable account",
    "enable account",
    "hard delete user",
    "invite external user",
    "invite internal user to b2b collaboration",
    "redeem external user invite",
    "restore user",
    // What applications may do, who owns them, and what they prove themselves with.
    "add delegated permission grant",
    "add oauth2permissiongrant",
    "add owner to application",
    "consent to application",
    "grant contextual consent to application",
    "remove delegated permission grant",
    "remove oauth2permissiongrant",
    "remove owner from application",
    "restore application",
    "restore consent",
    "update application",
    "update external secrets",
    // Groups can hold roles.
    "add group",
    "add member to group",
    "add owner to group",
    "bulk import group members",
    "bulk remove group members",
    "delete group",
    "hard delete group",
    "remove member from group",
    "remove owner from group",
    "restore group",
    "set group to be managed by user",
    "update group",
    // The tenant's own settings.
    "add policy",
    "add verified domain",
    "delete policy",
    "promote sub domain to root domain",
    "set company information",
    "set domain authentication",
    "set federation settings on domain",
    "update authorization policy",
    "update company",
    "update domain",
    "update policy",
    "update security defaults",
    "verify domain",
];

/// What activities of those categories do too, and nobody's access is changed by. They come by the
/// thousand.
const CHORES: &[&str] = &["download ", "license", "dsr delete", "dsr export"];

/// Properties of an account by which it is laid to a partner, or may be used at all.
const ACCOUNT: &[&str] = &["AccountEnabled", "Mail", "UserPrincipalName", "UserType"];

/// The name of an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Activity {
    /// As people read it.
    pub(super) name: String,
    /// In lower case, with one space between two words.
    pub(super) plain: String,
}

impl Activity {
    /// The name as an event gives it, with or without a period behind it.
    pub(super) fn new(given: &str) -> Self {
        let bare = given.trim().trim_end_matches('.');
        let words: Vec<&str> = bare.split_whitespace().collect();
        Self { name: text::foreign(bare), plain: words.join(" ").to_lowercase() }
    }

    /// Whether it can have changed what a partner may do. `changed` tells whether a property of
    /// the event's target became another.
    pub(super) fn matters(&self, category: Option<&str>, changed: impl Fn(&str) -> bool) -> bool {
        let known = |category: &str| CATEGORIES.iter().any(|it| it.eq_ignore_ascii_case(category));
        if category.is_some_and(known) && !CHORES.iter().any(|chore| self.plain.contains(chore)) {
            return true;
        }
        WORDS.iter().any(|word| self.plain.contains(word))
            || BEGINNINGS.iter().any(|beginning| self.plain.starts_with(beginning))
            || (self.plain == "update user" && ACCOUNT.iter().any(|property| changed(property)))
    }

    /// What of this program's own leaves such a trail.
    pub(super) fn trail(&self) -> Trail {
        trail::of_plain(&self.plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matters(name: &str, category: Option<&str>) -> bool {
        Activity::new(name).matters(category, |_| false)
    }

    /// In every form it comes in: with its category and without, with a period and without, in
    /// whatever case.
    #[track_caller]
    fn check(category: &str, name: &str, expect: bool) {
        for name in [name.to_owned(), format!("{name}."), name.to_uppercase(), format!(" {name} ")]
        {
            for category in [Some(category), None, Some("")] {
                assert_eq!(matters(&name, category), expect, "{name:?} {category:?}");
            }
        }
    }

    /// Activities by category: every one about partners, and what else changes access.
    const ACCESS: &[(&str, &[&str])] = &[
        (
            "DirectoryManagement",
            &[
                "Add partner to company",
                "Remove partner from company",
                "Set Partnership",
                "Promote company to partner",
                "Demote partner",
                "Set Company Information",
                "Update company",
                "Set domain authentication",
                "Set federation settings on domain",
            ],
        ),
        (
            "CrossTenantAccessSettings",
            &[
                "Add a partner to cross-tenant access setting",
                "Update a partner cross-tenant access setting",
                "Delete partner specific cross-tenant access setting",
                "Migrated partner cross-tenant access settings to the scalable model",
                "Reset the cross-tenant access default setting",
                "Update the company default cross-tenant access setting",
            ],
        ),
        (
            "CrossTenantIdentitySyncSettings",
            &[
                "Create a partner cross-tenant identity sync setting",
                "Update a partner cross-tenant identity sync setting",
                "Delete a partner cross-tenant identity sync setting",
            ],
        ),
        (
            "DelegatedAdminServiceProviderConstraints",
            &[
                "Adding allowed assignable roles",
                "Deleting allowed assignable roles",
                "Add allowed assignable roles",
                "Delete allowed assignable roles",
            ],
        ),
        (
            "RoleManagement",
            &[
                "Add member to role",
                "Remove member from role",
                "Add eligible member to role",
                "Remove eligible member from role",
                "Add scoped member to role",
                "Add role assignment to role definition",
                "Remove role assignment from role definition",
                "Add EligibleRoleAssignment to RoleDefinition",
                "Add member to role scoped over Restricted Management Administrative Unit",
                "Add role definition",
                "Update role definition",
                "Add member to role in PIM completed (permanent)",
                "Add member to role in PIM completed (timebound)",
                "Add member to role in PIM completed",
                "Add member to role in PIM requested (timebound)",
                "Add eligible member to role in PIM completed (permanent)",
                "Add eligible member to role in PIM completed",
                "Add member to role completed (PIM activation)",
                "Add member to role outside of PIM (permanent)",
                "Remove member from role in PIM completed (permanent)",
                "Remove member from role in PIM completed",
                "Remove eligible member from role in PIM completed (timebound)",
                "Remove member from role (PIM activation expired)",
                "Remove member from role completed (PIM deactivate)",
                "Remove permanent direct role assignment",
            ],
        ),
        (
            "UserManagement",
            &[
                "Invite external user",
                "Redeem external user invite",
                "Invite external user with reset invitation status",
                "Invite internal user to B2B collaboration",
                "Delete external user",
                "Add app role assignment to group",
                "Remove app role assignment from user",
                "Convert federated user to managed",
                "Enable account",
                "Restore user",
            ],
        ),
        (
            "Policy",
            &[
                "Add Conditional Access policy",
                "Update Conditional Access policy",
                "Delete Conditional Access policy",
                "Update policy",
                "Update named location",
                "Update security defaults",
            ],
        ),
        (
            "ApplicationManagement",
            &[
                "Add service principal",
                "Add app role assignment to service principal",
                "Remove app role assignment from service principal",
                "Add service principal credentials",
                "Remove service principal credentials",
                "Add owner to service principal",
                "Add owner to application",
                "Add delegated permission grant",
                "Consent to application",
                "Update application - Certificates and secrets management",
                "Update application \u{2013} Certificates and secrets management",
                "Restore service principal",
                "Update service principal",
            ],
        ),
        (
            "GroupManagement",
            &[
                "Add member to group",
                "Remove member from group",
                "Add owner to group",
                "Set group to be managed by user",
                "Restore group",
                "Update group",
                "Add app role assignment to group",
            ],
        ),
    ];

    #[test]
    fn every_activity_about_access_matters_in_every_form() {
        for (category, names) in ACCESS {
            for name in *names {
                check(category, name, true);
            }
        }
    }

    #[test]
    fn activities_about_nobodys_access_do_not() {
        for (category, name) in [
            ("UserManagement", "Update user"),
            ("UserManagement", "Add user"),
            ("UserManagement", "Change user license"),
            ("UserManagement", "Change user password"),
            ("UserManagement", "Reset password"),
            ("UserManagement", "User registered security info"),
            ("UserManagement", "Update StsRefreshTokenValidFrom Timestamp"),
            ("ApplicationManagement", "Add application"),
            ("Device", "Add device"),
            ("Device", "Add registered owner to device"),
            ("AdministrativeUnit", "Update administrative unit"),
            ("GroupManagement", "Finish applying group based license to user"),
            ("GroupManagement", "Set group license"),
            ("DirectoryManagement", "Download users - finished (bulk)"),
            ("DirectoryManagement", "DSR Export: MFA.CosmosDB.mfa-prd-cust-rpt-eu.activations"),
            ("KeyManagement", "Add BitLocker key"),
            ("Other", "UserLoggedIn"),
            ("Other", "FileAccessed"),
            ("Other", ""),
        ] {
            check(category, name, false);
        }
    }

    #[test]
    fn what_nobody_has_heard_of_counts_by_its_category() {
        for category in CATEGORIES {
            assert!(matters("Frobnicate thing", Some(category)), "{category}");
            assert!(matters("Frobnicate thing", Some(&category.to_lowercase())), "{category}");
        }
        assert!(!matters("Frobnicate thing", Some("UserManagement")));
        assert!(!matters("Frobnicate thing", None));
    }

    #[test]
    fn an_updated_user_matters_if_it_may_be_somebody_elses_now_or_can_be_used_again() {
        let update =
            |changed: &str| Activity::new("Update user.").matters(None, |it| it == changed);
        for property in ["UserType", "AccountEnabled", "UserPrincipalName", "Mail"] {
            assert!(update(property), "{property}");
        }
        assert!(!update("Department"));
        assert!(!Activity::new("Update users").matters(None, |_| true));
    }

    #[test]
    fn a_name_is_shown_without_its_period_and_in_one_line() {
        assert_eq!(Activity::new("Add member to role.").name, "Add member to role");
        assert_eq!(Activity::new(" Add\nmember\u{202e} . ").name, "Add member");
        assert!(matters("Add  member\tto\u{a0}group", None));
    }
}
