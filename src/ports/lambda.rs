//! What a Lambda function asks of the world beyond what one process does.

use async_trait::async_trait;
use jiff::Timestamp;

use super::PortError;
use crate::domain::errand::{Errand, Queued};
use crate::domain::id::TenantId;

/// Put errands where they survive until they are due.
#[async_trait]
pub trait Later: Send + Sync {
    /// Durable when this returns. What is due in more than 15 minutes from `now` comes up after 15.
    async fn later(&self, errands: Vec<Errand>, now: Timestamp) -> Result<(), PortError>;
}

/// Put what was put off, and is due now, into the work queue.
#[async_trait]
pub trait Forward: Send + Sync {
    /// Durable when this returns. What has the same `id` within 5 minutes is put there once.
    async fn forward(&self, id: &str, queued: &Queued) -> Result<(), PortError>;
}

/// Keep work that cannot be done among the dead letters.
#[async_trait]
pub trait Bury: Send + Sync {
    /// Durable when this returns. `group` is the message group it belonged to, and `why` is shown to
    /// people. What has the same `id` within 5 minutes is kept once.
    async fn bury(&self, id: &str, group: &str, body: &str, why: &str) -> Result<(), PortError>;
}

/// One at a time for each tenant.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the tenant for a holder until a moment, unless somebody else has it; says whether it
    /// did.
    async fn take(
        &self,
        tenant: TenantId,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, PortError>;
    /// Gives it back, if the holder still has it.
    async fn release(&self, tenant: TenantId, holder: &str) -> Result<(), PortError>;
}

/// Moments of a tenant, remembered by name.
#[async_trait]
pub trait Moments: Send + Sync {
    /// The moment remembered under a name.
    async fn moment(&self, tenant: TenantId, name: &str) -> Result<Option<Timestamp>, PortError>;
    /// Remembers a moment. Durable when this returns.
    async fn set_moment(
        &self,
        tenant: TenantId,
        name: &str,
        at: Timestamp,
    ) -> Result<(), PortError>;
}
