//! A tenant as a whole, to be compared with itself later.

use serde_json::Value;

use super::Sim;
use super::directory::{Directory, Held};
use super::principal::Principal;
use super::scenario::ScenarioError;
use super::server;

impl Sim {
    /// Changes a principal of a tenant, by its name or id, as somebody elsewhere would.
    pub fn alter(
        &self,
        tenant: &str,
        principal: &str,
        change: impl FnOnce(&mut Principal),
    ) -> Result<(), ScenarioError> {
        self.in_tenant(tenant, |directory| {
            let id = directory.principal_id(principal)?;
            if let Some(found) = directory.principals.get_mut(&id) {
                change(found);
            }
            Ok(())
        })
    }

    /// Deletes a principal of a tenant, by its name or id, as somebody elsewhere would.
    pub fn forget(&self, tenant: &str, principal: &str) -> Result<(), ScenarioError> {
        self.in_tenant(tenant, |directory| {
            let id = directory.principal_id(principal)?;
            directory.principals.shift_remove(&id);
            Ok(())
        })
    }

    /// Everything that is so in a tenant, a line for each thing, sorted. Left out is what Microsoft
    /// gives anew to what is made anew: ids of assignments, versions, and since when it is.
    pub fn told(&self, tenant: &str) -> Vec<String> {
        self.shared.change(|state| {
            let Some(directory) = state.directories.get_mut(&tenant.to_ascii_lowercase()) else {
                return Vec::new();
            };
            if let Some(partnership) = &mut directory.partnership {
                partnership.settle(server::now());
            }
            let mut lines = lines(directory);
            lines.sort();
            lines
        })
    }
}

fn lines(directory: &Directory) -> Vec<String> {
    let principals = directory.principals.iter().map(|(id, principal)| {
        let mut principal = principal.clone();
        principal.members.sort();
        format!("principal {id}: {principal:?}")
    });
    let in_force = directory.in_force().map(|it| held("holds", it));
    let eligible = directory.eligible.iter().map(|it| held("may hold", it));
    let derived = directory.derived.iter().map(|it| held("derived", it));
    let grants = directory
        .grants
        .iter()
        .map(|it| format!("{} may {} of {}", it.principal, it.app_role, it.resource));
    let policies = directory
        .conditional_access
        .policies
        .iter()
        .map(|it| format!("policy {}", Value::Object(it.clone())));
    let partners = directory.partners.iter().map(|it| format!("partner {it:?}"));
    let relationships = directory.partnership.iter().flat_map(|it| &it.relationships);
    let relationships = relationships.flat_map(|it| {
        let mut roles = it.roles.clone();
        roles.sort();
        let given = &it.given;
        let own = format!(
            "relationship {}: {}, {} with {roles:?}, then {}",
            it.id, given.name, given.status, given.auto_extend_duration
        );
        let used = it.assignments.iter().filter(|used| used.status != "deleted").map(|used| {
            let mut roles = used.roles.clone();
            roles.sort();
            format!("relationship {} gives {}: {roles:?}, {}", it.id, used.group, used.status)
        });
        used.chain([own]).collect::<Vec<_>>()
    });
    principals
        .chain(in_force)
        .chain(eligible)
        .chain(derived)
        .chain(grants)
        .chain(policies)
        .chain(partners)
        .chain(relationships)
        .collect()
}

fn held(how: &str, held: &Held) -> String {
    let Held { principal, role, scope, organization, end, kind, member, .. } = held;
    format!(
        "{principal} {how} {role} at {scope}: {organization:?}, until {end:?}, {kind:?} {member:?}"
    )
}
