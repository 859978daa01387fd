//! `unlisted-partner`: a partner that the policy does not name has power or a relationship.

use std::collections::HashSet;

use super::{Finding, FindingName, Rule, Severity, View, about_grant};
use crate::domain::facts::Part;
use crate::domain::grant::{Held, PrincipalKind, named};
use crate::domain::id::PartnerId;
use crate::domain::roster::AffectedPartner;

/// The subject of what is said of a governing tenant.
pub(super) const GOVERNANCE: &str = "tenant governance relationship";

pub(super) const RULE: Rule = Rule {
    name: FindingName::UnlistedPartner,
    name_text: "unlisted-partner",
    severity: Severity::High,
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
    why: "A partner nobody listed may be a forgotten reseller or an invitation somebody was \
          talked into accepting. Either way no one has agreed what it may do.",
    mend: "Ask who accepted the relationship. If nobody did, end it: Microsoft 365 admin center > \
           Settings > Partner relationships > the partner > Remove roles; a tenant governance \
           relationship: Microsoft Entra admin center > Tenant governance > Governance \
           relationships > the tenant > Terminate. If it is wanted, add the partner to the policy \
           with the roles it needs.",
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
            let verb = if grant.held.must_be_activated() { "may activate" } else { "holds" };
            let is_permission = matches!(grant.held, Held::AppRole { .. });
            let what = if is_permission { "the application permission " } else { "" };
            let mut text = format!(
                "{}, a partner the policy does not name, {verb} {what}{}{} through {}",
                grant.partner.name,
                grant.role.name,
                grant.scope_note(),
                grant.holder(),
            );
            if let Held::ThroughGroup { group_name, .. } = &grant.held {
                text = format!("{text}, which is in {group_name}");
            }
            text.push('.');
            about_grant(&RULE, grant, text)
        })
        .collect();
    let mut told: HashSet<PartnerId> = findings.iter().filter_map(|it| it.partner.id).collect();
    for id in service_providers(view) {
        if told.insert(id) {
            let partner = named(view.facts, view.tenant, id);
            let what = "is a service provider of this tenant";
            let subject = partner.name.clone();
            findings.push(relationship(partner, subject, what));
        }
    }
    findings.extend(governing(view));
    findings
}

fn service_providers(view: &View<'_>) -> Vec<PartnerId> {
    let providers =
        view.facts.partner_entries.iter().filter(|entry| entry.is_service_provider == Some(true));
    let providers = providers.filter_map(|entry| entry.tenant_id.parse().ok());
    providers.filter(|id: &PartnerId| is_stranger(view, *id)).collect()
}

/// A governing tenant is told even where it is told of for something else: taking that away does
/// not end the relationship.
fn governing(view: &View<'_>) -> Vec<Finding> {
    let mut told = HashSet::new();
    let standing = view.facts.governance.iter().filter(|it| it.stands());
    let unlisted = standing.filter_map(|it| {
        let id = it.governing_tenant_id.as_deref().and_then(|id| id.parse::<PartnerId>().ok());
        let partner = match id {
            Some(id) if !is_stranger(view, id) => return None,
            Some(id) => named(view.facts, view.tenant, id),
            None => AffectedPartner::unknown(),
        };
        told.insert(id).then_some(partner)
    });
    unlisted
        .map(|partner| {
            let is_known = partner.id.is_some();
            let what = "governs this tenant by a tenant governance relationship";
            let mut found = relationship(partner, GOVERNANCE.to_owned(), what);
            if !is_known {
                let text = "A tenant governance relationship is active, and it does not say which \
                            tenant governs this one.";
                text.clone_into(&mut found.text);
                found.certain = false;
            }
            found
        })
        .collect()
}

fn is_stranger(view: &View<'_>, id: PartnerId) -> bool {
    id != PartnerId::MICROSOFT_SUPPORT
        && id.tenant() != view.tenant.id
        && view.tenant.partner(id).is_none()
}

fn relationship(partner: AffectedPartner, subject: String, what: &str) -> Finding {
    Finding {
        finding: RULE.name,
        severity: RULE.severity,
        subject,
        role: None,
        text: format!("{} {what} and the policy does not name it.", partner.name),
        partner,
        grant: None,
        relationship: None,
        certain: true,
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::finding::testing::{CONTOSO, Case, STRANGER, WOODGROVE, check};

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
    fn fires_for_a_governing_tenant_until_the_relationship_is_terminated() {
        let text = "“Fabrikam” (calls itself so; tenant 33333333-3333-3333-3333-333333333333) \
                    governs this tenant by a tenant governance relationship and the policy does \
                    not name it.";
        let governed = |status| Case::new().governed_by(STRANGER, "Fabrikam\u{202e}", status);
        for status in [Some("active"), Some("terminationRequestedByGoverningTenant"), None] {
            check("unlisted-partner", governed(status), &[text]);
        }
        check("unlisted-partner", governed(Some("terminated")), &[]);
        check("unlisted-partner", Case::new().governed_by(CONTOSO, "C", Some("active")), &[]);
        // Where this tenant governs another.
        check("unlisted-partner", Case::new().governed_by(WOODGROVE, "W", Some("active")), &[]);
        let nobody = Case::new().governed_by("nobody", "N", Some("active"));
        assert!(nobody.findings().iter().all(|finding| !finding.certain));
        check(
            "unlisted-partner",
            nobody,
            &["A tenant governance relationship is active, and it does not say which tenant \
               governs this one."],
        );
    }

    #[test]
    fn a_governing_tenants_guests_are_a_partners() {
        check(
            "unlisted-partner",
            Case::new().governed_by(STRANGER, "", Some("active")).guest_from_home(
                "Zoe",
                STRANGER,
                "Reports Reader",
            ),
            &[
                "unnamed tenant 33333333-3333-3333-3333-333333333333, a partner the policy does \
                 not name, holds Reports Reader through Zoe \
                 (zoe_elsewhere.example#EXT#@woodgrove.example).",
                "unnamed tenant 33333333-3333-3333-3333-333333333333 governs this tenant by a \
                 tenant governance relationship and the policy does not name it.",
            ],
        );
    }

    #[test]
    fn says_by_which_way_power_is_held() {
        let provider = || Case::new().service_provider(STRANGER);
        let by = |deed: &str| {
            format!(
                "unnamed tenant 33333333-3333-3333-3333-333333333333, a partner the policy does \
                 not name, {deed}."
            )
        };
        let permission = "e2a3a72e-5f79-4c64-b1b1-878b674786c9";
        check(
            "unlisted-partner",
            provider().app_of(STRANGER, "Sync", permission, "Microsoft Graph"),
            &[&by(
                "holds the application permission Mail.ReadWrite of Microsoft Graph through Sync",
            )],
        );
        check(
            "unlisted-partner",
            provider().eligible_group("Admins", "Reports Reader").stranger_in("Admins", "Sync"),
            &[&by("may activate Reports Reader through Sync, which is in Admins")],
        );
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
