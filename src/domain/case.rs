//! A case: what is the matter with one partner in one tenant, from the first finding to the end.

mod row;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::row::{Closing, rows};
use super::approval::{Asked, ProposalChange, ProposalId, Standing};
use super::facts::Facts;
use super::finding::{Finding, FindingName, Severity};
use super::id::{PrincipalId, Sha256Hex, SinkName, StepId, TenantId};
use super::plan::{Plan, PlannedCase, Remediation, Step, StepState, Target, Unfinished, Verdict};
use super::policy::Mode;
use super::record::Cause;
use super::roster::AffectedPartner;
use super::ticket::Ticket;

/// What is the matter with one partner in one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// The partner.
    pub partner: AffectedPartner,
    /// How many cases about the two were closed before this one.
    pub episode: u32,
    /// The ceiling in force at the last look.
    pub mode: Mode,
    /// One row for each thing found.
    pub rows: Vec<Row>,
    /// Whom to tell.
    pub sinks: BTreeSet<SinkName>,
    /// What they were told so far.
    pub tickets: Vec<Ticket>,
    /// What the policy answers with more than a ticket, and this version has no step for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left: BTreeSet<FindingName>,
    /// The last that people were asked about it, and what they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Whether it was written down for what was about to be done, and a record of how that ended
    /// is still to come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
}

/// One thing found, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The grant's key, or the finding's where there is no grant; the step's where it is about no
    /// grant.
    pub key: Sha256Hex,
    /// What the rules say of it; nothing where the row is a step about no grant.
    pub findings: Vec<Finding>,
    /// What was done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepRow>,
    /// Whether it still stands.
    pub open: bool,
    /// Whether a record of it is enough, by the policy: no ticket speaks of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quiet: bool,
}

/// A step and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is so or not, whatever the others are")]
pub struct StepRow {
    /// The step.
    pub id: StepId,
    /// What it does.
    pub remediation: Remediation,
    /// What it does it to, where that is not the grant of the row's findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The rows that are done with once it is proven, beside its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Sha256Hex>,
    /// What it does, with names.
    pub summary: String,
    /// How far it has come.
    pub state: StepState,
    /// What was said about that: by a guardrail, by Graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Graph's `request-id` of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When the call was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted_at: Option<Timestamp>,
    /// When it was seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// When a person last began to have it put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_at: Option<Timestamp>,
    /// How a person does the same.
    pub by_hand: String,
    /// Whether the same was done before and did not last.
    pub reappeared: bool,
    /// Whether what keeps it from being carried out stays until a person mends it: a sign-in that is
    /// refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stuck: bool,
    /// Whether somebody began to put back what it took away, and it was not seen to be there since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restoring: bool,
    /// Whether nothing holds it back but the stop switch, a ticket that is not there yet, or how much
    /// was done already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// When what it was to take away was seen to be gone, though its call was never answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_unanswered: Option<Timestamp>,
    /// What led to it. Nothing in what earlier versions have written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// How a call, or the decision not to make one, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How far the step has come.
    pub state: StepState,
    /// What was said about that.
    pub detail: Option<String>,
    /// Graph's `request-id` of the call.
    pub request_id: Option<String>,
    /// When the call was answered.
    pub acted_at: Option<Timestamp>,
}

impl Outcome {
    /// The outcome of a step that is not carried out now; nothing for one that is.
    pub fn of_verdict(verdict: &Verdict) -> Option<Self> {
        let (state, detail) = match verdict {
            Verdict::CarryOut => return None,
            Verdict::AwaitApproval => (StepState::AwaitingApproval, None),
            Verdict::Held(reason) => (StepState::Held, Some(reason.clone())),
            Verdict::Already(state) => (*state, None),
        };
        Some(Self { state, detail, request_id: None, acted_at: None })
    }
}

impl Case {
    /// A new case.
    pub fn open(tenant: TenantId, tenant_name: &str, partner: AffectedPartner, mode: Mode) -> Self {
        Self {
            tenant,
            tenant_name: tenant_name.to_owned(),
            partner,
            episode: 0,
            mode,
            rows: Vec::new(),
            sinks: BTreeSet::new(),
            tickets: Vec::new(),
            left: BTreeSet::new(),
            asked: None,
            begun: false,
        }
    }

    /// Whether anything in it still stands of which a record is not enough.
    pub fn is_open(&self) -> bool {
        self.rows.iter().any(|row| row.open && !row.quiet)
    }

    /// Whether what is found next belongs to it and is told in its tickets. Else another episode
    /// begins, with tickets of its own.
    pub fn goes_on(&self) -> bool {
        // One whose end was not told, since a crash came in between, goes on.
        self.is_open() || self.tickets.iter().any(|ticket| ticket.open)
    }

    /// Whether anything at all in it still stands, or is under way.
    pub fn stands(&self) -> bool {
        self.begun || self.rows.iter().any(|row| row.open)
    }

