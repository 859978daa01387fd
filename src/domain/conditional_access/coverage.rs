//! Which of a partner's people are made to use MFA, by the way they come in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    ConditionalAccessPolicy, DirectoryUser, Mfa, PartnerEntries, Policies, ServiceProvider,
    SignInIdentity, UserKind, mfa,
};
use crate::domain::facts::{DirectoryObject, Facts, GivenAccount, Part, User};
use crate::domain::grant::{Grant, Held, PrincipalKind, named};
use crate::domain::id::{PartnerId, PrincipalId};
use crate::domain::role::{self, RoleTemplateId};
use crate::domain::roster::{AffectedPartner, Attribution, Side, Tenant};
use crate::domain::text::foreign;

/// Most names that are written out.
const NAMES_SHOWN: usize = 3;

/// Some of a partner's people, and whether they are made to use MFA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// The partner.
    pub partner: AffectedPartner,
    /// The way they come in.
    pub access: Access,
    /// Whether they are made to use MFA.
    pub mfa: Mfa,
    /// Whether MFA done at the partner's own sign-in counts, so that it is the partner's word.
    /// Nothing where that is not known, or where they sign in here.
    pub home_mfa_counts: Option<bool>,
}

/// A way to come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Access {
    /// By a delegated admin relationship.
    ServiceProvider,
    /// As guests who hold a role or may activate one.
    Guests {
        /// Their names, fit to show.
        names: Vec<String>,
    },
    /// By an account that was given to the partner.
    Account {
        /// Its name, fit to show.
        name: String,
    },
}

impl Coverage {
    /// Where MFA has to be done if it is demanded, in a sentence; nothing where that is not known.
    ///
    /// Source: Microsoft Entra documentation, *Authentication and Conditional Access for External
    /// ID*.
    pub fn place(&self) -> Option<&'static str> {
        self.home_mfa_counts.map(|counts| {
            if counts {
                "MFA done at the partner's own sign-in counts, so it is the partner's word."
            } else {
                "MFA done at the partner's own sign-in does not count; it has to be done here."
            }
        })
    }

    /// Who they are, in words that a verb may follow: a single person's description ends in a comma.
    pub fn who(&self) -> String {
        let partner = &self.partner.name;
        match &self.access {
            Access::ServiceProvider => format!("service provider users of {partner}"),
            Access::Guests { names } => match names.as_slice() {
                [name] => format!("{name}, a guest of {partner},"),
                names => {
                    let shown = names.iter().take(NAMES_SHOWN).map(String::as_str);
                    let mut shown = shown.collect::<Vec<_>>().join(", ");
                    if names.len() > NAMES_SHOWN {
                        shown.push_str(", …");
                    }
                    format!("{} guests of {partner} ({shown})", names.len())
                }
            },
            Access::Account { name } => format!("{name}, an account given to {partner},"),
        }
    }
}

/// Whether the people of each partner that has power here are made to use MFA. `grants` are those
/// of the same facts.
///
/// Guests without any role are nobody's administrators and are left out, and so is Microsoft
/// Support, which does not come in as a service provider. A guest that the policy lays to a partner
/// by its domain is taken to sign in at that partner's tenant.
pub fn coverage(facts: &Facts, tenant: &Tenant, grants: &[Grant]) -> Vec<Coverage> {
    if tenant.side == Side::Partner {
        return Vec::new();
    }
    let people = people(facts, tenant, grants);
    let policies: Vec<ConditionalAccessPolicy> =
        facts.conditional_access.iter().map(ConditionalAccessPolicy::of).collect();
    let read = |part| !facts.gaps.iter().any(|gap| gap.part == part);
    let known = Known {
        facts,
        entries: PartnerEntries::of(facts),
        policies: Policies {
            policies: &policies,
            complete: read(Part::ConditionalAccess),
            security_defaults: facts.security_defaults,
        },
        roles: read(Part::RoleAssignments) && read(Part::GroupMembers),
        may_activate: read(Part::EligibleSchedules) && read(Part::GroupMembers),
        groups: read(Part::Memberships),
    };
    people.values().flat_map(|people| known.covered(people)).collect()
}

