//! `scan`: every partner of every tenant judged now, read-only, for people and for programs.

pub mod html;
pub mod table;
#[cfg(test)]
mod tests;
pub mod view;

use std::sync::{Mutex, PoisonError};

use futures_util::stream::{self, StreamExt as _};

use crate::domain::finding::{Finding, FindingName};
use crate::domain::policy::{Do, Policy};
use crate::domain::roster::Tenant;
use crate::domain::scan::Scanned;
use crate::domain::snapshot::Snapshot;
use crate::pipeline::observe::{Readers, facts_to_show};
use crate::ports::Clock;

/// Most tenants that are read at the same time.
const AT_ONCE: usize = 4;

/// Which tenants are being read, and how many have been.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Now>);

/// How far the reading is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Now {
    /// Tenants that were read.
    pub done: usize,
    /// The names of those that are being read.
    pub reading: Vec<String>,
}

impl Progress {
    /// How far it is.
    pub fn now(&self) -> Now {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Reads tenants, a few at a time; the answers are in their order.
pub async fn read(
    readers: &Readers,
    clock: &dyn Clock,
    tenants: &[&Tenant],
    progress: &Progress,
) -> Vec<Snapshot> {
    let read = |tenant: &Tenant| {
        let (name, readers, tenant) = (tenant.name.clone(), readers.clone(), tenant.clone());
        async move {
            progress.change(|now| now.reading.push(name.clone()));
            let read_at = clock.now();
            let snapshot = Snapshot::new(&tenant, read_at, facts_to_show(&readers, &tenant).await);
            progress.change(|now| {
                now.done += 1;
                now.reading.retain(|other| *other != name);
            });
            snapshot
        }
    };
    let reading: Vec<_> = tenants.iter().map(|tenant| read(tenant)).collect();
    stream::iter(reading).buffered(AT_ONCE).collect().await
}

/// What a scan comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was read, and nothing breaks the policy.
    Clean,
    /// Something breaks the policy.
    Findings,
    /// Nothing was seen that breaks the policy for certain, but not everything was read.
    Unknown,
}

impl Verdict {
    /// The exit code: 0 clean, 1 findings, 2 could not tell.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Unknown => 2,
        }
    }
}

/// What scans come to together.
///
/// A finding that is proven stays one whatever could not be read beside it. Without one, a tenant
/// that was not read whole may hide another. What the policy says to ignore is no finding; that
/// something could not be read is never ignored.
pub fn verdict(scans: &[Scanned<'_>], policy: &Policy) -> Verdict {
    let counts = |finding: &&Finding| {
        finding.finding != FindingName::Unreadable
            && policy.response(finding.finding, finding.severity).act > Do::Ignore
    };
    let mut findings = scans.iter().flat_map(|scan| &scan.findings).filter(counts);
    if findings.clone().any(|finding| finding.certain) {
        Verdict::Findings
    } else if scans.iter().any(|scan| !scan.gaps.is_empty()) {
        Verdict::Unknown
    } else if findings.next().is_some() {
        Verdict::Findings
    } else {
        Verdict::Clean
    }
}
