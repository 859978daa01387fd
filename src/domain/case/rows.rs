//! What a look makes of a case: a row for each grant or finding, and for each step about no grant.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::{Outcome, Row, StepRow};
use crate::domain::finding::Finding;
use crate::domain::grant::Grant;
use crate::domain::id::Sha256Hex;
use crate::domain::plan::{Step, StepState, Verdict};

pub(super) fn rows(
    findings: Vec<Finding>,
    steps: &[Step],
    recorded: &BTreeSet<Sha256Hex>,
    outcome: impl Fn(&Step) -> Outcome,
) -> IndexMap<Sha256Hex, Row> {
    let mut rows: IndexMap<Sha256Hex, Row> = IndexMap::new();
    for finding in findings {
        let key = finding.grant.as_ref().map_or_else(|| finding.key(), Grant::key);
        let (findings, step) = (Vec::new(), None);
        let row = Row { key: key.clone(), findings, step, open: true, quiet: true };
        let row = rows.entry(key).or_insert(row);
        row.quiet &= recorded.contains(&finding.key());
        row.findings.push(finding);
    }
    for step in steps {
        let key = step.key();
        let (findings, step_row) = (Vec::new(), Some(step_row(step, outcome(step))));
        // What is in force already keeps no case open by itself.
        let open = step.verdict != Verdict::Already(StepState::Verified);
        let row = Row { key: key.clone(), findings, step: None, open, quiet: false };
        let row = rows.entry(key).or_insert(row);
        (row.step, row.quiet) = (step_row, false);
    }
    rows
}

fn step_row(step: &Step, outcome: Outcome) -> StepRow {
    StepRow {
        id: step.id.clone(),
        remediation: step.remediation,
        target: step.grant().is_none().then(|| step.target.clone()),
        answers: step.answers.clone(),
        summary: step.summary(),
        state: outcome.state,
        detail: outcome.detail,
        request_id: outcome.request_id,
        acted_at: outcome.acted_at,
        verified_at: None,
        by_hand: step.by_hand(),
        reappeared: step.episode > 0,
        stuck: false,
        cause: None,
    }
}
