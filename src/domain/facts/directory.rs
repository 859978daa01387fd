//! Who is in a directory and who holds which role, as Microsoft Graph tells it.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::id::{AssignmentId, PrincipalId};

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
    Group(Group),
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
    /// Whether the account may sign in; nothing where it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_enabled: Option<bool>,
}

/// How a user or an application may sign in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    /// Whether it may sign in at all; nothing where Graph does not say.
    #[serde(default)]
    pub account_enabled: Option<bool>,
    /// Since when a session must have begun to count; accounts only.
    #[serde(default)]
    pub sign_in_sessions_valid_from_date_time: Option<Timestamp>,
}

/// A group.
///
/// Source: Microsoft Graph documentation, "group resource type".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The name shown.
    #[serde(default)]
    pub display_name: Option<String>,
    /// `DynamicMembership` among them, where a rule says who is in it; nothing where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_types: Option<Vec<String>>,
    /// Whether it is kept by a directory on premises; nothing where it is not, or nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_premises_sync_enabled: Option<bool>,
}

impl Group {
    /// A group of which only the name is known.
    pub fn named(name: &str) -> Self {
        Self { display_name: Some(name.to_owned()), ..Self::default() }
    }
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

/// `unifiedRoleAssignmentScheduleInstance` or `unifiedRoleEligibilityScheduleInstance`: what
/// Privileged Identity Management says of a role that is held, or that may be activated.
///
/// Source: Microsoft Graph documentation, "unifiedRoleAssignmentScheduleInstance resource type".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleInstance {
    /// Its id.
    pub id: AssignmentId,
    /// Who holds the role, or may activate it.
    pub principal_id: PrincipalId,
    /// Which role; for built-in roles this is the template id.
    pub role_definition_id: String,
    /// Where it holds: `/` is the whole directory.
    #[serde(default = "whole_directory", deserialize_with = "scope_or_whole_directory")]
    pub directory_scope_id: String,
    /// When it ends; nothing for one without an end.
    #[serde(default)]
    pub end_date_time: Option<Timestamp>,
    /// `Direct`, `Group` or `Inherited`.
    #[serde(default)]
    pub member_type: Option<String>,
    /// `Assigned`, or `Activated` by somebody who was eligible; active ones only.
    #[serde(default)]
    pub assignment_type: Option<String>,
    /// The role assignment this is the schedule of; active ones only.
    #[serde(default)]
    pub role_assignment_origin_id: Option<AssignmentId>,
}

/// An object within a group, directly or through groups in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: PrincipalId,
    /// What it is.
    #[serde(flatten)]
    pub object: DirectoryObject,
}

/// What was found of an account the policy says was given to a partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "account", rename_all = "kebab-case")]
pub enum GivenAccount {
    /// It is there.
    Present {
        /// Its id.
        id: PrincipalId,
        /// What it is.
        user: User,
    },
    /// The directory has no such account.
    Missing,
}

/// The service principal of an application that was registered in a partner's tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerApp {
    /// The service principal's id.
    pub id: PrincipalId,
    /// What it is.
    #[serde(flatten)]
    pub app: ServicePrincipal,
    /// The application permissions it was granted.
    #[serde(default)]
    pub app_roles: Vec<AppRoleAssignment>,
}

/// `appRoleAssignment`: an application permission that was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppRoleAssignment {
    /// Its id.
    pub id: AssignmentId,
    /// The permission; the same id in every tenant.
    pub app_role_id: String,
    /// The API it is for, as it calls itself.
    #[serde(default)]
    pub resource_display_name: Option<String>,
    /// The service principal of that API in this tenant.
    #[serde(default)]
    pub resource_id: Option<String>,
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
}
