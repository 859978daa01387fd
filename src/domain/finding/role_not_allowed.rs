//! `role-not-allowed`: a partner holds a role outside what the policy allows it.

use super::{Finding, FindingName, HOLDERS, Rule, Severity, View, about_grant};

pub(super) const RULE: Rule = Rule {
    name: FindingName::RoleNotAllowed,
    name_text: "role-not-allowed",
    severity: Severity::High,
    reads: HOLDERS,
    why: "Every role beyond those agreed is access nobody asked for and nobody watches. Partners collect such roles over the years, often by default templates.",
    mend: "Take the role away (Microsoft 365 admin center > Settings > Partner relationships > the partner; or Microsoft Entra admin center > Roles & admins > the role), or, if it is needed, add it to the partner's `allow.roles` in the policy with an end.",
    page: "https://learn.microsoft.com/partner-center/customers/gdap-least-privileged-roles-by-task",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    view.open_roles()
        .map(|grant| {
            let (holder, deed) = (grant.introduced(), grant.deed(""));
            let text = format!("{holder} {deed}, which the policy does not allow it.");
            about_grant(&RULE, grant, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::finding::testing::{Case, check};

    #[test]
    fn fires_for_what_is_not_on_the_list() {
        check(
            "role-not-allowed",
            Case::new()
                .allow(&["Directory Readers"])
                .foreign_group("Agents", "Directory Readers")
                .foreign_group("Agents", "Exchange Administrator"),
            &[
                "Agents, a principal of Contoso Reseller's own directory, holds Exchange Administrator, which the policy does not allow it.",
            ],
        );
    }

    #[test]
    fn says_when_a_role_holds_in_one_unit_only() {
        check(
            "role-not-allowed",
            Case::new().scoped("Agents", "Groups Administrator", "/administrativeUnits/au-1"),
            &[
                "Agents, a principal of Contoso Reseller's own directory, holds Groups Administrator (scope /administrativeUnits/au-1), which the policy does not allow it.",
            ],
        );
    }

    #[test]
    fn an_exception_lets_a_grant_pass_until_its_end_and_only_that_one() {
        let case = || {
            Case::new()
                .foreign_group("Agents", "Exchange Administrator")
                .foreign_group("Agents", "SharePoint Administrator")
        };
        let sharepoint = "Agents, a principal of Contoso Reseller's own directory, holds SharePoint Administrator, which the policy does not allow it.";
        let exchange = "Agents, a principal of Contoso Reseller's own directory, holds Exchange Administrator, which the policy does not allow it.";
        let until = |moment| case().except("Exchange Administrator", moment);
        check("role-not-allowed", until("2026-12-24T18:00Z"), &[sharepoint]);
        check("role-not-allowed", until("2026-11-23T11:59Z"), &[exchange, sharepoint]);
    }

    #[test]
    fn unlisted_partners_have_their_own_allowance() {
        check(
            "role-not-allowed",
            Case::new()
                .allow_unlisted(&["Directory Readers"])
                .stranger_group("Strangers", "Directory Readers")
                .stranger_group("Strangers", "Reports Reader"),
            &[
                "Strangers, a principal of unnamed tenant 33333333-3333-3333-3333-333333333333's own directory, holds Reports Reader, which the policy does not allow it.",
            ],
        );
    }
}
