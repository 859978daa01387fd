//! Who the holder of a role is: a partner's, nobody knows whose, or the tenant's own affair.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::PrincipalKind;
use crate::domain::facts::{
    DirectoryObject, Facts, GivenAccount, Part, PartnerReference, ServicePrincipal, User,
};
use crate::domain::id::{PartnerId, PrincipalId, TenantId};
use crate::domain::roster::{AffectedPartner, Attribution, Tenant};
use crate::domain::text;

/// What is known of partners and principals, arranged so that each question about one of many
/// holders takes the same time.
pub(super) struct Known<'a> {
    pub(super) facts: &'a Facts,
    tenant: &'a Tenant,
    attribution: Attribution<'a>,
    objects: HashMap<&'a PrincipalId, &'a DirectoryObject>,
    guests: HashMap<&'a PrincipalId, &'a User>,
    /// Accounts that were found by the name the policy gives them.
    given: HashMap<&'a PrincipalId, PartnerId>,
    /// Tenants that are partners here, whether the policy names them or not.
    partners: HashSet<PartnerId>,
    /// The home that an assignment of the principal names.
    homes: HashMap<&'a PrincipalId, &'a str>,
    /// Whether the principals could not be read, which is said once and not for each of them.
    unresolved: bool,
    names: RefCell<HashMap<PartnerId, AffectedPartner>>,
}

/// A holder that is not the tenant's own affair.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) kind: PrincipalKind,
    pub(super) partner: AffectedPartner,
    pub(super) name: String,
    pub(super) upn: Option<String>,
    pub(super) app_id: Option<String>,
}

/// The tenant a principal is said to be at home in.
#[derive(Clone, Copy)]
enum Home {
    /// Graph names no other tenant.
    Here,
    Elsewhere(PartnerId),
    /// Graph names something that is no tenant.
    Garbled,
}

impl<'a> Known<'a> {
    pub(super) fn new(facts: &'a Facts, tenant: &'a Tenant) -> Self {
        let providers =
            facts.partner_entries.iter().filter(|entry| entry.is_service_provider == Some(true));
        let providers = providers.filter_map(|entry| entry.tenant_id.parse().ok());
        let governing = facts.governance.iter().filter(|it| it.stands());
        let governing = governing.filter_map(|it| it.governing_tenant_id.as_deref()?.parse().ok());
        let listed = tenant.partners.iter().map(|partner| partner.id);
        let mut partners: HashSet<PartnerId> = providers.chain(governing).chain(listed).collect();
        partners.remove(&tenant.id.into());
        let given = tenant.partners.iter().flat_map(|partner| {
            let found =
                partner.accounts.iter().filter_map(|name| facts.accounts.get(name.as_str()));
            found.filter_map(|account| match account {
                GivenAccount::Present { id, .. } => Some((id, partner.id)),
                GivenAccount::Missing => None,
            })
        });
        let homes = facts.assignments.iter().filter_map(|assignment| {
            let home = assignment.principal_organization_id.as_deref()?;
            (!home.trim().is_empty()).then_some((&assignment.principal_id, home))
        });
        Self {
            facts,
            tenant,
            attribution: Attribution::of(tenant),
            objects: facts.objects.iter().collect(),
            guests: facts.guests.iter().collect(),
            given: given.collect(),
            partners,
            homes: homes.collect(),
            unresolved: facts.gaps.iter().any(|gap| gap.part == Part::Principals),
            names: RefCell::default(),
        }
    }

    /// The holder of an assignment that names `home` itself.
    pub(super) fn of_assignment(&self, id: &PrincipalId, home: Option<&str>) -> Option<Holder> {
        self.holder(id, self.object(id), self.home(home))
    }

    /// The holder of something that names no home.
    pub(super) fn of_principal(&self, id: &PrincipalId) -> Option<Holder> {
        let home = self.home(self.homes.get(id).copied());
        self.holder(id, self.object(id), home)
    }

    /// A member of one of the tenant's own groups.
    pub(super) fn of_member(&self, id: &PrincipalId, object: &DirectoryObject) -> Option<Holder> {
        // Devices and contacts hold no roles.
        let may_hold = !matches!(object, DirectoryObject::Other);
        let home = self.home(self.homes.get(id).copied());
        if may_hold { self.holder(id, Some(object), home) } else { None }
    }

    /// The application, if a partner registered it.
    pub(super) fn of_app(&self, id: &PrincipalId, app: &ServicePrincipal) -> Option<Holder> {
        let owner = app.app_owner_organization_id.as_deref()?.parse().ok()?;
        Some(Holder {
            kind: PrincipalKind::App,
            partner: self.known_partner(owner)?,
            name: shown(app.display_name.as_deref(), id),
            upn: None,
            app_id: app.app_id.clone(),
        })
    }

