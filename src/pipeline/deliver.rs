//! Messages on their way from the outbox to their sinks.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tracing::{error, info, warn};

use crate::domain::id::SinkName;
use crate::domain::sink::Common;
use crate::ports::ticket::{Class, SinkError, Teller};
use crate::ports::{Clock, Delivery, Outbox, PortError, chain};
use crate::telemetry::metric::{self, End};

/// Most messages under way at once.
const AT_ONCE: usize = 8;

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
    /// The sinks.
    pub sinks: BTreeMap<SinkName, Counter>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The pauses before a message is sent again; after the last it is given up.
    pub again: Vec<SignedDuration>,
}

/// Sends each message once, and writes down what became of it.
///
/// # Errors
/// Those of the outbox. What a sink says is no error here.
pub async fn deliver(desk: &Desk, due: Vec<Delivery>) -> Result<(), PortError> {
    let sent = futures_util::stream::iter(due).map(|delivery| one(desk, delivery));
    sent.buffer_unordered(AT_ONCE).try_collect().await
}

async fn tell(desk: &Desk, delivery: &Delivery, now: Timestamp) -> Result<(), SinkError> {
    let Some(counter) = desk.sinks.get(&delivery.sink) else {
        let said = format!("ticket sink {} is no longer in the policy", delivery.sink);
        return Err(SinkError::new(Class::Config, said));
    };
    match &counter.teller {
        Teller::Messages(notify) => notify.tell(delivery, now).await,
        Teller::Tickets(_) => {
            let said = format!("ticket sink {} keeps tickets", delivery.sink);
            Err(SinkError::new(Class::Config, said))
        }
    }
}

async fn one(desk: &Desk, delivery: Delivery) -> Result<(), PortError> {
    let (now, sink) = (desk.clock.now(), delivery.sink.to_string());
    let error = match tell(desk, &delivery, now).await {
        Ok(()) => {
            info!(sink, webhook.id = delivery.id, "ticket delivered");
            metric::delivered(End::Accepted);
            return desk.outbox.delivered(&delivery).await;
        }
        Err(error) => error,
    };
    let pause = desk.again.get(usize::try_from(delivery.attempts).unwrap_or(usize::MAX));
    let pause = match (error.class, pause) {
        // The sink's own word counts; and a sink that is gone takes nothing any more.
        (Class::Gone, _) | (_, None) => None,
        (Class::RateLimited(Some(after)), Some(pause)) => {
            Some((*pause).max(SignedDuration::try_from(after).unwrap_or(*pause)))
        }
        (_, Some(pause)) => Some(*pause),
    };
    let why = chain(&error);
    metric::delivered(if pause.is_some() { End::Again } else { End::GivenUp });
    if pause.is_some() {
        warn!(sink, webhook.id = delivery.id, "not delivered, tried again: {why}");
    } else {
        error!(sink, webhook.id = delivery.id, "given up: {why}");
    }
    // Counted from here: a sink that let us wait for its time limit gets its pause all the same.
    let due = pause.map(|pause| desk.clock.now() + pause);
    desk.outbox.failed(&delivery, due, &why).await
}
