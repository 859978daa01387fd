//! A test of a policy: what is given, what must come of it, and what came.
//!
//! It is decided by the same `findings` and `plan` that decide about a tenant.

mod given;
mod making;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::facts::Facts;
use super::finding::{Finding, FindingName, findings};
use super::id::TenantId;
use super::plan::{
    Circumstances, History, PastStep, Plan, PlannedCase, Remediation, Step, StepState, Verdict,
    plan,
};
use super::policy::{Do, Mode, Policy};
use super::roster::Tenant;

pub use self::given::{Demanded, Fact, How, Who};
pub(crate) use self::making::stranger;

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// What it shows.
    pub name: String,
    /// The line of the policy at which it stands, from 1.
    pub line: u64,
    /// The tenant it is about.
    pub tenant: TenantId,
    /// The moment of the decision, where the test says one.
    pub at: Option<Timestamp>,
    /// The ceiling over the responses. A test asks what is decided, not how far it may go yet, so
    /// it is `enforce` unless the test says otherwise.
    pub mode: Mode,
    /// What is the case.
    pub given: Given,
    /// What must come of it.
    pub expect: Expectation,
}

/// What is the case in a test.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// These facts, in a tenant that is otherwise in good order.
    Short(Vec<Fact>),
    /// What a file says, by its path from the folder of the policy.
    File(String),
}

/// What must come of what is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// What must be found.
    pub findings: Vec<FindingName>,
    /// What must not be found.
    pub without: Vec<FindingName>,
    /// Whether nothing else may be found.
    pub only: bool,
    /// The strongest response; `ignore` is none at all.
    pub strongest: Option<Do>,
    /// A step must be held back, for a reason with these words in it.
    pub held_back: Option<String>,
}

/// How a test came out.
#[derive(Debug, Clone)]
pub struct Came {
    /// What was found, the ignored among it.
    pub found: Vec<Finding>,
    /// The strongest response to it.
    pub strongest: Do,
    /// What would be done.
    pub plan: Plan,
    /// In which ways it is not as expected; none where the test passed.
    pub differences: Vec<Difference>,
}

/// One way in which something came out otherwise than expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It is not found.
    NotFound(FindingName),
    /// It is found, and should not be.
    Found(FindingName),
    /// Another response is the strongest.
    Response {
        /// What was expected.
        expected: Do,
        /// What it is.
        came: Do,
    },
    /// No step is held back for such a reason.
    NotHeldBack(String),
}

impl Trial {
    /// The facts of the short form; nothing where they are in a file.
    pub fn facts(&self, tenant: &Tenant, now: Timestamp) -> Option<Facts> {
        match &self.given {
            Given::Short(given) => Some(making::facts(given, tenant, now)),
            Given::File(_) => None,
        }
    }

    /// Decides about `facts` at `now` and compares.
    pub fn run(&self, facts: &Facts, tenant: &Tenant, policy: &Policy, now: Timestamp) -> Came {
        let mut policy = policy.clone();
        policy.mode = self.mode;
        let found = findings(facts, tenant, &policy, now);
        let history = history(facts, now);
        let about = Circumstances {
            policy: &policy,
            tenant,
            history: &history,
            own_apps: &[],
            stopped: None,
            now,
        };
        // A tenant in good order has the accounts that its policy protects.
        let mut facts = facts.clone();
        facts.suppose_there(&policy.guardrails.protected);
        let plan = plan(&facts, about);
        let strongest =
            plan.cases.iter().map(|case| strongest(case, &policy)).max().unwrap_or(Do::Ignore);
        let differences = self.expect.differences(&found, strongest, &plan);
        Came { found, strongest, plan, differences }
    }
}

/// What was taken away before, as the facts tell it.
fn history(facts: &Facts, now: Timestamp) -> History {
    let before = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let alike = facts.taken_away.iter().map(|(likeness, times)| {
        let episode = times.saturating_sub(1);
        (
            likeness.clone(),
            PastStep { episode, state: StepState::Verified, at: before, approved: false },
        )
    });
    History { alike: alike.collect(), ..History::default() }
}

/// The strongest that is really done about one partner: a step that a guardrail holds back, and a
/// finding for which there is no step, is a ticket and no more.
fn strongest(case: &PlannedCase, policy: &Policy) -> Do {
    let told = case.findings.iter().map(|finding| {
        let act = policy.response(finding.finding, finding.severity).act;
        if act > Do::Ticket { Do::Ticket } else { act }
    });
    let done = case.steps.iter().map(|step| match step.verdict {
        Verdict::CarryOut if step.remediation == Remediation::Quarantine => Do::Quarantine,
        Verdict::CarryOut => Do::Revoke,
        Verdict::AwaitApproval => Do::Approve,
        Verdict::Held(_) | Verdict::Already(_) => Do::Ticket,
    });
    told.chain(done).max().unwrap_or(Do::Ignore)
}

fn held_back(step: &Step) -> Option<&str> {
    match &step.verdict {
        Verdict::Held(reason) => Some(reason),
        Verdict::CarryOut | Verdict::AwaitApproval | Verdict::Already(_) => None,
    }
}

impl Expectation {
    fn differences(&self, found: &[Finding], strongest: Do, plan: &Plan) -> Vec<Difference> {
        let is_found = |name: FindingName| found.iter().any(|finding| finding.finding == name);
        let missing = self.findings.iter().filter(|name| !is_found(**name));
        let mut unwanted: Vec<FindingName> = found
            .iter()
            .map(|finding| finding.finding)
            .filter(|name| {
                self.without.contains(name) || (self.only && !self.findings.contains(name))
            })
            .collect();
        unwanted.dedup();
        let mut differences: Vec<Difference> = missing.copied().map(Difference::NotFound).collect();
        differences.extend(unwanted.into_iter().map(Difference::Found));
        if let Some(expected) = self.strongest.filter(|expected| *expected != strongest) {
            differences.push(Difference::Response { expected, came: strongest });
        }
        if let Some(words) = &self.held_back {
            let steps = plan.cases.iter().flat_map(|case| &case.steps);
            if !steps.filter_map(held_back).any(|reason| reason.contains(words.as_str())) {
                differences.push(Difference::NotHeldBack(words.clone()));
            }
        }
        differences
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.findings.iter().map(ToString::to_string).collect();
        words.extend(self.without.iter().map(|name| format!("not {name}")));
        if self.only {
            words.push("nothing else".to_owned());
        }
        match self.strongest {
            Some(Do::Ignore) => words.push("no response".to_owned()),
            Some(act) => words.push(act.to_string()),
            None => {}
        }
        match self.held_back.as_deref() {
            Some("") => words.push("held-back".to_owned()),
            Some(reason) => words.push(format!("held-back ({reason})")),
            None => {}
        }
        f.write_str(&if words.is_empty() { "nothing".to_owned() } else { words.join(", ") })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(name) => write!(f, "{name} is not found"),
            Self::Found(name) => write!(f, "{name} is found, and must not be"),
            Self::Response { expected: Do::Ignore, came } => {
                write!(f, "the response is {came}, and there must be none")
            }
            Self::Response { expected, came: Do::Ignore } => {
                write!(f, "there is no response, and it must be {expected}")
            }
            Self::Response { expected, came } => {
                write!(f, "the response is {came}, and must be {expected}")
            }
            Self::NotHeldBack(words) if words.is_empty() => f.write_str("no step is held back"),
            Self::NotHeldBack(words) => {
                write!(f, "no step is held back for a reason that says `{words}`")
            }
        }
    }
}
