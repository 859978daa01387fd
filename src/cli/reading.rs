//! What commands that judge tenants have in common: which tenants, and how they are read.

use std::io::{IsTerminal as _, Read as _, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::WrongInput;
use crate::adapters::clock::SystemClock;
use crate::adapters::sqlite::past;
use crate::config::{Config, Part, Place, environment};
use crate::domain::id::TenantId;
use crate::domain::policy::Policy;
use crate::domain::roster::{Roster, Tenant};
use crate::domain::snapshot::{BYTES_MAX, Snapshot};
use crate::domain::text::{count, foreign};
use crate::parts;
use crate::pipeline::observe::Readers;
use crate::ports::chain;
use crate::scan::{Progress, read};
use crate::serve::Timing;

/// The exit code of a command whose code 1 means something else than that it failed.
pub(super) fn or_could_not_tell(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        // Nothing can be done about a broken pipe here.
        drop(writeln!(stderr(), "error: {}", chain(error.as_ref())));
        ExitCode::from(2)
    })
}

/// The tenants with these names or ids, in the order of the policy; all of them where none is
/// named.
///
/// # Errors
/// [`WrongInput`] for a name that is none or means several.
pub(super) fn chosen<'a>(
    roster: &'a Roster,
    names: &[String],
) -> Result<Vec<&'a Tenant>, WrongInput> {
    let all = &roster.tenants;
    let mut ids = Vec::new();
    for name in names {
        let name = name.trim();
        let by_id = name.parse::<TenantId>().ok();
        let mut means = all.iter().filter(|tenant| {
            by_id == Some(tenant.id) || tenant.name.to_lowercase() == name.to_lowercase()
        });
        match (means.next(), means.next()) {
            (Some(tenant), None) => ids.push(tenant.id),
            (Some(_), Some(_)) => {
                let message = format!("the policy has several tenants called `{name}`; give an id");
                return Err(WrongInput(message));
            }
            (None, _) => {
                let distance = |tenant: &&Tenant| {
                    strsim::damerau_levenshtein(&tenant.name.to_lowercase(), &name.to_lowercase())
                };
                let near = all.iter().min_by_key(distance);
                let near = near.filter(|tenant| distance(tenant) <= tenant.name.len() / 3);
                let names = || all.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
                let mend = near.map_or_else(
                    || format!("it has: {}", names()),
                    |tenant| format!("did you mean `{}`?", tenant.name),
                );
                return Err(WrongInput(format!("the policy names no tenant `{name}`; {mend}")));
            }
        }
    }
    Ok(all.iter().filter(|tenant| names.is_empty() || ids.contains(&tenant.id)).collect())
}

/// Everything that is needed to read tenants and no more: no writer, no ledger, no sink's key.
///
/// # Errors
/// [`crate::config::ConfigError`].
pub(super) fn config() -> anyhow::Result<Config> {
    Ok(Config::load_for(Part::Sweep, environment)?)
}

/// Reads tenants of the policy, with what the store remembers of them.
///
/// # Errors
/// Where it cannot begin; what a tenant refuses is a Gap of its facts.
pub(super) async fn read_now(
    config: &Config,
    tenants: &[&Tenant],
) -> anyhow::Result<Vec<Snapshot>> {
    let timing = Timing::default();
    let http = parts::http(timing.patience)?;
    let readers = Readers {
        delegated_access: parts::delegated_access(config, &http)?,
        ..parts::readers(Arc::new(parts::graph(config, &http)?))
    };
    let progress = Progress::default();
    let mut snapshots = {
        let reading = read(&readers, &SystemClock, tenants, &progress);
        tokio::pin!(reading);
        let mut told = Told { on: stderr().is_terminal(), shown: false };
        loop {
            tokio::select! {
                read = &mut reading => break read,
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    told.tell(&progress, tenants.len());
                }
            }
        }
    };
    remember(config, &mut snapshots);
    Ok(snapshots)
}

