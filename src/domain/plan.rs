//! Findings to a Plan: what will be done, what will not, and why. Execution makes no choices.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Part};
use super::finding::{Finding, FindingName, findings, may_stand};
use super::grant::{Grant, Held, PrincipalKind, keeps_a_global_administrator};
use super::id::{PartnerId, Sha256Hex, SinkName, StepId, TenantId};
use super::policy::{Do, Mode, Policy};
use super::role;
use super::roster::{AffectedPartner, Tenant};

/// What Microsoft refused for a partner's group is tried again after this time: the permission may
/// have been missing.
const REFUSED_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// How often access that keeps coming back is taken away before a person has to see to it.
const EPISODES_MAX: u32 = 3;

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
    /// no step: what is about no grant.
    pub left: BTreeSet<FindingName>,
}

/// One thing to do about one grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its id; the ledger refuses to carry it out twice.
    pub id: StepId,
    /// How often this grant has been taken away before.
    pub episode: u32,
    /// What to do.
    pub remediation: Remediation,
    /// What to do it to.
    pub grant: Grant,
    /// The findings that ask for it.
    pub because: Vec<FindingName>,
    /// Whether to do it.
    pub verdict: Verdict,
}

/// What can be done about a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remediation {
    /// `DELETE /roleManagement/directory/roleAssignments/{id}`.
    RevokeRoleAssignment,
    /// An `adminRemove` request to Privileged Identity Management for what may be activated.
    RemoveEligibility,
    /// An `adminRemove` request to Privileged Identity Management for what it has made active.
    RemoveScheduledAssignment,
    /// `DELETE /groups/{id}/members/{id}/$ref`.
    RemoveGroupMember,
    /// `DELETE /servicePrincipals/{id}/appRoleAssignments/{id}`.
    RemoveAppRole,
}

impl Remediation {
    /// What takes a grant away.
    pub fn of(held: &Held) -> Self {
        match held {
            Held::Assignment { .. } => Self::RevokeRoleAssignment,
            Held::Eligible { .. } => Self::RemoveEligibility,
            Held::Scheduled { .. } => Self::RemoveScheduledAssignment,
            Held::ThroughGroup { .. } => Self::RemoveGroupMember,
            Held::AppRole { .. } => Self::RemoveAppRole,
        }
    }

    /// The name as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RevokeRoleAssignment => "revoke-role-assignment",
            Self::RemoveEligibility => "remove-eligibility",
            Self::RemoveScheduledAssignment => "remove-scheduled-assignment",
            Self::RemoveGroupMember => "remove-group-member",
            Self::RemoveAppRole => "remove-app-role",
        }
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
    /// Graph took it, and yet it is still there after the last look.
    Unverified,
}

/// What was done before in a tenant, as far as planning needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The last step for each grant, by [`Grant::key`].
    pub steps: BTreeMap<Sha256Hex, PastStep>,
    /// Revocations within the guardrail's window.
    pub revocations: u32,
}

impl History {
    /// The grants that were taken away and seen to be gone, with how often.
    pub fn taken_away(&self) -> BTreeMap<Sha256Hex, u32> {
        let gone = self.steps.iter().filter(|(_, past)| past.state == StepState::Verified);
        gone.map(|(grant, past)| (grant.clone(), past.episode + 1)).collect()
    }
}

/// The last step for a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastStep {
    /// Which episode it was.
    pub episode: u32,
    /// How it went.
    pub state: StepState,
    /// When it was begun last.
    pub at: Timestamp,
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
    let mut guard = Guard {
        about,
        keeps_global_administrator: keeps_a_global_administrator(facts, tenant),
        knows_own_administrators: !facts
            .gaps
            .iter()
            .any(|gap| matches!(gap.part, Part::RoleAssignments | Part::Principals)),
        revocations: about.history.revocations + outcome_unknown(about.history),
    };
    let cases = partners.into_iter().map(|(partner, findings)| {
        let steps = guard.steps(&findings);
        let sinks = sinks(policy, &findings);
        let act = |finding: &&Finding| policy.response(finding.finding, finding.severity).act;
        let recorded = findings.iter().filter(|finding| act(finding) < Do::Ticket);
        let recorded = recorded.map(Finding::key).collect();
        let left = left(policy, &findings);
        PlannedCase { partner, findings, steps, sinks, recorded, left }
    });
    let mut cases: Vec<PlannedCase> = cases.collect();
    cases.sort_by_key(|case| case.partner.id.is_none());
    Plan { tenant: tenant.id, tenant_name: tenant.name.clone(), mode: policy.mode, cases }
}

/// How many steps may have been carried out without anybody knowing.
fn outcome_unknown(history: &History) -> u32 {
    let unknown = history.steps.values().filter(|past| past.state == StepState::Intended);
    u32::try_from(unknown.count()).unwrap_or(u32::MAX)
}

fn sinks(policy: &Policy, findings: &[Finding]) -> BTreeSet<SinkName> {
    findings
        .iter()
        .map(|finding| policy.response(finding.finding, finding.severity))
        .filter(|response| response.act >= Do::Ticket)
        .filter_map(|response| response.ticket.or_else(|| policy.default_sink().cloned()))
        .collect()
}

