//! The one place where the stages meet: read, decide, write down, act, prove.

mod act;
pub mod deliver;
pub mod look;
pub mod observe;
mod reason;
mod record;
mod verify;

use std::sync::Arc;

use jiff::SignedDuration;
use tracing::{info, warn};

use self::act::{act, writes};
use self::observe::Readers;
use self::record::OfLook;
use crate::domain::case::{Case, after_look};
use crate::domain::plan::{Circumstances, plan};
use crate::domain::policy::Policy;
use crate::domain::record::{Record, Signals};
use crate::domain::ticket::messages;
use crate::ports::{
    Clock, Conclusion, Ledger, Look, PortError, ReadAuditContent, ReadServicePrincipals,
};

pub use self::act::Writers;
pub use self::verify::verify;

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
    /// What changes a tenant: the real writers, or one that only describes.
    pub writers: Writers,
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
    for case in &mut cases {
        case.caused(&told.cause());
    }
    world.ledger.intend(&writes(&plan), &cases, now, now + OUTCOME_WITHIN).await?;
    let settled = act(world, &plan, &mut cases, &mut told).await?;

    let record = |case: &Case| told.record(world, case);
    world.ledger.conclude(conclusion(world, &before, cases, record)).await?;
    reason::tell_of_misuse(world, tenant, look, &facts.gaps).await;
    let readable_later = facts.gaps.iter().any(crate::domain::facts::Gap::may_pass);
    Ok(if settled && !readable_later { Looked::Settled } else { Looked::LookAgain })
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
