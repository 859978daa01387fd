//! A scenario's partner of Microsoft: its customers, and the granular delegated admin relationships
//! with them.

use serde::Deserialize;

use super::moment::Moment;

/// What a partner of Microsoft has in its own tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartnerSide {
    /// Its customers.
    #[serde(default)]
    pub customers: Vec<Customer>,
    /// Its granular delegated admin relationships.
    #[serde(default)]
    pub relationships: Vec<Relationship>,
    /// What comes of changes to them.
    #[serde(default)]
    pub changes: Changes,
}

/// How a partner's relationships take changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Changes {
    /// How long one takes after it was accepted, in milliseconds.
    pub take: i64,
    /// Whether it comes to nothing in the end.
    pub fail: bool,
    /// Whether the deletion of an access assignment is answered with 202 rather than 204:
    /// Microsoft's pages have both.
    pub deletions_accepted: bool,
    /// In how many reads a change does not show yet. A read is one list from its first page on, or
    /// one item; those of a relationship and those of its access assignments count apart.
    pub lag_reads: u64,
    /// After this many further reads what was taken away is back: Global Administrator in the
    /// relationship, its extension, or an access assignment under another id. What has ended stays
    /// ended.
    pub come_back: Option<u64>,
    /// Whether a group keeps Global Administrator when it is taken out of the relationship.
    /// Microsoft documents neither.
    pub groups_keep_roles: bool,
}

/// A customer of a partner.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Customer {
    /// The customer's tenant.
    pub tenant_id: String,
    /// Its name.
    pub name: String,
    /// Its default domain; `<name>.example` when absent.
    #[serde(default)]
    pub domain: Option<String>,
    /// Whether the partner has the old delegated admin privileges (DAP) there.
    #[serde(default)]
    pub allow_delegated_access: bool,
}

/// A granular delegated admin relationship
/// (<https://learn.microsoft.com/graph/api/resources/delegatedadminrelationship>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Relationship {
    /// Its `displayName`.
    pub name: String,
    /// Its id, two GUIDs; derived from customer, name and partner when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// The customer's tenant; none while it is open to whoever accepts it.
    #[serde(default)]
    pub customer: Option<String>,
    /// The roles, by name or id.
    #[serde(default)]
    pub roles: Vec<String>,
    /// `created`, `approvalPending`, `approved`, `activating`, `active`, `expiring`, `expired`,
    /// `terminationRequested`, `terminating` or `terminated`, or one that is not known yet.
    #[serde(default = "active")]
    pub status: String,
    /// How long it is for, an ISO 8601 duration.
    #[serde(default = "two_years")]
    pub duration: String,
    /// By how much it extends itself: `PT0S` for not at all, else `P180D`.
    #[serde(default = "not_at_all")]
    pub auto_extend_duration: String,
    /// When it was made; 30 days before the start when absent.
    #[serde(default)]
    pub created_date_time: Option<Moment>,
    /// When it was changed; when it became active, or else was made, when absent.
    #[serde(default)]
    pub last_modified_date_time: Option<Moment>,
    /// When it became active; when it was made, where it has been active by its status, when
    /// absent.
    #[serde(default)]
    pub activated_date_time: Option<Moment>,
    /// When it ends; its duration after it became active when absent.
    #[serde(default)]
    pub end_date_time: Option<Moment>,
    /// The indirect provider's tenant, where an indirect reseller holds it.
    #[serde(default)]
    pub indirect_provider: Option<String>,
    /// Which groups of the partner use it.
    #[serde(default)]
    pub access_assignments: Vec<AccessAssignment>,
    /// The long operations on it.
    #[serde(default)]
    pub operations: Vec<Operation>,
}

/// A group of the partner that uses a relationship
/// (<https://learn.microsoft.com/graph/api/resources/delegatedadminaccessassignment>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessAssignment {
    /// The group, by name or id.
    pub group: String,
    /// Its id; derived from relationship and group when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// The roles, by name or id; all of the relationship when empty.
    #[serde(default)]
    pub roles: Vec<String>,
    /// `pending`, `active`, `deleting`, `deleted` or `error`, or one that is not known yet.
    #[serde(default = "active")]
    pub status: String,
}

/// A long operation on a relationship
/// (<https://learn.microsoft.com/graph/api/resources/delegatedadminrelationshipoperation>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    /// What it does, such as `delegatedAdminAccessAssignmentUpdate`.
    pub operation_type: String,
    /// Its id; derived from relationship and number when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// `notStarted`, `running`, `succeeded` or `failed`, or one that is not known yet.
    #[serde(default = "succeeded")]
    pub status: String,
    /// What it is done with, JSON in text.
    #[serde(default)]
    pub data: String,
    /// When it began; the start of the simulator when absent.
    #[serde(default)]
    pub created_date_time: Option<Moment>,
}

fn active() -> String {
    "active".to_owned()
}

fn succeeded() -> String {
    "succeeded".to_owned()
}

fn two_years() -> String {
    "P730D".to_owned()
}

fn not_at_all() -> String {
    "PT0S".to_owned()
}

impl PartnerSide {
    /// With one more customer, which has given it delegated admin privileges or not.
    #[must_use]
    pub fn customer(mut self, tenant_id: &str, name: &str, allow_delegated_access: bool) -> Self {
        let (tenant_id, name) = (tenant_id.to_owned(), name.to_owned());
        self.customers.push(Customer { tenant_id, name, domain: None, allow_delegated_access });
        self
    }

    /// With relationships that take changes so.
    #[must_use]
    pub fn changing(self, changes: Changes) -> Self {
        Self { changes, ..self }
    }

    /// With one more relationship.
    #[must_use]
    pub fn relationship(mut self, relationship: Relationship) -> Self {
        self.relationships.push(relationship);
        self
    }
}

impl Relationship {
    /// An active one for two years that does not extend itself, with these roles, by name or id.
    pub fn new(name: &str, customer: &str, roles: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            id: None,
            customer: Some(customer.to_owned()),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            status: active(),
            duration: two_years(),
            auto_extend_duration: not_at_all(),
            created_date_time: None,
            last_modified_date_time: None,
            activated_date_time: None,
            end_date_time: None,
            indirect_provider: None,
            access_assignments: Vec::new(),
            operations: Vec::new(),
        }
    }

    /// In this state.
    #[must_use]
    pub fn status(self, status: &str) -> Self {
        Self { status: status.to_owned(), ..self }
    }

    /// For so long, an ISO 8601 duration.
    #[must_use]
    pub fn lasting(self, duration: &str) -> Self {
        Self { duration: duration.to_owned(), ..self }
    }

    /// Extending itself by half a year.
    #[must_use]
    pub fn auto_extending(self) -> Self {
        Self { auto_extend_duration: "P180D".to_owned(), ..self }
    }

    /// Used by a group of the partner, by name or id, with all its roles.
    #[must_use]
    pub fn used_by(mut self, group: &str) -> Self {
        let (group, status) = (group.to_owned(), active());
        let assignment = AccessAssignment { group, id: None, roles: Vec::new(), status };
        self.access_assignments.push(assignment);
        self
    }
}
