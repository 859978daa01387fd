//! The records of cases in the table: read back, and removed once they were kept long enough.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::body::parts_beside;
use super::failed;
use super::ledger::conclude::HEAD;
use super::table::{
    Cancelled, DynamoDb, Item, TOGETHER_MAX, as_moment, as_number, as_text, key, moment, number,
    part_key, tenant_key, tenant_of, text, unreadable, with,
};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::record::chain::{Anchor, Entry, Head, link};
use crate::domain::record::keep::{Kept, prunable};
use crate::domain::record::outline::CaseKey;
use crate::ports::{Chain, Failure, Ledger as _, PortError, PruneRecords, ReadRecords};

/// The sort key of where a tenant's chain begins.
const ANCHOR: &str = "ANCHOR";

/// How many records are read at once.
const PAGE: i32 = 100;

/// What of a record's item tells how long it is kept, and how much of it there is.
const OUTLINE: &str =
    "#pk, #sk, #at, #previous, #digest, #link, #partner, #episode, #stands, #pruned, #parts";

/// The sort key of the record behind so many others.
pub(super) fn record_key(before: i64) -> String {
    format!("REC#{before:012}")
}

/// The number of a record, from 1.
fn sequence(item: &Item) -> Option<u64> {
    let before: u64 = as_text(item, "sk")?.strip_prefix("REC#")?.parse().ok()?;
    Some(before + 1)
}

impl DynamoDb {
    /// Where a tenant's chain begins, and all of it, the oldest first.
    ///
    /// # Errors
    /// Those of the table.
    pub async fn chain(&self, tenant: TenantId) -> Result<(Anchor, Vec<Entry>), PortError> {
        let items = self.all(&tenant_key(tenant), "REC#", None).await?;
        let entries = try_join_all(items.iter().map(|item| self.entry_of(item))).await?;
        Ok((self.anchor(tenant).await?, entries))
    }

    async fn anchor(&self, tenant: TenantId) -> Result<Anchor, PortError> {
        let item = self.item(key(&tenant_key(tenant), ANCHOR)).await?.unwrap_or_default();
        let records = as_number(&item, "records").unwrap_or_default();
        Ok(Anchor {
            sequence: u64::try_from(records).unwrap_or_default(),
            link: as_text(&item, "link").unwrap_or_default().to_owned(),
        })
    }

    async fn entry_of(&self, item: &Item) -> Result<Entry, PortError> {
        let field = |name| as_text(item, name).map(str::to_owned).unwrap_or_default();
        let (record, digest) = if item.contains_key("pruned") {
            let digest = serde_json::from_value(field("digest").into())
                .map_err(|error| unreadable("a record without a digest").because(error))?;
            (None, digest)
        } else {
            let record = self.body(item).await?;
            let digest = Sha256Hex::of(record.as_bytes());
            (Some(record), digest)
        };
        let sequence = sequence(item).ok_or_else(|| unreadable("a record without a number"))?;
        let (id, previous, link) = (field("id"), field("previous"), field("link"));
        Ok(Entry { sequence, id, record, digest, previous, link })
    }