/// The people of one partner.
struct People<'a> {
    partner: AffectedPartner,
    id: PartnerId,
    /// Whether the cross-tenant access policy has it as a service provider.
    is_flagged: bool,
    /// Whether it holds roles by a delegated admin relationship.
    is_delegated: bool,
    /// What it may hold by that, as far as it counts for conditional access.
    roles: BTreeSet<RoleTemplateId>,
    users: BTreeMap<&'a PrincipalId, Person<'a>>,
}

/// A user of the directory who belongs to a partner.
struct Person<'a> {
    name: String,
    is_guest: bool,
    user: Option<&'a User>,
    roles: BTreeSet<RoleTemplateId>,
    may_activate: BTreeSet<RoleTemplateId>,
}

fn people<'a>(
    facts: &'a Facts,
    tenant: &Tenant,
    grants: &'a [Grant],
) -> BTreeMap<PartnerId, People<'a>> {
    let mut all: BTreeMap<PartnerId, People<'a>> = BTreeMap::new();
    for entry in facts.partner_entries.iter().filter(|e| e.is_service_provider == Some(true)) {
        let Ok(id) = entry.tenant_id.parse::<PartnerId>() else { continue };
        if id.tenant() != tenant.id && id != PartnerId::MICROSOFT_SUPPORT {
            of(&mut all, id, || named(facts, tenant, id)).is_flagged = true;
        }
    }
    for grant in grants {
        let Some(id) = grant.partner.id.filter(|id| *id != PartnerId::MICROSOFT_SUPPORT) else {
            continue;
        };
        let is_guest = match grant.kind {
            PrincipalKind::ForeignGroup => {
                let people = of(&mut all, id, || grant.partner.clone());
                people.is_delegated = true;
                people.roles.extend(counted(grant));
                continue;
            }
            PrincipalKind::Guest => true,
            PrincipalKind::DedicatedAccount => false,
            PrincipalKind::App | PrincipalKind::Unclassified => continue,
        };
        let people = of(&mut all, id, || grant.partner.clone());
        let person = people.users.entry(&grant.principal).or_insert_with(|| Person {
            name: if is_guest {
                grant.principal_name.clone()
            } else {
                let upn = grant.user_principal_name.as_deref();
                upn.map_or_else(|| grant.principal_name.clone(), foreign)
            },
            is_guest,
            user: user(facts, &grant.principal),
            roles: BTreeSet::new(),
            may_activate: BTreeSet::new(),
        });
        person.roles.extend(counted(grant).filter(|_| !is_eligible(grant)));
        person.may_activate.extend(counted(grant).filter(|_| is_eligible(grant)));
    }
    let attribution = Attribution::of(tenant);
    for account in facts.accounts.values() {
        let GivenAccount::Present { id, user } = account else { continue };
        let upn = user.user_principal_name.as_deref();
        let Some(partner) = attribution.of_account(id, upn) else { continue };
        let people = of(&mut all, partner.id, || named(facts, tenant, partner.id));
        let name = || foreign(upn.or(user.display_name.as_deref()).unwrap_or(id.as_str()));
        let person = people.users.entry(id).or_insert_with(|| Person {
            name: name(),
            is_guest: false,
            user: None,
            roles: BTreeSet::new(),
            may_activate: BTreeSet::new(),
        });
        person.user = Some(user);
    }
    for (id, people) in &mut all {
        let named = facts.constraints.get(id).into_iter().flatten();
        people.roles.extend(named.filter_map(|id| id.parse::<RoleTemplateId>().ok()));
    }
    all
}