    /// The rows that still stand, or all of them once none does.
    pub fn rows_to_show(&self) -> impl Iterator<Item = &Row> {
        let open = self.is_open();
        let told = self.rows.iter().filter(|row| !row.quiet);
        told.filter(move |row| row.open || !open || row.step.is_some())
    }

    /// How bad it is: the worst of what stands, and critical where a step did not work out.
    pub fn severity(&self) -> Severity {
        let failed = self.rows.iter().filter(|row| row.open).any(|row| {
            row.step.as_ref().is_some_and(|step| {
                step.reappeared
                    || step.stuck
                    || matches!(
                        step.state,
                        StepState::Refused | StepState::Reappeared | StepState::Unverified
                    )
            })
        });
        let findings = self.rows_to_show().flat_map(|row| &row.findings);
        let worst = findings.map(|finding| finding.severity).max().unwrap_or(Severity::Info);
        if failed { Severity::Critical } else { worst }
    }

    /// Takes in what a look found. `outcome` says how each of its steps ended.
    ///
    /// What the look shows to be gone is closed. What it merely did not find may only be unread,
    /// and stays.
    pub fn look(
        &mut self,
        planned: PlannedCase,
        facts: &Facts,
        now: Timestamp,
        outcome: impl Fn(&Step) -> Outcome,
    ) {
        let found: BTreeSet<FindingName> = planned.findings.iter().map(|it| it.finding).collect();
        let seen = rows(planned.findings, &planned.steps, &planned.recorded, outcome);
        if !self.goes_on() && seen.values().any(|row| !row.quiet) {
            self.begin_again();
        }
        // What was not found again may only be unread, and is left to people still.
        self.left.retain(|name| !found.contains(name));
        self.left.extend(planned.left);
        // What was asked in an earlier episode is no news, unless steps still hang on it.
        if let Some(asked) = planned.asked
            && (planned.asks || self.asked.as_ref().is_some_and(|own| own.id == asked.id))
        {
            self.asked = Some(asked);
        }
        self.partner = planned.partner;
        self.sinks.extend(planned.sinks);
        let known: BTreeSet<Sha256Hex> = self.rows.iter().map(|row| row.key.clone()).collect();
        let findings = seen.values().flat_map(|row| &row.findings);
        let likenesses: BTreeSet<Sha256Hex> =
            findings.filter_map(|finding| Some(finding.grant.as_ref()?.likeness())).collect();
        for row in &mut self.rows {
            match seen.get(&row.key) {
                Some(new) => row.replace(new.clone()),
                None if row.open => match row.why_closed(facts, &likenesses) {
                    Some(Closing::Gone) => row.close(now),
                    Some(Closing::Allowed) => row.allow(),
                    Some(Closing::Unasked) => row.open = false,
                    Some(Closing::Replaced) => row.give_way(),
                    None => {}
                },
                None => {}
            }
        }
        self.rows.extend(seen.into_values().filter(|row| !known.contains(&row.key)));
        // What this look is the first to show as done is proven by it.
        let steps = self.rows.iter_mut().filter_map(|row| row.step.as_mut());
        for step in steps.filter(|step| step.state == StepState::Verified) {
            step.verified_at.get_or_insert(now);
        }
        let open = self.rows.iter().filter(|row| row.open).flat_map(|row| &row.findings);
        let open: BTreeSet<FindingName> = open.map(|found| found.finding).collect();
        self.left.retain(|name| open.contains(name));
    }

    /// Whether a step is of this case.
    pub fn has_step(&self, id: &StepId) -> bool {
        self.rows.iter().any(|row| row.step.as_ref().is_some_and(|step| step.id == *id))
    }

    /// Takes in what led to the steps that are new in it.
    pub fn caused(&mut self, cause: &Cause) {
        for step in self.rows.iter_mut().filter_map(|row| row.step.as_mut()) {
            step.cause.get_or_insert_with(|| cause.clone());
        }
    }

    /// Takes in how the call of a step ended.
    pub fn settle(&mut self, step: &StepId, outcome: &Outcome) {
        if let Some(step) = self.row_of(step).and_then(|row| row.step.as_mut()) {
            step.state = outcome.state;
            step.detail.clone_from(&outcome.detail);
            step.request_id.clone_from(&outcome.request_id);
            step.acted_at = outcome.acted_at;
            step.stuck = false;
            // Nothing but the stop switch holds back what was planned.
            step.waits = outcome.state == StepState::Held;
        }
    }

    /// Takes in that a step will not be carried out before a person has mended what is in its way.
    pub fn stuck(&mut self, step: &StepId) {
        if let Some(step) = self.row_of(step).and_then(|row| row.step.as_mut()) {
            step.stuck = true;
        }
    }

