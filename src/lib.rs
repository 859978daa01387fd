//! Partner Warden: a reason to look comes in, the tenant's real state is read, the policy
//! decides, access is taken away or a ticket opened, and the access is proven gone.
//!
//! The pipeline, in reading order:
//!
//! 1. [`wire`]: bytes from a stranger become a `Verified<Signal>`, or a reasoned reject.
//! 2. [`domain`]: signal, facts, findings, plan, case and record; pure decisions.
//! 3. [`ports`]: what the pipeline asks of the world, one trait for each permission.
//! 4. [`pipeline`]: the one place where the stages meet.
//! 5. [`sweep`]: what happens by schedule: looks, polls of the audit log, subscriptions.
//! 6. [`adapters`]: Microsoft Graph, ticket sinks, queue and ledger.
//! 7. [`http`]: the router in front; [`parts`]: what a process is put together from; [`serve`]: one
//!    process that runs all of it.

pub mod wire;
pub mod domain;
pub mod ports;
pub mod pipeline;
pub mod sweep;
pub mod adapters;
pub mod http;
pub mod parts;
#[cfg(feature = "sqlite")]
pub mod serve;
#[cfg(feature = "aws")]
pub mod lambda;
#[cfg(feature = "sqlite")]
pub mod replay;
pub mod config;
pub mod telemetry;
pub mod sim;
#[cfg(feature = "sqlite")]
pub mod demo;
#[cfg(feature = "sqlite")]
pub mod scan;
#[cfg(feature = "sqlite")]
pub mod doctor;
#[cfg(feature = "sqlite")]
pub mod cli;
