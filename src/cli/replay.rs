//! `replay`: exported audit logs through a policy, and the difference another one makes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Write as _, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{WrongInput, json, reading};
use crate::adapters::clock::SystemClock;
use crate::config::{environment, policy};
use crate::domain::facts::Facts;
use crate::domain::id::TenantId;
use crate::domain::policy::Policy;
use crate::domain::replay::{Difference, Replayed, differences};
use crate::ports::Clock as _;
use crate::replay::{Counts, Heap, told};

/// What is said below the options.
pub const HELP: &str = "\
Examples:
  WARDEN_POLICY=policy.yaml partner-warden replay audits-*.json.gz --facts woodgrove.facts.json
  partner-warden replay audits.json --policy policy.yaml --against stricter.yaml

A file holds one event, an array of them, {\"value\": […]} (Microsoft Graph), {\"records\": […]} (Azure
Monitor), records of the Management Activity API, or one of these a line; compressed by gzip or not.
`-` is the standard input. Nothing is asked of Microsoft and nothing is done.

Exit codes:
  0  replayed; with --against: both policies do the same
  1  with --against: they do not
  2  a file, the policy or an argument is wrong, or events had to be left out; the message says which";

/// What is replayed, and through what.
#[derive(Debug, Args)]
pub struct Replay {
    /// Exported audit logs.
    #[arg(required = true, value_name = "AUDIT-FILE")]
    pub files: Vec<PathBuf>,
    /// The policy; without it, the one that `WARDEN_POLICY` names.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Another policy; what it would do otherwise is told.
    #[arg(long, value_name = "OTHER-POLICY")]
    pub against: Option<PathBuf>,
    /// A snapshot that `facts export` wrote, which tells who is who; one for each tenant.
    #[arg(long, value_name = "FILE")]
    pub facts: Vec<PathBuf>,
    /// Only this tenant; events that name no tenant are taken for its.
    #[arg(long, value_name = "NAME|ID")]
    pub tenant: Option<String>,
    /// How it is told.
    #[command(flatten)]
    pub output: super::Output,
}

/// What is told to programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    version: u32,
    events: Counts,
    tenants: &'a [Replayed],
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<&'a [Difference]>,
}

/// Does it. The exit code says what it came to.
pub fn run(command: &Replay) -> ExitCode {
    reading::or_could_not_tell(replay(command))
}

fn replay(command: &Replay) -> anyhow::Result<ExitCode> {
    let (path, one) = the_policy(command)?;
    let names: Vec<String> = command.tenant.iter().cloned().collect();
    let chosen = reading::chosen(&one.roster, &names)?;
    let only: BTreeSet<TenantId> = chosen.iter().map(|tenant| tenant.id).collect();
    let tenant = command.tenant.as_ref().and_then(|_| only.first().copied());
    let read = reading::from_files(&one, &[], &command.facts)?;
    let snapshots: BTreeMap<TenantId, &Facts> =
        read.iter().map(|snapshot| (snapshot.tenant.id, &snapshot.facts)).collect();
    let heap = Heap::read(&command.files, &one.roster, tenant)?;
    let now = SystemClock.now();
    let replayed = heap.replay(&one, &snapshots, &only, now);
    let differ = match &command.against {
        Some(against) => {
            let (other, warnings) = policy(against, None)?;
            warn(against, &warnings);
            let other = heap.replay(&other, &snapshots, &only, now);
            Some(differences(&replayed, &other))
        }
        None => None,
    };
    let text = if command.output.json {
        let (events, differences) = (heap.counts, differ.as_deref());
        json(&Told { version: 1, events, tenants: &replayed, differences })? + "\n"
    } else {
        let mut text = told::text(&replayed, heap.counts);
        if let (Some(differ), Some(against)) = (&differ, &command.against) {
            let (one, other) = (path.display().to_string(), against.display().to_string());
            text.push('\n');
            text.push_str(&told::differences(differ, &one, &other));
        }
        text
    };
    stdout().write_all(text.as_bytes())?;
    for line in &heap.not_understood {
        writeln!(stderr(), "not understood: {line}")?;
    }
    let code = if heap.counts.misses_some() {
        2
    } else {
        u8::from(differ.is_some_and(|differ| !differ.is_empty()))
    };
    Ok(ExitCode::from(code))
}

fn the_policy(command: &Replay) -> anyhow::Result<(PathBuf, Policy)> {
    let variable = command.policy.is_none().then_some("WARDEN_POLICY");
    let path = command.policy.clone().or_else(|| environment("WARDEN_POLICY").map(PathBuf::from));
    let path = path.ok_or_else(|| {
        WrongInput("name a policy with --policy, or set WARDEN_POLICY to one".to_owned())
    })?;
    let (read, warnings) = policy(&path, variable)?;
    warn(&path, &warnings);
    Ok((path, read))
}

fn warn(path: &Path, warnings: &[crate::domain::policy::Problem]) {
    for warning in warnings {
        // Nothing can be done about a broken pipe here.
        drop(writeln!(stderr(), "warning: {}:{warning}", path.display()));
    }
}
