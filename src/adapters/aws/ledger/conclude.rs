//! What a look or a proof leaves behind, in as few transactions as hold it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};

use super::super::body::Body;
use super::super::records::record_key;
use super::super::table::{
    BYTES_MAX, Cancelled, DynamoDb, Item, TOGETHER_MAX, as_number, as_text, key, lease_lost,
    moment, number, tenant_key, text, with,
};
use super::{step_key, written};
use crate::domain::approval::ProposalChange;
use crate::domain::case::Case;
use crate::domain::id::{Sha256Hex, StepId, TenantId};
use crate::domain::plan::StepState;
use crate::domain::record::Record;
use crate::domain::record::chain::link;
use crate::domain::record::outline::CaseKey;
use crate::domain::ticket::Message;
use crate::ports::{Conclusion, Failure, PortError, Proof};

/// Most steps that are written down in the transaction of their case. Those beyond are written
/// after it: until then they are due to be read again, and reading them again changes no case.
const STEPS_WITH_CASE: usize = 60;

/// How often a transaction is tried while somebody else adds to the chain.
const RACES: u32 = 5;

/// The sort key of the end of a tenant's chain.
pub(in super::super) const HEAD: &str = "HEAD";

/// What is not to be torn apart.
enum Piece<'a> {
    Case {
        case: &'a Case,
        record: Option<&'a Record>,
        messages: &'a [Message],
        steps: Vec<TransactWriteItem>,
        proposals: Vec<&'a ProposalChange>,
    },
    Step(Box<TransactWriteItem>),
    Proposal(&'a ProposalChange),
}

/// The end of a tenant's chain.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Head {
    pub(in super::super) records: i64,
    pub(in super::super) link: String,
}

/// One transaction.
struct Filled {
    changes: Vec<TransactWriteItem>,
    /// How many pieces it holds.
    pieces: usize,
    /// Whether the second change is that of the head.
    moves_head: bool,
    /// The partitions of the outbox that it writes to.
    outbox: Vec<String>,
}

impl DynamoDb {
    /// Writes down how verifications ended and cases now stand.
    pub(super) async fn concluded(
        &self,
        tenant: TenantId,
        proofs: &[(StepId, Proof)],
        conclusion: &Conclusion,
    ) -> Result<(), PortError> {
        let mut steps = self.steps(tenant, proofs, conclusion).await?;
        let mut pieces = VecDeque::new();
        let mut left: Vec<&ProposalChange> = conclusion.proposals.iter().collect();
        for (case, record, messages) in &conclusion.cases {
            let rows = case.rows.iter().filter_map(|row| row.step.as_ref());
            let own = rows.filter_map(|step| steps.remove(&step.id));
            let mut own: Vec<TransactWriteItem> = own.collect();
            let rest = own.split_off(own.len().min(STEPS_WITH_CASE));
            let partner = case.partner.key();
            let (proposals, others) = left.into_iter().partition(|it| it.partner() == partner);
            left = others;
            let record = record.as_ref();
            pieces.push_back(Piece::Case { case, record, messages, steps: own, proposals });
            pieces.extend(rest.into_iter().map(|step| Piece::Step(Box::new(step))));
        }
        // The cases go first, and each of them is whole.
        pieces.make_contiguous().sort_by_key(|piece| matches!(piece, Piece::Step(_)));
        pieces.extend(left.into_iter().map(Piece::Proposal));
        pieces.extend(steps.into_values().map(|step| Piece::Step(Box::new(step))));
        while !pieces.is_empty() {
            let written = self.first_of(tenant, &pieces).await?;
            pieces.drain(..written);
        }
        Ok(())
    }

    /// Writes down the first pieces, as many as fit into one transaction; says how many.
    async fn first_of(
        &self,
        tenant: TenantId,
        pieces: &VecDeque<Piece<'_>>,
    ) -> Result<usize, PortError> {
        for _ in 0..RACES {
            let head = self.head(tenant).await?;
            let filled = self.fill(tenant, pieces, &head)?;
            let unmet = match self.transact(filled.changes).await {
                Ok(()) => {
                    filled.outbox.iter().for_each(|pk| self.note_written(pk));
                    return Ok(filled.pieces);
                }
                Err(Cancelled::Failed(error)) => return Err(error),
                Err(Cancelled::Unmet(unmet)) => unmet,
            };
            if unmet.contains(&0) {
                return Err(lease_lost());
            }
            if !(filled.moves_head && unmet.contains(&1)) {
                let said = "a step was changed by somebody else; nothing was written";
                return Err(PortError::new(Failure::Transient, said));
            }
        }
        let said = "somebody else adds to the tenant's records all the time; nothing was written";
        Err(PortError::new(Failure::Transient, said))
    }

