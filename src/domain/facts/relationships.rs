//! The delegated administration that a partner's own tenant holds over its customers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `delegatedAdminRelationship`.
///
/// Source: Microsoft Graph documentation, "delegatedAdminRelationship resource type" (v1.0).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DelegatedAdminRelationship {
    /// Its id: two GUIDs.
    pub id: String,
    /// The name it was given.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Whom it is with.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// The roles it may give.
    #[serde(default)]
    pub access_details: Option<AccessDetails>,
    /// How far it has come, such as `active`.
    #[serde(default)]
    pub status: Option<String>,
    /// How long it lasts, ISO 8601.
    #[serde(default)]
    pub duration: Option<String>,
    /// By how much it is extended at its end: `PT0S`, `P0D` or `P180D`.
    #[serde(default)]
    pub auto_extend_duration: Option<String>,
    /// When the customer accepted it.
    #[serde(default)]
    pub activated_date_time: Option<Timestamp>,
    /// When it ends.
    #[serde(default)]
    pub end_date_time: Option<Timestamp>,
    /// What a change to it must be made against.
    #[serde(default, rename = "@odata.etag")]
    pub etag: Option<String>,
    /// Which groups of the partner got which of the roles.
    #[serde(default)]
    pub access_assignments: Vec<AccessAssignment>,
}

/// The customer of a relationship.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// Its tenant.
    #[serde(default)]
    pub tenant_id: Option<String>,
    /// The name it calls itself.
    #[serde(default)]
    pub display_name: Option<String>,
}

/// Roles that a relationship or an access assignment names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessDetails {
    /// The roles.
    #[serde(default)]
    pub unified_roles: Vec<UnifiedRole>,
}

/// A role that a relationship names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnifiedRole {
    /// The role's template id.
    pub role_definition_id: String,
}

/// `delegatedAdminAccessAssignment`: a group of the partner's and the roles it got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessAssignment {
    /// Its id.
    pub id: String,
    /// How far it has come, such as `active`.
    #[serde(default)]
    pub status: Option<String>,
    /// The group.
    #[serde(default)]
    pub access_container: Option<AccessContainer>,
    /// The roles.
    #[serde(default)]
    pub access_details: Option<AccessDetails>,
    /// What a change to it must be made against.
    #[serde(default, rename = "@odata.etag")]
    pub etag: Option<String>,
}

/// The group that an access assignment is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessContainer {
    /// The group's id, in the partner's tenant.
    #[serde(default)]
    pub access_container_id: Option<String>,
    /// `securityGroup`.
    #[serde(default)]
    pub access_container_type: Option<String>,
}
