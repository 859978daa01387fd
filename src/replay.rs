//! Exported audit logs through a policy: what it would have done, and how another one differs.

pub mod export;
pub mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use self::export::ExportError;
use crate::domain::facts::Facts;
use crate::domain::id::TenantId;
use crate::domain::policy::Policy;
use crate::domain::replay::{Heard, Replayed, replay};
use crate::domain::roster::Roster;
use crate::wire::Reject;
use crate::wire::audit::exported;

/// Most events told of that could not be understood.
const TOLD_MAX: usize = 10;

/// The events of some files, sorted out.
#[derive(Debug, Default)]
pub struct Heap {
    /// What is a reason to look, by tenant, in order of time.
    heard: BTreeMap<TenantId, Vec<Heard>>,
    /// How many there were, and what became of those that are not there.
    pub counts: Counts,
    /// Some of those that could not be understood: file, place and what is wrong.
    pub not_understood: Vec<String>,
    /// The time of the last event.
    pub until: Option<Timestamp>,
}

/// How many events there were, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All of them.
    pub events: u64,
    /// Those that are no reason to look.
    pub no_reason: u64,
    /// Those of tenants the policy does not name.
    pub of_other_tenants: u64,
    /// Those that say of no tenant that they are its, where there is more than one.
    pub of_no_tenant: u64,
    /// Those that could not be understood.
    pub not_understood: u64,
}

impl Counts {
    /// Whether something is missing from what was replayed.
    pub fn misses_some(self) -> bool {
        self.of_no_tenant > 0 || self.not_understood > 0
    }
}

impl Heap {
    /// Reads files. Events that name no tenant are those of `tenant`, or of the one tenant there is.
    ///
    /// # Errors
    /// [`ExportError`] of the first file that cannot be read to its end.
    pub fn read(
        files: &[PathBuf],
        roster: &Roster,
        tenant: Option<TenantId>,
    ) -> Result<Self, ExportError> {
        let only = match roster.tenants.as_slice() {
            [only] => Some(only.id),
            _ => None,
        };
        let mut heap = Self::default();
        for file in files {
            export::events(file, &mut |path, event| match exported::heard(path, event) {
                Ok((named, heard)) => heap.take(named.or(tenant).or(only), heard, roster),
                Err(reject) => {
                    heap.counts.events += 1;
                    heap.not_understand(&file.display().to_string(), &reject);
                }
            })?;
        }
        for heard in heap.heard.values_mut() {
            // Exports are newest first as often as not. One that tells no time keeps its place.
            heard.sort_by_key(|heard| heard.at);
        }
        Ok(heap)
    }

    fn take(&mut self, tenant: Option<TenantId>, heard: Heard, roster: &Roster) {
        self.counts.events += 1;
        self.until = self.until.max(heard.at);
        match tenant {
            _ if !heard.matters => self.counts.no_reason += 1,
            None => self.counts.of_no_tenant += 1,
            Some(id) if roster.tenant(id).is_none() => self.counts.of_other_tenants += 1,
            Some(id) => self.heard.entry(id).or_default().push(heard),
        }
    }

    fn not_understand(&mut self, file: &str, reject: &Reject) {
        self.counts.not_understood += 1;
        if self.not_understood.len() < TOLD_MAX {
            self.not_understood.push(format!("{file}: {reject}"));
        }
    }

    /// What a policy would have done, tenant by tenant. `now` stands in where no event tells a time.
    pub fn replay(
        &self,
        policy: &Policy,
        snapshots: &BTreeMap<TenantId, &Facts>,
        only: &BTreeSet<TenantId>,
        now: Timestamp,
    ) -> Vec<Replayed> {
        let tenants = policy.roster.tenants.iter();
        let wanted = tenants.filter(|tenant| only.is_empty() || only.contains(&tenant.id));
        wanted
            .map(|tenant| {
                let heard = self.heard.get(&tenant.id).map_or(&[][..], Vec::as_slice);
                let snapshot = snapshots.get(&tenant.id).copied();
                replay(snapshot, heard, tenant, policy, self.until.unwrap_or(now))
            })
            .collect()
    }
}
