//! The ledger: intents, outcomes, cases and the chain of records.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{Sqlite, from_json, from_text, json, millis, optional, outbox, proposals, timestamp};
use crate::domain::case::{Case, Outcome};
use crate::domain::grant::Grant;
use crate::domain::id::{Sha256Hex, StepId, TenantId};
use crate::domain::plan::{History, PastStep, Step, StepState};
use crate::domain::record::Record;
use crate::domain::record::chain::link;
use crate::ports::{Conclusion, DueVerification, Ledger, PortError, Proof};

/// How long attempts without an answer are remembered, in milliseconds: a year, which no limit on
/// revocations reaches back.
const ATTEMPTS_KEPT: i64 = 366 * 24 * 3600 * 1000;

/// Most verifications handed out at once.
const DUE_MAX: i64 = 100;

#[async_trait]
impl Ledger for Sqlite {
    async fn history(&self, tenant: TenantId, since: Timestamp) -> Result<History, PortError> {
        let tenant = tenant.to_string();
        self.run(move |db| history(db, &tenant, millis(since))).await
    }

    async fn cases(&self, tenant: TenantId) -> Result<Vec<Case>, PortError> {
        let tenant = tenant.to_string();
        self.run(move |db| {
            let mut statement =
                db.prepare_cached("SELECT state FROM cases WHERE tenant = ?1 ORDER BY partner")?;
            let rows = statement.query_map([tenant], |row| from_json(&row.get::<_, String>(0)?))?;
            rows.collect()
        })
        .await
    }

    async fn intend(
        &self,
        steps: &[&Step],
        cases: &[Case],
        now: Timestamp,
        check_at: Timestamp,
    ) -> Result<(), PortError> {
        let steps: Vec<(Step, Option<TenantId>)> = steps
            .iter()
            .map(|step| ((*step).clone(), cases.first().map(|case| case.tenant)))
            .collect();
        let cases = cases.to_vec();
        self.run(move |db| {
            cases.iter().try_for_each(|case| put_case(db, case))?;
            let begun: Vec<Step> = steps.iter().map(|(step, _)| step.clone()).collect();
            proposals::begin(db, &begun, now)?;
            steps.iter().try_for_each(|(step, tenant)| match tenant {
                Some(tenant) => intend(db, *tenant, step, now, check_at),
                None => Ok(()),
            })
        })
        .await
    }

    async fn settle(
        &self,
        tenant: TenantId,
        step: &Step,
        outcome: &Outcome,
    ) -> Result<(), PortError> {
        let (tenant, id) = (tenant.to_string(), step.id.clone());
        let (partner, outcome) = (step.partner.key(), outcome.clone());
        self.run(move |db| {
            let taken = outcome.state == StepState::Revoked;
            let acted = outcome.acted_at.filter(|_| taken).map(millis);
            // What was refused after a part of it was taken has taken something away.
            if taken || outcome.acted_at.is_none() {
                answered(db, &tenant, &id)?;
            }
            // What Graph took is read again at once; what it refused stays as it is.
            let verify = taken.then_some(0_i64);
            db.execute(
                "UPDATE steps SET state = ?3, acted_at = ?4, outcome = ?5, verify_due = ?6,
                        verify_attempt = 0
                 WHERE id = ?2 AND tenant = ?1",
                params![
                    tenant,
                    id.0.as_str(),
                    outcome.state.as_str(),
                    acted,
                    outcome.detail,
                    verify
                ],
            )?;
            let case = db.query_row(
                "SELECT state FROM cases WHERE tenant = ?1 AND partner = ?2",
                [&tenant, &partner],
                |row| row.get::<_, String>(0),
            );
            let Some(case) = optional(case)? else { return Ok(()) };
            let mut case: Case = from_json(&case)?;
            case.settle(&id, &outcome);
            put_case(db, &case)
        })
        .await
    }

    async fn not_taken(&self, tenant: TenantId, step: &Step) -> Result<(), PortError> {
        let (tenant, id) = (tenant.to_string(), step.id.clone());
        self.run(move |db| answered(db, &tenant, &id)).await
    }

