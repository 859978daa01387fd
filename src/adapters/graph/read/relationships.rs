//! A partner's own tenant: its customers, and the relationships with them.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::Deserialize;

use super::super::Graph;
use super::super::batch::{Asked, Get};
use super::garbled;
use crate::domain::facts::{AccessAssignment, Customer, DelegatedAdminRelationship, Operation};
use crate::domain::id::TenantId;
use crate::ports::{Failure, Listed, PortError, ReadCustomers, ReadRelationships};

/// Source: Microsoft Graph documentation, "List delegatedAdminRelationships".
const RELATIONSHIPS: &str = "v1.0/tenantRelationships/delegatedAdminRelationships";

/// Source: Microsoft Graph documentation, "List accessAssignments".
const ASSIGNMENTS: &str = "accessAssignments";

/// Source: Microsoft Graph documentation, "List delegatedAdminRelationshipOperations".
const OPERATIONS: &str = "operations";

/// Source: Microsoft Graph documentation, "List delegatedAdminRelationshipRequests".
const REQUESTS: &str = "requests";

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
        failures.extend(self.add_access_assignments(tenant, &mut relationships).await);
        Listed::new(relationships, failures)
    }

    async fn relationships_now(
        &self,
        tenant: TenantId,
        ids: &[String],
    ) -> Listed<DelegatedAdminRelationship> {
        let Asked { gets, mut failures, .. } = Asked::of(ids, |id| Get::new(&path(id, &[]), ""));
        let mut relationships = Vec::new();
        for answer in self.batch(tenant, "v1.0", &gets).await {
            let read = answer.and_then(|it| {
                serde_json::from_value::<DelegatedAdminRelationship>(it).map_err(|e| garbled(&e))
            });
            match read {
                Ok(relationship) => relationships.push(relationship),
                Err(error) if error.kind == Failure::Gone => {}
                Err(error) => failures.push(error),
            }
        }
        failures.extend(self.add_access_assignments(tenant, &mut relationships).await);
        self.add_operations(tenant, &mut relationships).await;
        Listed::new(relationships, failures)
    }
}

impl Graph {
    /// Adds what groups have by those that give power. What has no power is not asked about: a
    /// partner keeps what ended for a year.
    async fn add_access_assignments(
        &self,
        tenant: TenantId,
        relationships: &mut [DelegatedAdminRelationship],
    ) -> Vec<PortError> {
        let powerful = relationships.iter().filter(|it| it.gives_power());
        let ids: Vec<String> = powerful.map(|it| it.id.clone()).collect();
        let of = |id: &String| Get::new(&path(id, &[ASSIGNMENTS]), "");
        let Asked { whom, gets, mut failures } = Asked::of(&ids, of);
        let lists = self.batch_lists::<AccessAssignment>(tenant, "v1.0", &gets).await;
        let mut used: HashMap<&str, Vec<AccessAssignment>> = HashMap::new();
        for (id, Listed { items, failure }) in whom.into_iter().zip(lists) {
            failures.extend(failure);
            used.insert(id, items);
        }
        for relationship in relationships {
            if let Some(used) = used.remove(relationship.id.as_str()) {
                relationship.access_assignments = used;
            }
        }
        failures
    }

    /// Adds what Microsoft was asked to do with those that give power. It says why something is not
    /// done yet, and whether it is done shows elsewhere, so failing is nothing.
    async fn add_operations(
        &self,
        tenant: TenantId,
        relationships: &mut [DelegatedAdminRelationship],
    ) {
        let powerful = relationships.iter_mut().filter(|it| it.gives_power());
        let mut powerful: Vec<&mut DelegatedAdminRelationship> = powerful.collect();
        let kinds = |it: &&mut DelegatedAdminRelationship| {
            [OPERATIONS, REQUESTS].map(|kind| (it.id.clone(), kind))
        };
        let both: Vec<(String, &str)> = powerful.iter().flat_map(kinds).collect();
        let of = |(id, kind): &(String, &str)| Get::new(&path(id, &[kind]), "");
        let Asked { whom, gets, .. } = Asked::of(&both, of);
        let lists = self.batch_lists::<Operation>(tenant, "v1.0", &gets).await;
        for ((id, _), Listed { items, .. }) in whom.into_iter().zip(lists) {
            if let Some(relationship) = powerful.iter_mut().find(|it| it.id == *id) {
                relationship.operations.extend(items);
            }
        }
    }
}

/// The way to a relationship, or to something of it.
fn path<'a>(id: &'a str, of: &[&'a str]) -> Vec<&'a str> {
    [&["tenantRelationships", "delegatedAdminRelationships", id], of].concat()
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
