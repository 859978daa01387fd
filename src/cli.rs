//! The commands of the command line, one file each; the program `partner-warden` is the list of them.

pub mod doctor;
pub mod facts;
mod file;
pub mod policy;
mod reading;
pub mod records;
pub mod redrive;
pub mod replay;
pub mod restore;
pub mod scan;
pub mod sim;
pub mod stop;
pub mod subscriptions;
pub mod tickets;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use crate::config::ConfigError;
use crate::serve::ServeError;
use crate::serve::redrive::RedriveError;

/// How a command answers.
#[derive(Debug, Clone, Copy, Args)]
pub struct Output {
    /// For programs: JSON.
    #[arg(long)]
    pub json: bool,
}

/// Something a person gave is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongInput(pub String);

/// The exit code of a command that failed: 2 where something a person gave is wrong, else 1.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let wrong_input = error.downcast_ref::<ConfigError>().is_some()
        || error.downcast_ref::<WrongInput>().is_some()
        || matches!(error.downcast_ref(), Some(ServeError::Unset(_)))
        || matches!(error.downcast_ref(), Some(RedriveError::Absent(_)));
    ExitCode::from(if wrong_input { 2 } else { 1 })
}

/// `value` as JSON for a program, and readable for a person who looks.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<String> {
    serde_json::to_string_pretty(value).context("no JSON can be made of it")
}

/// Ends with SIGTERM or Ctrl-C. Both are heeded from the call on, not only once it is awaited.
pub fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let heed = |kind| signal(kind).context("the system's signals cannot be heeded");
    let mut terminated = heed(SignalKind::terminate())?;
    let mut interrupted = heed(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}
