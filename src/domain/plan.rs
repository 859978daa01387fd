//! Findings to a Plan: what will be done, what will not, and why. Execution makes no choices.

mod asked;
mod gate;
mod guard;
mod passing;
mod remediation;
mod target;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_quarantine;
mod wanted;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::guard::Guard;
use self::passing::passes;
use self::wanted::wanted;

use super::approval::{Asked, Proposal, ProposalChange};
use super::conditional_access::quarantine::Quarantine;
use super::facts::Facts;
use super::finding::{Finding, FindingName, findings};
use super::grant::Grant;
use super::id::{Sha256Hex, SinkName, StepId, TenantId};
use super::policy::{Do, Mode, Policy};
use super::roster::{AffectedPartner, Tenant};
use super::stop::Stop;

pub use self::passing::Passes;
pub use self::remediation::Remediation;
pub use self::target::Target;

/// What is to be done in one tenant after one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// The ceiling in force.
    pub mode: Mode,
    /// One part for each partner concerned.
    pub cases: Vec<PlannedCase>,
    /// What becomes of what people were asked about partners of whom nothing is found any more.
    pub left_over: Vec<ProposalChange>,
    /// How many steps are held back by `guardrails.maxRevocations` alone.
    pub held_by_limit: u32,
    /// When that passes for which steps wait; nothing where they wait for nothing that passes.
    pub passes: Option<Passes>,
}

/// What is to be done about one partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCase {
    /// The partner.
    pub partner: AffectedPartner,
    /// What was found and is not ignored.
    pub findings: Vec<Finding>,
    /// What is to be done about it: at most one step for each grant.
    pub steps: Vec<Step>,
    /// Whom to tell; nobody where a record is enough.
    pub sinks: BTreeSet<SinkName>,
    /// The findings of which a record is enough, by [`Finding::key`]: no ticket speaks of them, and
    /// none is kept open for them.
    pub recorded: BTreeSet<Sha256Hex>,
    /// The findings that the policy answers with more than a ticket, and for which this version has
    /// no step.
    pub left: BTreeSet<FindingName>,
    /// The sink whose ticket has to be there before anything is written, and is not.
    pub gate: Option<SinkName>,
    /// The last that people were asked about it.
    pub asked: Option<Asked>,
    /// Whether any of its steps hangs on that.
    pub asks: bool,
    /// What becomes of what people were asked before, and what they are asked anew.
    pub changes: Vec<ProposalChange>,
}

impl PlannedCase {
    /// Nothing found and nothing to do.
    pub fn nothing(partner: AffectedPartner) -> Self {
        Self {
            partner,
            findings: Vec::new(),
            steps: Vec::new(),
            sinks: BTreeSet::new(),
            recorded: BTreeSet::new(),
            left: BTreeSet::new(),
            gate: None,
            asked: None,
            asks: false,
            changes: Vec::new(),
        }
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its id; the ledger refuses to carry it out twice.
    pub id: StepId,
    /// How often the same was done before and did not last.
    pub episode: u32,
    /// The partner it is done about.
    pub partner: AffectedPartner,
    /// What to do.
    pub remediation: Remediation,
    /// What to do it to.
    pub target: Target,
    /// The findings that ask for it.
    pub because: Vec<FindingName>,
    /// The rows of the case that are done with once this is proven, by [`super::case::Row::key`];
    /// a grant's own row is not named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Sha256Hex>,
    /// Whether to do it.
    pub verdict: Verdict,
    /// The policy that is to be made, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Box<Quarantine>>,
    /// When it was decided, where what it brings about shows a moment: sessions are to have ended
    /// since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The approval by which it is carried out, where a person was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// Whether nothing holds it back but the stop switch, a ticket that is not there yet, or how much
    /// was done already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
}

impl Step {
    /// What stays the same as long as it does the same to the same: history is kept by it.
    pub fn key(&self) -> Sha256Hex {
        self.target.key(self.remediation, &self.partner)
    }

    /// Whether it was done before, so that nothing is to be done now.
    fn is_done_before(&self) -> bool {
        matches!(self.verdict, Verdict::Already(_))
    }

