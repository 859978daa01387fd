//! `support-access-lingering`: Microsoft Support still has access long after a support case.
//!
//! Microsoft adds its support tenant as a service provider when a support request is made, with
//! the role Microsoft 365 Support Engineer, and removes it when the case is closed, or 30 days
//! after the latest request. How long it has been there is known only where Graph tells when the
//! roles it may be given were last set. Where that is not told, this role of Microsoft Support is
//! left alone: it cannot be told from that of a running case.
//!
//! Source: Microsoft 365 documentation, "Understanding Microsoft 365 case creation and data access"
//! (2026-01-15).

use jiff::SignedDuration;

use super::{Finding, FindingName, Rule, Severity, View, about_grant, moment};
use crate::domain::facts::Part;
use crate::domain::grant::{Grant, named};
use crate::domain::id::PartnerId;
use crate::domain::role;

/// After this time Microsoft removes the access itself; a day is left for that.
const LASTS: SignedDuration = SignedDuration::from_hours(31 * 24);

const SUPPORT: PartnerId = PartnerId::MICROSOFT_SUPPORT;

pub(super) const RULE: Rule = Rule {
    name: FindingName::SupportAccessLingering,
    name_text: "support-access-lingering",
    severity: Severity::Medium,
    reads: &[
        Part::RoleAssignments,
        Part::ActiveSchedules,
        Part::EligibleSchedules,
        Part::Principals,
        Part::PartnerEntries,
        Part::ServiceProviderConstraints,
    ],
    why: "Microsoft Support gets one role, for as long as a support case is open, and Microsoft takes it away within 30 days. Access that is older, or any other role, is not what a support case brings.",
    mend: "Microsoft 365 admin center > Support > View service requests: close the cases that are done. If none is open, remove the entry: Microsoft Entra admin center > External Identities > Cross-tenant access settings > Organizational settings > Microsoft Support (tenant b4c546a4-7dac-46a6-a7dd-ed822a11efd3) > Delete. Another role: Roles & admins > the role > Assignments > Remove.",
    page: "https://learn.microsoft.com/microsoft-365/admin/support-diagnostic-information-collection",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let is_support = |grant: &&Grant| grant.partner.id == Some(SUPPORT);
    let is_engineer =
        |grant: &&Grant| grant.role.template_id == Some(role::MICROSOFT_365_SUPPORT_ENGINEER);
    let others = view.open.iter().copied().filter(is_support).filter(|it| !is_engineer(it));
    let mut findings: Vec<Finding> = others
        .map(|grant| {
            let (partner, deed) = (&grant.partner.name, grant.deed(""));
            let text = format!("{partner} {deed}, which no support case brings with it.");
            about_grant(&RULE, grant, text)
        })
        .collect();
    let since = view.facts.constraints_since.get(&SUPPORT);
    let Some(since) = since.filter(|since| since.duration_until(view.now) > LASTS) else {
        return findings;
    };
    let tail = format!(
        "on {}, longer ago than a support case may last without being renewed",
        moment(*since)
    );
    let mut engineers = view.grants.iter().filter(is_support).filter(is_engineer).peekable();
    if engineers.peek().is_none() && is_service_provider(view) {
        let partner = named(view.facts, view.tenant, SUPPORT);
        findings.push(Finding {
            finding: RULE.name,
            severity: RULE.severity,
            subject: partner.name.clone(),
            role: None,
            text: format!(
                "{} is a service provider of this tenant and was let in {tail}.",
                partner.name
            ),
            partner,
            grant: None,
            relationship: None,
            certain: true,
        });
    }
    findings.extend(engineers.map(|grant| {
        let (partner, deed) = (&grant.partner.name, grant.deed(""));
        let text = format!("{partner} {deed} and was let in {tail}.");
        about_grant(&RULE, grant, text)
    }));
    findings
}

fn is_service_provider(view: &View<'_>) -> bool {
    view.facts.partner_entries.iter().any(|entry| {
        entry.is_service_provider == Some(true) && entry.tenant_id.parse() == Ok(SUPPORT)
    })
}

#[cfg(test)]
mod tests {
    use crate::domain::finding::testing::{Case, check};

    const SUPPORT: &str = "b4c546a4-7dac-46a6-a7dd-ed822a11efd3";
    const ENGINEER: &str = "Microsoft 365 Support Engineer";

    #[test]
    fn fires_when_the_access_is_older_than_a_case_may_be() {
        let case = |since| {
            Case::new()
                .service_provider(SUPPORT)
                .microsoft_support(ENGINEER)
                .provider_since(SUPPORT, since)
        };
        check(
            "support-access-lingering",
            case("2026-10-01T08:00:00Z"),
            &[
                "Microsoft Support holds Microsoft 365 Support Engineer and was let in on 2026-10-01 08:00 UTC, longer ago than a support case may last without being renewed.",
            ],
        );
        check("support-access-lingering", case("2026-10-23T12:00:00Z"), &[]);
        check(
            "support-access-lingering",
            Case::new().service_provider(SUPPORT).provider_since(SUPPORT, "2026-10-01T08:00:00Z"),
            &[
                "Microsoft Support is a service provider of this tenant and was let in on 2026-10-01 08:00 UTC, longer ago than a support case may last without being renewed.",
            ],
        );
    }

    #[test]
    fn fires_for_any_other_role() {
        check(
            "support-access-lingering",
            Case::new().microsoft_support("Helpdesk Administrator"),
            &[
                "Microsoft Support holds Helpdesk Administrator, which no support case brings with it.",
            ],
        );
    }

    #[test]
    fn is_silent_during_a_case_and_where_its_age_is_unknown() {
        let case = || Case::new().service_provider(SUPPORT).microsoft_support(ENGINEER);
        check("support-access-lingering", case(), &[]);
        let new = case().provider_since(SUPPORT, "2026-11-20T08:00:00Z");
        assert_eq!(new.findings(), [], "nothing at all is said of a running case");
        let gone = Case::new().provider_since(SUPPORT, "2026-10-01T08:00:00Z");
        check("support-access-lingering", gone, &[]);
        let other = Case::new().foreign_group("Agents", "Helpdesk Administrator");
        check("support-access-lingering", other, &[]);
    }
}
