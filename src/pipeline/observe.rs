//! One snapshot of a tenant, with what could not be read kept as Gaps.

mod again;
mod customer;
mod partner;
mod protected;
mod reading;

use std::sync::Arc;

use crate::domain::facts::Facts;
use crate::domain::id::TenantId;
use crate::domain::plan::Step;
use crate::domain::policy::{Guardrails, Policy};
use crate::domain::record::Reread;
use crate::domain::roster::{AccountName, Side, Tenant};
use crate::ports::{
    Clock, ReadActiveSchedules, ReadConditionalAccess, ReadCrossTenantAccess, ReadCustomers,
    ReadDelegatedAccess, ReadEligibleSchedules, ReadGovernance, ReadGroupMembers, ReadObjects,
    ReadPartnerApps, ReadRelationships, ReadRoles, ReadTenantNames, ReadUsers,
};

/// What reads a tenant: one port for each permission, none of which can change anything.
#[derive(Clone)]
pub struct Readers {
    /// Who holds which role.
    pub roles: Arc<dyn ReadRoles>,
    /// When roles that are held end.
    pub active: Arc<dyn ReadActiveSchedules>,
    /// Which roles may be activated.
    pub eligible: Arc<dyn ReadEligibleSchedules>,
    /// What principals are.
    pub objects: Arc<dyn ReadObjects>,
    /// Which accounts are guests, and what accounts are.
    pub users: Arc<dyn ReadUsers>,
    /// Who is in which group.
    pub groups: Arc<dyn ReadGroupMembers>,
    /// Applications of partners.
    pub partner_apps: Arc<dyn ReadPartnerApps>,
    /// What the cross-tenant access policy says of other tenants.
    pub cross_tenant_access: Arc<dyn ReadCrossTenantAccess>,
    /// What is demanded of people who sign in.
    pub conditional_access: Arc<dyn ReadConditionalAccess>,
    /// Which other tenants govern this one.
    pub governance: Arc<dyn ReadGovernance>,
    /// What other tenants call themselves.
    pub tenant_names: Arc<dyn ReadTenantNames>,
    /// A partner's relationships with its customers.
    pub relationships: Arc<dyn ReadRelationships>,
    /// Who a partner's customers are.
    pub customers: Arc<dyn ReadCustomers>,
    /// What Partner Center says of customers; nothing where it is not to be asked.
    pub delegated_access: Option<Arc<dyn ReadDelegatedAccess>>,
}

/// What a snapshot is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose<'a> {
    /// To find what breaks the policy.
    Decide,
    /// To decide by a policy under which it may come to a quarantine that leaves these out.
    Quarantine(&'a [AccountName]),
    /// To show people what there is, too.
    Show,
}

/// Reads again what steps were to take away from a tenant of this name: what became of each, in
/// their order, and when each was read.
pub async fn again(
    readers: &Readers,
    clock: &dyn Clock,
    tenant: TenantId,
    name: &str,
    steps: &[&Step],
) -> Vec<Reread> {
    again::seen_again(readers, clock, tenant, name, steps).await
}

/// Reads everything the findings need.
pub async fn facts(readers: &Readers, tenant: &Tenant) -> Facts {
    read(readers, tenant, Purpose::Decide).await
}

/// Reads everything the findings need, and what a plan by this policy takes beside them: where it
/// may come to a quarantine, conditional access and who the protected accounts are.
pub async fn facts_to_decide(readers: &Readers, tenant: &Tenant, policy: &Policy) -> Facts {
    let purpose = if policy.speaks_of_quarantine() {
        Purpose::Quarantine(&policy.guardrails.protected)
    } else {
        Purpose::Decide
    };
    read(readers, tenant, purpose).await
}

/// Reads whether the accounts that the policy protects by name are still called so, where something
/// may be taken from an account that may be one of them.
pub async fn protected(
    readers: &Readers,
    tenant: &Tenant,
    guardrails: &Guardrails,
    facts: &mut Facts,
) {
    protected::read(readers, tenant, guardrails, facts).await;
}

/// Reads everything the findings need, and what a report shows beside them: conditional access is
/// read even where the policy requires nothing that takes it. If that fails there, it is no gap,
/// and the facts are as if nobody had asked.
pub async fn facts_to_show(readers: &Readers, tenant: &Tenant) -> Facts {
    read(readers, tenant, Purpose::Show).await
}

async fn read(readers: &Readers, tenant: &Tenant, purpose: Purpose<'_>) -> Facts {
    match tenant.side {
        Side::Customer => customer::facts(readers, tenant, purpose).await,
        Side::Partner => partner::facts(readers, tenant).await,
    }
}
