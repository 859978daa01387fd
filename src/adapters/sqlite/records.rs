//! The records of a store, read beside whoever uses it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::past::read_only;
use super::{OpenError, Sqlite, from_json, millis, optional, store_error};
use crate::domain::case::Case;
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::record::chain::{Anchor, Entry, Head};
use crate::domain::record::keep::{Kept, prunable};
use crate::ports::{Chain, Failure, PortError, PruneRecords, ReadRecords};

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
    let (record, digest) = if let Some(digest) = pruned {
        (None, super::from_text(digest)?)
    } else {
        let digest = Sha256Hex::of(text.as_bytes());
        (Some(text), digest)
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

#[async_trait]
impl PruneRecords for Sqlite {
    async fn prune(&self, tenant: TenantId, before: Timestamp) -> Result<u64, PortError> {
        let path = self.path.clone();
        // What may go is found beside the thread that everybody waits for: it may be much to read.
        let found = tokio::task::spawn_blocking(move || kept_of(&path, tenant, before));
        let kept = found.await.map_err(|error| {
            PortError::new(Failure::Transient, "the store could not be read").because(error)
        })??;
        if kept.is_empty() {
            return Ok(0);
        }
        self.run(move |db| prune(db, tenant, &kept, before)).await
    }
}

/// What decides about a tenant's records; nothing where none of them is that old.
fn kept_of(path: &Path, tenant: TenantId, before: Timestamp) -> Result<Vec<Kept>, PortError> {
    let store = SqliteRecords::open(path).map_err(|error| {
        PortError::new(Failure::Transient, "the store could not be read").because(error)
    })?;
    let Some(store) = store else { return Ok(Vec::new()) };
    store.read(|db| {
        let old = "SELECT EXISTS (SELECT 1 FROM records WHERE at < ?1 AND record <> '')";
        if !db.query_row(old, [millis(before)], |row| row.get::<_, bool>(0))? {
            return Ok(Vec::new());
        }
        let mut statement = db
            .prepare("SELECT sequence, record FROM records WHERE record <> '' ORDER BY sequence")?;
        let rows = statement
            .query_map([], |row| Ok(Kept::of(number(row.get(0)?), &row.get::<_, String>(1)?)))?;
        let kept = rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten();
        Ok(kept.filter(|kept| kept.case.tenant == tenant).collect())
    })
}

/// Removes what may go as the cases stand now.
fn prune(
    db: &Connection,
    tenant: TenantId,
    kept: &[Kept],
    before: Timestamp,
) -> rusqlite::Result<u64> {
    let mut cases = db.prepare_cached("SELECT state FROM cases WHERE tenant = ?1")?;
    let cases = cases
        .query_map([tenant.to_string()], |row| from_json::<Case>(&row.get::<_, String>(0)?))?;
    let cases: Vec<Case> = cases.collect::<rusqlite::Result<_>>()?;
    let gone = prunable(kept, &cases, before);
    let mut removed = 0;
    // What begins the chain goes whole; the last record stays, since the next is linked to it.
    let mut statement = db.prepare(&format!("{ENTRY} ORDER BY r.sequence"))?;
    let mut rows = statement.query([])?;
    let last = db.query_row("SELECT MAX(sequence) FROM records", [], |row| row.get::<_, i64>(0))?;
    let mut anchor: Option<(i64, String)> = None;
    while let Some(row) = rows.next()? {
        let sequence: i64 = row.get(0)?;
        let was_there = row.get::<_, Option<String>>(5)?.is_none();
        if sequence == last || (was_there && !gone.contains(&number(sequence))) {
            break;
        }
        removed += u64::from(was_there);
        anchor = Some((sequence, row.get(4)?));
    }
    drop(rows);
    if let Some((sequence, link)) = &anchor {
        for table in ["records", "pruned_records"] {
            db.execute(&format!("DELETE FROM {table} WHERE sequence <= ?1"), [sequence])?;
        }
        db.execute(
            "INSERT INTO record_anchor VALUES (1, ?1, ?2)
             ON CONFLICT (one) DO UPDATE SET sequence = excluded.sequence, link = excluded.link",
            params![sequence, link],
        )?;
    }
    let behind = anchor.map_or(0, |(sequence, _)| number(sequence));
    let mut read = db.prepare(&format!("{ENTRY} WHERE r.sequence = ?1"))?;
    for sequence in gone.iter().filter(|sequence| **sequence > behind) {
        let sequence = i64::try_from(*sequence).unwrap_or(i64::MAX);
        let entry = read.query_row([sequence], entry)?;
        // Without its text a record of an earlier form cannot be proven.
        if !entry.is_sealed_by_digest() {
            continue;
        }
        db.prepare_cached("INSERT INTO pruned_records VALUES (?1, ?2)")?
            .execute(params![sequence, entry.digest.as_str()])?;
        db.prepare_cached("UPDATE records SET record = '' WHERE sequence = ?1")?
            .execute([sequence])?;
        removed += 1;
    }
    Ok(removed)
}
