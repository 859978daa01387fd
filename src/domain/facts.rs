//! One snapshot of a tenant: what was read, and what could not be.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::id::{AssignmentId, PartnerId, PrincipalId, TenantId};

/// What a tenant looked like at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Directory role assignments.
    pub assignments: Vec<RoleAssignment>,
    /// The principals that hold them, as far as they could be resolved.
    pub objects: BTreeMap<PrincipalId, DirectoryObject>,
    /// Accounts of other organisations.
    pub guests: BTreeMap<PrincipalId, User>,
    /// Partner entries of the cross-tenant access policy.
    pub partner_entries: Vec<PartnerEntry>,
    /// Role definitions read live, by definition id in lower case.
    pub roles: BTreeMap<String, RoleDefinition>,
    /// Names of other tenants, as they call themselves.
    pub tenant_names: BTreeMap<PartnerId, String>,
    /// What could not be read. A gap is never read as an absence.
    pub gaps: Vec<Gap>,
}

/// `unifiedRoleAssignment`, as far as it is used.
///
/// Source: Microsoft Graph metadata (v1.0 and beta), type `unifiedRoleAssignment`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAssignment {
    /// Its id.
    pub id: AssignmentId,
    /// Who holds the role.
    pub principal_id: PrincipalId,
    /// Which role; for built-in roles this is the template id.
    pub role_definition_id: String,
    /// Where it holds: `/` is the whole directory, and what Graph means when it says nothing.
    #[serde(default = "whole_directory", deserialize_with = "scope_or_whole_directory")]
    pub directory_scope_id: String,
    /// The principal's home tenant, where Graph says it.
    #[serde(default)]
    pub principal_organization_id: Option<String>,
}

fn whole_directory() -> String {
    "/".to_owned()
}

fn scope_or_whole_directory<'de, D: Deserializer<'de>>(scope: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(scope)?.unwrap_or_else(whole_directory))
}

/// `unifiedRoleDefinition`, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleDefinition {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The template it comes from; for custom roles the id itself.
    #[serde(default)]
    pub template_id: Option<String>,
    /// Whether Microsoft counts it as privileged (beta only).
    #[serde(default)]
    pub is_privileged: Option<bool>,
}

/// A directory object that can hold a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "@odata.type")]
pub enum DirectoryObject {
    /// A user of this directory, a guest among them.
    #[serde(rename = "#microsoft.graph.user")]
    User(User),
    /// A group of this directory.
    #[serde(rename = "#microsoft.graph.group")]
    Group(Named),
    /// An application's presence in this directory.
    #[serde(rename = "#microsoft.graph.servicePrincipal")]
    ServicePrincipal(ServicePrincipal),
    /// A principal of a Cloud Solution Provider's own directory.
    #[serde(rename = "#microsoft.graph.directoryObjectPartnerReference")]
    PartnerReference(PartnerReference),
    /// Anything else, which holds nothing we can explain.
    #[serde(other, rename = "other")]
    Other,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The name shown.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The sign-in name; for guests `name_domain#EXT#@tenant`.
    #[serde(default)]
    pub user_principal_name: Option<String>,
    /// The mail address.
    #[serde(default)]
    pub mail: Option<String>,
    /// `Member` or `Guest`; left out by `getByIds`.
    #[serde(default)]
    pub user_type: Option<String>,
}

/// Anything of which only the name matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// The name shown.
    #[serde(default)]
    pub display_name: Option<String>,
}

/// An application's presence in a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePrincipal {
    /// The name shown.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The application's id.
    #[serde(default)]
    pub app_id: Option<String>,
    /// The tenant the application was registered in.
    #[serde(default)]
    pub app_owner_organization_id: Option<String>,
}

/// `directoryObjectPartnerReference`.
///
/// Source: Microsoft Graph documentation, resource `directoryObjectPartnerReference` (v1.0).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerReference {
    /// The name shown, chosen by the partner.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The partner's tenant.
    #[serde(default)]
    pub external_partner_tenant_id: Option<String>,
    /// What it is over there, such as `Group`.
    #[serde(default)]
    pub object_type: Option<String>,
}

/// `crossTenantAccessPolicyConfigurationPartner`, as far as it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerEntry {
    /// The other tenant.
    pub tenant_id: String,
    /// Whether it is a service provider: shown for granular delegated admin relationships.
    #[serde(default)]
    pub is_service_provider: Option<bool>,
}

/// A part of a tenant that is read by one kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Who holds which directory role.
    RoleAssignments,
    /// What kind of principal holds it.
    Principals,
    /// Which accounts are guests.
    Guests,
    /// Which partners the cross-tenant access policy names.
    PartnerEntries,
    /// Which roles exist and which of them are privileged.
    RoleDefinitions,
}

