//! `policy test`: the tests of a policy file, run without a tenant.

use std::io::{self, IsTerminal as _, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::PolicyFile;
use crate::cli::reading::bytes;
use crate::cli::{Output, WrongInput, json};
use crate::config::environment;
use crate::domain::facts::Facts;
use crate::domain::finding::{Finding, FindingName};
use crate::domain::policy::{Checked, Do};
use crate::domain::roster::Tenant;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::{count, foreign, one_line};
use crate::domain::trial::{Came, Given, Trial};

/// Which policy, and when.
#[derive(Debug, Args)]
pub struct Test {
    #[command(flatten)]
    policy: PolicyFile,
    /// The moment for tests that name none, such as 2026-12-01; without it, now.
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    at: Option<Timestamp>,
    #[command(flatten)]
    output: Output,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let noon = || {
        let day: Date = text.parse().ok()?;
        Some(day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(noon).ok_or_else(|| {
        "not a moment; write 2026-12-01 (its noon, UTC) or 2026-12-01T18:00Z".to_owned()
    })
}

/// A test that was run.
struct Run<'a> {
    trial: &'a Trial,
    tenant: &'a Tenant,
    came: Came,
    /// The first moment from which it comes out otherwise, if it says no moment of its own.
    until: Option<Timestamp>,
}

pub(super) fn run(command: Test, now: Timestamp) -> anyhow::Result<ExitCode> {
    let (path, read) = command.policy.read()?;
    let checked = read?;
    let now = command.at.unwrap_or(now);
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let mut runs = Vec::new();
    for trial in &checked.tests {
        runs.push(once(trial, &checked, &folder, now).map_err(|problem| {
            WrongInput(format!("{}:{}: {problem}", path.display(), trial.line))
        })?);
    }
    let mut out = stdout();
    let failed = runs.iter().filter(|run| !run.came.differences.is_empty()).count();
    if command.output.json {
        writeln!(out, "{}", json(&answer(&path, &runs, failed))?)?;
    } else {
        let coloured = out.is_terminal() && environment("NO_COLOR").is_none();
        tell(&mut out, &runs, failed, &path, &Colours::new(coloured))?;
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn once<'a>(
    trial: &'a Trial,
    checked: &'a Checked,
    folder: &Path,
    now: Timestamp,
) -> Result<Run<'a>, String> {
    let policy = &checked.policy;
    let tenant = policy.roster.tenant(trial.tenant).ok_or("its tenant is not in the policy")?;
    let at = trial.at.unwrap_or(now);
    let read = match &trial.given {
        Given::Short(_) => None,
        Given::File(file) => Some(snapshot(&folder.join(file), tenant)?),
    };
    let run = |at: Timestamp| {
        let facts = read.clone().or_else(|| trial.facts(tenant, at)).unwrap_or_default();
        trial.run(&facts, tenant, policy, at)
    };
    let came = run(at);
    let until = match trial.at {
        Some(_) => None,
        None => changes(checked, at, &came, run),
    };
    Ok(Run { trial, tenant, came, until })
}

/// When a test that passes now will fail for no other reason than that time has passed.
fn changes(
    checked: &Checked,
    at: Timestamp,
    came: &Came,
    run: impl Fn(Timestamp) -> Came,
) -> Option<Timestamp> {
    let mut moments: Vec<Timestamp> = checked.endings.iter().map(|ending| ending.until).collect();
    moments.retain(|until| *until > at);
    moments.sort_unstable();
    let passed = came.differences.is_empty();
    passed.then(|| moments.into_iter().find(|at| !run(*at).differences.is_empty())).flatten()
}

/// The facts of a file that `facts export` wrote of the test's own tenant. It is read as strictly as
/// by `scan --facts`: a test that passed for what a file leaves out would show nothing.
fn snapshot(path: &Path, tenant: &Tenant) -> Result<Facts, String> {
    let place = path.display();
    let bytes = bytes(path).map_err(|error| format!("{error:#}"))?;
    let Snapshot { tenant: of, facts, .. } =
        Snapshot::parse(&bytes).map_err(|error| format!("{place} is {error}"))?;
    if of.id == tenant.id {
        return Ok(facts);
    }
    Err(format!(
        "{place} is a snapshot of {} ({}), and the test is about {}; name a file of that tenant, or \
         the other in the test's `tenant`",
        foreign(&of.name),
        of.id,
        one_line(&tenant.name),
    ))
}

struct Colours {
    good: &'static str,
    bad: &'static str,
    faint: &'static str,
    end: &'static str,
    ticks: bool,
}

impl Colours {
    fn new(coloured: bool) -> Self {
        if coloured {
            Self {
                good: "\u{1b}[32m",
                bad: "\u{1b}[31m",
                faint: "\u{1b}[2m",
                end: "\u{1b}[0m",
                ticks: true,
            }
        } else {
            Self { good: "", bad: "", faint: "", end: "", ticks: false }
        }
    }
}

fn tell(
    out: &mut impl Write,
    runs: &[Run<'_>],
    failed: usize,
    path: &Path,
    colours: &Colours,
) -> io::Result<()> {
    let Colours { good, bad, faint, end, ticks } = colours;
    for run in runs {
        let name = one_line(&run.trial.name);
        let passed = run.came.differences.is_empty();
        let (colour, mark) = match (passed, ticks) {
            (true, true) => (good, "✓"),
            (true, false) => (good, "ok  "),
            (false, true) => (bad, "✗"),
            (false, false) => (bad, "FAIL"),
        };
        writeln!(out, "{colour}{mark}{end} {name}")?;
        if passed {
            if let Some(until) = run.until {
                writeln!(
                    out,
                    "       {faint}from {until} on it will fail, since something the policy \
                     allows ends then; give it an `at`{end}"
                )?;
            }
        } else {
            difference(out, run, path, colours)?;
        }
    }
    let all = runs.len();
    if all == 0 {
        writeln!(out, "{} has no tests; write them under `tests:`", path.display())
    } else if failed == 0 {
        writeln!(out, "\n{good}{} passed{end}", count(all, "test"))
    } else {
        let passed = all - failed;
        writeln!(out, "\n{bad}{failed} of {} failed{end}, {passed} passed", count(all, "test"))
    }
}

/// What was expected, what came, and what would be done.
fn difference(
    out: &mut impl Write,
    run: &Run<'_>,
    path: &Path,
    colours: &Colours,
) -> io::Result<()> {
    let Colours { bad, faint, end, .. } = colours;
    let Run { trial, tenant, came, .. } = run;
    let place = format!("{}:{}", path.display(), trial.line);
    writeln!(out, "       {faint}{place}, tenant {}{end}", one_line(&tenant.name))?;
    for difference in &came.differences {
        writeln!(out, "       {bad}{}{end}", one_line(&difference.to_string()))?;
    }
    writeln!(out, "       expected  {}", one_line(&trial.expect.to_string()))?;
    writeln!(out, "       found     {}", found(came))?;
    writeln!(out, "       the plan  (what would be done)")?;
    for line in came.plan.to_string().lines() {
        writeln!(out, "         {}{}", indent(line), one_line(line))?;
    }
    Ok(())
}

fn indent(line: &str) -> &str {
    let text = line.trim_start_matches(' ');
    line.get(..line.len() - text.len()).unwrap_or_default()
}

fn names(found: &[Finding]) -> Vec<FindingName> {
    let mut names: Vec<FindingName> = Vec::new();
    for finding in found {
        if !names.contains(&finding.finding) {
            names.push(finding.finding);
        }
    }
    names
}

fn found(came: &Came) -> String {
    let mut words: Vec<String> = names(&came.found).iter().map(ToString::to_string).collect();
    if words.is_empty() {
        words.push("nothing".to_owned());
    }
    words.push(if came.strongest == Do::Ignore {
        "no response".to_owned()
    } else {
        came.strongest.to_string()
    });
    words.join(", ")
}

/// The answer for programs.
#[derive(Serialize)]
struct Answer {
    version: u32,
    file: String,
    passed: usize,
    failed: usize,
    tests: Vec<Told>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    name: String,
    line: u64,
    tenant: String,
    passed: bool,
    differences: Vec<String>,
    findings: Vec<FindingName>,
    r#do: Do,
    plan: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fails_from: Option<Timestamp>,
}

fn answer(path: &Path, runs: &[Run<'_>], failed: usize) -> Answer {
    let told = runs.iter().map(|Run { trial, tenant, came, until }| Told {
        name: trial.name.clone(),
        line: trial.line,
        tenant: tenant.name.clone(),
        passed: came.differences.is_empty(),
        differences: came.differences.iter().map(ToString::to_string).collect(),
        findings: names(&came.found),
        r#do: came.strongest,
        plan: came.plan.to_string(),
        fails_from: *until,
    });
    Answer {
        version: 1,
        file: path.display().to_string(),
        passed: runs.len() - failed,
        failed,
        tests: told.collect(),
    }
}
