//! `privileged-role`: a partner holds a privileged role that the policy does not allow it.

use super::{Finding, FindingName, Rule, Severity, View, about_grant};
use crate::domain::facts::Part;

pub(super) const RULE: Rule = Rule {
    name: FindingName::PrivilegedRole,
    name_text: "privileged-role",
    severity: Severity::Critical,
    reads: &[
        Part::RoleAssignments,
        Part::ActiveSchedules,
        Part::EligibleSchedules,
        Part::Principals,
        Part::GroupMembers,
        Part::Guests,
        Part::PartnerEntries,
        Part::Governance,
        Part::RoleDefinitions,
    ],
    why: "A privileged role lets its holder take over accounts or the whole tenant. Held by a partner it works outside your own conditional access, so whoever breaks into the partner is inside your tenant; NOBELIUM used exactly that.",
    mend: "Give the partner only the roles its work needs (Microsoft lists them by task), for a limited time. To take this one away: Microsoft 365 admin center > Settings > Partner relationships > the partner > Remove roles; for a guest or an account of your own: Microsoft Entra admin center > Roles & admins > the role > Assignments > Remove (one that may be activated: the tab Eligible assignments; one that is held by being in a group: Groups > the group > Members).",
    page: "https://learn.microsoft.com/entra/identity/role-based-access-control/privileged-roles-permissions",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    view.open_roles()
        .filter_map(|grant| {
            let (certain, what) = match grant.role.privileged {
                Some(true) => (true, "the privileged role "),
                // Nobody says whether it is privileged, so nobody says that it is harmless.
                None => (false, "a role that cannot be shown to be harmless, "),
                Some(false) => return None,
            };
            let text = format!("{} {}.", grant.introduced(), grant.deed(what));
            Some(Finding { certain, ..about_grant(&RULE, grant, text) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::finding::testing::{Case, check};

    #[test]
    fn fires_for_every_way_a_partner_holds_a_privileged_role() {
        check(
            "privileged-role",
            Case::new()
                .foreign_group("AdminAgents", "Global Administrator")
                .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
                .dedicated_account("svc-contoso@woodgrove.example", "Security Administrator")
                .partner_app("Contoso Sync", "Application Administrator"),
            &[
                "AdminAgents, a principal of Contoso Reseller's own directory, holds the privileged role Global Administrator.",
                "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds the privileged role User Administrator.",
                "svc-contoso@woodgrove.example, an account given to Contoso Reseller, holds the privileged role Security Administrator.",
                "Contoso Sync, an application of Contoso Reseller, holds the privileged role Application Administrator.",
            ],
        );
    }

    #[test]
    fn is_silent_about_the_tenants_own_people_and_what_is_allowed() {
        check(
            "privileged-role",
            Case::new()
                .allow(&["Global Reader"])
                .member("Megan", "Global Administrator")
                .own_group("Admins", "Global Administrator")
                .own_app("Backup", "Application Administrator")
                .guest("Bob", "bob@customer.example", "Global Administrator")
                .foreign_group("Readers", "Global Reader")
                .foreign_group("Support", "Service Support Administrator"),
            &[],
        );
    }

    #[test]
    fn a_role_nobody_knows_is_not_harmless() {
        check(
            "privileged-role",
            Case::new().foreign_group("Agents", "99999999-9999-9999-9999-999999999999"),
            &[
                "Agents, a principal of Contoso Reseller's own directory, holds a role that cannot be shown to be harmless, unknown role 99999999-9999-9999-9999-999999999999.",
            ],
        );
    }

    #[test]
    fn an_allowance_that_ran_out_allows_nothing() {
        let case =
            || Case::new().allow(&["Global Reader"]).foreign_group("Readers", "Global Reader");
        check("privileged-role", case().allowed_until("2026-11-24"), &[]);
        check(
            "privileged-role",
            case().allowed_until("2026-11-22"),
            &[
                "Readers, a principal of Contoso Reseller's own directory, holds the privileged role Global Reader.",
            ],
        );
    }
}
