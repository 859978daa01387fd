//! The queue: at most one row for each tenant and subject, however many signals there are.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::{Sqlite, from_json, from_text, json, millis, timestamp};
use crate::domain::id::TenantId;
use crate::domain::signal::{Envelope, Sender, Signal, Subject};
use crate::ports::{EndLook, Enqueue, Look, PortError, Queue, Retried, Settle, Waiting};
use crate::wire::Verified;

/// How often a look may be claimed without being completed.
const ATTEMPTS_MAX: u32 = 10;

#[async_trait]
impl Enqueue for Sqlite {
    async fn enqueue(&self, signals: Vec<Verified<Signal>>) -> Result<(), PortError> {
        self.run(move |db| {
            signals.into_iter().try_for_each(|signal| insert(db, signal.into_inner()))
        })
        .await
    }
}

/// A signal of a subject that already waits joins what waits. While that subject's look is under
/// way, the signal is newer than the snapshot, and the mark left by the claim tells so.
fn insert(db: &Connection, signal: Signal) -> rusqlite::Result<()> {
    super::marks::note(db, &signal)?;
    let tenant = signal.tenant.to_string();
    let subject = signal.subject.as_str().to_owned();
    let due = millis(signal.received_at);
    // The schedule comes round again anyway.
    let settles = signal.sender != Sender::Schedule;
    let envelope = json(&Envelope::V1 { signal })?;
    db.prepare_cached(
        "INSERT INTO looks VALUES (?1, ?2, ?3, 1, 1, 0, ?4, 0, ?5, NULL, NULL)
         ON CONFLICT (tenant, subject) DO UPDATE SET
            generation = generation + 1,
            signals = signals + 1,
            settles = settles OR excluded.settles,
            first = CASE WHEN signals = 0 OR generation = claimed THEN excluded.first
                    ELSE first END",
    )?
    .execute(params![tenant, subject, due, settles, envelope])
    .map(drop)
}

#[async_trait]
impl EndLook for Sqlite {
    async fn complete(
        &self,
        look: &Look,
        now: Timestamp,
        settle: Settle,
        take_up: Option<Timestamp>,
    ) -> Result<(), PortError> {
        let look = look.clone();
        self.run(move |db| {
            super::marks::forget(db, look.tenant, now)?;
            look.waiting.iter().try_for_each(|done| complete(db, &look, done, now, settle))?;
            match (take_up, settle) {
                (None, Settle::Unread) => Ok(()),
                (at, _) => put_off(db, look.tenant, at),
            }
        })
        .await
    }

    async fn retry(&self, look: &Look, due: Timestamp, why: &str) -> Result<Retried, PortError> {
        let look = look.clone();
        let why = why.to_owned();
        self.run(move |db| {
            look.waiting.iter().try_fold(Retried::Later, |all, waiting| {
                let one = retry(db, &look, waiting, due, &why)?;
                Ok(if one == Retried::Buried { one } else { all })
            })
        })
        .await
    }
}

