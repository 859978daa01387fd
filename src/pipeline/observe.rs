//! One snapshot of a tenant, with what could not be read kept as Gaps.

use std::sync::Arc;

use futures_util::future::join_all;
use tracing::warn;

use crate::domain::facts::{Facts, Gap, GapCause, Part};
use crate::domain::id::PrincipalId;
use crate::domain::roster::Tenant;
use crate::ports::{
    Failure, Listed, PortError, ReadGuests, ReadObjects, ReadPartnerEntries, ReadRoles,
    ReadTenantNames, chain,
};

/// What reads a tenant: one port for each permission, none of which can change anything.
#[derive(Clone)]
pub struct Readers {
    /// Who holds which role.
    pub roles: Arc<dyn ReadRoles>,
    /// What principals are.
    pub objects: Arc<dyn ReadObjects>,
    /// Which accounts are guests.
    pub guests: Arc<dyn ReadGuests>,
    /// Which partners have an entry.
    pub partner_entries: Arc<dyn ReadPartnerEntries>,
    /// What other tenants call themselves.
    pub tenant_names: Arc<dyn ReadTenantNames>,
}

/// Reads everything the findings need.
pub async fn facts(readers: &Readers, tenant: &Tenant) -> Facts {
    let id = tenant.id;
    let mut facts = Facts::default();
    let (assignments, definitions, guests, partner_entries) = tokio::join!(
        readers.roles.assignments(id),
        readers.roles.definitions(id),
        readers.guests.guests(id),
        readers.partner_entries.partner_entries(id),
    );
    let mut gaps = Vec::new();
    let mut take = |part, failure| gaps.extend(gap(tenant, part, failure));
    facts.assignments = taken(assignments, Part::RoleAssignments, &mut take);
    let definitions = taken(definitions, Part::RoleDefinitions, &mut take);
    facts.roles = definitions.into_iter().map(|r| (r.id.to_ascii_lowercase(), r)).collect();
    facts.guests = taken(guests, Part::Guests, &mut take).into_iter().collect();
    facts.partner_entries = taken(partner_entries, Part::PartnerEntries, &mut take);

    let mut holders: Vec<PrincipalId> =
        facts.assignments.iter().map(|assignment| assignment.principal_id.clone()).collect();
    holders.sort_unstable();
    holders.dedup();
    if !holders.is_empty() {
        let objects = readers.objects.objects(id, &holders).await;
        facts.objects = taken(objects, Part::Principals, &mut take).into_iter().collect();
    }
    facts.gaps = gaps;

    let strangers = facts.foreign_tenants(id).into_iter().filter(|p| tenant.partner(*p).is_none());
    let names = strangers.map(|partner| async move {
        Some((partner, readers.tenant_names.tenant_name(id, partner).await?))
    });
    facts.tenant_names = join_all(names).await.into_iter().flatten().collect();
    facts
}

fn taken<T>(
    listed: Listed<T>,
    part: Part,
    take: &mut impl FnMut(Part, Option<PortError>),
) -> Vec<T> {
    take(part, listed.failure);
    listed.items
}

fn gap(tenant: &Tenant, part: Part, failure: Option<PortError>) -> Option<Gap> {
    let error = failure?;
    warn!(tenant.name, "the {} could not be read whole: {}", part.noun(), chain(&error));
    let cause = match error.kind {
        Failure::SignInRefused => GapCause::SignInRefused,
        Failure::Denied => GapCause::Denied,
        Failure::Transient | Failure::Throttled(_) => GapCause::Unavailable,
        Failure::Gone | Failure::Refused | Failure::Unintelligible => GapCause::Unintelligible,
    };
    Some(Gap { part, cause, detail: error.said })
}
