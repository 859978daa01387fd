//! What the store and the simulated tenant prove about a run, read from outside.

use jiff::{SignedDuration, Timestamp};
use partner_warden::domain::approval::Question;
use partner_warden::domain::id::Sha256Hex;
use partner_warden::domain::plan::StepState;
use partner_warden::domain::record::Record;
use partner_warden::sim::{Call, Deletion};
use rusqlite::{Connection, OpenFlags, ToSql};
use serde_json::Value;

use crate::harness::{Town, is_of_a_look, kinds};

/// A row of the queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) subject: String,
    pub(crate) signals: i64,
    pub(crate) settling: bool,
    /// When it is due, in milliseconds since 1970.
    pub(crate) due: i64,
}

impl Town {
    fn open(&self) -> Connection {
        let path = self.folder.path().join("store.db");
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// The size of the store in bytes, wherever its pages are written.
    pub(crate) fn store_size(&self) -> u64 {
        let store = self.open();
        let pragma = |name| store.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
        u64::from(pragma("page_count").unwrap()) * u64::from(pragma("page_size").unwrap())
    }

    /// What waits to be looked at.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let store = self.open();
        let mut statement =
            store.prepare("SELECT subject, signals, settling, due FROM looks").unwrap();
        let rows = statement.query_map([], |row| {
            Ok(Waiting {
                subject: row.get(0)?,
                signals: row.get(1)?,
                settling: row.get(2)?,
                due: row.get(3)?,
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Lets time pass for what the store holds: everything in it was so long ago, and whatever waits
    /// is due so much sooner. No `serve` may be running.
    pub(crate) fn time_passes(&self, by: SignedDuration) {
        let db = Connection::open(self.folder.path().join("store.db")).unwrap();
        let changed = |statement: &str, value: &dyn ToSql| {
            db.execute(statement, rusqlite::params![value]).unwrap()
        };
        let by_millis = i64::try_from(by.as_millis()).unwrap();
        changed("UPDATE looks SET due = due - ?1", &by_millis);
        changed(
            "UPDATE steps SET intended_at = intended_at - ?1, acted_at = acted_at - ?1,
                verify_due = verify_due - ?1",
            &by_millis,
        );
        let all = |query: &str| -> Vec<(String, String)> {
            let mut statement = db.prepare(query).unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            rows.map(Result::unwrap).collect()
        };
        changed("UPDATE proposals SET asked_at = asked_at - ?1", &by_millis);
        for (id, question) in all("SELECT id, question FROM proposals") {
            let mut question: Question = serde_json::from_str(&question).unwrap();
            question.asked_at -= by;
            question.expires_at -= by;
            let question = serde_json::to_string(&question).unwrap();
            db.execute("UPDATE proposals SET question = ?2 WHERE id = ?1", [&id, &question])
                .unwrap();
        }
        for (tenant, at) in
            all("SELECT tenant, value FROM tenant_marks WHERE name = 'revocation-limit'")
        {
            let at = (at.parse::<Timestamp>().unwrap() - by).to_string();
            let put = "UPDATE tenant_marks SET value = ?2
                       WHERE tenant = ?1 AND name = 'revocation-limit'";
            db.execute(put, [&tenant, &at]).unwrap();
        }
    }

    /// How often Woodgrove, the only tenant, was looked at.
    pub(crate) fn looks(&self) -> usize {
        self.sim.calls().iter().filter(|call| is_of_a_look(call)).count()
    }

    /// Everybody was told the truth, once, in order, and nothing is left to do. For a town whose
    /// process was stopped.
    ///
    /// `stale` is how often the tenant may list what is deleted already.
    pub(crate) async fn all_is_well(&self, stale: usize) {
        assert_eq!(self.waiting(), [], "a signal is left");
        self.each_was_deleted_once(stale);
        let records = self.records().await;
        let messages = self.sim.deliveries("security").into_iter();
        let messages: Vec<Value> = messages.map(|delivery| delivery.body).collect();
        told_once(&messages);
        for message in &messages {
            let record = message["data"]["record"].as_str().unwrap();
            assert!(records.iter().any(|known| known.id == record), "no record {record}");
        }
        self.tells_the_truth(records.last().unwrap());
    }

    fn each_was_deleted_once(&self, stale: usize) {
        let calls = self.sim.calls();
        let mut gone: Vec<Sha256Hex> = Vec::new();
        for deletion in self.sim.deletions() {
            let key = Sha256Hex::of(deletion.assignment_id.as_bytes());
            assert!(!gone.contains(&key), "deleted twice: {deletion:?}");
            gone.push(key);
            let again = deletes(&calls, &deletion.assignment_id)
                .filter(|call| call.sequence > deletion.call)
                .count();
            assert!(again <= stale, "{again} requests to delete again: {deletion:?}");
        }
    }

    /// The last record of a case says of each step what happened to it.
    fn tells_the_truth(&self, record: &Record) {
        let case = &record.case;
        assert!(!case.is_open(), "{case:#?}");
        let (calls, deletions) = (self.sim.calls(), self.sim.deletions());
        let steps = case.rows.iter().filter_map(|row| Some((row, row.step.as_ref()?)));
        let mut told = 0;
        for (row, step) in steps {
            let grant = row.findings.first().map(|found| found.grant.as_ref().unwrap());
            let Some(grant) = grant else {
                assert_eq!(step.state, StepState::Verified, "{step:?}");
                assert!(step.verified_at.is_some(), "{step:?}");
                continue;
            };
            let assignment = &grant.assignment().unwrap().0;
            let answered = deletes(&calls, assignment).any(|call| call.status.is_some());
            assert_eq!(step.state, StepState::Verified, "{step:?}");
            assert!(step.verified_at.is_some(), "{step:?}");
            let known = (step.request_id.is_some(), step.acted_at.is_some());
            assert_eq!(known, (answered, answered), "Graph answered {answered}, and {step:?}");
            let is_it = |deletion: &Deletion| deletion.assignment_id == *assignment;
            told += usize::from(deletions.iter().any(is_it));
        }
        assert_eq!(told, deletions.len(), "{case:#?}");
    }
}

fn deletes<'a>(calls: &'a [Call], assignment: &'a str) -> impl Iterator<Item = &'a Call> {
    calls.iter().filter(move |call| call.method == "DELETE" && call.path.ends_with(assignment))
}

/// One ticket was opened once, and closed last and once.
pub(crate) fn told_once(messages: &[Value]) {
    let kinds = kinds(messages);
    let count = |kind| kinds.iter().filter(|other| **other == kind).count();
    assert_eq!((kinds.first(), count("ticket.opened")), (Some(&"ticket.opened"), 1), "{kinds:?}");
    assert_eq!((kinds.last(), count("ticket.closed")), (Some(&"ticket.closed"), 1), "{kinds:?}");
    let key = &messages[0]["data"]["key"];
    assert!(messages.iter().all(|message| message["data"]["key"] == *key), "{messages:#?}");
}
