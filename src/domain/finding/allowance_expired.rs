//! `allowance-expired`: what the policy once allowed a partner has run out, and it still holds it.

use jiff::Timestamp;

use super::{Finding, FindingName, Rule, Severity, View, about_grant, moment};
use crate::domain::facts::Part;
use crate::domain::grant::{Grant, PrincipalKind};
use crate::domain::text;

pub(super) const RULE: Rule = Rule {
    name: FindingName::AllowanceExpired,
    name_text: "allowance-expired",
    severity: Severity::Medium,
    reads: &[
        Part::RoleAssignments,
        Part::ActiveSchedules,
        Part::EligibleSchedules,
        Part::Principals,
        Part::GroupMembers,
        Part::Guests,
        Part::PartnerEntries,
        Part::Governance,
        Part::PartnerApps,
    ],
    why: "Somebody decided that the partner may hold this until a date, and the date is past. Either the work is done and the access was forgotten, or it goes on and nobody has agreed to that.",
    mend: "If the work is done, take the role away (Microsoft 365 admin center > Settings > Partner relationships > the partner, or Microsoft Entra admin center > Roles & admins > the role) and delete the line from the policy. If it goes on, write a new `until` into the policy.",
    page: "https://learn.microsoft.com/entra/id-governance/privileged-identity-management/pim-resource-roles-renew-extend",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let open = view.open.iter().filter(|grant| grant.kind != PrincipalKind::Unclassified);
    open.filter_map(|grant| {
        let (_, ended) = allowance(view, grant).into_iter().chain(exception(view, grant)).max()?;
        let (holder, deed) = (grant.introduced(), grant.deed(""));
        Some(about_grant(&RULE, grant, format!("{holder} {deed}, which {ended}.")))
    })
    .collect()
}

/// When the allowance that would have covered the grant ended, and that in words.
fn allowance(view: &View<'_>, grant: &Grant) -> Option<(Timestamp, String)> {
    let partner = view.tenant.partner(grant.partner.id?);
    let allow = partner.map_or(&view.tenant.unlisted, |partner| &partner.allow);
    let until = allow.until.filter(|until| *until <= view.now)?;
    let was_allowed = allow.roles.contains(&grant.role.template_id?);
    was_allowed.then(|| (until, format!("the policy allowed until {}", moment(until))))
}

/// When the last exception that would have covered the grant ended, and that in words.
fn exception(view: &View<'_>, grant: &Grant) -> Option<(Timestamp, String)> {
    let (partner, role) = (grant.partner.id?, grant.role.template_id?);
    let ended = view.policy.exceptions.iter().filter(|it| {
        it.partner == partner
            && it.role == role
            && it.until <= view.now
            && it.tenant.is_none_or(|only| only == view.tenant.id)
    });
    let last = ended.max_by_key(|it| it.until)?;
    let ticket = last.ticket.as_deref().map(|ticket| format!(", {}", text::foreign(ticket)));
    let reason = text::foreign(&last.reason);
    let said = format!(
        "an exception let pass until {} ({reason}{})",
        moment(last.until),
        ticket.unwrap_or_default()
    );
    Some((last.until, said))
}

#[cfg(test)]
mod tests {
    use crate::domain::finding::testing::{Case, check};

    const AGENTS: &str = "Agents, a principal of Contoso Reseller's own directory, holds";

    #[test]
    fn fires_when_the_allowance_has_run_out_and_names_when() {
        let case = |until| {
            Case::new()
                .allow(&["Directory Readers"])
                .allowed_until(until)
                .foreign_group("Agents", "Directory Readers")
                .foreign_group("Agents", "Reports Reader")
        };
        let text = format!(
            "{AGENTS} Directory Readers, which the policy allowed until 2026-11-23 00:00 UTC."
        );
        check("allowance-expired", case("2026-11-22"), &[&text]);
        check("allowance-expired", case("2026-11-23"), &[]);
    }

    #[test]
    fn fires_when_an_exception_has_run_out() {
        let case = |until| {
            Case::new()
                .except("Exchange Administrator", until)
                .foreign_group("Agents", "Exchange Administrator")
                .stranger_group("Strangers", "Exchange Administrator")
        };
        let text = format!(
            "{AGENTS} Exchange Administrator, which an exception let pass until 2026-11-20 18:00 UTC (migration, CHG-4711)."
        );
        check("allowance-expired", case("2026-11-20T18:00Z"), &[&text]);
        check("allowance-expired", case("2026-11-24T18:00Z"), &[]);
    }

    #[test]
    fn the_later_end_is_named_and_a_running_exception_covers_an_ended_allowance() {
        let case = |until| {
            Case::new()
                .allow(&["Directory Readers"])
                .allowed_until("2026-11-20")
                .except("Directory Readers", until)
                .foreign_group("Agents", "Directory Readers")
        };
        let text = format!(
            "{AGENTS} Directory Readers, which an exception let pass until 2026-11-22 00:00 UTC (migration, CHG-4711)."
        );
        check("allowance-expired", case("2026-11-22T00:00Z"), &[&text]);
        check("allowance-expired", case("2026-12-24T00:00Z"), &[]);
    }

    #[test]
    fn fires_for_what_any_partner_was_allowed_and_for_what_may_be_activated() {
        check(
            "allowance-expired",
            Case::new()
                .allow_unlisted(&["Directory Readers"])
                .unlisted_until("2026-11-01")
                .stranger_group("Strangers", "Directory Readers"),
            &[
                "Strangers, a principal of unnamed tenant 33333333-3333-3333-3333-333333333333's own directory, holds Directory Readers, which the policy allowed until 2026-11-02 00:00 UTC.",
            ],
        );
        check(
            "allowance-expired",
            Case::new()
                .allow(&["Directory Readers"])
                .allowed_until("2026-11-01")
                .account("svc@woodgrove.example")
                .eligible("svc@woodgrove.example", "Directory Readers", None),
            &[
                "svc@woodgrove.example, an account given to Contoso Reseller, may activate Directory Readers, which the policy allowed until 2026-11-02 00:00 UTC.",
            ],
        );
    }

    #[test]
    fn is_silent_about_what_was_never_allowed() {
        check(
            "allowance-expired",
            Case::new()
                .allow(&["Directory Readers"])
                .foreign_group("Agents", "Directory Readers")
                .foreign_group("Agents", "Global Administrator"),
            &[],
        );
    }
}
