//! The ledger: intents, outcomes, cases and a chain of records for each tenant.
//!
//! What fits into one transaction is all or nothing. A look that leaves more behind is written down
//! case by case, each with its record, its messages and its proofs; a crash in between leaves the
//! other cases as they were before the look, and the look, which is made again, concludes them.

pub(super) mod conclude;

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::body::Body;
use super::table::{
    BYTES_MAX, Cancelled, DynamoDb, Item, Queue, TOGETHER_MAX, as_moment, as_number, as_text, key,
    lease_lost, moment, number, tenant_key, tenant_of, text, unreadable, with,
};
use crate::domain::approval::ProposalChange;
use crate::domain::case::{Case, Outcome};
use crate::domain::grant::Grant;
use crate::domain::id::{Sha256Hex, StepId, TenantId};
use crate::domain::plan::{History, PastStep, Step, StepState};
use crate::ports::{Conclusion, DueVerification, Failure, Ledger, PortError, Proof};

/// The state of a step that Graph never said that it took: as good as not begun.
const FORGOTTEN: &str = "forgotten";

/// Most verifications handed out at once.
const DUE_MAX: usize = 100;

#[async_trait]
impl Ledger for DynamoDb {
    async fn history(&self, tenant: TenantId, since: Timestamp) -> Result<History, PortError> {
        let only = "#grant, #step, #episode, #state, #intended_at, #acted_at, #approval, #attempts";
        let steps = self.all(&tenant_key(tenant), "STEP#", Some(only)).await?;
        let mut history = History::default();
        for item in steps {
            let last = as_moment(&item, "intended_at");
            let mut attempts = attempts(&item);
            if as_text(&item, "state") == Some(FORGOTTEN) {
                count(&mut history, attempts.into_iter(), since);
                continue;
            }
            let (grant, likeness, past) = past_step(&item)?;
            let acted = as_moment(&item, "acted_at");
            // The last attempt is what the step itself tells of.
            if acted.is_none() && matches!(past.state, StepState::Intended | StepState::Verified) {
                attempts.retain(|at| Some(*at) != last);
            }
            // What was seen to be gone after its answer was lost has no moment but its beginning.
            // Every former attempt without an answer may have come about too.
            let seen = (past.state == StepState::Verified).then_some(past.at);
            let all = attempts.into_iter().chain(acted.or(seen));
            count(&mut history, all, since);
            history.take_in(grant, likeness, past);
        }
        history.proposals = self.last_proposals(tenant).await?;
        Ok(history)
    }

    async fn cases(&self, tenant: TenantId) -> Result<Vec<Case>, PortError> {
        let items = self.all(&tenant_key(tenant), "CASE#", None).await?;
        let cases = items.iter().map(async |item| json(&self.body(item).await?, "a case"));
        try_join_all(cases).await
    }

    async fn intend(
        &self,
        steps: &[&Step],
        cases: &[Case],
        now: Timestamp,
        check_at: Timestamp,
    ) -> Result<(), PortError> {
        let Some(tenant) = cases.first().map(|case| case.tenant) else { return Ok(()) };
        // A step without its case would be proven and nobody told; so the cases go first where all
        // of it does not fit together.
        let mut changes = Changes::default();
        for case in cases {
            changes.add(self.case(case)?);
        }
        let begun = self.begun(steps, now);
        if !begun.is_empty() {
            changes.add(Unit { items: begun, bytes: 0 });
        }
        let intents: Vec<TransactWriteItem> = steps
            .iter()
            .map(|step| self.intent(tenant, step, now, check_at))
            .collect::<Result<_, _>>()?;
        let mut chunks = changes.chunks();
        let mut last = chunks.pop().unwrap_or_default();
        for chunk in chunks {
            self.under_lease(tenant, chunk.items).await?;
        }
        let mut left = intents.into_iter();
        loop {
            let room = (TOGETHER_MAX - 1).saturating_sub(last.items.len()).min(40);
            let steps: Vec<TransactWriteItem> = left.by_ref().take(room).collect();
            let over = steps.is_empty() && last.items.is_empty();
            if over && left.len() == 0 {
                return Ok(());
            }
            self.intend_together(tenant, std::mem::take(&mut last).items, steps).await?;
        }
    }

