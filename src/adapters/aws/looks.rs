//! What is remembered of the looks at tenants, and which tenants have something due.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::body::Body;
use super::ledger::due_verification;
use super::table::{
    Cancelled, DynamoDb, Queue, as_moment, as_text, key, lease_lost, moment, tenant_key, tenant_of,
    text, unreadable, whole,
};
use crate::domain::id::TenantId;
use crate::ports::{DueTenants, DueVerification, Looks, PortError, RememberLooks};

/// The sort key of what is remembered of a tenant's looks.
const LOOKS: &str = "LOOKS";

/// Most steps handed out at once.
const DUE_MAX: usize = 100;

#[async_trait]
impl RememberLooks for DynamoDb {
    async fn looks(&self, tenant: TenantId) -> Result<Looks, PortError> {
        let Some(item) = self.item(key(&tenant_key(tenant), LOOKS)).await? else {
            return Ok(Looks::default());
        };
        let settling = serde_json::from_str(&self.body(&item).await?)
            .map_err(|error| unreadable("looks that cannot be read").because(error))?;
        Ok(Looks { read_at: as_moment(&item, "read_at"), settling })
    }

    async fn remember(&self, tenant: TenantId, looks: &Looks) -> Result<(), PortError> {
        let content = serde_json::to_string(&looks.settling)
            .map_err(|error| unreadable("looks that cannot be written").because(error))?;
        let mut item = key(&tenant_key(tenant), LOOKS);
        if let Some(read_at) = looks.read_at {
            item.insert("read_at".to_owned(), moment(read_at));
        }
        if let Some(due) = looks.next_due() {
            item.insert("q".to_owned(), Queue::Looks.of(&tenant.to_string()));
            item.insert("due".to_owned(), moment(due));
        }
        let mut changes = vec![self.fence(tenant)];
        changes.extend(self.put_body(item, Body::of(&content, "what waits to settle")?));
        self.transact(changes).await.map_err(|cancelled| match cancelled {
            Cancelled::Unmet(_) => lease_lost(),
            Cancelled::Failed(error) => error,
        })
    }
}

#[async_trait]
impl DueTenants for DynamoDb {
    async fn due_tenants(&self, now: Timestamp) -> Result<BTreeSet<TenantId>, PortError> {
        let mut tenants = BTreeSet::new();
        for shard in Queue::ALL.into_iter().flat_map(Queue::shards) {
            let mut after = None;
            loop {
                let (items, next) = self.due_page(&shard, Some(now), 1000, after).await?;
                tenants.extend(items.iter().filter_map(|item| {
                    let tenant = as_text(item, "tenant").and_then(|tenant| tenant.parse().ok());
                    tenant.or_else(|| as_text(item, "pk").and_then(tenant_of))
                }));
                let Some(next) = next else { break };
                after = Some(next);
            }
        }
        Ok(tenants)
    }

    async fn due_verifications_of(
        &self,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Vec<DueVerification>, PortError> {
        let condition = "#pk = :pk AND begins_with(#sk, :sk)";
        let only = "#due <= :now";
        let mut names = super::table::names(condition);
        names.extend(super::table::names(only));
        let query = self
            .query(condition)
            .consistent_read(true)
            .filter_expression(only)
            .set_expression_attribute_names(Some(names))
            .expression_attribute_values(":pk", text(&tenant_key(tenant)))
            .expression_attribute_values(":sk", text("STEP#"))
            .expression_attribute_values(":now", moment(now));
        let mut due = whole(query)
            .await?
            .iter()
            .map(|item| Ok((as_moment(item, "due"), due_verification(item)?)))
            .collect::<Result<Vec<_>, PortError>>()?;
        due.sort_by_key(|(due, _)| *due);
        due.truncate(DUE_MAX);
        Ok(due.into_iter().map(|(_, due)| due).collect())
    }
}
