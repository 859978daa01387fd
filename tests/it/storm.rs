//! Ten thousand signals about one partner are one or two looks and one ticket, in memory and
//! files that do not grow.

use futures_util::StreamExt as _;
use partner_warden::sim::{Scenario, When};
use serde_json::{Value, json};

use crate::harness::{ENFORCE, LIMIT, Town, Warden};

const ASSIGNMENTS: &str = "/roleManagement/directory/roleAssignments";

/// Connections that post at once.
const AT_ONCE: usize = 16;

/// Signals of one request, where they come in batches.
const BATCH: usize = 100;

#[derive(Clone, Copy)]
enum Sender {
    Graph,
    Audit,
}

impl Sender {
    /// A body with so many events, all about the same partner.
    fn body(self, events: usize) -> String {
        let (text, list) = match self {
            Self::Graph => (include_str!("../../events/graph/user-updated.json"), "/value/0"),
            Self::Audit => (include_str!("../../events/audit/add-member-to-role.json"), ""),
        };
        let whole: Value = serde_json::from_str(text).unwrap();
        let event = whole.pointer(list).unwrap();
        let numbered = (0..events).map(|number| {
            let mut event = event.clone();
            event["id"] = json!(format!("{number:08x}-0000-4000-8000-000000000000"));
            event
        });
        json!({"value": numbered.collect::<Vec<_>>()}).to_string()
    }

    /// Posts so many events, each alone or in batches, from many connections.
    async fn post(self, warden: &Warden, events: usize, batch: usize) {
        let body = self.body(batch);
        let posts = (0..events / batch).map(|_| async {
            match self {
                Self::Graph => warden.graph(&body).await,
                Self::Audit => warden.audit(&body).await,
            }
        });
        let mut answers = futures_util::stream::iter(posts).buffer_unordered(AT_ONCE);
        while let Some(status) = answers.next().await {
            assert_eq!(status, 202);
        }
    }
}

/// What the process holds in memory, in bytes.
fn memory(warden: &Warden) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", warden.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes * 1024
}

/// The bytes of the store's journal, which is used again from its beginning when it is full.
fn journal(town: &Town) -> u64 {
    std::fs::metadata(town.folder.path().join("store.db-wal")).unwrap().len()
}

fn woodgrove() -> Scenario {
    Scenario::woodgrove().lag_reads(0)
}

/// Most of the storm comes while the first look is under way, the rest while it settles.
async fn check(sender: Sender) {
    const MIB: u64 = 1024 * 1024;
    let town = Town::new(woodgrove(), ENFORCE).await.set("WARDEN_SETTLE_AFTER", "PT3S");
    let first = town.sim.hold("GET", ASSIGNMENTS, When::AfterEffect);
    let warden = town.serve();
    sender.post(&warden, 1000, 1).await;
    sender.post(&warden, 1000, BATCH).await;
    tokio::time::timeout(LIMIT, first.reached()).await.unwrap();
    let (memory_before, store_before) = (memory(&warden), town.store_size());

    sender.post(&warden, 1000, 1).await;
    sender.post(&warden, 6000, BATCH).await;
    assert_eq!(town.looks(), 1);
    first.release();
    town.closed_ticket().await;
    sender.post(&warden, 1000, BATCH).await;
    assert_eq!(town.looks(), 1, "posting took longer than settling");
    town.looked(2).await;

    let (memory, store, journal) = (memory(&warden), town.store_size(), journal(&town));
    assert!(memory < memory_before + 16 * MIB, "{memory_before} bytes became {memory}");
    assert!(store < store_before + MIB, "{store_before} bytes became {store}");
    assert!(journal < 8 * MIB, "a journal of {journal} bytes");

    warden.stop().await;
    assert_eq!(town.looks(), 2);
    town.all_is_well(0).await;
}

#[tokio::test]
async fn ten_thousand_notifications_are_two_looks_and_one_ticket() {
    check(Sender::Graph).await;
}

#[tokio::test]
async fn ten_thousand_audit_events_are_two_looks_and_one_ticket() {
    check(Sender::Audit).await;
}

/// A notification without resource data is signed by nobody, so that a replayed one cannot be told
/// from a new one. Nothing comes of it but looks that find nothing to do.
#[tokio::test]
async fn a_notification_replayed_a_thousand_times_is_two_looks_and_nothing_else() {
    let town = Town::new(woodgrove(), ENFORCE).await.set("WARDEN_SETTLE_AFTER", "PT3S");
    let warden = town.serve();
    Sender::Graph.post(&warden, 1, 1).await;
    let messages = town.closed_ticket().await;
    let deletes = town.deletes();
    Sender::Graph.post(&warden, 1000, 1).await;
    assert_eq!(town.looks(), 1, "posting took longer than settling");
    town.looked(2).await;
    warden.stop().await;
    assert_eq!(town.looks(), 2);
    assert_eq!(town.deletes(), deletes);
    assert_eq!(town.sim.deliveries("security").len(), messages.len());
    assert_eq!(town.next_look().await, None);
    town.all_is_well(0).await;
}

#[tokio::test]
async fn while_a_tenant_settles_its_subject_waits_and_another_is_looked_at_at_once() {
    let town = Town::new(woodgrove(), ENFORCE).await.set("WARDEN_SETTLE_AFTER", "PT2M");
    let warden = town.serve();
    Sender::Graph.post(&warden, 1, 1).await;
    town.closed_ticket().await;
    Sender::Graph.post(&warden, 500, BATCH).await;
    Sender::Audit.post(&warden, 1, 1).await;
    town.looked(2).await;
    warden.stop().await;
    assert_eq!(town.looks(), 2);
    let mut waiting = town.waiting();
    waiting.sort_by_key(|waiting| waiting.due);
    let [whole, object] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!((whole.subject.as_str(), whole.signals, whole.settling), ("tenant", 500, true));
    assert!(object.subject.starts_with("object-"), "{object:?}");
    assert_eq!((object.signals, object.settling), (0, true));
    let looks = town.records().await.into_iter().filter_map(|record| record.read_at);
    let read_at = looks.min().unwrap().as_millisecond();
    let after = whole.due - read_at;
    assert!((120_000..180_000).contains(&after), "it settles {after} ms after the look");
}
