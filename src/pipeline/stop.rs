//! The stop switch, as it is heeded.

use tracing::error;

use crate::domain::stop::Stop;
use crate::ports::{StopSwitch, chain};
use crate::telemetry::metric;

/// Whether nothing is to be written. Where that cannot be read, it is not.
pub(super) async fn asked(switch: &dyn StopSwitch) -> Option<Stop> {
    let stop = match switch.stopped().await {
        Ok(stop) => stop,
        Err(error) => {
            error!("nothing is written, since the stop switch cannot be read: {}", chain(&error));
            Some(Stop::unreadable())
        }
    };
    metric::stopped(stop.is_some());
    stop
}
