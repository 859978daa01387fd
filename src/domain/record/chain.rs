//! The chain of records: each seals the one before it, so that none can be changed, dropped or moved
//! without changing every link behind it.
//!
//! A link is a hash over the link before it and the *digest* of the record, not its text. So a chain
//! can be proven without the texts of records that are none of the reader's business, or that were
//! removed once they had been kept long enough.

use serde::{Deserialize, Serialize};

use crate::domain::id::Sha256Hex;
use crate::domain::text::foreign;

/// A record's link: the hash over the link before it and the digest of the record's own bytes.
///
/// The first record's predecessor is the empty text.
pub fn link(previous: &str, digest: &Sha256Hex) -> Sha256Hex {
    Sha256Hex::of_fields(&["record-chain/v2", previous, digest.as_str()])
}

/// The first form of a link, over the record's text itself. None is made any more.
fn link_of_first_form(previous: &str, record: &str) -> Sha256Hex {
    Sha256Hex::of_fields(&["record-chain/v1", previous, record])
}

/// A record as the chain holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the chain, from 1.
    pub sequence: u64,
    /// The name under which it is kept.
    pub id: String,
    /// The record, byte for byte as it was written. Nothing where only its digest is at hand.
    pub record: Option<String>,
    /// The digest of the record's bytes.
    pub digest: Sha256Hex,
    /// The link before it.
    pub previous: String,
    /// The hash over both.
    pub link: String,
}

impl Entry {
    /// The next record of a chain whose last link is `previous`.
    pub fn new(sequence: u64, id: &str, previous: &str, record: String) -> Self {
        let digest = Sha256Hex::of(record.as_bytes());
        let link = link(previous, &digest).to_string();
        let (id, previous) = (id.to_owned(), previous.to_owned());
        Self { sequence, id, record: Some(record), digest, previous, link }
    }

    /// Whether the link is of the form that is made now, so that it can be proven without the
    /// record's text.
    pub fn is_sealed_by_digest(&self) -> bool {
        self.link == link(&self.previous, &self.digest).as_str()
    }
}

/// Where what can be proven begins: the record before, which is no longer there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Its number; 0 where the chain is there from its beginning.
    pub sequence: u64,
    /// Its link; empty where the chain is there from its beginning.
    pub link: String,
}

impl Anchor {
    /// Whether the chain is there from its beginning.
    pub fn is_beginning(&self) -> bool {
        self.sequence == 0
    }
}

/// The end of a chain, as whoever keeps it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the last record.
    pub sequence: u64,
    /// Its link; nothing where only the number is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// The first record that does not fit, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {sequence}{}: {flaw}", named(id))]
pub struct Broken {
    /// Its number.
    pub sequence: u64,
    /// The name under which it is kept; empty where that is not known.
    pub id: String,
    /// What is wrong with it.
    pub flaw: Flaw,
}

fn named(id: &str) -> String {
    if id.is_empty() { String::new() } else { format!(" ({})", foreign(id)) }
}

/// What can be wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// One or several before it are not there.
    #[error("{0} missing before it")]
    Missing(String),
    /// It stands where another should.
    #[error("it stands where record {0} should: the order was changed, or one is there twice")]
    OutOfOrder(u64),
    /// Its own previous link is another.
    #[error("it was not written behind the record that now stands before it")]
    Unlinked,
    /// Record, digest and link do not belong together.
    #[error("it was changed after it was sealed, or written behind another record")]
    Changed,
    /// The text is of another record than it is kept as.
    #[error("it holds another record than its name says")]
    Misnamed,
    /// The text is sealed and no record.
    #[error("it cannot be read as a record")]
    Unreadable,
    /// The chain was longer.
    #[error("the chain had {0} records, and those behind it are missing")]
    CutOff(u64),
    /// The chain ended with another link.
    #[error("it is the last record, and the store remembers another one")]
    OtherHead,
}

/// What was proven of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proven {
    /// Where it begins.
    pub from: Anchor,
    /// How many records it has from there.
    pub records: u64,
    /// Of how many of them only the digest is at hand.
    pub digests_only: u64,
    /// The last link: note it elsewhere, and nobody can rewrite the chain up to it unnoticed.
    pub head: String,
    /// The number of the last record.
    pub last: u64,
    /// How many of the links cannot be proven, since they are of the first form and the text is not
    /// at hand.
    pub unproven: u64,
    /// The number of the record whose link somebody noted; nothing where it was not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noted: Option<u64>,
}

