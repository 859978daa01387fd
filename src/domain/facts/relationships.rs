//! The delegated administration that a partner's own tenant holds over its customers.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::id::{PartnerId, PrincipalId};

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
    /// What Microsoft was asked to do with it and does in its own time; read after a step only, and
    /// no part of what is kept.
    #[serde(skip)]
    pub operations: Vec<Operation>,
}

impl DelegatedAdminRelationship {
    /// Whether it gives power in the customer's tenant, or is about to without anybody being asked
    /// again.
    ///
    /// A draft (`created`) and a request that the customer has not accepted (`approvalPending`) give
    /// none, whatever they ask for: the customer may say no, and an unanswered request lapses after
    /// 90 days. What has ended (`expired`, `terminated`) gives none either; Microsoft shows it for
    /// another year. Everything else counts, also what is about to begin (`approved`, `activating`)
    /// and what is not yet gone (`expiring`, `terminationRequested`, `terminating`), and any status
    /// that is not known here.
    ///
    /// Source: Microsoft Graph documentation, "delegatedAdminRelationship resource type" (the
    /// values of `status`) and "GDAP API overview" (how they follow each other).
    pub fn gives_power(&self) -> bool {
        const POWERLESS: [&str; 4] = ["created", "approvalPending", "expired", "terminated"];
        let status = self.status.as_deref().unwrap_or_default().trim();
        !POWERLESS.iter().any(|powerless| powerless.eq_ignore_ascii_case(status))
    }

    /// Whether it has this status.
    pub fn is(&self, status: &str) -> bool {
        self.status.as_deref().unwrap_or_default().trim().eq_ignore_ascii_case(status)
    }

    /// Whether it is coming to its end, and nothing more need be asked for.
    pub fn is_ending(&self) -> bool {
        self.is("terminationRequested") || self.is("terminating")
    }

    /// Whether it is extended at its end; nothing where what it says of that is no duration.
    pub fn extends_itself(&self) -> Option<bool> {
        match self.auto_extend_duration.as_deref() {
            None => Some(false),
            Some(by) => length(by).map(|length| !length.is_zero()),
        }
    }

    /// The roles that the customer agreed to, as Graph writes their ids.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        roles(self.access_details.as_ref())
    }

    /// The customer's tenant; nothing where it is not told, as while anybody may accept it.
    pub fn customer_id(&self) -> Option<PartnerId> {
        self.customer.as_ref()?.id()
    }

    /// The groups of the partner that have roles by it.
    pub fn groups(&self) -> BTreeSet<PrincipalId> {
        let used = self.access_assignments.iter().filter(|it| it.is_in_force());
        used.filter_map(AccessAssignment::group).collect()
    }
}

/// `delegatedAdminRelationshipOperation`, or `delegatedAdminRelationshipRequest`: something that
/// Microsoft does with a relationship in its own time.
///
/// Source: Microsoft Graph documentation, the resource types of these names (v1.0). Neither says
/// why it failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// What is done, such as `delegatedAdminAccessAssignmentUpdate` or `terminate`.
    #[serde(default, rename = "operationType", alias = "action")]
    pub kind: Option<String>,
    /// How far it has come: `notStarted`, `created`, `pending`, `running`, `succeeded` or `failed`.
    #[serde(default)]
    pub status: Option<String>,
    /// When it was begun.
    #[serde(default)]
    pub created_date_time: Option<Timestamp>,
    /// What it is done with: JSON in a text, in which an access assignment has its id.
    #[serde(default)]
    pub data: Option<String>,
}

impl Operation {
    /// Whether it came to nothing.
    pub fn has_failed(&self) -> bool {
        self.status.as_deref().unwrap_or_default().trim().eq_ignore_ascii_case("failed")
    }

    /// The id of what it is done with, where it tells.
    pub fn about(&self) -> Option<String> {
        Some(self.data()?.get("id")?.as_str()?.to_owned())
    }

