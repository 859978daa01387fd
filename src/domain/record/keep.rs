//! How long records are kept: which of them may go.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::outline::{CaseKey, Outline};
use crate::domain::case::Case;

/// What decides about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number in the chain.
    pub sequence: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The case it is of.
    pub case: CaseKey,
    /// Whether anything in the case stood afterwards, or was under way.
    pub stands: bool,
}

impl Kept {
    /// What decides about the record of this text; nothing where that is no record, which is kept.
    pub fn of(sequence: u64, record: &str) -> Option<Self> {
        let outline = Outline::of(record)?;
        let (case, stands) = (outline.case_key(), outline.stands());
        Some(Self { sequence, at: outline.at, case, stands })
    }
}

/// The records of one tenant that may go: those of cases of which nothing stands any more, and whose
/// last record was written before `before`. A case goes as a whole, so that none is told in half.
///
/// `records` are all there are of the tenant, in their order; `cases` those that the ledger holds.
pub fn prunable(records: &[Kept], cases: &[Case], before: Timestamp) -> BTreeSet<u64> {
    let mut last: BTreeMap<&CaseKey, &Kept> = BTreeMap::new();
    for record in records {
        last.insert(&record.case, record);
    }
    let standing: BTreeSet<CaseKey> =
        cases.iter().filter(|case| case.stands()).map(CaseKey::of).collect();
    last.retain(|case, last| !last.stands && last.at < before && !standing.contains(case));
    let gone = records.iter().filter(|record| last.contains_key(&record.case));
    gone.map(|record| record.sequence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::Record;
    use crate::domain::record::testing::{hours, record, text};

    fn prunable_of(records: &[Record], cases: &[Case], before: i64) -> Vec<u64> {
        let kept: Vec<Kept> =
            (1..).zip(records).filter_map(|(n, record)| Kept::of(n, &text(record))).collect();
        assert_eq!(kept.len(), records.len());
        prunable(&kept, cases, hours(before)).into_iter().collect()
    }

    #[test]
    fn a_closed_case_goes_as_a_whole_once_its_last_record_is_old() {
        let records = [
            record(0, "Contoso Reseller", true),
            record(1, "Fabrikam", true),
            record(5, "Contoso Reseller", false),
        ];
        assert_eq!(prunable_of(&records, &[], 5), [0; 0]);
        assert_eq!(prunable_of(&records, &[], 6), [1, 3]);
    }

    #[test]
    fn what_stands_is_kept_for_ever() {
        let open = record(0, "Contoso Reseller", true);
        assert_eq!(prunable_of(std::slice::from_ref(&open), &[], 9_000), [0; 0]);
        // The ledger knows that it is open again, or that something is under way.
        let closed = record(1, "Contoso Reseller", false);
        let records = [open.clone(), closed.clone()];
        assert_eq!(prunable_of(&records, std::slice::from_ref(&open.case), 9_000), [0; 0]);
        let begun = Case { begun: true, ..closed.case.clone() };
        assert_eq!(prunable_of(&records, &[begun], 9_000), [0; 0]);
        // What is only recorded and stands is kept too.
        let mut quiet = closed.clone();
        (quiet.case.rows[0].open, quiet.case.rows[0].quiet) = (true, true);
        assert_eq!(prunable_of(&[open.clone(), quiet], &[], 9_000), [0; 0]);
        // A later case about the same partner keeps only itself.
        let again = Case { episode: 1, ..open.case };
        assert_eq!(prunable_of(&records, &[again, closed.case], 9_000), [1, 2]);
    }
}
