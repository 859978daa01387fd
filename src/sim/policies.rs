//! Cross-tenant access settings, and what Microsoft tells about other tenants.

use serde_json::json;

use super::graph::Ask;
use super::objects::object;
use super::query::{Object, Place, page};
use super::reply::{GraphError, Reply};
use super::state::State;
use super::tenant::{InboundTrust, KnownTenant, PartnerEntry};

const PARTNER_DEFAULTS: &[&str] = &[
    "tenantId",
    "isServiceProvider",
    "isInMultiTenantOrganization",
    "inboundTrust",
    "automaticUserConsentSettings",
    "b2bCollaborationInbound",
    "b2bCollaborationOutbound",
    "b2bDirectConnectInbound",
    "b2bDirectConnectOutbound",
    "tenantRestrictions",
];

/// `GET policies/crossTenantAccessPolicy/partners`
/// (<https://learn.microsoft.com/graph/api/crosstenantaccesspolicy-list-partners>).
pub(crate) fn partners(state: &State, tenant: &str, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    ask.query.filter_on(&[])?;
    let after = ask.query.from.map_or(0, |place| place.after);
    let entries = (1..).zip(&directory.partners).filter(|(n, _)| *n > after);
    let (entries, last) = page(entries, ask.size(&state.settings));
    let items =
        entries.into_iter().map(|entry| ask.query.project(partner_json(entry), PARTNER_DEFAULTS));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    let next = last.map(|after| Place { read: 0, after });
    Ok(ask.collection("policies/crossTenantAccessPolicy/partners", &items, next))
}

fn partner_json(entry: &PartnerEntry) -> Object {
    let trust =
        entry.inbound_trust.map(|InboundTrust { mfa, compliant_device, hybrid_joined_device }| {
            json!({
                "isMfaAccepted": mfa,
                "isCompliantDeviceAccepted": compliant_device,
                "isHybridAzureADJoinedDeviceAccepted": hybrid_joined_device,
            })
        });
    object(json!({
        "tenantId": entry.tenant_id,
        "isServiceProvider": entry.is_service_provider,
        "isInMultiTenantOrganization": false,
        "inboundTrust": trust,
        "automaticUserConsentSettings": { "inboundAllowed": null, "outboundAllowed": null },
        "b2bCollaborationInbound": null,
        "b2bCollaborationOutbound": null,
        "b2bDirectConnectInbound": null,
        "b2bDirectConnectOutbound": null,
        "tenantRestrictions": null,
    }))
}

/// `GET tenantRelationships/findTenantInformationByTenantId(tenantId='…')`
/// (<https://learn.microsoft.com/graph/api/tenantrelationship-findtenantinformationbytenantid>).
pub(crate) fn tenant_information(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let found = known(state, tenant, id).ok_or_else(|| GraphError::not_found(id))?;
    let domain = found.default_domain();
    let information = object(json!({
        "tenantId": found.tenant_id,
        "displayName": found.name,
        "federationBrandName": null,
        "defaultDomainName": domain,
    }));
    Ok(ask.item("microsoft.graph.tenantInformation", information))
}

/// A tenant by its id: one the asking tenant knows, or another simulated one.
fn known(state: &State, tenant: &str, id: &str) -> Option<KnownTenant> {
    let known = state.directories.get(tenant).map(|directory| &directory.known_tenants);
    let named =
        known.and_then(|known| known.iter().find(|it| it.tenant_id.eq_ignore_ascii_case(id)));
    named.cloned().or_else(|| {
        let directory = state.directories.get(&id.to_ascii_lowercase())?;
        Some(KnownTenant {
            tenant_id: directory.id.clone(),
            name: directory.name.clone(),
            domain: Some(directory.domain.clone()),
        })
    })
}
