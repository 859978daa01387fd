//! What people were asked, and what they said.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{Sqlite, from_json, json, millis, optional, timestamp};
use crate::domain::approval::{FORGOTTEN_AFTER, Proposal, ProposalChange, ProposalId};
use crate::domain::plan::Step;
use crate::ports::{Decide, PortError};

const COLUMNS: &str = "question, decisions, begun_at, void, revision";

#[async_trait]
impl Decide for Sqlite {
    async fn proposal(&self, id: &ProposalId) -> Result<Option<Proposal>, PortError> {
        let id = id.as_str().to_owned();
        self.run(move |db| {
            let mut statement =
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM proposals WHERE id = ?1"))?;
            optional(statement.query_row([id], read))
        })
        .await
    }

    async fn decided(&self, proposal: &Proposal) -> Result<bool, PortError> {
        let proposal = proposal.clone();
        self.run(move |db| {
            let changed = db
                .prepare_cached(
                    "UPDATE proposals SET decisions = ?2, revision = revision + 1
                     WHERE id = ?1 AND revision = ?3 AND void IS NULL",
                )?
                .execute(params![
                    proposal.question.id.as_str(),
                    json(&proposal.decisions)?,
                    proposal.revision
                ])?;
            Ok(changed > 0)
        })
        .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Proposal> {
    let void: Option<String> = row.get(3)?;
    Ok(Proposal {
        question: from_json(&row.get::<_, String>(0)?)?,
        decisions: from_json(&row.get::<_, String>(1)?)?,
        begun_at: row.get::<_, Option<i64>>(2)?.map(timestamp),
        void: void.map(|text| from_json(&text)).transpose()?,
        revision: row.get(4)?,
    })
}

/// The last that people were asked about each partner of a tenant.
pub(super) fn last(db: &Connection, tenant: &str) -> rusqlite::Result<BTreeMap<String, Proposal>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, partner FROM proposals WHERE tenant = ?1 ORDER BY asked_at"
    ))?;
    let rows = statement.query_map([tenant], |row| Ok((row.get(5)?, read(row)?)))?;
    rows.collect()
}

/// Writes down that steps are begun by what people said.
pub(super) fn begin(db: &Connection, steps: &[Step], now: Timestamp) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(
        "UPDATE proposals SET begun_at = ?2, revision = revision + 1
         WHERE id = ?1 AND begun_at IS NULL",
    )?;
    let mut approvals = steps.iter().filter_map(|step| step.approval.as_deref());
    approvals.try_for_each(|id| statement.execute(params![id, millis(now)]).map(drop))
}

/// Writes down what becomes of a proposal.
pub(super) fn change(db: &Connection, change: &ProposalChange) -> rusqlite::Result<()> {
    match change {
        ProposalChange::Put(question) => {
            let (tenant, partner) = (question.tenant.to_string(), question.partner.key());
            let asked_at = millis(question.asked_at);
            let forgotten = asked_at - i64::try_from(FORGOTTEN_AFTER.as_millis()).unwrap_or(0);
            db.prepare_cached(
                "DELETE FROM proposals WHERE tenant = ?1 AND partner = ?2 AND asked_at < ?3",
            )?
            .execute(params![tenant, partner, forgotten])?;
            db.prepare_cached(
                "INSERT OR IGNORE INTO proposals VALUES (?1, ?2, ?3, ?4, ?5, '[]', NULL, NULL, 0)",
            )?
            .execute(params![question.id.as_str(), tenant, partner, asked_at, json(question)?])
            .map(drop)
        }
        ProposalChange::Void { id, void, .. } => db
            .prepare_cached(
                "UPDATE proposals SET void = ?2, revision = revision + 1
                 WHERE id = ?1 AND begun_at IS NULL",
            )?
            .execute(params![id.as_str(), json(void)?])
            .map(drop),
    }
}
