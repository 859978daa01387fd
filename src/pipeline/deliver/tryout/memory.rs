//! What is remembered of a ticket about nothing, for as long as it is tried.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::id::SinkName;
use crate::domain::signal::Signal;
use crate::domain::ticket::link::Link;
use crate::domain::ticket::said::TicketKey;
use crate::ports::ticket::TicketLinks;
use crate::ports::{Delivery, Enqueue, Outbox, PortError};
use crate::wire::Verified;

/// Which ticket is where. No message waits: each is sent as it is made, or not at all.
#[derive(Default)]
pub(super) struct Memory(Mutex<BTreeMap<TicketKey, Link>>);

#[async_trait]
impl TicketLinks for Memory {
    async fn link(&self, key: &TicketKey) -> Result<Option<Link>, PortError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn put_link(&self, link: &Link) -> Result<Option<i64>, PortError> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let revision = links.get(&link.key).map_or(0, |it| it.revision);
        if link.revision != revision {
            return Ok(None);
        }
        links.insert(link.key.clone(), Link { revision: revision + 1, ..link.clone() });
        Ok(Some(revision + 1))
    }

    async fn key_of(&self, _: &SinkName, id: &str) -> Result<Option<TicketKey>, PortError> {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = |link: &&Link| link.at.as_ref().is_some_and(|at| at.id == id);
        Ok(links.values().find(own).map(|link| link.key.clone()))
    }
}

#[async_trait]
impl Outbox for Memory {
    async fn due(&self, _: Timestamp) -> Result<Vec<Delivery>, PortError> {
        Ok(Vec::new())
    }

    async fn delivered(&self, _: &Delivery) -> Result<(), PortError> {
        Ok(())
    }

    async fn failed(&self, _: &Delivery, _: Option<Timestamp>, _: &str) -> Result<(), PortError> {
        Ok(())
    }

    async fn put_off(&self, _: &Delivery, _: Timestamp) -> Result<(), PortError> {
        Ok(())
    }

    async fn pass_on(&self, _: &Delivery, _: Timestamp) -> Result<(), PortError> {
        Ok(())
    }

    async fn next_delivery(&self) -> Result<Option<Timestamp>, PortError> {
        Ok(None)
    }
}

#[async_trait]
impl Enqueue for Memory {
    /// A ticket about nothing is a reason to look at nothing.
    async fn enqueue(&self, _: Vec<Verified<Signal>>) -> Result<(), PortError> {
        Ok(())
    }
}
