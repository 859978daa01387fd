//! The outbox: messages that wait until their sink has taken them.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{Sqlite, json, millis, timestamp};
use crate::domain::id::SinkName;
use crate::domain::ticket::Message;
use crate::ports::{Delivery, Outbox, PortError};

/// Most messages handed out at once.
const DUE_MAX: i64 = 100;

/// Writes a message down. One that is there already is the same one.
pub(super) fn put(db: &Connection, message: &Message) -> rusqlite::Result<()> {
    let sink = message.sink.as_ref().map_or("", |sink| sink.0.as_str());
    insert(db, sink, &message.data.key, &message.id, &json(message)?, message.timestamp)
}

fn insert(
    db: &Connection,
    sink: &str,
    ticket: &str,
    id: &str,
    body: &str,
    due: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO outbox (sink, ticket, id, body, due, attempts) VALUES (?1, ?2, ?3, ?4, ?5, 0)
         ON CONFLICT (id) DO NOTHING",
    )?
    .execute(params![sink, ticket, id, body, millis(due)])
    .map(drop)
}

#[async_trait]
impl Outbox for Sqlite {
    async fn due(&self, now: Timestamp) -> Result<Vec<Delivery>, PortError> {
        self.run(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT number, sink, ticket, id, body, attempts, EXISTS (
                     SELECT 1 FROM outbox AS later WHERE later.sink = outbox.sink
                     AND later.ticket = outbox.ticket AND later.number > outbox.number)
                 FROM outbox
                 WHERE due <= ?1
                   AND number IN (SELECT MIN(number) FROM outbox GROUP BY sink, ticket)
                 ORDER BY number LIMIT ?2",
            )?;
            let rows = statement.query_map([millis(now), DUE_MAX], |row| {
                Ok(Delivery {
                    number: row.get(0)?,
                    sink: SinkName(row.get(1)?),
                    ticket: row.get(2)?,
                    id: row.get(3)?,
                    body: row.get(4)?,
                    attempts: row.get(5)?,
                    more: row.get(6)?,
                })
            })?;
            rows.collect()
        })
        .await
    }

    async fn delivered(&self, delivery: &Delivery) -> Result<(), PortError> {
        let number = delivery.number;
        self.run(move |db| db.execute("DELETE FROM outbox WHERE number = ?1", [number]).map(drop))
            .await
    }

    async fn failed(
        &self,
        delivery: &Delivery,
        due: Option<Timestamp>,
        why: &str,
    ) -> Result<(), PortError> {
        let (number, why) = (delivery.number, why.to_owned());
        self.run(move |db| {
            let Some(due) = due else { return bury(db, number, &why) };
            db.execute(
                "UPDATE outbox SET attempts = attempts + 1, due = ?2 WHERE number = ?1",
                params![number, millis(due)],
            )
            .map(drop)
        })
        .await
    }

    async fn put_off(&self, delivery: &Delivery, due: Timestamp) -> Result<(), PortError> {
        let number = delivery.number;
        self.run(move |db| {
            db.execute("UPDATE outbox SET due = ?2 WHERE number = ?1", params![number, millis(due)])
                .map(drop)
        })
        .await
    }

    async fn pass_on(&self, delivery: &Delivery, due: Timestamp) -> Result<(), PortError> {
        let it = delivery.clone();
        self.run(move |db| insert(db, &it.sink.0, &it.ticket, &it.id, &it.body, due)).await
    }

    async fn next_delivery(&self) -> Result<Option<Timestamp>, PortError> {
        self.run(|db| {
            db.query_row(
                "SELECT MIN(due) FROM outbox
                 WHERE number IN (SELECT MIN(number) FROM outbox GROUP BY sink, ticket)",
                [],
                |row| row.get::<_, Option<i64>>(0),
            )
        })
        .await
        .map(|due| due.map(timestamp))
    }
}

fn bury(db: &Connection, number: i64, why: &str) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO dead_letters (at, kind, what, content, reason)
         SELECT due, 'ticket', sink || ' ' || id, body, ?2 FROM outbox WHERE number = ?1",
        params![number, why],
    )?;
    db.execute("DELETE FROM outbox WHERE number = ?1", [number]).map(drop)
}
