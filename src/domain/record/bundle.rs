//! The evidence of one case: its records byte for byte, and of the records between them as much as
//! proves that nothing was changed, dropped or moved, and no more.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::{Anchor, Broken, Check, Entry, Head, Proven};
use super::outline::Outline;
use crate::domain::id::Sha256Hex;
use crate::domain::roster::AffectedPartner;
use crate::domain::snapshot::NamedTenant;
use crate::domain::text::{foreign, plain_json};

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;

/// What a bundle says it is.
const KIND: &str = "partner-warden/evidence";

/// Most bytes that are read of a file.
pub const BYTES_MAX: usize = 1 << 30;

/// The evidence of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// `partner-warden/evidence`.
    pub kind: String,
    /// [`VERSION`].
    pub version: u32,
    /// When it was made.
    pub exported_at: Timestamp,
    /// The record that was asked for.
    pub record: String,
    /// The case it is of.
    pub case: Subject,
    /// The digests of the policies that decided.
    pub policies: BTreeSet<Sha256Hex>,
    /// The record before the first of the case.
    pub from: Anchor,
    /// The chain from there to its end.
    pub chain: Vec<Piece>,
    /// The end of the chain.
    pub head: Anchor,
}

/// Whom a bundle is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The tenant.
    pub tenant: NamedTenant,
    /// The partner.
    pub partner: AffectedPartner,
    /// How many cases about the two were closed before.
    pub episode: u32,
}

/// One record of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Its number.
    pub sequence: u64,
    /// The digest of its bytes.
    pub digest: Sha256Hex,
    /// Its link.
    pub link: String,
    /// Its name, if it is of the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The record, byte for byte, if it is of the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

/// Why no bundle can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEvidence {
    /// The record is not there, or cannot be read.
    #[error("record {0} is not there any more, or cannot be read")]
    NoRecord(String),
    /// A record of another case cannot be proven without its text.
    #[error(
        "record {0} is of another case and was sealed by an earlier version, whose chains can only \
         be proven whole: `records verify` does"
    )]
    FirstForm(u64),
}

/// Why a file is no bundle. The text says what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotABundle {
    /// It is larger than what is read.
    #[error("larger than {} MiB, the most that is read", BYTES_MAX >> 20)]
    TooLarge,
    /// It is no JSON, or it is cut off.
    #[error("not JSON: {0}; if it was cut off on its way, export it again")]
    NotJson(String),
    /// It is something else.
    #[error("no evidence of a case: {0}; `partner-warden records export` writes that")]
    SomethingElse(String),
    /// It was written in another version.
    #[error("of version {0}, and this program reads version {VERSION}: use the one that wrote it")]
    Version(u64),
}

/// What is wrong with a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// The chain does not hold.
    #[error(transparent)]
    Chain(#[from] Broken),
    /// A record is of another case.
    #[error("record {0} is not of the case that the file names")]
    OtherCase(u64),
    /// A record of the case is not there, though its name is.
    #[error("record {0} is of the case, and it is left out")]
    LeftOut(u64),
    /// The record the file is about is not in it, or it is about somebody else.
    #[error("the record the file is about is not among its records, or names another case")]
    NoRecord,
    /// The policies are not those of the records.
    #[error("the policies it names are not those by which its records say it was decided")]
    OtherPolicies,
}

impl Subject {
    fn of(record: &Outline) -> Self {
        let case = &record.case;
        let tenant = NamedTenant { id: case.tenant, name: case.tenant_name.clone() };
        Self { tenant, partner: case.partner.clone(), episode: case.episode }
    }
}

