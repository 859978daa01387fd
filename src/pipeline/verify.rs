//! Reading again what was taken away, until it is gone.

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::{World, conclusion, observe};
use crate::domain::case::{Case, StepRow};
use crate::domain::id::{StepId, TenantId};
use crate::domain::plan::{Step, StepState};
use crate::domain::proof::Seen;
use crate::domain::record::{After, Record, RecordEvent, Reread};
use crate::ports::{DueVerification, PortError, Proof};
use crate::telemetry::metric;

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
    let steps: Vec<&Step> = due.iter().map(|due| &due.step).collect();
    let id = tenant.to_string();
    let name = world.policy.roster.tenant(tenant).map_or(id.as_str(), |tenant| &tenant.name);
    let seen = observe::again(&world.readers, world.clock.as_ref(), tenant, name, &steps).await;
    let now = world.clock.now();
    let before = world.ledger.cases(tenant).await?;
    let mut cases = before.clone();
    let mut proofs = Vec::new();
    let after = After { read_at: now, steps: seen.clone() };
    for (due, Reread { seen, .. }) in due.iter().zip(seen) {
        let taken_at = acted_at(&before, &due.step.id);
        let failed = failed(&seen, taken_at);
        let proof = match seen {
            Seen::Gone => Proof::Gone,
            Seen::Failed { .. } if failed.is_some() => Proof::StillThere,
            Seen::There | Seen::Failed { .. } | Seen::Unread => again(world, due, &seen, now),
        };
        let (name, step) = (&due.step.partner.name, due.step.summary());
        let is_access = due.step.grant().is_some();
        let so = if is_access { "gone" } else { "so" };
        metric::verified(proof);
        match proof {
            Proof::Gone => {
                if let Some(row) = row_of(&before, &due.step.id) {
                    metric::proven(row, &due.step.partner, now);
                }
                for case in &mut cases {
                    case.verified(&due.step.id, now);
                }
                info!(partner.name = name, "seen to be {so}: {step}");
            }
            Proof::Again(at) => info!(partner.name = name, %at, "not seen to be {so} yet: {step}"),
            Proof::NotDone => {
                warn!(partner.name = name, "never taken by Graph, begun anew when found: {step}");
            }
            Proof::StillThere | Proof::Unread | Proof::Restored => {
                let (state, detail) = match (proof, is_access) {
                    _ if failed.is_some() => {
                        (StepState::Reappeared, failed.as_deref().unwrap_or_default())
                    }
                    (Proof::StillThere, true) => {
                        (StepState::Reappeared, "it was read again to the last and is still there")
                    }
                    (Proof::StillThere, false) => {
                        (StepState::Reappeared, "it was read again to the last and is not so")
                    }
                    (_, true) => {
                        (StepState::Unverified, "it could not be read again whether it is gone")
                    }
                    (_, false) => {
                        (StepState::Unverified, "it could not be read again whether it is so")
                    }
                };
                for case in &mut cases {
                    case.not_proven(&due.step.id, state, detail);
                }
                warn!(partner.name = name, "{detail}: {step}");
            }
        }
        proofs.push((due.step.id.clone(), proof));
    }
    let any = |proof| proofs.iter().any(|(_, it)| *it == proof);
    let event = if any(Proof::StillThere) {
        RecordEvent::Reappeared
    } else if any(Proof::Unread) {
        RecordEvent::Unverified
    } else {
        RecordEvent::Verified
    };
    let record = |case: &Case| Record {
        mode: world.policy.mode,
        read_at: Some(now),
        after: Some(after.of_case(case)),
        ..Record::of(event, now, &world.policy.hash, case)
    };
    world.ledger.verified(tenant, &proofs, conclusion(world, &before, cases, record)).await?;
    let next = proofs.iter().filter_map(|(_, proof)| match proof {
        Proof::Again(at) => Some(*at),
        Proof::Gone | Proof::StillThere | Proof::Unread | Proof::Restored | Proof::NotDone => None,
    });
    Ok(next.min())
}

/// How far the cases say a step has come.
fn row_of<'a>(cases: &'a [Case], step: &StepId) -> Option<&'a StepRow> {
    let mut steps = cases.iter().flat_map(|case| &case.rows).filter_map(|row| row.step.as_ref());
    steps.find(|row| row.id == *step)
}

/// The clocks here and at Microsoft may differ by this much.
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);

/// That Microsoft could not do what it took up, in words; nothing for what had failed before.
///
/// Source: Microsoft Graph documentation, "delegatedAdminRelationshipOperation resource type": of
/// one that failed it tells no reason.
fn failed(seen: &Seen, taken_at: Option<Timestamp>) -> Option<String> {
    let Seen::Failed { what, begun } = seen else { return None };
    (*begun >= taken_at? - CLOCKS).then(|| {
        format!(
            "Microsoft took it up ({what}, begun {}) and it failed there; no reason is given",
            begun.strftime("%Y-%m-%d %H:%M UTC")
        )
    })
}

/// When Graph took a step.
fn acted_at(cases: &[Case], step: &StepId) -> Option<Timestamp> {
    let steps = cases.iter().flat_map(|case| &case.rows).filter_map(|row| row.step.as_ref());
    steps.filter(|row| row.id == *step).find_map(|row| row.acted_at)
}

/// When to read again after reading in vain.
fn again(world: &World, due: &DueVerification, seen: &Seen, now: Timestamp) -> Proof {
    let next = usize::try_from(due.attempt).unwrap_or(usize::MAX).saturating_add(1);
    match (world.read_again.get(next - 1), world.read_again.get(next)) {
        (Some(this), Some(next)) => Proof::Again(now + (*next - *this)),
        _ if !due.taken => Proof::NotDone,
        _ if *seen != Seen::Unread => Proof::StillThere,
        _ => Proof::Unread,
    }
}
