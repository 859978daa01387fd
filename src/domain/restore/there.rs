//! Whether what was taken away is there, exactly: what is given anew has a new id, and being in a
//! group by another way is not being in it as before.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::facts::{AccessAssignment, DelegatedAdminRelationship, are_same_roles};
use crate::domain::grant::{Grant, Held};
use crate::domain::id::PrincipalId;
use crate::domain::plan::Target;
use crate::domain::proof::Seen;

/// The groups that a principal was directly in and was taken out of; nothing where it held the role
/// otherwise.
pub fn groups_of(grant: &Grant) -> Option<Vec<PrincipalId>> {
    let Held::ThroughGroup { group, within, .. } = &grant.held else { return None };
    if within.is_empty() {
        return Some(vec![group.clone()]);
    }
    Some(within.iter().map(|it| it.group.clone()).collect())
}

/// Whether a principal is directly in each of its groups. A group whose members could not be read
/// is not among those of `direct`.
pub fn in_its_groups(grant: &Grant, direct: &BTreeMap<PrincipalId, BTreeSet<PrincipalId>>) -> Seen {
    let groups = groups_of(grant).unwrap_or_default();
    let is_in = |group: &PrincipalId| direct.get(group).map(|it| it.contains(&grant.principal));
    let all: Vec<Option<bool>> = groups.iter().map(is_in).collect();
    if all.contains(&Some(false)) {
        Seen::Gone
    } else if all.is_empty() || all.contains(&None) {
        Seen::Unread
    } else {
        Seen::There
    }
}

/// Whether a group has what an access assignment gave it, by that or another one of the same
/// relationship. `whole` says whether all of the relationship was read.
pub fn given_to_group(
    target: &Target,
    relationships: &[DelegatedAdminRelationship],
    whole: bool,
) -> Seen {
    let Target::AccessAssignment { relationship, group, roles, .. } = target else {
        return Seen::Unread;
    };
    let its = |used: &&AccessAssignment| {
        let given = used.is("active") || used.is("pending");
        given
            && used.group().as_ref() == Some(group)
            && are_same_roles(used.roles(), roles.iter().map(String::as_str))
    };
    let given = relationships.iter().filter(|it| it.id == *relationship && it.gives_power());
    if given.flat_map(|it| &it.access_assignments).any(|it| its(&it)) {
        Seen::There
    } else if whole {
        Seen::Gone
    } else {
        Seen::Unread
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::Case;
    use crate::domain::grant::{Within, grants};

    fn grant(within: &[&str]) -> Grant {
        let case = Case::new().own_group("Admins", "Reports Reader").guest_in(
            "Admins",
            "Alice",
            "alice@contoso-reseller.example",
        );
        let mut grant = grants(&case.facts, &case.policy().roster.tenants[0]).remove(0);
        let Held::ThroughGroup { within: its, .. } = &mut grant.held else { panic!("{grant:?}") };
        let of = |id: &&str| {
            let (group, group_name) = (PrincipalId::new(id), (*id).to_owned());
            Within { group, group_name, kept_by: None }
        };
        *its = within.iter().map(of).collect();
        grant
    }

    #[test]
    fn who_was_in_several_groups_is_back_once_in_all_of_them() {
        let grant = grant(&["help", "night"]);
        let seen = |groups: &[(&str, bool)]| {
            let members =
                |is_in: bool| is_in.then(|| grant.principal.clone()).into_iter().collect();
            let direct = groups.iter().map(|(id, is_in)| (PrincipalId::new(id), members(*is_in)));
            in_its_groups(&grant, &direct.collect())
        };
        assert_eq!(seen(&[("help", true), ("night", true)]), Seen::There);
        assert_eq!(seen(&[("help", true), ("night", false)]), Seen::Gone);
        assert_eq!(seen(&[("night", false)]), Seen::Gone, "one of them is enough to see that");
        assert_eq!(seen(&[("help", true)]), Seen::Unread);
        assert_eq!(seen(&[]), Seen::Unread);
    }

    #[test]
    fn where_it_is_not_known_which_group_it_is_the_one_with_the_role() {
        let grant = grant(&[]);
        let Held::ThroughGroup { group, .. } = &grant.held else { panic!("{grant:?}") };
        assert_eq!(groups_of(&grant).as_deref(), Some(std::slice::from_ref(group)));
        let direct = [(group.clone(), [grant.principal.clone()].into())].into();
        assert_eq!(in_its_groups(&grant, &direct), Seen::There);
    }

    #[test]
    fn a_group_has_its_roles_again_by_any_assignment_that_is_in_force() {
        let target = Target::AccessAssignment {
            relationship: "r".into(),
            name: "Everything".into(),
            access_assignment: "old".into(),
            etag: None,
            group: PrincipalId::new("g"),
            group_name: "Agents".into(),
            roles: vec!["A".into(), "b".into()],
        };
        let of = |id: &str, status: &str, group: &str, roles: &[&str], whole| {
            let roles: Vec<_> =
                roles.iter().map(|id| serde_json::json!({"roleDefinitionId": id})).collect();
            let used = serde_json::from_value(serde_json::json!({
                "id": "new",
                "status": status,
                "accessContainer": {
                    "accessContainerId": group, "accessContainerType": "securityGroup",
                },
                "accessDetails": {"unifiedRoles": roles},
            }));
            let relationship = serde_json::json!({"id": id, "status": "active"});
            let mut relationship: DelegatedAdminRelationship =
                serde_json::from_value(relationship).unwrap();
            relationship.access_assignments = vec![used.unwrap()];
            given_to_group(&target, &[relationship], whole)
        };
        for status in ["active", "pending"] {
            assert_eq!(of("r", status, "g", &["B", "a"], true), Seen::There, "{status}");
            assert_eq!(of("r", status, "g", &["B", "a"], false), Seen::There, "{status}");
        }
        for status in ["deleting", "deleted", "error"] {
            assert_eq!(of("r", status, "g", &["a", "b"], true), Seen::Gone, "{status}");
        }
        assert_eq!(of("r", "active", "other", &["a", "b"], true), Seen::Gone);
        assert_eq!(of("r", "active", "g", &["a"], true), Seen::Gone, "less than before");
        assert_eq!(of("other", "active", "g", &["a", "b"], true), Seen::Gone);
        assert_eq!(of("r", "active", "g", &["a"], false), Seen::Unread);
    }
}
