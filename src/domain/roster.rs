//! The tenants and partners the policy knows.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::{PartnerId, PrincipalId, TenantId};
use super::policy::Allowance;

/// Every tenant the policy names, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// The tenants.
    pub tenants: Vec<Tenant>,
}

/// A guarded tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// The name people know it by.
    pub name: String,
    /// Whose side it is on.
    pub side: Side,
    /// The partners it has dealings with; where it is a partner's own tenant, the customers.
    pub partners: Vec<Partner>,
    /// What any other partner may hold.
    pub unlisted: Allowance,
}

/// Whose tenant a guarded tenant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// A customer's: what partners may do in it is guarded.
    #[default]
    Customer,
    /// A partner's own: what it may do in the tenants of its customers is guarded.
    Partner,
}

/// A partner the policy names; where the tenant is a partner's own, a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its own tenant.
    pub id: PartnerId,
    /// The name people know it by.
    pub name: String,
    /// Domains that mark guest accounts as this partner's, in lower case.
    pub domains: Vec<String>,
    /// Accounts of the guarded tenant that were given to this partner.
    pub accounts: Vec<AccountName>,
    /// What it may hold.
    pub allow: Allowance,
    /// What is demanded of the way it holds it.
    pub require: Requirement,
}

/// What is demanded of the way in which a partner holds what it holds. Nothing, unless the policy
/// says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requirement {
    /// A conditional access policy must demand multifactor authentication of its people.
    pub mfa: bool,
    /// No grant without an end, and no end further away than this.
    pub max_duration: Option<SignedDuration>,
    /// Roles may only be activated for a time, not held.
    pub eligible: bool,
}

/// An account as a policy names it: by user principal name or by object id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName(String);

impl AccountName {
    /// The name as given, without regard to case.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_lowercase())
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is no account, but a relationship of a partner's with a customer, by its id: two
    /// GUIDs with a hyphen between them.
    ///
    /// Source: Microsoft Graph documentation, "delegatedAdminRelationship resource type".
    pub fn is_relationship(&self) -> bool {
        const GUID: usize = 36;
        let is_guid = |text: &str| text.len() == GUID && text.parse::<PartnerId>().is_ok();
        let halves = self.0.split_at_checked(GUID);
        halves
            .is_some_and(|(one, rest)| is_guid(one) && rest.strip_prefix('-').is_some_and(is_guid))
    }

    /// Whether it means the principal with this id and, if it has one, user principal name.
    pub fn means(&self, id: &PrincipalId, user_principal_name: Option<&str>) -> bool {
        self.0 == id.as_str() || user_principal_name.is_some_and(|upn| lower(upn) == self.0)
    }
}

/// Whom a finding, a case or a ticket is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AffectedPartner {
    /// The partner's tenant, or nothing where it could not be told.
    pub id: Option<PartnerId>,
    /// The name to show.
    pub name: String,
    /// Whether the policy names it.
    pub listed: bool,
}

impl AffectedPartner {
    /// For what cannot be laid at a partner's door.
    pub fn unknown() -> Self {
        Self { id: None, name: "no known partner".to_owned(), listed: false }
    }

    /// The part of a case's key that stands for the partner.
    pub fn key(&self) -> String {
        self.id.map_or_else(|| "unknown".to_owned(), |id| id.to_string())
    }
}

impl Roster {
    /// The tenant with this id.
    pub fn tenant(&self, id: TenantId) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.id == id)
    }
}

impl Tenant {
    /// The partner with this id.
    pub fn partner(&self, id: PartnerId) -> Option<&Partner> {
        self.partners.iter().find(|partner| partner.id == id)
    }
}

/// Where the policy's domains and accounts lead, to be asked about many principals.
#[derive(Debug)]
pub struct Attribution<'a> {
    domains: HashMap<&'a str, &'a Partner>,
    accounts: HashMap<&'a str, &'a Partner>,
}