    /// Whether the principal is a user of the tenant's own: nobody's guest, given to nobody, and
    /// able to sign in.
    pub(super) fn is_own_person(&self, id: &PrincipalId, home: Option<&str>) -> bool {
        match self.object(id) {
            Some(DirectoryObject::User(user)) => {
                user.account_enabled != Some(false)
                    && !self.is_guest(id, user)
                    && self.of_assignment(id, home).is_none()
            }
            _ => false,
        }
    }

    /// What the principal is, as far as it could be resolved.
    pub(super) fn object(&self, id: &PrincipalId) -> Option<&'a DirectoryObject> {
        self.objects.get(id).copied()
    }

    fn holder(
        &self,
        id: &PrincipalId,
        object: Option<&DirectoryObject>,
        home: Home,
    ) -> Option<Holder> {
        match object {
            Some(DirectoryObject::PartnerReference(reference)) => {
                Some(self.foreign_group(reference, home))
            }
            Some(DirectoryObject::User(user)) => self.account(id, user, home),
            Some(DirectoryObject::ServicePrincipal(app)) => self.of_app(id, app),
            Some(DirectoryObject::Group(group)) => match home {
                Home::Here => None,
                // A group of this directory cannot be at home elsewhere: the two answers disagree.
                Home::Elsewhere(_) | Home::Garbled => {
                    Some(unclassified(shown(group.display_name.as_deref(), id), None))
                }
            },
            Some(DirectoryObject::Other) | None => match home {
                Home::Elsewhere(partner) => Some(Holder {
                    kind: PrincipalKind::ForeignGroup,
                    partner: self.named(partner),
                    name: format!("principal {id}"),
                    upn: None,
                    app_id: None,
                }),
                // Nothing was resolved at all: the gap says so once, not once for each principal.
                Home::Here if self.unresolved => None,
                Home::Here | Home::Garbled => Some(unclassified(format!("principal {id}"), None)),
            },
        }
    }

    fn home(&self, said: Option<&str>) -> Home {
        match said.map(str::trim) {
            None | Some("") => Home::Here,
            Some(id) => match id.parse::<TenantId>() {
                Ok(id) if id == self.tenant.id => Home::Here,
                Ok(id) => Home::Elsewhere(id.into()),
                Err(_) => Home::Garbled,
            },
        }
    }

    fn foreign_group(&self, reference: &PartnerReference, home: Home) -> Holder {
        let name = reference.display_name.as_deref().map(text::foreign).filter(|n| !n.is_empty());
        let name = name.unwrap_or_else(|| "unnamed group".to_owned());
        let told = reference.external_partner_tenant_id.as_deref().and_then(|id| id.parse().ok());
        let partner: Option<PartnerId> = match (told, home) {
            (Some(told), Home::Elsewhere(home)) if told != home => None,
            (Some(told), _) => Some(told),
            (None, Home::Elsewhere(home)) => Some(home),
            (None, Home::Here | Home::Garbled) => None,
        };
        match partner {
            Some(id) if id.tenant() != self.tenant.id => Holder {
                kind: PrincipalKind::ForeignGroup,
                partner: self.named(id),
                name,
                upn: None,
                app_id: None,
            },
            _ => unclassified(name, None),
        }
    }

    fn account(&self, id: &PrincipalId, user: &User, home: Home) -> Option<Holder> {
        let upn = user.user_principal_name.as_deref();
        let name = || shown(user.display_name.as_deref(), id);
        let make = |kind, partner| {
            Some(Holder { kind, partner, name: name(), upn: upn.map(str::to_owned), app_id: None })
        };
        let by_name = || self.attribution.of_account(id, upn).map(|partner| partner.id);
        if let Some(partner) = self.given.get(id).copied().or_else(by_name) {
            return make(PrincipalKind::DedicatedAccount, self.named(partner));
        }
        match (self.is_guest(id, user), home) {
            (true, home) => {
                let listed = self.guests.get(id).copied();
                let domains: Vec<&str> =
                    [Some(user), listed].into_iter().flatten().flat_map(guest_domains).collect();
                let by_home = match home {
                    Home::Elsewhere(id) => self.known_partner(id),
                    Home::Here | Home::Garbled => None,
                };
                let by_domain = || {
                    let mut owners = domains.iter().filter_map(|d| self.attribution.of_domain(d));
                    owners.next().map(|partner| self.named(partner.id))
                };
                match by_home.or_else(by_domain) {
                    Some(partner) => make(PrincipalKind::Guest, partner),
                    None if domains.is_empty() && !matches!(home, Home::Elsewhere(_)) => {
                        Some(unclassified(name(), upn.map(str::to_owned)))
                    }
                    // The guest of somebody who is no partner.
                    None => None,
                }
            }
            (false, Home::Here) => None,
            // A member of this directory whose home is said to be elsewhere: the answers disagree.
            (false, Home::Elsewhere(_) | Home::Garbled) => {
                Some(unclassified(name(), upn.map(str::to_owned)))
            }
        }
    }

    /// Whether an account belongs to somebody outside, by any of the signs there are.
    fn is_guest(&self, principal: &PrincipalId, user: &User) -> bool {
        let upn = user.user_principal_name.as_deref();
        self.guests.contains_key(principal)
            || user.user_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("guest"))
            || upn.and_then(external_mark).is_some()
    }

    /// The tenant as a partner, if it is one.
    fn known_partner(&self, id: PartnerId) -> Option<AffectedPartner> {
        self.partners.contains(&id).then(|| self.named(id))
    }

    fn named(&self, id: PartnerId) -> AffectedPartner {
        let mut names = self.names.borrow_mut();
        names.entry(id).or_insert_with(|| named(self.facts, self.tenant, id)).clone()
    }
}

