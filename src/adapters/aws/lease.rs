//! One worker for each tenant at a time.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::table::{DynamoDb, LEASE, key, moment, number, tenant_key, text, with};
use crate::domain::id::TenantId;
use crate::ports::{Lease, PortError};

/// How long after its end the item of a lease that nobody let go of is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

#[async_trait]
impl Lease for DynamoDb {
    async fn hold(
        &self,
        tenant: TenantId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, PortError> {
        let values = with([
            (":owner", text(&self.owner)),
            (":until", moment(until)),
            (":now", moment(now)),
            // In seconds, as the table's time to live wants it.
            (":expires", number((until + KEPT).as_second())),
        ]);
        self.change(
            key(&tenant_key(tenant), LEASE),
            "SET #owner = :owner, #until = :until, #expires = :expires",
            "attribute_not_exists(#pk) OR #owner = :owner OR #until <= :now",
            values,
        )
        .await
    }

    async fn let_go(&self, tenant: TenantId) -> Result<(), PortError> {
        let ours = ("#owner = :owner", with([(":owner", text(&self.owner))]));
        self.remove(key(&tenant_key(tenant), LEASE), Some(ours)).await
    }
}
