//! Logs: for a person on a terminal, else one JSON object a line. To standard error, always.

use std::io::{IsTerminal as _, stderr};

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
    Ok(())
}
