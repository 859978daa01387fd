//! What a plan does, thing by thing.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::{Effect, Happening, Heard};
use crate::domain::finding::Finding;
use crate::domain::grant::Grant;
use crate::domain::id::{Sha256Hex, SinkName};
use crate::domain::plan::{Plan, Verdict};
use crate::domain::policy::{Do, Mode, Policy};
use crate::domain::text;

/// One thing found, with what is done about it.
pub(super) struct Row<'a> {
    pub(super) key: Sha256Hex,
    findings: Vec<&'a Finding>,
    pub(super) effect: Effect,
}

/// What a plan does, one row for each grant, or each finding that is about none.
pub(super) fn rows<'a>(plan: &'a Plan, policy: &Policy) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for case in &plan.cases {
        let mut at: IndexMap<Sha256Hex, Vec<&Finding>> = IndexMap::new();
        for finding in &case.findings {
            let key = finding.grant.as_ref().map_or_else(|| finding.key(), Grant::key);
            at.entry(key).or_default().push(finding);
        }
        rows.extend(at.into_iter().map(|(key, findings)| {
            let step = case.steps.iter().find(|step| step.key() == key);
            let effect =
                step.map_or_else(|| told(&findings, policy), |step| done(&step.verdict, plan.mode));
            Row { key, findings, effect }
        }));
    }
    rows
}

fn done(verdict: &Verdict, mode: Mode) -> Effect {
    match verdict {
        Verdict::CarryOut if mode == Mode::Enforce => Effect::Revoke,
        Verdict::CarryOut => Effect::Describe,
        Verdict::AwaitApproval => Effect::Ask,
        Verdict::Held(reason) => Effect::HoldBack { reason: reason.clone() },
        Verdict::Already(state) => {
            Effect::HoldBack { reason: format!("it was tried before: {}", state.as_str()) }
        }
    }
}

fn told(findings: &[&Finding], policy: &Policy) -> Effect {
    let responses = || findings.iter().map(|f| policy.response(f.finding, f.severity));
    let tickets = responses().filter(|response| response.act >= Do::Ticket);
    let sinks: BTreeSet<SinkName> = tickets
        .filter_map(|response| response.ticket.or_else(|| policy.default_sink().cloned()))
        .collect();
    if responses().any(|response| response.act >= Do::Ticket) {
        Effect::Ticket { sinks: sinks.into_iter().collect() }
    } else {
        Effect::Record
    }
}

impl Row<'_> {
    pub(super) fn happening(&self, event: &Heard, at: Timestamp) -> Happening {
        let first = self.findings.first();
        Happening {
            at,
            because: text::foreign(&event.what),
            partner: first.map(|finding| finding.partner.name.clone()).unwrap_or_default(),
            subject: first.map(|finding| finding.subject.clone()).unwrap_or_default(),
            role: first.and_then(|finding| finding.role.clone()),
            findings: self.findings.iter().map(|finding| finding.finding).collect(),
            effect: self.effect.clone(),
            text: first.map(|finding| finding.text.clone()).unwrap_or_default(),
            key: self.key.clone(),
        }
    }
}
