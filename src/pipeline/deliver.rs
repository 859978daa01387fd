//! Messages on their way from the outbox to their sinks.

mod aside;
mod gate;
mod ticket;
pub mod tryout;
mod wake;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tracing::{error, info, warn};

use crate::domain::id::SinkName;
use crate::domain::sink::Common;
use crate::domain::ticket::about::About;
use crate::domain::ticket::link::Link;
use crate::domain::ticket::said::{TicketKey, faults};
use crate::ports::ticket::{Class, SinkError, Teller, TicketLinks};
use crate::ports::{Clock, Delivery, Enqueue, Outbox, PortError, chain};
use crate::telemetry::metric::{self, End};

/// Most messages under way at once.
pub(crate) const AT_ONCE: usize = 8;

/// How long a sink is left alone that says for itself that a person has to mend something: its
/// credential, its settings. Whatever else waits for it would be told the same.
pub(super) const LEFT_ALONE: SignedDuration = SignedDuration::from_mins(5);

/// How long one is left alone that wants to be, and does not say for how long.
pub(super) const BUSY: SignedDuration = SignedDuration::from_mins(1);

/// A sink, and what the policy says of it.
pub struct Counter {
    /// The sink.
    pub teller: Teller,
    /// What the policy says of it.
    pub common: Common,
}

/// Where messages wait, and where they go.
pub struct Desk {
    /// Where they wait.
    pub outbox: Arc<dyn Outbox>,
    /// Which ticket is where.
    pub links: Arc<dyn TicketLinks>,
    /// The sinks.
    pub sinks: BTreeMap<SinkName, Counter>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The pauses before a message is sent again; after the last it is given up.
    pub again: Vec<SignedDuration>,
    /// Until when sinks are left alone.
    pub alone: Mutex<BTreeMap<SinkName, Timestamp>>,
    /// Where reasons to look go: a ticket that is there may be all that was waited for.
    pub enqueue: Arc<dyn Enqueue>,
}

/// How an attempt to tell a sink ended, where it did not fail.
enum Told {
    /// It knows.
    Known,
    /// It is not to be told before this moment; that is no failed attempt.
    NotYet(Timestamp),
}

/// Sends each message once, and writes down what became of it.
///
/// # Errors
/// Those of the outbox and of the links. What a sink says is no error here.
pub async fn deliver(desk: &Desk, due: Vec<Delivery>) -> Result<(), PortError> {
    let sent = futures_util::stream::iter(due).map(|delivery| one(desk, delivery));
    sent.buffer_unordered(AT_ONCE).try_collect().await
}

/// Why a message was not delivered.
enum Failed {
    /// The sink said so.
    Sink(SinkError),
    /// The store did.
    Store(PortError),
}

