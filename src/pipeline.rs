//! The one place where the stages meet: read, decide, write down, act, prove.

mod act;
mod alarm;
pub mod deliver;
pub mod look;
pub mod observe;
mod reason;
pub mod restore;
mod record;
mod stop;
mod verify;

use std::sync::Arc;

use jiff::SignedDuration;
use tracing::{info, warn};
use url::Url;

use self::act::{act, writes};
use self::observe::Readers;
use self::record::OfLook;
use crate::domain::approval::Asked;
use crate::domain::case::{Case, after_look, unfinished, was_refused};
use crate::domain::id::TenantId;
use crate::domain::plan::{Circumstances, Passes, leads_to_quarantine, plan};
use crate::domain::policy::Policy;
use crate::domain::record::{Record, Signals};
use crate::domain::roster::Tenant;
use crate::domain::secret::Secret;
use crate::domain::ticket::messages;
use crate::ports::{
    Clock, Conclusion, Ledger, Look, Marks, PortError, ReadAuditContent, ReadServicePrincipals,
    StopSwitch,
};
use crate::wire::decision::Link;

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
    /// What is remembered of tenants beside it.
    pub marks: Arc<dyn Marks>,
    /// Whether anything is to be written at all.
    pub stop: Arc<dyn StopSwitch>,
    /// The policy.
    pub policy: Arc<Policy>,
    /// The application ids this program signs in with.
    pub own_apps: Vec<String>,
    /// When the effect of a step is read again, counted from the step: [`READ_AGAIN`].
    pub read_again: Vec<SignedDuration>,
    /// Where people decide, and the key by which they are known to be asked; nothing where they
    /// cannot be sent a link.
    pub decisions: Option<(Url, Secret)>,
}

impl World {
    /// Where people decide about what they are asked.
    fn link(&self, tenant: TenantId, asked: &Asked) -> Option<String> {
        let (base, key) = self.decisions.as_ref()?;
        let token = Link::to(tenant, asked).sign(key);
        Some(format!("{}/decisions/{token}", base.as_str().trim_end_matches('/')))
    }
}

/// How a look went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// All was read and every step has an outcome, or what is missing needs a person.
    Settled,
    /// The same, and steps wait for what passes: they are to be taken up then.
    Held(Passes),
    /// Looking again may tell or do more.
    LookAgain,
    /// Nothing that waits is a reason to read the tenant; it was not read.
    NoReason,
    /// What waits are steps that are held back, and the stop switch holds them still; the tenant
    /// was not read.
    Stopped,
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
    if reason::is_what_was_held(look) && stop::asked(world.stop.as_ref()).await.is_some() {
        return Ok(Looked::Stopped);
    }
    if !reason::is_any(world, tenant, look).await {
        return Ok(Looked::NoReason);
    }
    reason::tell_of_ourselves(world, tenant, look).await;
    // What was refused may lead to a quarantine, which is decided by a snapshot of its own: the
    // first is as old as the refusal.
    let (looked, quarantine) = look_once(world, tenant, look).await?;
    if !quarantine {
        return Ok(looked);
    }
    info!(tenant.name, "looking once more: what was refused leads to a quarantine");
    let (looked, quarantine) = look_once(world, tenant, look).await?;
    Ok(if quarantine { Looked::LookAgain } else { looked })
}

/// Makes one look. Says how it went, and whether a refusal it met leads to a quarantine that its
/// plan did not have.
async fn look_once(
    world: &World,
    tenant: &Tenant,
    look: &Look,
) -> Result<(Looked, bool), PortError> {
    let read_at = world.clock.now();
    let mut facts = observe::facts_to_decide(&world.readers, tenant, &world.policy).await;
    alarm::denied_reads(world, tenant, &facts.gaps).await;
    let now = world.clock.now();
    let window = now - world.policy.guardrails.per;
    let before = world.ledger.cases(tenant.id).await?;
    let mut history = world.ledger.history(tenant.id, window).await?;
    history.unfinished = unfinished(&before);
    facts.taken_away = history.taken_away();
    observe::protected(&world.readers, tenant, &world.policy.guardrails, &mut facts).await;
    let (policy, own_apps) = (&world.policy, world.own_apps.as_slice());
    let stopped = stop::asked(world.stop.as_ref()).await;
    if let Some(stop) = &stopped {
        warn!(tenant.name, "{}", stop.holds());
    }
    let stopped = stopped.as_ref();
    let about = Circumstances { policy, tenant, history: &history, own_apps, stopped, now };
    let plan = plan(&facts, about);
    info!(tenant.name, signals = signals(look).count, "{plan}");
    alarm::limit(world, &plan, now).await?;

    let mut cases = after_look(&before, &plan, &facts, now);
    let mut told = OfLook::new(signals(look), (tenant, &facts), read_at, now);
    for case in &mut cases {
        case.caused(&told.cause());
    }
    world.ledger.intend(&writes(&plan), &cases, now, now + OUTCOME_WITHIN).await?;
    let acted = act(world, &plan, &mut cases, &mut told).await?;
    let quarantine = leads_to_quarantine(&plan, policy, |step| was_refused(&cases, step));

    let record = |case: &Case| told.record(world, case);
    let mut conclusion = conclusion(world, &before, cases, record);
    let changes = plan.cases.iter().flat_map(|case| &case.changes).chain(&plan.left_over);
    conclusion.proposals = changes.cloned().collect();
    world.ledger.conclude(conclusion).await?;
    reason::tell_of_misuse(world, tenant, look, &facts.gaps).await;
    let readable_later = facts.gaps.iter().any(crate::domain::facts::Gap::may_pass);
    let held = if acted.stopped { Some(Passes::OnceResumed) } else { plan.passes };
    let looked = if acted.settled && !readable_later {
        held.map_or(Looked::Settled, Looked::Held)
    } else {
        Looked::LookAgain
    };
    Ok((looked, quarantine))
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
        let link = case.asked.as_ref().and_then(|asked| world.link(case.tenant, asked));
        let messages = messages(&mut case, &record_of.id, link.as_deref(), world.clock.now());
        if case.rows.is_empty() || (!changed && messages.is_empty()) {
            return None;
        }
        let record = Record { case: case.clone(), ..record_of };
        Some((case, Some(record), messages))
    });
    Conclusion { cases: changed.collect(), proposals: Vec::new() }
}

fn signals(look: &Look) -> Signals {
    let first = look.waiting.iter().filter_map(|waiting| waiting.first.clone());
    Signals {
        count: look.waiting.iter().map(|waiting| u64::from(waiting.signals)).sum(),
        first: first.map(crate::domain::signal::Envelope::signal).min_by_key(|s| s.received_at),
    }
}
