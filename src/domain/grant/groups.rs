//! What is held by being in a group of the tenant's own, and what takes somebody out of it.

use std::collections::HashMap;

use super::holder::{Known, shown};
use super::ways::{At, Term, grant};
use super::{Grant, Held, KeptBy, Role, Within};
use crate::domain::facts::{DirectoryObject, Facts, Group, Member};
use crate::domain::id::{AssignmentId, PrincipalId};

/// A group of the tenant's own that holds a role or may activate it.
pub(super) struct OwnGroup<'a> {
    through: &'a AssignmentId,
    at: At<'a>,
    name: String,
    term: Term,
    eligible: bool,
}

pub(super) fn own_group<'a>(
    known: &Known<'_>,
    through: &'a AssignmentId,
    at: At<'a>,
    term: Term,
    eligible: bool,
) -> Option<OwnGroup<'a>> {
    let Some(DirectoryObject::Group(group)) = known.object(at.principal) else { return None };
    let name = shown(group.display_name.as_deref(), at.principal);
    Some(OwnGroup { through, at, name, term, eligible })
}

/// What partners' principals hold by being in these groups.
pub(super) fn through(known: &Known<'_>, groups: &[OwnGroup<'_>]) -> Vec<Grant> {
    let mut found = Vec::new();
    for group in groups {
        let members = known.facts.members.get(group.at.principal);
        for member in members.into_iter().flatten() {
            let Some(holder) = known.of_member(&member.id, &member.object) else { continue };
            let held = Held::ThroughGroup {
                through: group.through.clone(),
                group: group.at.principal.clone(),
                group_name: group.name.clone(),
                eligible: group.eligible,
                within: within(known, group.at.principal, &member.id),
                also: Vec::new(),
            };
            let at = At { principal: &member.id, ..group.at };
            found.push(grant(known.facts, at, holder, held, group.term));
        }
    }
    add_also(&mut found);
    found
}

/// The groups that a member of a group is directly in and by which it is in that group. None where
/// that was not read of every group among them: whoever is taken out of some of them is in it still.
fn within(known: &Known<'_>, group: &PrincipalId, member: &PrincipalId) -> Vec<Within> {
    let Facts { members, direct_members, .. } = known.facts;
    let inner = members.get(group).into_iter().flatten().filter_map(inner_group);
    let inner: Vec<(&PrincipalId, &Group)> = inner.collect();
    let own = match known.object(group) {
        Some(DirectoryObject::Group(own)) => Some((group, own)),
        _ => None,
    };
    if inner.is_empty() {
        return own.map(|(group, named)| made(group, named)).into_iter().collect();
    }
    let mut within = Vec::new();
    for (group, named) in own.into_iter().chain(inner) {
        match direct_members.get(group) {
            Some(direct) if direct.contains(member) => within.push(made(group, named)),
            Some(_) => {}
            None => return Vec::new(),
        }
    }
    within
}

fn inner_group(member: &Member) -> Option<(&PrincipalId, &Group)> {
    match &member.object {
        DirectoryObject::Group(group) => Some((&member.id, group)),
        DirectoryObject::User(_)
        | DirectoryObject::ServicePrincipal(_)
        | DirectoryObject::PartnerReference(_)
        | DirectoryObject::Other => None,
    }
}

fn made(id: &PrincipalId, group: &Group) -> Within {
    let types = group.group_types.iter().flatten();
    let by_rule = types.into_iter().any(|kind| kind.eq_ignore_ascii_case("DynamicMembership"));
    let kept_by = if by_rule {
        Some(KeptBy::Rule)
    } else {
        (group.on_premises_sync_enabled == Some(true)).then_some(KeptBy::OnPremises)
    };
    let group_name = shown(group.display_name.as_deref(), id);
    Within { group: id.clone(), group_name, kept_by }
}

/// Says of each grant which other roles go with it.
fn add_also(found: &mut [Grant]) {
    let mut of: HashMap<(PrincipalId, PrincipalId), Vec<Role>> = HashMap::new();
    for grant in &*found {
        for within in grant.held.within() {
            let key = (grant.principal.clone(), within.group.clone());
            of.entry(key).or_default().push(grant.role.clone());
        }
    }
    for grant in found {
        let (principal, role) = (&grant.principal, &grant.role);
        let Held::ThroughGroup { within, also, .. } = &mut grant.held else { continue };
        for within in within {
            let all = of.get(&(principal.clone(), within.group.clone()));
            for other in all.into_iter().flatten() {
                if other.definition_id != role.definition_id && !also.contains(other) {
                    also.push(other.clone());
                }
            }
        }
    }
}
