//! `inbound-trust`: a partner's word is taken for the second factor of its people.
//!
//! Microsoft advises to trust the multifactor authentication of those one works with, since a
//! guest who has to register a second time is a nuisance and phishing-resistant methods work at
//! home only; without that trust they register here, where they can be seen. So it is no fault in
//! itself, and the finding is a low one: of a partner that has power here, whoever takes over the
//! partner's tenant takes over the proof as well. It is told of every such partner, listed or not,
//! whether by its own entry or by the default for all tenants. Tenants of one's own multi-tenant
//! organisation and Microsoft Support are left out.
//!
//! Sources: Microsoft Entra documentation, *Cross-tenant access overview* and *Authentication and
//! Conditional Access for External ID*; Microsoft Entra blog, *Cross-tenant access settings: notes
//! from the field* (2024-03-18).

use std::collections::BTreeMap;

use super::{Finding, FindingName, Rule, Severity, View};
use crate::domain::conditional_access::{PartnerEntries, Trust};
use crate::domain::facts::Part;
use crate::domain::grant::{PrincipalKind, named};
use crate::domain::id::PartnerId;
use crate::domain::roster::{AffectedPartner, Side};

pub(super) const RULE: Rule = Rule {
    name: FindingName::InboundTrust,
    name_text: "inbound-trust",
    severity: Severity::Low,
    reads: &[
        Part::PartnerEntries,
        Part::RoleAssignments,
        Part::EligibleSchedules,
        Part::GroupMembers,
        Part::Principals,
        Part::Guests,
    ],
    why: "What this tenant demands at sign-in is then satisfied by what the partner's tenant says. Who takes over the partner's tenant can say it too, and is let in with all that the partner holds.",
    mend: "If the partner's word is not to be enough: Microsoft Entra admin center > Entra ID > External Identities > Cross-tenant access settings > Organizational settings (or Default settings, where the text says so) > the partner > Inbound access > Trust settings, and clear what is not to be trusted. Its people then register and use multifactor authentication in this tenant. If it is wanted, set the response to this finding to ignore.",
    page: "https://learn.microsoft.com/entra/external-id/cross-tenant-access-overview",
    check,
};

fn check(view: &View<'_>) -> Vec<Finding> {
    let entries = PartnerEntries::of(view.facts);
    with_power(view)
        .into_iter()
        .filter(|(id, _)| {
            let own = entries.entry(*id).and_then(|entry| entry.is_in_multi_tenant_organization);
            own != Some(true)
        })
        .filter_map(|(id, partner)| {
            let text = text(&partner.name, entries.trust(id))?;
            Some(Finding {
                finding: RULE.name,
                severity: RULE.severity,
                partner,
                subject: "inbound trust".to_owned(),
                role: None,
                text,
                grant: None,
                relationship: None,
                certain: true,
            })
        })
        .collect()
}

/// The partners whose people come in from their own tenant and have power here.
fn with_power(view: &View<'_>) -> BTreeMap<PartnerId, AffectedPartner> {
    if view.tenant.side == Side::Partner {
        return BTreeMap::new();
    }
    let mut all: BTreeMap<PartnerId, AffectedPartner> = BTreeMap::new();
    for entry in view.facts.partner_entries.iter().filter(|e| e.is_service_provider == Some(true)) {
        if let Ok(id) = entry.tenant_id.parse() {
            all.entry(id).or_insert_with(|| named(view.facts, view.tenant, id));
        }
    }
    for grant in view.grants {
        if let (Some(id), PrincipalKind::ForeignGroup | PrincipalKind::Guest) =
            (grant.partner.id, grant.kind)
        {
            all.entry(id).or_insert_with(|| grant.partner.clone());
        }
    }
    all.retain(|id, _| *id != PartnerId::MICROSOFT_SUPPORT && id.tenant() != view.tenant.id);
    all
}

