//! The list of what is kept.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::id::TenantId;
use crate::domain::record::RecordEvent;
use crate::domain::record::outline::{Filter, Outline};
use crate::domain::roster::AffectedPartner;
use crate::domain::snapshot::NamedTenant;
use crate::domain::text::{count, foreign};
use crate::ports::{PortError, ReadRecords};
use crate::scan::table::{Paper, lines, sgr};

/// What is kept, as far as it was asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    version: u32,
    records: Vec<Row>,
    /// How many there were that were removed once they had been kept long enough, or that cannot be
    /// read: they belong to nobody who can be told.
    removed: u64,
    unreadable: u64,
}

/// One record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    at: Timestamp,
    event: RecordEvent,
    tenant: NamedTenant,
    partner: AffectedPartner,
    episode: u32,
    open: bool,
    chain: String,
    sequence: u64,
}

impl List {
    /// Reads what is wanted of a store.
    pub(super) async fn read(store: &dyn ReadRecords, filter: &Filter) -> Result<Self, PortError> {
        let mut list = Self { version: 1, records: Vec::new(), removed: 0, unreadable: 0 };
        for chain in store.chains().await? {
            if !may_hold(&chain.name, filter) {
                continue;
            }
            list.removed += chain.from.sequence;
            let mut behind = 0;
            loop {
                let page = store.page(&chain.name, behind, filter.since).await?;
                let Some(end) = page.last() else { break };
                behind = end.sequence;
                for entry in page {
                    let Some(text) = &entry.record else {
                        list.removed += 1;
                        continue;
                    };
                    let Some(outline) = Outline::of(text) else {
                        list.unreadable += 1;
                        continue;
                    };
                    if filter.takes(&outline) {
                        list.records.push(row(&chain.name, entry.sequence, outline));
                    }
                }
            }
        }
        list.records.sort_by_key(|row| row.at);
        Ok(list)
    }

    /// For people.
    pub(super) fn text(&self, paper: Paper) -> String {
        let mut out = Vec::new();
        if !self.records.is_empty() {
            let mut table = paper.table();
            table.set_header(["Record", "Written (UTC)", "What", "Case", "Tenant", "Partner"]);
            table.add_rows(self.records.iter().map(|row| {
                [
                    row.id.clone(),
                    row.at.strftime("%Y-%m-%d %H:%M").to_string(),
                    row.event.as_str().to_owned(),
                    if row.open { "open" } else { "closed" }.to_owned(),
                    foreign(&row.tenant.name),
                    foreign(&row.partner.name),
                ]
            }));
            out.extend(lines(&mut table, &[0, 1, 2, 3]));
            out.push(String::new());
        }
        let mut summary = count(self.records.len(), "record");
        if self.removed > 0 {
            summary =
                format!("{summary}; {} removed after they were kept long enough", self.removed);
        }
        if self.unreadable > 0 {
            summary = format!(
                "{summary}; {} cannot be read, `records verify` says more",
                self.unreadable
            );
        }
        out.extend(paper.wrapped(&(summary + "."), sgr::BOLD));
        out.push(String::new());
        out.join("\n")
    }
}

/// Whether a chain may hold what is wanted: where each tenant has its own, it is named by it.
fn may_hold(chain: &str, filter: &Filter) -> bool {
    let wanted = filter.tenant.as_ref().and_then(|tenant| tenant.parse::<TenantId>().ok());
    match (chain.parse::<TenantId>(), wanted) {
        (Ok(of), Some(wanted)) => of == wanted,
        _ => true,
    }
}

fn row(chain: &str, sequence: u64, outline: Outline) -> Row {
    let open = outline.is_open();
    let Outline { id, at, event, case, .. } = outline;
    Row {
        id: foreign(&id),
        at,
        event,
        tenant: NamedTenant { id: case.tenant, name: case.tenant_name },
        partner: case.partner,
        episode: case.episode,
        open,
        chain: chain.to_owned(),
        sequence,
    }
}
