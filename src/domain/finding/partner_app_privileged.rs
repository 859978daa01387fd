//! `partner-app-privileged`: a partner's application holds a directory role or a powerful
//! permission.

use super::{Finding, FindingName, Rule, Severity, View, about_grant};
use crate::domain::facts::Part;
use crate::domain::grant::{Held, PrincipalKind};

pub(super) const RULE: Rule = Rule {
    name: FindingName::PartnerAppPrivileged,
    name_text: "partner-app-privileged",
    severity: Severity::High,
    reads: &[
        Part::PartnerApps,
        Part::RoleAssignments,
        Part::ActiveSchedules,
        Part::EligibleSchedules,
        Part::Principals,
        Part::GroupMembers,
        Part::PartnerEntries,
        Part::Governance,
    ],
    why: "An application signs in with a secret that only the partner keeps, day and night, and no rule about people (a second factor, conditional access) stops it. Whoever takes that secret from the partner has this power in your tenant.",
    mend: "Ask the partner what the application needs. To take it away: Microsoft Entra admin center > Enterprise apps > the application > Permissions > the permission > Revoke permission; a directory role: Roles & admins > the role > Assignments > Remove. If it is needed, name the role, or the permission by its id, under the partner's `allow.roles` in the policy.",
    page: "https://learn.microsoft.com/entra/identity/enterprise-apps/manage-application-permissions",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let apps = view.open.iter().filter(|grant| grant.kind == PrincipalKind::App);
    apps.map(|grant| {
        let is_permission = matches!(grant.held, Held::AppRole { .. });
        let unknown = is_permission && grant.role.privileged.is_none();
        let aside = if unknown { ", which cannot be shown to be harmless" } else { "" };
        let text = format!("{} {}{aside}.", grant.introduced(), grant.deed(""));
        Finding { certain: !unknown, ..about_grant(&RULE, grant, text) }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::finding::testing::{Case, STRANGER, check};

    const MAIL_READ_WRITE: &str = "e2a3a72e-5f79-4c64-b1b1-878b674786c9";
    const FULL_ACCESS_AS_APP: &str = "dc890d15-9560-4a4c-9b7f-a736ec74ec40";
    const USER_READ_ALL: &str = "df021288-bdef-4463-88db-98f22de89214";
    const NEW: &str = "99999999-9999-4999-8999-999999999999";
    const NONE: &str = "00000000-0000-0000-0000-000000000000";
    const GRAPH: &str = "Microsoft Graph";

    #[test]
    fn fires_for_roles_and_powerful_permissions() {
        check(
            "partner-app-privileged",
            Case::new()
                .partner_app("Contoso Sync", "Directory Readers")
                .app_with("Contoso Mail", MAIL_READ_WRITE, GRAPH)
                .app_with("Contoso Mail", FULL_ACCESS_AS_APP, "Office 365 Exchange Online"),
            &[
                "Contoso Sync, an application of Contoso Reseller, holds Directory Readers.",
                "Contoso Mail, an application of Contoso Reseller, holds the application permission Mail.ReadWrite of Microsoft Graph.",
                "Contoso Mail, an application of Contoso Reseller, holds the application permission full_access_as_app of Office 365 Exchange Online.",
            ],
        );
    }

    #[test]
    fn fires_for_an_unlisted_service_providers_application() {
        check(
            "partner-app-privileged",
            Case::new().service_provider(STRANGER).app_of(STRANGER, "Sync", MAIL_READ_WRITE, GRAPH),
            &[
                "Sync, an application of unnamed tenant 33333333-3333-3333-3333-333333333333, holds the application permission Mail.ReadWrite of Microsoft Graph.",
            ],
        );
    }

    #[test]
    fn a_permission_of_microsoft_graph_that_nobody_knows_is_not_harmless() {
        let case = Case::new().app_with("Contoso Sync", NEW, GRAPH);
        check(
            "partner-app-privileged",
            case.clone(),
            &[
                "Contoso Sync, an application of Contoso Reseller, holds the application permission 99999999-9999-4999-8999-999999999999 of Microsoft Graph, which cannot be shown to be harmless.",
            ],
        );
        assert!(case.findings().iter().all(|finding| !finding.certain));
        check(
            "partner-app-privileged",
            Case::new().app_with("Contoso Sync", "not-an-id\n", ""),
            &[
                "Contoso Sync, an application of Contoso Reseller, holds the application permission not-an-id of an API without a name, which cannot be shown to be harmless.",
            ],
        );
    }

    #[test]
    fn is_silent_about_harmless_and_allowed_permissions_and_applications_of_others() {
        check(
            "partner-app-privileged",
            Case::new()
                .allow(&["Directory Readers", FULL_ACCESS_AS_APP])
                .partner_app("Contoso Sync", "Directory Readers")
                .app_with("Contoso Sync", USER_READ_ALL, GRAPH)
                .app_with("Contoso Sync", FULL_ACCESS_AS_APP, "Office 365 Exchange Online")
                .app_with("Contoso Sync", NEW, "Contoso API")
                .app_with("Contoso Sync", NONE, GRAPH)
                .own_app("Backup", "Application Administrator")
                .app_of("11111111-1111-1111-1111-111111111111", "Ours", MAIL_READ_WRITE, GRAPH)
                .app_of(STRANGER, "Somebody's", MAIL_READ_WRITE, GRAPH)
                // Microsoft's own.
                .app_of("f8cdef31-a31e-4b4a-93e4-5f571e91255a", "Office", MAIL_READ_WRITE, GRAPH),
            &[],
        );
    }
}