fn left(policy: &Policy, findings: &[Finding]) -> BTreeSet<FindingName> {
    let left = findings.iter().filter(|finding| {
        let act = policy.response(finding.finding, finding.severity).act;
        finding.grant.is_none() && finding.certain && act > Do::Ticket
    });
    left.map(|finding| finding.finding).collect()
}

/// Turns findings into steps and holds back what must not be done.
struct Guard<'a> {
    about: Circumstances<'a>,
    keeps_global_administrator: bool,
    knows_own_administrators: bool,
    revocations: u32,
}

impl Guard<'_> {
    fn steps(&mut self, findings: &[Finding]) -> Vec<Step> {
        let mut wanted: IndexMap<Sha256Hex, (&Grant, Do, Vec<FindingName>)> = IndexMap::new();
        for finding in findings {
            let Some(grant) = &finding.grant else { continue };
            let act = self.about.policy.response(finding.finding, finding.severity).act;
            let Circumstances { policy, tenant, now, .. } = self.about;
            let takes_away = matches!(act, Do::Approve | Do::Revoke);
            // A partner may be told of for being there at all, and still keep what is allowed.
            if !takes_away || !finding.certain || may_stand(grant, tenant, policy, now) {
                continue;
            }
            let (_, strongest, because) =
                wanted.entry(grant.key()).or_insert_with(|| (grant, act, Vec::new()));
            *strongest = act.max(*strongest);
            because.push(finding.finding);
        }
        let wanted = wanted.into_values();
        wanted.map(|(grant, act, because)| self.step(grant, act, because)).collect()
    }

    fn step(&mut self, grant: &Grant, act: Do, because: Vec<FindingName>) -> Step {
        let past = self.about.history.steps.get(&grant.key()).copied();
        let episode = match past {
            Some(PastStep { episode, state: StepState::Verified, .. }) => episode + 1,
            Some(PastStep { episode, .. }) => episode,
            None => 0,
        };
        // One that was begun before is counted already.
        let begun = u32::from(past.is_some_and(|past| past.state == StepState::Intended));
        self.revocations = self.revocations.saturating_sub(begun);
        let verdict = match past.map(|past| past.state) {
            Some(state @ (StepState::Revoked | StepState::Unverified)) => Verdict::Already(state),
            // Whether a customer may delete it is not documented, so it is not tried at every
            // look. What is refused for other principals may work with the next.
            Some(StepState::Refused)
                if grant.kind == PrincipalKind::ForeignGroup
                    && past.is_some_and(|p| self.about.now < p.at + REFUSED_AGAIN_AFTER) =>
            {
                Verdict::Already(StepState::Refused)
            }
            _ => match self.holds_back(grant, episode) {
                Some(reason) => Verdict::Held(reason),
                None if act == Do::Approve || self.about.policy.mode == Mode::Approve => {
                    Verdict::AwaitApproval
                }
                None => Verdict::CarryOut,
            },
        };
        self.revocations += begun.max(u32::from(verdict == Verdict::CarryOut));
        let remediation = Remediation::of(&grant.held);
        Step {
            id: self.step_id(grant, remediation, episode),
            episode,
            remediation,
            grant: grant.clone(),
            because,
            verdict,
        }
    }

    fn step_id(&self, grant: &Grant, remediation: Remediation, episode: u32) -> StepId {
        StepId(Sha256Hex::of_fields(&[
            &self.about.tenant.id.to_string(),
            &grant.partner.key(),
            grant.key().as_str(),
            remediation.as_str(),
            &episode.to_string(),
        ]))
    }

    /// The guardrail that forbids to take `grant` away, in words.
    fn holds_back(&self, grant: &Grant, episode: u32) -> Option<String> {
        let guardrails = &self.about.policy.guardrails;
        let upn = grant.user_principal_name.as_deref();
        let is_own_app = grant
            .app_id
            .as_ref()
            .is_some_and(|id| self.about.own_apps.iter().any(|own| own.eq_ignore_ascii_case(id)));
        let is_protected =
            guardrails.protected.iter().any(|account| account.means(&grant.principal, upn));
        if grant.kind == PrincipalKind::Unclassified {
            Some("it is not known whose this principal is".to_owned())
        } else if grant.assignment().is_none() {
            Some("only role assignments are taken away by this version; do it by hand".to_owned())
        } else if grant.partner.id.is_none_or(|id| id.tenant() == self.about.tenant.id) {
            Some("this principal is the tenant's own".to_owned())
        } else if is_own_app {
            Some("this is the application Partner Warden itself signs in with".to_owned())
        } else if is_protected {
            Some("the account is protected by the policy (guardrails.protected)".to_owned())
        } else if grant.partner.id == Some(PartnerId::MICROSOFT_SUPPORT) {
            Some("this is Microsoft Support; close the support case instead".to_owned())
        } else if self.would_lock_out(grant) && !self.knows_own_administrators {
            Some(
                "it could not be read who of the tenant's own people holds Global Administrator, \
                 so this could lock the tenant out"
                    .to_owned(),
            )
        } else if self.would_lock_out(grant) {
            Some(
                "no user of the tenant's own was seen to hold Global Administrator, so this could \
                 lock the tenant out; give the role to one of its own people first"
                    .to_owned(),
            )
        } else if episode >= EPISODES_MAX {
            Some(format!("it was taken away {episode} times and came back each time"))
        } else if self.revocations >= guardrails.max_revocations {
            Some(format!(
                "{} revocations within {:#} are the most the policy allows \
                 (guardrails.maxRevocations)",
                guardrails.max_revocations, guardrails.per
            ))
        } else {
            None
        }
    }

    fn would_lock_out(&self, grant: &Grant) -> bool {
        grant.role.template_id == Some(role::GLOBAL_ADMINISTRATOR)
            && !self.keeps_global_administrator
    }
}