    /// Whether it changes by how much a relationship is extended, and no roles.
    pub fn is_about_extension(&self) -> bool {
        let data = self.data().unwrap_or_default();
        data.get("autoExtendDuration").is_some() && data.get("accessDetails").is_none()
    }

    fn data(&self) -> Option<Value> {
        serde_json::from_str(self.data.as_deref()?).ok()
    }
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

impl Customer {
    /// Its tenant, where that is a GUID as it should be.
    pub fn id(&self) -> Option<PartnerId> {
        self.tenant_id.as_deref()?.parse().ok()
    }
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

impl AccessAssignment {
    /// Whether the group has the roles, or may have: what is being deleted is not gone yet, and what
    /// ended in an error may have come about in part.
    pub fn is_in_force(&self) -> bool {
        !self.is("deleted")
    }

    /// Whether it has this status.
    pub fn is(&self, status: &str) -> bool {
        self.status.as_deref().unwrap_or_default().trim().eq_ignore_ascii_case(status)
    }

    /// The roles that the group has, as Graph writes their ids.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        roles(self.access_details.as_ref())
    }

    /// The group that has the roles.
    pub fn group(&self) -> Option<PrincipalId> {
        let id = self.access_container.as_ref()?.access_container_id.as_deref()?;
        Some(PrincipalId::new(id))
    }
}

fn roles(details: Option<&AccessDetails>) -> impl Iterator<Item = &str> {
    let roles = details.into_iter().flat_map(|details| &details.unified_roles);
    roles.map(|role| role.role_definition_id.as_str())
}

/// Whether these are the ids of the same roles, whatever their order and case.
pub fn are_same_roles<'a>(
    one: impl Iterator<Item = &'a str>,
    other: impl Iterator<Item = &'a str>,
) -> bool {
    let folded = |id: &str| id.trim().to_ascii_lowercase();
    one.map(folded).collect::<BTreeSet<_>>() == other.map(folded).collect::<BTreeSet<_>>()
}

/// The length of an ISO 8601 duration. A year counts 365 days and a month 30, as Microsoft counts
/// them: the longest relationship is "P2Y", which is 730 days, and "6 months" are `P180D`. Nothing
/// for what is no duration, or a negative one.
pub fn length(text: &str) -> Option<SignedDuration> {
    let span: Span = text.trim().parse().ok()?;
    let days = i64::from(span.get_years()) * 365 + i64::from(span.get_months()) * 30;
    let rest = span.years(0).months(0);
    let rest = rest.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    let length = SignedDuration::try_from_hours(days.checked_mul(24)?)?.checked_add(rest)?;
    (!length.is_negative()).then_some(length)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_give_no_power_gives_it() {
        let with = |status: Option<&str>| DelegatedAdminRelationship {
            status: status.map(str::to_owned),
            ..DelegatedAdminRelationship::default()
        };
        for powerless in ["created", "approvalPending", "expired", "terminated", " Terminated"] {
            assert!(!with(Some(powerless)).gives_power(), "{powerless}");
        }
        for powerful in [
            "approved",
            "activating",
            "active",
            "expiring",
            "terminationRequested",
            "terminating",
            "unknownFutureValue",
            "suspended",
            "",
        ] {
            assert!(with(Some(powerful)).gives_power(), "{powerful}");
        }
        assert!(with(None).gives_power());
    }

    #[test]
    fn a_group_has_its_roles_until_they_are_deleted() {
        let used = |group: &str, status: &str| AccessAssignment {
            status: Some(status.to_owned()),
            access_container: Some(AccessContainer {
                access_container_id: Some(group.to_owned()),
                access_container_type: None,
            }),
            ..AccessAssignment::default()
        };
        let relationship = DelegatedAdminRelationship {
            access_assignments: vec![
                used("A", "active"),
                used("b", "deleting"),
                used("c", "error"),
                used("d", "deleted"),
                used("a", "pending"),
            ],
            ..DelegatedAdminRelationship::default()
        };
        let groups = ["a", "b", "c"].map(PrincipalId::new);
        assert_eq!(relationship.groups(), groups.into());
    }
}