/// A chain on its way through the check, one record after the other.
#[derive(Debug)]
pub struct Check {
    proven: Proven,
    noted: Option<String>,
    last_id: String,
}

impl Check {
    /// Begins behind `anchor`. `noted` is a link that somebody noted elsewhere.
    pub fn new(anchor: Anchor, noted: Option<&str>) -> Self {
        let noted = noted.map(|link| link.trim().to_ascii_lowercase());
        let found = noted.as_deref().is_some_and(|noted| noted == anchor.link);
        let proven = Proven {
            records: 0,
            digests_only: 0,
            head: anchor.link.clone(),
            last: anchor.sequence,
            unproven: 0,
            noted: found.then_some(anchor.sequence),
            from: anchor,
        };
        Self { proven, noted, last_id: String::new() }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// [`Broken`] where it does not fit; whatever comes behind it proves nothing any more.
    pub fn take(&mut self, entry: &Entry) -> Result<(), Broken> {
        let flaw = self.flaw(entry);
        if let Some(flaw) = flaw {
            return Err(Broken { sequence: entry.sequence, id: entry.id.clone(), flaw });
        }
        if !entry.is_sealed_by_digest() && entry.record.is_none() {
            self.proven.unproven += 1;
        }
        self.proven.digests_only += u64::from(entry.record.is_none());
        self.proven.records += 1;
        self.proven.last = entry.sequence;
        self.proven.head.clone_from(&entry.link);
        self.last_id.clone_from(&entry.id);
        if self.noted.as_deref() == Some(&entry.link) {
            self.proven.noted = Some(entry.sequence);
        }
        Ok(())
    }

    fn flaw(&self, entry: &Entry) -> Option<Flaw> {
        let expected = self.proven.last.saturating_add(1);
        if entry.sequence > expected {
            let (first, last) = (expected, entry.sequence - 1);
            return Some(Flaw::Missing(if first == last {
                format!("record {first} is")
            } else {
                format!("records {first} to {last} are")
            }));
        }
        if entry.sequence < expected {
            return Some(Flaw::OutOfOrder(expected));
        }
        if entry.previous != self.proven.head {
            return Some(Flaw::Unlinked);
        }
        let Some(record) = &entry.record else {
            return (!entry.is_sealed_by_digest()).then_some(Flaw::Changed);
        };
        let of_first_form = || entry.link == link_of_first_form(&entry.previous, record).as_str();
        if Sha256Hex::of(record.as_bytes()) != entry.digest
            || !(entry.is_sealed_by_digest() || of_first_form())
        {
            return Some(Flaw::Changed);
        }
        match serde_json::from_str::<Named>(record) {
            Ok(named) if named.id == entry.id => None,
            Ok(_) => Some(Flaw::Misnamed),
            Err(_) => Some(Flaw::Unreadable),
        }
    }

    /// Ends the check. `head` is the end as whoever keeps the chain says.
    ///
    /// # Errors
    /// [`Broken`] where the chain ends elsewhere.
    pub fn end(self, head: Option<&Head>) -> Result<Proven, Broken> {
        let broken = |flaw| Broken { sequence: self.proven.last, id: self.last_id.clone(), flaw };
        if let Some(head) = head {
            if head.sequence > self.proven.last {
                return Err(broken(Flaw::CutOff(head.sequence)));
            }
            let other = head.link.as_ref().is_some_and(|link| *link != self.proven.head);
            if head.sequence < self.proven.last || other {
                return Err(broken(Flaw::OtherHead));
            }
        }
        Ok(self.proven)
    }
}

/// Proves a chain that is at hand as a whole.
///
/// # Errors
/// The first record that does not fit.
pub fn check<'a>(
    anchor: Anchor,
    entries: impl IntoIterator<Item = &'a Entry>,
    noted: Option<&str>,
) -> Result<Proven, Broken> {
    let mut check = Check::new(anchor, noted);
    for entry in entries {
        check.take(entry)?;
    }
    check.end(None)
}

/// What tells a record from another text.
#[derive(Deserialize)]
struct Named {
    id: String,
}
