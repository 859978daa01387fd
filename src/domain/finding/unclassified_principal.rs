//! `unclassified-principal`: it cannot be told whose the holder of a role is.

use super::{Finding, FindingName, HOLDERS, Rule, Severity, View, about_grant};
use crate::domain::grant::PrincipalKind;

pub(super) const RULE: Rule = Rule {
    name: FindingName::UnclassifiedPrincipal,
    name_text: "unclassified-principal",
    severity: Severity::High,
    reads: HOLDERS,
    why: "Microsoft Graph names a holder of this role but will not say who it is, or says two \
          things that do not agree. Principals of partners look like this; posture tools drop \
          them.",
    mend: "Microsoft Entra admin center > Roles & admins > the role > Assignments: look up the \
           holder by its object id. If nobody knows it, remove the assignment there. It is never \
           removed without a person.",
    page: "https://learn.microsoft.com/graph/api/directoryobject-getbyids",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let unclassified = view.open.iter().filter(|grant| grant.kind == PrincipalKind::Unclassified);
    unclassified
        .map(|grant| {
            let (holder, deed) = (grant.holder(), grant.deed(""));
            let text = format!("{holder} {deed}, and it cannot be told whose it is.");
            Finding { certain: false, ..about_grant(&RULE, grant, text) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::facts::{GapCause, Part};
    use crate::domain::finding::testing::{Case, check};

    #[test]
    fn fires_when_nobody_says_who_it_is() {
        check(
            "unclassified-principal",
            Case::new().unresolvable("dddddddd-0000-0000-0000-000000000001", "Global Reader"),
            &["principal dddddddd-0000-0000-0000-000000000001 holds Global Reader, and it cannot \
               be told whose it is."],
        );
    }

    #[test]
    fn fires_when_the_answers_disagree() {
        check(
            "unclassified-principal",
            Case::new()
                .member_from("Mallory", "33333333-3333-3333-3333-333333333333", "Reports Reader")
                .group_from("Ghosts", "33333333-3333-3333-3333-333333333333", "Reports Reader")
                .garbled_home("Odd", "not-a-tenant", "Reports Reader"),
            &[
                "Mallory (mallory@woodgrove.example) holds Reports Reader, and it cannot be told \
                 whose it is.",
                "Ghosts holds Reports Reader, and it cannot be told whose it is.",
                "Odd (odd@woodgrove.example) holds Reports Reader, and it cannot be told whose it \
                 is.",
            ],
        );
    }

    #[test]
    fn a_home_elsewhere_is_enough_to_know_a_foreign_principal() {
        check(
            "unclassified-principal",
            Case::new().unresolvable_from(
                "dddddddd-0000-0000-0000-000000000001",
                "22222222-2222-2222-2222-222222222222",
                "Global Reader",
            ),
            &[],
        );
    }

    #[test]
    fn a_failed_look_up_is_told_once_and_not_for_each_principal() {
        check(
            "unclassified-principal",
            Case::new()
                .unresolvable("dddddddd-0000-0000-0000-000000000001", "Global Reader")
                .gap(Part::Principals, GapCause::Unavailable),
            &[],
        );
    }
}