fn of<'m, 'a>(
    all: &'m mut BTreeMap<PartnerId, People<'a>>,
    id: PartnerId,
    partner: impl FnOnce() -> AffectedPartner,
) -> &'m mut People<'a> {
    all.entry(id).or_insert_with(|| People {
        partner: partner(),
        id,
        is_flagged: false,
        is_delegated: false,
        roles: BTreeSet::new(),
        users: BTreeMap::new(),
    })
}

fn user<'a>(facts: &'a Facts, id: &PrincipalId) -> Option<&'a User> {
    facts.guests.get(id).or_else(|| match facts.objects.get(id) {
        Some(DirectoryObject::User(user)) => Some(user),
        _ => None,
    })
}

/// The role, if conditional access looks at it: built in, and for the whole directory.
fn counted(grant: &Grant) -> Option<RoleTemplateId> {
    let template = grant.role.template_id.filter(|id| role::by_id(*id).is_some());
    template.filter(|_| grant.scope == "/" && !matches!(grant.held, Held::AppRole { .. }))
}

/// Whether it has to be activated before it is held.
fn is_eligible(grant: &Grant) -> bool {
    match &grant.held {
        Held::Eligible { .. } => true,
        Held::ThroughGroup { eligible, .. } => *eligible,
        Held::Assignment { .. } | Held::Scheduled { .. } | Held::AppRole { .. } => false,
    }
}

/// What is known of everybody.
struct Known<'a> {
    facts: &'a Facts,
    entries: PartnerEntries<'a>,
    policies: Policies<'a>,
    roles: bool,
    may_activate: bool,
    groups: bool,
}

impl Known<'_> {
    fn covered(&self, people: &People<'_>) -> Vec<Coverage> {
        let home_mfa_counts = self.entries.trust(people.id).mfa;
        let cover = |access, mfa, home_mfa_counts| Coverage {
            partner: people.partner.clone(),
            access,
            mfa,
            home_mfa_counts,
        };
        let mut covered = Vec::new();
        if people.is_flagged || people.is_delegated {
            let verdict = self.service_provider(people);
            covered.push(cover(Access::ServiceProvider, verdict, home_mfa_counts));
        }
        let mut guests: Vec<(Mfa, Vec<String>)> = Vec::new();
        let mut accounts = Vec::new();
        for (id, person) in &people.users {
            let verdict = self.person(id, person, people.id);
            let name = person.name.clone();
            if !person.is_guest {
                accounts.push(cover(Access::Account { name }, verdict, None));
            } else if let Some((_, names)) = guests.iter_mut().find(|(of, _)| *of == verdict) {
                names.push(name);
            } else {
                guests.push((verdict, vec![name]));
            }
        }
        for (verdict, mut names) in guests {
            names.sort();
            covered.push(cover(Access::Guests { names }, verdict, home_mfa_counts));
        }
        accounts.sort_by_key(Coverage::who);
        covered.extend(accounts);
        covered
    }

    fn service_provider(&self, people: &People<'_>) -> Mfa {
        // Who is a service provider and shows no role holds some that are not seen.
        let roles = (self.roles && !people.roles.is_empty()).then_some(&people.roles);
        mfa(
            &self.policies,
            &SignInIdentity::ServiceProvider(ServiceProvider {
                partner: people.id,
                is_flagged: people.is_flagged,
                roles,
            }),
        )
    }

    fn person(&self, id: &PrincipalId, person: &Person<'_>, partner: PartnerId) -> Mfa {
        let kind = person.user.and_then(|user| {
            let user_type = user.user_type.as_deref();
            let listed = self.facts.guests.contains_key(id).then_some("Guest");
            UserKind::of(user_type.or(listed), user.user_principal_name.as_deref())
        });
        mfa(
            &self.policies,
            &SignInIdentity::User(DirectoryUser {
                id,
                kind,
                home: person.is_guest.then_some(partner),
                groups: self.facts.memberships.get(id).filter(|_| self.groups),
                roles: self.roles.then_some(&person.roles),
                may_activate: self.may_activate.then_some(&person.may_activate),
            }),
        )
    }
}
