//! The embedded store: queue, ledger and outbox in one SQLite file.
//!
//! One thread owns the connection. Whatever asks while it is busy is done together in the next
//! transaction, so that concurrent requests share one commit to the disk.

mod dead_letters;
mod ledger;
mod marks;
mod outbox;
mod past;
mod proposals;
mod queue;
mod records;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::ports::{Failure, PortError};

pub use self::past::past;
pub use self::records::SqliteRecords;

/// Most requests that share one commit.
const TOGETHER_MAX: usize = 512;

/// The form of the tables; a file of a later form is refused.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE looks (
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    due INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    signals INTEGER NOT NULL,
    settling INTEGER NOT NULL,
    settles INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first TEXT,
    claimed INTEGER,
    leased_until INTEGER,
    PRIMARY KEY (tenant, subject)
) WITHOUT ROWID;
CREATE INDEX looks_due ON looks (due);
CREATE TABLE steps (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    partner TEXT NOT NULL,
    grant_key TEXT NOT NULL,
    episode INTEGER NOT NULL,
    state TEXT NOT NULL,
    step TEXT NOT NULL,
    intended_at INTEGER NOT NULL,
    acted_at INTEGER,
    outcome TEXT,
    verify_due INTEGER,
    verify_attempt INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX steps_tenant ON steps (tenant, grant_key, episode);
CREATE INDEX steps_due ON steps (verify_due) WHERE verify_due IS NOT NULL;
CREATE TABLE cases (
    tenant TEXT NOT NULL,
    partner TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (tenant, partner)
) WITHOUT ROWID;
CREATE TABLE records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    record TEXT NOT NULL,
    previous TEXT NOT NULL,
    link TEXT NOT NULL
);
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    ticket TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL
);
CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    content TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
";

/// Tables that came later. A version that does not know them leaves them alone, so the form of
/// the file stays the same.
const ADDITIONS: &str = "
CREATE TABLE IF NOT EXISTS attempts (
    step TEXT NOT NULL,
    at INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    PRIMARY KEY (step, at)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS attempts_tenant ON attempts (tenant, at);
CREATE TABLE IF NOT EXISTS tenant_marks (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heard (
    tenant TEXT NOT NULL,
    sender TEXT NOT NULL,
    event TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, sender, event)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proposals (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    partner TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    question TEXT NOT NULL,
    decisions TEXT NOT NULL,
    begun_at INTEGER,
    void TEXT,
    revision INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS proposals_tenant ON proposals (tenant, asked_at);
CREATE TABLE IF NOT EXISTS pruned_records (
    sequence INTEGER PRIMARY KEY,
    digest TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS record_anchor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    sequence INTEGER NOT NULL,
    link TEXT NOT NULL
);
";

/// A handle on the store. Clones share the one connection.
#[derive(Clone)]
pub struct Sqlite {
    running: Arc<Running>,
    path: Arc<Path>,
}

/// The thread that owns the connection. It ends, and the file is free, when the last handle is
/// dropped.
struct Running {
    jobs: Option<mpsc::UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // Whoever opens the file next must find it closed. A panic of the thread was told
            // where it happened.
            drop(thread.join());
        }
    }
}

/// Something to do inside the common transaction; where there is none, nothing is done.
type Job = Box<dyn FnOnce(Option<&Connection>) -> Answer + Send>;

struct Answer {
    done: bool,
    tell: Tell,
}

/// Tells whoever asked, once it is known whether all was committed.
type Tell = Box<dyn FnOnce(Result<(), &rusqlite::Error>) + Send>;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder cannot be used.
    #[error("cannot use {}: check that the folder exists and may be written to", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by another partner-warden; stop that one first, or give this one a \
             store of its own", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// It is no database of ours.
    #[error("{} cannot be opened as a store", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// It was written by a later version.
    #[error("{} was written by a later version (form {found}, this one reads up to \
             {SCHEMA_VERSION}); install that version again", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: i64,
    },
}

