//! `unreadable`: a part of the tenant could not be read, so nothing is known of it.

use super::{Finding, FindingName, HOLDERS, Rule, Severity, View, blinded_by, rules};
use crate::domain::facts::{Gap, GapCause, Part};
use crate::domain::roster::AffectedPartner;

pub(super) const RULE: Rule = Rule {
    name: FindingName::Unreadable,
    name_text: "unreadable",
    severity: Severity::High,
    reads: &[],
    why: "What cannot be read cannot be called safe. As long as this lasts, a partner may hold power that no finding speaks of.",
    mend: "If the sign-in was refused, do what the finding says. If access was denied, grant the named application permission to the app registration and give admin consent (Microsoft Entra admin center > App registrations > API permissions). If Graph was busy or out of reach, nothing needs doing: it is read again by itself, and this closes when it was read whole.",
    page: "https://learn.microsoft.com/graph/permissions-reference",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let gaps = &view.facts.gaps;
    // Who was not let in could read nothing, and one finding says so.
    if let Some(gap) = gaps.iter().find(|gap| gap.cause == GapCause::SignInRefused) {
        let text = format!(
            "Unknown, because the sign-in was refused: {}. Unknown with it: everything.",
            gap.detail
        );
        return vec![finding("the tenant", text)];
    }
    let told = |gap: &Gap| {
        let permission = if gap.cause == GapCause::Denied {
            format!(" The application permission it takes: {}.", gap.part.permission())
        } else {
            String::new()
        };
        let blinds = blinds(gap.part);
        let text = format!("Unknown, because {gap}.{permission} Unknown with it: {blinds}.");
        finding(gap.part.noun(), text)
    };
    gaps.iter().map(told).collect()
}

/// The findings that may be missing, in words: where a part blinds nearly all of them, those it
/// blinds first of all and the rest together.
fn blinds(part: Part) -> String {
    let blinded: Vec<FindingName> = blinded_by(part).collect();
    let reading = |parts: &[Part]| -> Vec<FindingName> {
        let rules = rules().filter(|rule| parts.iter().all(|part| rule.reads.contains(part)));
        rules.map(|rule| rule.name).collect()
    };
    let together = [
        (reading(&[Part::RoleAssignments]), "finding about roles"),
        (reading(HOLDERS), "finding about who holds which role"),
    ];
    let all = |(names, _): &&(Vec<FindingName>, &str)| names.iter().all(|it| blinded.contains(it));
    let Some((names, what)) = together.iter().find(all) else {
        let names: Vec<&str> = blinded.iter().map(|name| name.as_str()).collect();
        return if names.is_empty() { "names only".to_owned() } else { names.join(", ") };
    };
    let first = foremost(part);
    let apart = blinded.iter().filter(|name| first == Some(**name) || !names.contains(name));
    let apart: Vec<&str> = apart.map(|name| name.as_str()).collect();
    match apart.as_slice() {
        [] => format!("every {what}"),
        apart => format!("{} and every other {what}", apart.join(", ")),
    }
}

/// The finding that is made of little else than this part.
fn foremost(part: Part) -> Option<FindingName> {
    match part {
        Part::Guests => Some(FindingName::GuestWithRole),
        Part::PartnerEntries | Part::Governance => Some(FindingName::UnlistedPartner),
        Part::ActiveSchedules => Some(FindingName::StandingAccess),
        Part::GroupMembers => Some(FindingName::RoleViaGroup),
        Part::Principals => Some(FindingName::UnclassifiedPrincipal),
        Part::RoleAssignments
        | Part::RoleDefinitions
        | Part::EligibleSchedules
        | Part::Accounts
        | Part::Memberships
        | Part::PartnerApps
        | Part::ServiceProviderConstraints
        | Part::ConditionalAccess
        | Part::Relationships
        | Part::DelegatedAccess => None,
    }
}

fn finding(subject: &str, text: String) -> Finding {
    Finding {
        finding: RULE.name,
        severity: RULE.severity,
        partner: AffectedPartner::unknown(),
        subject: subject.to_owned(),
        role: None,
        text,
        grant: None,
        relationship: None,
        certain: false,
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::facts::{GapCause, Part};
    use crate::domain::finding::testing::{Case, check};

    #[test]
    fn names_the_permission_where_access_was_denied() {
        check(
            "unreadable",
            Case::new().gap(Part::Guests, GapCause::Denied),
            &[
                "Unknown, because the guest accounts could not be read whole: (detail). The application permission it takes: User.Read.All. Unknown with it: guest-with-role, mfa-not-enforced, mfa-exempted, inbound-trust and every other finding about who holds which role.",
            ],
        );
    }

    #[test]
    fn a_part_read_only_in_part_is_unknown_beside_what_was_seen() {
        let case = Case::new()
            .foreign_group("AdminAgents", "Global Administrator")
            .gap(Part::RoleAssignments, GapCause::Unavailable);
        check(
            "unreadable",
            case.clone(),
            &[
                "Unknown, because the directory role assignments could not be read whole: (detail). Unknown with it: every finding about roles.",
            ],
        );
        check(
            "privileged-role",
            case,
            &[
                "AdminAgents, a principal of Contoso Reseller's own directory, holds the privileged role Global Administrator.",
            ],
        );
    }

    #[test]
    fn names_the_findings_that_are_blinded_and_not_all_of_them_one_by_one() {
        for (part, blinds) in [
            (Part::RoleAssignments, "every finding about roles"),
            (Part::EligibleSchedules, "every finding about roles"),
            (
                Part::ActiveSchedules,
                "standing-access, dedicated-account-drift, partner-app-privileged, \
                 support-access-lingering and every other finding about who holds which role",
            ),
            (Part::Principals, "unclassified-principal and every other finding about roles"),
            (
                Part::GroupMembers,
                "role-via-group, dedicated-account-drift, mfa-not-enforced, mfa-exempted, \
                 inbound-trust, partner-app-privileged and every other finding about who holds which \
                 role",
            ),
            (Part::RoleDefinitions, "privileged-role"),
            (Part::Accounts, "dedicated-account-drift, mfa-not-enforced, mfa-exempted"),
            (Part::PartnerApps, "unlisted-partner, partner-app-privileged, allowance-expired"),
            (Part::ServiceProviderConstraints, "support-access-lingering"),
        ] {
            assert_eq!(super::blinds(part), blinds, "{part:?}");
        }
    }

    #[test]
    fn a_refused_sign_in_is_told_once() {
        check(
            "unreadable",
            Case::new()
                .gap(Part::RoleAssignments, GapCause::SignInRefused)
                .gap(Part::Guests, GapCause::SignInRefused),
            &["Unknown, because the sign-in was refused: (detail). Unknown with it: everything."],
        );
    }

    #[test]
    fn is_silent_when_all_was_read() {
        check("unreadable", Case::new(), &[]);
    }
}
