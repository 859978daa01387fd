//! Findings to a Plan: what will be done, what will not, and why. Execution makes no choices.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Part};
use super::finding::{Finding, FindingName, findings, may_stand};
use super::grant::{Grant, PrincipalKind, keeps_a_global_administrator};
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
}

impl Remediation {
    /// The name as reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RevokeRoleAssignment => "revoke-role-assignment",
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
        PlannedCase { partner, findings, steps, sinks }
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
            // A partner may be told of for being there at all, and still keep what is allowed.
            if act < Do::Approve || !finding.certain || may_stand(grant, tenant, policy, now) {
                continue;
            }
            let (_, strongest, because) =
                wanted.entry(grant.key()).or_insert_with(|| (grant, act, Vec::new()));
            *strongest = act.max(*strongest);
            because.push(finding.finding);
        }
        let wanted = wanted.into_values();
        wanted.filter_map(|(grant, act, because)| self.step(grant, act, because)).collect()
    }

    fn step(&mut self, grant: &Grant, act: Do, because: Vec<FindingName>) -> Option<Step> {
        if act != Do::Approve && act != Do::Revoke {
            return None;
        }
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
        let remediation = Remediation::RevokeRoleAssignment;
        Some(Step {
            id: self.step_id(grant, remediation, episode),
            episode,
            remediation,
            grant: grant.clone(),
            because,
            verdict,
        })
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
        match self.remediation {
            Remediation::RevokeRoleAssignment => format!(
                "revoke {} from {}{}",
                self.grant.role.name,
                self.grant.holder(),
                self.grant.scope_note()
            ),
        }
    }

    /// How a person does the same, click by click.
    ///
    /// Source: Microsoft Learn, "Remove a partner's delegated admin privileges"; the portal is
    /// the one documented way for a customer to end delegated administration.
    pub fn by_hand(&self) -> String {
        match self.grant.kind {
            PrincipalKind::ForeignGroup => format!(
                "Open https://admin.microsoft.com/AdminPortal/Home#/partners as Global \
                 Administrator (Microsoft 365 admin center > Settings > Partner relationships), \
                 choose {}, choose Remove roles, then Yes.",
                self.grant.partner.name
            ),
            PrincipalKind::Guest
            | PrincipalKind::DedicatedAccount
            | PrincipalKind::App
            | PrincipalKind::Unclassified => format!(
                "Open https://entra.microsoft.com as Privileged Role Administrator, choose Roles \
                 & admins > {} > Assignments, tick {}, choose Remove assignments.",
                self.grant.role.name,
                self.grant.holder()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{GapCause, Part};
    use crate::domain::finding::testing::{Case, noon};

    const REVOKE: &str = "respond:\n  privileged-role: {do: revoke}\n  role-not-allowed: {do: \
                          revoke}\n  guest-with-role: {do: revoke}\n  unlisted-partner: {do: \
                          revoke}\n  unclassified-principal: {do: revoke}\n";

    fn plan_of(case: &Case, history: &History) -> Plan {
        let policy = case.policy();
        let about = Circumstances {
            policy: &policy,
            tenant: &policy.roster.tenants[0],
            history,
            own_apps: &[],
            now: noon(),
        };
        plan(&case.facts, about)
    }

    #[track_caller]
    fn check(case: Case, expect: &[&str]) {
        check_after(case, &History::default(), expect);
    }

    /// Checks the lines of the plan that say what is done.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "a case is built where it is checked")]
    fn check_after(case: Case, history: &History, expect: &[&str]) {
        let text = plan_of(&case, history).to_string();
        let lines: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix("→ ")).collect();
        assert_eq!(lines, expect, "in\n{text}");
    }

    fn case() -> Case {
        Case::new().with_policy(REVOKE).member("Megan", "Global Administrator")
    }

    #[test]
    fn a_plan_reads_like_a_page() {
        let case = case()
            .with_policy("tickets: {security: {kind: webhook, url: https://tickets.example/in}}")
            .foreign_group("AdminAgents", "Global Administrator")
            .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
            .gap(Part::PartnerEntries, GapCause::Denied);
        insta::assert_snapshot!(plan_of(&case, &History::default()), @r"
        Woodgrove (enforce)
          Contoso Reseller
            critical privileged-role: AdminAgents, a principal of Contoso Reseller's own directory, holds the privileged role Global Administrator.
            critical privileged-role: Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds the privileged role User Administrator.
            high role-not-allowed: AdminAgents, a principal of Contoso Reseller's own directory, holds Global Administrator, which the policy does not allow it.
            high role-not-allowed: Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds User Administrator, which the policy does not allow it.
            high guest-with-role: Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds User Administrator.
            → revoke Global Administrator from AdminAgents (privileged-role, role-not-allowed)
            → revoke User Administrator from Alice (alice_contoso-reseller.example#EXT#@woodgrove.example) (privileged-role, role-not-allowed, guest-with-role)
            → ticket: security
          no known partner
            high unreadable: Unknown, because the partner entries of the cross-tenant access policy could not be read whole: (detail). The application permission it takes: Policy.Read.All. Unknown with it: which service providers have a relationship (unlisted-partner).
            → ticket: security
        ");
    }

    #[test]
    fn built_in_responses_never_write() {
        let case = Case::new().foreign_group("AdminAgents", "Global Administrator");
        check(case, &[]);
    }

    #[test]
    fn the_strongest_response_wins_and_there_is_one_step_for_each_grant() {
        check(
            Case::new()
                .with_policy(
                    "respond: {privileged-role: {do: revoke}, role-not-allowed: {do: approve}}",
                )
                .member("Megan", "Global Administrator")
                .foreign_group("AdminAgents", "Global Administrator")
                .foreign_group("AdminAgents", "Reports Reader"),
            &[
                "revoke Global Administrator from AdminAgents (privileged-role, role-not-allowed)",
                "ask before: revoke Reports Reader from AdminAgents (role-not-allowed)",
            ],
        );
    }

    #[test]
    fn approve_mode_asks_before_every_write() {
        check(
            case().mode("approve").foreign_group("AdminAgents", "Global Administrator"),
            &["ask before: revoke Global Administrator from AdminAgents (privileged-role, \
               role-not-allowed)"],
        );
    }

    #[test]
    fn what_is_not_certain_is_not_acted_on() {
        check(
            case()
                .unresolvable("dddddddd-0000-0000-0000-000000000001", "Global Administrator")
                .member_from("Mallory", "33333333-3333-3333-3333-333333333333", "Reports Reader"),
            &[],
        );
    }

    #[test]
    fn an_unlisted_partner_keeps_what_is_allowed_to_any_partner() {
        check(
            case()
                .allow_unlisted(&["Directory Readers"])
                .stranger_group("Strangers", "Directory Readers")
                .stranger_group("Strangers", "Reports Reader"),
            &["revoke Reports Reader from Strangers (role-not-allowed, unlisted-partner)"],
        );
    }

    #[test]
    fn the_last_global_administrator_stays() {
        let held = "held back: revoke Global Administrator from AdminAgents: no user of the \
                    tenant's own was seen to hold Global Administrator, so this could lock the \
                    tenant out; give the role to one of its own people first";
        let free = "revoke Global Administrator from AdminAgents (privileged-role, \
                    role-not-allowed)";
        let agents =
            || Case::new().with_policy(REVOKE).foreign_group("AdminAgents", "Global Administrator");
        check(agents(), &[held]);
        check(agents().own_group("Admins", "Global Administrator"), &[held]);
        check(agents().guest("Bob", "bob@customer.example", "Reports Reader"), &[held]);
        check(agents().guest("Bob", "bob@customer.example", "Global Administrator"), &[held]);
        check(agents().member("Megan", "User Administrator"), &[held]);
        check(agents().member("Megan", "Global Administrator"), &[free]);
        let unread = agents().gap(Part::Principals, GapCause::Denied);
        check(
            unread,
            &["held back: revoke Global Administrator from AdminAgents: it could not be read who \
               of the tenant's own people holds Global Administrator, so this could lock the \
               tenant out"],
        );
    }

    #[test]
    fn a_dedicated_account_is_no_administrator_of_the_tenants_own() {
        let account = "svc@woodgrove.example";
        check(
            Case::new().with_policy(REVOKE).dedicated_account(account, "Global Administrator"),
            &[
                "held back: revoke Global Administrator from svc@woodgrove.example: no user of the tenant's own was seen to hold Global \
               Administrator, so this could lock the tenant out; give the role to one of its own \
               people first",
            ],
        );
    }

    #[test]
    fn protected_accounts_are_left_alone_however_they_are_written() {
        let held = "held back: revoke Reports Reader from svc@woodgrove.example: the account is protected by the policy \
                    (guardrails.protected)";
        let case = || case().dedicated_account("svc@woodgrove.example", "Reports Reader");
        let id = case().facts.assignments[1].principal_id.to_string().to_uppercase();
        check(case().with_policy("guardrails: {protected: [SVC@Woodgrove.Example]}"), &[held]);
        check(case().with_policy(&format!("guardrails: {{protected: [{id}]}}")), &[held]);
        check(
            case().with_policy("guardrails: {protected: [svc2@woodgrove.example]}"),
            &["revoke Reports Reader from svc@woodgrove.example \
               (role-not-allowed)"],
        );
    }

    #[test]
    fn our_own_application_and_microsoft_support_are_left_alone() {
        let case = case()
            .partner_app("Partner Warden", "Directory Readers")
            .microsoft_support("Helpdesk Administrator");
        let policy = case.policy();
        let own = grants_app_id(&case);
        let about = Circumstances {
            policy: &policy,
            tenant: &policy.roster.tenants[0],
            history: &History::default(),
            own_apps: &[own.to_uppercase()],
            now: noon(),
        };
        let plan = plan(&case.facts, about).to_string();
        let held: Vec<&str> = plan.lines().filter(|line| line.contains("→ held back")).collect();
        assert_eq!(held.len(), 2, "{plan}");
        assert!(held[0].contains("the application Partner Warden itself signs in with"), "{plan}");
        assert!(held[1].contains("this is Microsoft Support"), "{plan}");
    }

    fn grants_app_id(case: &Case) -> String {
        let policy = case.policy();
        let grants = crate::domain::grant::grants(&case.facts, &policy.roster.tenants[0]);
        grants.into_iter().find_map(|grant| grant.app_id).unwrap()
    }

    #[test]
    fn no_more_is_revoked_within_the_window_than_allowed() {
        let case = case()
            .with_policy("guardrails: {maxRevocations: 2, per: 1h}")
            .foreign_group("Agents", "Reports Reader")
            .foreign_group("Agents", "Search Editor");
        let first = "revoke Reports Reader from Agents (role-not-allowed)";
        let second = "revoke Search Editor from Agents (role-not-allowed)";
        let held = |step: &str| {
            format!(
                "held back: {step}: 2 revocations within 1h are the most the policy allows \
                 (guardrails.maxRevocations)"
            )
        };
        let after = |revocations| History { revocations, ..History::default() };
        check_after(case.clone(), &after(0), &[first, second]);
        check_after(case.clone(), &after(1), &[first, &held("revoke Search Editor from Agents")]);
        check_after(
            case,
            &after(2),
            &[
                &held("revoke Reports Reader from Agents"),
                &held("revoke Search Editor from Agents"),
            ],
        );
    }

    #[test]
    fn what_was_done_is_not_done_again_until_it_was_gone_and_came_back() {
        let case = case().foreign_group("Agents", "Reports Reader");
        let guest = self::case().guest("Al", "al@contoso-reseller.example", "Reports Reader");
        let fresh = plan_of(&case, &History::default());
        let step = &fresh.cases[0].steps[0];
        let after = |episode, state| History {
            steps: BTreeMap::from([(step.grant.key(), PastStep { episode, state, at: noon() })]),
            revocations: 0,
        };
        let again = "revoke Reports Reader from Agents (role-not-allowed)";
        for (state, expect) in [
            (StepState::Revoked, "done before (revoked): revoke Reports Reader from Agents"),
            (StepState::Refused, "done before (refused): revoke Reports Reader from Agents"),
            (StepState::Unverified, "done before (unverified): revoke Reports Reader from Agents"),
            (StepState::Intended, again),
            (StepState::Described, again),
            (StepState::Verified, again),
        ] {
            check_after(case.clone(), &after(0, state), &[expect]);
        }
        let refused = PastStep { episode: 0, state: StepState::Refused, at: noon() };
        let key = plan_of(&guest, &History::default()).cases[0].steps[0].grant.key();
        let steps = BTreeMap::from([(key, refused)]);
        check_after(
            guest,
            &History { steps, revocations: 0 },
            &[
                "revoke Reports Reader from Al (al_contoso-reseller.example#EXT#@woodgrove.example) \
               (role-not-allowed, guest-with-role)",
            ],
        );
        let mut yesterday = after(0, StepState::Refused);
        for past in yesterday.steps.values_mut() {
            past.at = noon() - SignedDuration::from_hours(24);
        }
        check_after(case.clone(), &yesterday, &[again]);
        let back = plan_of(&case, &after(0, StepState::Verified));
        assert_ne!(back.cases[0].steps[0].id, step.id, "an episode of its own");
        let same = plan_of(&case, &after(0, StepState::Intended));
        assert_eq!(same.cases[0].steps[0].id, step.id);
        check_after(
            case,
            &after(2, StepState::Verified),
            &["held back: revoke Reports Reader from Agents: it was taken away 3 times and came \
               back each time"],
        );
    }

    #[test]
    fn an_ignored_finding_leaves_no_trace() {
        let quiet = "respond:\n  privileged-role: {do: ignore}\n  role-not-allowed: {do: ignore}";
        let case =
            Case::new().with_policy(quiet).foreign_group("AdminAgents", "Global Administrator");
        assert_eq!(plan_of(&case, &History::default()).to_string(), "Woodgrove: nothing to do");
    }
}