    /// A transaction of the first pieces, the first of them in any case.
    fn fill(
        &self,
        tenant: TenantId,
        pieces: &VecDeque<Piece<'_>>,
        head: &Head,
    ) -> Result<Filled, PortError> {
        let mut end = head.clone();
        let mut changes = Vec::new();
        let mut outbox = Vec::new();
        let (mut bytes, mut taken) = (0, 0);
        for piece in pieces {
            let mut next = end.clone();
            let (items, size, lines) = match piece {
                Piece::Step(item) => (vec![item.as_ref().clone()], 0, Vec::new()),
                Piece::Proposal(change) => {
                    let (items, size) = self.proposed(change)?;
                    (items, size, Vec::new())
                }
                Piece::Case { case, record, messages, steps, proposals } => {
                    let (mut items, mut size, lines) =
                        self.piece(case, *record, messages, steps, &mut next)?;
                    for change in proposals {
                        let (more, bytes) = self.proposed(change)?;
                        items.extend(more);
                        size += bytes;
                    }
                    (items, size, lines)
                }
            };
            // The lease and the head come beside.
            let fits = changes.len() + items.len() + 2 <= TOGETHER_MAX && bytes + size <= BYTES_MAX;
            if !fits && taken > 0 {
                break;
            }
            changes.extend(items);
            outbox.extend(lines);
            bytes += size;
            taken += 1;
            end = next;
        }
        let moves_head = end.records != head.records;
        let head = moves_head.then(|| self.moved(tenant, head, &end));
        let changes = std::iter::once(self.fence(tenant)).chain(head).chain(changes).collect();
        Ok(Filled { changes, pieces: taken, moves_head, outbox })
    }

    /// A case with its record, its messages and its steps; how many bytes they take, and which
    /// partitions of the outbox they touch.
    fn piece(
        &self,
        case: &Case,
        record: Option<&Record>,
        messages: &[Message],
        steps: &[TransactWriteItem],
        end: &mut Head,
    ) -> Result<(Vec<TransactWriteItem>, usize, Vec<String>), PortError> {
        let unit = self.case(case)?;
        let (mut items, mut size) = (unit.items, unit.bytes);
        if let Some(record) = record {
            let text = written(record)?;
            let body = Body::of(&text, &format!("the record of {}", case.partner.name))?;
            size += body.size();
            let digest = Sha256Hex::of(text.as_bytes());
            let link = link(&end.link, &digest).to_string();
            let item = Self::entry(case, record, end, &digest, &link);
            *end = Head { records: end.records + 1, link };
            items.extend(self.put_body(item, body));
        }
        let mut lines = Vec::new();
        let mut ids = BTreeSet::new();
        // A transaction takes no two changes to one item.
        for message in messages.iter().filter(|message| ids.insert(&message.id)) {
            let (line, change, bytes) = self.message(case.tenant, message)?;
            lines.push(line);
            items.push(change);
            size += bytes;
        }
        items.extend(steps.iter().cloned());
        Ok((items, size, lines))
    }

    /// A record's own item, without its text.
    fn entry(case: &Case, record: &Record, end: &Head, digest: &Sha256Hex, link: &str) -> Item {
        let mut item = key(&tenant_key(case.tenant), &record_key(end.records));
        let CaseKey { partner, episode, .. } = CaseKey::of(&record.case);
        item.extend(with([
            ("id", text(&record.id)),
            ("at", moment(record.at)),
            ("previous", text(&end.link)),
            ("digest", text(digest.as_str())),
            ("link", text(link)),
            ("partner", text(&partner)),
            ("episode", number(episode.into())),
            ("stands", AttributeValue::Bool(record.case.stands())),
        ]));
        item
    }

    pub(in super::super) async fn head(&self, tenant: TenantId) -> Result<Head, PortError> {
        let item = self.item(key(&tenant_key(tenant), HEAD)).await?.unwrap_or_default();
        Ok(Head {
            records: as_number(&item, "records").unwrap_or_default(),
            link: as_text(&item, "link").unwrap_or_default().to_owned(),
        })
    }

    /// Moves the end of the chain, if it is still where it was.
    fn moved(&self, tenant: TenantId, from: &Head, to: &Head) -> TransactWriteItem {
        let mut values = with([(":records", number(to.records)), (":link", text(&to.link))]);
        let condition = if from.records == 0 {
            "attribute_not_exists(#pk)"
        } else {
            values.insert(":was".to_owned(), text(&from.link));
            "#link = :was"
        };
        let change = "SET #records = :records, #link = :link";
        self.update(key(&tenant_key(tenant), HEAD), change, Some(condition), values)
    }

    /// The steps that change: those with a proof, and those that a case says are seen to be gone.
    async fn steps(
        &self,
        tenant: TenantId,
        proofs: &[(StepId, Proof)],
        conclusion: &Conclusion,
    ) -> Result<BTreeMap<StepId, TransactWriteItem>, PortError> {
        let rows = conclusion.cases.iter().flat_map(|(case, ..)| &case.rows);
        let gone = rows.filter_map(|row| row.step.as_ref());
        let gone = gone.filter(|step| step.state == StepState::Verified).map(|step| &step.id);
        let ids: BTreeSet<&StepId> = gone.chain(proofs.iter().map(|(id, _)| id)).collect();
        let keys: Vec<Item> = ids.iter().map(|id| step_key(tenant, id)).collect();
        let there = self.items(keys).await?;
        let there: BTreeMap<&str, &Item> =
            there.iter().filter_map(|item| Some((as_text(item, "sk")?, item))).collect();
        let proofs: BTreeMap<&StepId, Proof> =
            proofs.iter().map(|(id, proof)| (id, *proof)).collect();
        let mut changes = BTreeMap::new();
        for id in ids {
            let Some(item) = there.get(format!("STEP#{}", id.0).as_str()) else { continue };
            if as_text(item, "state") == Some(super::FORGOTTEN) {
                continue;
            }
            let proof = proofs.get(id).copied();
            let verified = as_text(item, "state") == Some(StepState::Verified.as_str());
            if proof.is_some() || !verified || item.contains_key("due") {
                let proof = proof.unwrap_or(Proof::Gone);
                changes.insert(id.clone(), self.proven(tenant, id, proof));
            }
        }
        Ok(changes)
    }
}