#[async_trait]
impl Queue for Sqlite {
    async fn claim(
        &self,
        now: Timestamp,
        lease: SignedDuration,
        busy: &[TenantId],
    ) -> Result<Option<Look>, PortError> {
        let busy: Vec<String> = busy.iter().map(ToString::to_string).collect();
        self.run(move |db| claim(db, millis(now), millis(now + lease), &busy)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, PortError> {
        self.run(|db| {
            // What is claimed comes up again when its lease has run out.
            db.query_row("SELECT MIN(MAX(due, COALESCE(leased_until, 0))) FROM looks", [], |row| {
                row.get::<_, Option<i64>>(0)
            })
        })
        .await
        .map(|due| due.map(timestamp))
    }
}

fn claim(db: &Connection, now: i64, until: i64, busy: &[String]) -> rusqlite::Result<Option<Look>> {
    let Some(tenant) = next_tenant(db, now, busy)? else { return Ok(None) };
    db.prepare_cached(
        "UPDATE looks SET claimed = generation, leased_until = ?3, attempts = attempts + 1
         WHERE tenant = ?1 AND due <= ?2",
    )?
    .execute(params![tenant, now, until])?;
    let mut statement = db.prepare_cached(
        "SELECT subject, generation, signals, settling, first, attempts FROM looks
         WHERE tenant = ?1 AND due <= ?2 ORDER BY due, subject",
    )?;
    let rows = statement.query_map(params![tenant, now], |row| {
        Ok(Waiting {
            subject: from_text(row.get(0)?)?,
            generation: row.get(1)?,
            signals: row.get(2)?,
            settling: row.get(3)?,
            // An envelope that cannot be read is still a reason to look.
            first: row.get::<_, Option<String>>(4)?.and_then(|text| from_json(&text).ok()),
            attempts: row.get(5)?,
        })
    })?;
    let waiting = rows.collect::<rusqlite::Result<Vec<Waiting>>>()?;
    let tenant = from_text(tenant)?;
    Ok(Some(Look { tenant, waiting }))
}

/// The tenant that has waited longest, of those that nobody is looking at.
fn next_tenant(db: &Connection, now: i64, busy: &[String]) -> rusqlite::Result<Option<String>> {
    let mut statement = db.prepare_cached(
        "SELECT tenant FROM looks
         WHERE due <= ?1
         GROUP BY tenant
         HAVING tenant NOT IN (SELECT tenant FROM looks WHERE leased_until > ?1)
         ORDER BY MIN(due)",
    )?;
    let mut rows = statement.query([now])?;
    while let Some(row) = rows.next()? {
        let tenant: String = row.get(0)?;
        if !busy.contains(&tenant) {
            return Ok(Some(tenant));
        }
    }
    Ok(None)
}

/// A look satisfies the signals received before it. Those that came while it was under way, and
/// whatever Graph had not replicated by then, are caught by the settling look.
fn complete(
    db: &Connection,
    look: &Look,
    done: &Waiting,
    now: Timestamp,
    settle: Settle,
) -> rusqlite::Result<()> {
    let tenant = look.tenant.to_string();
    let subject = done.subject.as_str();
    let due = match settle {
        Settle::After(time) => now + time,
        Settle::No | Settle::Unread => now,
    };
    let wants_to_settle = matches!(settle, Settle::After(_));
    db.prepare_cached(
        "UPDATE looks SET
            signals = generation - ?3, due = ?4, settling = ?5, attempts = 0,
            first = CASE WHEN generation = ?3 THEN NULL ELSE first END,
            claimed = NULL, leased_until = NULL
         WHERE tenant = ?1 AND subject = ?2
           AND (generation > ?3 OR (?5 AND settles AND NOT settling))",
    )?
    .execute(params![tenant, subject, done.generation, millis(due), wants_to_settle])?;
    db.prepare_cached("DELETE FROM looks WHERE tenant = ?1 AND subject = ?2 AND claimed = ?3")?
        .execute(params![tenant, subject, done.generation])
        .map(drop)
}

/// Looks at the tenant at this time on account of what is held back, and at no other. It is a row
/// like that of a settling look, which no signal joins.
fn put_off(db: &Connection, tenant: TenantId, at: Option<Timestamp>) -> rusqlite::Result<()> {
    let (tenant, held) = (tenant.to_string(), Subject::held());
    db.prepare_cached("DELETE FROM looks WHERE tenant = ?1 AND subject = ?2")?
        .execute(params![tenant, held.as_str()])?;
    let Some(at) = at else { return Ok(()) };
    db.prepare_cached("INSERT INTO looks VALUES (?1, ?2, ?3, 1, 0, 1, 0, 0, NULL, NULL, NULL)")?
        .execute(params![tenant, held.as_str(), millis(at)])
        .map(drop)
}

fn retry(
    db: &Connection,
    look: &Look,
    waiting: &Waiting,
    due: Timestamp,
    why: &str,
) -> rusqlite::Result<Retried> {
    let tenant = look.tenant.to_string();
    let subject = waiting.subject.as_str();
    let first = waiting.first.as_ref().map(json).transpose()?;
    if waiting.attempts >= ATTEMPTS_MAX {
        return bury(db, &tenant, waiting, first.as_deref(), due, why);
    }
    // A signal that came meanwhile is not the first: none of them is satisfied yet.
    db.execute(
        "UPDATE looks SET due = ?3, first = COALESCE(?4, first), claimed = NULL, leased_until = NULL
         WHERE tenant = ?1 AND subject = ?2",
        params![tenant, subject, millis(due), first],
    )
    .map(|_| Retried::Later)
}

/// Buries what was looked at in vain. Signals that came during the last look are a reason for
/// another one.
fn bury(
    db: &Connection,
    tenant: &str,
    waiting: &Waiting,
    first: Option<&str>,
    due: Timestamp,
    why: &str,
) -> rusqlite::Result<Retried> {
    let (subject, due) = (waiting.subject.as_str(), millis(due));
    db.execute(
        "INSERT INTO dead_letters (at, kind, what, content, reason)
         SELECT ?3, 'look', tenant || ' ' || subject,
                COALESCE(?5, CASE WHEN generation = ?6 THEN first END, ''), ?4
         FROM looks WHERE tenant = ?1 AND subject = ?2",
        params![tenant, subject, due, why, first, waiting.generation],
    )?;
    db.execute(
        "DELETE FROM looks WHERE tenant = ?1 AND subject = ?2 AND generation = ?3",
        params![tenant, subject, waiting.generation],
    )?;
    db.execute(
        "UPDATE looks SET signals = generation - ?3, due = ?4, settling = 0, attempts = 0,
                claimed = NULL, leased_until = NULL
         WHERE tenant = ?1 AND subject = ?2",
        params![tenant, subject, waiting.generation, due],
    )
    .map(|_| Retried::Buried)
}
