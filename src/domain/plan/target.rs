//! What a step is done to.

use serde::{Deserialize, Serialize};

use super::Remediation;
use crate::domain::grant::{Grant, PrincipalKind};
use crate::domain::id::{PrincipalId, Sha256Hex};
use crate::domain::roster::AffectedPartner;

/// What a step is done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Target {
    /// One way in which a partner holds one role.
    Grant(Box<Grant>),
    /// A principal of the partner's in the tenant.
    Principal {
        /// Its object id.
        principal: PrincipalId,
        /// What kind of principal it is.
        kind: PrincipalKind,
        /// Its name, fit to show.
        name: String,
        /// The user principal name, for accounts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_principal_name: Option<String>,
        /// The application's id, for applications.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app_id: Option<String>,
    },
    /// The partner as a whole, or its people.
    Partner,
    /// A delegated administration relationship of a partner's own tenant.
    Relationship {
        /// Its id.
        relationship: String,
        /// Its name, fit to show.
        name: String,
        /// What it was when it was read: what a change is made against.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        etag: Option<String>,
        /// The roles it gave then, by template id.
        roles: Vec<String>,
        /// By how much it was to be extended at its end, ISO 8601.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        auto_extend: Option<String>,
        /// Whether no other relationship with the customer would be left to see without it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        last: bool,
    },
    /// What a relationship gives to one group of the partner.
    AccessAssignment {
        /// The relationship's id.
        relationship: String,
        /// The relationship's name, fit to show.
        name: String,
        /// The access assignment's id.
        access_assignment: String,
        /// What it was when it was read: what a change is made against.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        etag: Option<String>,
        /// The group.
        group: PrincipalId,
        /// The group's name, fit to show.
        group_name: String,
        /// The roles it gave then, by template id.
        roles: Vec<String>,
    },
}

impl Target {
    /// The grant, where it is one.
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Grant(grant) => Some(grant),
            Self::Principal { .. }
            | Self::Partner
            | Self::Relationship { .. }
            | Self::AccessAssignment { .. } => None,
        }
    }

    /// What stays the same as long as `remediation` does the same to the same. For a grant that is
    /// the grant's own key, since there is one way to take it away.
    pub fn key(&self, remediation: Remediation, partner: &AffectedPartner) -> Sha256Hex {
        let partner = partner.key();
        let of = |fields: &[&str]| {
            let about = ["target/v1", remediation.as_str(), &partner];
            Sha256Hex::of_fields(&[&about, fields].concat())
        };
        match self {
            Self::Grant(grant) => grant.key(),
            Self::Principal { principal, .. } => of(&[principal.as_str()]),
            Self::Partner => of(&[]),
            Self::Relationship { relationship, .. } => of(&[relationship]),
            // What is given to the group again is the same, whatever its new id.
            Self::AccessAssignment { relationship, group, .. } => {
                of(&[relationship, group.as_str()])
            }
        }
    }
}