impl From<SinkError> for Failed {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

impl From<PortError> for Failed {
    fn from(error: PortError) -> Self {
        Self::Store(error)
    }
}

async fn tell(desk: &Desk, delivery: &Delivery, now: Timestamp) -> Result<Told, Failed> {
    let Some(counter) = desk.sinks.get(&delivery.sink) else {
        let said = format!("ticket sink {} is no longer in the policy", delivery.sink);
        return Err(SinkError::new(Class::Config, said).into());
    };
    match &counter.teller {
        Teller::Messages(notify) if counter.common.gate => {
            return gate::tell(desk, notify.as_ref(), delivery, now).await;
        }
        Teller::Messages(notify) => notify.tell(delivery, now).await?,
        Teller::Tickets(system) => {
            return ticket::tell(desk, system.as_ref(), &counter.common, delivery).await;
        }
    }
    Ok(Told::Known)
}

async fn one(desk: &Desk, delivery: Delivery) -> Result<(), PortError> {
    let (now, sink) = (desk.clock.now(), delivery.sink.to_string());
    if let Some(until) = desk.left_alone(&delivery.sink).filter(|until| now < *until) {
        return desk.outbox.put_off(&delivery, until).await;
    }
    let error = match tell(desk, &delivery, now).await {
        Ok(Told::Known) => {
            info!(sink, webhook.id = delivery.id, "ticket delivered");
            tell_of_faults(desk, &delivery);
            metric::delivered(End::Accepted);
            aside::follow(desk, &delivery).await?;
            // Before it is said to be delivered: after a crash it is delivered once more, and with it
            // this.
            wake::tell(desk, &delivery).await?;
            return desk.outbox.delivered(&delivery).await;
        }
        Ok(Told::NotYet(due)) => return desk.outbox.put_off(&delivery, due).await,
        Err(Failed::Store(error)) => return Err(error),
        Err(Failed::Sink(error)) => error,
    };
    // Counted from here: a sink that let us wait for its time limit gets its pause all the same.
    let now = desk.clock.now();
    let why = chain(&error);
    match error.class {
        Class::RateLimited(after) => {
            let pause = after.map(|after| SignedDuration::try_from(after).unwrap_or(BUSY));
            let until = now + pause.unwrap_or(BUSY);
            desk.leave_alone(&delivery.sink, until);
            warn!(sink, webhook.id = delivery.id, "wants to be left alone: {why}");
            metric::delivered(End::Again);
            return desk.outbox.put_off(&delivery, until).await;
        }
        Class::Auth | Class::Config => desk.leave_alone(&delivery.sink, now + LEFT_ALONE),
        Class::Transient | Class::Ambiguous | Class::Conflict | Class::TooLarge | Class::Gone => {}
    }
    aside::tell(desk, &delivery, error.class, now).await?;
    let shut = gate::is_shut(desk, &delivery).await?;
    if shut {
        gate::alarm(&delivery, &why);
    }
    let pause = desk.again.get(usize::try_from(delivery.attempts).unwrap_or(usize::MAX));
    let pause = match (error.class, pause) {
        // Whoever is gone takes nothing any more.
        (Class::Gone, _) => None,
        // What a gate waits for is asked for again and again.
        (_, pause) if shut => Some(pause.map_or(gate::PAUSE, |pause| (*pause).min(gate::PAUSE))),
        (_, None) => None,
        (Class::Auth | Class::Config, Some(pause)) => Some((*pause).max(LEFT_ALONE)),
        (_, Some(pause)) => Some(*pause),
    };
    metric::delivered(if pause.is_some() { End::Again } else { End::GivenUp });
    if pause.is_some() {
        warn!(sink, webhook.id = delivery.id, "not delivered, tried again: {why}");
    } else {
        error!(sink, webhook.id = delivery.id, "given up: {why}");
    }
    desk.outbox.failed(&delivery, pause.map(|pause| now + pause), &why).await
}

/// Tells once for each message which templates failed with it, without what is in it.
fn tell_of_faults(desk: &Desk, delivery: &Delivery) {
    let Some(Counter { common, .. }) = desk.sinks.get(&delivery.sink) else { return };
    for fault in faults(&delivery.id, &delivery.body, common).unwrap_or_default() {
        let sink = delivery.sink.to_string();
        warn!(sink, webhook.id = delivery.id, "told in the built-in words: tickets.{sink}.{fault}");
    }
}

/// What is known of a ticket of which nothing is known yet.
fn unknown(delivery: &Delivery) -> Link {
    let tenant = About::of(&delivery.body).map(|about| about.tenant);
    Link::new(TicketKey(delivery.ticket.clone()), delivery.sink.clone(), tenant)
}

impl Desk {
    pub(super) fn left_alone(&self, sink: &SinkName) -> Option<Timestamp> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner).get(sink).copied()
    }

    pub(super) fn leave_alone(&self, sink: &SinkName, until: Timestamp) {
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        let now = alone.entry(sink.clone()).or_insert(until);
        *now = until.max(*now);
    }
}
