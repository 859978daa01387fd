//! What is remembered about tenants: small values by name, and what senders have brought.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::{Sqlite, from_text, millis, optional, timestamp};
use crate::domain::id::TenantId;
use crate::domain::signal::{Sender, Signal};
use crate::ports::{Heard, Marks, PortError, ReadHeard};

/// How long the events that senders bring are remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(6);

#[async_trait]
impl Marks for Sqlite {
    async fn mark(&self, tenant: TenantId, name: &str) -> Result<Option<String>, PortError> {
        let key = (tenant.to_string(), name.to_owned());
        self.run(move |db| value(db, &key.0, &key.1)).await
    }

    async fn set_mark(
        &self,
        tenant: TenantId,
        name: &str,
        was: Option<&str>,
        value: &str,
    ) -> Result<bool, PortError> {
        let (tenant, name) = (tenant.to_string(), name.to_owned());
        let (was, new) = (was.map(str::to_owned), value.to_owned());
        self.run(move |db| {
            let is = self::value(db, &tenant, &name)?;
            if is != was {
                return Ok(false);
            }
            db.prepare_cached(
                "INSERT INTO tenant_marks VALUES (?1, ?2, ?3)
                 ON CONFLICT (tenant, name) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![tenant, name, new])?;
            Ok(true)
        })
        .await
    }
}

fn value(db: &Connection, tenant: &str, name: &str) -> rusqlite::Result<Option<String>> {
    let found = db
        .prepare_cached("SELECT value FROM tenant_marks WHERE tenant = ?1 AND name = ?2")?
        .query_row([tenant, name], |row| row.get(0));
    optional(found)
}

/// Notes who brought a signal. What the program reads or reminds itself of, nobody has brought.
pub(super) fn note(db: &Connection, signal: &Signal) -> rusqlite::Result<()> {
    match signal.sender {
        Sender::Graph
        | Sender::Audit
        | Sender::O365
        | Sender::EventGrid
        | Sender::PartnerCenter => {}
        Sender::AuditLog | Sender::Schedule | Sender::Decision | Sender::Tickets => return Ok(()),
    }
    let mut statement = db.prepare_cached(
        "INSERT INTO heard VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (tenant, sender, event) DO UPDATE SET at = MAX(at, excluded.at)",
    )?;
    let (tenant, sender) = (signal.tenant.to_string(), signal.sender.name());
    let at = millis(signal.received_at);
    // The row of no event tells when the sender last brought anything.
    statement.execute(params![tenant, sender, "", at])?;
    match signal.event_id.as_deref() {
        Some(event) if !event.is_empty() => {
            statement.execute(params![tenant, sender, event, at]).map(drop)
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl ReadHeard for Sqlite {
    async fn heard(&self, tenant: TenantId, events: &[String]) -> Result<Heard, PortError> {
        let (tenant, events) = (tenant.to_string(), events.to_vec());
        self.run(move |db| {
            let mut statement =
                db.prepare_cached("SELECT sender, at FROM heard WHERE tenant = ?1 AND event = ''")?;
            let rows = statement.query_map([&tenant], |row| {
                Ok((from_text::<Sender>(row.get(0)?)?, timestamp(row.get(1)?)))
            })?;
            let last = rows.collect::<rusqlite::Result<BTreeMap<Sender, Timestamp>>>()?;
            let mut statement =
                db.prepare_cached("SELECT 1 FROM heard WHERE tenant = ?1 AND event = ?2 LIMIT 1")?;
            let mut brought = BTreeSet::new();
            for event in events {
                if statement.exists([&tenant, &event])? {
                    brought.insert(event);
                }
            }
            Ok(Heard { last, brought })
        })
        .await
    }
}

/// Forgets which events were brought long ago, at every look that is over: whatever is brought
/// leads to one.
pub(super) fn forget(db: &Connection, tenant: TenantId, now: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM heard WHERE tenant = ?1 AND event <> '' AND at < ?2")?
        .execute(params![tenant.to_string(), millis(now - REMEMBERED)])
        .map(drop)
}
