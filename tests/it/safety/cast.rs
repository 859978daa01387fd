//! Who there is: the tenants, the partners, and everybody who may hold power in a tenant.

use jiff::{SignedDuration, Timestamp};
use partner_warden::domain::facts::{
    DirectoryObject, Group, PartnerReference, ServicePrincipal, User,
};
use partner_warden::domain::id::{PartnerId, PrincipalId, TenantId};
use partner_warden::domain::role;

const WOODGROVE: &str = "11111111-1111-1111-1111-111111111111";
const FABRIKAM: &str = "44444444-4444-4444-4444-444444444444";
const CONTOSO: &str = "22222222-2222-2222-2222-222222222222";
const NORTHWIND: &str = "33333333-3333-3333-3333-333333333333";
const STRANGER: &str = "55555555-5555-5555-5555-555555555555";

/// The tenants that are guarded: two customers', and that of a partner who has customers.
pub(super) const TENANTS: [(&str, &str); 3] =
    [(WOODGROVE, "Woodgrove"), (FABRIKAM, "Fabrikam"), (CONTOSO, "Contoso itself")];

/// The domains of the customers' tenants.
pub(super) const DOMAINS: [&str; 2] = ["woodgrove.example", "fabrikam.example"];

/// The tenants of customers.
pub(super) const CUSTOMERS: [usize; 2] = [0, 1];

/// The partner's own tenant.
pub(super) const MSP: usize = 2;

/// The partners that the policy names.
pub(super) const PARTNERS: [(&str, &str, &str); 2] =
    [(CONTOSO, "Contoso", "contoso.example"), (NORTHWIND, "Northwind", "northwind.example")];

/// The application this program signs in with.
pub(super) const OWN_APP: &str = "0a0a0a0a-0000-4000-8000-00000000000a";

/// The roles there are.
pub(super) const ROLES: [&str; 5] = [
    "Global Administrator",
    "User Administrator",
    "Exchange Administrator",
    "Reports Reader",
    "Directory Readers",
];

/// Application permissions that give power: `RoleManagement.ReadWrite.Directory` and
/// `AdministrativeUnit.ReadWrite.All`.
pub(super) const PERMISSIONS: [&str; 2] =
    ["9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", "5eb59dd3-1da2-4329-8733-9dabdc435916"];

/// Whose somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The tenant's own, or none of a partner's.
    Own,
    /// A partner's that the policy names, by its place in [`PARTNERS`].
    Partner(usize),
    /// Of a partner that the policy does not name.
    Stranger,
    /// Microsoft Support's.
    Support,
    /// This program's.
    Ours,
    /// That cannot be told.
    Nobody,
}

