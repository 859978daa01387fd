//! The outbox: messages that wait until their sink has taken them, a partition for each ticket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::{SignedDuration, Timestamp};

use super::body::Body;
use super::failed;
use super::table::{
    Cancelled, DynamoDb, Item, Queue, as_moment, as_number, as_text, key, moment, number, text,
    unreadable, with,
};
use crate::domain::id::{Sha256Hex, SinkName, TenantId};
use crate::domain::ticket::Message;
use crate::ports::{Delivery, Failure, Outbox, PortError};

/// Most messages handed out at once.
const DUE_MAX: usize = 100;

/// A message that was handed out is not handed out again before this time is over, unless it is
/// said to have failed.
const CLAIM: SignedDuration = SignedDuration::from_mins(2);

/// The partition of what was given up.
const DEAD: &str = "DEAD";

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// Its number, by which a person names it.
    pub number: i64,
    /// When it was given up.
    pub at: Timestamp,
    /// Its sink and its id.
    pub what: String,
    /// Its body.
    pub content: String,
    /// Why it was given up.
    pub reason: String,
}

#[async_trait]
impl Outbox for DynamoDb {
    async fn due(&self, now: Timestamp) -> Result<Vec<Delivery>, PortError> {
        let mut round = Round { store: self, now, firsts: BTreeMap::new(), found: Vec::new() };
        // The index may not show yet what this handle wrote.
        let written = {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *written)
        };
        for line in written {
            round.line(&line).await?;
        }
        for shard in Queue::Messages.shards() {
            let mut after = None;
            while round.found.len() < DUE_MAX {
                let (items, next) = self.due_page(&shard, Some(now), 100, after).await?;
                for item in items {
                    round.entry(&item).await?;
                }
                let Some(next) = next else { break };
                after = Some(next);
            }
        }
        let mut found = round.found;
        found.sort_by_key(|(due, _)| *due);
        Ok(found.into_iter().map(|(_, delivery)| delivery).collect())
    }

    async fn delivered(&self, delivery: &Delivery) -> Result<(), PortError> {
        // The ticket's next message may be due already.
        self.note_written(&line(&delivery.sink, &delivery.ticket));
        self.remove(place(delivery), None).await
    }

    async fn failed(
        &self,
        delivery: &Delivery,
        due: Option<Timestamp>,
        why: &str,
    ) -> Result<(), PortError> {
        let Some(due) = due else { return self.give_up(delivery, why).await };
        let values = with([(":due", moment(due)), (":one", number(1))]);
        self.change(
            place(delivery),
            "SET #due = :due REMOVE #claimed_until ADD #attempts :one",
            "attribute_exists(#pk)",
            values,
        )
        .await
        .map(drop)
    }

    async fn put_off(&self, delivery: &Delivery, due: Timestamp) -> Result<(), PortError> {
        let values = with([(":due", moment(due))]);
        let change = "SET #due = :due REMOVE #claimed_until";
        self.change(place(delivery), change, "attribute_exists(#pk)", values).await.map(drop)
    }

    async fn pass_on(&self, delivery: &Delivery, due: Timestamp) -> Result<(), PortError> {
        let Delivery { sink, ticket, id, body, .. } = delivery;
        let (line, change, _) = self.written_down(sink, ticket, id, body, None, due)?;
        self.transact(vec![change]).await.map_err(|cancelled| match cancelled {
            Cancelled::Failed(error) => error,
            Cancelled::Unmet(_) => unreadable("a condition where none was set"),
        })?;
        self.note_written(&line);
        Ok(())
    }

    async fn next_delivery(&self) -> Result<Option<Timestamp>, PortError> {
        let mut best: Option<Timestamp> = None;
        for shard in Queue::Messages.shards() {
            let (mut after, mut seen) = (None, BTreeSet::new());
            'pages: loop {
                let (items, next) = self.due_page(&shard, None, 100, after).await?;
                for item in items {
                    // What comes later in the index cannot be due before its own entry says.
                    if best.is_some_and(|best| as_moment(&item, "due") >= Some(best)) {
                        break 'pages;
                    }
                    let Some(line) = as_text(&item, "pk").map(str::to_owned) else { continue };
                    if seen.insert(line.clone())
                        && let Some(first) = self.first(&line).await?
                    {
                        let free = as_moment(&first, "due").max(as_moment(&first, "claimed_until"));
                        best = best.into_iter().chain(free).min();
                    }
                }
                let Some(next) = next else { break };
                after = Some(next);
            }
        }
        Ok(best)
    }
}