/// Where the `#EXT#` of a guest's user principal name begins, in any case.
fn external_mark(upn: &str) -> Option<usize> {
    upn.as_bytes().windows(5).position(|five| five.eq_ignore_ascii_case(b"#EXT#"))
}

/// The domains a guest comes from: that of the mail address, and that before `#EXT#`.
fn guest_domains(user: &User) -> impl Iterator<Item = &str> {
    let mail = user.mail.as_deref().and_then(|mail| mail.rsplit_once('@'));
    let upn = user.user_principal_name.as_deref().and_then(|upn| {
        // The @ of the home address was replaced by _, which no domain contains.
        upn.get(..external_mark(upn)?)?.rsplit_once('_')
    });
    let domains = [mail, upn].into_iter().flatten().map(|(_, domain)| domain.trim());
    domains.filter(|domain| domain.contains('.'))
}

/// The partner with the best name there is for it.
pub fn named(facts: &Facts, tenant: &Tenant, id: PartnerId) -> AffectedPartner {
    if let Some(partner) = tenant.partner(id) {
        return AffectedPartner { id: Some(id), name: partner.name.clone(), listed: true };
    }
    let governing = || {
        let mut named = facts.governance.iter().filter(|it| {
            it.governing_tenant_id.as_deref().and_then(|id| id.parse().ok()) == Some(id)
        });
        named.find_map(|it| it.governing_tenant_name.as_deref())
    };
    let told = facts.tenant_names.get(&id).map(String::as_str).or_else(governing);
    let name = match told.map(text::foreign) {
        _ if id == PartnerId::MICROSOFT_SUPPORT => "Microsoft Support".to_owned(),
        Some(name) if !name.is_empty() => format!("“{name}” (calls itself so; tenant {id})"),
        _ => format!("unnamed tenant {id}"),
    };
    AffectedPartner { id: Some(id), name, listed: false }
}

fn unclassified(name: String, upn: Option<String>) -> Holder {
    let (kind, partner) = (PrincipalKind::Unclassified, AffectedPartner::unknown());
    Holder { kind, partner, name, upn, app_id: None }
}

/// Whose a principal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belongs {
    /// This partner's.
    To(AffectedPartner),
    /// The tenant's own, or of somebody who is no partner.
    Own,
    /// That cannot be told.
    Unknown,
    /// Nobody's: the directory has no such object.
    Nobody,
}

/// Whose a principal is, by `facts` in which it was looked up.
pub fn belongs(facts: &Facts, tenant: &Tenant, id: &PrincipalId) -> Belongs {
    let known = Known::new(facts, tenant);
    if known.object(id).is_none() {
        return Belongs::Nobody;
    }
    match known.of_principal(id) {
        None => Belongs::Own,
        Some(Holder { kind: PrincipalKind::Unclassified, .. }) => Belongs::Unknown,
        Some(Holder { partner, .. }) => Belongs::To(partner),
    }
}

/// A name fit to show, or the id where there is none.
pub(super) fn shown(name: Option<&str>, id: &PrincipalId) -> String {
    let name = name.map(text::foreign).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("principal {id}"))
}
