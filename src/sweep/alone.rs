//! One at a time sees to a tenant's subscriptions: whoever acts upon a list that another is about to
//! change would subscribe twice, or forget what was just made and replace it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;
use tracing::warn;

use super::kept::{self, Kept};
use crate::domain::id::TenantId;
use crate::ports::{Marks, PortError, chain};

/// Within this time whoever sees to a tenant's subscriptions is done, or begins nothing more; after
/// it, whoever died over it keeps nobody away.
const WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// A gate for each tenant, and for other processes a mark on it.
#[derive(Debug, Default)]
pub struct Gates {
    here: Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<()>>>>,
    others: bool,
}

/// The mark that keeps others away.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Until {
    until: Timestamp,
}

/// What is held by the one who goes first.
pub(super) struct Alone {
    mark: Option<(Kept<Until>, Timestamp)>,
    _here: OwnedMutexGuard<()>,
}

impl Gates {
    /// Gates that other processes with the same store heed, too.
    #[must_use]
    pub fn for_several_processes() -> Self {
        Self { others: true, ..Self::default() }
    }

    /// Waits until nobody else of this process is there; nothing if another process is.
    pub(super) async fn enter(
        &self,
        marks: &dyn Marks,
        tenant: TenantId,
        now: impl Fn() -> Timestamp,
    ) -> Result<Option<Alone>, PortError> {
        let here = {
            let mut gates = self.here.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(gates.entry(tenant).or_default())
        };
        let here = here.lock_owned().await;
        if !self.others {
            return Ok(Some(Alone { mark: None, _here: here }));
        }
        let now = now();
        let mut kept = kept::read::<Until>(marks, tenant, kept::TENDING).await?;
        if kept.value.is_some_and(|held| held.until > now) {
            return Ok(None);
        }
        let until = now + WITHIN;
        // Of several that found it free, the store lets one write.
        let first = kept::write(marks, tenant, kept::TENDING, &mut kept, Until { until }).await?;
        Ok(first.then_some(Alone { mark: Some((kept, until)), _here: here }))
    }

    /// Lets others in.
    pub(super) async fn leave(
        &self,
        marks: &dyn Marks,
        tenant: TenantId,
        alone: Alone,
        now: Timestamp,
    ) {
        let Some((mut kept, _)) = alone.mark else { return };
        // It runs out by itself, and one that did is not ours to take away.
        let left = kept::write(marks, tenant, kept::TENDING, &mut kept, Until { until: now }).await;
        if let Err(error) = left {
            warn!(tenant.id = %tenant, "the subscriptions are not let go of: {}", chain(&error));
        }
    }
}

impl Alone {
    /// Whether others are still kept away.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.mark.as_ref().is_none_or(|(_, until)| now < *until)
    }
}
