//! Which ticket is where.

use async_trait::async_trait;
use rusqlite::params;

use super::{Sqlite, from_json, json, optional};
use crate::domain::id::SinkName;
use crate::domain::ticket::link::Link;
use crate::domain::ticket::said::TicketKey;
use crate::ports::PortError;
use crate::ports::ticket::TicketLinks;

#[async_trait]
impl TicketLinks for Sqlite {
    async fn link(&self, key: &TicketKey) -> Result<Option<Link>, PortError> {
        let key = key.0.clone();
        self.run(move |db| {
            let mut statement =
                db.prepare_cached("SELECT link, revision FROM links WHERE key = ?1")?;
            optional(statement.query_row([key], |row| {
                let link: Link = from_json(&row.get::<_, String>(0)?)?;
                Ok(Link { revision: row.get(1)?, ..link })
            }))
        })
        .await
    }

    async fn put_link(&self, link: &Link) -> Result<Option<i64>, PortError> {
        let link = link.clone();
        self.run(move |db| {
            let id = link.at.as_ref().map(|at| at.id.as_str());
            let text = json(&link)?;
            let next = link.revision + 1;
            let values = params![link.key.0, link.sink.0, id, text, link.revision, next];
            let changed = if link.revision == 0 {
                db.prepare_cached(
                    "INSERT INTO links (key, sink, id, link, revision)
                     SELECT ?1, ?2, ?3, ?4, ?6 WHERE ?5 = 0
                     ON CONFLICT (key) DO NOTHING",
                )?
                .execute(values)?
            } else {
                db.prepare_cached(
                    "UPDATE links SET sink = ?2, id = ?3, link = ?4, revision = ?6
                     WHERE key = ?1 AND revision = ?5",
                )?
                .execute(values)?
            };
            Ok((changed > 0).then_some(next))
        })
        .await
    }

    async fn key_of(&self, sink: &SinkName, id: &str) -> Result<Option<TicketKey>, PortError> {
        let (sink, id) = (sink.0.clone(), id.to_owned());
        self.run(move |db| {
            let mut statement =
                db.prepare_cached("SELECT key FROM links WHERE sink = ?1 AND id = ?2 LIMIT 1")?;
            optional(statement.query_row([sink, id], |row| row.get(0).map(TicketKey)))
        })
        .await
    }
}
