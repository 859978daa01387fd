//! `policy check`: whether a policy holds together, and what it means.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::PolicyFile;
use super::meaning::Meaning;
use crate::cli::{Output, json};
use crate::config::ConfigError;
use crate::domain::policy::Problem;
use crate::domain::text::count;

/// Which policy.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    policy: PolicyFile,
    #[command(flatten)]
    output: Output,
}

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    version: u32,
    file: String,
    ok: bool,
    problems: &'a [Problem],
    warnings: &'a [Problem],
    #[serde(flatten)]
    meaning: Option<Meaning>,
    tests: usize,
}

pub(super) fn run(command: Check, now: Timestamp) -> anyhow::Result<ExitCode> {
    let (path, read) = command.policy.read()?;
    let file = path.display().to_string();
    let mut out = stdout();
    let checked = match read {
        Err(ConfigError::Policy { problems, .. }) if command.output.json => {
            let answer = Answer {
                version: 1,
                file,
                ok: false,
                problems: &problems,
                warnings: &[],
                meaning: None,
                tests: 0,
            };
            writeln!(out, "{}", json(&answer)?)?;
            return Ok(ExitCode::from(2));
        }
        read => read?,
    };
    let warnings = checked.warnings(now);
    let meaning = Meaning::of(&checked.policy, now);
    if command.output.json {
        let answer = Answer {
            version: 1,
            file,
            ok: true,
            problems: &[],
            warnings: &warnings,
            meaning: Some(meaning),
            tests: checked.tests.len(),
        };
        writeln!(out, "{}", json(&answer)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for warning in &warnings {
        writeln!(out, "warning: {file}:{warning}")?;
    }
    writeln!(out, "{file} holds together: mode {}", checked.policy.mode)?;
    write!(out, "{meaning}")?;
    match checked.tests.len() {
        0 => writeln!(out, "\nIt has no tests; `tests:` says what must come of it.")?,
        tests => writeln!(
            out,
            "\nIt has {}: `partner-warden policy test {file}` runs {}.",
            count(tests, "test"),
            if tests == 1 { "it" } else { "them" }
        )?,
    }
    Ok(ExitCode::SUCCESS)
}
