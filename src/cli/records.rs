//! `records`: what is kept of cases, listed, told, handed out and proven.

mod kept;
mod list;
mod prove;
mod story;

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use self::kept::kept;
use super::scan::paper;
use super::{Output, WrongInput, file, json, reading};
use crate::adapters::clock::SystemClock;
use crate::domain::id::{Sha256Hex, TenantId};
use crate::domain::record::Record;
use crate::domain::record::bundle::Bundle;
use crate::domain::record::chain::Entry;
use crate::domain::record::outline::Filter;
use crate::domain::text::{foreign, plain_json};
use crate::ports::Clock as _;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum RecordsCommand {
    /// Lists what is kept, the oldest first.
    #[command(after_help = "Example:
  partner-warden records list --partner 'Contoso Reseller' --since 2026-11-01
  partner-warden records list --json

Exit codes: 0 listed, 2 the store or an argument is wrong; the message says which")]
    List(List),
    /// Tells what one record says.
    #[command(after_help = "Example:\n  partner-warden records show rec-0123456789ab

Exit codes: 0 told, 2 there is no such record, or the store is wrong; the message says which")]
    Show(Show),
    /// Writes the evidence of the case that a record is of, as one file.
    #[command(after_help = "\
Example:
  partner-warden records export rec-0123456789ab --out case.json
  partner-warden records verify case.json

The file holds the records of that case byte for byte, and of all others the digests alone. It names
people and what they hold: keep it as you keep the tenant's secrets.

Exit codes: 0 written, 2 nothing was written; the message says why")]
    Export(Export),
    /// Proves that records were neither changed, dropped nor moved.
    #[command(after_help = "\
Example:
  partner-warden records verify
  partner-warden records verify case.json --head 3b8f…

Without a file the whole store is proven; a file, which `records export` wrote, is proven without
network, settings and policy. Note the head it prints somewhere else: --head tells whether a link
that was noted is in the chain, which nobody can make come true who rewrites it.

Exit codes: 0 all of it holds, 1 it does not, 2 it cannot be told; the message says why")]
    Verify(Verify),
}

/// Which records.
#[derive(Debug, Args)]
pub struct List {
    /// Only of this tenant.
    #[arg(long, value_name = "NAME|ID")]
    pub tenant: Option<String>,
    /// Only about this partner.
    #[arg(long, value_name = "NAME|ID")]
    pub partner: Option<String>,
    /// Only what was written then or later: a day (2026-11-25, UTC) or a moment
    /// (2026-11-25T18:00Z).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// How to answer.
    #[command(flatten)]
    pub output: Output,
}

/// Which record.
#[derive(Debug, Args)]
pub struct Show {
    /// The record, such as rec-0123456789ab.
    #[arg(value_name = "RECORD")]
    pub id: String,
    /// How to answer.
    #[command(flatten)]
    pub output: Output,
}

/// Of which case, and where to.
#[derive(Debug, Args)]
pub struct Export {
    /// A record of the case, such as rec-0123456789ab.
    #[arg(value_name = "RECORD")]
    pub id: String,
    /// The file; standard output without it. One that is there is not replaced.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// What is to be proven.
#[derive(Debug, Args)]
pub struct Verify {
    /// Files that `records export` wrote; without one, the store.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A link that was noted elsewhere: 64 hexadecimal digits.
    #[arg(long, value_name = "LINK", value_parser = noted)]
    pub head: Option<String>,
    /// How to answer.
    #[command(flatten)]
    pub output: Output,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let day = || Some(text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC));
    let moment = text.parse().ok().or_else(|| Some(day()?.ok()?.timestamp()));
    moment
        .ok_or_else(|| "give a day such as 2026-11-25 or a moment such as 2026-11-25T18:00Z".into())
}

fn noted(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err("a link has 64 hexadecimal digits; `records verify` prints it as head".to_owned())
}

/// Does it. The exit code says what it came to.
pub async fn run(command: RecordsCommand) -> ExitCode {
    reading::or_could_not_tell(match command {
        RecordsCommand::List(command) => listed(&command).await,
        RecordsCommand::Show(command) => shown(&command).await,
        RecordsCommand::Export(command) => exported(&command).await,
        RecordsCommand::Verify(command) => proven(&command).await,
    })
}

