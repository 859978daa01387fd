//! `policy explain`: what a finding means and what a policy does about it.

use std::io::{self, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::PolicyFile;
use crate::cli::{Output, WrongInput, json};
use crate::config::environment;
use crate::domain::finding::{FindingName, Rule, Severity, nearest, rules};
use crate::domain::policy::{Do, Policy};
use crate::domain::roster::Side;
use crate::domain::text::one_line;

/// Which finding, and by which policy.
#[derive(Debug, Args)]
pub struct Explain {
    /// The finding; without it, all are listed.
    finding: Option<String>,
    /// The policy; without it, the one that `WARDEN_POLICY` names, if any.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// A finding, explained.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    finding: FindingName,
    severity: Severity,
    meaning: String,
    found_on: Vec<Side>,
    why: &'static str,
    mend: &'static str,
    page: &'static str,
    reads: Vec<Reads>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Answered>,
}

#[derive(Debug, Serialize)]
struct Reads {
    part: &'static str,
    permission: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    r#do: Do,
    ticket: Option<String>,
    built_in: bool,
    mode: crate::domain::policy::Mode,
}

pub(super) fn run(command: Explain) -> anyhow::Result<ExitCode> {
    let Explain { finding, policy, output } = command;
    let policy = match policy.or_else(|| environment("WARDEN_POLICY").map(PathBuf::from)) {
        Some(file) => Some(PolicyFile { file: Some(file) }.read()?.1?.policy),
        None => None,
    };
    let mut out = stdout();
    let Some(name) = finding else {
        let all: Vec<Explained> = rules().map(|rule| explained(rule, policy.as_ref())).collect();
        if output.json {
            writeln!(out, "{}", json(&all)?)?;
        } else {
            list(&mut out, &all)?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(finding) = FindingName::from_text(name.trim()) else {
        let hint = nearest(&name).map_or_else(
            || "; `partner-warden policy explain` lists them".to_owned(),
            |name| format!("; did you mean `{name}`?"),
        );
        let message = format!("`{}` is not the name of a finding{hint}", one_line(&name));
        return Err(WrongInput(message).into());
    };
    let explained = explained(finding.rule(), policy.as_ref());
    if output.json {
        writeln!(out, "{}", json(&explained)?)?;
    } else {
        tell(&mut out, &explained)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn explained(rule: &'static Rule, policy: Option<&Policy>) -> Explained {
    let sides = [Side::Customer, Side::Partner].into_iter();
    Explained {
        finding: rule.name,
        severity: rule.severity,
        meaning: rule.name.meaning(),
        found_on: sides.filter(|side| rule.name.is_raised_on(*side)).collect(),
        why: rule.why,
        mend: rule.mend,
        page: rule.page,
        reads: rule
            .reads
            .iter()
            .map(|part| Reads { part: part.noun(), permission: part.permission() })
            .collect(),
        response: policy.map(|policy| {
            let response = policy.response(rule.name, rule.severity);
            let ticket = response
                .ticket
                .clone()
                .or_else(|| policy.default_sink().filter(|_| response.act >= Do::Ticket).cloned());
            Answered {
                r#do: response.act,
                ticket: ticket.map(|sink| one_line(&sink.0)),
                built_in: !policy.answers(rule.name),
                mode: policy.mode,
            }
        }),
    }
}

fn list(out: &mut impl Write, all: &[Explained]) -> io::Result<()> {
    let widest = all.iter().map(|one| one.finding.as_str().len()).max().unwrap_or(0);
    for one in all {
        let (name, severity) = (one.finding.as_str(), one.severity.as_str());
        writeln!(out, "{name:widest$}  {severity:8}  {}", one.meaning)?;
    }
    writeln!(out, "\n`partner-warden policy explain NAME` says more of one.")
}

fn tell(out: &mut impl Write, one: &Explained) -> io::Result<()> {
    writeln!(out, "{} ({})", one.finding, one.severity.as_str())?;
    writeln!(out, "{}", one.meaning)?;
    for (heading, text) in [("Why it matters", one.why), ("How to mend it by hand", one.mend)] {
        writeln!(out, "\n{heading}\n{}", wrapped(text))?;
    }
    writeln!(out, "\nMicrosoft's page\n  {}", one.page)?;
    writeln!(out, "\nWhat is read for it, and the permission that takes")?;
    if one.reads.is_empty() {
        writeln!(out, "  nothing of its own")?;
    }
    for Reads { part, permission } in &one.reads {
        writeln!(out, "  {part}: {permission}")?;
    }
    if let Some(answer) = &one.response {
        writeln!(out, "\nWhat this policy does about it")?;
        write!(out, "  {}", answer.r#do)?;
        if let Some(ticket) = &answer.ticket {
            write!(out, ", ticket to {ticket}")?;
        }
        if answer.built_in {
            write!(out, " (built in: the policy does not name it)")?;
        }
        writeln!(out, "; mode {}", answer.mode)?;
    }
    Ok(())
}

/// In lines of at most 98 characters, two from the margin.
fn wrapped(text: &str) -> String {
    const WIDEST: usize = 98;

    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines.last().is_some_and(|line| {
            !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDEST - 2
        });
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
