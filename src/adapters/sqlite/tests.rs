//! The store as a whole: opening it, sharing commits, and what fails leaving no trace.

mod dead_letters;
mod ledger;
mod marks;
mod queue;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::adapters::behaviour::{self, at, behaviours, tenant};
use crate::domain::finding::testing::{CONTOSO, STRANGER, WOODGROVE, noon};
use crate::domain::id::TenantId;
use crate::domain::policy::Policy;
use crate::domain::record::chain::{Anchor, Entry};
use crate::domain::roster::Roster;
use crate::domain::secret::Secret;
use crate::domain::signal::Signal;
use crate::ports::{Enqueue, Marks as _, ReadRecords, chain};
use crate::wire::audit::Whose;
use crate::wire::standard_webhooks::{Headers, WebhookSecret};
use crate::wire::{Verified, audit};

/// A store in a folder of its own.
struct Given {
    folder: TempDir,
    store: Sqlite,
}

fn given() -> Given {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
    Given { folder, store }
}

impl Given {
    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// The store as the next process finds it after a power cut: what was on the disk, opened.
    fn after_a_crash(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["store.db", "store.db-wal"] {
            std::fs::copy(self.folder.path().join(name), folder.path().join(name)).unwrap();
        }
        let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
        Self { folder, store }
    }

    async fn sql(&self, text: &'static str) {
        self.store.run(move |db| db.execute_batch(text)).await.unwrap();
    }

    async fn number(&self, query: &'static str) -> i64 {
        self.store.run(move |db| db.query_row(query, [], |row| row.get(0))).await.unwrap()
    }

    /// Kind, subject, content and reason of each.
    async fn dead_letters(&self) -> Vec<[String; 4]> {
        self.store
            .run(|db| {
                let mut statement = db.prepare(
                    "SELECT kind, what, content, reason FROM dead_letters ORDER BY number",
                )?;
                let rows = statement.query_map([], |row| {
                    Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
                })?;
                rows.collect()
            })
            .await
            .unwrap()
    }
}

#[async_trait]
impl behaviour::Store for Given {
    type Ports = Sqlite;

    async fn fresh() -> Self {
        given()
    }

    fn ports(&self) -> Arc<Sqlite> {
        Arc::new(self.store.clone())
    }

    async fn after_a_crash(&self) -> Self {
        self.after_a_crash()
    }

    async fn chain(&self, _: TenantId) -> (Anchor, Vec<Entry>) {
        self.store.chain().await.unwrap()
    }

    async fn reader(&self) -> Arc<dyn ReadRecords> {
        Arc::new(SqliteRecords::open(&self.path()).unwrap().unwrap())
    }

    async fn dead_letters(&self) -> Vec<[String; 4]> {
        self.dead_letters().await
    }
}

behaviours!(Given);

fn roster() -> Roster {
    let text = format!(
        "version: 1\ntenants:\n  - {{id: {WOODGROVE}, name: A}}\n  - {{id: {CONTOSO}, name: B}}\n  \
         - {{id: {STRANGER}, name: C}}\n"
    );
    Policy::parse(&text).unwrap().policy.roster
}

/// A signal about one object of a tenant, as a forwarder of audit events brings it.
fn signal(tenant: &str, object: &str, at: Timestamp) -> Verified<Signal> {
    let body = format!(
        r#"{{"activityDisplayName": "Add member to role", "targetResources": [{{"id": "{object}"}}]}}"#
    );
    let key = WebhookSecret::parse(&Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")).unwrap();
    let timestamp = at.as_second().to_string();
    let signature = key.sign("msg", at, body.as_bytes());
    let headers =
        Headers { id: Some("msg"), timestamp: Some(&timestamp), signature: Some(&signature) };
    let whose = Whose { tenant: Some(tenant), roster: &roster(), own_apps: &[], now: at };
    let received = audit::receive(body.as_bytes(), headers, &[key], whose).unwrap();
    received.signals.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_store_in_use_is_not_opened_twice() {
    let given = given();
    let error = Sqlite::open(&given.path()).err().unwrap();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "{}.lock is in use by another partner-warden; stop that one first, or give this one \
             a store of its own",
            given.path().display()
        )
    );
    let (path, Given { folder: _folder, store }) = (given.path(), given);
    let clone = store.clone();
    drop(store);
    assert!(matches!(Sqlite::open(&path), Err(OpenError::InUse { .. })), "a clone still has it");
    drop(clone);
    assert!(Sqlite::open(&path).is_ok(), "the last handle lets go of the file");
}

