//! What a person is asked and shown, and the digest of the plan it is about.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ProposalId;
use crate::domain::finding::{Finding, FindingName, Severity};
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::plan::{PlannedCase, Verdict};
use crate::domain::policy::Policy;
use crate::domain::roster::AffectedPartner;

/// Most findings and steps of each kind that a proposal shows; the rest is counted.
const SHOWN_MAX: usize = 50;

/// What is asked. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Its name.
    pub id: ProposalId,
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// The partner.
    pub partner: AffectedPartner,
    /// The digest of the plan it is about.
    pub plan: Sha256Hex,
    /// The digest of the ids of the steps it is about.
    pub steps: Sha256Hex,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Until when it may be answered; later it is too late.
    pub expires_at: Timestamp,
    /// How many people have to agree.
    pub people: u32,
    /// What a person is shown.
    pub shown: Shown,
}

/// What a person is shown of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// What was found, at most 50 of it.
    pub findings: Vec<FoundLine>,
    /// What will be done if people agree, at most 50 of it.
    pub steps: Vec<StepLine>,
    /// What is held back, and why, at most 50 of it.
    pub held: Vec<HeldLine>,
    /// How many findings, steps and held steps there are beyond those.
    pub more: [usize; 3],
}

/// A finding as a person is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundLine {
    /// The finding.
    pub finding: FindingName,
    /// How bad it is.
    pub severity: Severity,
    /// The sentence.
    pub text: String,
}

/// A step as a person is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepLine {
    /// What it does, with names.
    pub summary: String,
    /// The findings that ask for it.
    pub because: Vec<FindingName>,
    /// Why it cannot be undone; nothing where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot_be_undone: Option<String>,
}

/// A step that is not done, as a person is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldLine {
    /// What it would do.
    pub summary: String,
    /// Why it is not done.
    pub reason: String,
}

/// The digest of a case's plan, as far as a person is asked about it: what was found and is not
/// taken away anyway, what waits for them, what is held back, and the policy with its ceiling.
///
/// What is carried out without asking, or was begun before, is left out: that it goes its way makes
/// no other question.
pub fn plan_hash(case: &PlannedCase, policy: &Policy) -> Sha256Hex {
    let asked = |verdict: &Verdict| match verdict {
        Verdict::AwaitApproval => Some("ask"),
        Verdict::Held(_) => Some("held"),
        Verdict::CarryOut | Verdict::Already(_) => None,
    };
    let mut steps: Vec<String> = case
        .steps
        .iter()
        .filter_map(|step| Some(format!("{} {}", asked(&step.verdict)?, step.id.0)))
        .collect();
    let mut findings: Vec<String> = case
        .findings
        .iter()
        .filter(|finding| !goes_its_way(case, finding))
        .map(|finding| finding.key().to_string())
        .collect();
    steps.sort_unstable();
    findings.sort_unstable();
    let mode = policy.mode.to_string();
    let counts = [findings.len().to_string(), steps.len().to_string()];
    let mut fields = vec!["plan/v1", policy.hash.as_str(), mode.as_str(), &counts[0], &counts[1]];
    fields.extend(findings.iter().chain(&steps).map(String::as_str));
    Sha256Hex::of_fields(&fields)
}

/// Whether what a finding speaks of is being taken away without asking.
fn goes_its_way(case: &PlannedCase, finding: &Finding) -> bool {
    let Some(grant) = &finding.grant else {
        // What is done to a relationship says which findings it answers.
        let key = finding.key();
        let mut steps = case.steps.iter().filter(|step| step.answers.contains(&key)).peekable();
        return steps.peek().is_some()
            && steps.all(|step| matches!(step.verdict, Verdict::CarryOut | Verdict::Already(_)));
    };
    let key = grant.key();
    case.steps.iter().any(|step| {
        let own = step.grant().is_some_and(|its| its.key() == key);
        own && matches!(step.verdict, Verdict::CarryOut | Verdict::Already(_))
    })
}

/// The question to be put about a case at `now`, whose plan has this digest.
pub fn question(
    case: &PlannedCase,
    policy: &Policy,
    plan: Sha256Hex,
    tenant: (TenantId, &str),
    now: Timestamp,
) -> Question {
    let (tenant, tenant_name) = tenant;
    let (id, partner) = (tenant.to_string(), case.partner.key());
    let id = Sha256Hex::of_fields(&[
        "proposal/v1",
        &id,
        &partner,
        plan.as_str(),
        &now.as_nanosecond().to_string(),
    ]);
    let asked = || case.steps.iter().filter(|step| step.verdict == Verdict::AwaitApproval);
    let mut ids: Vec<&str> = asked().map(|step| step.id.0.as_str()).collect();
    ids.sort_unstable();
    let steps = asked()
        .map(|step| StepLine {
            summary: step.summary(),
            because: step.because.clone(),
            cannot_be_undone: step.cannot_be_undone().map(str::to_owned),
        })
        .collect();
    let held = case.steps.iter().filter_map(|step| match &step.verdict {
        Verdict::Held(reason) => Some(HeldLine { summary: step.summary(), reason: reason.clone() }),
        Verdict::AwaitApproval | Verdict::CarryOut | Verdict::Already(_) => None,
    });
    let found = case.findings.iter().filter(|finding| !goes_its_way(case, finding));
    let found = found.map(|it| FoundLine {
        finding: it.finding,
        severity: it.severity,
        text: it.text.clone(),
    });
    let (findings, more_findings) = first(found.collect());
    let (steps, more_steps) = first(steps);
    let (held, more_held) = first(held.collect());
    Question {
        id: ProposalId(id.as_str().chars().take(32).collect()),
        tenant,
        tenant_name: tenant_name.to_owned(),
        partner: case.partner.clone(),
        plan,
        steps: Sha256Hex::of_fields(&ids),
        asked_at: now,
        expires_at: now.checked_add(policy.approvals.expire).unwrap_or(Timestamp::MAX),
        people: policy.approvals.people,
        shown: Shown { findings, steps, held, more: [more_findings, more_steps, more_held] },
    }
}

/// The first of many, and how many there are beyond.
fn first<T>(mut all: Vec<T>) -> (Vec<T>, usize) {
    let more = all.len().saturating_sub(SHOWN_MAX);
    all.truncate(SHOWN_MAX);
    (all, more)
}