impl Step {
    /// `revoke Global Administrator from AdminAgents`.
    pub fn summary(&self) -> String {
        let (role, holder) = (&self.grant.role.name, self.grant.holder());
        let scope = self.grant.scope_note();
        match &self.grant.held {
            Held::Assignment { .. } | Held::Scheduled { .. } => {
                format!("revoke {role} from {holder}{scope}")
            }
            Held::Eligible { .. } => format!("revoke eligibility for {role} from {holder}{scope}"),
            Held::ThroughGroup { group_name, .. } => {
                format!("take {holder} out of {group_name}, which holds {role}{scope}")
            }
            Held::AppRole { .. } => format!("revoke the permission {role} from {holder}"),
        }
    }

    /// How a person does the same, click by click.
    ///
    /// Source: Microsoft Learn, "Remove a partner's delegated admin privileges"; the portal is
    /// the one documented way for a customer to end delegated administration. "Assign Microsoft
    /// Entra roles in Privileged Identity Management", "Review permissions granted to enterprise
    /// applications".
    pub fn by_hand(&self) -> String {
        let (role, holder) = (&self.grant.role.name, self.grant.holder());
        match &self.grant.held {
            Held::Assignment { .. } if self.grant.kind == PrincipalKind::ForeignGroup => format!(
                "Open https://admin.microsoft.com/AdminPortal/Home#/partners as Global \
                 Administrator (Microsoft 365 admin center > Settings > Partner relationships), \
                 choose {}, choose Remove roles, then Yes.",
                self.grant.partner.name
            ),
            Held::Assignment { .. } => format!(
                "Open https://entra.microsoft.com as Privileged Role Administrator, choose Roles \
                 & admins > {role} > Assignments, tick {holder}, choose Remove assignments."
            ),
            Held::Eligible { .. } | Held::Scheduled { .. } => {
                let may = matches!(self.grant.held, Held::Eligible { .. });
                let tab = if may { "Eligible assignments" } else { "Active assignments" };
                format!(
                    "Open https://entra.microsoft.com as Privileged Role Administrator, choose ID \
                     Governance > Privileged Identity Management > Microsoft Entra roles > Roles > \
                     {role} > {tab}, and choose Remove beside {holder}."
                )
            }
            Held::ThroughGroup { group_name, .. } => format!(
                "Open https://entra.microsoft.com as Privileged Role Administrator, choose Groups \
                 > All groups > {group_name} > Members (and the groups among them), tick {holder}, \
                 choose Remove."
            ),
            Held::AppRole { .. } => format!(
                "Open https://entra.microsoft.com as Cloud Application Administrator, choose \
                 Enterprise apps > {holder} > Permissions, choose {role}, then Revoke permission."
            ),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cases.is_empty() {
            return write!(f, "{}: nothing to do", self.tenant_name);
        }
        write!(f, "{} ({})", self.tenant_name, self.mode)?;
        for case in &self.cases {
            write!(f, "\n  {}", case.partner.name)?;
            for finding in &case.findings {
                let severity = finding.severity.as_str();
                write!(f, "\n    {severity} {}: {}", finding.finding, finding.text)?;
            }
            for step in &case.steps {
                let because: Vec<&str> = step.because.iter().map(|name| name.as_str()).collect();
                let because = because.join(", ");
                let summary = step.summary();
                match &step.verdict {
                    Verdict::CarryOut => write!(f, "\n    → {summary} ({because})")?,
                    Verdict::AwaitApproval => {
                        write!(f, "\n    → ask before: {summary} ({because})")?;
                    }
                    Verdict::Held(reason) => write!(f, "\n    → held back: {summary}: {reason}")?,
                    Verdict::Already(state) => {
                        write!(f, "\n    → done before ({}): {summary}", state.as_str())?;
                    }
                }
            }
            for finding in &case.left {
                write!(f, "\n    → left to people: {finding}: this version has no step for it")?;
            }
            if !case.sinks.is_empty() {
                let sinks: Vec<&str> = case.sinks.iter().map(|sink| sink.0.as_str()).collect();
                write!(f, "\n    → ticket: {}", sinks.join(", "))?;
            }
        }
        Ok(())
    }
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
            Self::Unverified => "unverified",
        }
    }
}
