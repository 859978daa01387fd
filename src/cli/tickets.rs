//! `tickets`: the systems in which tickets are opened, tried one by one.

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::{Output, WrongInput, json};
use crate::adapters::clock::SystemClock;
use crate::config::{Config, ConfigError, Part, environment};
use crate::domain::finding::Severity;
use crate::domain::id::SinkName;
use crate::domain::policy::Policy;
use crate::domain::sink::Sink;
use crate::domain::text::{foreign, one_line, plain_json};
use crate::domain::ticket::tryout::TITLE;
use crate::parts;
use crate::pipeline::deliver::tryout::{Report, Seen, Tried, try_sink};
use crate::serve::Timing;

/// What is to be done with them.
#[derive(Debug, Subcommand)]
pub enum TicketsCommand {
    /// Opens a ticket about nothing in a system, speaks in it and closes it, and says what it saw.
    #[command(after_help = "\
Example:
  partner-warden tickets test security

The ticket's title begins with \"TEST by Partner Warden\". It is opened, found by its key, spoken in, read,
closed and read again, by the same code that `serve` uses and with the same rights. What only takes
messages (a chat, an alert, a webhook) is sent one that a ticket is opened and one that it is closed.
It stops at the first thing that does not hold, and says how to mend that.

Only WARDEN_POLICY and WARDEN_SECRETS have to be complete for this sink, and nothing is asked of
Microsoft. The store is not touched: `serve` may go on meanwhile.

Exit codes: 0 all of it holds, 1 something does not (it is told, with the mend), 2 the policy has no
such sink, or settings, secrets or the policy are wrong")]
    Test(Test),
}

/// Which system, and how.
#[derive(Debug, Args)]
pub struct Test {
    /// Its name: what stands under `tickets` in the policy.
    #[arg(value_name = "SINK")]
    pub sink: String,
    /// How bad the ticket claims to be: critical, high, medium, low or info. A system that pages
    /// people may page them.
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = severity)]
    pub severity: Severity,
    /// How to answer.
    #[command(flatten)]
    pub output: Output,
}

fn severity(text: &str) -> Result<Severity, String> {
    let all = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
    let meant = all.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(text.trim()));
    meant.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|it| it.as_str()).collect();
        format!("it is one of {}", names.join(", "))
    })
}

/// Does it.
pub async fn run(command: TicketsCommand) -> anyhow::Result<ExitCode> {
    let TicketsCommand::Test(command) = command;
    let config = Config::load_for(Part::Tickets, environment)?;
    let (name, sink) = named(&config.policy, &command.sink)?;
    let problems = config.secrets.missing_for_sink(name, sink);
    let source = || config.settings.secrets.clone();
    if !problems.is_empty() {
        return Err(ConfigError::Secrets { source: source(), problems }.into());
    }
    let http = parts::http(Timing::default().patience)?;
    let counter = parts::counter(&config, &http, name, sink);
    let counter = counter.map_err(|wrong| WrongInput(format!("ticket sink {name}: {wrong}")))?;
    let place = one_line(&sink.settings.place());
    let tried = Tried { name: name.clone(), kind: sink.settings.kind(), place };
    let json_wanted = command.output.json;
    if !json_wanted {
        writeln!(stdout(), "Trying `{name}`: {} at {}", tried.kind, tried.place)?;
    }
    let told = |seen: &Seen| {
        if !json_wanted {
            // Nothing can be done about a broken pipe here.
            drop(writeln!(stdout(), "{}", line(seen)));
        }
    };
    let clock = Arc::new(SystemClock);
    let report = try_sink(&tried, counter, clock, command.severity, told).await;
    let text = if json_wanted { plain_json(&json(&report)?) } else { ending(&report, &tried) };
    writeln!(stdout(), "{text}")?;
    Ok(if report.trouble.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The sink of this name.
fn named<'a>(policy: &'a Policy, name: &str) -> Result<(&'a SinkName, &'a Sink), WrongInput> {
    let found = policy.tickets.iter().find(|(known, _)| known.0 == name.trim());
    found.ok_or_else(|| {
        let names: Vec<&str> = policy.tickets.keys().map(|name| name.0.as_str()).collect();
        let mend = if names.is_empty() {
            "it names none at all; name one under `tickets`, as policy/example.yaml shows"
                .to_owned()
        } else {
            format!("it has: {}", names.join(", "))
        };
        WrongInput(format!("the policy names no ticket sink `{}`; {mend}", foreign(name)))
    })
}

fn line(seen: &Seen) -> String {
    let sign = if seen.left_out { '-' } else { '✓' };
    let left_out = if seen.left_out { "left out: " } else { "" };
    format!("  {sign} {:<19}  {left_out}{}", seen.step, seen.said)
}

/// What it came to.
fn ending(report: &Report, tried: &Tried) -> String {
    let mut lines = Vec::new();
    if let Some(trouble) = &report.trouble {
        lines.push(format!("  ✗ {:<19}  {}", trouble.step, trouble.said));
        lines.push(format!("    {:<19}  {}", "what to do", trouble.mend));
    }
    let place = &tried.place;
    let whole = report.trouble.is_none();
    match (&report.ticket, report.left_behind) {
        (Some(ticket), true) => {
            let human = foreign(&ticket.human);
            lines.push(format!("Close {human} at {place} by hand: nothing has happened."));
        }
        (None, true) if report.keeps_tickets => lines.push(format!(
            "Look for {} at {place}: a ticket of that key may be there and is to be closed by hand.",
            report.key
        )),
        (None, true) => lines.push(format!(
            "End what begins with \"{TITLE}\" at {place} by hand: nothing has happened."
        )),
        (_, false) if !whole => {}
        (_, false) if report.keeps_tickets => {
            lines.push("All of it holds: tickets will be opened, kept up to date and closed.".into());
        }
        (_, false) => lines.push(format!(
            "Both messages were taken. Nothing more can be asked there: look at {place} whether \
             something that begins with \"{TITLE}\" was shown to those who are to see it."
        )),
    }
    lines.join("\n")
}
