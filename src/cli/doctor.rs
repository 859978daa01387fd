//! `doctor`: whether all is there that guarding takes.

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::scan::paper;
use super::{Output, json};
use crate::adapters::clock::SystemClock;
use crate::adapters::http::Patience;
use crate::config::{Config, ConfigError, Part, environment};
use crate::doctor::explain::{Explained, explained};
use crate::doctor::{Section, examine, fails, table};
use crate::domain::text::plain_json;
use crate::parts::Timing;
use crate::ports::Clock;

/// What is said below the options.
pub const HELP: &str = "\
Example:
  partner-warden doctor
  partner-warden doctor --explain

It reads and asks, and changes nothing: settings and secrets, the sign-in to each tenant, the permissions
that the policy's mode and responses need there, the audit log, the subscriptions, whether each ticket
sink would take a ticket, and whether WARDEN_PUBLIC_URL leads to a running `serve`. Run it where `serve`
runs, with the same settings, while it is running. The store is not touched.

Exit codes:
  0  nothing fails; there may be warnings
  1  something fails; each is told with its mend
  2  settings, policy or secrets cannot be read at all; the message says which and how to mend it";

/// How it is told.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Also print the commands that mend what is missing.
    #[arg(long)]
    pub explain: bool,
    /// How to answer.
    #[command(flatten)]
    pub output: Output,
}

/// What is told to programs.
#[derive(Serialize)]
struct Told<'a> {
    version: u32,
    sections: &'a [Section],
    #[serde(skip_serializing_if = "Option::is_none")]
    commands: Option<&'a [Explained]>,
}

/// Does it.
pub async fn run(command: Doctor) -> anyhow::Result<ExitCode> {
    let (config, missing) = config()?;
    let paper = paper(true);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // Whoever waits at a terminal wants to know that something does not answer, and not wait for it.
    let patience = Patience { retries: 1, ..Patience::default() };
    let timing = Timing { patience, ..Timing::default() };
    let as_json = command.output.json;
    let told = |section: &Section| {
        if !as_json {
            // Nothing can be done about a broken pipe here.
            drop(writeln!(stdout(), "{}", table::section(section, paper)));
        }
    };
    let sections = examine(&config, &missing, &clock, &timing, told).await?;
    let login = config.settings.login_url.as_str();
    let commands = command.explain.then(|| explained(&sections, login));
    if as_json {
        let told = Told { version: 1, sections: &sections, commands: commands.as_deref() };
        writeln!(stdout(), "{}", plain_json(&json(&told)?))?;
    } else {
        if let Some(commands) = &commands {
            writeln!(stdout(), "{}", table::commands(commands, paper))?;
        }
        writeln!(stdout(), "{}", table::summary(&sections, command.explain, paper))?;
    }
    Ok(if fails(&sections) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The configuration, with as much of the secrets as holds together, and what is missing or wrong.
fn config() -> Result<(Config, Vec<String>), ConfigError> {
    let mut missing = Vec::new();
    let mut last = None;
    for part in [Part::Whole, Part::Sweep, Part::Tickets] {
        match Config::load_for(part, environment) {
            Ok(config) => return Ok((config, missing)),
            Err(ConfigError::Secrets { source, problems }) => {
                if missing.is_empty() {
                    missing.clone_from(&problems);
                }
                last = Some(ConfigError::Secrets { source, problems });
            }
            Err(error) => return Err(error),
        }
    }
    // What is wrong is wrong whatever is asked for.
    Err(last.unwrap_or_else(|| ConfigError::Settings(missing)))
}
