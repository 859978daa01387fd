//! What the sweep and the tools for operators ask of the world, one trait for each permission.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Listed, PortError};
use crate::domain::id::TenantId;
use crate::domain::signal::Sender;
use crate::domain::subscription::{Resource, Subscription};

/// The read permissions of what is subscribed to: which subscriptions the application has.
#[async_trait]
pub trait ReadSubscriptions: Send + Sync {
    /// Every subscription that this application holds in a tenant, ours or not.
    async fn subscriptions(&self, tenant: TenantId) -> Listed<Subscription>;
}

/// How an attempt to subscribe ended.
#[derive(Debug)]
pub enum Created {
    /// There is a new subscription.
    Made(Subscription),
    /// Graph says that the application has one like it already. It documents that for some
    /// resources only, so either answer is to be expected.
    Conflict,
}

/// `User.Read.All` and `Group.Read.All`, the read permission of each resource: subscribe to its
/// changes.
#[async_trait]
pub trait WriteSubscriptions: Send + Sync {
    /// Subscribes. Graph asks the url for an answer before this returns.
    async fn create(
        &self,
        tenant: TenantId,
        resource: Resource,
        url: &str,
        client_state: &str,
        until: Timestamp,
    ) -> Result<Created, PortError>;
    /// Lets a subscription live longer; says until when Graph grants it.
    ///
    /// # Errors
    /// [`Failure::Gone`](super::Failure::Gone) where there is none of this id.
    async fn renew(
        &self,
        tenant: TenantId,
        id: &str,
        until: Timestamp,
    ) -> Result<Timestamp, PortError>;
    /// Deletes a subscription. One that is already gone counts as deleted.
    async fn delete(&self, tenant: TenantId, id: &str) -> Result<(), PortError>;
}

/// Where in the audit log reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditsFrom {
    /// At the first event that happened then or later.
    Since(Timestamp),
    /// At a page that another one led to.
    Page(String),
}

/// One page of the audit log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditPage {
    /// The events (`directoryAudit`), the oldest first where Graph keeps to what is asked.
    pub events: Vec<Value>,
    /// The page after it.
    pub next: Option<String>,
}

/// `AuditLog.Read.All` (with `Directory.Read.All`): what happened in a tenant's directory.
#[async_trait]
pub trait ReadAudits: Send + Sync {
    /// One page. No more than 5 requests in 10 seconds are made for one tenant.
    async fn audits(&self, tenant: TenantId, from: &AuditsFrom) -> Result<AuditPage, PortError>;
}

/// Small values remembered about a tenant, by name: watermarks, what is known of subscriptions.
#[async_trait]
pub trait Marks: Send + Sync {
    /// What is remembered under a name.
    async fn mark(&self, tenant: TenantId, name: &str) -> Result<Option<String>, PortError>;
    /// Remembers a value of at most 64 KiB, if what is remembered is still `was`; says whether
    /// it was. Durable when this returns.
    async fn set_mark(
        &self,
        tenant: TenantId,
        name: &str,
        was: Option<&str>,
        value: &str,
    ) -> Result<bool, PortError>;
}

/// What senders have brought of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// When each sender last brought something.
    pub last: BTreeMap<Sender, Timestamp>,
    /// Of the events asked about, those that a sender brought.
    pub brought: BTreeSet<String>,
}

/// What senders have brought: events as far back as 6 hours at the least, and when each sender
/// last brought anything.
#[async_trait]
pub trait ReadHeard: Send + Sync {
    /// When senders last brought something of a tenant, and which of these events they brought.
    async fn heard(&self, tenant: TenantId, events: &[String]) -> Result<Heard, PortError>;
}

/// What a dead letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A look that was tried too often.
    Look,
    /// A message that its sink did not take.
    Ticket,
}

/// What was given up, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its number, by which a person names it.
    pub number: i64,
    /// When it was given up.
    pub at: Timestamp,
    /// What it is about.
    pub kind: Kind,
    /// The tenant and subject of a look; the sink and id of a message.
    pub what: String,
    /// Why it was given up.
    pub reason: String,
}

/// What became of a dead letter that was to be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Redriven {
    /// It waits again.
    PutBack,
    /// What it holds cannot be read; it stays where it is.
    Unreadable,
    /// There is none of this number.
    Absent,
}

/// What was given up, for the operator who has mended the cause.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// All of them, the oldest first.
    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, PortError>;
    /// Puts one back where it came from, due at `now`: both or neither.
    async fn redrive(&self, number: i64, now: Timestamp) -> Result<Redriven, PortError>;
}
