//! What is remembered about tenants: small values by name, and what senders have brought.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::SignedDuration;

use super::table::{
    Cancelled, DynamoDb, Item, TOGETHER_MAX, as_moment, as_text, key, moment, number, tenant_key,
    text, unreadable, with,
};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::signal::{Sender, Signal};
use crate::ports::{Heard, Marks, NoteHeard, PortError, ReadHeard};

/// How long the events that senders bring are remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(6);

/// Who brings anything from outside. What the program reads or reminds itself of, nobody has
/// brought.
const SENDERS: [Sender; 5] =
    [Sender::Graph, Sender::Audit, Sender::O365, Sender::EventGrid, Sender::PartnerCenter];

#[async_trait]
impl Marks for DynamoDb {
    async fn mark(&self, tenant: TenantId, name: &str) -> Result<Option<String>, PortError> {
        let item = self.item(mark_key(tenant, name)).await?;
        Ok(item.and_then(|item| as_text(&item, "value").map(str::to_owned)))
    }

    async fn set_mark(
        &self,
        tenant: TenantId,
        name: &str,
        was: Option<&str>,
        value: &str,
    ) -> Result<bool, PortError> {
        let mut values = with([(":value", text(value))]);
        let condition = match was {
            Some(was) => {
                values.insert(":was".to_owned(), text(was));
                "#value = :was"
            }
            None => "attribute_not_exists(#pk)",
        };
        self.change(mark_key(tenant, name), "SET #value = :value", condition, values).await
    }
}

#[async_trait]
impl NoteHeard for DynamoDb {
    async fn note_heard(&self, signals: &[&Signal]) -> Result<(), PortError> {
        let mut items = BTreeMap::new();
        for signal in signals.iter().filter(|signal| SENDERS.contains(&signal.sender)) {
            let mut sender = sender_key(signal.tenant, signal.sender);
            sender.insert("at".to_owned(), moment(signal.received_at));
            items.insert((signal.tenant, signal.sender.name().to_owned()), sender);
            let event = signal.event_id.as_deref().filter(|event| !event.is_empty());
            if let Some(event) = event {
                let mut item = event_key(signal.tenant, event);
                let until = signal.received_at + REMEMBERED;
                item.insert("expires".to_owned(), number(until.as_second()));
                items.insert((signal.tenant, format!("event {event}")), item);
            }
        }
        let items: Vec<Item> = items.into_values().collect();
        for together in items.chunks(TOGETHER_MAX) {
            let puts = together.iter().map(|item| self.put(item.clone())).collect();
            self.transact(puts).await.map_err(|cancelled| match cancelled {
                Cancelled::Unmet(_) => unreadable("a write was refused that has no condition"),
                Cancelled::Failed(error) => error,
            })?;
        }
        Ok(())
    }
}

#[async_trait]
impl ReadHeard for DynamoDb {
    async fn heard(&self, tenant: TenantId, events: &[String]) -> Result<Heard, PortError> {
        let senders = SENDERS.map(|sender| (sk(&sender_key(tenant, sender)), sender));
        let senders = BTreeMap::from(senders);
        let asked: BTreeMap<String, &String> =
            events.iter().map(|event| (sk(&event_key(tenant, event)), event)).collect();
        let keys = senders.keys().chain(asked.keys());
        let keys = keys.map(|sk| key(&tenant_key(tenant), sk)).collect();
        let mut heard = Heard { last: BTreeMap::new(), brought: BTreeSet::new() };
        for item in self.items(keys).await? {
            let sk = sk(&item);
            if let (Some(sender), Some(at)) = (senders.get(&sk), as_moment(&item, "at")) {
                heard.last.insert(*sender, at);
            }
            heard.brought.extend(asked.get(&sk).map(|event| (*event).clone()));
        }
        Ok(heard)
    }
}

fn mark_key(tenant: TenantId, name: &str) -> Item {
    key(&tenant_key(tenant), &format!("MARK#{name}"))
}

/// The item that tells when a sender last brought anything.
fn sender_key(tenant: TenantId, sender: Sender) -> Item {
    key(&tenant_key(tenant), &format!("HEARD#SENDER#{}", sender.name()))
}

/// The item that tells that an event was brought. Its id is hashed, because it comes from the
/// event and a key has a limit.
fn event_key(tenant: TenantId, event: &str) -> Item {
    let event = Sha256Hex::of(event.as_bytes());
    key(&tenant_key(tenant), &format!("HEARD#EVENT#{event}"))
}

fn sk(item: &Item) -> String {
    as_text(item, "sk").unwrap_or_default().to_owned()
}
