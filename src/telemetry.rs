//! Logs: for a person on a terminal, else one JSON object a line. To standard error, always. And
//! numbers, for whoever collects them.

#[cfg(feature = "aws")]
pub mod embedded;
pub mod metric;
#[cfg(feature = "sqlite")]
pub mod prometheus;

use std::io::{IsTerminal as _, stderr};

use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Starts logging by a filter such as `info` or `partner_warden=debug` (`WARDEN_LOG`).
///
/// # Errors
/// When the filter cannot be read.
pub fn start(filter: Option<&str>) -> Result<(), ParseError> {
    // What libraries say of connections is for their authors.
    let filter = EnvFilter::try_new(filter.unwrap_or("partner_warden=info,warn"))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // Starting twice in one process leaves the first in place.
    let started = if stderr().is_terminal() {
        subscriber.with_target(false).compact().try_init()
    } else {
        subscriber.with_ansi(false).json().flatten_event(true).try_init()
    };
    drop(started);
    // What a panic says may hold a part of what was sent, and is for the log's readers alone a line
    // that is no entry.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        error!(place, "a mistake in the program stopped a task");
    }));
    Ok(())
}