impl Bundle {
    /// The evidence of the case that a record is of, from `chain`: every record from `from` on to
    /// the end of the chain.
    ///
    /// # Errors
    /// [`NoEvidence`].
    pub fn new(id: &str, chain: Vec<Entry>, exported_at: Timestamp) -> Result<Self, NoEvidence> {
        let outline = |entry: &Entry| entry.record.as_deref().and_then(Outline::of);
        let wanted = chain.iter().find(|entry| entry.id == id).and_then(outline);
        let wanted = wanted.ok_or_else(|| NoEvidence::NoRecord(foreign(id)))?;
        let key = wanted.case_key();
        let mut policies = BTreeSet::new();
        let mut from = None;
        let mut pieces: Vec<Piece> = Vec::new();
        for entry in chain {
            let its = outline(&entry).filter(|outline| outline.case_key() == key);
            if its.is_none() && from.is_none() {
                continue;
            }
            from.get_or_insert_with(|| Anchor {
                sequence: entry.sequence.saturating_sub(1),
                link: entry.previous.clone(),
            });
            if its.is_none() && !entry.is_sealed_by_digest() {
                return Err(NoEvidence::FirstForm(entry.sequence));
            }
            let is_its = its.is_some();
            policies.extend(its.map(|outline| outline.policy));
            let Entry { sequence, id, record, digest, link, .. } = entry;
            let id = is_its.then_some(id);
            pieces.push(Piece { sequence, digest, link, id, record: record.filter(|_| is_its) });
        }
        let from = from.unwrap_or_default();
        let head = pieces.last().map_or_else(
            || from.clone(),
            |last| Anchor { sequence: last.sequence, link: last.link.clone() },
        );
        Ok(Self {
            kind: KIND.to_owned(),
            version: VERSION,
            exported_at,
            case: Subject::of(&wanted),
            record: wanted.id,
            policies,
            from,
            chain: pieces,
            head,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`NotABundle`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotABundle> {
        if bytes.len() > BYTES_MAX {
            return Err(NotABundle::TooLarge);
        }
        let not_one = |error: serde_json::Error| {
            let said = foreign(&error.to_string());
            if error.is_data() {
                NotABundle::SomethingElse(said)
            } else {
                NotABundle::NotJson(said)
            }
        };
        let start: Start = serde_json::from_slice(bytes).map_err(not_one)?;
        if start.kind != KIND {
            return Err(NotABundle::SomethingElse("it is of another kind".to_owned()));
        }
        if start.version != u64::from(VERSION) {
            return Err(NotABundle::Version(start.version));
        }
        serde_json::from_slice(bytes).map_err(not_one)
    }

    /// The text of a file.
    pub fn to_json(&self) -> String {
        // The types have nothing that JSON cannot say.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        plain_json(&json) + "\n"
    }

    /// Proves it by itself. `noted` is a link that somebody noted elsewhere.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn verify(&self, noted: Option<&str>) -> Result<Proven, Forged> {
        let mut check = Check::new(self.from.clone(), noted);
        let mut previous = self.from.link.clone();
        let mut policies = BTreeSet::new();
        let mut is_there = false;
        for piece in &self.chain {
            let entry = piece.entry(previous);
            check.take(&entry)?;
            previous = entry.link;
            let Some(outline) = entry.record.as_deref().map(Outline::of) else {
                if piece.id.is_some() {
                    return Err(Forged::LeftOut(piece.sequence));
                }
                continue;
            };
            let outline = outline.filter(|outline| {
                let (case, ours) = (&outline.case, &self.case);
                case.tenant == ours.tenant.id
                    && case.partner.key() == ours.partner.key()
                    && case.episode == ours.episode
            });
            let outline = outline.ok_or(Forged::OtherCase(piece.sequence))?;
            is_there |= outline.id == self.record && self.case == Subject::of(&outline);
            policies.insert(outline.policy);
        }
        let (sequence, link) = (self.head.sequence, Some(self.head.link.clone()));
        let proven = check.end(Some(&Head { sequence, link }))?;
        if !is_there {
            return Err(Forged::NoRecord);
        }
        if policies != self.policies {
            return Err(Forged::OtherPolicies);
        }
        Ok(proven)
    }
}

impl Piece {
    fn entry(&self, previous: String) -> Entry {
        Entry {
            sequence: self.sequence,
            id: self.id.clone().unwrap_or_default(),
            record: self.record.clone(),
            digest: self.digest.clone(),
            previous,
            link: self.link.clone(),
        }
    }
}

/// What tells a bundle from other files.
#[derive(Deserialize)]
struct Start {
    kind: String,
    version: u64,
}
