//! What people were asked, and what they said. The door reads and changes these items and no
//! others: their partition keys begin with `DECISION#`, and its role is held to that.
//!
//! | `pk` | `sk` | what |
//! |---|---|---|
//! | `DECISION#{proposal}` | `PROPOSAL` | what people were asked, and what they said |
//! | `T#{tenant}` | `ASKED#{partner}` | the name of the last proposal about a partner |

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;

use super::body::{Body, unfolded};
use super::ledger::{json, written};
use super::table::{
    DynamoDb, Item, as_moment, as_number, as_text, key, moment, number, tenant_key, text, with,
};
use crate::domain::approval::{
    Decision, FORGOTTEN_AFTER, Proposal, ProposalChange, ProposalId, Question,
};
use crate::domain::id::TenantId;
use crate::domain::plan::Step;
use crate::ports::{Decide, PortError};

/// The sort key of a proposal.
const PROPOSAL: &str = "PROPOSAL";

/// The beginning of the sort key of what names the last proposal about a partner.
const ASKED: &str = "ASKED#";

#[async_trait]
impl Decide for DynamoDb {
    async fn proposal(&self, id: &ProposalId) -> Result<Option<Proposal>, PortError> {
        let item = self.item(proposal_key(id.as_str())).await?;
        item.map_or(Ok(None), |item| read(&item))
    }

    async fn decided(&self, proposal: &Proposal) -> Result<bool, PortError> {
        let values = with([
            (":decisions", text(&written(&proposal.decisions)?)),
            (":was", number(proposal.revision)),
            (":one", number(1)),
        ]);
        let change = "SET #decisions = :decisions ADD #revision :one";
        let condition = "#revision = :was AND attribute_not_exists(#void)";
        self.change(proposal_key(proposal.question.id.as_str()), change, condition, values).await
    }
}

fn proposal_key(id: &str) -> Item {
    key(&format!("DECISION#{id}"), PROPOSAL)
}

/// A proposal as its item tells it. Nothing where the item holds no question any more.
fn read(item: &Item) -> Result<Option<Proposal>, PortError> {
    let Some(question) = unfolded(item, &[]) else { return Ok(None) };
    let question: Question = json(&question, "a proposal")?;
    let decisions: Vec<Decision> = match as_text(item, "decisions") {
        Some(decisions) => json(decisions, "decisions")?,
        None => Vec::new(),
    };
    let void = as_text(item, "void").map(|void| json(void, "a proposal")).transpose()?;
    let revision = as_number(item, "revision");
    Ok(Some(Proposal {
        question,
        decisions,
        begun_at: as_moment(item, "begun_at"),
        void,
        revision: revision.unwrap_or_default(),
    }))
}

impl DynamoDb {
    /// The last that people were asked about each partner of a tenant.
    pub(super) async fn last_proposals(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeMap<String, Proposal>, PortError> {
        let asked = self.all(&tenant_key(tenant), ASKED, None).await?;
        let keys = asked.iter().filter_map(|item| Some(proposal_key(as_text(item, "id")?)));
        let items = self.items(keys.collect()).await?;
        let mut last = BTreeMap::new();
        for item in &items {
            if let Some(proposal) = read(item)? {
                last.insert(proposal.question.partner.key(), proposal);
            }
        }
        Ok(last)
    }

    /// Writes down that steps are begun by what people said.
    pub(super) fn begun(&self, steps: &[&Step], now: Timestamp) -> Vec<TransactWriteItem> {
        let approvals = steps.iter().filter_map(|step| step.approval.as_deref());
        let approvals: BTreeSet<&str> = approvals.collect();
        let begun = approvals.into_iter().map(|id| {
            let change = "SET #begun_at = if_not_exists(#begun_at, :now) ADD #revision :one";
            let values = with([(":now", moment(now)), (":one", number(1))]);
            self.update(proposal_key(id), change, None, values)
        });
        begun.collect()
    }

    /// What becomes of a proposal, and how many bytes it takes.
    pub(super) fn proposed(
        &self,
        change: &ProposalChange,
    ) -> Result<(Vec<TransactWriteItem>, usize), PortError> {
        match change {
            ProposalChange::Put(question) => {
                let id = question.id.as_str();
                let of = format!("what people are asked about {}", question.partner.name);
                let body = Body::of(&written(question)?, &of)?;
                let bytes = body.size();
                let mut item = proposal_key(id);
                let time = question.expires_at.duration_since(question.asked_at);
                let forgotten = question.expires_at.as_second()
                    + time.as_secs().saturating_add(FORGOTTEN_AFTER.as_secs());
                item.insert("revision".to_owned(), number(0));
                item.insert("expires".to_owned(), number(forgotten));
                let asked = format!("{ASKED}{}", question.partner.key());
                let mut last = key(&tenant_key(question.tenant), &asked);
                last.insert("id".to_owned(), text(id));
                let mut items = self.put_body(item, body);
                items.push(self.put(last));
                Ok((items, bytes))
            }
            ProposalChange::Void { id, void, .. } => {
                let values = with([(":void", text(&written(void)?)), (":one", number(1))]);
                let change = "SET #void = if_not_exists(#void, :void) ADD #revision :one";
                let update = self.update(proposal_key(id.as_str()), change, None, values);
                Ok((vec![update], 0))
            }
        }
    }
}