    async fn settle(
        &self,
        tenant: TenantId,
        step: &Step,
        outcome: &Outcome,
    ) -> Result<(), PortError> {
        let pk = tenant_key(tenant);
        let mut changes = Vec::new();
        if let Some(item) = self.item(step_key(tenant, &step.id)).await? {
            changes.push(self.settled(tenant, step, outcome, as_number(&item, "intended_at")));
        }
        let partner = step.partner.key();
        if let Some(item) = self.item(key(&pk, &format!("CASE#{partner}"))).await? {
            let mut case: Case = json(&self.body(&item).await?, "a case")?;
            case.settle(&step.id, outcome);
            changes.extend(self.case(&case)?.items);
        }
        if changes.is_empty() { Ok(()) } else { self.under_lease(tenant, changes).await }
    }

    async fn not_taken(&self, tenant: TenantId, step: &Step) -> Result<(), PortError> {
        let key = step_key(tenant, &step.id);
        let item = self.item(key.clone()).await?;
        let Some(at) = item.as_ref().and_then(|item| as_number(item, "intended_at")) else {
            return Ok(());
        };
        let exists = Some("attribute_exists(#pk)");
        let values = with([(":at", moments([at]))]);
        let change = self.update(key, "DELETE #attempts :at", exists, values);
        self.under_lease(tenant, vec![change]).await
    }

    async fn conclude(&self, conclusion: Conclusion) -> Result<(), PortError> {
        let case = conclusion.cases.first().map(|(case, ..)| case.tenant);
        let change = || conclusion.proposals.first().map(ProposalChange::tenant);
        let Some(tenant) = case.or_else(change) else { return Ok(()) };
        self.concluded(tenant, &[], &conclusion).await
    }

    async fn due_verifications(&self, now: Timestamp) -> Result<Vec<DueVerification>, PortError> {
        let limit = i32::try_from(DUE_MAX).unwrap_or(i32::MAX);
        let pages = Queue::Verifications.shards().map(async |shard| {
            self.due_page(&shard, Some(now), limit, None).await.map(|(items, _)| items)
        });
        let mut found: Vec<Item> = try_join_all(pages).await?.into_iter().flatten().collect();
        found.sort_by_key(|item| as_number(item, "due"));
        found.truncate(DUE_MAX);
        let places: BTreeSet<(&str, &str)> = found
            .iter()
            .filter_map(|item| Some((as_text(item, "pk")?, as_text(item, "sk")?)))
            .collect();
        let keys = places.into_iter().map(|(pk, sk)| key(pk, sk));
        // The index lags behind: only what the table itself says is due is due.
        let mut items = self.items(keys.collect()).await?;
        items.retain(|item| as_moment(item, "due").is_some_and(|due| due <= now));
        items.sort_by_key(|item| as_number(item, "due"));
        items.iter().map(due_verification).collect()
    }

    async fn next_verification(&self) -> Result<Option<Timestamp>, PortError> {
        let firsts = Queue::Verifications
            .shards()
            .map(async |shard| self.due_page(&shard, None, 1, None).await.map(|(items, _)| items));
        let firsts = try_join_all(firsts).await?;
        Ok(firsts.iter().flatten().filter_map(|item| as_moment(item, "due")).min())
    }

    async fn verified(
        &self,
        tenant: TenantId,
        proofs: &[(StepId, Proof)],
        conclusion: Conclusion,
    ) -> Result<(), PortError> {
        self.concluded(tenant, proofs, &conclusion).await
    }
}

/// Changes that belong together, and how many bytes they take.
#[derive(Default)]
struct Unit {
    items: Vec<TransactWriteItem>,
    bytes: usize,
}

/// Units on their way into transactions.
#[derive(Default)]
struct Changes(Vec<Unit>);

impl Changes {
    fn add(&mut self, unit: Unit) {
        self.0.push(unit);
    }

    /// As few transactions as hold them, with room for the lease and the head of the chain.
    fn chunks(self) -> Vec<Unit> {
        let mut chunks: Vec<Unit> = Vec::new();
        for unit in self.0 {
            match chunks.last_mut() {
                Some(last)
                    if last.items.len() + unit.items.len() + 2 <= TOGETHER_MAX
                        && last.bytes + unit.bytes <= BYTES_MAX =>
                {
                    last.items.extend(unit.items);
                    last.bytes += unit.bytes;
                }
                _ => chunks.push(unit),
            }
        }
        chunks
    }
}

impl DynamoDb {
    /// Does all of it or nothing, if the tenant's lease is this handle's.
    async fn under_lease(
        &self,
        tenant: TenantId,
        mut changes: Vec<TransactWriteItem>,
    ) -> Result<(), PortError> {
        changes.insert(0, self.fence(tenant));
        self.transact(changes).await.map_err(|cancelled| match cancelled {
            Cancelled::Unmet(_) => lease_lost(),
            Cancelled::Failed(error) => error,
        })
    }

