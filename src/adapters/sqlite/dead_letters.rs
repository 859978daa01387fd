//! What was given up, and the way back.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::Value;

use super::{Sqlite, millis, optional, timestamp};
use crate::domain::id::TenantId;
use crate::ports::{DeadLetter, DeadLetters, Kind, PortError, Redriven};

#[async_trait]
impl DeadLetters for Sqlite {
    async fn dead_letters(&self) -> Result<Vec<DeadLetter>, PortError> {
        self.run(|db| {
            let mut statement = db.prepare(
                "SELECT number, at, kind, what, reason FROM dead_letters ORDER BY number",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(DeadLetter {
                    number: row.get(0)?,
                    at: timestamp(row.get(1)?),
                    kind: kind(&row.get::<_, String>(2)?),
                    what: row.get(3)?,
                    reason: row.get(4)?,
                })
            })?;
            rows.collect()
        })
        .await
    }

    async fn redrive(&self, number: i64, now: Timestamp) -> Result<Redriven, PortError> {
        self.run(move |db| {
            let found = db.query_row(
                "SELECT kind, what, content FROM dead_letters WHERE number = ?1",
                [number],
                |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)),
            );
            let Some((of, what, content)) = optional(found)? else {
                return Ok(Redriven::Absent);
            };
            let (what, content): (String, String) = (what, content);
            let put_back = match kind(&of) {
                Kind::Look => look(db, &what, &content, now)?,
                Kind::Ticket => ticket(db, &what, &content, now)?,
            };
            if !put_back {
                return Ok(Redriven::Unreadable);
            }
            db.execute("DELETE FROM dead_letters WHERE number = ?1", [number])?;
            Ok(Redriven::PutBack)
        })
        .await
    }
}

fn kind(text: &str) -> Kind {
    if text == "ticket" { Kind::Ticket } else { Kind::Look }
}

/// A look joins what already waits of its subject.
fn look(db: &Connection, what: &str, content: &str, now: Timestamp) -> rusqlite::Result<bool> {
    let Some((tenant, subject)) = what.split_once(' ') else { return Ok(false) };
    if tenant.parse::<TenantId>().is_err() || subject.is_empty() {
        return Ok(false);
    }
    let first = Some(content).filter(|content| !content.is_empty());
    db.execute(
        "INSERT INTO looks VALUES (?1, ?2, ?3, 1, 1, 0, 1, 0, ?4, NULL, NULL)
         ON CONFLICT (tenant, subject) DO UPDATE SET
            generation = generation + 1, signals = signals + 1, due = MIN(due, excluded.due),
            first = COALESCE(first, excluded.first)",
        params![tenant, subject, millis(now), first],
    )?;
    Ok(true)
}

/// A message goes back with the id it had, so that a sink that has it already knows it again.
fn ticket(db: &Connection, what: &str, body: &str, now: Timestamp) -> rusqlite::Result<bool> {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let key = json.as_ref().and_then(|json| json.pointer("/data/key")).and_then(Value::as_str);
    let (Some((sink, id)), Some(key)) = (what.split_once(' '), key) else { return Ok(false) };
    db.execute(
        "INSERT INTO outbox (sink, ticket, id, body, due, attempts) VALUES (?1, ?2, ?3, ?4, ?5, 0)
         ON CONFLICT (id) DO NOTHING",
        params![sink, key, id, body, millis(now)],
    )?;
    Ok(true)
}
