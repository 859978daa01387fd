//! Directory role definitions: the built-in ones every tenant has, and a scenario's own.

use serde::Deserialize;

use super::ids;

/// A role definition of a tenant
/// (<https://learn.microsoft.com/graph/api/resources/unifiedroledefinition>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// Its name, `displayName` in Graph.
    pub name: String,
    /// Its id; derived from the name when absent. For a built-in role, the template id.
    #[serde(default)]
    pub id: Option<String>,
    /// Whether Microsoft labels it PRIVILEGED (`isPrivileged`, shown under `/beta` only).
    #[serde(default)]
    pub privileged: bool,
    /// Whether it is one of Microsoft's; a scenario's own roles are custom unless they say so.
    #[serde(default)]
    pub built_in: bool,
}

impl Role {
    /// A custom role of the tenant.
    pub fn custom(name: &str) -> Self {
        Self { name: name.to_owned(), id: None, privileged: false, built_in: false }
    }

    pub(crate) fn id_in(&self, tenant: &str) -> String {
        match &self.id {
            Some(id) => id.to_ascii_lowercase(),
            None => ids::guid(&[tenant, "role", &self.name]),
        }
    }
}

/// Name, template id and PRIVILEGED label, from
/// <https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference>.
const BUILT_IN: &[(&str, &str, bool)] = &[
    ("Global Administrator", "62e90394-69f5-4237-9190-012177145e10", true),
    ("Privileged Role Administrator", "e8611ab8-c189-46e8-94e1-60213ab1f814", true),
    ("Privileged Authentication Administrator", "7be44c8a-adaf-4e2a-84d6-ab2649e08a13", true),
    ("User Administrator", "fe930be7-5e62-47db-91af-98c3a49a38b1", true),
    ("Helpdesk Administrator", "729827e3-9c14-49f7-bb1b-9608f156bbb8", true),
    ("Application Administrator", "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", true),
    ("Security Administrator", "194ae4cb-b126-40b2-bd5b-6091b380977d", true),
    ("Security Reader", "5d6b6bb7-de71-4623-b4af-96380a352509", true),
    ("Global Reader", "f2ef992c-3afb-46b9-b7cf-a126ee74c451", true),
    ("Exchange Administrator", "29232cdf-9323-42fd-ade2-1d097af3e4de", false),
    ("Service Support Administrator", "f023fd81-a637-4b56-95fd-791ac0226033", false),
    ("License Administrator", "4d6ac14f-3453-41d0-bef9-a3e0c569773a", false),
    ("Directory Readers", "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", false),
];

/// The roles every simulated tenant has.
pub(crate) fn built_in() -> impl Iterator<Item = Role> {
    BUILT_IN.iter().map(|&(name, id, privileged)| Role {
        name: name.to_owned(),
        id: Some(id.to_owned()),
        privileged,
        built_in: true,
    })
}