    /// Takes in that what a step was to bring about was seen.
    pub fn verified(&mut self, step: &StepId, now: Timestamp) {
        let Some(row) = self.row_of(step) else { return };
        row.close(now);
        let answers = row.step.as_ref().map(|step| step.answers.clone()).unwrap_or_default();
        // What several steps are needed for is done with once all of them are proven.
        let waiting = self.rows.iter().filter(|row| row.open).filter_map(|row| row.step.as_ref());
        let waiting: BTreeSet<Sha256Hex> =
            waiting.flat_map(|step| &step.answers).cloned().collect();
        let done = |row: &Row| answers.contains(&row.key) && !waiting.contains(&row.key);
        for row in self.rows.iter_mut().filter(|row| done(row)) {
            row.close(now);
        }
    }

    /// Takes in that what a step was to bring about was not seen at the last reading.
    pub fn not_proven(&mut self, step: &StepId, state: StepState, detail: &str) {
        if let Some(step) = self.row_of(step).and_then(|row| row.step.as_mut()) {
            step.state = state;
            step.detail = Some(detail.to_owned());
        }
    }

    /// Takes in that what a step took away is about to be put back, since it was seen to be gone.
    /// `of` is the case in which the step was carried out, should this one be a later one.
    pub fn putting_back(&mut self, of: &Self, step: &StepId, why: &str, now: Timestamp) {
        self.adopt(of, step);
        let proven = |step: &StepRow| step.state == StepState::Verified;
        let is_proven = |row: &Row| row.step.as_ref().is_some_and(proven);
        if self.row_of(step).is_some_and(|row| !is_proven(row)) {
            self.verified(step, now);
        }
        if let Some(step) = self.row_of(step).and_then(|row| row.step.as_mut()) {
            step.detail = Some(why.to_owned());
            step.undone_at = Some(now);
            step.restoring = true;
        }
    }

    /// Takes in how far putting back what a step took away has come, and whether it was seen to be
    /// there. `of` is the case in which the step was carried out, should this one be a later one.
    pub fn put_back(
        &mut self,
        of: &Self,
        step: &StepId,
        outcome: &Outcome,
        seen: bool,
        now: Timestamp,
    ) {
        self.adopt(of, step);
        if let Some(step) = self.row_of(step).and_then(|row| row.step.as_mut()) {
            if outcome.state == StepState::Restored {
                step.state = StepState::Restored;
            }
            step.undone_at = Some(now);
            step.detail.clone_from(&outcome.detail);
            step.restoring = !seen && outcome.state != StepState::Refused;
        }
    }

    /// Whether putting back what a step took away was begun and is not seen to have come about.
    pub fn is_restoring(&self, id: &StepId) -> bool {
        let mut steps = self.rows.iter().filter_map(|row| row.step.as_ref());
        steps.any(|step| step.id == *id && step.restoring)
    }

    /// Has a row for a step of an earlier case about the same partner.
    fn adopt(&mut self, of: &Self, step: &StepId) {
        if self.row_of(step).is_none() {
            let row = of.rows.iter().find(|row| row.step.as_ref().is_some_and(|it| it.id == *step));
            self.rows.extend(row.cloned().map(|row| Row { open: false, quiet: true, ..row }));
        }
    }

    /// Takes in what counts for nothing any more of what people were asked.
    fn withdraw(&mut self, left_over: &[ProposalChange]) {
        let gone = |id: &ProposalId| {
            let is = |it: &ProposalChange| matches!(it, ProposalChange::Void { id: its, .. } if its == id);
            left_over.iter().any(is)
        };
        if let Some(asked) = &mut self.asked
            && gone(&asked.id)
        {
            asked.standing = Standing::Void;
        }
    }

    /// Whether something was taken from a principal, or may have been, since a step that accompanies
    /// that was wanted first.
    fn has_taken_from(&self, principal: &PrincipalId, with: &StepRow) -> bool {
        let Some(since) = with.cause.as_ref().map(|cause| cause.decided) else { return false };
        let is_its = |row: &&Row| {
            let grant = row.findings.iter().find_map(|finding| finding.grant.as_ref());
            grant.is_some_and(|grant| grant.principal == *principal)
        };
        let mut steps = self.rows.iter().filter(is_its).filter_map(|row| row.step.as_ref());
        steps.any(|step| {
            step.state == StepState::Intended
                || step.acted_at.or(step.gone_unanswered).is_some_and(|at| since <= at)
        })
    }

    fn row_of(&mut self, id: &StepId) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.step.as_ref().is_some_and(|step| step.id == *id))
    }

    fn begin_again(&mut self) {
        if !self.rows.is_empty() {
            self.episode += 1;
        }
        self.rows.clear();
        self.asked = None;
        self.left.clear();
        self.tickets.clear();
        self.sinks.clear();
    }
}

