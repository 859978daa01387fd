//! `scan`: every partner judged now, for people and for programs.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{WrongInput, file, reading};
use crate::adapters::clock::SystemClock;
use crate::config::{environment, policy};
use crate::domain::policy::Policy;
use crate::domain::scan::{Scanned, scanned};
use crate::domain::snapshot::Snapshot;
use crate::ports::Clock as _;
use crate::scan::table::{Paper, WIDTHS};
use crate::scan::view::View;
use crate::scan::{html, table, verdict};

/// What is said below the options.
pub const HELP: &str = "\
Example:
  partner-warden scan
  partner-warden scan --tenant Woodgrove --format json --output woodgrove.json
  WARDEN_POLICY=policy.yaml partner-warden scan --facts woodgrove.facts.json

It reads WARDEN_POLICY, WARDEN_SECRETS and WARDEN_CLIENT_ID as serve does, and asks Graph to read
only. With --facts it needs WARDEN_POLICY alone, asks nobody, and judges each file as of the moment
it was read.

Exit codes:
  0  everything was read, and nothing breaks the policy
  1  something breaks the policy
  2  could not tell: nothing was proven to break the policy, but something could not be read; or
     settings, policy, arguments or files are wrong, and the message says which and how to mend it
A finding that is proven is 1, whatever could not be read beside it. What the policy says to ignore
is shown and does not count; that something could not be read always does.";

/// What is judged, and how it is told.
#[derive(Debug, Args)]
pub struct Scan {
    /// How it is told.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    /// Only this tenant; may be given several times.
    #[arg(long, value_name = "NAME|ID")]
    pub tenant: Vec<String>,
    /// A snapshot that `facts export` wrote, judged in place of reading; may be given several
    /// times.
    #[arg(long, value_name = "FILE")]
    pub facts: Vec<PathBuf>,
    /// Where it is written, readable by its owner alone, in place of standard output. A file that
    /// is there is replaced.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How a scan is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: tables.
    Table,
    /// For programs: JSON, as docs/scan.md describes it.
    Json,
    /// For people: one HTML file that needs no network and no script.
    Html,
}

/// Does it. The exit code says what it came to.
pub async fn run(command: Scan) -> ExitCode {
    reading::or_could_not_tell(scan(command).await)
}

async fn scan(command: Scan) -> anyhow::Result<ExitCode> {
    if command.facts.is_empty() {
        let config = reading::config()?;
        let tenants = reading::chosen(&config.policy.roster, &command.tenant)?;
        let snapshots = reading::read_now(&config, &tenants).await?;
        told(&command, &config.policy, &snapshots)
    } else {
        let file = environment("WARDEN_POLICY").map(PathBuf::from);
        let file = file.ok_or_else(|| {
            WrongInput("set WARDEN_POLICY to the policy by which the files are judged".to_owned())
        })?;
        let (policy, _) = policy(&file, Some("WARDEN_POLICY"))?;
        let snapshots = reading::from_files(&policy, &command.tenant, &command.facts)?;
        told(&command, &policy, &snapshots)
    }
}

fn told(command: &Scan, policy: &Policy, snapshots: &[Snapshot]) -> anyhow::Result<ExitCode> {
    let now = SystemClock.now();
    let scans: Vec<Scanned<'_>> = snapshots
        .iter()
        .filter_map(|snapshot| {
            let tenant = policy.roster.tenant(snapshot.tenant.id)?;
            let judged = if command.facts.is_empty() { now } else { snapshot.read_at };
            Some(scanned(&snapshot.facts, tenant, policy, snapshot.read_at, judged))
        })
        .collect();
    let view = View::new(&scans, policy);
    let text = match command.format {
        Format::Table => table::text(&view, paper(command.output.is_none())),
        Format::Json => view.to_json(),
        Format::Html => html::page(&view),
    };
    match &command.output {
        Some(path) => file::put(path, &text, true)?,
        None => stdout().write_all(text.as_bytes())?,
    }
    Ok(ExitCode::from(verdict(&scans, policy).exit_code()))
}

/// As wide as the terminal, or as `COLUMNS` says. Colours on a terminal that knows them, unless
/// `NO_COLOR` is set (<https://no-color.org/>).
pub(super) fn paper(to_stdout: bool) -> Paper {
    let terminal = to_stdout && stdout().is_terminal();
    let size = terminal.then(terminal_size::terminal_size).flatten();
    let width = size.map(|(width, _)| width.0);
    let width = width.or_else(|| environment("COLUMNS")?.parse().ok()).unwrap_or(80);
    let dumb = environment("TERM").is_some_and(|term| term == "dumb");
    Paper {
        width: width.clamp(*WIDTHS.start(), *WIDTHS.end()),
        colours: terminal && !dumb && environment("NO_COLOR").is_none(),
    }
}
