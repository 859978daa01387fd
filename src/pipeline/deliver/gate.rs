//! Sinks before which nothing is written: that they were told is written down, and that they cannot
//! be told is an alarm.

use jiff::{SignedDuration, Timestamp};
use tracing::error;

use super::{Desk, Failed, Told, unknown};
use crate::domain::ticket::link::{ATTEMPT, Link, LinkState};
use crate::domain::ticket::said::TicketKey;
use crate::ports::ticket::Notify;
use crate::ports::{Delivery, PortError};
use crate::telemetry::metric;

/// The longest pause before a ticket is opened again for which others wait.
pub(super) const PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// Tells one who keeps no tickets, and writes down that what opens the ticket was taken. Where that
/// cannot be written down, it is told once more, which is the same message.
pub(super) async fn tell(
    desk: &Desk,
    notify: &dyn Notify,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Told, Failed> {
    notify.tell(delivery, now).await?;
    let known = desk.links.link(&TicketKey(delivery.ticket.clone())).await?;
    let link = known.unwrap_or_else(|| unknown(delivery));
    if link.is_there() {
        return Ok(Told::Known);
    }
    let told = desk.links.put_link(&Link { state: LinkState::Linked, ..link }).await?;
    // Somebody else wrote meanwhile.
    Ok(told.map_or_else(|| Told::NotYet(desk.clock.now() + ATTEMPT), |_| Told::Known))
}

/// Whether nothing is written about a case because the ticket that a message is about is not there.
pub(super) async fn is_shut(desk: &Desk, delivery: &Delivery) -> Result<bool, PortError> {
    if !desk.sinks.get(&delivery.sink).is_some_and(|it| it.common.gate) {
        return Ok(false);
    }
    let link = desk.links.link(&TicketKey(delivery.ticket.clone())).await?;
    Ok(!link.is_some_and(|link| link.is_there()))
}

/// Tells people that nothing is written until they have seen to the sink.
pub(super) fn alarm(delivery: &Delivery, why: &str) {
    error!(
        sink = %delivery.sink,
        webhook.id = delivery.id,
        code = "gate-shut",
        "nothing is written about the case before its ticket is there (tickets.{}.gate): {why}",
        delivery.sink
    );
    metric::gate_shut(&delivery.sink);
}