/// Nothing where nothing is taken on the partner's word, or where that was not read.
fn text(partner: &str, trust: Trust) -> Option<String> {
    let taken = [
        (trust.mfa, "multifactor authentication"),
        (trust.compliant_device, "compliant devices"),
        (trust.hybrid_joined_device, "hybrid joined devices"),
    ];
    let taken: Vec<&str> =
        taken.iter().filter(|(is, _)| *is == Some(true)).map(|(_, what)| *what).collect();
    let what = match taken.as_slice() {
        [] => return None,
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    };
    let by = if trust.by_default {
        "the default of the cross-tenant access settings says so for all tenants"
    } else {
        "its entry in the cross-tenant access settings says so"
    };
    Some(format!("The word of {partner} is taken for the {what} of its people: {by}."))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{CONTOSO, Case, STRANGER, check};
    use crate::domain::facts::{GapCause, InboundTrust, Part};

    fn trusting(mfa: Option<bool>, device: Option<bool>, joined: Option<bool>) -> InboundTrust {
        InboundTrust {
            is_mfa_accepted: mfa,
            is_compliant_device_accepted: device,
            is_hybrid_joined_device_accepted: joined,
        }
    }

    /// Contoso Reseller is a service provider, with what its entry and the default say.
    fn provider(own: Option<InboundTrust>, default: Option<InboundTrust>) -> Case {
        let mut case = Case::new().service_provider(CONTOSO);
        case.facts.partner_entries[0].inbound_trust = own;
        case.facts.default_trust = default;
        case
    }

    const YES: Option<bool> = Some(true);
    const NO: Option<bool> = Some(false);
    const BY_DEFAULT: &str = "The word of Contoso Reseller is taken for the multifactor authentication of its people: the default of the cross-tenant access settings says so for all tenants.";

    #[test]
    fn tells_what_is_taken_on_whose_word_and_which_setting_says_so() {
        check(
            "inbound-trust",
            provider(Some(trusting(YES, NO, NO)), Some(trusting(YES, YES, YES))),
            &[
                "The word of Contoso Reseller is taken for the multifactor authentication of its people: its entry in the cross-tenant access settings says so.",
            ],
        );
        check(
            "inbound-trust",
            provider(Some(trusting(YES, YES, YES)), Some(trusting(NO, NO, NO))),
            &[
                "The word of Contoso Reseller is taken for the multifactor authentication, compliant devices and hybrid joined devices of its people: its entry in the cross-tenant access settings says so.",
            ],
        );
        check(
            "inbound-trust",
            provider(Some(trusting(NO, YES, None)), None),
            &[
                "The word of Contoso Reseller is taken for the compliant devices of its people: its entry in the cross-tenant access settings says so.",
            ],
        );
    }

    #[test]
    fn an_entry_that_says_nothing_leaves_it_to_the_default() {
        check("inbound-trust", provider(None, Some(trusting(YES, NO, NO))), &[BY_DEFAULT]);
        check(
            "inbound-trust",
            provider(Some(trusting(None, NO, NO)), Some(trusting(YES, YES, YES))),
            &[BY_DEFAULT],
        );
    }

    #[test]
    fn knows_partners_by_what_they_hold_too() {
        let mut case = Case::new()
            .guest("Alice", "alice@contoso-reseller.example", "Reports Reader")
            .stranger_group("Agents", "Reports Reader");
        case.facts.default_trust = Some(trusting(YES, None, None));
        check(
            "inbound-trust",
            case,
            &[
                BY_DEFAULT,
                "The word of unnamed tenant 33333333-3333-3333-3333-333333333333 is taken for the multifactor authentication of its people: the default of the cross-tenant access settings says so for all tenants.",
            ],
        );
    }

    #[test]
    fn is_silent_where_nothing_is_taken_on_trust_or_that_was_not_read() {
        for (own, default) in [
            (None, None),
            (None, Some(trusting(NO, NO, NO))),
            // The entry says no, whatever the default says.
            (Some(trusting(NO, NO, NO)), Some(trusting(YES, YES, YES))),
            (Some(trusting(None, None, None)), None),
        ] {
            check("inbound-trust", provider(own, default), &[]);
        }
        // The entry may be among those that were not read, and say no.
        let mut unread = Case::new()
            .foreign_group("AdminAgents", "Global Administrator")
            .gap(Part::PartnerEntries, GapCause::Unavailable);
        unread.facts.default_trust = Some(trusting(YES, None, None));
        check("inbound-trust", unread, &[]);
    }

    #[test]
    fn is_silent_about_the_own_organisation_microsoft_support_and_those_without_power() {
        let mut case = Case::new()
            .collaborator(STRANGER)
            .service_provider("b4c546a4-7dac-46a6-a7dd-ed822a11efd3")
            .microsoft_support("Microsoft 365 Support Engineer")
            .service_provider("55555555-5555-5555-5555-555555555555")
            .dedicated_account("svc@woodgrove.example", "User Administrator");
        for entry in &mut case.facts.partner_entries {
            entry.inbound_trust = Some(trusting(YES, YES, YES));
        }
        case.facts.partner_entries[2].is_in_multi_tenant_organization = Some(true);
        check("inbound-trust", case, &[]);
    }
}