    async fn conclude(&self, conclusion: Conclusion) -> Result<(), PortError> {
        self.run(move |db| conclude(db, &conclusion)).await
    }

    async fn due_verifications(&self, now: Timestamp) -> Result<Vec<DueVerification>, PortError> {
        self.run(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT tenant, step, verify_attempt, acted_at IS NOT NULL FROM steps
                 WHERE verify_due <= ?1 ORDER BY verify_due LIMIT ?2",
            )?;
            let rows = statement.query_map([millis(now), DUE_MAX], |row| {
                Ok(DueVerification {
                    tenant: from_text(row.get(0)?)?,
                    step: from_json(&row.get::<_, String>(1)?)?,
                    attempt: row.get(2)?,
                    taken: row.get(3)?,
                })
            })?;
            rows.collect()
        })
        .await
    }

    async fn next_verification(&self) -> Result<Option<Timestamp>, PortError> {
        self.run(|db| {
            db.query_row("SELECT MIN(verify_due) FROM steps", [], |row| {
                row.get::<_, Option<i64>>(0)
            })
        })
        .await
        .map(|due| due.map(timestamp))
    }

    async fn verified(
        &self,
        _tenant: TenantId,
        proofs: &[(StepId, Proof)],
        conclusion: Conclusion,
    ) -> Result<(), PortError> {
        let proofs = proofs.to_vec();
        self.run(move |db| {
            proofs.iter().try_for_each(|(step, proof)| verified(db, step, *proof))?;
            conclude(db, &conclusion)
        })
        .await
    }
}

fn verified(db: &Connection, step: &StepId, proof: Proof) -> rusqlite::Result<()> {
    let (state, due) = match proof {
        Proof::Gone => (Some(StepState::Verified), None),
        Proof::Again(due) => (None, Some(millis(due))),
        Proof::StillThere => (Some(StepState::Reappeared), None),
        Proof::Unread => (Some(StepState::Unverified), None),
        Proof::Restored => (Some(StepState::Restored), None),
        Proof::NotDone => {
            // The next look that finds it begins it anew.
            let mut forget = db.prepare_cached("DELETE FROM steps WHERE id = ?1")?;
            return forget.execute([step.0.as_str()]).map(drop);
        }
    };
    db.prepare_cached(
        "UPDATE steps SET state = COALESCE(?2, state), verify_due = ?3,
                verify_attempt = verify_attempt + 1
         WHERE id = ?1",
    )?
    .execute(params![step.0.as_str(), state.map(StepState::as_str), due])
    .map(drop)
}

pub(super) fn history(db: &Connection, tenant: &str, since: i64) -> rusqlite::Result<History> {
    let mut statement = db.prepare_cached(
        "SELECT grant_key, MAX(episode), state, intended_at,
                json_extract(step, '$.approval') IS NOT NULL, step FROM steps
         WHERE tenant = ?1 GROUP BY grant_key",
    )?;
    let rows = statement.query_map([tenant], |row| {
        let past = PastStep {
            episode: row.get(1)?,
            state: from_text(row.get(2)?)?,
            at: timestamp(row.get(3)?),
            approved: row.get(4)?,
        };
        let step: Step = from_json(&row.get::<_, String>(5)?)?;
        Ok((from_text(row.get(0)?)?, step.grant().map(Grant::likeness), past))
    })?;
    // What was seen to be gone after its answer was lost has no moment but that of its beginning.
    // Every former attempt that was not answered may have come about too, before the same was given
    // again; the last one of a step is what the step itself tells of.
    let (revocations, first_revocation) = db.query_row(
        "SELECT COUNT(*), MIN(at) FROM (
             SELECT COALESCE(acted_at, CASE state WHEN 'verified' THEN intended_at END) AS at
             FROM steps WHERE tenant = ?1
             UNION ALL
             SELECT a.at FROM attempts AS a LEFT JOIN steps AS s ON s.id = a.step
             WHERE a.tenant = ?1
               AND NOT COALESCE(a.at = s.intended_at AND s.acted_at IS NULL
                                AND s.state IN ('intended', 'verified'), 0))
         WHERE at >= ?2",
        params![tenant, since],
        |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(timestamp))),
    )?;
    let proposals = proposals::last(db, tenant)?;
    let mut history = History { revocations, first_revocation, proposals, ..History::default() };
    for row in rows {
        let (step, likeness, past) = row?;
        history.take_in(step, likeness, past);
    }
    Ok(history)
}

