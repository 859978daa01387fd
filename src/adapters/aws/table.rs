//! One DynamoDB table for everything that is remembered.
//!
//! | `pk` | `sk` | what |
//! |---|---|---|
//! | `T#{tenant}` | `CASE#{partner}` | a case |
//! | `T#{tenant}` | `STEP#{step}` | a step, and how far it has come |
//! | `T#{tenant}` | `HEAD`, `ANCHOR`, `REC#{number}` | where the tenant's chain of records ends and begins, and its records |
//! | `T#{tenant}` | `PART#{sk}#{number}` | what of a large text its own item does not hold |
//! | `T#{tenant}` | `LEASE`, `LOOKS`, `MARK#{name}` | who works on it, what of it was looked at, small values |
//! | `T#{tenant}` | `HEARD#SENDER#{sender}`, `HEARD#EVENT#{digest}` | what senders have brought |
//! | `OUT#{sink}#{ticket}` | `{number}#{id}` | a message that waits |
//! | `STOP` | `STOP` | that nothing is to be written, why and since when |
//! | `DEAD` | `{moment}#{number}` | a message that was given up |
//!
//! What comes due has `q` and `due`, the keys of the index `due`: `V…` steps to read again, `L…`
//! settling looks, `O…` messages. The index may lag behind; what it tells is read again from the table.
//!
//! Every write about a tenant's cases demands, in the same transaction, that its lease is still ours.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, KeysAndAttributes, Put,
    TransactWriteItem, Update,
};
use jiff::Timestamp;

use super::body::{self, Body};
use super::failed;
use crate::domain::id::{Sha256Hex, TenantId};
use crate::ports::{Failure, PortError};

/// The attributes of an item.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The index of what comes due.
pub(super) const DUE: &str = "due";

/// Into how many partitions of the index each kind of due work is spread. One takes 1000 writes a
/// second.
const SHARDS: u8 = 4;

/// Most items of one transaction.
pub(super) const TOGETHER_MAX: usize = 100;

/// Most bytes of one transaction, with some air: DynamoDB takes 4 MB.
pub(super) const BYTES_MAX: usize = 4_000_000;

/// Most items read in one request by their keys.
const GET_MAX: usize = 100;

/// How often a transaction that met another one, or too much traffic, is tried.
const TRIES: u32 = 6;

/// The pause before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(40);

/// A kind of work that comes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    Verifications,
    Looks,
    Messages,
}

impl Queue {
    pub(super) const ALL: [Self; 3] = [Self::Verifications, Self::Looks, Self::Messages];

    fn letter(self) -> char {
        match self {
            Self::Verifications => 'V',
            Self::Looks => 'L',
            Self::Messages => 'O',
        }
    }

    /// The partition of the index for what belongs to `key`.
    pub(super) fn of(self, key: &str) -> AttributeValue {
        let digest = Sha256Hex::of(key.as_bytes());
        let shard = digest.as_str().bytes().next().unwrap_or_default() % SHARDS;
        text(&format!("{}{shard}", self.letter()))
    }

    /// Every partition.
    pub(super) fn shards(self) -> impl Iterator<Item = String> {
        (0..SHARDS).map(move |shard| format!("{}{shard}", self.letter()))
    }
}

/// A handle on the table.
pub struct DynamoDb {
    pub(super) client: Client,
    pub(super) table: String,
    /// Whose leases are those of this handle.
    pub(super) owner: String,
    /// Partitions of the outbox that this handle wrote to and the index may not show yet.
    pub(super) written: Mutex<BTreeSet<String>>,
}

impl DynamoDb {
    /// The table of this name. `owner` names whoever works with it: a new one for each process.
    pub fn new(config: &SdkConfig, table: &str, owner: &str) -> Self {
        Self {
            client: Client::new(config),
            table: table.to_owned(),
            owner: owner.to_owned(),
            written: Mutex::default(),
        }
    }

