//! What was taken away, put back by a person's command: planned, done, read again, written down.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tracing::{info, warn};

use super::{World, conclusion, observe};
use crate::domain::case::{Case, Outcome, Row};
use crate::domain::conditional_access::quarantine::{has_tag, tag};
use crate::domain::facts::{AccessAssignment, are_same_roles};
use crate::domain::id::{PrincipalId, StepId, TenantId};
use crate::domain::plan::{Step, StepState, Target, Verdict as StepVerdict};
use crate::domain::proof::Seen;
use crate::domain::record::{Call, Record, RecordEvent};
use crate::domain::restore::{
    About, Item, Restoration, RestorePlan, Verdict, restore_plan, target_of,
};
use crate::ports::{PortError, Proof, PutBack, chain};

/// Why nothing can be put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The tenant is not guarded any more.
    #[error(
        "the policy no longer names the tenant {0}; put it back into the policy, or do it by hand"
    )]
    UnknownTenant(TenantId),
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// What became of one thing that was to be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBackOutcome {
    /// What it was.
    pub item: Item,
    /// How the call ended.
    pub outcome: Outcome,
    /// Whether it was read again and seen to be there.
    pub seen: bool,
}

/// Plans to put back what a record says was taken away: the steps of `only`, or all where it is
/// empty. Reads the tenant and changes nothing.
///
/// # Errors
/// [`RestoreError::UnknownTenant`].
pub async fn plan(
    world: &World,
    record: &Record,
    only: &[StepId],
    anyway: bool,
) -> Result<RestorePlan, RestoreError> {
    let case = &record.case;
    let tenant = world.policy.roster.tenant(case.tenant);
    let tenant = tenant.ok_or(RestoreError::UnknownTenant(case.tenant))?;
    let steps: Vec<Step> = case.rows.iter().filter_map(|row| step_of(case, row)).collect();
    let seen = see(world, case, &steps).await;
    let now = world.clock.now();
    let about = About { policy: &world.policy, tenant, now, anyway };
    let seen_of = |step: &StepId| seen.get(step).cloned().unwrap_or(Seen::Unread);
    Ok(restore_plan(case, only, seen_of, about))
}

/// Puts back what a plan says, one after the other, each call written down before and after it, and
/// tells of each.
///
/// # Errors
/// Those of the ledger. Whatever Graph does is part of the outcome.
pub async fn carry_out(
    world: &World,
    put_back: &dyn PutBack,
    record: &Record,
    plan: &RestorePlan,
    why: &str,
    pauses: &[SignedDuration],
    mut tell: impl FnMut(&PutBackOutcome),
) -> Result<Vec<PutBackOutcome>, RestoreError> {
    let mut done = Vec::new();
    for item in &plan.items {
        let Verdict::PutBack(restoration) = &item.verdict else { continue };
        note(world, record, item, &begun(why), Vec::new(), None).await?;
        let outcome = ask(world, put_back, plan.tenant, restoration, why).await;
        let seen = outcome.state != StepState::Refused
            && is_there(world, &record.case, &item.step, pauses).await;
        let outcome = believed(outcome, seen);
        let call = Call::of(&item.step, format!("undo: {}", item.had_done), &outcome);
        let proof = (outcome.state == StepState::Restored).then_some(Proof::Restored);
        note(world, record, item, &outcome, vec![call], proof).await?;
        info!(
            tenant.name = plan.tenant_name,
            partner.name = plan.partner.name,
            outcome = outcome.state.as_str(),
            request_id = outcome.request_id,
            "put back: {}",
            item.had_done
        );
        let became = PutBackOutcome { item: item.clone(), outcome, seen };
        tell(&became);
        done.push(became);
    }
    Ok(done)
}

fn begun(why: &str) -> Outcome {
    let detail = Some(format!("it is being put back: {why}"));
    Outcome { state: StepState::Verified, detail, request_id: None, acted_at: None }
}

async fn ask(
    world: &World,
    put_back: &dyn PutBack,
    tenant: TenantId,
    restoration: &Restoration,
    why: &str,
) -> Outcome {
    let now = world.clock.now();
    put_back.put_back(tenant, restoration, why, now).await.unwrap_or_else(|error| {
        warn!("not put back: {}", chain(&error));
        let detail = Some(error.said);
        Outcome { state: StepState::Intended, detail, request_id: None, acted_at: None }
    })
}

/// What was seen to be there is put back, whatever was said of it; what Graph took and is not seen
/// yet is put back too, and said to be not seen.
fn believed(outcome: Outcome, seen: bool) -> Outcome {
    match (outcome.state, seen) {
        (_, true) => Outcome { state: StepState::Restored, ..outcome },
        (StepState::Restored, false) => Outcome {
            detail: Some("Graph took it, and it was not seen to be there yet".to_owned()),
            ..outcome
        },
        _ => outcome,
    }
}

