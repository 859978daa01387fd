//! Has the tenant seen to once a ticket is told: steps may have waited for the ticket, and people who
//! are asked may answer in it from now on.

use super::Desk;
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::about::About;
use crate::domain::ticket::said::TicketKey;
use crate::ports::{Delivery, PortError};
use crate::wire::tickets::changed;

/// Asks for it, where there is a reason to. Durable when this returns.
pub(super) async fn tell(desk: &Desk, delivery: &Delivery) -> Result<(), PortError> {
    let Some(counter) = desk.sinks.get(&delivery.sink) else { return Ok(()) };
    let Some(about) = About::of(&delivery.body) else { return Ok(()) };
    let opens = counter.common.gate && (about.kind == MessageKind::Opened || about.holds);
    let asks = counter.common.decide.any() && about.asks;
    if about.kind == MessageKind::Closed || !(opens || asks) {
        return Ok(());
    }
    let key = TicketKey(delivery.ticket.clone());
    desk.enqueue.enqueue(vec![changed(about.tenant, &key, desk.clock.now())]).await
}
