//! What only a worker with queues around it needs.

use async_trait::async_trait;

use super::PortError;
use crate::domain::signal::Signal;
use crate::domain::work::Work;

/// Put what was put off, and is due now, into the work queue.
#[async_trait]
pub trait Forward: Send + Sync {
    /// Durable when this returns. What has the same `id` within 5 minutes is put there once.
    async fn forward(&self, id: &str, work: &Work) -> Result<(), PortError>;
}

/// Remember what senders have brought, as far as [`ReadHeard`](super::ReadHeard) asks for it.
#[async_trait]
pub trait NoteHeard: Send + Sync {
    /// Durable when this returns. Noting twice is noting once.
    async fn note_heard(&self, signals: &[&Signal]) -> Result<(), PortError>;
}

/// Keep work that cannot be done among the dead letters.
#[async_trait]
pub trait Bury: Send + Sync {
    /// Durable when this returns. `group` is the message group it belonged to, and `why` is shown to
    /// people. What has the same `id` within 5 minutes is kept once.
    async fn bury(&self, id: &str, group: &str, body: &str, why: &str) -> Result<(), PortError>;
}
