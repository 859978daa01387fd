//! `reappeared`: access that was taken away is back.

use super::{Finding, FindingName, HOLDERS, Rule, Severity, View, about_grant};
use crate::domain::grant::PrincipalKind;

pub(super) const RULE: Rule = Rule {
    name: FindingName::Reappeared,
    name_text: "reappeared",
    severity: Severity::Critical,
    reads: HOLDERS,
    why: "This access was taken away and seen to be gone. That it is back means that somebody, or a program of the partner's or of Microsoft's, gave it again: by mistake, against what was agreed, or because somebody has broken in.",
    mend: "Microsoft Entra admin center > Monitoring & health > Audit logs, category RoleManagement: see who added the role since. Speak with them before it is taken away once more. A partner's delegated administration gives its roles again by itself: end the relationship (Microsoft 365 admin center > Settings > Partner relationships > the partner > Remove roles).",
    page: "https://learn.microsoft.com/entra/identity/monitoring-health/concept-audit-logs",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    if view.facts.taken_away.is_empty() {
        return Vec::new();
    }
    let open = view.open.iter().filter(|grant| grant.kind != PrincipalKind::Unclassified);
    open.filter_map(|grant| {
        let often = match *view.facts.taken_away.get(&grant.likeness())? {
            0 | 1 => "once".to_owned(),
            number => format!("{number} times"),
        };
        let (holder, deed) = (grant.introduced(), grant.deed(""));
        let text = format!("{holder} {deed} again, after it was taken away {often}.");
        Some(about_grant(&RULE, grant, text))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::finding::testing::{Case, check};

    fn case() -> Case {
        Case::new()
            .foreign_group("Agents", "Reports Reader")
            .foreign_group("Agents", "Directory Readers")
    }

    #[test]
    fn fires_for_what_was_taken_away_and_only_for_that() {
        let text = |often| {
            format!(
                "Agents, a principal of Contoso Reseller's own directory, holds Reports Reader again, after it was taken away {often}."
            )
        };
        check("reappeared", case().taken_away("Reports Reader", 1), &[&text("once")]);
        check("reappeared", case().taken_away("Reports Reader", 3), &[&text("3 times")]);
    }

    #[test]
    fn is_silent_about_what_is_new_and_what_the_policy_allows_by_now() {
        check("reappeared", case(), &[]);
        let allowed = case().taken_away("Reports Reader", 1).allow(&["Reports Reader"]);
        check("reappeared", allowed, &[]);
    }
}