    /// Reads one item as it stands at this moment.
    pub(super) async fn item(&self, key: Item) -> Result<Option<Item>, PortError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key));
        let got = get.consistent_read(true).send().await;
        got.map(|got| got.item).map_err(|error| failed("reading from the table", error))
    }

    /// Reads items as they stand at this moment, in no order. Those that do not exist are left out.
    pub(super) async fn items(&self, mut keys: Vec<Item>) -> Result<Vec<Item>, PortError> {
        let mut found = Vec::new();
        let mut tries = 0;
        while !keys.is_empty() {
            let now = keys.split_off(keys.len().saturating_sub(GET_MAX));
            let ask = KeysAndAttributes::builder().set_keys(Some(now)).consistent_read(true);
            let ask = ask.build().map_err(unmade)?;
            let got = self.client.batch_get_item().request_items(&self.table, ask).send().await;
            let mut got = got.map_err(|error| failed("reading from the table", error))?;
            let answers = got.responses.as_mut().and_then(|them| them.remove(&self.table));
            let answered = answers.as_ref().is_some_and(|answers| !answers.is_empty());
            found.extend(answers.into_iter().flatten());
            let rest = got.unprocessed_keys.and_then(|mut them| them.remove(&self.table));
            if let Some(rest) = rest {
                tries = if answered { 0 } else { tries + 1 };
                if tries >= TRIES {
                    let said = "reading from the table is throttled";
                    return Err(PortError::new(Failure::Throttled(None), said));
                }
                tokio::time::sleep(PAUSE * 2_u32.pow(tries)).await;
                keys.extend(rest.keys);
            }
        }
        Ok(found)
    }

    /// A query, which the caller completes.
    pub(super) fn query(&self, condition: &str) -> QueryFluentBuilder {
        let names = names(condition);
        let query = self.client.query().table_name(&self.table);
        query.key_condition_expression(condition).set_expression_attribute_names(Some(names))
    }

    /// Every item of a partition whose `sk` begins so, as they stand at this moment.
    pub(super) async fn all(
        &self,
        pk: &str,
        beginning: &str,
        only: Option<&str>,
    ) -> Result<Vec<Item>, PortError> {
        let condition = "#pk = :pk AND begins_with(#sk, :sk)";
        let mut query = self.query(condition).consistent_read(true);
        if let Some(only) = only {
            let mut names = names(condition);
            names.extend(self::names(only));
            query = query.projection_expression(only).set_expression_attribute_names(Some(names));
        }
        let query = query
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":sk", text(beginning));
        whole(query).await
    }

    /// The text of an item, with the parts beside it.
    pub(super) async fn body(&self, item: &Item) -> Result<String, PortError> {
        let beside = body::parts_beside(item);
        let (Some(pk), Some(sk)) = (as_text(item, "pk"), as_text(item, "sk")) else {
            return Err(unreadable("an item without a key"));
        };
        let parts = if beside == 0 {
            Vec::new()
        } else {
            let keys = (1..=beside).map(|part| key(pk, &part_key(sk, part)));
            let mut parts = self.items(keys.collect()).await?;
            parts.sort_by(|a, b| as_text(a, "sk").cmp(&as_text(b, "sk")));
            parts
        };
        body::unfolded(item, &parts).ok_or_else(|| {
            let said = "an item of the table is not whole; it may be written at this moment";
            PortError::new(Failure::Transient, said)
        })
    }

    /// Does all of it or nothing. What met another transaction, or too much traffic, is tried
    /// again.
    pub(super) async fn transact(&self, changes: Vec<TransactWriteItem>) -> Result<(), Cancelled> {
        let mut tries = 0;
        loop {
            let write = self.client.transact_write_items();
            let sent = write.set_transact_items(Some(changes.clone())).send().await;
            let Err(error) = sent else { return Ok(()) };
            let cancelled = error.as_service_error().and_then(|error| {
                if let TransactWriteItemsError::TransactionCanceledException(error) = error {
                    Some(error.cancellation_reasons().to_vec())
                } else {
                    None
                }
            });
            let Some(reasons) = cancelled else {
                return Err(Cancelled::Failed(failed("writing to the table", error)));
            };
            let unmet = unmet(&reasons);
            if !unmet.is_empty() {
                return Err(Cancelled::Unmet(unmet));
            }
            tries += 1;
            if tries >= TRIES || !reasons.iter().all(passes) {
                return Err(Cancelled::Failed(self::cancelled(&reasons)));
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
        }
    }

    /// Demands that the tenant's lease is still this handle's.
    pub(super) fn fence(&self, tenant: TenantId) -> TransactWriteItem {
        let condition = "#owner = :owner";
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key(&tenant_key(tenant), LEASE)))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(condition)))
            .expression_attribute_values(":owner", text(&self.owner));
        let check = check.build().ok();
        TransactWriteItem::builder().set_condition_check(check).build()
    }

    /// Puts an item in place of what is there.
    pub(super) fn put(&self, item: Item) -> TransactWriteItem {
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().ok();
        TransactWriteItem::builder().set_put(put).build()
    }

    /// Puts a text with its parts.
    pub(super) fn put_body(&self, mut item: Item, body: Body) -> Vec<TransactWriteItem> {
        let pk = as_text(&item, "pk").unwrap_or_default().to_owned();
        let sk = as_text(&item, "sk").unwrap_or_default().to_owned();
        item.extend(body.item);
        let parts = body.parts.into_iter().enumerate().map(|(before, mut part)| {
            part.extend(key(&pk, &part_key(&sk, before + 1)));
            self.put(part)
        });
        std::iter::once(self.put(item)).chain(parts).collect()
    }

    /// Changes an item.
    pub(super) fn update(
        &self,
        key: Item,
        change: &str,
        condition: Option<&str>,
        values: Item,
    ) -> TransactWriteItem {
        let mut names = names(change);
        names.extend(condition.map(self::names).unwrap_or_default());
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression(change)
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values));
        TransactWriteItem::builder().set_update(update.build().ok()).build()
    }

    /// Deletes an item.
    pub(super) fn delete(&self, key: Item) -> TransactWriteItem {
        let delete = Delete::builder().table_name(&self.table).set_key(Some(key)).build().ok();
        TransactWriteItem::builder().set_delete(delete).build()
    }

    /// Changes one item by itself. Says whether the condition held.
    pub(super) async fn change(
        &self,
        key: Item,
        change: &str,
        condition: &str,
        values: Item,
    ) -> Result<bool, PortError> {
        let mut names = names(change);
        names.extend(self::names(condition));
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression(change)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                Ok(false)
            }
            Err(error) => Err(failed("writing to the table", error)),
        }
    }

    /// Deletes one item by itself, if the condition holds.
    pub(super) async fn remove(
        &self,
        key: Item,
        condition: Option<(&str, Item)>,
    ) -> Result<(), PortError> {
        let mut delete = self.client.delete_item().table_name(&self.table).set_key(Some(key));
        if let Some((condition, values)) = condition {
            delete = delete
                .condition_expression(condition)
                .set_expression_attribute_names(Some(names(condition)))
                .set_expression_attribute_values(Some(values));
        }
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                Ok(())
            }
            Err(error) => Err(failed("writing to the table", error)),
        }
    }

    /// What is due in one partition of the index, the longest due first. A page of it.
    pub(super) async fn due_page(
        &self,
        shard: &str,
        now: Option<Timestamp>,
        limit: i32,
        after: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), PortError> {
        let condition = "#q = :q AND #due <= :now";
        let now = now.map_or(i64::MAX, Timestamp::as_millisecond);
        let page = self
            .query(condition)
            .index_name(DUE)
            .expression_attribute_values(":q", text(shard))
            .expression_attribute_values(":now", number(now))
            .limit(limit)
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(|error| failed("asking the table what is due", error))?;
        let next = page.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((page.items.unwrap_or_default(), next))
    }

    /// Remembers that a partition of the outbox was written to.
    pub(super) fn note_written(&self, pk: &str) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(pk.to_owned());
    }
}

