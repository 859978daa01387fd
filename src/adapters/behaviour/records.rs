//! Records: read back as they were written, and removed once they were kept long enough.

use super::ledger::{case, conclusion};
use super::{Given, Store, at, tenant};
use crate::domain::case::Case;
use crate::domain::finding::testing::{CONTOSO, STRANGER, WOODGROVE};
use crate::domain::plan::StepState;
use crate::domain::record::chain::{Check, Entry, Proven, check};
use crate::ports::{Chain, Ledger as _, PruneRecords as _};

/// A case about a partner of Woodgrove's of which something stands, or nothing any more.
fn case_of(partner: &str, stands: bool) -> Case {
    let mut case = case(StepState::Revoked);
    case.partner.id = Some(partner.parse().unwrap());
    case.rows.iter_mut().for_each(|row| row.open = stands);
    case
}

impl<S: Store> Given<S> {
    async fn written(&self, partner: &str, stands: bool, seconds: i64) {
        self.store.conclude(conclusion(case_of(partner, stands), seconds)).await.unwrap();
    }

    /// The chain with Woodgrove's records, page by page.
    async fn read(&self) -> (Chain, Vec<Entry>) {
        let reader = self.at_hand.reader().await;
        let [chain]: [Chain; 1] = reader.chains().await.unwrap().try_into().unwrap();
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let behind = entries.last().map_or(0, |entry| entry.sequence);
            let page = reader.page(&chain.name, behind, None).await.unwrap();
            if page.is_empty() {
                return (chain, entries);
            }
            entries.extend(page);
        }
    }

    async fn proven(&self) -> Proven {
        let (chain, entries) = self.read().await;
        let mut check = Check::new(chain.from, None);
        for entry in &entries {
            check.take(entry).unwrap();
        }
        check.end(chain.head.as_ref()).unwrap()
    }

    async fn prune(&self, seconds: i64) -> u64 {
        self.store.prune(tenant(WOODGROVE), at(seconds)).await.unwrap()
    }
}

pub(in crate::adapters) async fn what_was_written_is_read_back_byte_for_byte<S: Store>() {
    let given = Given::<S>::new().await;
    for number in 0..230 {
        given.written(CONTOSO, number % 2 == 0, number).await;
    }
    let (_, chain) = given.at_hand.chain(tenant(WOODGROVE)).await;
    let (header, read) = given.read().await;
    assert_eq!(read.len(), 230);
    assert_eq!(read, chain);
    let proven = check(header.from, &read, None).unwrap();
    assert_eq!((proven.records, header.head.unwrap().sequence), (230, 230));
    let reader = given.at_hand.reader().await;
    let late = reader.page(&header.name, 0, Some(at(227))).await.unwrap();
    assert_eq!(late, read[227..]);
    assert!(reader.page("no such chain", 0, None).await.is_err());
}

pub(in crate::adapters) async fn a_record_is_found_by_its_name<S: Store>() {
    let given = Given::<S>::new().await;
    for number in 0..3 {
        given.written(CONTOSO, true, number).await;
    }
    let (header, read) = given.read().await;
    let reader = given.at_hand.reader().await;
    let found = reader.find(&read[1].id).await.unwrap();
    assert_eq!(found, Some((header.name, read[1].clone())));
    assert_eq!(reader.find("rec-000000000000").await.unwrap(), None);
}

pub(in crate::adapters) async fn what_was_kept_long_enough_goes_and_the_chain_is_proven_from_there<
    S: Store,
>() {
    let given = Given::<S>::new().await;
    given.written(CONTOSO, true, 0).await;
    given.written(CONTOSO, false, 1).await;
    given.written(STRANGER, true, 2).await;
    given.written("66666666-6666-4666-8666-666666666666", false, 3).await;
    given.written(STRANGER, true, 4).await;
    let whole = given.proven().await;
    assert_eq!(given.prune(1).await, 0, "the last record of the case is not old");
    assert_eq!(given.proven().await, whole);
    assert_eq!(given.prune(4).await, 3);
    // What began the chain is gone; of what stands between others the digest stays.
    let proven = given.proven().await;
    assert_eq!((proven.from.sequence, proven.records, proven.digests_only), (2, 3, 1));
    assert_eq!(proven.head, whole.head);
    let (_, read) = given.read().await;
    let left: Vec<(u64, bool)> =
        read.iter().map(|entry| (entry.sequence, entry.record.is_some())).collect();
    assert_eq!(left, [(3, true), (4, false), (5, true)]);
    assert_eq!(given.prune(4).await, 0, "there is nothing more to remove");
    // Once the case in between is closed and old too, all goes but the last record, which the next
    // one is linked to.
    given.written(STRANGER, false, 5).await;
    assert_eq!(given.prune(6).await, 3);
    let given = given.after_a_crash().await;
    let proven = given.proven().await;
    assert_eq!((proven.from.sequence, proven.records, proven.last), (5, 1, 6));
    given.written(CONTOSO, true, 7).await;
    let proven = given.proven().await;
    assert_eq!((proven.from.sequence, proven.records, proven.last), (5, 2, 7));
    let (anchor, chain) = given.at_hand.chain(tenant(WOODGROVE)).await;
    assert_eq!(check(anchor, &chain, None).unwrap(), proven);
}

pub(in crate::adapters) async fn what_stands_is_never_removed<S: Store>() {
    let given = Given::<S>::new().await;
    given.written(CONTOSO, true, 0).await;
    assert_eq!(given.prune(9_000).await, 0);
    given.written(CONTOSO, false, 1).await;
    // Something is under way again, and no record tells of it yet.
    let begun = Case { begun: true, ..case_of(CONTOSO, true) };
    given.store.intend(&[], &[begun], at(2), at(300)).await.unwrap();
    assert_eq!(given.prune(9_000).await, 0);
    let proven = given.proven().await;
    assert_eq!((proven.from.sequence, proven.records, proven.digests_only), (0, 2, 0));
    // Another tenant's are none of this one's business.
    given.store.conclude(conclusion(case_of(CONTOSO, false), 3)).await.unwrap();
    assert_eq!(given.store.prune(tenant(STRANGER), at(9_000)).await.unwrap(), 0);
    assert_eq!(given.prune(9_000).await, 3);
}