    /// A case as it now stands.
    fn case(&self, case: &Case) -> Result<Unit, PortError> {
        let of = format!("the case of {} in {}", case.partner.name, case.tenant_name);
        let body = Body::of(&written(case)?, &of)?;
        let bytes = body.size();
        let item = key(&tenant_key(case.tenant), &format!("CASE#{}", case.partner.key()));
        Ok(Unit { items: self.put_body(item, body), bytes })
    }

    /// A step that was begun before is the same step; one that was ended is never begun again.
    fn intent(
        &self,
        tenant: TenantId,
        step: &Step,
        now: Timestamp,
        check_at: Timestamp,
    ) -> Result<TransactWriteItem, PortError> {
        let mut values = with([
            (":partner", text(&step.partner.key())),
            (":grant", text(step.key().as_str())),
            (":episode", number(step.episode.into())),
            (":intended", text(StepState::Intended.as_str())),
            (":refused", text(StepState::Refused.as_str())),
            (":step", text(&written(step)?)),
            (":forgotten", text(FORGOTTEN)),
            (":now", moment(now)),
            (":attempt", moments([now.as_millisecond()])),
            (":due", moment(check_at)),
            (":q", Queue::Verifications.of(&tenant.to_string())),
            (":none", number(0)),
        ]);
        let mut change = "SET #partner = :partner, #grant = :grant, #episode = :episode, #state = \
                          :intended, #step = :step, #intended_at = :now, #due = :due, #q = :q, \
                          #attempt = :none"
            .to_owned();
        if let Some(approval) = &step.approval {
            change.push_str(", #approval = :approval");
            values.insert(":approval".to_owned(), text(approval));
        }
        change.push_str(" ADD #attempts :attempt");
        Ok(self.update(
            step_key(tenant, &step.id),
            &change,
            Some("attribute_not_exists(#pk) OR #state IN (:intended, :refused, :forgotten)"),
            values,
        ))
    }

    /// Writes down intents, leaving out those of steps that were ended.
    async fn intend_together(
        &self,
        tenant: TenantId,
        cases: Vec<TransactWriteItem>,
        mut steps: Vec<TransactWriteItem>,
    ) -> Result<(), PortError> {
        let before = cases.len() + 1;
        loop {
            let mut changes = vec![self.fence(tenant)];
            changes.extend(cases.iter().chain(&steps).cloned());
            let unmet = match self.transact(changes).await {
                Ok(()) => return Ok(()),
                Err(Cancelled::Failed(error)) => return Err(error),
                Err(Cancelled::Unmet(unmet)) => unmet,
            };
            if unmet.first().is_some_and(|at| *at < before) {
                return Err(lease_lost());
            }
            let mut at = before..;
            steps.retain(|_| at.next().is_none_or(|at| !unmet.contains(&at)));
            if cases.is_empty() && steps.is_empty() {
                return Ok(());
            }
        }
    }

    /// How the call of a step that was begun at this millisecond ended. One that Graph took is due to
    /// be read again at once.
    fn settled(
        &self,
        tenant: TenantId,
        step: &Step,
        outcome: &Outcome,
        begun: Option<i64>,
    ) -> TransactWriteItem {
        let taken = outcome.state == StepState::Revoked;
        let mut values = with([(":state", text(outcome.state.as_str())), (":none", number(0))]);
        let mut set = vec!["#state = :state".to_owned(), "#attempt = :none".to_owned()];
        let mut remove = Vec::new();
        for (name, value) in [
            ("acted_at", outcome.acted_at.filter(|_| taken).map(moment)),
            ("outcome", outcome.detail.as_deref().map(text)),
            ("due", taken.then(|| number(0))),
            ("q", taken.then(|| Queue::Verifications.of(&tenant.to_string()))),
        ] {
            match value {
                Some(value) => {
                    set.push(format!("#{name} = :{name}"));
                    values.insert(format!(":{name}"), value);
                }
                None => remove.push(format!("#{name}")),
            }
        }
        let remove = if remove.is_empty() {
            String::new()
        } else {
            format!(" REMOVE {}", remove.join(", "))
        };
        let mut change = format!("SET {}{remove}", set.join(", "));
        // What was refused after a part of it was taken has taken something away.
        if let Some(begun) = begun.filter(|_| taken || outcome.acted_at.is_none()) {
            change.push_str(" DELETE #attempts :begun");
            values.insert(":begun".to_owned(), moments([begun]));
        }
        self.update(step_key(tenant, &step.id), &change, Some("attribute_exists(#pk)"), values)
    }