impl<'a> Attribution<'a> {
    /// What the policy says of one tenant. Where it says two things, the first counts.
    pub fn of(tenant: &'a Tenant) -> Self {
        let mut domains = HashMap::new();
        let mut accounts = HashMap::new();
        for partner in &tenant.partners {
            for domain in &partner.domains {
                domains.entry(domain.as_str()).or_insert(partner);
            }
            for account in &partner.accounts {
                accounts.entry(account.as_str()).or_insert(partner);
            }
        }
        Self { domains, accounts }
    }

    /// The partner that owns `domain`, or the nearest domain above it.
    pub fn of_domain(&self, domain: &str) -> Option<&'a Partner> {
        let domain = lower(domain.trim_end_matches('.'));
        let mut rest: &str = &domain;
        loop {
            if let Some(partner) = self.domains.get(rest) {
                return Some(partner);
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// The partner to whom this account of the tenant was given.
    pub fn of_account(&self, id: &PrincipalId, upn: Option<&str>) -> Option<&'a Partner> {
        let by_upn = || self.accounts.get(lower(upn?).as_ref());
        self.accounts.get(id.as_str()).or_else(by_upn).copied()
    }
}

/// `text` in lower case.
fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        Cow::Owned(text.to_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        Tenant {
            id: "11111111-1111-1111-1111-111111111111".parse().unwrap(),
            name: "Woodgrove".into(),
            side: Side::Customer,
            partners: vec![Partner {
                id: "22222222-2222-2222-2222-222222222222".parse().unwrap(),
                name: "Contoso Reseller".into(),
                domains: vec!["contoso-reseller.example".into()],
                accounts: vec![AccountName::new("Svc-Contoso@Woodgrove.example")],
                allow: Allowance::nothing(),
                require: Requirement::default(),
            }],
            unlisted: Allowance::nothing(),
        }
    }

    #[test]
    fn a_domain_belongs_to_the_partner_and_so_do_those_below_it() {
        for (domain, belongs) in [
            ("contoso-reseller.example", true),
            ("CONTOSO-reseller.example.", true),
            ("mail.contoso-reseller.example", true),
            ("notcontoso-reseller.example", false),
            ("contoso-reseller.example.evil.example", false),
            ("example", false),
            ("", false),
        ] {
            let tenant = tenant();
            let known = Attribution::of(&tenant);
            assert_eq!(known.of_domain(domain).is_some(), belongs, "{domain}");
        }
    }

    #[test]
    fn an_account_is_named_by_upn_or_id() {
        let id = PrincipalId::new("ABC");
        let tenant = tenant();
        let known = Attribution::of(&tenant);
        assert!(known.of_account(&id, Some("svc-contoso@woodgrove.example")).is_some());
        assert!(known.of_account(&id, Some("SVC-Contoso@Woodgrove.Example")).is_some());
        assert!(known.of_account(&id, Some("svc-contoso2@woodgrove.example")).is_none());
        assert!(known.of_account(&id, None).is_none());
        assert!(AccountName::new("aBc").means(&id, None));
    }

    #[test]
    fn a_relationship_is_named_by_two_guids() {
        let one = "11111111-1111-1111-1111-11111111111A";
        for (name, expect) in [
            (format!("{one}-{one}"), true),
            (format!(" {}-{one} ", one.to_lowercase()), true),
            (one.to_owned(), false),
            (format!("{one}{one}"), false),
            (format!("{one}-{one}-{one}"), false),
            (format!("{one}-{}", &one[1..]), false),
            (format!("{one}-"), false),
            (format!("{}@woodgrove.example", "é".repeat(40)), false),
            (String::new(), false),
        ] {
            assert_eq!(AccountName::new(&name).is_relationship(), expect, "{name}");
        }
        let name = AccountName::new(&format!("{one}-{one}"));
        assert!(name.means(&PrincipalId::new(&format!("{one}-{one}")), None));
    }
}