impl Part {
    /// What it is, for people.
    pub fn noun(self) -> &'static str {
        match self {
            Self::RoleAssignments => "directory role assignments",
            Self::Principals => "principals that hold roles",
            Self::Guests => "guest accounts",
            Self::PartnerEntries => "partner entries of the cross-tenant access policy",
            Self::RoleDefinitions => "role definitions",
        }
    }

    /// The least application permission that reads it.
    ///
    /// Source: permissions.json of microsoftgraph/microsoft-graph-devx-content, 2026-08-07.
    pub fn permission(self) -> &'static str {
        match self {
            Self::RoleAssignments | Self::RoleDefinitions => "RoleManagement.Read.Directory",
            Self::Principals => "Directory.Read.All",
            Self::Guests => "User.Read.All",
            Self::PartnerEntries => "Policy.Read.All",
        }
    }

    /// What stays unknown while it cannot be read.
    pub fn blinds(self) -> &'static str {
        match self {
            Self::RoleAssignments => "who holds which role: every finding about roles",
            Self::Principals => "which of the role holders belong to a partner",
            Self::Guests => "whether a role holder is a partner's guest (guest-with-role)",
            Self::PartnerEntries => {
                "which service providers have a relationship (unlisted-partner)"
            }
            Self::RoleDefinitions => "which roles outside the built-in list are privileged",
        }
    }
}

/// Why a part could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapCause {
    /// We were not let into the tenant at all; somebody has to mend that.
    SignInRefused,
    /// Graph refused; asking again changes nothing until someone grants the permission.
    Denied,
    /// Graph was busy, broken or out of reach; asking again may help.
    Unavailable,
    /// Graph answered with something that cannot be read.
    Unintelligible,
}

/// A part of a tenant that could not be read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Which part.
    pub part: Part,
    /// Why.
    pub cause: GapCause,
    /// What Graph or the network said, in words fit to show.
    pub detail: String,
}

impl Gap {
    /// Whether reading again later may fill it.
    pub fn may_pass(&self) -> bool {
        !matches!(self.cause, GapCause::Denied | GapCause::SignInRefused)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} could not be read whole: {}", self.part.noun(), self.detail)
    }
}

impl Facts {
    /// Whether everything was read.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// The tenants whose names would help a reader: those that hold roles or are partners here.
    pub fn foreign_tenants(&self, own: TenantId) -> Vec<PartnerId> {
        let references = self.objects.values().filter_map(|object| match object {
            DirectoryObject::PartnerReference(reference) => {
                reference.external_partner_tenant_id.as_deref()
            }
            DirectoryObject::User(_)
            | DirectoryObject::Group(_)
            | DirectoryObject::ServicePrincipal(_)
            | DirectoryObject::Other => None,
        });
        let holders =
            self.assignments.iter().filter_map(|a| a.principal_organization_id.as_deref());
        let entries = self
            .partner_entries
            .iter()
            .filter(|entry| entry.is_service_provider == Some(true))
            .map(|entry| entry.tenant_id.as_str());
        let mut tenants: Vec<PartnerId> = references
            .chain(holders)
            .chain(entries)
            .filter_map(|id| id.parse().ok())
            .filter(|id: &PartnerId| id.tenant() != own)
            .collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_without_a_scope_holds_in_the_whole_directory() {
        for scope in [r#","directoryScopeId":null"#, "", r#","directoryScopeId":"/""#] {
            let json = format!(r#"{{"id":"a","principalId":"p","roleDefinitionId":"r"{scope}}}"#);
            let assignment: RoleAssignment = serde_json::from_str(&json).unwrap();
            assert_eq!(assignment.directory_scope_id, "/", "{scope}");
        }
    }

    #[test]
    fn foreign_tenants_are_those_of_references_holders_and_service_providers() {
        let own = "11111111-1111-1111-1111-111111111111";
        let case = crate::domain::finding::testing::Case::new()
            .stranger_group("Strangers", "Reports Reader")
            .member_from("Megan", own, "Reports Reader")
            .unresolvable_from("p", "44444444-4444-4444-4444-444444444444", "Reports Reader")
            .service_provider("55555555-5555-5555-5555-555555555555")
            .collaborator("66666666-6666-6666-6666-666666666666");
        let found = case.facts.foreign_tenants(own.parse().unwrap());
        let first: Vec<String> =
            found.iter().map(|id| id.to_string().chars().take(1).collect()).collect();
        assert_eq!(first, ["3", "4", "5"]);
    }
}