/// Reads again until it is there, after each of the pauses.
async fn is_there(world: &World, case: &Case, step: &StepId, pauses: &[SignedDuration]) -> bool {
    let row = case.rows.iter().find(|row| row.step.as_ref().is_some_and(|it| it.id == *step));
    let steps: Vec<Step> = row.and_then(|row| step_of(case, row)).into_iter().collect();
    for pause in pauses {
        tokio::time::sleep(pause.unsigned_abs()).await;
        if see(world, case, &steps).await.get(step) == Some(&Seen::There) {
            return true;
        }
    }
    false
}

async fn see(world: &World, case: &Case, steps: &[Step]) -> BTreeMap<StepId, Seen> {
    let asked: Vec<&Step> = steps.iter().collect();
    let (clock, name) = (world.clock.as_ref(), &case.tenant_name);
    let seen = observe::again(&world.readers, clock, case.tenant, name, &asked).await;
    let mut seen: BTreeMap<StepId, Seen> =
        seen.into_iter().map(|reread| (reread.step, reread.seen)).collect();
    for step in steps {
        let now = match &step.target {
            Target::Partner => let_in(world, case).await,
            Target::AccessAssignment { relationship, group, roles, .. } => {
                given(world, case, relationship, group, roles).await
            }
            Target::Grant(_) | Target::Principal { .. } | Target::Relationship { .. } => continue,
        };
        seen.insert(step.id.clone(), now);
    }
    seen
}

/// Whether a relationship gives a group these roles, under whatever id: what is given to it again
/// has another.
async fn given(
    world: &World,
    case: &Case,
    relationship: &str,
    group: &PrincipalId,
    roles: &[String],
) -> Seen {
    let ids = [relationship.to_owned()];
    let read = world.readers.relationships.relationships_now(case.tenant, &ids).await;
    let gives = |used: &AccessAssignment| {
        let has = |role: &String| {
            used.roles().any(|id| are_same_roles([id].into_iter(), [role.as_str()].into_iter()))
        };
        used.is_in_force()
            && !used.is("deleting")
            && used.group().as_ref() == Some(group)
            && roles.iter().all(has)
    };
    let mut used =
        read.items.iter().filter(|it| it.gives_power()).flat_map(|it| &it.access_assignments);
    if used.any(gives) {
        Seen::There
    } else if read.failure.is_some() {
        Seen::Unread
    } else {
        Seen::Gone
    }
}

/// Whether the partner of a case is kept out by a policy of ours, whatever that looks like now.
async fn let_in(world: &World, case: &Case) -> Seen {
    let Some(partner) = case.partner.id else { return Seen::Unread };
    let policies = world.readers.conditional_access.policies(case.tenant).await;
    let tag = tag(case.tenant, partner);
    if policies.items.iter().any(|policy| has_tag(policy, &tag)) {
        Seen::Gone
    } else if policies.failure.is_some() {
        Seen::Unread
    } else {
        Seen::There
    }
}

/// The step of a row, as far as reading again needs it.
fn step_of(case: &Case, row: &Row) -> Option<Step> {
    let step = row.step.as_ref()?;
    Some(Step {
        id: step.id.clone(),
        episode: case.episode,
        partner: case.partner.clone(),
        remediation: step.remediation,
        target: target_of(row)?,
        because: Vec::new(),
        answers: Vec::new(),
        verdict: StepVerdict::Already(step.state),
        approval: None,
        waits: false,
        quarantine: None,
        since: None,
    })
}

/// Writes down how far putting something back has come, in the case as it stands now.
async fn note(
    world: &World,
    record: &Record,
    item: &Item,
    outcome: &Outcome,
    calls: Vec<Call>,
    proof: Option<Proof>,
) -> Result<(), PortError> {
    let tenant = record.case.tenant;
    let before = world.ledger.cases(tenant).await?;
    let key = record.case.partner.key();
    let latest = before.iter().find(|case| case.partner.key() == key);
    let mut case = latest.unwrap_or(&record.case).clone();
    let now = world.clock.now();
    case.put_back(&record.case, &item.step, outcome, now);
    case.begun = true;
    let record = |case: &Case| Record {
        mode: world.policy.mode,
        calls: calls.clone(),
        ..Record::of(RecordEvent::Restored, now, &world.policy.hash, case)
    };
    let conclusion = conclusion(world, &before, vec![case], record);
    let proofs: Vec<(StepId, Proof)> =
        proof.map(|proof| (item.step.clone(), proof)).into_iter().collect();
    world.ledger.verified(tenant, &proofs, conclusion).await
}