async fn listed(command: &List) -> anyhow::Result<ExitCode> {
    let List { tenant, partner, since, output } = command;
    let filter = Filter { tenant: tenant.clone(), partner: partner.clone(), since: *since };
    let list = list::List::read(kept().await?.as_ref(), &filter).await?;
    let text = if output.json { plain_json(&json(&list)?) + "\n" } else { list.text(paper(true)) };
    stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// What is told of a record to programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    version: u32,
    chain: &'a str,
    sequence: u64,
    digest: &'a str,
    previous: &'a str,
    link: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_to_revoke: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_to_verify: Option<f64>,
    record: serde_json::Value,
}

async fn shown(command: &Show) -> anyhow::Result<ExitCode> {
    let store = kept().await?;
    let (chain, entry) = store.find(&command.id).await?.ok_or_else(|| absent(&command.id))?;
    let text = record_text(&entry)?;
    let record = understood(&entry)?;
    let text = if command.output.json {
        let seconds = |took: Option<jiff::SignedDuration>| took.map(|it| it.as_secs_f64());
        let shown = Shown {
            version: 1,
            chain: &chain,
            sequence: entry.sequence,
            digest: entry.digest.as_str(),
            previous: &entry.previous,
            link: &entry.link,
            seconds_to_revoke: seconds(record.timeline.time_to_revoke()),
            seconds_to_verify: seconds(record.timeline.time_to_verify()),
            record: serde_json::from_str(text)?,
        };
        plain_json(&json(&shown)?) + "\n"
    } else {
        story::text(&record, &chain, &entry)
    };
    stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The record of this name, proven by the chain it stands in to be as it was written.
///
/// # Errors
/// [`WrongInput`] where there is none, or where it cannot be trusted, and those of the store.
pub(super) async fn proven_record(id: &str) -> anyhow::Result<Record> {
    let store = kept().await?;
    let (chain, entry) = store.find(id).await?.ok_or_else(|| absent(id))?;
    let untrusted = |why: String| {
        let id = foreign(id);
        WrongInput(format!(
            "record {id} cannot be trusted, so nothing is done by it: {why}; `records verify` tells \
             more"
        ))
    };
    let proven = prove::chain(store.as_ref(), &chain, &entry.link).await?;
    let proven = proven.map_err(|broken| untrusted(broken.to_string()))?;
    let text = record_text(&entry)?;
    let is_its = Sha256Hex::of(text.as_bytes()) == entry.digest;
    if proven.noted != Some(entry.sequence) || !is_its {
        return Err(untrusted("it is not the one that stands in the chain".to_owned()).into());
    }
    let record = understood(&entry)?;
    // On AWS each tenant has a chain of its own.
    let of = chain.parse::<TenantId>().ok();
    if of.is_some_and(|tenant| tenant != record.case.tenant) {
        return Err(untrusted("it stands in the chain of another tenant".to_owned()).into());
    }
    Ok(record)
}

fn understood(entry: &Entry) -> anyhow::Result<Record> {
    Ok(serde_json::from_str(record_text(entry)?).map_err(|error| {
        let (id, said) = (foreign(&entry.id), foreign(&error.to_string()));
        WrongInput(format!(
            "record {id} cannot be understood ({said}); a later version may have written it, and \
             `records verify` tells whether it was changed"
        ))
    })?)
}

fn absent(id: &str) -> WrongInput {
    WrongInput(format!("there is no record {}; `records list` shows those there are", foreign(id)))
}

fn record_text(entry: &Entry) -> Result<&str, WrongInput> {
    entry.record.as_deref().ok_or_else(|| {
        let id = foreign(&entry.id);
        WrongInput(format!("record {id} was removed once it had been kept long enough"))
    })
}

async fn exported(command: &Export) -> anyhow::Result<ExitCode> {
    if let Some(path) = &command.out {
        file::refuse_what_is_there(path, "name another file")?;
    }
    let store = kept().await?;
    let (chain, entry) = store.find(&command.id).await?.ok_or_else(|| absent(&command.id))?;
    record_text(&entry)?;
    let entries = kept::case_of(store.as_ref(), &chain, &entry).await?;
    let bundle = Bundle::new(&command.id, entries, SystemClock.now())
        .map_err(|error| WrongInput(error.to_string()))?;
    match &command.out {
        Some(path) => file::put(path, &bundle.to_json(), false)?,
        None => stdout().write_all(bundle.to_json().as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn proven(command: &Verify) -> anyhow::Result<ExitCode> {
    let head = command.head.as_deref();
    let proof = if command.files.is_empty() {
        prove::Proof::of_store(kept().await?.as_ref(), head).await?
    } else {
        prove::Proof::of_files(&command.files, head)
    };
    let text = if command.output.json { plain_json(&json(&proof)?) + "\n" } else { proof.text() };
    stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::from(proof.verdict.exit_code()))
}
