//! What was taken away, put back by a person's command: planned, done, read again, written down.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use tracing::{info, warn};

use super::{World, conclusion, observe, stop};
use crate::domain::case::{Case, Outcome, Row};
use crate::domain::conditional_access::quarantine::{has_tag, tag};
use crate::domain::facts::{Facts, Gap, GapCause, Part};
use crate::domain::grant::Grant;
use crate::domain::id::{PrincipalId, StepId, TenantId};
use crate::domain::plan::{Step, StepState, Target, Verdict as StepVerdict};
use crate::domain::proof::Seen;
use crate::domain::record::{Call, Record, RecordEvent};
use crate::domain::restore::there::{given_to_group, groups_of, in_its_groups};
use crate::domain::restore::{
    About, Item, Now, Restoration, RestorePlan, Verdict, Wish, restore_plan, target_of,
};
use crate::domain::roster::Tenant;
use crate::ports::{Failure, PortError, Proof, PutBack, chain};

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

/// Plans to put back what a record says was taken away. Reads the tenant and changes nothing.
///
/// # Errors
/// [`RestoreError`].
pub async fn plan(
    world: &World,
    record: &Record,
    wish: &Wish,
) -> Result<RestorePlan, RestoreError> {
    let case = &record.case;
    let tenant = world.policy.roster.tenant(case.tenant);
    let tenant = tenant.ok_or(RestoreError::UnknownTenant(case.tenant))?;
    let latest = latest(world, case).await?;
    let steps: Vec<Step> = case.rows.iter().filter_map(|row| step_of(case, row)).collect();
    let seen = see(world, case, &steps).await;
    let facts = whose(world, tenant, &steps).await;
    let stopped = stop::asked(world.stop.as_ref()).await;
    let about = About {
        policy: &world.policy,
        tenant,
        facts: facts.as_ref(),
        stopped: stopped.as_ref(),
        now: world.clock.now(),
    };
    let now_of = |step: &StepId| Now {
        seen: seen.get(step).cloned().unwrap_or(Seen::Unread),
        begun: latest.as_ref().is_some_and(|case| case.is_restoring(step)),
    };
    Ok(restore_plan(case, wish, now_of, about))
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
        let (outcome, seen) = match &item.verdict {
            Verdict::PutBack(restoration) => match held(world, plan).await {
                Some(held) => (held, false),
                None => one(world, put_back, record, item, restoration, why, pauses).await?,
            },
            Verdict::WriteDown => {
                let outcome = found();
                note(world, record, item, &outcome, true, Vec::new()).await?;
                (outcome, true)
            }
            Verdict::Needless(_) | Verdict::Refused(_) => continue,
        };
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

/// Puts one thing back. Says how that ended and whether it was seen to be there.
async fn one(
    world: &World,
    put_back: &dyn PutBack,
    record: &Record,
    item: &Item,
    restoration: &Restoration,
    why: &str,
    pauses: &[SignedDuration],
) -> Result<(Outcome, bool), RestoreError> {
    begin(world, record, item, why).await?;
    let outcome = ask(world, put_back, record.case.tenant, restoration, why).await;
    // What is refused may be so because it is there: an earlier call may have come about without an
    // answer. One look tells.
    let looks = if outcome.state == StepState::Refused { 1 } else { pauses.len() };
    let pauses = pauses.get(..looks).unwrap_or(pauses);
    let seen = is_there(world, &record.case, &item.step, pauses).await;
    let outcome = believed(outcome, seen);
    let call = Call::of(&item.step, format!("undo: {}", item.had_done), &outcome);
    note(world, record, item, &outcome, seen, vec![call]).await?;
    Ok((outcome, seen))
}

/// What becomes of an item when all is stopped after it was planned.
async fn held(world: &World, plan: &RestorePlan) -> Option<Outcome> {
    let stop = stop::asked(world.stop.as_ref()).await.filter(|_| !plan.while_stopped)?;
    let (state, detail) = (StepState::Held, Some(stop.holds()));
    Some(Outcome { state, detail, request_id: None, acted_at: None })
}

fn found() -> Outcome {
    let detail = Some("an earlier attempt put it back; it was read again and is there".to_owned());
    Outcome { state: StepState::Restored, detail, request_id: None, acted_at: None }
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
        let state = match error.kind {
            // Nothing was heard of what came with a sign-in that was turned away.
            Failure::SignInRefused | Failure::Denied => StepState::Refused,
            Failure::Transient
            | Failure::Throttled(_)
            | Failure::Gone
            | Failure::Refused
            | Failure::Unintelligible => StepState::Intended,
        };
        Outcome { state, detail: Some(error.said), request_id: None, acted_at: None }
    })
}