/// One search for what is due.
struct Round<'a> {
    store: &'a DynamoDb,
    now: Timestamp,
    /// The first message of each ticket looked at: its sort key, and when it is due.
    firsts: BTreeMap<String, Option<(String, Timestamp)>>,
    /// What is handed out, with when it was due.
    found: Vec<(Timestamp, Delivery)>,
}

impl Round<'_> {
    /// Takes in an entry of the index.
    async fn entry(&mut self, item: &Item) -> Result<(), PortError> {
        let (Some(line), Some(sk)) = (as_text(item, "pk"), as_text(item, "sk")) else {
            return Ok(());
        };
        if !self.firsts.contains_key(line) {
            if self.found.len() >= DUE_MAX {
                return Ok(());
            }
            self.line(line).await?;
        }
        match self.firsts.get(line) {
            // It waits for the first, and is not to be met with again and again until then.
            Some(Some((first, due))) if first != sk && *due > self.now => {
                let values = with([(":due", moment(*due))]);
                let later = "attribute_exists(#pk) AND #due < :due";
                self.store.change(key(line, sk), "SET #due = :due", later, values).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Hands out the first message of a ticket, if it is due and nobody else has it.
    async fn line(&mut self, line: &str) -> Result<(), PortError> {
        let mut two = self.store.first_two(line).await?.into_iter();
        let Some(first) = two.next() else {
            self.firsts.insert(line.to_owned(), None);
            return Ok(());
        };
        let (Some(sk), Some(due)) = (as_text(&first, "sk"), as_moment(&first, "due")) else {
            return Err(unreadable("a message without its place"));
        };
        self.firsts.insert(line.to_owned(), Some((sk.to_owned(), due)));
        if due > self.now {
            return Ok(());
        }
        let values = with([(":now", moment(self.now)), (":until", moment(self.now + CLAIM))]);
        let free = "attribute_exists(#pk) AND (attribute_not_exists(#claimed_until) \
                    OR #claimed_until <= :now)";
        let claim = "SET #claimed_until = :until";
        if self.store.change(key(line, sk), claim, free, values).await? {
            let body = self.store.body(&first).await?;
            self.found
                .push((due, Delivery { more: two.next().is_some(), ..delivery(&first, body)? }));
        }
        Ok(())
    }
}

impl DynamoDb {
    /// Writes a message down; one that is there already is the same one. Says its partition and
    /// how many bytes it takes.
    pub(super) fn message(
        &self,
        tenant: TenantId,
        message: &Message,
    ) -> Result<(String, TransactWriteItem, usize), PortError> {
        let sink = message.sink.clone().unwrap_or_else(|| SinkName(String::new()));
        let content = serde_json::to_string(message).map_err(|error| {
            PortError::new(Failure::Refused, "a message cannot be written").because(error)
        })?;
        let (ticket, id) = (&message.data.key, &message.id);
        let of = Some(tenant.to_string());
        self.written_down(&sink, ticket, id, &content, of.as_deref(), message.timestamp)
    }

    fn written_down(
        &self,
        sink: &SinkName,
        ticket: &str,
        id: &str,
        content: &str,
        tenant: Option<&str>,
        due: Timestamp,
    ) -> Result<(String, TransactWriteItem, usize), PortError> {
        let line = line(sink, ticket);
        let of = format!("the message {id}");
        let body = Body::of(content, &of)?;
        if !body.parts.is_empty() {
            return Err(PortError::new(Failure::Refused, format!("{of} is too large to be kept")));
        }
        let size = body.size();
        let mut attributes = body.item;
        attributes.extend(with([
            ("sink", text(&sink.0)),
            ("ticket", text(ticket)),
            ("id", text(id)),
            ("tenant", text(tenant.unwrap_or_default())),
            ("attempts", number(0)),
            ("due", moment(due)),
            ("q", Queue::Messages.of(&line)),
        ]));
        let set: Vec<String> = attributes
            .keys()
            .map(|name| format!("#{name} = if_not_exists(#{name}, :{name})"))
            .collect();
        let values = attributes.into_iter().map(|(name, value)| (format!(":{name}"), value));
        let key = key(&line, &sort_key(id));
        let change = self.update(key, &format!("SET {}", set.join(", ")), None, values.collect());
        Ok((line, change, size))
    }

    /// The first message of a ticket, as it stands at this moment.
    async fn first(&self, line: &str) -> Result<Option<Item>, PortError> {
        Ok(self.first_two(line).await?.into_iter().next())
    }

    /// The first message of a ticket and the one behind it, as they stand at this moment.
    async fn first_two(&self, line: &str) -> Result<Vec<Item>, PortError> {
        let query = self.query("#pk = :pk").expression_attribute_values(":pk", text(line));
        let answer = query.limit(2).consistent_read(true).send().await;
        let answer = answer.map_err(|error| failed("asking the table for messages", error))?;
        Ok(answer.items.unwrap_or_default())
    }

    /// Moves a message to those that were given up.
    async fn give_up(&self, delivery: &Delivery, why: &str) -> Result<(), PortError> {
        let place = place(delivery);
        let Some(item) = self.item(place.clone()).await? else { return Ok(()) };
        let at = as_moment(&item, "due").unwrap_or_default();
        let what = format!("{} {}", delivery.sink, delivery.id);
        let number = number_of(&what);
        let mut letter = key(DEAD, &format!("{:020}#{number:016}", at.as_millisecond()));
        letter.extend(with([
            ("number", super::table::number(number)),
            ("at", moment(at)),
            ("kind", text("ticket")),
            ("what", text(&what)),
            ("reason", text(why)),
            ("tenant", item.get("tenant").cloned().unwrap_or_else(|| text(""))),
        ]));
        let body = Body::of(&delivery.body, "a message that was given up")?;
        let mut changes = self.put_body(letter, body);
        changes.push(self.delete(place));
        self.note_written(&line(&delivery.sink, &delivery.ticket));
        self.transact(changes).await.map_err(|cancelled| match cancelled {
            Cancelled::Failed(error) => error,
            Cancelled::Unmet(_) => unreadable("a condition where none was set"),
        })
    }

    /// The messages that were given up, the oldest first.
    ///
    /// # Errors
    /// Those of the table.
    pub async fn given_up(&self) -> Result<Vec<GivenUp>, PortError> {
        let mut letters = Vec::new();
        for item in self.all(DEAD, "0", None).await? {
            let field = |name| as_text(&item, name).unwrap_or_default().to_owned();
            letters.push(GivenUp {
                number: as_number(&item, "number").unwrap_or_default(),
                at: as_moment(&item, "at").unwrap_or_default(),
                what: field("what"),
                content: self.body(&item).await?,
                reason: field("reason"),
            });
        }
        Ok(letters)
    }
}

/// A number that stands for a text, small enough for any reader of JSON.
fn number_of(text: &str) -> i64 {
    let digest = Sha256Hex::of(text.as_bytes());
    digest.as_str().get(..13).and_then(|digits| i64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

/// The partition of a ticket.
fn line(sink: &SinkName, ticket: &str) -> String {
    format!("OUT#{sink}#{ticket}")
}

/// Messages of a ticket sort by the number that their id ends with.
fn sort_key(id: &str) -> String {
    format!("{:010}#{id}", sequence(id))
}

/// The place of a message among those of its ticket: what `{ticket}-{number}` ends with.
fn sequence(id: &str) -> u32 {
    id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn place(delivery: &Delivery) -> Item {
    key(&line(&delivery.sink, &delivery.ticket), &sort_key(&delivery.id))
}

fn delivery(item: &Item, body: String) -> Result<Delivery, PortError> {
    let attempts = as_number(item, "attempts").and_then(|attempts| u32::try_from(attempts).ok());
    match (as_text(item, "sink"), as_text(item, "ticket"), as_text(item, "id"), attempts) {
        (Some(sink), Some(ticket), Some(id), Some(attempts)) => Ok(Delivery {
            number: sequence(id).into(),
            sink: SinkName(sink.to_owned()),
            ticket: ticket.to_owned(),
            id: id.to_owned(),
            body,
            attempts,
            more: false,
        }),
        _ => Err(unreadable("a message that is not whole")),
    }
}
