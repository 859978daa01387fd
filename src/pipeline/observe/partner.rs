//! A partner's own tenant: what it may do in the tenants of its customers. Nothing is asked of the
//! customers' tenants, nor of who holds roles in this one.
//!
//! Where all relationships fit on one page, these are the requests, with ⌈n⌉ standing for n divided
//! by 20 and rounded up, the requests of one `$batch`: 1 for the relationships; ⌈R⌉ for the R of
//! them that give power; 1 for the names of the partner's groups that have it, for each 1000. Where
//! Partner Center is to be asked, 1 more for the contracts, and 1 for each customer.

use std::collections::BTreeSet;

use super::Readers;
use super::reading::Reading;
use crate::domain::facts::{Customer, DelegatedAdminRelationship, Facts, Part};
use crate::domain::id::{PartnerId, PrincipalId};
use crate::domain::roster::Tenant;

pub(super) async fn facts(readers: &Readers, tenant: &Tenant) -> Facts {
    let (mut reading, mut facts) = (Reading::of(tenant), Facts::default());
    let (relationships, customers) =
        tokio::join!(readers.relationships.relationships(tenant.id), async {
            match &readers.delegated_access {
                Some(_) => Some(readers.customers.customers(tenant.id).await),
                None => None,
            }
        });
    facts.relationships = reading.taken(Part::Relationships, relationships);
    // Which customers there are is read for nothing else.
    let customers = customers.map(|listed| reading.taken(Part::DelegatedAccess, listed));
    if !reading.was_refused() {
        let known = facts.relationships.iter().filter_map(|it| it.customer.as_ref());
        let known: Vec<&Customer> = known.chain(customers.iter().flatten()).collect();
        let name = |customer: &&Customer| Some((customer.id()?, customer.display_name.clone()?));
        let names = known.iter().filter_map(name).collect();
        let ids: BTreeSet<PartnerId> = known.iter().filter_map(|customer| customer.id()).collect();
        facts.tenant_names = names;
        delegated_access(readers, tenant, ids, &mut reading, &mut facts).await;
        name_groups(readers, tenant, &mut facts).await;
    }
    facts.gaps = reading.gaps();
    facts
}

async fn delegated_access(
    readers: &Readers,
    tenant: &Tenant,
    mut customers: BTreeSet<PartnerId>,
    reading: &mut Reading<'_>,
    facts: &mut Facts,
) {
    let Some(reader) = &readers.delegated_access else { return };
    customers.extend(tenant.partners.iter().map(|customer| customer.id));
    let customers: Vec<PartnerId> = customers.into_iter().collect();
    let access = reader.delegated_access(tenant.id, &customers).await;
    facts.delegated_access = reading.taken(Part::DelegatedAccess, access).into_iter().collect();
}

/// Reads what the partner's groups are called that have power by a relationship. Names decide
/// nothing, so failing is nothing either.
async fn name_groups(readers: &Readers, tenant: &Tenant, facts: &mut Facts) {
    let powerful = facts.relationships.iter().filter(|it| it.gives_power());
    let groups: BTreeSet<PrincipalId> =
        powerful.flat_map(DelegatedAdminRelationship::groups).collect();
    let groups: Vec<PrincipalId> = groups.into_iter().collect();
    if !groups.is_empty() {
        let objects = readers.objects.objects(tenant.id, &groups).await;
        facts.objects = objects.items.into_iter().collect();
    }
}