    /// What reading a step again came to.
    fn proven(&self, tenant: TenantId, step: &StepId, proof: Proof) -> TransactWriteItem {
        let exists = Some("attribute_exists(#pk)");
        let key = step_key(tenant, step);
        let mut values = with([(":one", number(1))]);
        let (state, change) = match proof {
            // The next look that finds it begins it anew. What it may have taken away still counts.
            Proof::NotDone => {
                let change = "SET #state = :forgotten REMOVE #due, #q, #approval";
                let values = with([(":forgotten", text(FORGOTTEN))]);
                return self.update(key, change, exists, values);
            }
            Proof::Again(due) => {
                values.insert(":due".to_owned(), moment(due));
                return self.update(key, "SET #due = :due ADD #attempt :one", exists, values);
            }
            Proof::Gone => {
                (StepState::Verified, "SET #state = :state REMOVE #due, #q ADD #attempt :one")
            }
            Proof::StillThere => {
                (StepState::Reappeared, "SET #state = :state REMOVE #due, #q ADD #attempt :one")
            }
            Proof::Unread => {
                (StepState::Unverified, "SET #state = :state REMOVE #due, #q ADD #attempt :one")
            }
            Proof::Restored => {
                (StepState::Restored, "SET #state = :state REMOVE #due, #q ADD #attempt :one")
            }
        };
        values.insert(":state".to_owned(), text(state.as_str()));
        self.update(key, change, exists, values)
    }
}

fn step_key(tenant: TenantId, step: &StepId) -> Item {
    key(&tenant_key(tenant), &format!("STEP#{}", step.0))
}

/// A step that is due to be read again, as its item tells.
pub(super) fn due_verification(item: &Item) -> Result<DueVerification, PortError> {
    let tenant = as_text(item, "pk").and_then(tenant_of);
    let attempt = as_number(item, "attempt").and_then(|attempt| u32::try_from(attempt).ok());
    match (tenant, as_text(item, "step"), attempt) {
        (Some(tenant), Some(step), Some(attempt)) => Ok(DueVerification {
            tenant,
            step: json(step, "a step")?,
            attempt,
            taken: item.contains_key("acted_at"),
        }),
        _ => Err(unreadable("a step that is not whole")),
    }
}

/// When attempts of a step were begun that were never answered.
fn attempts(item: &Item) -> Vec<Timestamp> {
    let numbers = item.get("attempts").and_then(|them| them.as_ns().ok());
    let moment = |number: &String| Timestamp::from_millisecond(number.parse().ok()?).ok();
    numbers.into_iter().flatten().filter_map(moment).collect()
}

fn moments(millis: impl IntoIterator<Item = i64>) -> AttributeValue {
    AttributeValue::Ns(millis.into_iter().map(|at| at.to_string()).collect())
}

/// Counts what took something away, or may have, within the window.
fn count(history: &mut History, moments: impl Iterator<Item = Timestamp>, since: Timestamp) {
    for at in moments.filter(|at| *at >= since) {
        history.revocations = history.revocations.saturating_add(1);
        let first = history.first_revocation;
        history.first_revocation = Some(first.map_or(at, |first| first.min(at)));
    }
}

/// The key of a step, the likeness of the grant it is about, and how far it came.
fn past_step(item: &Item) -> Result<(Sha256Hex, Option<Sha256Hex>, PastStep), PortError> {
    let word = |name| as_text(item, name).map(|text| serde_json::Value::String(text.to_owned()));
    let grant = word("grant").and_then(|grant| serde_json::from_value(grant).ok());
    let state = word("state").and_then(|state| serde_json::from_value(state).ok());
    let episode = as_number(item, "episode").and_then(|episode| u32::try_from(episode).ok());
    match (grant, episode, state, as_moment(item, "intended_at")) {
        (Some(grant), Some(episode), Some(state), Some(at)) => {
            let approved = item.contains_key("approval");
            let step: Step = json(as_text(item, "step").unwrap_or_default(), "a step")?;
            let likeness = step.grant().map(Grant::likeness);
            Ok((grant, likeness, PastStep { episode, state, at, approved }))
        }
        _ => Err(unreadable("a step that is not whole")),
    }
}

/// What was written, read again. `what` says what it is.
pub(super) fn json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, PortError> {
    serde_json::from_str(text)
        .map_err(|error| unreadable(&format!("{what} that cannot be read")).because(error))
}

/// What is to be written.
pub(super) fn written<T: serde::Serialize>(value: &T) -> Result<String, PortError> {
    serde_json::to_string(value).map_err(|error| {
        PortError::new(Failure::Refused, "what is to be kept cannot be written").because(error)
    })
}
