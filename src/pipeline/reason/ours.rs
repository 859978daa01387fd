//! Whether something that was done in our own name is a write of ours, as far as the ledger knows.
//!
//! A name of an activity says what can have left it ([`Trail`]); whom it was done to, and where that is
//! not enough the moment, say whether a step did. What nothing here is known to have done, somebody
//! else did who holds our credential.

use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;
use tracing::warn;

use super::World;
use crate::domain::case::{Case, Row, StepRow};
use crate::domain::grant::{Grant, Held};
use crate::domain::plan::{StepState, Target};
use crate::domain::roster::Tenant;
use crate::domain::signal::{Signal, Subject};
use crate::ports::chain;
use crate::wire::audit::trail::Trail;

/// How far the clocks here and at Microsoft may be apart, with what a call that is repeated takes.
const CALL: SignedDuration = SignedDuration::from_mins(10);

/// What a write of ours was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// It took something away, and gave nobody anything.
    Taking,
    /// It changed something that may be more than that.
    Change,
}

/// What steps of ours have done in a tenant, read when it is first asked for.
pub(super) struct Ours<'a> {
    world: &'a World,
    tenant: &'a Tenant,
    read: OnceCell<Vec<Case>>,
}

impl<'a> Ours<'a> {
    pub(super) fn new(world: &'a World, tenant: &'a Tenant) -> Self {
        Self { world, tenant, read: OnceCell::new() }
    }

    /// Which write of ours a signal tells of; nothing where none is known, nor where that cannot be
    /// read.
    pub(super) async fn deed(&self, signal: &Signal) -> Option<Deed> {
        let read = self.read.get_or_init(async || {
            self.world.ledger.cases(self.tenant.id).await.unwrap_or_else(|error| {
                warn!(self.tenant.name, "our own steps cannot be read: {}", chain(&error));
                Vec::new()
            })
        });
        deed(read.await, signal)
    }
}

/// Which step that cases tell of has done, or may have done, what a signal tells of. What Graph
/// never answered for counts as done, since it is written down before the call.
fn deed(cases: &[Case], signal: &Signal) -> Option<Deed> {
    let trail = Trail::of(&signal.what);
    let mut rows = cases.iter().flat_map(|case| &case.rows);
    let did = rows.any(|row| {
        row.step.as_ref().is_some_and(|step| {
            let done = trail.done.contains(&step.remediation)
                && begun(step)
                && (trail.takes || was_then(step, signal));
            let undone =
                trail.undone.contains(&step.remediation) && was_put_back_then(step, signal);
            (done || undone) && is_about(row, step, signal)
        })
    });
    did.then_some(if trail.takes { Deed::Taking } else { Deed::Change })
}

/// Whether Graph took a step or may have.
fn begun(step: &StepRow) -> bool {
    step.acted_at.is_some() || step.state == StepState::Intended
}

/// Whether what happened did so when the call of a step was made.
fn was_then(step: &StepRow, signal: &Signal) -> bool {
    let Some(at) = signal.event_at else { return false };
    match step.acted_at {
        Some(acted) => is_near(at, acted),
        // It was begun, and nobody knows when it came about.
        None => step.cause.as_ref().is_some_and(|cause| at >= before(cause.decided)),
    }
}

fn was_put_back_then(step: &StepRow, signal: &Signal) -> bool {
    step.undone_at.zip(signal.event_at).is_some_and(|(undone, at)| is_near(at, undone))
}

fn is_near(at: Timestamp, call: Timestamp) -> bool {
    at.duration_since(call).abs() <= CALL
}

fn before(at: Timestamp) -> Timestamp {
    at.checked_sub(CALL).unwrap_or(at)
}

