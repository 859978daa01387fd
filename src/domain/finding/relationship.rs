//! Relationships of a partner as its rules look at them: those that give power, with whom, and
//! which roles they give to which groups.
//!
//! What a group has by an access assignment is power now. What a relationship includes beyond that
//! is power at will: whoever may manage the partner's relationships gives it to a group without the
//! customer being asked. Both are judged, and the words say which it is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Finding, Rule, View};
use crate::domain::facts::{DelegatedAdminRelationship, DirectoryObject, Facts};
use crate::domain::grant::named;
use crate::domain::id::{PartnerId, PrincipalId};
use crate::domain::policy::Policy;
use crate::domain::role::{self, RoleTemplateId};
use crate::domain::roster::{AffectedPartner, Tenant};
use crate::domain::text::{count, foreign};

/// Most groups that are named in a sentence.
const GROUPS_MAX: usize = 3;

/// A relationship that gives power.
pub(super) struct Relationship<'a> {
    /// As Graph gives it.
    pub(super) given: &'a DelegatedAdminRelationship,
    /// Whom it is with.
    pub(super) customer: AffectedPartner,
    view: &'a View<'a>,
}

/// A role that it gives.
pub(super) struct GivenRole {
    template_id: Option<RoleTemplateId>,
    /// The name to show.
    pub(super) name: String,
    /// Whether it is among the roles that the customer agreed to.
    agreed: bool,
    /// The names of the groups that have it.
    groups: Vec<String>,
}

/// The relationships that give power, in Graph's order.
pub(super) fn powerful<'a>(view: &'a View<'a>) -> impl Iterator<Item = Relationship<'a>> {
    view.facts.relationships.iter().filter(|it| it.gives_power()).map(move |given| {
        let id = given.customer_id();
        let customer =
            id.map_or_else(AffectedPartner::unknown, |id| named(view.facts, view.tenant, id));
        Relationship { given, customer, view }
    })
}

impl Relationship<'_> {
    /// `The relationship “Mail” with Woodgrove`.
    pub(super) fn introduced(&self) -> String {
        let customer = match self.customer.id {
            Some(_) => self.customer.name.as_str(),
            None => "a customer that is not named",
        };
        match self.name() {
            Some(name) => format!("The relationship “{name}” with {customer}"),
            None => format!("An unnamed relationship with {customer}"),
        }
    }

    /// A finding about it.
    pub(super) fn finding(&self, by: &Rule, role: Option<String>, text: String) -> Finding {
        Finding {
            finding: by.name,
            severity: by.severity,
            partner: self.customer.clone(),
            subject: self
                .name()
                .unwrap_or_else(|| format!("relationship {}", foreign(&self.given.id))),
            role,
            text,
            grant: None,
            relationship: Some(self.given.id.clone()),
            certain: true,
        }
    }

    fn name(&self) -> Option<String> {
        name_of(self.given)
    }

    /// The roles it gives that neither an allowance nor an exception covers, by name.
    pub(super) fn open_roles(&self) -> Vec<GivenRole> {
        self.roles().into_iter().filter(|role| !self.may_give(role)).collect()
    }

    /// The roles it gives, by name.
    fn roles(&self) -> Vec<GivenRole> {
        let mut roles: BTreeMap<String, GivenRole> = BTreeMap::new();
        for id in self.given.roles() {
            of(&mut roles, id).agreed = true;
        }
        for used in self.given.access_assignments.iter().filter(|used| used.is_in_force()) {
            let group = used.group().map_or_else(
                || "a group that is not named".to_owned(),
                |id| group_name(self.view.facts, &id),
            );
            for id in used.roles() {
                let groups = &mut of(&mut roles, id).groups;
                if !groups.contains(&group) {
                    groups.push(group.clone());
                }
            }
        }
        let mut roles: Vec<GivenRole> = roles.into_values().collect();
        roles.sort_by(|one, other| one.name.cmp(&other.name));
        roles
    }

    fn may_give(&self, role: &GivenRole) -> bool {
        let View { tenant, policy, now, .. } = *self.view;
        may_give(tenant, policy, self.customer.id, role.template_id, now)
    }

    /// `gives Helpdesk Exchange Administrator`.
    pub(super) fn gives(&self, role: &GivenRole) -> String {
        let (name, tenant) = (&role.name, &self.view.tenant.name);
        if role.groups.is_empty() {
            return format!("includes {name}, which any group of {tenant} can be given");
        }
        let shown = role.groups.get(..GROUPS_MAX.min(role.groups.len())).unwrap_or_default();
        let groups = match (shown, role.groups.len() - shown.len()) {
            ([one], _) => one.clone(),
            ([start @ .., last], 0) => format!("{} and {last}", start.join(", ")),
            (shown, more) => format!("{} and {}", shown.join(", "), count(more, "more group")),
        };
        let beyond = if role.agreed { "" } else { ", which is not among the roles agreed on" };
        format!("gives {groups} {name}{beyond}")
    }
}

