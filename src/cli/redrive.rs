//! `redrive`: what was given up, listed and put back.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::{Output, json};
use crate::config::{Config, environment};
use crate::domain::text::count;
use crate::ports::Kind;
use crate::serve::redrive::{self, Name};

/// What is to be done about it.
#[derive(Debug, Subcommand)]
pub enum Redrive {
    /// Lists what was given up, and why.
    #[command(after_help = "Example:\n  partner-warden redrive list")]
    List(Output),
    /// Puts it back: all of it, or what is named.
    #[command(after_help = "Example:
  partner-warden redrive run --kind ticket
  partner-warden redrive run --id look-3

The store must not be in use: stop `serve` first, and start it again afterwards.
Exit codes: 0 all of it waits again, 1 not all of it, 2 there is none of that name")]
    Run {
        /// Looks, or tickets.
        #[arg(long)]
        kind: Option<OfKind>,
        /// This one, such as look-3; may be given several times.
        #[arg(long)]
        id: Vec<Name>,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
}

/// What was given up.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum OfKind {
    /// Looks.
    #[value(help = None)]
    Look,
    /// Tickets.
    #[value(help = None)]
    Ticket,
}

/// Does it.
pub async fn run(command: Redrive) -> anyhow::Result<ExitCode> {
    let config = Config::load(environment)?;
    let (all, output) = match command {
        Redrive::List(output) => (redrive::list(&config).await?, output),
        Redrive::Run { kind, id, output } => {
            let kind = kind.map(|kind| match kind {
                OfKind::Look => Kind::Look,
                OfKind::Ticket => Kind::Ticket,
            });
            (redrive::run(&config, kind, &id).await?, output)
        }
    };
    let text = if output.json { json(&all)? } else { redrive::text(&all) };
    writeln!(stdout(), "{text}")?;
    let stuck = all.iter().filter(|letter| letter.is_stuck()).count();
    anyhow::ensure!(stuck == 0, "{} cannot be put back", count(stuck, "dead letter"));
    Ok(ExitCode::SUCCESS)
}