#[test]
fn what_cannot_be_opened_is_told_apart() {
    #[track_caller]
    fn check(prepare: impl FnOnce(&Path), expect: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        prepare(&path);
        let error = Sqlite::open(&path).err().unwrap();
        let kind = match &error {
            OpenError::File { .. } => "File",
            OpenError::InUse { .. } => "InUse",
            OpenError::Database { .. } => "Database",
            OpenError::Newer { .. } => "Newer",
        };
        let said = error.to_string().replace(folder.path().to_str().unwrap(), "…");
        assert_eq!(format!("{kind}: {said}"), expect);
    }
    check(
        |path| std::fs::remove_dir(path.parent().unwrap()).unwrap(),
        "File: cannot use …/store.db.lock: check that the folder exists and may be written to",
    );
    check(
        |path| {
            let diary = "This is a diary, and a long one at that.".repeat(100);
            std::fs::write(path, diary).unwrap();
        },
        "Database: …/store.db cannot be opened as a store",
    );
    check(
        |path| std::fs::create_dir(path).unwrap(),
        "Database: …/store.db cannot be opened as a store",
    );
    check(
        |path| {
            let db = Connection::open(path).unwrap();
            db.execute_batch("PRAGMA user_version = 7").unwrap();
        },
        "Newer: …/store.db was written by a later version (form 7, this one reads up to 1); \
         install that version again",
    );
}

#[tokio::test]
async fn whatever_was_answered_survives_a_crash() {
    let given = given();
    let enqueued = (0..500).map(|number| {
        let signal = signal(WOODGROVE, &format!("object {number}"), noon());
        let store = given.store.clone();
        async move { store.enqueue(vec![signal]).await }
    });
    for result in join_all(enqueued).await {
        result.unwrap();
    }
    let after = given.after_a_crash();
    assert_eq!(after.number("SELECT COUNT(*) FROM looks").await, 500);
}

/// Remembers something under a name.
async fn mark(store: &Sqlite, name: &'static str) -> Result<(), PortError> {
    store.set_mark(WOODGROVE.parse().unwrap(), name, None, "1").await.map(drop)
}

/// Has three things done in one transaction: mark a set, whatever `middle` is, mark b set. Says
/// how each of them ended, and which marks are there afterwards.
async fn together(
    given: &Given,
    middle: &'static str,
) -> ([Result<(), PortError>; 3], Vec<String>) {
    // What is asked while the store is busy is done together.
    let (begun, busy) = oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let job: Job = Box::new(move |_| {
        begun.send(()).unwrap();
        let _ = released.recv();
        Answer { done: true, tell: Box::new(|_| ()) }
    });
    given.store.running.jobs.as_ref().unwrap().send(job).ok().unwrap();
    busy.await.unwrap();
    let first = mark(&given.store, "a");
    let second = given.store.run(move |db| db.execute_batch(middle));
    let third = mark(&given.store, "b");
    let (first, second, third, ()) =
        tokio::join!(biased; first, second, third, async { drop(release) });
    let marks = given.store.run(|db| {
        let mut statement = db.prepare("SELECT name FROM tenant_marks ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?;
        names.collect()
    });
    ([first, second, third], marks.await.unwrap())
}

#[tokio::test]
async fn what_fails_leaves_the_work_of_others_in_place() {
    let given = given();
    let middle = "INSERT INTO marks VALUES ('half', 1); INSERT INTO nowhere VALUES (1);";
    let ([first, second, third], marks) = together(&given, middle).await;
    assert!(first.is_ok() && third.is_ok());
    let error = second.unwrap_err();
    assert_eq!((error.kind, error.said.as_str()), (Failure::Transient, "the store failed"));
    assert!(error.source().is_some());
    assert_eq!(marks, ["a", "b"]);
}

#[tokio::test]
async fn what_is_said_to_have_failed_was_not_done() {
    let given = given();
    // A full disk ends a transaction the same way: all of it is rolled back on the spot.
    given
        .sql(
            "CREATE TRIGGER full BEFORE INSERT ON outbox
               BEGIN SELECT RAISE(ROLLBACK, 'the disk is full'); END",
        )
        .await;
    let middle = "INSERT INTO outbox VALUES (1, '', '', '', '', 0, 0)";
    let ([first, second, third], marks) = together(&given, middle).await;
    assert_eq!(first.unwrap_err().kind, Failure::Transient);
    let second = chain(&second.unwrap_err());
    assert!(second.starts_with("the store failed: the disk is full"), "{second}");
    assert_eq!(third.unwrap_err().kind, Failure::Transient);
    assert_eq!(marks, [""; 0]);
    mark(&given.store, "c").await.unwrap();
    assert_eq!(given.number("SELECT COUNT(*) FROM tenant_marks").await, 1, "the store goes on");
}

#[tokio::test]
async fn nothing_is_begun_outside_a_transaction() {
    let given = given();
    given.sql("PRAGMA busy_timeout = 0").await;
    let other = Connection::open(given.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&begun);
    let job = given.store.run(move |_| {
        seen.store(true, Ordering::SeqCst);
        Ok(())
    });
    let error = job.await.unwrap_err();
    assert_eq!(error.kind, Failure::Transient);
    assert_eq!(error.to_string(), "the store: database is locked");
    assert!(!begun.load(Ordering::SeqCst));
    drop(other);
    mark(&given.store, "a").await.unwrap();
}
