//! `stop` and `resume`: that nothing is written, whatever the policy says, and that it is again.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::{Output, WrongInput, json};
use crate::adapters::stop_file::StopFile;
use crate::config::{Place, environment, store};
use crate::domain::stop::Stop;
use crate::domain::text::{one_line, plain_json};
use crate::ports::TurnStopSwitch;

/// What is told of both.
pub const HELP: &str = "\
Examples:
  partner-warden stop --why 'INC-7: revokes what it should not'
  partner-warden stop --show
  partner-warden resume

Of the settings only WARDEN_STORE is read, and `serve` may run: it heeds the switch before its next
call to Microsoft Graph. What is found meanwhile is told by tickets as held back.
Exit codes: 0 done, 1 the switch cannot be read or turned, 2 WARDEN_STORE or an argument is wrong";

/// Stops.
#[derive(Debug, Args)]
pub struct StopAll {
    /// Why: tickets and logs say so.
    #[arg(long, value_name = "TEXT", required_unless_present = "show")]
    why: Option<String>,
    /// Only tells whether all is stopped.
    #[arg(long, conflicts_with = "why")]
    show: bool,
    /// How to answer.
    #[command(flatten)]
    output: Output,
}

/// Resumes.
#[derive(Debug, Args)]
pub struct Resume {
    /// How to answer.
    #[command(flatten)]
    output: Output,
}

/// Stops, or tells whether all is stopped.
///
/// # Errors
/// Whatever keeps the switch from being read or turned.
pub async fn stop(command: StopAll, now: Timestamp) -> anyhow::Result<ExitCode> {
    let switch = switch().await?;
    let stop = match command.why {
        None => switch.stopped().await?,
        Some(why) => {
            let stop = Stop::new(&why, now);
            if stop.why.is_empty() {
                return Err(
                    WrongInput("--why says nothing; say why all is to stop".to_owned()).into()
                );
            }
            switch.stop(&stop).await?;
            Some(stop)
        }
    };
    tell(command.output, stop.as_ref(), "nothing is stopped")
}

/// Resumes.
///
/// # Errors
/// Whatever keeps the switch from being turned.
pub async fn resume(command: Resume) -> anyhow::Result<ExitCode> {
    let ended = switch().await?.resume().await?;
    let text = match ended {
        Some(Stop { why, since: Some(since) }) => {
            format!("resumed; it was stopped since {since}: {}", one_line(&why))
        }
        Some(Stop { why, since: None }) => format!("resumed; it was stopped: {}", one_line(&why)),
        None => "nothing was stopped".to_owned(),
    };
    tell(command.output, None, &text)
}

fn tell(output: Output, stop: Option<&Stop>, otherwise: &str) -> anyhow::Result<ExitCode> {
    let text = if output.json {
        let (why, since) = (stop.map(|stop| &stop.why), stop.and_then(|stop| stop.since));
        plain_json(&json(&json!({
            "version": 1, "stopped": stop.is_some(), "why": why, "since": since,
        }))?)
    } else {
        stop.map_or_else(|| otherwise.to_owned(), Stop::holds)
    };
    writeln!(stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// The switch of the store in the settings. The store itself is not opened.
async fn switch() -> anyhow::Result<Box<dyn TurnStopSwitch>> {
    match store(environment)? {
        Place::Sqlite(path) => Ok(Box::new(StopFile::beside(&path))),
        Place::Aws(table) => on_aws(&table).await,
    }
}

#[cfg(feature = "aws")]
async fn on_aws(table: &str) -> anyhow::Result<Box<dyn TurnStopSwitch>> {
    use crate::adapters::aws::table::DynamoDb;
    use crate::adapters::aws::{Patience, load};

    let aws = load(Patience::WORK).await?;
    Ok(Box::new(DynamoDb::new(&aws, table, "stop")))
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "only what runs on AWS is waited for")]
async fn on_aws(_: &str) -> anyhow::Result<Box<dyn TurnStopSwitch>> {
    Err(WrongInput("this program was built without AWS".to_owned()).into())
}
