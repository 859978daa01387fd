//! What is kept of cases, read back.

use async_trait::async_trait;
use jiff::Timestamp;

use super::PortError;
use crate::domain::id::TenantId;
use crate::domain::record::chain::{Anchor, Entry, Head};

/// A chain of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name: a store has one chain, or one for each tenant.
    pub name: String,
    /// Where it begins: behind what was removed once it had been kept long enough.
    pub from: Anchor,
    /// Where the store says that it ends; nothing where it does not say.
    pub head: Option<Head>,
}

/// Read what is kept of cases. Changes nothing.
#[async_trait]
pub trait ReadRecords: Send + Sync {
    /// The chains there are.
    async fn chains(&self) -> Result<Vec<Chain>, PortError>;
    /// The records of a chain behind a number, the oldest first: some of them, and none only where
    /// there are no more. With `since`, only what was written at that moment or later.
    async fn page(
        &self,
        chain: &str,
        behind: u64,
        since: Option<Timestamp>,
    ) -> Result<Vec<Entry>, PortError>;
    /// The record of this name, with the name of its chain.
    async fn find(&self, id: &str) -> Result<Option<(String, Entry)>, PortError>;
}

/// Remove what was kept long enough.
#[async_trait]
pub trait PruneRecords: Send + Sync {
    /// Removes the records of a tenant's cases of which nothing stands any more, and whose last
    /// record was written before `before`; says how many. Their digests stay as long as anything
    /// before them does, so that the chain can be proven from where it then begins.
    ///
    /// # Errors
    /// Those of the store. What was removed before an error stays removed, and the chain provable.
    async fn prune(&self, tenant: TenantId, before: Timestamp) -> Result<u64, PortError>;
}