/// The cases of a tenant after a look: those there were and those the plan opens. Steps to be
/// carried out stand as [`StepState::Intended`], and what the look changed is [`Case::begun`].
pub fn after_look(before: &[Case], plan: &Plan, facts: &Facts, now: Timestamp) -> Vec<Case> {
    let mut planned = plan.cases.clone();
    let mut take = |key: &str| {
        let at = planned.iter().position(|case| case.partner.key() == key)?;
        Some(planned.remove(at))
    };
    let mut cases: Vec<Case> = before.to_vec();
    for case in &mut cases {
        let planned =
            take(&case.partner.key()).unwrap_or_else(|| PlannedCase::nothing(case.partner.clone()));
        let before = case.clone();
        case.mode = plan.mode;
        case.look(planned, facts, now, intended);
        case.withdraw(&plan.left_over);
        case.begun |= *case != before;
    }
    for planned in planned {
        let partner = planned.partner.clone();
        let mut case = Case::open(plan.tenant, &plan.tenant_name, partner, plan.mode);
        case.look(planned, facts, now, intended);
        case.begun = true;
        cases.push(case);
    }
    cases
}

/// What was begun to be done to principals and is not known to be done, or waits still, be it for a
/// person, though what it goes with was taken away: a look that does not find any more what asked
/// for it ends it all the same.
pub fn unfinished(cases: &[Case]) -> Vec<Unfinished> {
    let of = |case: &Case, row: &Row| {
        let step = row.step.as_ref()?;
        let target = step.target.clone()?;
        let Target::Principal { principal, .. } = &target else { return None };
        let is_owed = match step.state {
            StepState::Intended => true,
            StepState::Held => step.waits && case.has_taken_from(principal, step),
            StepState::AwaitingApproval => case.has_taken_from(principal, step),
            StepState::Described
            | StepState::Revoked
            | StepState::Verified
            | StepState::Refused
            | StepState::Reappeared
            | StepState::Unverified
            | StepState::Restored => false,
        };
        let (partner, remediation) = (case.partner.clone(), step.remediation);
        let asks = step.state == StepState::AwaitingApproval;
        (row.open && is_owed).then_some(Unfinished { partner, remediation, target, asks })
    };
    cases.iter().flat_map(|case| case.rows.iter().filter_map(|row| of(case, row))).collect()
}

/// Whether Graph refused a step, by the cases after it.
pub fn was_refused(cases: &[Case], step: &Step) -> bool {
    let steps = cases.iter().flat_map(|case| &case.rows).filter_map(|row| row.step.as_ref());
    steps.filter(|row| row.id == step.id).any(|row| row.state == StepState::Refused)
}