/// Whether everything that a signal is about is what a step is done to. A policy has an id that
/// Microsoft chose, and how the targets of events about relationships are named is not documented:
/// of these the moment has to be enough.
fn is_about(row: &Row, step: &StepRow, signal: &Signal) -> bool {
    let (whom, with) = match &step.target {
        Some(Target::Principal { principal, .. }) => (principal.as_str(), Vec::new()),
        Some(Target::Grant(grant)) => (grant.principal.as_str(), beside(grant)),
        None => {
            let Some(grant) = row.findings.iter().find_map(|found| found.grant.as_ref()) else {
                return false;
            };
            (grant.principal.as_str(), beside(grant))
        }
        Some(Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. }) => {
            return true;
        }
    };
    let whom = Subject::object(whom);
    let known = |subject: &Subject| *subject == whom || with.contains(subject);
    match signal.about.as_slice() {
        [] => signal.subject == whom,
        about => about.contains(&whom) && about.iter().all(known),
    }
}

/// What else a grant's removal names: the groups, and the application of the API.
fn beside(grant: &Grant) -> Vec<Subject> {
    let mut ids: Vec<&str> =
        grant.held.within().iter().map(|within| within.group.as_str()).collect();
    match &grant.held {
        Held::ThroughGroup { group, .. } => ids.push(group.as_str()),
        Held::AppRole { resource, .. } => ids.extend(resource.as_deref()),
        Held::Assignment { .. } | Held::Eligible { .. } | Held::Scheduled { .. } => {}
    }
    ids.into_iter().map(Subject::object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::case::{Outcome, after_look};
    use crate::domain::finding::testing::{Case as Given, WOODGROVE, noon};
    use crate::domain::grant::PrincipalKind;
    use crate::domain::id::{PrincipalId, Sha256Hex, StepId};
    use crate::domain::plan::{Circumstances, History, Remediation, plan};
    use crate::domain::record::Cause;
    use crate::domain::signal::{Initiator, Sender};

    const WHO: &str = "d1f68b05-47e2-4a9c-83b0-c6e59127d4fa";
    const GROUP: &str = "0c5d7e1a-93b4-4f68-a2d0-7b16e8f3c459";

    fn signal(what: &str, about: &[&str]) -> Signal {
        Signal {
            tenant: WOODGROVE.parse().unwrap(),
            sender: Sender::Audit,
            what: what.to_owned(),
            subject: Subject::object(about.first().unwrap_or(&"elsewhere")),
            event_id: None,
            event_at: Some(noon()),
            received_at: noon(),
            digest: Sha256Hex::of(b""),
            initiator: Some(Initiator::OurApp),
            removal: Trail::of(what).takes,
            about: about.iter().map(|id| Subject::object(id)).collect(),
            content_uri: None,
        }
    }

    fn cases(given: &Given) -> Vec<Case> {
        let (policy, history) = (given.policy(), History::default());
        let (tenant, policy, own_apps) = (&policy.roster.tenants[0], &policy, &[]);
        let about = Circumstances {
            policy,
            tenant,
            history: &history,
            own_apps,
            stopped: None,
            now: noon(),
        };
        let mut cases = after_look(&[], &plan(&given.facts, about), &given.facts, noon());
        for case in &mut cases {
            case.caused(&Cause::of(None, noon()));
        }
        cases
    }

    fn given() -> Given {
        Given::new()
            .with_policy("respond: {role-not-allowed: {do: revoke}}")
            .member("Megan", "Global Administrator")
            .foreign_group("Agents", "Exchange Administrator")
    }

    fn step_of(cases: &mut [Case]) -> &mut StepRow {
        cases[0].rows.iter_mut().find_map(|row| row.step.as_mut()).unwrap()
    }

    /// A case with one step of a kind, done at noon to a target that no grant is behind.
    fn done(remediation: Remediation, target: Target) -> Vec<Case> {
        let mut cases = cases(&given());
        let row = cases[0].rows.iter_mut().find(|row| row.step.is_some()).unwrap();
        row.findings.clear();
        let step = row.step.as_mut().unwrap();
        (step.remediation, step.target) = (remediation, Some(target));
        (step.state, step.acted_at) = (StepState::Revoked, Some(noon()));
        cases
    }

    fn principal(kind: PrincipalKind) -> Target {
        let (user_principal_name, app_id) = (None, None);
        let (principal, name) = (PrincipalId::new(WHO), "Who".to_owned());
        Target::Principal { principal, kind, name, user_principal_name, app_id }
    }

    /// What a removal of the group's role is held for, once the step has come so far.
    fn once(state: StepState, acted_at: Option<Timestamp>) -> Option<Deed> {
        let given = given();
        let mut cases = cases(&given);
        let group = given.facts.assignments[1].principal_id.as_str().to_uppercase();
        let removed = signal("Remove member from role", &[&group]);
        assert_eq!(deed(&cases, &removed), Some(Deed::Taking), "begun");
        let id: StepId = step_of(&mut cases).id.clone();
        cases[0].settle(&id, &Outcome { state, detail: None, request_id: None, acted_at });
        deed(&cases, &removed)
    }

    #[test]
    fn a_step_has_taken_something_if_graph_took_it_or_may_have() {
        assert_eq!(once(StepState::Intended, None), Some(Deed::Taking));
        for state in [StepState::Revoked, StepState::Verified, StepState::Unverified] {
            assert_eq!(once(state, Some(noon())), Some(Deed::Taking), "{state:?}");
        }
        // What is described, held back or refused, and gone all the same, somebody else took away.
        for state in [
            StepState::Described,
            StepState::AwaitingApproval,
            StepState::Held,
            StepState::Refused,
            StepState::Verified,
        ] {
            assert_eq!(once(state, None), None, "{state:?}");
        }
    }

    #[test]
    fn every_write_to_a_principal_is_known_by_its_name_and_by_whom_it_was_done_to() {
        use PrincipalKind::{App, Guest};
        for (remediation, kind, what, expect) in [
            (
                Remediation::RevokeSessions,
                Guest,
                "Update StsRefreshTokenValidFrom Timestamp",
                Deed::Taking,
            ),
            (Remediation::DisableGuest, Guest, "Disable account", Deed::Taking),
            (Remediation::DisableGuest, Guest, "Update user", Deed::Change),
            (Remediation::DisableApp, App, "Update service principal", Deed::Change),
        ] {
            let cases = done(remediation, principal(kind));
            assert_eq!(deed(&cases, &signal(what, &[WHO])), Some(expect), "{what}");
            assert_eq!(deed(&cases, &signal(what, &[GROUP])), None, "{what} of somebody else");
            assert_eq!(deed(&cases, &signal(what, &[WHO, GROUP])), None, "and of somebody else");
            for other in ["Remove member from role", "Add service principal credentials"] {
                assert_eq!(deed(&cases, &signal(other, &[WHO])), None, "{other}");
            }
        }
    }

    #[test]
    fn every_way_to_hold_a_role_is_known_by_what_its_removal_names() {
        let app = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8";
        let allow =
            "respond: {role-not-allowed: {do: revoke}, partner-app-privileged: {do: revoke}}";
        let upn = "svc@woodgrove.example";
        let given = || Given::new().with_policy(allow).member("Megan", "Global Administrator");
        let account = || given().account(upn);
        for (given, what) in [
            (
                account().eligible(upn, "Exchange Administrator", None),
                "Remove eligible member from role in PIM completed (permanent)",
            ),
            (
                account().active(upn, "Exchange Administrator", None),
                "Remove member from role in PIM completed (timebound)",
            ),
            (
                given().own_group("Admins", "Exchange Administrator").guest_in(
                    "Admins",
                    "Alice",
                    "alice@contoso-reseller.example",
                ),
                "Remove member from group",
            ),
            (
                given().app_with("Sync", app, "Microsoft Graph"),
                "Remove app role assignment from service principal",
            ),
        ] {
            let mut cases = cases(&given);
            let rows = cases[0].rows.iter_mut().filter(|row| row.step.is_some());
            let row = rows.last().unwrap();
            let step = row.step.as_mut().unwrap();
            (step.state, step.acted_at) = (StepState::Revoked, Some(noon()));
            let grant = row.findings.iter().find_map(|found| found.grant.clone()).unwrap();
            let (whom, beside) = (grant.principal.as_str(), grant.held.within());
            let group = beside.first().map(|within| within.group.as_str());
            let named: Vec<&str> = std::iter::once(whom).chain(group).collect();
            let of = |about: &[&str]| deed(&cases, &signal(what, about));
            assert_eq!(of(&named), Some(Deed::Taking), "{what}");
            let turned: Vec<&str> = named.iter().rev().copied().collect();
            assert_eq!(of(&turned), Some(Deed::Taking), "{what}, in another order");
            assert_eq!(of(&[&named[1..], &[WHO]].concat()), None, "{what} of somebody else");
            assert_eq!(of(&[&named[..], &[WHO]].concat()), None, "{what}, and of somebody else");
        }
    }

    #[test]
    fn a_policy_and_a_relationship_are_known_by_the_moment_alone() {
        let minutes = |minutes| noon() + SignedDuration::from_mins(minutes);
        for (remediation, what) in [
            (Remediation::Quarantine, "Add Conditional Access policy"),
            (Remediation::Quarantine, "Update Conditional Access policy"),
            (Remediation::DropGlobalAdministrator, "Update delegated admin relationship"),
            (Remediation::TerminateRelationship, "Terminate delegated admin relationship"),
        ] {
            let cases = done(remediation, Target::Partner);
            let at = |event_at| deed(&cases, &Signal { event_at, ..signal(what, &[GROUP]) });
            assert_eq!(at(Some(minutes(1))), Some(Deed::Change), "{what}");
            assert_eq!(at(Some(minutes(-1))), Some(Deed::Change), "{what}, by another clock");
            assert_eq!(at(Some(minutes(11))), None, "{what}, later");
            assert_eq!(at(Some(minutes(-11))), None, "{what}, earlier");
            assert_eq!(at(None), None, "{what}, nobody knows when");
        }
        let mut unanswered = done(Remediation::Quarantine, Target::Partner);
        let step = step_of(&mut unanswered);
        (step.state, step.acted_at) = (StepState::Intended, None);
        let made = signal("Add Conditional Access policy", &[GROUP]);
        let at = |event_at| deed(&unanswered, &Signal { event_at, ..made.clone() });
        assert_eq!(at(Some(minutes(60))), Some(Deed::Change));
        assert_eq!(at(Some(minutes(-60))), None, "before it was decided");
    }

    #[test]
    fn what_is_put_back_is_known_while_it_is() {
        let mut cases = done(Remediation::DisableGuest, principal(PrincipalKind::Guest));
        let enabled = signal("Enable account", &[WHO]);
        assert_eq!(deed(&cases, &enabled), None, "nobody had it put back");
        let later = noon() + SignedDuration::from_hours(5);
        let (id, before) = (step_of(&mut cases).id.clone(), cases[0].clone());
        let detail = Some("it is being put back".to_owned());
        let begun =
            Outcome { state: StepState::Verified, detail, request_id: None, acted_at: None };
        cases[0].put_back(&before, &id, &begun, false, later);
        let at = |event_at| deed(&cases, &Signal { event_at: Some(event_at), ..enabled.clone() });
        assert_eq!(at(later), Some(Deed::Change));
        assert_eq!(at(noon()), None, "long before");
        assert_eq!(at(later + SignedDuration::from_mins(11)), None, "later");
        let given = signal("Add member to role", &[WHO]);
        assert_eq!(deed(&cases, &Signal { event_at: Some(later), ..given }), None, "not that");
    }
}