    /// The tenants that have records. It reads the whole table, since nothing lists them.
    async fn tenants_with_records(&self) -> Result<BTreeSet<TenantId>, PortError> {
        let scan = self.client.scan().table_name(&self.table).consistent_read(true);
        let scan = scan
            .filter_expression("#sk = :head")
            .projection_expression("#pk")
            .expression_attribute_names("#sk", "sk")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_values(":head", text(HEAD));
        let mut pages = scan.into_paginator().items().send();
        let mut tenants = BTreeSet::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| failed("reading the table", error))?;
            tenants.extend(as_text(&item, "pk").and_then(tenant_of));
        }
        Ok(tenants)
    }

    async fn chain_of(&self, tenant: TenantId) -> Result<Chain, PortError> {
        let from = self.anchor(tenant).await?;
        let head = self.head(tenant).await?;
        let sequence = u64::try_from(head.records).unwrap_or_default();
        let head = Head { sequence, link: Some(head.link) };
        Ok(Chain { name: tenant.to_string(), from, head: Some(head) })
    }

    /// The items of a tenant's records behind a number that a filter takes, a page of them.
    async fn records_behind(
        &self,
        tenant: TenantId,
        behind: u64,
        filter: Option<(&str, (&str, AttributeValue))>,
    ) -> Result<Vec<Item>, PortError> {
        let condition = "#pk = :pk AND #sk BETWEEN :from AND :to";
        let from = record_key(i64::try_from(behind).unwrap_or(i64::MAX));
        let mut after = None;
        loop {
            let mut query = self
                .query(condition)
                .consistent_read(true)
                .limit(PAGE)
                .set_exclusive_start_key(after)
                .expression_attribute_values(":pk", text(&tenant_key(tenant)))
                .expression_attribute_values(":from", text(&from))
                .expression_attribute_values(":to", text("REC#~"));
            if let Some((filter, (name, value))) = filter.clone() {
                query = query.filter_expression(filter).expression_attribute_values(name, value);
                for (place, name) in super::table::names(filter) {
                    query = query.expression_attribute_names(place, name);
                }
            }
            let page = query.send().await.map_err(|error| failed("asking the table", error))?;
            let items = page.items.unwrap_or_default();
            after = page.last_evaluated_key.filter(|key| !key.is_empty());
            if !items.is_empty() || after.is_none() {
                return Ok(items);
            }
        }
    }
}

#[async_trait]
impl ReadRecords for DynamoDb {
    async fn chains(&self) -> Result<Vec<Chain>, PortError> {
        let tenants = self.tenants_with_records().await?;
        try_join_all(tenants.into_iter().map(|tenant| self.chain_of(tenant))).await
    }

    async fn page(
        &self,
        chain: &str,
        behind: u64,
        since: Option<Timestamp>,
    ) -> Result<Vec<Entry>, PortError> {
        let tenant = chain
            .parse()
            .map_err(|_| PortError::new(Failure::Gone, "the table has no chain of that name"))?;
        let filter = since.map(|since| ("#at >= :since", (":since", moment(since))));
        let items = self.records_behind(tenant, behind, filter).await?;
        try_join_all(items.iter().map(|item| self.entry_of(item))).await
    }

