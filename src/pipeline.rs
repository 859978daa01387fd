//! The one place where the stages meet: read, decide, write down, act, prove.

pub mod deliver;
pub mod look;
pub mod observe;
mod reason;
mod record;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use self::observe::Readers;
use self::record::{Held, OfLook, after};
use crate::domain::case::{Case, Outcome, StepRow, after_look};
use crate::domain::facts::RoleAssignment;
use crate::domain::grant::Grant;
use crate::domain::id::{PrincipalId, StepId, TenantId};
use crate::domain::plan::{Circumstances, Plan, Step, StepState, Verdict, plan};
use crate::domain::policy::{Mode, Policy};
use crate::domain::record::{Record, RecordEvent, Signals};
use crate::domain::ticket::messages;
use crate::ports::{
    Clock, Conclusion, DueVerification, Failure, Ledger, Look, PortError, Proof, ReadAuditContent,
    ReadServicePrincipals, RevokeRoleAssignment, chain,
};
use crate::telemetry::metric;

/// When the effect of a step is read again, counted from the step.
pub const READ_AGAIN: [SignedDuration; 5] = [
    SignedDuration::ZERO,
    SignedDuration::from_secs(30),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(10),
    SignedDuration::from_hours(1),
];

/// A step whose outcome was never written down is read again after this time.
const OUTCOME_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// The world as the pipeline sees it.
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What reads a tenant.
    pub readers: Readers,
    /// Which object of a tenant stands for an application.
    pub service_principals: Arc<dyn ReadServicePrincipals>,
    /// The audit records that the Management Activity API has.
    pub audit_content: Arc<dyn ReadAuditContent>,
    /// The writer: the real one in `enforce`, else one that only describes.
    pub revoke: Arc<dyn RevokeRoleAssignment>,
    /// The memory.
    pub ledger: Arc<dyn Ledger>,
    /// The policy.
    pub policy: Arc<Policy>,
    /// The application ids this program signs in with.
    pub own_apps: Vec<String>,
    /// When the effect of a step is read again, counted from the step: [`READ_AGAIN`].
    pub read_again: Vec<SignedDuration>,
}

/// How a look went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// All was read and every step has an outcome, or what is missing needs a person.
    Settled,
    /// Looking again may tell or do more.
    LookAgain,
    /// Nothing that waits is a reason to read the tenant; it was not read.
    NoReason,
}

/// Looks at a tenant and does what the policy says.
///
/// # Errors
/// Those of the ledger. Whatever Graph does is part of the outcome.
pub async fn respond(world: &World, look: &Look) -> Result<Looked, PortError> {
    let Some(tenant) = world.policy.roster.tenant(look.tenant) else {
        warn!(tenant.id = %look.tenant, "the tenant is no longer in the policy; nothing is done");
        return Ok(Looked::Settled);
    };
    if !reason::is_any(world, tenant, look).await {
        return Ok(Looked::NoReason);
    }
    let read_at = world.clock.now();
    let mut facts = observe::facts(&world.readers, tenant).await;
    let now = world.clock.now();
    let window = now - world.policy.guardrails.per;
    let history = world.ledger.history(tenant.id, window).await?;
    facts.taken_away = history.taken_away();
    let (policy, own_apps) = (&world.policy, world.own_apps.as_slice());
    let about = Circumstances { policy, tenant, history: &history, own_apps, now };
    let plan = plan(&facts, about);
    info!(tenant.name, signals = signals(look).count, "{plan}");

    let before = world.ledger.cases(tenant.id).await?;
    let mut cases = after_look(&before, &plan, &facts, now);
    let mut told = OfLook::new(signals(look), (tenant, &facts), read_at, now);
    cases.iter_mut().for_each(|case| case.caused(&told.cause()));
    world.ledger.intend(&writes(&plan), &cases, now, now + OUTCOME_WITHIN).await?;
    let settled = act(world, &plan, &mut cases, &mut told).await?;

    let record = |case: &Case| told.record(world, case);
    world.ledger.conclude(conclusion(world, &before, cases, record)).await?;
    reason::tell_of_misuse(world, tenant, look, &facts.gaps).await;
    let readable_later = facts.gaps.iter().any(crate::domain::facts::Gap::may_pass);
    Ok(if settled && !readable_later { Looked::Settled } else { Looked::LookAgain })
}

