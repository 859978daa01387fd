//! What people were asked, as far as the door may know of it.

use async_trait::async_trait;

use super::PortError;
use crate::domain::approval::{Proposal, ProposalId};

/// Read what people were asked, and write down what they say.
#[async_trait]
pub trait Decide: Send + Sync {
    /// A proposal as it stands. Nothing where there is none of that name, or no longer.
    async fn proposal(&self, id: &ProposalId) -> Result<Option<Proposal>, PortError>;
    /// Writes the decisions of a proposal down, if it is still as it was when it was read, by its
    /// [`Proposal::revision`]. Says whether it was. Durable when this returns.
    async fn decided(&self, proposal: &Proposal) -> Result<bool, PortError>;
}
