//! `unlisted-partner`: a partner that the policy does not name has power or a relationship.

use super::{Finding, FindingName, Rule, Severity, View, about_grant};
use crate::domain::facts::Part;
use crate::domain::grant::{PrincipalKind, named};
use crate::domain::id::PartnerId;

pub(super) const RULE: Rule = Rule {
    name: FindingName::UnlistedPartner,
    name_text: "unlisted-partner",
    severity: Severity::High,
    reads: &[Part::RoleAssignments, Part::Principals, Part::PartnerEntries, Part::Governance],
    why: "A partner nobody listed may be a forgotten reseller or an invitation somebody was \
          talked into accepting. Either way no one has agreed what it may do.",
    mend: "Ask who accepted the relationship. If nobody did, end it: Microsoft 365 admin center > \
           Settings > Partner relationships > the partner > Remove roles. If it is wanted, add \
           the partner to the policy with the roles it needs.",
    page: "https://learn.microsoft.com/partner-center/customers/gdap-customer-terminate",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let strangers = view.grants.iter().filter(|grant| {
        grant.kind != PrincipalKind::Unclassified
            && !grant.partner.listed
            && grant.partner.id != Some(PartnerId::MICROSOFT_SUPPORT)
    });
    let mut findings: Vec<Finding> = strangers
        .map(|grant| {
            let text = format!(
                "{}, a partner the policy does not name, holds {}{} through {}.",
                grant.partner.name,
                grant.role.name,
                grant.scope_note(),
                grant.holder(),
            );
            about_grant(&RULE, grant, text)
        })
        .collect();
    for id in service_providers(view) {
        if findings.iter().any(|finding| finding.partner.id == Some(id)) {
            continue;
        }
        let partner = named(view.facts, view.tenant, id);
        findings.push(Finding {
            finding: RULE.name,
            severity: RULE.severity,
            subject: partner.name.clone(),
            text: format!(
                "{} is a service provider of this tenant and the policy does not name it.",
                partner.name
            ),
            partner,
            role: None,
            grant: None,
            certain: true,
        });
    }
    findings
}

fn service_providers(view: &View<'_>) -> Vec<PartnerId> {
    let providers =
        view.facts.partner_entries.iter().filter(|entry| entry.is_service_provider == Some(true));
    providers
        .filter_map(|entry| entry.tenant_id.parse().ok())
        .filter(|id: &PartnerId| {
            *id != PartnerId::MICROSOFT_SUPPORT && view.tenant.partner(*id).is_none()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::finding::testing::{Case, STRANGER, check};

    #[test]
    fn fires_for_power_and_for_a_bare_relationship_but_not_for_both() {
        let through_group = "unnamed tenant 33333333-3333-3333-3333-333333333333, a partner the \
                             policy does not name, holds Directory Readers through Strangers.";
        let bare = "unnamed tenant 33333333-3333-3333-3333-333333333333 is a service provider of \
                    this tenant and the policy does not name it.";
        let stranger = || Case::new().stranger_group("Strangers", "Directory Readers");
        check("unlisted-partner", stranger(), &[through_group]);
        check("unlisted-partner", Case::new().service_provider(STRANGER), &[bare]);
        check("unlisted-partner", stranger().service_provider(STRANGER), &[through_group]);
    }

    #[test]
    fn shows_the_name_a_stranger_gives_itself_as_just_that() {
        check(
            "unlisted-partner",
            Case::new().service_provider(STRANGER).calls_itself(STRANGER, "Micro\u{202e}soft\n"),
            &["“Microsoft” (calls itself so; tenant 33333333-3333-3333-3333-333333333333) is a \
               service provider of this tenant and the policy does not name it."],
        );
    }

    #[test]
    fn is_silent_about_listed_partners_microsoft_support_and_plain_collaboration() {
        check(
            "unlisted-partner",
            Case::new()
                .foreign_group("Agents", "Global Administrator")
                .service_provider("22222222-2222-2222-2222-222222222222")
                .service_provider("b4c546a4-7dac-46a6-a7dd-ed822a11efd3")
                .microsoft_support("Microsoft 365 Support Engineer")
                .collaborator(STRANGER),
            &[],
        );
    }
}
