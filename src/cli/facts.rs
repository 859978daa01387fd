//! `facts`: what was read of a tenant, kept as a file.

use std::io::{Write as _, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{WrongInput, file, reading};
use crate::domain::roster::Tenant;
use crate::domain::scrub::scrub;
use crate::domain::text::one_line;

/// What is to be done with it.
#[derive(Debug, Subcommand)]
pub enum FactsCommand {
    /// Writes a snapshot of each tenant that `scan --facts` and `policy test` read.
    #[command(after_help = "\
Example:
  partner-warden facts export --tenant Woodgrove --output woodgrove.facts.json
  partner-warden facts export --output snapshots/
  partner-warden facts export --tenant Woodgrove --scrub --output report.json
  WARDEN_POLICY=report.json.policy.yaml partner-warden scan --facts report.json

A file says who holds what in the tenant, by name: keep it as you keep the tenant's secrets. With
--scrub every id, name, address and domain is replaced, so that it can go into a bug report. Read it
before you send it: what stays is which roles are held in which way.

Exit codes: 0 all was read and written, 2 something could not be read (the files were written and
say what) or nothing was written")]
    Export(Export),
}

/// Of which tenants, and where to.
#[derive(Debug, Args)]
pub struct Export {
    /// Only this tenant; may be given several times.
    #[arg(long, value_name = "NAME|ID")]
    pub tenant: Vec<String>,
    /// The file, or a folder that is there: a file in it for each tenant, NAME.facts.json. Without
    /// it, the folder one is in.
    #[arg(long, value_name = "FILE|FOLDER")]
    pub output: Option<PathBuf>,
    /// Replaces every name by a made-up one, in the snapshot and in a policy beside it, FILE.policy.yaml,
    /// by which it is judged as the first one is by yours.
    #[arg(long)]
    pub scrub: bool,
    /// Replaces files that are there.
    #[arg(long)]
    pub force: bool,
}

/// Does it.
pub async fn run(command: FactsCommand) -> ExitCode {
    let FactsCommand::Export(command) = command;
    reading::or_could_not_tell(export(command).await)
}

async fn export(command: Export) -> anyhow::Result<ExitCode> {
    let config = reading::config()?;
    let tenants = reading::chosen(&config.policy.roster, &command.tenant)?;
    let paths = paths(&tenants, command.output.as_deref(), command.scrub)?;
    if !command.force {
        // Before anything is asked, not after.
        for path in &paths {
            file::refuse_what_is_there(path, file::OR_FORCE)?;
            if command.scrub {
                file::refuse_what_is_there(&policy_beside(path), file::OR_FORCE)?;
            }
        }
    }
    let snapshots = reading::read_now(&config, &tenants).await?;
    let put = |path: &Path, text: &str| {
        file::put(path, text, command.force)?;
        writeln!(stdout(), "{}", path.display()).context("the answer cannot be written")
    };
    for ((snapshot, tenant), path) in snapshots.iter().zip(&tenants).zip(&paths) {
        if command.scrub {
            let scrubbed = scrub(snapshot, tenant, &config.policy);
            let scrubbed =
                scrubbed.context("the snapshot cannot be scrubbed; nothing was written")?;
            put(path, &scrubbed.snapshot.to_json())?;
            put(&policy_beside(path), &scrubbed.policy)?;
        } else {
            put(path, &snapshot.to_json())?;
        }
    }
    let gaps = snapshots.iter().flat_map(|it| it.facts.gaps.iter().map(|gap| (&it.tenant, gap)));
    let mut whole = true;
    for (tenant, gap) in gaps {
        whole = false;
        let line = one_line(&format!("{}: {gap}", tenant.name));
        writeln!(stderr(), "warning: {line}")?;
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// The policy of a scrubbed snapshot.
fn policy_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".policy.yaml");
    name.into()
}

/// Where the file of each tenant goes. The name of a scrubbed one tells no tenant's.
fn paths(
    tenants: &[&Tenant],
    output: Option<&Path>,
    scrubbed: bool,
) -> Result<Vec<PathBuf>, WrongInput> {
    let folder = match output {
        None => Path::new(""),
        Some(folder) if folder.is_dir() => folder,
        Some(file) if tenants.len() == 1 => return Ok(vec![file.to_owned()]),
        Some(file) => {
            return Err(WrongInput(format!(
                "{} is to be a folder that is there, since there are {} tenants; or name one \
                 with --tenant",
                file.display(),
                tenants.len()
            )));
        }
    };
    if scrubbed {
        let path = |number| folder.join(format!("tenant-{number}.facts.json"));
        return Ok((1..=tenants.len()).map(path).collect());
    }
    let names: Vec<String> = tenants.iter().map(|tenant| slug(&tenant.name)).collect();
    let path = |(tenant, name): (&&Tenant, &String)| {
        let once = names.iter().filter(|other| *other == name).count() == 1;
        let name = if name.is_empty() || !once { &tenant.id.to_string() } else { name };
        folder.join(format!("{name}.facts.json"))
    };
    Ok(tenants.iter().zip(&names).map(path).collect())
}

/// A name that is a plain file's everywhere: lower-case letters and digits with hyphens.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug: String = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    slug.chars().take(80).collect()
}