/// It is known what came of the last attempt of a step.
fn answered(db: &Connection, tenant: &str, step: &StepId) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM attempts WHERE tenant = ?1 AND step = ?2
           AND at = (SELECT intended_at FROM steps WHERE id = ?2)",
    )?
    .execute([tenant, step.0.as_str()])
    .map(drop)
}

fn put_case(db: &Connection, case: &Case) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO cases VALUES (?1, ?2, ?3)
         ON CONFLICT (tenant, partner) DO UPDATE SET state = excluded.state",
    )?
    .execute(params![case.tenant.to_string(), case.partner.key(), json(case)?])
    .map(drop)
}

fn intend(
    db: &Connection,
    tenant: TenantId,
    step: &Step,
    now: Timestamp,
    check_at: Timestamp,
) -> rusqlite::Result<()> {
    // A step that was begun before is the same step; one that was ended is never begun again.
    let begun = db
        .prepare_cached(
            "INSERT INTO steps VALUES (?1, ?2, ?3, ?4, ?5, 'intended', ?6, ?7, NULL, NULL, ?8, 0)
             ON CONFLICT (id) DO UPDATE SET state = 'intended', intended_at = excluded.intended_at,
                verify_due = excluded.verify_due, verify_attempt = 0
             WHERE state IN ('intended', 'refused')",
        )?
        .execute(params![
            step.id.0.as_str(),
            tenant.to_string(),
            step.partner.key(),
            step.key().as_str(),
            step.episode,
            json(step)?,
            millis(now),
            millis(check_at)
        ])?;
    if begun == 0 {
        return Ok(());
    }
    db.prepare_cached("INSERT OR IGNORE INTO attempts VALUES (?1, ?2, ?3)")?.execute(params![
        step.id.0.as_str(),
        millis(now),
        tenant.to_string()
    ])?;
    db.prepare_cached("DELETE FROM attempts WHERE tenant = ?1 AND at < ?2")?
        .execute(params![tenant.to_string(), millis(now).saturating_sub(ATTEMPTS_KEPT)])
        .map(drop)
}

fn conclude(db: &Connection, conclusion: &Conclusion) -> rusqlite::Result<()> {
    for (case, record, messages) in &conclusion.cases {
        put_case(db, case)?;
        for step in case.rows.iter().filter_map(|row| row.step.as_ref()) {
            if step.state == StepState::Verified {
                db.prepare_cached(
                    "UPDATE steps SET state = 'verified', verify_due = NULL WHERE id = ?1",
                )?
                .execute([step.id.0.as_str()])?;
            }
        }
        if let Some(record) = record {
            append(db, record)?;
        }
        messages.iter().try_for_each(|message| outbox::put(db, message))?;
    }
    conclusion.proposals.iter().try_for_each(|change| proposals::change(db, change))
}

/// Adds a record to the chain.
fn append(db: &Connection, record: &Record) -> rusqlite::Result<()> {
    let last = db.query_row("SELECT link FROM records ORDER BY sequence DESC LIMIT 1", [], |row| {
        row.get::<_, String>(0)
    });
    let previous = optional(last)?.unwrap_or_default();
    let text = json(record)?;
    let link = link(&previous, &Sha256Hex::of(text.as_bytes()));
    db.prepare_cached(
        "INSERT INTO records (id, at, record, previous, link) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![record.id, millis(record.at), text, previous, link.as_str()])
    .map(drop)
}