/// The steps that will be written to Graph.
fn writes(plan: &Plan) -> Vec<&Step> {
    let carried_out =
        |step: &&Step| plan.mode == Mode::Enforce && step.verdict == Verdict::CarryOut;
    plan.cases.iter().flat_map(|case| &case.steps).filter(carried_out).collect()
}

/// Carries the plan out, to the letter. Says whether every step has an outcome.
async fn act(
    world: &World,
    plan: &Plan,
    cases: &mut [Case],
    told: &mut OfLook,
) -> Result<bool, PortError> {
    let mut settled = true;
    for step in plan.cases.iter().flat_map(|case| &case.steps) {
        if step.verdict != Verdict::CarryOut {
            continue;
        }
        let Some(assignment) = step.grant.assignment() else { continue };
        let mut stuck = false;
        let outcome = match world.revoke.revoke(step, plan.tenant, assignment).await {
            Ok(outcome) if plan.mode != Mode::Enforce => outcome,
            Ok(outcome) => {
                world.ledger.settle(plan.tenant, step, &outcome).await?;
                outcome
            }
            Err(error) => {
                settled = false;
                stuck = matches!(error.kind, Failure::SignInRefused | Failure::Denied);
                warn!(tenant.name = plan.tenant_name, "{}: {}", step.summary(), chain(&error));
                let (state, detail) = (StepState::Intended, Some(error.said));
                Outcome { state, detail, request_id: None, acted_at: None }
            }
        };
        info!(
            tenant.name = plan.tenant_name,
            partner.name = step.grant.partner.name,
            outcome = outcome.state.as_str(),
            request_id = outcome.request_id,
            "{}{}",
            step.summary(),
            outcome.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}")),
        );
        metric::acted(outcome.state);
        if let (StepState::Revoked, Some(at)) = (outcome.state, outcome.acted_at) {
            metric::revoked(&told.cause(), &step.grant.partner, at);
        }
        told.called(plan.mode, step, &outcome);
        for case in cases.iter_mut() {
            case.settle(&step.id, &outcome);
            if stuck {
                case.stuck(&step.id);
            }
        }
    }
    Ok(settled)
}

/// Reads again what steps of one tenant were to take away, and writes down what is gone. Says when
/// the next of them is to be read again.
///
/// # Errors
/// Those of the ledger.
pub async fn verify(
    world: &World,
    tenant: TenantId,
    due: &[DueVerification],
) -> Result<Option<Timestamp>, PortError> {
    let held = read_again(world, tenant, due).await;
    let now = world.clock.now();
    let before = world.ledger.cases(tenant).await?;
    let mut cases = before.clone();
    let mut proofs = Vec::new();
    for due in due {
        let proof = match held.get(&due.step.grant.principal) {
            Some(Ok(held)) if !still_held(&due.step.grant, held) => Proof::Gone,
            _ => again(world, due, now),
        };
        let (name, step) = (&due.step.grant.partner.name, due.step.summary());
        metric::verified(proof);
        match proof {
            Proof::Gone => {
                if let Some(row) = row_of(&before, &due.step.id) {
                    metric::proven(row, &due.step.grant.partner, now);
                }
                for case in &mut cases {
                    case.verified(&due.step.id, now);
                }
                info!(partner.name = name, "seen to be gone: {step}");
            }
            Proof::Again(at) => info!(partner.name = name, %at, "not seen to be gone yet: {step}"),
            Proof::NotDone => {
                warn!(partner.name = name, "never taken by Graph, begun anew when found: {step}");
            }
            Proof::StillThere => {
                let detail = "it was read again to the last and not seen to be gone";
                for case in &mut cases {
                    case.unverified(&due.step.id, detail);
                }
                warn!(partner.name = name, "still there: {step}");
            }
        }
        proofs.push((due.step.id.clone(), proof));
    }
    let lingers = proofs.iter().any(|(_, proof)| *proof == Proof::StillThere);
    let event = if lingers { RecordEvent::Unverified } else { RecordEvent::Verified };
    let is_held = |step: &Step, held: &[RoleAssignment]| still_held(&step.grant, held);
    let record = |case: &Case| Record {
        mode: world.policy.mode,
        read_at: Some(now),
        after: Some(after(case, due, &held, now, is_held)),
        ..Record::of(event, now, &world.policy.hash, case)
    };
    world.ledger.verified(tenant, &proofs, conclusion(world, &before, cases, record)).await?;
    let next = proofs.iter().filter_map(|(_, proof)| match proof {
        Proof::Again(at) => Some(*at),
        Proof::Gone | Proof::StillThere | Proof::NotDone => None,
    });
    Ok(next.min())
}