/// Every page of a query.
pub(super) async fn whole(query: QueryFluentBuilder) -> Result<Vec<Item>, PortError> {
    let mut pages = query.into_paginator().items().send();
    let mut items = Vec::new();
    while let Some(item) = pages.next().await {
        items.push(item.map_err(|error| failed("asking the table", error))?);
    }
    Ok(items)
}

/// Why a transaction was not made.
#[derive(Debug)]
pub(super) enum Cancelled {
    /// The conditions of these of its changes do not hold.
    Unmet(Vec<usize>),
    /// It could not be made.
    Failed(PortError),
}

/// Which of the changes were refused by their own condition.
fn unmet(reasons: &[CancellationReason]) -> Vec<usize> {
    let unmet = |(_, reason): &(usize, &CancellationReason)| {
        reason.code() == Some("ConditionalCheckFailed")
    };
    reasons.iter().enumerate().filter(unmet).map(|(at, _)| at).collect()
}

/// Whether trying again may help.
fn passes(reason: &CancellationReason) -> bool {
    matches!(
        reason.code(),
        None | Some(
            "None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"
        )
    )
}

fn cancelled(reasons: &[CancellationReason]) -> PortError {
    let codes: BTreeSet<&str> = reasons
        .iter()
        .filter_map(CancellationReason::code)
        .filter(|code| *code != "None")
        .collect();
    let kind = if !reasons.iter().all(passes) {
        Failure::Refused
    } else if codes.contains("TransactionConflict") {
        Failure::Transient
    } else {
        Failure::Throttled(None)
    };
    let codes = codes.into_iter().collect::<Vec<_>>().join(", ");
    PortError::new(kind, format!("writing to the table was cancelled: {codes}"))
}

