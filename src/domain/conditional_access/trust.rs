//! Whether a partner's word is taken for what its people did to prove themselves.

use std::collections::HashMap;

use crate::domain::facts::{Facts, InboundTrust, Part, PartnerEntry};
use crate::domain::id::PartnerId;

/// What is taken on a partner's word; nothing where that was not read.
///
/// A partner entry that says nothing of a claim leaves it to the default for all other tenants.
///
/// Source: Microsoft Graph documentation, resource `crossTenantAccessPolicyConfigurationPartner`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trust {
    /// Multifactor authentication done at its own sign-in counts here.
    pub mfa: Option<bool>,
    /// Devices that comply there count as compliant here.
    pub compliant_device: Option<bool>,
    /// Devices that are hybrid joined there count as such here.
    pub hybrid_joined_device: Option<bool>,
    /// Whether any of that comes from the default and not from the partner's entry.
    pub by_default: bool,
}

/// The partners' entries in the cross-tenant access policy, to be asked about many partners.
#[derive(Debug)]
pub struct PartnerEntries<'a> {
    facts: &'a Facts,
    by_partner: HashMap<PartnerId, &'a PartnerEntry>,
}

impl<'a> PartnerEntries<'a> {
    /// Those of a tenant. Where there are two for one partner, the first counts.
    pub fn of(facts: &'a Facts) -> Self {
        let mut by_partner = HashMap::new();
        for entry in &facts.partner_entries {
            if let Ok(partner) = entry.tenant_id.parse() {
                by_partner.entry(partner).or_insert(entry);
            }
        }
        Self { facts, by_partner }
    }

    /// A partner's entry.
    pub fn entry(&self, partner: PartnerId) -> Option<&'a PartnerEntry> {
        self.by_partner.get(&partner).copied()
    }

    /// What is taken on the word of `partner`.
    pub fn trust(&self, partner: PartnerId) -> Trust {
        let (facts, entry) = (self.facts, self.entry(partner));
        let own = entry.and_then(|entry| entry.inbound_trust).unwrap_or_default();
        let unread = facts.gaps.iter().any(|gap| gap.part == Part::PartnerEntries);
        let default = match entry {
            // The entry may be among those that were not read.
            None if unread => InboundTrust::default(),
            _ => facts.default_trust.unwrap_or_default(),
        };
        let by_default = [
            (own.is_mfa_accepted, default.is_mfa_accepted),
            (own.is_compliant_device_accepted, default.is_compliant_device_accepted),
            (own.is_hybrid_joined_device_accepted, default.is_hybrid_joined_device_accepted),
        ]
        .iter()
        .any(|(own, default)| own.is_none() && *default == Some(true));
        Trust {
            mfa: own.is_mfa_accepted.or(default.is_mfa_accepted),
            compliant_device: own
                .is_compliant_device_accepted
                .or(default.is_compliant_device_accepted),
            hybrid_joined_device: own
                .is_hybrid_joined_device_accepted
                .or(default.is_hybrid_joined_device_accepted),
            by_default,
        }
    }
}
