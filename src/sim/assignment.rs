//! A scenario's role assignments, active and eligible.

use serde::Deserialize;

use super::moment::Moment;

/// One directory role assignment
/// (<https://learn.microsoft.com/graph/api/resources/unifiedroleassignment>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assignment {
    /// The holder, by name or id. An id nobody has is a principal that cannot be resolved.
    pub principal: String,
    /// The role, by name or id.
    pub role: String,
    /// The assignment's id; derived from tenant, holder, role and scope when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// Where it holds; `/`, the whole tenant, when absent.
    #[serde(default = "whole_tenant")]
    pub directory_scope_id: String,
    /// `principalOrganizationId` for a holder that cannot be resolved.
    #[serde(default)]
    pub principal_organization_id: Option<String>,
    /// Since when, as Privileged Identity Management has it; it has no time for what was assigned
    /// without it.
    #[serde(default)]
    pub start_date_time: Option<Moment>,
    /// Until when; without an end when absent. The simulator ends nothing by itself.
    #[serde(default)]
    pub end_date_time: Option<Moment>,
    /// Whether it was assigned, or activated from an eligibility.
    #[serde(default)]
    pub assignment_type: AssignmentType,
    /// How the holder came by it.
    #[serde(default)]
    pub member_type: MemberType,
}

/// `assignmentType` of an active instance
/// (<https://learn.microsoft.com/graph/api/resources/unifiedroleassignmentscheduleinstance>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum AssignmentType {
    /// It was assigned.
    #[default]
    Assigned,
    /// It was activated from an eligibility.
    Activated,
}

/// `memberType` of an instance
/// (<https://learn.microsoft.com/graph/api/resources/unifiedroleassignmentscheduleinstance>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum MemberType {
    /// It is the holder's own.
    #[default]
    Direct,
    /// It comes from a group.
    Group,
    /// It comes from a wider scope.
    Inherited,
}

fn whole_tenant() -> String {
    "/".to_owned()
}

impl Assignment {
    /// `principal` holds `role` over the whole tenant; both by name or id.
    pub fn new(principal: &str, role: &str) -> Self {
        Self {
            principal: principal.to_owned(),
            role: role.to_owned(),
            id: None,
            directory_scope_id: whole_tenant(),
            principal_organization_id: None,
            start_date_time: None,
            end_date_time: None,
            assignment_type: AssignmentType::default(),
            member_type: MemberType::default(),
        }
    }

    /// In a part of the tenant: `/administrativeUnits/` and the unit's name or id, say.
    #[must_use]
    pub fn scope(self, directory_scope_id: &str) -> Self {
        Self { directory_scope_id: directory_scope_id.to_owned(), ..self }
    }

    /// Since then.
    #[must_use]
    pub fn since(mut self, start: Moment) -> Self {
        self.start_date_time = Some(start);
        self
    }

    /// Until then.
    #[must_use]
    pub fn until(mut self, end: Moment) -> Self {
        self.end_date_time = Some(end);
        self
    }

    /// Activated from an eligibility.
    #[must_use]
    pub fn activated(mut self) -> Self {
        self.assignment_type = AssignmentType::Activated;
        self
    }

    /// Come by through a group, or through a wider scope.
    #[must_use]
    pub fn through(mut self, member_type: MemberType) -> Self {
        self.member_type = member_type;
        self
    }
}
