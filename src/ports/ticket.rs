//! What is asked of ticket systems and of those who are merely told.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Delivery, PortError};
use crate::domain::id::{SinkName, TenantId};
use crate::domain::markup::Markup;
use crate::domain::ticket::link::Link;
use crate::domain::ticket::said::{Said, Standing, TicketKey, TicketRef};

/// What a system can do, as far as that decides how it is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// How soon a ticket can be found by its key.
    pub find: Find,
    /// Whether what is said later than the opening is seen by anybody.
    pub comment: bool,
    /// How texts are written.
    pub markup: Markup,
    /// Longest title, in characters.
    pub title_max: usize,
    /// Longest text, in characters.
    pub body_max: usize,
}

/// How soon a ticket can be found by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// At once.
    Strong,
    /// After this time at the most.
    Eventual(Duration),
    /// Never.
    Never,
}

/// A ticket found by its key, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The ticket.
    pub at: TicketRef,
    /// How it stands.
    pub standing: Standing,
}

/// Why a system did not do what it was asked, by what is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It wants to be left alone, for this time if it says so. That is no failed attempt.
    RateLimited(Option<Duration>),
    /// It did not do it; it may another time.
    Transient,
    /// It is not known whether it did it.
    Ambiguous,
    /// Somebody has to mend the credential, or what it may do.
    Auth,
    /// Somebody has to mend the settings, or the system's own.
    Config,
    /// It is done already.
    Conflict,
    /// What was said is too long.
    TooLarge,
    /// The ticket is not there.
    Gone,
}

/// What a system said in place of doing what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct SinkError {
    /// What is to be done about it.
    pub class: Class,
    /// What was said, in words fit to show: no payload, no token, no secret.
    pub said: String,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl SinkError {
    /// An error of a class, in words.
    pub fn new(class: Class, said: impl Into<String>) -> Self {
        Self { class, said: said.into(), source: None }
    }
}

/// A system that keeps tickets.
///
/// Every call is made once; what comes after an error is the courier's to say. A call that changes
/// something and whose answer is lost is [`Class::Ambiguous`].
#[async_trait]
pub trait TicketSystem: Send + Sync {
    /// What it can do.
    fn caps(&self) -> Caps;

    /// Sees whether a ticket could be opened, without opening one: that the credential is taken,
    /// and that all the policy names is there. Says what it saw.
    async fn preflight(&self) -> Result<String, SinkError>;

    /// The tickets with a key, the oldest first: only those which themselves say that it is theirs.
    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError>;

    /// Opens a ticket. The answer holds the key, or is no answer.
    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError>;

    /// How a ticket stands.
    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError>;

    /// Says something in a ticket, and brings its priority to that of what is said.
    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError>;

    /// Whether something was said in a ticket already; nothing where that cannot be seen.
    async fn has_said(&self, _at: &TicketRef, _mark: &str) -> Result<Option<bool>, SinkError> {
        Ok(None)
    }

    /// Ends a ticket, after what is to be said about that was said in it; `said` is for systems
    /// that ask for a reason. One that is ended already is left as it is.
    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError>;

    /// Takes a ticket up again that was ended. One that is open is left so.
    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError>;
}

/// Somebody who is told, and says no more than that they heard.
#[async_trait]
pub trait Notify: Send + Sync {
    /// Sees whether they could be told, as far as that can be seen without telling. Says what it
    /// saw.
    async fn preflight(&self) -> Result<String, SinkError>;

    /// Tells them. Every attempt is the same message, by [`Delivery::id`].
    async fn tell(&self, delivery: &Delivery, now: Timestamp) -> Result<(), SinkError>;
}

/// What a sink is, once it can be spoken to.
#[derive(Clone)]
pub enum Teller {
    /// It keeps tickets.
    Tickets(Arc<dyn TicketSystem>),
    /// It is told.
    Messages(Arc<dyn Notify>),
}

/// The memory of which ticket is where.
#[async_trait]
pub trait TicketLinks: Send + Sync {
    /// What is known of a ticket. Nothing where nothing is.
    async fn link(&self, key: &TicketKey) -> Result<Option<Link>, PortError>;

    /// Writes down what is known of a ticket, if nobody else has since it was read, by its
    /// [`Link::revision`]; 0 is what was never written. Says whether it was written, and then
    /// under which revision it stands. Durable when this returns.
    async fn put_link(&self, link: &Link) -> Result<Option<i64>, PortError>;

    /// The key of the ticket that a system knows by this id.
    async fn key_of(&self, sink: &SinkName, id: &str) -> Result<Option<TicketKey>, PortError>;
}

/// The memory of whose ticket is which, as far as the door may know of it.
#[async_trait]
pub trait WhoseTicket: Send + Sync {
    /// The key and the tenant of the ticket that a system knows by this id. Nothing where it is none
    /// of ours.
    async fn whose_ticket(
        &self,
        sink: &SinkName,
        id: &str,
    ) -> Result<Option<(TicketKey, TenantId)>, PortError>;
}

#[async_trait]
impl<T: TicketLinks> WhoseTicket for T {
    async fn whose_ticket(
        &self,
        sink: &SinkName,
        id: &str,
    ) -> Result<Option<(TicketKey, TenantId)>, PortError> {
        let Some(key) = self.key_of(sink, id).await? else { return Ok(None) };
        let link = self.link(&key).await?;
        // A link of another sink leads nowhere, whatever the way to it says.
        let tenant = link.filter(|link| link.sink == *sink).and_then(|link| link.tenant);
        Ok(tenant.map(|tenant| (key, tenant)))
    }
}

impl Find {
    /// How long after it was opened a ticket is found at the latest; nothing where it never is.
    pub fn after(self) -> Option<SignedDuration> {
        match self {
            Self::Strong => Some(SignedDuration::ZERO),
            Self::Eventual(lag) => {
                Some(SignedDuration::try_from(lag).unwrap_or(SignedDuration::MAX))
            }
            Self::Never => None,
        }
    }
}