/// What somebody is to the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// An account of the tenant.
    Member,
    /// A guest from a domain.
    Guest(&'static str),
    /// A group of the tenant.
    Group,
    /// A group whose members a rule says.
    RuleGroup,
    /// A group of another tenant.
    Foreign(&'static str),
    /// An application.
    App(&'static str),
    /// What cannot be resolved.
    Untold,
}

/// Somebody.
pub(super) struct Holder {
    pub(super) name: &'static str,
    pub(super) whose: Whose,
    pub(super) sort: Sort,
}

const fn holder(name: &'static str, whose: Whose, sort: Sort) -> Holder {
    Holder { name, whose, sort }
}

const SUPPORT: &str = "b4c546a4-7dac-46a6-a7dd-ed822a11efd3";

/// Everybody who may hold power in a customer's tenant; the same in each.
pub(super) const HOLDERS: [Holder; 20] = [
    holder("megan", Whose::Own, Sort::Member),
    holder("bob", Whose::Own, Sort::Guest("customer.example")),
    holder("admins", Whose::Own, Sort::Group),
    holder("inner", Whose::Own, Sort::Group),
    holder("ruled", Whose::Own, Sort::RuleGroup),
    holder("vault", Whose::Own, Sort::Group),
    holder("contoso agents", Whose::Partner(0), Sort::Foreign(CONTOSO)),
    holder("northwind agents", Whose::Partner(1), Sort::Foreign(NORTHWIND)),
    holder("strangers", Whose::Stranger, Sort::Foreign(STRANGER)),
    holder("support engineers", Whose::Support, Sort::Foreign(SUPPORT)),
    holder("alice", Whose::Partner(0), Sort::Guest("contoso.example")),
    holder("eve", Whose::Partner(1), Sort::Guest("northwind.example")),
    holder("pat", Whose::Partner(0), Sort::Guest("contoso.example")),
    holder("ida", Whose::Partner(0), Sort::Guest("contoso.example")),
    holder("svc", Whose::Partner(0), Sort::Member),
    holder("kept", Whose::Partner(1), Sort::Member),
    holder("contoso app", Whose::Partner(0), Sort::App("0b0b0b0b-0000-4000-8000-00000000000b")),
    holder("own app", Whose::Ours, Sort::App(OWN_APP)),
    holder("untold", Whose::Nobody, Sort::Untold),
    holder("zoe", Whose::Partner(0), Sort::Guest("contoso.example")),
];

pub(super) const MEGAN: usize = 0;
pub(super) const ADMINS: usize = 2;
pub(super) const INNER: usize = 3;
pub(super) const RULED: usize = 4;
pub(super) const VAULT: usize = 5;
pub(super) const PAT: usize = 12;
pub(super) const IDA: usize = 13;
pub(super) const SVC: usize = 14;
pub(super) const KEPT: usize = 15;

/// Whom a policy may protect: pat and kept by name, ida and the vault by id.
pub(super) const PROTECTABLE: [usize; 4] = [PAT, IDA, KEPT, VAULT];

/// When it all begins.
pub(super) fn begin() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub(super) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub(super) fn tenant_id(tenant: usize) -> TenantId {
    TENANTS[tenant].0.parse().unwrap()
}

/// Which tenant this is.
pub(super) fn tenant_of(id: TenantId) -> usize {
    (0..TENANTS.len()).find(|n| tenant_id(*n) == id).unwrap()
}

/// The object id of somebody in a tenant.
pub(super) fn id_of(tenant: usize, holder: usize) -> PrincipalId {
    PrincipalId::new(&format!("AAAA{tenant:04}-0000-4000-8000-{holder:012}"))
}

/// Who has this id in a tenant.
pub(super) fn holder_of(tenant: usize, id: &PrincipalId) -> Option<usize> {
    (0..HOLDERS.len()).find(|n| id_of(tenant, *n) == *id)
}

/// The id of a role.
pub(super) fn role_id(role: usize) -> String {
    role::by_name(ROLES[role]).unwrap().template_id.to_string()
}

/// The user principal name of an account, by its first name or after it was renamed.
pub(super) fn name_of(tenant: usize, holder: usize, renamed: bool) -> String {
    let own = DOMAINS[tenant.min(1)];
    let name = HOLDERS[holder].name;
    let now = if renamed { format!("{name}-new") } else { name.to_owned() };
    match HOLDERS[holder].sort {
        Sort::Guest(domain) => format!("{now}_{domain}#EXT#@{own}"),
        Sort::Member
        | Sort::Group
        | Sort::RuleGroup
        | Sort::Foreign(_)
        | Sort::App(_)
        | Sort::Untold => format!("{now}@{own}"),
    }
}

/// The tenant that owns an application.
pub(super) const APP_OWNER: &str = CONTOSO;

/// The partner as the ledger knows it; nothing for what is no partner's.
pub(super) fn partner_of(whose: Whose) -> Option<PartnerId> {
    match whose {
        Whose::Partner(partner) => PARTNERS[partner].0.parse().ok(),
        Whose::Stranger => STRANGER.parse().ok(),
        Whose::Ours => CONTOSO.parse().ok(),
        Whose::Support => Some(PartnerId::MICROSOFT_SUPPORT),
        Whose::Own | Whose::Nobody => None,
    }
}

/// An account as the directory tells it.
pub(super) fn user(tenant: usize, holder: usize, renamed: bool, disabled: bool) -> User {
    User {
        display_name: Some(HOLDERS[holder].name.to_owned()),
        user_principal_name: Some(name_of(tenant, holder, renamed)),
        account_enabled: Some(!disabled),
        ..User::default()
    }
}

/// Somebody as the directory tells them; nothing for what it cannot resolve.
pub(super) fn object(
    tenant: usize,
    holder: usize,
    renamed: bool,
    disabled: bool,
) -> Option<DirectoryObject> {
    let name = || Some(HOLDERS[holder].name.to_owned());
    Some(match HOLDERS[holder].sort {
        Sort::Member | Sort::Guest(_) => {
            DirectoryObject::User(user(tenant, holder, renamed, disabled))
        }
        Sort::Group => DirectoryObject::Group(Group::named(HOLDERS[holder].name)),
        Sort::RuleGroup => DirectoryObject::Group(Group {
            group_types: Some(vec!["DynamicMembership".to_owned()]),
            ..Group::named(HOLDERS[holder].name)
        }),
        Sort::Foreign(home) => DirectoryObject::PartnerReference(PartnerReference {
            display_name: name(),
            external_partner_tenant_id: Some(home.to_owned()),
            object_type: Some("Group".to_owned()),
        }),
        Sort::App(app_id) => DirectoryObject::ServicePrincipal(app(app_id, name())),
        Sort::Untold => return None,
    })
}

/// An application as the directory tells it.
pub(super) fn app(app_id: &str, display_name: Option<String>) -> ServicePrincipal {
    ServicePrincipal {
        display_name,
        app_id: Some(app_id.to_owned()),
        app_owner_organization_id: Some(APP_OWNER.to_owned()),
    }
}