    /// The grant it takes away, where it takes one away.
    pub fn grant(&self) -> Option<&Grant> {
        self.target.grant()
    }
}

/// Whether a step is to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "reason", rename_all = "kebab-case")]
pub enum Verdict {
    /// Now.
    CarryOut,
    /// When a person has agreed.
    AwaitApproval,
    /// Not, because a guardrail holds it back; says which and what to do.
    Held(String),
    /// Not again: it was done before and this is how that went.
    Already(StepState),
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// It was only described: the mode does not let it be carried out.
    Described,
    /// It waits for a person.
    AwaitingApproval,
    /// A guardrail holds it back.
    Held,
    /// It was begun and its outcome is not known yet.
    Intended,
    /// Graph took it; it is not yet seen to be gone.
    Revoked,
    /// It was seen to be gone.
    Verified,
    /// Graph refused it.
    Refused,
    /// Graph took it, and after the last reading it is still there.
    Reappeared,
    /// Graph took it, and it could not be read whether it is gone.
    Unverified,
    /// It was put back by a person.
    Restored,
}

/// What was done before in a tenant, as far as planning needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The last step of each kind for each target, by [`Step::key`].
    pub steps: BTreeMap<Sha256Hex, PastStep>,
    /// The last step for access of each likeness, by [`Grant::likeness`], whatever its id was.
    pub alike: BTreeMap<Sha256Hex, PastStep>,
    /// Revocations within the guardrail's window.
    pub revocations: u32,
    /// When the first of those came about.
    pub first_revocation: Option<Timestamp>,
    /// The last that people were asked about each partner, by [`AffectedPartner::key`].
    pub proposals: BTreeMap<String, Proposal>,
    /// What accompanied steps that are done, and was begun and is not known to be done, or had to
    /// wait: the grants that asked for it may be gone.
    pub unfinished: Vec<Unfinished>,
    /// Whether the tickets are there that have to be, by [`AffectedPartner::key`] and sink: of cases
    /// that go on, and of sinks that gate.
    pub tickets: BTreeMap<String, BTreeMap<SinkName, bool>>,
}

/// A step about a principal whose call had no answer, or that still waits for its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The partner it is about.
    pub partner: AffectedPartner,
    /// What is to be done.
    pub remediation: Remediation,
    /// What it is to be done to.
    pub target: Target,
    /// Whether a person has to agree first.
    pub asks: bool,
}

impl History {
    /// Takes in a step that was begun, by its key and the likeness of the grant it was to take away,
    /// where it is about one. The last one counts, and of two that were begun at once the one that is
    /// not proven: what of its like is still there has not come back.
    pub fn take_in(&mut self, step: Sha256Hex, likeness: Option<Sha256Hex>, past: PastStep) {
        let rank = |it: &PastStep| (it.episode, it.at, it.state != StepState::Verified);
        let known = std::iter::once((&mut self.steps, step));
        for (all, key) in known.chain(likeness.map(|likeness| (&mut self.alike, likeness))) {
            let last = all.entry(key).or_insert(past);
            if rank(last) < rank(&past) {
                *last = past;
            }
        }
    }

    /// The access that was taken away and seen to be gone, by [`Grant::likeness`], with how often.
    pub fn taken_away(&self) -> BTreeMap<Sha256Hex, u32> {
        let gone = self.alike.iter().filter(|(_, past)| past.state == StepState::Verified);
        gone.map(|(likeness, past)| (likeness.clone(), past.episode + 1)).collect()
    }
}

/// The last step of a kind for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastStep {
    /// Which episode it was.
    pub episode: u32,
    /// How it went.
    pub state: StepState,
    /// When it was begun last.
    pub at: Timestamp,
    /// Whether a person had agreed to it.
    pub approved: bool,
}

/// What a plan is made from, beside the facts.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The guarded tenant, as the policy names it.
    pub tenant: &'a Tenant,
    /// What was done before.
    pub history: &'a History,
    /// The application ids this program signs in with.
    pub own_apps: &'a [String],
    /// That nothing is to be written, whatever the policy says.
    pub stopped: Option<&'a Stop>,
    /// The moment of the decision.
    pub now: Timestamp,
}

