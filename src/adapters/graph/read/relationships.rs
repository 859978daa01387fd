//! A partner's own tenant: its customers, and the relationships with them.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::Deserialize;

use super::super::Graph;
use super::super::batch::{Asked, Get};
use crate::domain::facts::{AccessAssignment, Customer, DelegatedAdminRelationship};
use crate::domain::id::TenantId;
use crate::ports::{Listed, ReadCustomers, ReadRelationships};

/// Source: Microsoft Graph documentation, "List delegatedAdminRelationships".
const RELATIONSHIPS: &str = "v1.0/tenantRelationships/delegatedAdminRelationships";

/// Source: Microsoft Graph documentation, "List accessAssignments".
const ASSIGNMENTS: &str = "accessAssignments";

/// Source: Microsoft Graph documentation, "List contracts": "a list of contract objects associated
/// to a partner tenant".
const CONTRACTS: &str = "v1.0/contracts";

/// `contract`, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    customer_id: String,
    #[serde(default)]
    display_name: Option<String>,
}

#[async_trait]
impl ReadRelationships for Graph {
    async fn relationships(&self, tenant: TenantId) -> Listed<DelegatedAdminRelationship> {
        let Listed { items: mut relationships, failure } =
            self.list::<DelegatedAdminRelationship>(tenant, &[RELATIONSHIPS]).await;
        let mut failures: Vec<_> = failure.into_iter().collect();
        // What has no power is not asked about: a partner keeps what ended for a year.
        let powerful = relationships.iter().filter(|it| it.gives_power());
        let ids: Vec<String> = powerful.map(|it| it.id.clone()).collect();
        let of = |id: &String| {
            let path = ["tenantRelationships", "delegatedAdminRelationships", id, ASSIGNMENTS];
            Get::new(&path, "")
        };
        let Asked { whom, gets, failures: unasked } = Asked::of(&ids, of);
        failures.extend(unasked);
        let lists = self.batch_lists::<AccessAssignment>(tenant, "v1.0", &gets).await;
        let mut used: HashMap<&str, Vec<AccessAssignment>> = HashMap::new();
        for (id, Listed { items, failure }) in whom.into_iter().zip(lists) {
            failures.extend(failure);
            used.insert(id, items);
        }
        for relationship in &mut relationships {
            if let Some(used) = used.remove(relationship.id.as_str()) {
                relationship.access_assignments = used;
            }
        }
        Listed::new(relationships, failures)
    }
}

#[async_trait]
impl ReadCustomers for Graph {
    async fn customers(&self, tenant: TenantId) -> Listed<Customer> {
        let Listed { items, failure } = self.list::<Contract>(tenant, &[CONTRACTS]).await;
        let customer = |contract: Contract| Customer {
            tenant_id: Some(contract.customer_id),
            display_name: contract.display_name,
        };
        Listed { items: items.into_iter().map(customer).collect(), failure }
    }
}
