//! Governance relationships between tenants, served as the scenario gives them
//! (<https://learn.microsoft.com/graph/api/resources/tenantgovernanceservices-governancerelationship>).

use super::graph::Ask;
use super::reply::{GraphError, Reply};
use super::state::State;

const PROPERTIES: &[&str] = &[
    "id",
    "createdType",
    "creationDateTime",
    "governedTenantId",
    "governedTenantName",
    "governingTenantId",
    "governingTenantName",
    "policySnapshot",
    "status",
];

/// `GET directory/tenantGovernance/governanceRelationships`.
pub(crate) fn relationships(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let filter = ask.query.filter_on(&["status"])?;
    let all = directory.governance.iter().filter(|it| {
        let status = it.get("status").and_then(serde_json::Value::as_str);
        filter.is_none_or(|(_, wanted)| status == Some(wanted))
    });
    let kind = "directory/tenantGovernance/governanceRelationships";
    ask.list(&state.settings, kind, PROPERTIES, all.cloned())
}
