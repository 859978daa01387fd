//! The ticket systems: what they were told, and what they hold.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use partner_warden::ports::{Delivery, Failure, PortError, SendTicket};
use serde_json::Value;

use super::events::Fault;
use super::town::{Tenants, Town, failed};

/// What every sink holds.
#[derive(Default)]
pub(super) struct Sinks {
    /// The ids of the messages taken in.
    taken: BTreeSet<String>,
    /// Each ticket by sink and key.
    pub(super) tickets: BTreeMap<(String, String), Told>,
}

/// A ticket as a sink holds it.
pub(super) struct Told {
    pub(super) open: bool,
    sequence: u64,
}

impl Town {
    fn told(&mut self, delivery: &Delivery) {
        if !self.sinks.taken.insert(delivery.id.clone()) {
            return self.reach("a message came twice");
        }
        let body: Value = serde_json::from_str(&delivery.body).unwrap();
        let kind = body["type"].as_str().unwrap_or_default().to_owned();
        self.reach(kind.clone());
        let key = (delivery.sink.0.clone(), delivery.ticket.clone());
        let sequence = delivery.id.rsplit_once('-').and_then(|(_, n)| n.parse().ok()).unwrap();
        let before = self.sinks.tickets.get(&key).map(|it| (it.open, it.sequence));
        let (was_open, last) = before.unwrap_or((false, 0));
        if sequence != last + 1 {
            self.is_wrong(format!("message {sequence} of {} came after {last}", key.1));
        }
        let fits = if kind == "ticket.opened" { before.is_none() } else { was_open };
        if !fits {
            self.is_wrong(format!("{kind} of {} that was open: {was_open}", key.1));
        }
        let open = kind != "ticket.closed";
        self.sinks.tickets.insert(key, Told { open, sequence });
    }
}

#[async_trait]
impl SendTicket for Tenants {
    async fn send(&self, delivery: &Delivery, _: Timestamp) -> Result<(), PortError> {
        self.mortal().await;
        let lost = {
            let mut town = self.town();
            if town.meets(Fault::SinkDown) {
                return Err(failed(Failure::Transient));
            }
            town.told(delivery);
            town.meets(Fault::SinkLost)
        };
        self.mortal().await;
        if lost { Err(failed(Failure::Transient)) } else { Ok(()) }
    }
}