    async fn find(&self, id: &str) -> Result<Option<(String, Entry)>, PortError> {
        for tenant in self.tenants_with_records().await? {
            let filter = Some(("#id = :id", (":id", text(id))));
            if let Some(item) = self.records_behind(tenant, 0, filter).await?.first() {
                return Ok(Some((tenant.to_string(), self.entry_of(item).await?)));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl PruneRecords for DynamoDb {
    async fn prune(&self, tenant: TenantId, before: Timestamp) -> Result<u64, PortError> {
        let items = self.all(&tenant_key(tenant), "REC#", Some(OUTLINE)).await?;
        let is_old = |item: &Item| as_moment(item, "at").is_some_and(|at| at < before);
        if !items.iter().filter(is_there).any(is_old) {
            return Ok(0);
        }
        let kept: Vec<Kept> =
            items.iter().filter(is_there).filter_map(|item| kept(tenant, item)).collect();
        let gone = prunable(&kept, &self.cases(tenant).await?, before);
        let by_number: BTreeMap<u64, &Item> =
            items.iter().filter_map(|item| Some((sequence(item)?, item))).collect();
        // What begins the chain goes whole; the last record stays, since the next is linked to it.
        let last = by_number.keys().next_back().copied();
        let beginning: Vec<u64> = by_number
            .iter()
            .take_while(|(number, item)| {
                Some(**number) != last && (gone.contains(number) || item.contains_key("pruned"))
            })
            .map(|(number, _)| *number)
            .collect();
        let mut changes = Vec::new();
        let behind = beginning.last().copied().unwrap_or_default();
        for number in gone.iter().filter(|number| **number > behind) {
            if let Some(item) = by_number.get(number).filter(|item| is_sealed_by_digest(item)) {
                changes.push(self.emptied(tenant, item));
            }
        }
        let mut removed = 0;
        for change in changes {
            self.pruned(change).await?;
            removed += 1;
        }
        let was_there = |number: &u64| by_number.get(number).is_some_and(is_there);
        removed += u64::try_from(beginning.iter().filter(|n| was_there(n)).count()).unwrap_or(0);
        for number in beginning {
            if let Some(item) = by_number.get(&number) {
                self.pruned(self.cut_off(tenant, number, item)).await?;
            }
        }
        Ok(removed)
    }
}

/// Whether the record's text is there.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "it is a filter of references")]
fn is_there(item: &&Item) -> bool {
    !item.contains_key("pruned")
}

/// What decides about a record; nothing for one of an earlier version, which is kept.
fn kept(tenant: TenantId, item: &Item) -> Option<Kept> {
    let partner = as_text(item, "partner")?.to_owned();
    let episode = u32::try_from(as_number(item, "episode")?).ok()?;
    let stands = *item.get("stands")?.as_bool().ok()?;
    let case = CaseKey { tenant, partner, episode };
    Some(Kept { sequence: sequence(item)?, at: as_moment(item, "at")?, case, stands })
}

fn is_sealed_by_digest(item: &Item) -> bool {
    let field = |name| as_text(item, name).unwrap_or_default().to_owned();
    let digest: Option<Sha256Hex> = serde_json::from_value(field("digest").into()).ok();
    digest.is_some_and(|digest| link(&field("previous"), &digest).as_str() == field("link"))
}

impl DynamoDb {
    /// Takes a record's text away, and leaves what the chain is proven by.
    fn emptied(&self, tenant: TenantId, item: &Item) -> Vec<TransactWriteItem> {
        let sk = as_text(item, "sk").unwrap_or_default();
        let change = "SET #pruned = :yes REMOVE #json, #folded, #stamp, #parts";
        let values = with([
            (":yes", AttributeValue::Bool(true)),
            (":link", text(as_text(item, "link").unwrap_or_default())),
        ]);
        let condition = Some("#link = :link");
        let change = self.update(key(&tenant_key(tenant), sk), change, condition, values);
        std::iter::once(change).chain(self.without_parts(tenant, item)).collect()
    }

    /// Takes the first record of a chain away, and lets the chain begin behind it.
    fn cut_off(&self, tenant: TenantId, first: u64, item: &Item) -> Vec<TransactWriteItem> {
        let pk = tenant_key(tenant);
        let records = i64::try_from(first).unwrap_or(i64::MAX);
        let own = as_text(item, "link").unwrap_or_default();
        let values = with([
            (":records", number(records)),
            (":link", text(own)),
            (":before", number(records - 1)),
        ]);
        let condition = if first == 1 {
            "attribute_not_exists(#pk) OR #records = :before"
        } else {
            "#records = :before"
        };
        let change = "SET #records = :records, #link = :link";
        let anchor = self.update(key(&pk, ANCHOR), change, Some(condition), values);
        let record = self.delete(key(&pk, as_text(item, "sk").unwrap_or_default()));
        [anchor, record].into_iter().chain(self.without_parts(tenant, item)).collect()
    }

    fn without_parts(&self, tenant: TenantId, item: &Item) -> Vec<TransactWriteItem> {
        let (pk, sk) = (tenant_key(tenant), as_text(item, "sk").unwrap_or_default());
        (1..=parts_beside(item)).map(|part| self.delete(key(&pk, &part_key(sk, part)))).collect()
    }

    /// Makes the changes of one record.
    async fn pruned(&self, changes: Vec<TransactWriteItem>) -> Result<(), PortError> {
        debug_assert!(changes.len() <= TOGETHER_MAX, "a record has few parts");
        self.transact(changes).await.map_err(|cancelled| match cancelled {
            Cancelled::Unmet(_) => {
                let said = "somebody else removes the tenant's records at this moment";
                PortError::new(Failure::Transient, said)
            }
            Cancelled::Failed(error) => error,
        })
    }
}
