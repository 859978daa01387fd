//! Cross-tenant access settings, and what Microsoft tells about other tenants.

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::directory::Directory;
use super::graph::Ask;
use super::moment::Moment;
use super::objects::object;
use super::query::{Object, Place, page};
use super::reply::{GraphError, Reply};
use super::scenario::ScenarioError;
use super::state::State;
use super::tenant::{InboundTrust, KnownTenant, PartnerEntry, Tenant};

/// The roles that a service provider may hold: `delegatedAdminServiceProviderConstraints` in the
/// metadata of Graph (<https://graph.microsoft.com/v1.0/$metadata>), which its documentation does
/// not mention.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceProviderConstraints {
    /// The service provider's tenant.
    pub partner: String,
    /// The roles, by name or id.
    pub allowed_roles: Vec<String>,
    /// When they were first said; the start of the simulator when absent.
    #[serde(default)]
    pub created_date_time: Option<Moment>,
    /// When they were last changed; when they were first said when absent.
    #[serde(default)]
    pub last_modified_date_time: Option<Moment>,
}

impl ServiceProviderConstraints {
    /// These roles, by name or id, since a moment.
    pub fn new(partner: &str, roles: &[&str], since: Moment) -> Self {
        Self {
            partner: partner.to_owned(),
            allowed_roles: roles.iter().map(|&role| role.to_owned()).collect(),
            created_date_time: Some(since),
            last_modified_date_time: None,
        }
    }
}

/// A tenant's cross-tenant access settings beside its entries.
#[derive(Debug, Default)]
pub(crate) struct CrossTenantAccess {
    organization: Vec<String>,
    default_trust: Option<InboundTrust>,
    constraints: Vec<Constraints>,
    refuse_constraints: Option<StatusCode>,
}

#[derive(Debug)]
struct Constraints {
    partner: String,
    roles: Vec<String>,
    created: Timestamp,
    modified: Timestamp,
}

impl CrossTenantAccess {
    pub(crate) fn new(
        tenant: &Tenant,
        directory: &Directory,
        start: Timestamp,
    ) -> Result<Self, ScenarioError> {
        let constraints = tenant.service_provider_constraints.iter().map(|given| {
            let created = given.created_date_time.unwrap_or(Moment::in_days(0));
            let roles = given.allowed_roles.iter().map(|role| directory.role_id(role));
            Ok(Constraints {
                partner: given.partner.clone(),
                roles: roles.collect::<Result<_, ScenarioError>>()?,
                created: created.resolve(start),
                modified: given.last_modified_date_time.unwrap_or(created).resolve(start),
            })
        });
        Ok(Self {
            organization: tenant.multi_tenant_organization.clone(),
            default_trust: tenant.default_inbound_trust,
            constraints: constraints.collect::<Result<_, ScenarioError>>()?,
            refuse_constraints: tenant.refuse_service_provider_constraints.map(|it| it.status),
        })
    }
}

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
    let items = entries.into_iter().map(|entry| {
        let full = partner_json(&directory.cross_tenant_access, entry);
        ask.query.project(full, PARTNER_DEFAULTS)
    });
    let items = items.collect::<Result<Vec<_>, _>>()?;
    let next = last.map(|after| Place { read: 0, after });
    Ok(ask.collection("policies/crossTenantAccessPolicy/partners", &items, next))
}

/// `GET policies/crossTenantAccessPolicy/partners/{tenant}`
/// (<https://learn.microsoft.com/graph/api/crosstenantaccesspolicyconfigurationpartner-get>).
pub(crate) fn partner(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let entry = entry(directory, id)?;
    let full = partner_json(&directory.cross_tenant_access, entry);
    let item = ask.query.project(full, PARTNER_DEFAULTS)?;
    Ok(ask.item("policies/crossTenantAccessPolicy/partners", item))
}

fn entry<'d>(directory: &'d Directory, id: &str) -> Result<&'d PartnerEntry, GraphError> {
    let found = directory.partners.iter().find(|it| it.tenant_id.eq_ignore_ascii_case(id));
    found.ok_or_else(|| GraphError::not_found(id))
}

