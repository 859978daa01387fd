//! `doctor`: whether all is there that guarding takes, looked at from the machine that does it. It
//! reads, and asks ticket systems whether they would take a ticket; it changes nothing.

mod door;
pub mod explain;
mod settings;
pub mod table;
mod tenant;

use std::sync::Arc;

use futures_util::StreamExt as _;
use serde::Serialize;

use self::explain::Fix;
use crate::adapters::http::Http;
use crate::config::Config;
use crate::domain::text::one_line;
use crate::parts::{self, PartsError, Timing};
use crate::pipeline::deliver::tryout::{Tried, mend};
use crate::ports::ticket::{SinkError, Teller};
use crate::ports::{Clock, PortError, chain};

/// Most tenants that are asked at the same time.
const AT_ONCE: usize = 4;

/// What was seen of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is as it is to be.
    Ok,
    /// Something goes without it, or it will not last.
    Warn,
    /// What the policy promises does not hold.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is.
    pub what: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub said: String,
    /// What to do about it, where anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    /// What commands can do about it.
    #[serde(skip)]
    pub fix: Option<Fix>,
}

/// Things that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What they are about.
    pub about: String,
    /// The things.
    pub checks: Vec<Check>,
}

impl Check {
    fn ok(what: impl Into<String>, said: impl Into<String>) -> Self {
        let (what, said) = (what.into(), said.into());
        Self { what, verdict: Verdict::Ok, said, mend: None, fix: None }
    }

    fn warn(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, ..Self::ok(what, said) }
    }

    fn fail(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, ..Self::ok(what, said) }
    }

    fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }

    fn fix(self, fix: Fix) -> Self {
        Self { fix: Some(fix), ..self }
    }

    /// What failed, with what its error says is to be done.
    fn failed(what: impl Into<String>, error: &PortError) -> Self {
        let said = one_line(&error.said);
        match said.split_once("; ") {
            Some((said, mend)) => Self::fail(what, said).mend(mend),
            None => Self::fail(what, one_line(&chain(error))),
        }
    }
}

/// Whether anything fails.
pub fn fails(sections: &[Section]) -> bool {
    let mut checks = sections.iter().flat_map(|section| &section.checks);
    checks.any(|check| check.verdict == Verdict::Fail)
}

/// Looks at everything; `heard` hears of each section as soon as it is seen. `missing` is what the
/// secrets document lacks, as far as that is known already.
///
/// # Errors
/// Where no request can be made at all.
pub async fn examine(
    config: &Config,
    missing: &[String],
    clock: &Arc<dyn Clock>,
    timing: &Timing,
    mut heard: impl FnMut(&Section),
) -> Result<Vec<Section>, PartsError> {
    let http = parts::http(timing.patience)?;
    let mut sections = Vec::new();
    let mut seen = |section: Section| {
        heard(&section);
        sections.push(section);
    };
    seen(Section {
        about: "Settings".to_owned(),
        checks: settings::checks(config, missing, clock.now()),
    });
    let examiner = tenant::Examiner::new(config, &http, clock, timing);
    let tenants = futures_util::stream::iter(&config.policy.roster.tenants);
    let mut tenants = tenants
        .map(|tenant| async {
            let about = format!("Tenant {} ({})", tenant.name, tenant.id);
            Section { about, checks: examiner.checks(tenant).await }
        })
        .buffered(AT_ONCE);
    while let Some(section) = tenants.next().await {
        seen(section);
    }
    let checks = sinks(config, &http).await;
    seen(Section { about: "Ticket sinks".to_owned(), checks });
    let checks = door::checks(config, &http).await;
    seen(Section { about: "Public address".to_owned(), checks });
    Ok(sections)
}

/// Whether each system would take a ticket.
async fn sinks(config: &Config, http: &Http) -> Vec<Check> {
    if config.policy.tickets.is_empty() {
        let said = "the policy names none: findings are recorded and nobody is told";
        let mend = "name one under `tickets` in the policy";
        return vec![Check::warn("ticket sinks", said).mend(mend)];
    }
    let mut checks = Vec::new();
    for (name, sink) in &config.policy.tickets {
        let kind = sink.settings.kind();
        let what = format!("{name} ({kind})");
        let counter = match parts::counter(config, http, name, sink) {
            Ok(counter) => counter,
            Err(wrong) => {
                let mend = format!("docs/tickets/{kind}.md tells what stands where");
                checks.push(Check::fail(what, wrong).mend(mend));
                continue;
            }
        };
        let seen: Result<String, SinkError> = match &counter.teller {
            Teller::Tickets(system) => system.preflight().await,
            Teller::Messages(notify) => notify.preflight().await,
        };
        checks.push(match seen {
            Ok(said) => Check::ok(what, one_line(&said)),
            Err(error) => {
                let place = one_line(&sink.settings.place());
                let tried = Tried { name: name.clone(), kind, place };
                let mend = mend(error.class, &tried);
                let fix = Fix::Sink { name: name.to_string() };
                Check::fail(what, one_line(&chain(&error))).mend(mend).fix(fix)
            }
        });
    }
    checks
}