fn intended(step: &Step) -> Outcome {
    let begun =
        Outcome { state: StepState::Intended, detail: None, request_id: None, acted_at: None };
    Outcome::of_verdict(&step.verdict).unwrap_or(begun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::GapCause;
    use crate::domain::facts::{DelegatedAdminRelationship, Part};
    use crate::domain::finding::testing::partner_side::{Msp, relationship};
    use crate::domain::finding::testing::{CONTOSO, Case as Given, STRANGER, noon};
    use crate::domain::plan::{Circumstances, History, plan};
    use crate::domain::ticket::messages;

    fn plan_of(given: &Given) -> Plan {
        let policy = given.policy();
        let tenant = &policy.roster.tenants[0];
        let history = History::default();
        let (policy, own_apps) = (&policy, &[]);
        let about = Circumstances {
            policy,
            tenant,
            history: &history,
            own_apps,
            stopped: None,
            now: noon(),
        };
        plan(&given.facts, about)
    }

    fn planned(given: &Given) -> PlannedCase {
        plan_of(given).cases.swap_remove(0)
    }

    fn given() -> Given {
        Given::new()
            .with_policy("respond: {role-not-allowed: {do: revoke}}")
            .member("Megan", "Global Administrator")
    }

    fn case() -> Case {
        let tenant = "11111111-1111-1111-1111-111111111111".parse().unwrap();
        Case::open(tenant, "Woodgrove", AffectedPartner::unknown(), Mode::Enforce)
    }

    fn revoked(_: &Step) -> Outcome {
        let state = StepState::Revoked;
        Outcome { state, detail: None, request_id: Some("r-1".into()), acted_at: Some(noon()) }
    }

    /// The case that `found` opens, after a later look at `then`.
    fn after(found: &Given, then: &Given) -> Case {
        let cases = after_look(&[], &plan_of(found), &found.facts, noon());
        assert!(cases[0].is_open());
        after_look(&cases, &plan_of(then), &then.facts, noon()).swap_remove(0)
    }

    #[test]
    fn a_row_closes_when_a_look_shows_it_to_be_gone() {
        let found = given().foreign_group("A", "Reports Reader");
        let unread = |part| given().gap(part, GapCause::Unavailable);
        let gone = after(&found, &given());
        assert!(!gone.is_open());
        assert_eq!(gone.rows[0].step.as_ref().unwrap().state, StepState::Verified);
        assert!(after(&found, &unread(Part::RoleAssignments)).is_open(), "it may be unread");
        assert!(!after(&found, &unread(Part::PartnerEntries)).is_open(), "that has no bearing");
        let allowed = found.clone().allow(&["Reports Reader"]);
        let stands = after(&found, &allowed);
        assert!(!stands.is_open(), "the policy allows it now");
        let step = stands.rows[0].step.as_ref().unwrap();
        assert_eq!((step.state, step.verified_at), (StepState::Intended, None), "no proof of that");
        let unsure = allowed.gap(Part::Guests, GapCause::Denied);
        assert!(after(&found, &unsure).is_open(), "held still, and not read whole");
    }

    fn eligible(ids: &[&str]) -> Given {
        let upn = "svc@woodgrove.example";
        let mut given = given().account(upn).eligible(upn, "Reports Reader", None);
        let one = given.facts.eligible.remove(0);
        let with = |id: &&str| {
            let id = crate::domain::id::AssignmentId((*id).to_owned());
            crate::domain::facts::ScheduleInstance { id, ..one.clone() }
        };
        given.facts.eligible = ids.iter().map(with).collect();
        given
    }

    /// The state of each step, and whether its row is open, after a look at `found` whose steps
    /// ended so and one at `then`.
    fn stands(found: &Given, state: StepState, then: &Given) -> Vec<(bool, Option<StepState>)> {
        let mut cases = after_look(&[], &plan_of(found), &found.facts, noon());
        let steps = cases[0].rows.iter().filter_map(|row| row.step.as_ref());
        let ids: Vec<StepId> = steps.map(|step| step.id.clone()).collect();
        for id in ids {
            let outcome = Outcome { state, detail: None, request_id: None, acted_at: None };
            cases[0].settle(&id, &outcome);
        }
        let case = after_look(&cases, &plan_of(then), &then.facts, noon()).swap_remove(0);
        let step = |row: &Row| row.step.as_ref().map(|step| step.state);
        case.rows.iter().map(|row| (row.open, step(row))).collect()
    }

    #[test]
    fn nothing_is_proven_while_the_same_access_is_there_under_another_id() {
        let (one, both) = (eligible(&["one"]), eligible(&["one", "other"]));
        let other = eligible(&["other"]);
        let intended = Some(StepState::Intended);
        for state in
            [StepState::Intended, StepState::Revoked, StepState::Reappeared, StepState::Unverified]
        {
            let is = stands(&one, state, &other);
            assert_eq!(is, [(true, Some(state)), (true, intended)], "{state:?}");
            let is = stands(&both, state, &other);
            assert_eq!(is[0], (true, Some(state)), "{state:?}");
            let gone = stands(&one, state, &eligible(&[]));
            assert_eq!(gone, [(false, Some(StepState::Verified))], "{state:?}");
            let unsure = given().gap(Part::EligibleSchedules, GapCause::Unavailable);
            assert_eq!(stands(&one, state, &unsure), [(true, Some(state))], "{state:?}");
            let allowed = other.clone().allow(&["Reports Reader"]);
            assert_eq!(stands(&one, state, &allowed), [(false, Some(state))], "{state:?}");
            let unsure = allowed.gap(Part::Guests, GapCause::Denied);
            assert_eq!(stands(&one, state, &unsure)[0], (true, Some(state)), "{state:?}");
        }
        // What was never done gives way to what is to be done now.
        for state in [StepState::Held, StepState::AwaitingApproval, StepState::Described] {
            let is = stands(&one, state, &other);
            assert_eq!(is, [(false, None), (true, intended)], "{state:?}");
        }
        let refused = stands(&one, StepState::Refused, &other);
        assert_eq!(refused, [(false, Some(StepState::Refused)), (true, intended)]);
    }

    #[test]
    fn an_unreadable_part_closes_when_that_part_was_read() {
        let quiet = || Given::new().member("Megan", "Global Administrator");
        let denied = |part| quiet().gap(part, GapCause::Denied);
        let both = denied(Part::Guests).gap(Part::PartnerEntries, GapCause::Denied);
        let one = after(&both, &denied(Part::PartnerEntries));
        assert_eq!(one.rows.iter().map(|row| row.open).collect::<Vec<_>>(), [false, true]);
        assert!(!after(&both, &quiet()).is_open());
        let shut_out = quiet().gap(Part::Guests, GapCause::SignInRefused);
        let rows = after(&both, &shut_out).rows;
        assert_eq!(rows.iter().map(|row| row.open).collect::<Vec<_>>(), [true, true, true]);
        assert!(!after(&shut_out, &both).rows[0].open, "they were let in again");
    }

    #[test]
    fn a_bare_relationship_closes_when_the_entries_were_read() {
        let found = Given::new().service_provider(STRANGER);
        let unread = |part| Given::new().gap(part, GapCause::Unavailable);
        assert!(!after(&found, &unread(Part::Guests)).is_open());
        assert!(after(&found, &unread(Part::PartnerEntries)).is_open());
        let governed = Given::new().governed_by(STRANGER, "Fabrikam", Some("active"));
        assert!(!after(&governed, &unread(Part::PartnerEntries)).is_open());
        assert!(after(&governed, &unread(Part::Governance)).is_open());
    }

    #[test]
    fn a_way_through_a_group_is_gone_only_when_the_group_and_its_role_were_read() {
        let found = Given::new().own_group("Admins", "Reports Reader").guest_in(
            "Admins",
            "Alice",
            "alice@contoso-reseller.example",
        );
        let unread = |part| Given::new().gap(part, GapCause::Unavailable);
        for part in
            [Part::Principals, Part::GroupMembers, Part::RoleAssignments, Part::ActiveSchedules]
        {
            assert!(after(&found, &unread(part)).is_open(), "{part:?}");
        }
        assert!(!after(&found, &unread(Part::EligibleSchedules)).is_open());
        let may = Given::new().eligible_group("Admins", "Reports Reader").guest_in(
            "Admins",
            "Alice",
            "alice@contoso-reseller.example",
        );
        assert!(after(&may, &unread(Part::EligibleSchedules)).is_open());
        assert!(!after(&may, &unread(Part::RoleAssignments)).is_open());
        // Seen, though the members of another group were not.
        let scheduled = Given::new().scheduled_group("Admins", "Reports Reader").guest_in(
            "Admins",
            "Alice",
            "alice@contoso-reseller.example",
        );
        let allowed = scheduled.clone().allow(&["Reports Reader"]);
        let unsure = allowed.gap(Part::Guests, GapCause::Denied);
        assert!(after(&scheduled, &unsure).is_open(), "held still, and not read whole");
    }

    #[test]
    fn a_strangers_application_is_gone_only_when_the_strangers_were_read() {
        let unread = |part| Given::new().gap(part, GapCause::Unavailable);
        let with = |owner| {
            Given::new().app_of(
                owner,
                "Sync",
                "RoleManagement.ReadWrite.Directory",
                "Microsoft Graph",
            )
        };
        let named = with(CONTOSO);
        for part in [Part::PartnerEntries, Part::Governance] {
            assert!(!after(&named, &unread(part)).is_open(), "{part:?}");
        }
        let found = with(STRANGER).service_provider(STRANGER);
        for part in [Part::PartnerApps, Part::PartnerEntries, Part::Governance] {
            assert!(after(&found, &unread(part)).is_open(), "{part:?}");
        }
        assert!(!after(&found, &Given::new()).is_open());
    }

    #[test]
    fn what_is_only_recorded_opens_no_case_and_keeps_none_open() {
        let recorded = || {
            let respond =
                "respond: {role-not-allowed: {do: record}, privileged-role: {do: ticket}}";
            Given::new().with_policy(respond).member("Megan", "Global Administrator")
        };
        let quiet = || recorded().foreign_group("Readers", "Reports Reader");
        let loud = quiet().foreign_group("Agents", "User Administrator");
        let looked = |cases: &[Case], given: &Given| {
            after_look(cases, &plan_of(given), &given.facts, noon())
        };
        let first = looked(&[], &quiet());
        let again = looked(&first, &quiet());
        assert_eq!((first[0].is_open(), first[0].rows.len()), (false, 1));
        assert_eq!((again[0].episode, &again[0].rows), (0, &first[0].rows));
        let told = looked(&again, &loud);
        assert!(told[0].is_open());
        assert_eq!(told[0].rows_to_show().count(), 1, "no ticket speaks of the other");
        let over = looked(&told, &quiet());
        assert!(!over[0].is_open(), "the other stands, and a record of it is enough");
        let back = looked(&over, &loud);
        assert_eq!((over[0].episode, back[0].episode), (told[0].episode, told[0].episode + 1));
    }

    #[test]
    fn a_relationship_closes_when_it_has_ended_and_with_it_the_step_about_it() {
        let revoke = "respond: {gdap-global-administrator: {do: revoke}}";
        let with = |status: &str| {
            let everything = DelegatedAdminRelationship {
                status: Some(status.to_owned()),
                ..relationship("Everything", &["Global Administrator"])
            };
            Msp::new().with_policy(revoke).allow(&[]).with(everything)
        };
        let look = |before: &[Case], msp: &Msp| {
            let policy = msp.policy();
            let (tenant, history) = (&policy.roster.tenants[0], History::default());
            let (policy, history, own_apps) = (&policy, &history, &[]);
            let about =
                Circumstances { policy, tenant, history, own_apps, stopped: None, now: noon() };
            after_look(before, &plan(&msp.facts, about), &msp.facts, noon())
        };
        let found = look(&[], &with("active"));
        let [case] = found.as_slice() else { panic!("{found:#?}") };
        assert_eq!(case.partner.name, "Woodgrove");
        // Two findings, and the step that answers one of them.
        assert_eq!(case.rows.iter().filter(|row| row.open).count(), 3, "{case:#?}");
        assert_eq!(case.left, BTreeSet::new());
        let unread = look(&found, &Msp::new().with_policy(revoke).gap(Part::Relationships));
        assert!(unread[0].is_open(), "it may be unread");
        let has_no_bearing = Msp::new().gap(Part::DelegatedAccess);
        assert!(!look(&found, &has_no_bearing)[0].is_open());
        for gone in [with("terminated"), with("expired"), Msp::new()] {
            let after = look(&found, &gone);
            assert!(!after[0].is_open());
            // Whoever was to write its outcome down may have died: the look is its proof.
            let step = after[0].rows.iter().find_map(|row| row.step.as_ref()).unwrap();
            assert_eq!((step.state, step.verified_at), (StepState::Verified, Some(noon())));
        }
        // What was never begun is not proven by that.
        let after = look(&look(&[], &with("expiring")), &with("terminated"));
        let step = after[0].rows.iter().find_map(|row| row.step.as_ref()).unwrap();
        assert_eq!((step.state, step.verified_at), (StepState::Held, None));
        assert!(!after[0].is_open());
    }

    #[test]
    fn verification_closes_the_row_of_its_step_and_no_other() {
        let given =
            given().foreign_group("A", "Reports Reader").foreign_group("B", "Search Editor");
        let mut case = case();
        let planned = planned(&given);
        let first = planned.steps[0].id.clone();
        case.look(planned, &given.facts, noon(), revoked);
        case.verified(&first, noon());
        assert_eq!(case.rows.iter().map(|row| row.open).collect::<Vec<_>>(), [false, true]);
        assert!(case.is_open());
    }

    #[test]
    fn access_that_stays_makes_the_case_critical() {
        let mut case = case();
        let given = given().foreign_group("A", "Reports Reader");
        let planned = planned(&given);
        let step = planned.steps[0].id.clone();
        case.look(planned, &given.facts, noon(), revoked);
        assert_eq!(case.severity(), Severity::High);
        case.not_proven(&step, StepState::Reappeared, "still there after an hour");
        assert_eq!(case.severity(), Severity::Critical);
        assert!(case.is_open());
    }

    #[test]
    fn what_a_call_said_survives_the_next_look() {
        let mut case = case();
        let given = given().foreign_group("A", "Reports Reader");
        case.look(planned(&given), &given.facts, noon(), revoked);
        case.look(planned(&given), &given.facts, noon(), |_| Outcome {
            state: StepState::Revoked,
            detail: None,
            request_id: None,
            acted_at: None,
        });
        let step = case.rows[0].step.as_ref().unwrap();
        assert_eq!(step.request_id.as_deref(), Some("r-1"));
        assert_eq!(step.acted_at, Some(noon()));
    }

    #[test]
    fn a_case_whose_end_is_not_told_yet_goes_on() {
        let told = "tickets: {s: {kind: webhook, url: https://x.example}}";
        let none = Given::new().with_policy(told);
        let found = none.clone().foreign_group("A", "User Administrator");
        let looked = |cases: &[Case], given: &Given| {
            after_look(cases, &plan_of(given), &given.facts, noon())
        };
        let mut cases = looked(&[], &found);
        assert_eq!(messages(&mut cases[0], "r", None, noon()).len(), 1);
        // Written down as closed, and the process ended before that was told.
        let mut closed = looked(&cases, &none);
        assert!(!closed[0].is_open());
        let again = looked(&closed, &found);
        assert_eq!((again[0].episode, again[0].is_open()), (0, true));
        assert_eq!(messages(&mut closed[0], "r", None, noon()).len(), 1);
        assert_eq!(looked(&closed, &found)[0].episode, 1);
    }

    #[test]
    fn a_closed_case_that_comes_back_is_a_new_episode() {
        let mut case = case();
        let given = given().foreign_group("A", "Reports Reader");
        case.look(planned(&given), &given.facts, noon(), revoked);
        let step = case.rows[0].step.as_ref().unwrap().id.clone();
        case.verified(&step, noon());
        case.look(planned(&given), &given.facts, noon(), revoked);
        assert_eq!(case.episode, 1);
        assert!(case.is_open());
    }

    const QUARANTINE: &str = "respond: {privileged-role: {do: quarantine}}\n\
                              tickets: {s: {kind: webhook, url: https://x.example}}";

    fn agents() -> Given {
        Given::new()
            .with_policy(QUARANTINE)
            .member("Megan", "Global Administrator")
            .foreign_group("A", "Global Administrator")
    }

    #[test]
    fn a_quarantine_in_force_keeps_no_case_open_and_is_proven_by_the_look_that_sees_it() {
        let mut seen = agents();
        let plan = plan_of(&seen);
        let made = plan.cases[0].steps[0].quarantine.as_ref().unwrap().document();
        seen.facts.conditional_access.push(made);
        let cases = after_look(&[], &plan_of(&seen), &seen.facts, noon());
        let row = cases[0].rows.iter().find(|row| row.findings.is_empty()).unwrap();
        let step = row.step.as_ref().unwrap();
        assert_eq!(
            (row.open, step.state, step.verified_at),
            (false, StepState::Verified, Some(noon()))
        );
        assert!(cases[0].is_open(), "what was found still stands");
        let later = noon() + jiff::SignedDuration::from_hours(1);
        let again = after_look(&cases, &plan_of(&seen), &seen.facts, later);
        assert_eq!(again, cases, "nothing new");
        let gone = Given::new().with_policy(QUARANTINE).member("Megan", "Global Administrator");
        let over = after_look(&again, &plan_of(&gone), &gone.facts, later);
        assert!(!over[0].is_open());
    }

    #[test]
    fn a_step_that_nothing_asks_for_any_more_is_over_unless_it_is_to_be_proven() {
        let found = agents();
        let none = Given::new().with_policy(QUARANTINE).member("Megan", "Global Administrator");
        let unread = none.clone().gap(Part::Guests, GapCause::Unavailable);
        for (state, open) in [
            (StepState::Held, false),
            (StepState::Refused, false),
            (StepState::Intended, false),
            (StepState::Revoked, true),
            (StepState::Reappeared, true),
            (StepState::Unverified, true),
        ] {
            let mut cases = after_look(&[], &plan_of(&found), &found.facts, noon());
            let id = plan_of(&found).cases[0].steps[0].id.clone();
            let outcome = Outcome { state, detail: None, request_id: None, acted_at: None };
            cases[0].settle(&id, &outcome);
            let looked = |given: &Given| {
                let cases = after_look(&cases, &plan_of(given), &given.facts, noon());
                cases[0].rows.iter().any(|row| row.open && row.findings.is_empty())
            };
            assert_eq!(looked(&none), open, "{state:?}");
            assert!(looked(&unread), "what may only be unread is not over: {state:?}");
        }
    }

    #[test]
    fn what_was_begun_to_a_principal_and_has_no_outcome_is_unfinished() {
        let found = Given::new()
            .with_policy("respond: {role-not-allowed: {do: revoke, also: [disable-guest]}}")
            .member("Megan", "Global Administrator")
            .guest("Al", "al@contoso-reseller.example", "Reports Reader");
        let mut cases = after_look(&[], &plan_of(&found), &found.facts, noon());
        let [one] = unfinished(&cases).try_into().unwrap();
        assert_eq!(one.remediation, Remediation::DisableGuest);
        let id = plan_of(&found).cases[0].steps[1].id.clone();
        let [first, also] = [0, 1].map(|n| plan_of(&found).cases[0].steps[n].clone());
        cases[0].settle(&id, &revoked(&also));
        assert_eq!(unfinished(&cases), []);
        // Held back between the two by what passes; or both were, or something else holds it.
        let held = Outcome {
            state: StepState::Held,
            detail: Some("stopped".to_owned()),
            request_id: None,
            acted_at: None,
        };
        cases[0].caused(&Cause { event: None, received: None, decided: noon() });
        cases[0].settle(&also.id, &held);
        let lost = Outcome { state: StepState::Intended, detail: None, ..held.clone() };
        cases[0].settle(&first.id, &lost);
        let mut unanswered = cases.clone();
        unanswered[0].verified(&first.id, noon());
        assert_eq!(unfinished(&unanswered).len(), 1, "it was never answered, and is gone");
        cases[0].settle(&first.id, &held);
        let mut untouched = cases.clone();
        untouched[0].verified(&first.id, noon());
        assert_eq!(unfinished(&untouched), [], "somebody else took it away");
        for (outcome, owed) in [(held.clone(), 0), (revoked(&first), 1)] {
            cases[0].settle(&first.id, &outcome);
            assert_eq!(unfinished(&cases).len(), owed);
        }
        let waits = Outcome { state: StepState::AwaitingApproval, detail: None, ..held.clone() };
        cases[0].settle(&also.id, &waits);
        assert!(unfinished(&cases)[0].asks, "a person has to agree still");
        cases[0].settle(&also.id, &held);
        assert!(!unfinished(&cases)[0].asks);
        let with = |change: &dyn Fn(&mut StepRow)| {
            let mut cases = cases.clone();
            change(cases[0].row_of(&also.id).unwrap().step.as_mut().unwrap());
            unfinished(&cases).len()
        };
        assert_eq!(with(&|_| {}), 1);
        assert_eq!(with(&|step| step.waits = false), 0, "held back by what stays");
        let later = noon() + jiff::SignedDuration::from_secs(1);
        let anew = |step: &mut StepRow| step.cause.as_mut().unwrap().decided = later;
        assert_eq!(with(&anew), 0, "what it goes with was taken before it was wanted");
        // It is owed since it was wanted first, though its id is another one by now.
        let row = cases[0].row_of(&also.id).unwrap();
        let mut new = row.clone();
        let step = new.step.as_mut().unwrap();
        (step.id, step.cause) = (first.id.clone(), None);
        row.replace(new);
        assert!(row.step.as_ref().unwrap().cause.is_some());
    }
}
