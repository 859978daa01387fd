//! The accounts that the policy protects by name.

use super::Readers;
use super::reading::Reading;
use crate::domain::facts::{Facts, Part};
use crate::domain::grant::{PrincipalKind, grants};
use crate::domain::policy::Guardrails;
use crate::domain::roster::{AccountName, Tenant};

/// One request for each 20 of them, and none where no partner's account holds anything.
pub(super) async fn read(
    readers: &Readers,
    tenant: &Tenant,
    guardrails: &Guardrails,
    facts: &mut Facts,
) {
    // An object id cannot be changed.
    let by_name = guardrails.protected.iter().filter(|name| name.as_str().contains('@'));
    let by_name = by_name.filter(|name| !facts.protected.contains_key(name.as_str()));
    let names: Vec<AccountName> = by_name.cloned().collect();
    let is_account = |kind| matches!(kind, PrincipalKind::Guest | PrincipalKind::DedicatedAccount);
    if names.is_empty() || !grants(facts, tenant).iter().any(|grant| is_account(grant.kind)) {
        return;
    }
    let mut reading = Reading::of(tenant);
    let accounts = readers.users.accounts(tenant.id, &names).await;
    let accounts = reading.taken(Part::Accounts, accounts);
    let found = accounts.into_iter().map(|(name, found)| (name.as_str().to_owned(), found));
    facts.protected.extend(found);
    let known = facts.gaps.iter().any(|gap| gap.part == Part::Accounts);
    facts.gaps.extend(reading.gaps().into_iter().filter(|_| !known));
}
