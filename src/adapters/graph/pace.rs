//! Requests for one tenant, so far apart as Graph allows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::id::TenantId;

/// A pace. Clones keep it together.
#[derive(Clone)]
pub(super) struct Pace {
    /// The time between two requests for one tenant.
    apart: SignedDuration,
    /// When the next request for each tenant may be made.
    free: Arc<Mutex<HashMap<TenantId, Timestamp>>>,
}

impl Pace {
    /// Requests for one tenant this far apart.
    pub(super) fn new(apart: SignedDuration) -> Self {
        Self { apart, free: Arc::default() }
    }

    /// How long to wait before the next request, which takes its place in the line.
    pub(super) fn pause(&self, tenant: TenantId, now: Timestamp) -> Duration {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let at = free.get(&tenant).copied().unwrap_or(now).max(now);
        free.insert(tenant, at + self.apart);
        Duration::try_from(at.duration_since(now)).unwrap_or_default()
    }
}