/// The tenant's lease is no longer this handle's.
pub(super) fn lease_lost() -> PortError {
    let said = "another worker has taken the tenant's lease; nothing was written";
    PortError::new(Failure::Transient, said)
}

/// Something in the table cannot be understood.
pub(super) fn unreadable(what: &str) -> PortError {
    PortError::new(Failure::Unintelligible, format!("the table holds {what}"))
}

/// A request could not be put together.
pub(super) fn unmade(error: aws_sdk_dynamodb::error::BuildError) -> PortError {
    PortError::new(Failure::Refused, "a request to the table cannot be made").because(error)
}

/// The sort key of a tenant's lease.
pub(super) const LEASE: &str = "LEASE";

/// The partition of a tenant.
pub(super) fn tenant_key(tenant: TenantId) -> String {
    format!("T#{tenant}")
}

/// The tenant of a partition.
pub(super) fn tenant_of(pk: &str) -> Option<TenantId> {
    pk.strip_prefix("T#")?.parse().ok()
}

pub(super) fn part_key(sk: &str, part: usize) -> String {
    format!("PART#{sk}#{part:02}")
}

/// The key of an item.
pub(super) fn key(pk: &str, sk: &str) -> Item {
    Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// Attributes or values, by name.
pub(super) fn with<const N: usize>(values: [(&str, AttributeValue); N]) -> Item {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn moment(at: Timestamp) -> AttributeValue {
    number(at.as_millisecond())
}

pub(super) fn as_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn as_number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(super) fn as_moment(item: &Item, name: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(as_number(item, name)?).ok()
}

/// The names that an expression speaks of as `#name`: many plain ones are reserved words.
pub(super) fn names(expression: &str) -> HashMap<String, String> {
    let names = expression.split('#').skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    });
    names.map(|name| (format!("#{name}"), name.to_owned())).collect()
}
