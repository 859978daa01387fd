//! One look from its claim to its end: looked at within a time limit, then settled or tried again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::{error, warn};

use super::{Looked, World, respond};
use crate::domain::plan::Passes;
use crate::ports::{EndLook, Look, PortError, Retried, Settle};
use crate::telemetry::metric::{self, End};

/// The longest pause before a look is tried again.
const RETRY_PAUSE_MAX: SignedDuration = SignedDuration::from_mins(15);

/// How long looks take, wait and pause.
#[derive(Debug, Clone, Copy)]
pub struct Patient {
    /// How long a look may take before it counts as stuck.
    pub limit: Duration,
    /// How long after a look the settling look comes, if it does.
    pub settle_after: Option<SignedDuration>,
    /// The pause before a look is tried again; each further one is twice as long.
    pub retry_pause: SignedDuration,
    /// The shortest pause until steps that wait are taken up. As often the stop switch is asked
    /// while it holds any back.
    pub take_up_pause: SignedDuration,
}

/// Makes a look and tells the queue how it went. With `again` it is made again however it went.
///
/// # Errors
/// Those of the ledger and the queue; the look is then not ended.
pub async fn look_at(
    world: &World,
    queue: &dyn EndLook,
    look: &Look,
    patient: Patient,
    again: bool,
) -> Result<(), PortError> {
    let looked = tokio::time::timeout(patient.limit, respond(world, look)).await;
    metric::looked(match &looked {
        Ok(Ok(Looked::Settled | Looked::Held(_))) => End::Settled,
        Ok(Ok(Looked::NoReason | Looked::Stopped)) => End::NoReason,
        Ok(Ok(Looked::LookAgain)) => End::Again,
        Ok(Err(_)) | Err(_) => End::Failed,
    });
    let now = world.clock.now();
    let soonest = now + patient.take_up_pause;
    match looked {
        Ok(Ok(Looked::Settled)) if !again => {
            let settle = patient.settle_after.map_or(Settle::No, Settle::After);
            queue.complete(look, now, settle, None).await
        }
        Ok(Ok(Looked::Held(passes))) if !again => {
            let settle = patient.settle_after.map_or(Settle::No, Settle::After);
            let at = match passes {
                Passes::At(at) => at.max(soonest),
                Passes::OnceResumed => soonest,
            };
            queue.complete(look, now, settle, Some(at)).await
        }
        // Nothing was read that Graph might not have replicated yet.
        Ok(Ok(Looked::NoReason)) if !again => queue.complete(look, now, Settle::Unread, None).await,
        Ok(Ok(Looked::Stopped)) if !again => {
            queue.complete(look, now, Settle::Unread, Some(soonest)).await
        }
        Ok(Ok(
            Looked::Settled
            | Looked::Held(_)
            | Looked::NoReason
            | Looked::Stopped
            | Looked::LookAgain,
        )) => {
            let attempts = look.waiting.iter().map(|waiting| waiting.attempts).max().unwrap_or(0);
            let doubled = 2_i32.saturating_pow(attempts.saturating_sub(1).min(16));
            let pause = (patient.retry_pause * doubled).min(RETRY_PAUSE_MAX);
            warn!(tenant.id = %look.tenant, "looking again in {pause:#}");
            retry(queue, look, now + pause, "the tenant could not be read or mended whole").await
        }
        Ok(Err(error)) => Err(error),
        Err(_) => retry(queue, look, now + patient.retry_pause, "the look took too long").await,
    }
}

/// Tells the queue that a look is to be made again, and people when it never will.
///
/// # Errors
/// Those of the queue.
pub async fn retry(
    queue: &dyn EndLook,
    look: &Look,
    due: Timestamp,
    why: &str,
) -> Result<(), PortError> {
    if queue.retry(look, due, why).await? == Retried::Buried {
        error!(tenant.id = %look.tenant, "tried too often, kept among the dead letters: {why}");
    }
    Ok(())
}
