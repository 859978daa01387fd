//! The tenants of a policy and the partners they deal with.

use std::collections::BTreeSet;

use super::node::Place;
use super::raw::{RawAllowance, RawPartner, RawRequire, RawTenant};
use super::read::{Reader, same};
use super::shape::At;
use super::words::Day;
use super::{Allowance, end_in_words};
use crate::domain::id::{PartnerId, TenantId};
use crate::domain::role;
use crate::domain::roster::{Partner, Requirement, Roster, Side, Tenant};

impl Reader {
    pub(super) fn roster(&mut self, raw: At<Vec<At<RawTenant>>>) -> Roster {
        if raw.value.is_empty() && !self.roster_is_torn {
            self.wrong(raw.at, "no tenant is named; add the tenant to guard");
        }
        let mut seen = BTreeSet::new();
        let mut tenants = Vec::new();
        for raw in raw.value {
            let at = raw.value.id.at;
            let Some(tenant) = self.tenant(raw.value) else {
                self.roster_is_torn = true;
                continue;
            };
            if !seen.insert(tenant.id) {
                self.wrong(at, format!("tenant {} is named twice", tenant.id));
            }
            tenants.push(tenant);
        }
        Roster { tenants }
    }

    fn tenant(&mut self, raw: RawTenant) -> Option<Tenant> {
        let partners_raw = self.other_parties(raw.side, raw.partners, raw.customers);
        let name = self.name(&raw.name);
        let id = self.guid::<TenantId>(&raw.id, "tenant id");
        let (one, whose) = match raw.side {
            Side::Customer => ("partner", "its own partner"),
            Side::Partner => ("customer", "its own customer"),
        };
        let mut partners: Vec<Partner> = Vec::new();
        for raw_partner in partners_raw {
            let at = raw_partner.id.at;
            let Some(partner) = self.partner(raw_partner, raw.side) else {
                self.roster_is_torn = true;
                continue;
            };
            if id.is_some_and(|id| PartnerId::from(id) == partner.id) {
                self.wrong(at, format!("the tenant is named as {whose}"));
            }
            if partners.iter().any(|other| other.id == partner.id) {
                self.wrong(at, format!("{one} {} is named twice", partner.id));
            }
            if partners.iter().any(|other| same(&other.name, &partner.name)) {
                self.wrong(at, format!("two {one}s are called `{}`", partner.name));
            }
            self.shared(at, &partner, &partners);
            partners.push(partner);
        }
        let unlisted = raw.unlisted.map_or_else(Allowance::nothing, |unlisted| {
            self.allowance(&unlisted.allow, "any partner that is not named")
        });
        Some(Tenant { id: id?, name, side: raw.side, partners, unlisted })
    }

    /// A domain or an account that two partners have would be laid to the first of them.
    fn shared(&mut self, at: Place, partner: &Partner, others: &[Partner]) {
        for other in others {
            let domain = partner.domains.iter().find(|domain| other.domains.contains(domain));
            if let Some(domain) = domain {
                let message = format!(
                    "the domain {domain} is {}'s too: its guests are taken for {}'s",
                    other.name, other.name
                );
                self.warn(at, message);
            }
            if partner.accounts.iter().any(|account| other.accounts.contains(account)) {
                let message = format!(
                    "an account of {} is {}'s too: it is taken for {}'s",
                    partner.name, other.name, other.name
                );
                self.warn(at, message);
            }
        }
    }

    /// The partners of a customer's tenant, or the customers of a partner's.
    fn other_parties(
        &mut self,
        side: Side,
        partners: Option<At<Vec<RawPartner>>>,
        customers: Option<At<Vec<RawPartner>>>,
    ) -> Vec<RawPartner> {
        let (own, foreign) = match side {
            Side::Customer => (partners, customers),
            Side::Partner => (customers, partners),
        };
        if let Some(foreign) = &foreign {
            self.wrong(
                foreign.at,
                match side {
                    Side::Customer => {
                        "`customers` belongs to a tenant with `side: partner`; a customer's \
                         tenant lists its `partners`"
                    }
                    Side::Partner => {
                        "`partners` belongs to a customer's tenant; a tenant with `side: partner` \
                         lists its `customers`"
                    }
                },
            );
            self.roster_is_torn = true;
        }
        own.map(|own| own.value).unwrap_or_default()
    }

    fn partner(&mut self, raw: RawPartner, side: Side) -> Option<Partner> {
        let name = self.name(&raw.name);
        let what = match side {
            Side::Customer => "partner id (the partner's own tenant)",
            Side::Partner => "customer id (the customer's own tenant)",
        };
        let id = self.guid::<PartnerId>(&raw.id, what);
        if side == Side::Partner
            && let Some(text) = raw.domains.first().or(raw.accounts.first())
        {
            self.wrong(
                text.at,
                "a customer has neither `domains` nor `accounts`; those attribute accounts to \
                 partners",
            );
        }
        let domains = raw.domains.iter().filter_map(|domain| self.domain(domain)).collect();
        let accounts = raw.accounts.iter().filter_map(|a| self.account(a)).collect();
        let allow = self.allowance(&raw.allow, &name);
        let require = raw.require.map(|raw| self.require(&raw.value, side)).unwrap_or_default();
        Some(Partner { id: id?, name, domains, accounts, allow, require })
    }

    fn require(&mut self, raw: &RawRequire, side: Side) -> Requirement {
        if side == Side::Partner {
            for (name, field) in [("mfa", &raw.mfa), ("eligible", &raw.eligible)] {
                if let Some(field) = field.as_ref().filter(|field| field.value) {
                    self.warn(
                        field.at,
                        format!(
                            "`require.{name}` has no effect on a customer: it is about how \
                             partners sign in to a tenant with `side: customer`"
                        ),
                    );
                }
            }
        }
        let is_on = |field: Option<At<bool>>| field.is_some_and(|field| field.value);
        Requirement {
            mfa: is_on(raw.mfa),
            max_duration: raw.max_duration.as_ref().and_then(|text| self.duration(text)),
            eligible: is_on(raw.eligible),
        }
    }

    /// `whose` is for people.
    fn allowance(&mut self, raw: &RawAllowance, whose: &str) -> Allowance {
        let mut roles = BTreeSet::new();
        for text in &raw.roles {
            let Some(role) = self.role(text) else { continue };
            if role == role::GLOBAL_ADMINISTRATOR {
                self.warn(
                    text.at,
                    format!(
                        "GLOBAL ADMINISTRATOR is allowed to {whose}: whoever takes over that \
                         partner owns the whole tenant, and nothing here will say so"
                    ),
                );
            }
            if !roles.insert(role) {
                self.warn(text.at, format!("`{}` is named twice", text.value));
            }
        }
        let until = raw.until.as_ref().and_then(|until| self.moment(until, Day::End));
        if let (Some(until), Some(text)) = (until, &raw.until) {
            let message = format!(
                "this allowance ended {}: {whose} may hold nothing by it",
                end_in_words(until)
            );
            self.ends(text.at, until, message);
        }
        Allowance { roles, until }
    }
}
