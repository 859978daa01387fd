//! The records of a store, read beside whoever uses it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::past::read_only;
use super::{OpenError, Sqlite, millis, optional, store_error};
use crate::domain::id::Sha256Hex;
use crate::domain::record::chain::{Anchor, Entry, Head};
use crate::ports::{Chain, Failure, PortError, ReadRecords};

/// The name of the one chain of a store.
const CHAIN: &str = "store";

/// How many records are read at once.
const PAGE: i64 = 200;

/// What is read of a record.
const ENTRY: &str = "SELECT r.sequence, r.id, r.record, r.previous, r.link, p.digest
     FROM records r LEFT JOIN pruned_records p ON p.sequence = r.sequence";

/// Before a program that knows how to prune has used the store, its tables are not there.
const ENTRY_OF_OLD: &str =
    "SELECT r.sequence, r.id, r.record, r.previous, r.link, NULL FROM records r";

/// A handle on the records of a store, which reads the store as it was when it was opened.
pub struct SqliteRecords {
    db: Mutex<Connection>,
    /// Whether the store knows of records that were removed.
    prunes: bool,
}

impl SqliteRecords {
    /// Opens the store at `path`; nothing where there is none.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Option<Self>, OpenError> {
        let Some(db) = read_only(path)? else { return Ok(None) };
        let database = |source| OpenError::Database { path: path.to_owned(), source };
        // All is read of one moment, whatever is written meanwhile.
        db.execute_batch("BEGIN").map_err(database)?;
        let prunes = db.query_row(
            "SELECT COUNT(*) FROM sqlite_master WHERE name IN ('pruned_records', 'record_anchor')",
            [],
            |row| row.get::<_, i64>(0),
        );
        let prunes = prunes.map_err(database)? == 2;
        Ok(Some(Self { db: Mutex::new(db), prunes }))
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, PortError> {
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        read(&db).map_err(store_error)
    }

    fn select(&self) -> &'static str {
        if self.prunes { ENTRY } else { ENTRY_OF_OLD }
    }
}

#[async_trait]
impl ReadRecords for SqliteRecords {
    async fn chains(&self) -> Result<Vec<Chain>, PortError> {
        self.read(|db| Ok(vec![chain(db, self.prunes)?]))
    }

    async fn page(
        &self,
        chain: &str,
        behind: u64,
        since: Option<Timestamp>,
    ) -> Result<Vec<Entry>, PortError> {
        if chain != CHAIN {
            return Err(PortError::new(Failure::Gone, "the store has no chain of that name"));
        }
        let behind = i64::try_from(behind).unwrap_or(i64::MAX);
        let since = since.map_or(i64::MIN, millis);
        let select = self.select();
        let select = format!(
            "{select} WHERE r.sequence > ?1 AND r.at >= ?2 ORDER BY r.sequence LIMIT {PAGE}"
        );
        self.read(|db| {
            let mut statement = db.prepare_cached(&select)?;
            statement.query_map(params![behind, since], entry)?.collect()
        })
    }

    async fn find(&self, id: &str) -> Result<Option<(String, Entry)>, PortError> {
        let select = format!("{} WHERE r.id = ?1 ORDER BY r.sequence LIMIT 1", self.select());
        let found = self.read(|db| optional(db.query_row(&select, [id], entry)))?;
        Ok(found.map(|entry| (CHAIN.to_owned(), entry)))
    }
}

/// The store's chain: where it begins and ends.
fn chain(db: &Connection, prunes: bool) -> rusqlite::Result<Chain> {
    let anchor = if prunes {
        optional(db.query_row("SELECT sequence, link FROM record_anchor", [], |row| {
            Ok(Anchor { sequence: number(row.get(0)?), link: row.get(1)? })
        }))?
    } else {
        None
    };
    // SQLite keeps the highest number that was ever given to a record.
    let last = db.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'records'", [], |row| {
        row.get::<_, i64>(0)
    });
    let head = optional(last)?.map(|last| Head { sequence: number(last), link: None });
    Ok(Chain { name: CHAIN.to_owned(), from: anchor.unwrap_or_default(), head })
}

fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (text, pruned): (String, Option<String>) = (row.get(2)?, row.get(5)?);
    let (record, digest) = match pruned {
        Some(digest) => (None, super::from_text(digest)?),
        None => {
            let digest = Sha256Hex::of(text.as_bytes());
            (Some(text), digest)
        }
    };
    Ok(Entry {
        sequence: number(row.get(0)?),
        id: row.get(1)?,
        record,
        digest,
        previous: row.get(3)?,
        link: row.get(4)?,
    })
}

impl Sqlite {
    /// Where the chain begins, and all of it, the oldest first.
    ///
    /// # Errors
    /// [`Failure::Transient`] when the store fails.
    pub async fn chain(&self) -> Result<(Anchor, Vec<Entry>), PortError> {
        self.run(|db| {
            let mut statement = db.prepare(&format!("{ENTRY} ORDER BY r.sequence"))?;
            let entries = statement.query_map([], entry)?.collect::<rusqlite::Result<_>>()?;
            Ok((chain(db, true)?.from, entries))
        })
        .await
    }
}