/// What was seen to be there is put back, whatever was said of it; what Graph took and is not seen
/// yet is put back too, and said to be not seen.
fn believed(outcome: Outcome, seen: bool) -> Outcome {
    match (outcome.state, seen) {
        (StepState::Restored, true) => outcome,
        (_, true) => Outcome {
            state: StepState::Restored,
            detail: outcome.detail.map(|said| format!("{said}; it was read again and is there")),
            ..outcome
        },
        (StepState::Restored, false) => {
            let unseen = "it was not seen to be there yet";
            let detail = match outcome.detail {
                Some(said) => format!("{said}; {unseen}"),
                None => format!("Graph took it, and {unseen}"),
            };
            Outcome { detail: Some(detail), ..outcome }
        }
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

/// What each step took away looks like now.
async fn see(world: &World, case: &Case, steps: &[Step]) -> BTreeMap<StepId, Seen> {
    let (exactly, asked): (Vec<&Step>, Vec<&Step>) =
        steps.iter().partition(|step| is_read_exactly(step));
    let (clock, name) = (world.clock.as_ref(), &case.tenant_name);
    let seen = observe::again(&world.readers, clock, case.tenant, name, &asked).await;
    let mut seen: BTreeMap<StepId, Seen> =
        seen.into_iter().map(|reread| (reread.step, reread.seen)).collect();
    for step in exactly {
        let so = match &step.target {
            Target::Partner => let_in(world, case).await,
            Target::Grant(grant) => in_groups(world, case.tenant, grant).await,
            Target::AccessAssignment { relationship, .. } => {
                let ids = std::slice::from_ref(relationship);
                let read = world.readers.relationships.relationships_now(case.tenant, ids).await;
                given_to_group(&step.target, &read.items, read.failure.is_none())
            }
            Target::Principal { .. } | Target::Relationship { .. } => Seen::Unread,
        };
        seen.insert(step.id.clone(), so);
    }
    seen
}

/// Whether more is to be read than whether it is gone.
fn is_read_exactly(step: &Step) -> bool {
    match &step.target {
        Target::Partner | Target::AccessAssignment { .. } => true,
        Target::Grant(grant) => groups_of(grant).is_some(),
        Target::Principal { .. } | Target::Relationship { .. } => false,
    }
}

async fn in_groups(world: &World, tenant: TenantId, grant: &Grant) -> Seen {
    let groups = groups_of(grant).unwrap_or_default();
    let direct = world.readers.groups.direct_members(tenant, &groups).await;
    in_its_groups(grant, &direct.items.into_iter().collect())
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

/// What is to be read to tell whose the principals of steps are by now; nothing where none is about
/// a principal.
async fn whose(world: &World, tenant: &Tenant, steps: &[Step]) -> Option<Facts> {
    let principal = |step: &Step| match &step.target {
        Target::Grant(grant) => Some(grant.principal.clone()),
        Target::Principal { principal, .. } => Some(principal.clone()),
        Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => None,
    };
    let ids: BTreeSet<PrincipalId> = steps.iter().filter_map(principal).collect();
    if ids.is_empty() {
        return None;
    }
    let ids: Vec<PrincipalId> = ids.into_iter().collect();
    let mut facts = observe::facts(&world.readers, tenant).await;
    let objects = world.readers.objects.objects(tenant.id, &ids).await;
    facts.objects.extend(objects.items);
    if let Some(failure) = objects.failure {
        let (part, cause) = (Part::Principals, GapCause::Unavailable);
        facts.gaps.push(Gap { part, cause, detail: failure.said });
    }
    Some(facts)
}

/// The case about the partner of another one as it stands now.
async fn latest(world: &World, case: &Case) -> Result<Option<Case>, PortError> {
    let key = case.partner.key();
    let cases = world.ledger.cases(case.tenant).await?;
    Ok(cases.into_iter().find(|it| it.partner.key() == key))
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

/// Writes down that something is about to be put back, before it is. What was taken away was seen
/// to be gone, so that is proven too.
async fn begin(world: &World, record: &Record, item: &Item, why: &str) -> Result<(), PortError> {
    let now = world.clock.now();
    let why = format!("it is being put back: {why}");
    let change = |case: &mut Case| case.putting_back(&record.case, &item.step, &why, now);
    write_down(world, record, change, Vec::new(), &[(item.step.clone(), Proof::Gone)]).await
}

/// Writes down how putting something back has ended.
async fn note(
    world: &World,
    record: &Record,
    item: &Item,
    outcome: &Outcome,
    seen: bool,
    calls: Vec<Call>,
) -> Result<(), PortError> {
    let now = world.clock.now();
    let change = |case: &mut Case| case.put_back(&record.case, &item.step, outcome, seen, now);
    let is_back = outcome.state == StepState::Restored;
    let proof = is_back.then(|| (item.step.clone(), Proof::Restored));
    write_down(world, record, change, calls, proof.as_slice()).await
}

/// Writes a change down in the case as it stands now.
async fn write_down(
    world: &World,
    record: &Record,
    change: impl FnOnce(&mut Case),
    calls: Vec<Call>,
    proofs: &[(StepId, Proof)],
) -> Result<(), PortError> {
    let tenant = record.case.tenant;
    let before = world.ledger.cases(tenant).await?;
    let key = record.case.partner.key();
    let latest = before.iter().find(|case| case.partner.key() == key);
    let mut case = latest.unwrap_or(&record.case).clone();
    change(&mut case);
    case.begun = true;
    let now = world.clock.now();
    let record = |case: &Case| Record {
        mode: world.policy.mode,
        calls: calls.clone(),
        ..Record::of(RecordEvent::Restored, now, &world.policy.hash, case)
    };
    let conclusion = conclusion(world, &before, vec![case], record);
    world.ledger.verified(tenant, proofs, conclusion).await
}
