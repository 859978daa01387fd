//! `unreadable`: a part of the tenant could not be read, so nothing is known of it.

use super::{Finding, FindingName, Rule, Severity, View, blinded_by};
use crate::domain::facts::{Gap, GapCause};
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
        let blinds: Vec<&str> = blinded_by(gap.part).map(FindingName::as_str).collect();
        let blinds = match blinds.as_slice() {
            [] => "names only".to_owned(),
            names => names.join(", "),
        };
        let text = format!("Unknown, because {gap}.{permission} Unknown with it: {blinds}.");
        finding(gap.part.noun(), text)
    };
    gaps.iter().map(told).collect()
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
                "Unknown, because the guest accounts could not be read whole: (detail). The application permission it takes: User.Read.All. Unknown with it: whether a role holder is a partner's guest (guest-with-role).",
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
                "Unknown, because the directory role assignments could not be read whole: (detail). Unknown with it: who holds which role: every finding about roles.",
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
