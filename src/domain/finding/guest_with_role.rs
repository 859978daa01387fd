//! `guest-with-role`: a guest account of a partner's people holds a directory role.

use super::{Finding, FindingName, HOLDERS, Rule, Severity, View, about_grant};
use crate::domain::grant::PrincipalKind;

pub(super) const RULE: Rule = Rule {
    name: FindingName::GuestWithRole,
    name_text: "guest-with-role",
    severity: Severity::High,
    reads: HOLDERS,
    why: "A guest account is a second way in beside delegated administration: it has no end, does not show under Partner relationships, and stays when the relationship ends.",
    mend: "Microsoft Entra admin center > Roles & admins > the role > Assignments: remove the guest. If the partner needs the role, let it ask for it by delegated administration, or give it an account of your own that your MFA rules cover.",
    page: "https://learn.microsoft.com/entra/external-id/user-properties",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let guests = view.open_roles().filter(|grant| grant.kind == PrincipalKind::Guest);
    guests
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
    fn fires_however_the_guest_is_known_to_be_the_partners() {
        let alice = "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds Reports Reader.";
        let role = "Reports Reader";
        let mail = "alice@contoso-reseller.example";
        check("guest-with-role", Case::new().guest("Alice", mail, role), &[alice]);
        check("guest-with-role", Case::new().guest("Alice", mail, role).hide_guests(), &[alice]);
        check(
            "guest-with-role",
            Case::new().guest_from_home("Alice", "22222222-2222-2222-2222-222222222222", role),
            &[
                "Alice (alice_elsewhere.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds Reports Reader.",
            ],
        );
    }

    #[test]
    fn is_silent_about_guests_of_others_and_allowed_roles() {
        check(
            "guest-with-role",
            Case::new()
                .allow(&["Guest Inviter"])
                .guest("Bob", "bob@customer.example", "Global Administrator")
                .guest("Eve", "eve@notcontoso-reseller.example", "Global Administrator")
                .guest("Alice", "alice@contoso-reseller.example", "Guest Inviter")
                .guest_from_home("Zoe", "44444444-4444-4444-4444-444444444444", "Reports Reader"),
            &[],
        );
    }
}