impl GivenRole {
    /// Whether it is this one.
    pub(super) fn is(&self, role: RoleTemplateId) -> bool {
        self.template_id == Some(role)
    }

    /// Whether it is among `roles`.
    pub(super) fn is_among(&self, roles: &std::collections::BTreeSet<RoleTemplateId>) -> bool {
        self.template_id.is_some_and(|id| roles.contains(&id))
    }
}

/// The name a relationship was given, fit to show; nothing where it has none.
pub(in crate::domain) fn name_of(given: &DelegatedAdminRelationship) -> Option<String> {
    given.display_name.as_deref().map(foreign).filter(|name| !name.is_empty())
}

/// Whether an allowance or an exception lets a relationship with a customer give a role at `now`.
pub(in crate::domain) fn may_give(
    tenant: &Tenant,
    policy: &Policy,
    customer: Option<PartnerId>,
    role: Option<RoleTemplateId>,
    now: Timestamp,
) -> bool {
    let (Some(customer), Some(role)) = (customer, role) else { return false };
    let listed = tenant.partner(customer);
    listed.map_or(&tenant.unlisted, |listed| &listed.allow).covers(role, now)
        || policy.exception(tenant.id, customer, role, now).is_some()
}

/// The template that an id means, and the name to show. Custom roles are not given by
/// relationships, so whatever the catalogue lacks is new.
pub(in crate::domain) fn role_of(id: &str) -> (Option<RoleTemplateId>, String) {
    let template_id: Option<RoleTemplateId> = id.trim().parse().ok();
    let known = template_id.and_then(role::by_id);
    let name =
        known.map_or_else(|| format!("unknown role {}", foreign(id)), |role| role.name.to_owned());
    (template_id, name)
}

/// The entry of a role, however its id is written.
fn of<'r>(roles: &'r mut BTreeMap<String, GivenRole>, id: &str) -> &'r mut GivenRole {
    let (template_id, name) = role_of(id);
    let key = template_id.map_or_else(|| id.to_owned(), |id| id.to_string());
    roles.entry(key).or_insert(GivenRole { template_id, name, agreed: false, groups: Vec::new() })
}

/// What a group of the partner's is called.
pub(in crate::domain) fn group_name(facts: &Facts, id: &PrincipalId) -> String {
    let name = match facts.objects.get(id) {
        Some(DirectoryObject::Group(group)) => group.display_name.as_deref().map(foreign),
        _ => None,
    };
    let name = name.filter(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("group {}", foreign(id.as_str())))
}

/// `180 days`, or the hours where they are no whole days.
pub(super) fn days(length: SignedDuration) -> String {
    let hours = length.as_hours();
    let whole = length == SignedDuration::from_hours(hours - hours % 24);
    match usize::try_from(hours / 24) {
        Ok(days) if whole && days > 0 => count(days, "day"),
        _ => format!("{length:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::length;

    #[test]
    fn durations_are_as_long_as_microsoft_counts_them() {
        for (text, expect) in [
            ("P730D", Some("730 days")),
            ("P2Y", Some("730 days")),
            ("P1Y6M", Some("545 days")),
            ("P6M", Some("180 days")),
            ("P2W", Some("14 days")),
            ("P1D", Some("1 day")),
            ("PT36H", Some("36h")),
            ("PT0S", Some("0s")),
            ("P0D", Some("0s")),
            (" P180D ", Some("180 days")),
            ("-P1D", None),
            ("P", None),
            ("", None),
            ("forever", None),
            ("P99999Y", None),
        ] {
            assert_eq!(length(text).map(days).as_deref(), expect, "{text}");
        }
    }
}
