//! What is kept of a case: enough to prove later what was seen, decided and done.

pub mod bundle;
pub mod chain;
pub mod keep;
pub mod outline;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod timeline;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approval::Decision;
use super::case::{Case, Outcome};
use super::facts::{Facts, Gap};
use super::grant::{Grant, grants};
use super::id::{Sha256Hex, StepId, TenantId};
use super::plan::{Step, StepState};
use super::policy::Mode;
use super::proof::{Seen, found, seen};
use super::roster::Tenant;
use super::signal::Signal;

pub use self::timeline::{Cause, Timeline};

/// Most grants that a record lists of what was read. A store on AWS takes no more than 4 MB at
/// once, and the case holds whatever breaks the policy anyway.
pub const GRANTS_MAX: usize = 1_000;

/// Most lines that a record has of what reading again found of one step.
pub const FOUND_MAX: usize = 50;

/// One entry of the ledger's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its name: tickets refer to it.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub event: RecordEvent,
    /// The digest of the policy that decided.
    pub policy: Sha256Hex,
    /// The ceiling in force.
    pub mode: Mode,
    /// The signals behind it, counted, with the first of them.
    pub signals: Signals,
    /// When the tenant was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// What the tenant looked like before anything was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// Who agreed to what was done, or refused it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Decision>,
    /// What was asked of Graph, in the order it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// What reading again showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
    /// When each thing happened, so far.
    #[serde(default)]
    pub timeline: Timeline,
    /// The case as it stood afterwards.
    pub case: Case,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordEvent {
    /// A tenant was looked at and the case changed.
    Looked,
    /// Access was seen to be gone.
    Verified,
    /// Access was still there at the last reading, or is there again.
    Reappeared,
    /// It could not be read at the last reading whether access is gone.
    Unverified,
    /// What was taken away was put back.
    Restored,
    /// A person has decided.
    Decided,
    /// Nobody has decided in time.
    Expired,
}

impl RecordEvent {
    /// The name as records and reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Looked => "looked",
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Reappeared => "reappeared",
            Self::Restored => "restored",
            Self::Decided => "decided",
            Self::Expired => "expired",
        }
    }
}

/// The signals a look satisfied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signals {
    /// How many.
    pub count: u64,
    /// The one that was received first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Signal>,
}

/// What a tenant looked like before anything was done, as far as a case is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Before {
    /// When the reading began.
    pub read_at: Timestamp,
    /// The digest of all that was read, as [`facts_digest`] makes it.
    pub facts: Sha256Hex,
    /// Every way in which the case's partner held a role, allowed or not: the first [`GRANTS_MAX`].
    pub grants: Vec<Grant>,
    /// How many more there were.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: usize,
}

/// The snapshot that a look decides by, from which each case's [`Before`] is made.
#[derive(Debug, Clone)]
pub struct AsRead {
    read_at: Timestamp,
    facts: Sha256Hex,
    grants: Vec<Grant>,
}

impl AsRead {
    /// What was read of a tenant from `read_at` on.
    pub fn of(facts: &Facts, tenant: &Tenant, read_at: Timestamp) -> Self {
        Self { read_at, facts: facts_digest(facts), grants: grants(facts, tenant) }
    }

    /// What of it concerns the partner of this key ([`AffectedPartner::key`]).
    ///
    /// [`AffectedPartner::key`]: super::roster::AffectedPartner::key
    pub fn before(&self, partner_key: &str) -> Before {
        let its = || self.grants.iter().filter(|grant| grant.partner.key() == partner_key);
        Before {
            read_at: self.read_at,
            facts: self.facts.clone(),
            grants: its().take(GRANTS_MAX).cloned().collect(),
            more: its().count().saturating_sub(GRANTS_MAX),
        }
    }
}

/// The digest of everything that was read of a tenant: SHA-256 of its JSON without spaces, fields
/// in the order of [`Facts`], maps by their keys.
pub fn facts_digest(facts: &Facts) -> Sha256Hex {
    // The types have nothing that JSON cannot say.
    Sha256Hex::of(&serde_json::to_vec(facts).unwrap_or_default())
}

/// One call that was to change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The step it belongs to.
    pub step: StepId,
    /// What it was to do, with names.
    pub what: String,
    /// How far the step has come by it.
    pub state: StepState,
    /// Graph's `request-id`, which Microsoft finds it by. Nothing where no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What was said, where it was not simply taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

impl Call {
    /// The call of a step that ended so.
    pub fn of(step: &StepId, what: String, outcome: &Outcome) -> Self {
        let outcome = outcome.clone();
        Self {
            step: step.clone(),
            what,
            state: outcome.state,
            request_id: outcome.request_id,
            at: outcome.acted_at,
            said: outcome.detail,
        }
    }
}

/// What reading again showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct After {
    /// When it was read.
    pub read_at: Timestamp,
    /// Of each step that was looked after.
    pub steps: Vec<Reread>,
}

/// What reading again showed of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reread {
    /// The step.
    pub step: StepId,
    /// What was seen.
    pub seen: Seen,
    /// When the reading that shows it began. Nothing in what earlier versions have written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// What is there still of the same principal, policy or relationship: the first [`FOUND_MAX`]
    /// lines of [`found`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<String>,
    /// How many more lines there were.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: usize,
}

impl Reread {
    /// What facts, the reading of which began at a moment, show of a step.
    pub fn of(step: &Step, facts: &Facts, read_at: Timestamp) -> Self {
        let mut found = found(step, facts);
        let more = found.len().saturating_sub(FOUND_MAX);
        found.truncate(FOUND_MAX);
        Self { step: step.id.clone(), seen: seen(step, facts), read_at: Some(read_at), found, more }
    }
}

impl After {
    /// What of it concerns a case.
    #[must_use]
    pub fn of_case(&self, case: &Case) -> Self {
        let its = self.steps.iter().filter(|reread| case.has_step(&reread.step));
        Self { read_at: self.read_at, steps: its.cloned().collect() }
    }
}

impl Record {
    /// A record of an event about a case, with nothing in it beside the case. The caller fills in
    /// what it knows.
    pub fn of(event: RecordEvent, at: Timestamp, policy: &Sha256Hex, case: &Case) -> Self {
        Self {
            id: record_id(case.tenant, &case.partner.key(), event, at),
            at,
            event,
            policy: policy.clone(),
            mode: case.mode,
            signals: Signals::default(),
            read_at: None,
            gaps: Vec::new(),
            before: None,
            approvals: case.asked.as_ref().map(|it| it.decisions.clone()).unwrap_or_default(),
            calls: Vec::new(),
            after: None,
            timeline: Timeline::of(case),
            case: case.clone(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_none(number: &usize) -> bool {
    *number == 0
}

/// The name of the record of `event` about a case at a moment.
pub fn record_id(tenant: TenantId, partner_key: &str, event: RecordEvent, at: Timestamp) -> String {
    let event = format!("{event:?}");
    let digest = Sha256Hex::of_fields(&[&tenant.to_string(), partner_key, &event, &at.to_string()]);
    format!("rec-{}", digest.short())
}