/// `GET policies/crossTenantAccessPolicy/partners/{tenant}/serviceProviderConstraints`. A partner
/// without them has none to show.
pub(crate) fn service_provider_constraints(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    id: &str,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let access = &directory.cross_tenant_access;
    if let Some(status) = access.refuse_constraints {
        return Err(GraphError::of(status));
    }
    let entry = entry(directory, id)?;
    let of = |it: &&Constraints| it.partner.eq_ignore_ascii_case(&entry.tenant_id);
    let found = access.constraints.iter().find(of).ok_or_else(|| GraphError::not_found(id))?;
    let item = object(json!({
        "@odata.type": "#microsoft.graph.delegatedAdminServiceProviderConstraints",
        "id": entry.tenant_id,
        "allowedRoleTemplateIds": found.roles,
        "createdDateTime": found.created.to_string(),
        "lastModifiedDateTime": found.modified.to_string(),
    }));
    let kind = format!(
        "policies/crossTenantAccessPolicy/partners('{}')/serviceProviderConstraints",
        entry.tenant_id
    );
    Ok(ask.item(&kind, item))
}

/// `GET policies/crossTenantAccessPolicy/default`
/// (<https://learn.microsoft.com/graph/api/crosstenantaccesspolicyconfigurationdefault-get>).
pub(crate) fn default_settings(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let trust = directory.cross_tenant_access.default_trust;
    let (open, shut) = (everyone("allowed"), everyone("blocked"));
    let full = object(json!({
        "id": "default",
        "isServiceDefault": trust.is_none(),
        "inboundTrust": trust_json(trust.unwrap_or_default()),
        "automaticUserConsentSettings": { "inboundAllowed": false, "outboundAllowed": false },
        "b2bCollaborationInbound": open,
        "b2bCollaborationOutbound": open,
        "b2bDirectConnectInbound": shut,
        "b2bDirectConnectOutbound": shut,
        "invitationRedemptionIdentityProviderConfiguration": null,
        "tenantRestrictions": null,
    }));
    let known: Vec<String> = full.keys().cloned().collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let item = ask.query.choose(full, &known)?;
    Ok(ask.item("policies/crossTenantAccessPolicy/default", item))
}

fn everyone(access: &str) -> Value {
    json!({
        "usersAndGroups": {
            "accessType": access,
            "targets": [{ "target": "AllUsers", "targetType": "user" }],
        },
        "applications": {
            "accessType": access,
            "targets": [{ "target": "AllApplications", "targetType": "application" }],
        },
    })
}

fn trust_json(trust: InboundTrust) -> Value {
    let InboundTrust { mfa, compliant_device, hybrid_joined_device } = trust;
    json!({
        "isMfaAccepted": mfa,
        "isCompliantDeviceAccepted": compliant_device,
        "isHybridAzureADJoinedDeviceAccepted": hybrid_joined_device,
    })
}

fn partner_json(access: &CrossTenantAccess, entry: &PartnerEntry) -> Object {
    let sister = access.organization.iter().any(|it| it.eq_ignore_ascii_case(&entry.tenant_id));
    object(json!({
        "tenantId": entry.tenant_id,
        "isServiceProvider": entry.is_service_provider,
        "isInMultiTenantOrganization": sister,
        "inboundTrust": entry.inbound_trust.map(trust_json),
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
    let found = known(state, tenant, |it| it.tenant_id.eq_ignore_ascii_case(id));
    information(ask, found, id)
}

/// `GET tenantRelationships/findTenantInformationByDomainName(domainName='…')`
/// (<https://learn.microsoft.com/graph/api/tenantrelationship-findtenantinformationbydomainname>).
pub(crate) fn tenant_information_by_domain(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
    domain: &str,
) -> Result<Reply, GraphError> {
    let found = known(state, tenant, |it| it.default_domain().eq_ignore_ascii_case(domain));
    information(ask, found, domain)
}

fn information(
    ask: &Ask<'_>,
    found: Option<KnownTenant>,
    asked: &str,
) -> Result<Reply, GraphError> {
    let found = found.ok_or_else(|| GraphError::not_found(asked))?;
    let domain = found.default_domain();
    let information = object(json!({
        "tenantId": found.tenant_id,
        "displayName": found.name,
        "federationBrandName": null,
        "defaultDomainName": domain,
    }));
    Ok(ask.item("microsoft.graph.tenantInformation", information))
}

/// A tenant: one the asking tenant knows, or another simulated one.
fn known(
    state: &State,
    tenant: &str,
    wanted: impl Fn(&KnownTenant) -> bool,
) -> Option<KnownTenant> {
    let known = state.directories.get(tenant).map(|directory| &directory.known_tenants);
    let simulated = state.directories.values().map(|directory| KnownTenant {
        tenant_id: directory.id.clone(),
        name: directory.name.clone(),
        domain: Some(directory.domain.clone()),
    });
    known.into_iter().flatten().cloned().chain(simulated).find(wanted)
}
