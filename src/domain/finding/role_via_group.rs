//! `role-via-group`: a partner's account holds a role by being in a group.

use super::{Finding, FindingName, HOLDERS, Rule, Severity, View, about_grant};
use crate::domain::grant::Held;

pub(super) const RULE: Rule = Rule {
    name: FindingName::RoleViaGroup,
    name_text: "role-via-group",
    severity: Severity::High,
    reads: HOLDERS,
    why: "Whoever is in a group that holds a role holds it too, and the list of the role's assignments shows only the group. Partners' accounts stay in such groups unseen, and whoever may add members to the group gives the role away.",
    mend: "Microsoft Entra admin center > Groups > All groups > the group > Members: remove the account, from the groups within it too. If the partner needs the role, assign it to the account itself, with an end.",
    page: "https://learn.microsoft.com/entra/identity/role-based-access-control/groups-concept",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let members = view.open_roles().filter(|it| matches!(it.held, Held::ThroughGroup { .. }));
    members
        .map(|grant| {
            let text = format!("{} {}.", grant.introduced(), grant.deed(""));
            about_grant(&RULE, grant, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::finding::testing::{Case, check};

    #[test]
    fn fires_for_every_member_that_is_a_partners_and_says_through_which_group() {
        check(
            "role-via-group",
            Case::new()
                .own_group("Admins", "User Administrator")
                .guest_in("Admins", "Alice", "alice@contoso-reseller.example")
                .dedicated_in("Admins", "svc-contoso@woodgrove.example")
                .partner_app_in("Admins", "Contoso Sync"),
            &[
                "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds User Administrator by being in Admins.",
                "svc-contoso@woodgrove.example, an account given to Contoso Reseller, holds User Administrator by being in Admins.",
                "Contoso Sync, an application of Contoso Reseller, holds User Administrator by being in Admins.",
            ],
        );
    }

    #[test]
    fn fires_for_a_group_that_may_activate_the_role_or_holds_it_by_a_schedule_alone() {
        let alice = |deed: &str| {
            format!(
                "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, {deed} Reports Reader by being in Admins."
            )
        };
        let group = |case: Case| case.guest_in("Admins", "Alice", "alice@contoso-reseller.example");
        check(
            "role-via-group",
            group(Case::new().eligible_group("Admins", "Reports Reader")),
            &[&alice("may activate")],
        );
        check(
            "role-via-group",
            group(Case::new().scheduled_group("Admins", "Reports Reader")),
            &[&alice("holds")],
        );
    }

    #[test]
    fn is_silent_about_own_people_others_guests_and_allowed_roles() {
        check(
            "role-via-group",
            Case::new()
                .allow(&["Directory Readers"])
                .own_group("Admins", "User Administrator")
                .member_in("Admins", "Megan")
                .guest_in("Admins", "Bob", "bob@customer.example")
                .own_group("Readers", "Directory Readers")
                .guest_in("Readers", "Alice", "alice@contoso-reseller.example")
                .guest("Carol", "carol@contoso-reseller.example", "User Administrator"),
            &[],
        );
    }

    #[test]
    fn a_schedule_that_is_there_because_of_the_group_is_not_told_twice() {
        let case = Case::new()
            .own_group("Admins", "Reports Reader")
            .guest_in("Admins", "Alice", "alice@contoso-reseller.example")
            .shadow("Alice", "Reports Reader");
        let alice = "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds Reports Reader by being in Admins.";
        check("role-via-group", case.clone(), &[alice]);
        check("guest-with-role", case, &[alice]);
        // Where the members of the group are not known, it is all there is.
        check(
            "guest-with-role",
            Case::new()
                .own_group("Admins", "Reports Reader")
                .guest_alone("Alice", "alice@contoso-reseller.example")
                .shadow("Alice", "Reports Reader"),
            &[
                "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds Reports Reader.",
            ],
        );
    }
}
