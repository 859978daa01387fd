//! A partner's customers: the contracts that Microsoft Graph lists, and the customer of the Partner
//! Center API (<https://learn.microsoft.com/partner-center/developer/get-a-customer-by-id>).

use http::StatusCode;
use serde_json::json;

use super::graph::Ask;
use super::ids;
use super::objects::object;
use super::partner_side::Customer;
use super::reply::{Asked, GraphError, Reply};
use super::signin::{self, PARTNER_CENTER};
use super::state::State;
use super::tenant::default_domain;

const CONTRACT_PROPERTIES: &[&str] =
    &["id", "deletedDateTime", "contractType", "customerId", "defaultDomainName", "displayName"];

/// `GET contracts`: none where the tenant is no partner
/// (<https://learn.microsoft.com/graph/api/contract-list>).
pub(crate) fn contracts(state: &State, tenant: &str, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    ask.query.filter_on(&[])?;
    let customers = directory.partnership.iter().flat_map(|it| &it.customers);
    let contracts = customers.map(|customer| {
        object(json!({
            "id": ids::guid(&[&directory.id, "contract", &customer.tenant_id]),
            "deletedDateTime": null,
            "contractType": "ResellerPartnerContract",
            "customerId": customer.tenant_id,
            "defaultDomainName": domain(customer),
            "displayName": customer.name,
        }))
    });
    ask.list(&state.settings, "contracts", CONTRACT_PROPERTIES, contracts)
}

/// `GET /v1/customers/{tenant}` of the Partner Center API. The token has to be for that API; it
/// needs no application permission.
pub(crate) fn customer(state: &State, asked: &Asked, id: &str) -> Reply {
    let Some(claims) = signin::bearer_for(asked, PARTNER_CENTER) else {
        return refused(StatusCode::UNAUTHORIZED, "Access token is missing, invalid or expired.");
    };
    let directory = state.directories.get(&claims.tid);
    let Some(partnership) = directory.and_then(|it| it.partnership.as_ref()) else {
        return refused(StatusCode::FORBIDDEN, "The tenant is not a partner's.");
    };
    let named = |it: &&Customer| it.tenant_id.eq_ignore_ascii_case(id);
    let Some(customer) = partnership.customers.iter().find(named) else {
        return refused(StatusCode::NOT_FOUND, "The customer was not found.");
    };
    let id = &customer.tenant_id;
    let links = |path: &str| {
        let uri = format!("/customers/{id}{path}");
        json!({ "self": { "uri": uri, "method": "GET", "headers": [] } })
    };
    let body = json!({
        "id": id,
        "commerceId": ids::guid(&["commerce", id]),
        "companyProfile": {
            "tenantId": id,
            "domain": domain(customer),
            "companyName": customer.name,
            "links": links("/profiles/company"),
            "attributes": { "objectType": "CustomerCompanyProfile" },
        },
        "relationshipToPartner": "reseller",
        "allowDelegatedAccess": customer.allow_delegated_access,
        "links": links(""),
        "attributes": { "objectType": "Customer" },
    });
    Reply::json(StatusCode::OK, &body)
}

fn domain(customer: &Customer) -> String {
    default_domain(customer.domain.as_deref(), &customer.name)
}

/// An error in the shape of Partner Center; which code goes with which is not documented for all
/// (<https://learn.microsoft.com/partner-center/developer/error-codes>).
fn refused(status: StatusCode, description: &str) -> Reply {
    let code = status.as_u16().to_string();
    Reply::json(status, &json!({ "code": code, "description": description }))
}