impl Sqlite {
    /// Opens the store, or makes a new one.
    ///
    /// It is locked against a second process. Whatever a former process had claimed and not
    /// completed is free again.
    ///
    /// # Errors
    /// [`OpenError`]; each says what to do.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let database = |source| OpenError::Database { path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(database)?;
        let form = prepare(&connection).map_err(database)?;
        if form > SCHEMA_VERSION {
            return Err(OpenError::Newer { path: path.to_owned(), found: form });
        }
        let (jobs, waiting) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                serve(&connection, waiting);
                // The next process may come once the file is closed.
                drop(connection);
                drop(lock);
            })
            .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let running = Running { jobs: Some(jobs), thread: Some(thread) };
        Ok(Self { running: Arc::new(running), path: path.into() })
    }

    /// Does something to the database in a transaction. Durable when this returns.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, PortError> {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = connection.map(job);
            let done = matches!(result, Some(Ok(_)));
            let tell = Box::new(move |committed: Result<(), &rusqlite::Error>| {
                let result = match (result, committed) {
                    (Some(Ok(value)), Ok(())) => Ok(value),
                    (Some(Err(error)), _) => Err(store_error(error)),
                    (_, Err(error)) => {
                        Err(PortError::new(Failure::Transient, format!("the store: {error}")))
                    }
                    (None, Ok(())) => {
                        Err(PortError::new(Failure::Transient, "the store: no transaction"))
                    }
                };
                // Whoever asked may have gone away; the work is done all the same.
                drop(sender.send(result));
            });
            Answer { done, tell }
        });
        let stopped = || PortError::new(Failure::Transient, "the store has stopped");
        let jobs = self.running.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| OpenError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse { path }),
        Err(std::fs::TryLockError::Error(source)) => Err(OpenError::File { path, source }),
    }
}

/// Sets the connection up and returns the form of the file.
fn prepare(db: &Connection) -> rusqlite::Result<i64> {
    // FULL makes a commit survive a power cut, which is what a 202 promises.
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
    )?;
    let form: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if form == 0 {
        db.execute_batch(&format!(
            "BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        ))?;
    }
    if form <= SCHEMA_VERSION {
        db.execute_batch(ADDITIONS)?;
        db.execute_batch(
            "UPDATE looks SET claimed = NULL, leased_until = NULL;
             UPDATE steps SET verify_due = 0 WHERE state = 'intended';",
        )?;
    }
    Ok(form)
}

fn serve(db: &Connection, mut waiting: mpsc::UnboundedReceiver<Job>) {
    while let Some(first) = waiting.blocking_recv() {
        let more = std::iter::from_fn(|| waiting.try_recv().ok());
        let jobs: Vec<Job> = std::iter::once(first).chain(more).take(TOGETHER_MAX).collect();
        let begun = db.execute_batch("BEGIN IMMEDIATE");
        let answers: Vec<Answer> = jobs.into_iter().map(|job| one(db, job)).collect();
        let committed = begun.and_then(|()| db.execute_batch("COMMIT"));
        if committed.is_err() && !db.is_autocommit() {
            // What is left of the transaction must not leak into the next one. If even this
            // fails, the next BEGIN says so.
            drop(db.execute_batch("ROLLBACK"));
        }
        for answer in answers {
            (answer.tell)(committed.as_ref().map(drop));
        }
    }
}

/// One request inside the common transaction: what fails leaves no trace.
fn one(db: &Connection, job: Job) -> Answer {
    if db.is_autocommit() {
        // There was no BEGIN, or an error such as a full disk has undone the transaction. What
        // was done now would stay done, though whoever asked is told that it failed.
        return job(None);
    }
    let begun = db.execute_batch("SAVEPOINT job");
    let answer = job(begun.is_ok().then_some(db));
    let ended = if answer.done {
        db.execute_batch("RELEASE job")
    } else {
        db.execute_batch("ROLLBACK TO job; RELEASE job")
    };
    match begun.and(ended) {
        Ok(()) => answer,
        Err(error) => Answer { done: false, tell: Box::new(move |_| (answer.tell)(Err(&error))) },
    }
}

fn store_error(error: rusqlite::Error) -> PortError {
    PortError::new(Failure::Transient, "the store failed").because(error)
}

fn optional<T>(result: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(error),
    }
}

fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A value as it is stored.
fn json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

/// A value as it was stored.
fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(unreadable)
}

/// A value that is written as one word, such as an id.
fn from_text<T: serde::de::DeserializeOwned>(text: String) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::String(text)).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> rusqlite::Error {
    let kind = rusqlite::types::Type::Text;
    rusqlite::Error::FromSqlConversionFailure(0, kind, Box::new(error))
}
