//! Who is told in the place of a sink that takes nothing.

use jiff::Timestamp;
use serde_json::Value;
use tracing::error;

use super::{Desk, unknown};
use crate::domain::id::{Sha256Hex, SinkName};
use crate::domain::ticket::link::Link;
use crate::domain::ticket::said::TicketKey;
use crate::ports::ticket::Class;
use crate::ports::{Delivery, PortError};

/// The attempt after which somebody else is told: with the usual pauses some five minutes after
/// the first.
const ATTEMPTS: u32 = 2;

/// Has the sink's fallback told of a message that was not delivered, once it is clear that this
/// will not pass by itself at once.
pub(super) async fn tell(
    desk: &Desk,
    delivery: &Delivery,
    class: Class,
    now: Timestamp,
) -> Result<(), PortError> {
    let lasting = matches!(class, Class::Auth | Class::Config | Class::Gone);
    if !lasting && delivery.attempts + 1 < ATTEMPTS {
        return Ok(());
    }
    let Some(fallback) = fallback(desk, delivery) else { return Ok(()) };
    let known = desk.links.link(&TicketKey(delivery.ticket.clone())).await?;
    let link = known.unwrap_or_else(|| unknown(delivery));
    if !link.fell_back {
        error!(sink = %delivery.sink, fallback = %fallback, "another sink is told in its place");
        // Somebody else may have written meanwhile: the next attempt comes by here again.
        desk.links.put_link(&Link { fell_back: true, ..link }).await?;
    }
    pass_on(desk, delivery, &fallback, now).await
}

/// Has the fallback told of a message that was delivered, where it was told of the ticket.
pub(super) async fn follow(desk: &Desk, delivery: &Delivery) -> Result<(), PortError> {
    let Some(fallback) = fallback(desk, delivery) else { return Ok(()) };
    let link = desk.links.link(&TicketKey(delivery.ticket.clone())).await?;
    if link.is_some_and(|link| link.fell_back) {
        pass_on(desk, delivery, &fallback, desk.clock.now()).await?;
    }
    Ok(())
}

fn fallback(desk: &Desk, delivery: &Delivery) -> Option<SinkName> {
    let named = desk.sinks.get(&delivery.sink)?.common.fallback.clone()?;
    desk.sinks.contains_key(&named).then_some(named)
}

/// The same message with a key of the other sink's own.
async fn pass_on(
    desk: &Desk,
    delivery: &Delivery,
    fallback: &SinkName,
    now: Timestamp,
) -> Result<(), PortError> {
    let digest = Sha256Hex::of_fields(&["ticket-fallback/v1", &fallback.0, &delivery.ticket]);
    let ticket = format!("pw1-{}", digest.as_str().get(..26).unwrap_or_default());
    let number = delivery.id.rsplit('-').next().unwrap_or_default();
    let mut body: Value = serde_json::from_str(&delivery.body).unwrap_or_default();
    if let Some(key) = body.pointer_mut("/data/key") {
        *key = Value::String(ticket.clone());
    }
    let passed = Delivery {
        number: 0,
        sink: fallback.clone(),
        id: format!("{ticket}-{number}"),
        ticket,
        body: body.to_string(),
        attempts: 0,
        more: false,
    };
    desk.outbox.pass_on(&passed, now).await
}