/// The role assignments of every principal concerned, each read once.
async fn read_again(
    world: &World,
    tenant: TenantId,
    due: &[DueVerification],
) -> Held {
    let principals: BTreeSet<&PrincipalId> =
        due.iter().map(|due| &due.step.grant.principal).collect();
    let mut held = Held::new();
    for principal in principals {
        let read = world.readers.roles.assignments_of(tenant, principal).await;
        if let Err(error) = &read {
            warn!(tenant.id = %tenant, "cannot read again: {}", chain(error));
        }
        held.insert(principal.clone(), read);
    }
    held
}

/// Whether the grant is among the assignments, under its own id or another.
fn still_held(grant: &Grant, held: &[RoleAssignment]) -> bool {
    held.iter().any(|assignment| {
        grant.assignment() == Some(&assignment.id)
            || (assignment.role_definition_id.eq_ignore_ascii_case(&grant.role.definition_id)
                && assignment.directory_scope_id == grant.scope)
    })
}

/// How far the cases say a step has come.
fn row_of<'a>(cases: &'a [Case], step: &StepId) -> Option<&'a StepRow> {
    let mut steps = cases.iter().flat_map(|case| &case.rows).filter_map(|row| row.step.as_ref());
    steps.find(|row| row.id == *step)
}

/// When to read again after reading in vain.
fn again(world: &World, due: &DueVerification, now: Timestamp) -> Proof {
    let next = usize::try_from(due.attempt).unwrap_or(usize::MAX).saturating_add(1);
    match (world.read_again.get(next - 1), world.read_again.get(next)) {
        (Some(this), Some(next)) => Proof::Again(now + (*next - *this)),
        _ if due.taken => Proof::StillThere,
        _ => Proof::NotDone,
    }
}

/// What is left behind of the cases that changed.
fn conclusion(
    world: &World,
    before: &[Case],
    cases: Vec<Case>,
    record: impl Fn(&Case) -> Record,
) -> Conclusion {
    let changed = cases.into_iter().filter_map(|mut case| {
        let old = before.iter().find(|old| old.partner.key() == case.partner.key());
        let changed = case.begun || old.is_none_or(|old| *old != case);
        case.begun = false;
        let record_of = record(&case);
        let messages = messages(&mut case, &record_of.id, world.clock.now());
        if case.rows.is_empty() || (!changed && messages.is_empty()) {
            return None;
        }
        let record = Record { case: case.clone(), ..record_of };
        Some((case, Some(record), messages))
    });
    Conclusion { cases: changed.collect() }
}

fn signals(look: &Look) -> Signals {
    let first = look.waiting.iter().filter_map(|waiting| waiting.first.clone());
    Signals {
        count: look.waiting.iter().map(|waiting| u64::from(waiting.signals)).sum(),
        first: first.map(crate::domain::signal::Envelope::signal).min_by_key(|s| s.received_at),
    }
}