/// The line on the terminal that says how far the reading is. It is gone when this is.
struct Told {
    on: bool,
    shown: bool,
}

impl Told {
    fn tell(&mut self, progress: &Progress, tenants: usize) {
        if !self.on {
            return;
        }
        let now = progress.now();
        let mut names: Vec<String> = now.reading.iter().take(3).map(|name| foreign(name)).collect();
        if now.reading.len() > names.len() {
            names.push("…".to_owned());
        }
        let (done, names) = (now.done, names.join(", "));
        let all = count(tenants, "tenant");
        // Whoever closed the terminal wants to see nothing.
        drop(write!(stderr(), "\r\u{1b}[K{done} of {all} read, reading {names}"));
        self.shown = true;
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.shown {
            drop(write!(stderr(), "\r\u{1b}[K"));
        }
    }
}

/// Adds what was taken away before, so that it is known when it is back.
fn remember(config: &Config, snapshots: &mut [Snapshot]) {
    let path = match &config.settings.store {
        Place::Sqlite(path) => path,
        Place::Aws(_) => return unremembered("it is on AWS, and this reads SQLite"),
    };
    let tenants: Vec<TenantId> = snapshots.iter().map(|snapshot| snapshot.tenant.id).collect();
    match past(path, &tenants) {
        Ok(None) => {}
        Ok(Some(past)) => {
            for snapshot in snapshots {
                if let Some(history) = past.get(&snapshot.tenant.id) {
                    snapshot.facts.taken_away = history.taken_away();
                }
            }
        }
        Err(error) => unremembered(&chain(&error)),
    }
}

fn unremembered(why: &str) {
    // Nothing can be done about a broken pipe here.
    drop(writeln!(
        stderr(),
        "note: the store was not read, so access that is back is not told from access that is \
         new (reappeared): {why}"
    ));
}

/// Reads files that `facts export` wrote, each of a tenant the policy names; of tenants with these
/// names or ids alone, where any is named.
///
/// # Errors
/// [`WrongInput`], which says what is wrong with which file.
pub(super) fn from_files(
    policy: &Policy,
    names: &[String],
    files: &[PathBuf],
) -> anyhow::Result<Vec<Snapshot>> {
    let chosen = chosen(&policy.roster, names)?;
    let mut snapshots: Vec<(Snapshot, &Path)> = Vec::new();
    for path in files {
        let place = path.display();
        let snapshot = Snapshot::parse(&bytes(path)?)
            .map_err(|error| WrongInput(format!("{place} is {error}")))?;
        let id = snapshot.tenant.id;
        if policy.roster.tenant(id).is_none() {
            let name = foreign(&snapshot.tenant.name);
            return Err(WrongInput(format!(
                "{place} is a snapshot of {name} ({id}), which the policy does not name; add that \
                 tenant to the policy, or set WARDEN_POLICY to the one it belongs to"
            ))
            .into());
        }
        if let Some((_, other)) = snapshots.iter().find(|(other, _)| other.tenant.id == id) {
            let other = other.display();
            let message = format!("{place} and {other} are snapshots of one tenant; give one");
            return Err(WrongInput(message).into());
        }
        snapshots.push((snapshot, path));
    }
    snapshots.retain(|(snapshot, _)| chosen.iter().any(|it| it.id == snapshot.tenant.id));
    let is_there = |it: &&Tenant| snapshots.iter().any(|(snapshot, _)| snapshot.tenant.id == it.id);
    if let Some(missing) = chosen.iter().find(|it| !names.is_empty() && !is_there(it)) {
        return Err(WrongInput(format!("no file is a snapshot of {}", missing.name)).into());
    }
    Ok(snapshots.into_iter().map(|(snapshot, _)| snapshot).collect())
}

/// A file of facts, and no more of it than is read.
///
/// # Errors
/// What the system says, with the file.
pub(super) fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let read = || {
        let mut bytes = Vec::new();
        let most = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}