/// Decides about one tenant.
pub fn plan(facts: &Facts, about: Circumstances<'_>) -> Plan {
    let Circumstances { policy, tenant, now, .. } = about;
    let mut partners: BTreeMap<AffectedPartner, Vec<Finding>> = BTreeMap::new();
    for finding in findings(facts, tenant, policy, now) {
        if policy.response(finding.finding, finding.severity).act > Do::Ignore {
            partners.entry(finding.partner.clone()).or_default().push(finding);
        }
    }
    for Unfinished { partner, .. } in &about.history.unfinished {
        if !partners.keys().any(|known| known.id == partner.id) {
            partners.insert(partner.clone(), Vec::new());
        }
    }
    let mut guard = Guard::new(facts, about);
    let cases = partners.into_iter().map(|(partner, findings)| {
        let sinks = sinks(policy, &findings);
        let gate = gate::shut(about, &partner.key(), &sinks);
        guard.behind(gate.clone());
        let wanted = wanted(&partner, &findings, facts, about);
        let steps: Vec<Step> = wanted.into_iter().map(|it| guard.step(it)).collect();
        let act = |finding: &&Finding| policy.response(finding.finding, finding.severity).act;
        let recorded = findings.iter().filter(|finding| act(finding) < Do::Ticket);
        let recorded = recorded.map(Finding::key).collect();
        let left = left(policy, &findings, &steps);
        let asks_nothing = PlannedCase::nothing(partner);
        let mut case = PlannedCase { findings, steps, sinks, recorded, left, gate, ..asks_nothing };
        asked::settle(&mut case, facts, about, &mut guard);
        case
    });
    let mut cases: Vec<PlannedCase> = cases.collect();
    cases.sort_by_key(|case| case.partner.id.is_none());
    let is_planned = |key: &str| cases.iter().any(|case| case.partner.key() == key);
    let left_over = about.history.proposals.iter().filter(|(partner, _)| !is_planned(partner));
    let left_over = left_over.filter_map(|(_, it)| asked::left_over(it, facts, now)).collect();
    let (tenant_name, mode) = (tenant.name.clone(), policy.mode);
    let held_by_limit = guard.held_by_limit();
    let passes = passes(&cases, about, held_by_limit);
    Plan { tenant: tenant.id, tenant_name, mode, cases, left_over, held_by_limit, passes }
}

fn sinks(policy: &Policy, findings: &[Finding]) -> BTreeSet<SinkName> {
    findings
        .iter()
        .map(|finding| policy.response(finding.finding, finding.severity))
        .filter(|response| response.act >= Do::Ticket)
        .filter_map(|response| response.ticket.or_else(|| policy.default_sink().cloned()))
        .collect()
}

/// What is answered with more than a ticket, and of which no step speaks.
fn left(policy: &Policy, findings: &[Finding], steps: &[Step]) -> BTreeSet<FindingName> {
    let spoken_of = |finding: &Finding| {
        finding.grant.is_some() || steps.iter().any(|it| it.because.contains(&finding.finding))
    };
    let left = findings.iter().filter(|finding| {
        let act = policy.response(finding.finding, finding.severity).act;
        finding.certain && act > Do::Ticket && !spoken_of(finding)
    });
    left.map(|finding| finding.finding).collect()
}

/// Whether a look that met these refusals leads to a quarantine that its plan did not have yet.
/// `refused` says of a step how it ended.
pub fn leads_to_quarantine(plan: &Plan, policy: &Policy, refused: impl Fn(&Step) -> bool) -> bool {
    let quarantined = |case: &PlannedCase| {
        case.steps.iter().any(|step| step.remediation == Remediation::Quarantine)
    };
    let asks = |case: &PlannedCase, step: &Step| {
        let because = case.findings.iter().filter(|found| {
            step.because.contains(&found.finding)
                && found.grant.as_ref().map(Grant::key) == step.grant().map(Grant::key)
        });
        let mut responses = because.map(|found| policy.response(found.finding, found.severity));
        step.grant().is_some() && responses.any(|it| it.quarantine_if_refused) && refused(step)
    };
    let mut cases = plan.cases.iter().filter(|case| !quarantined(case));
    cases.any(|case| case.steps.iter().any(|step| asks(case, step)))
}

impl StepState {
    /// The name as reports and tickets write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Described => "described",
            Self::AwaitingApproval => "awaiting-approval",
            Self::Held => "held",
            Self::Intended => "intended",
            Self::Revoked => "revoked",
            Self::Verified => "verified",
            Self::Refused => "refused",
            Self::Reappeared => "reappeared",
            Self::Unverified => "unverified",
            Self::Restored => "restored",
        }
    }
}
