//! Whether records were changed, dropped or moved.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::domain::record::bundle::{BYTES_MAX, Bundle, Forged};
use crate::domain::record::chain::{Broken, Check, Proven};
use crate::domain::text::{count, one_line};
use crate::ports::{Chain, Failure, PortError, ReadRecords};

/// What came of it, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// All of it holds.
    Whole,
    /// It cannot be told.
    Unknown,
    /// Something does not hold.
    Broken,
}

impl Verdict {
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::Broken => 1,
            Self::Unknown => 2,
        }
    }
}

/// What came of all chains, or of all files.
#[derive(Debug, Serialize)]
pub(super) struct Proof {
    version: u32,
    pub(super) verdict: Verdict,
    chains: Vec<OfChain>,
    /// Whether the link that was noted is in one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    noted: Option<bool>,
}

/// What came of one of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfChain {
    name: String,
    verdict: Verdict,
    #[serde(flatten)]
    proven: Option<Proven>,
    /// The first thing that does not fit, or why nothing can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// The record that does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    sequence: u64,
    id: String,
}

impl Proof {
    /// Proves every chain of a store.
    pub(super) async fn of_store(
        store: &dyn ReadRecords,
        head: Option<&str>,
    ) -> Result<Self, PortError> {
        let mut chains = Vec::new();
        for chain in store.chains().await? {
            let proven = proven(store, &chain, head).await?;
            chains.push(OfChain::of(chain.name, proven.map_err(Forged::Chain)));
        }
        Ok(Self::new(chains, head))
    }

    /// Proves files that hold evidence.
    pub(super) fn of_files(files: &[PathBuf], head: Option<&str>) -> Self {
        let of_file = |path: &PathBuf| {
            let name = path.display().to_string();
            let bundle = bytes(path).map_err(|error| format!("it cannot be read: {error}"));
            let bundle = bundle
                .and_then(|bytes| Bundle::parse(&bytes).map_err(|error| format!("it is {error}")));
            match bundle {
                Ok(bundle) => OfChain::of(name, bundle.verify(head)),
                Err(why) => {
                    let verdict = Verdict::Unknown;
                    OfChain { name, verdict, proven: None, why: Some(why), broken: None }
                }
            }
        };
        Self::new(files.iter().map(of_file).collect(), head)
    }

    fn new(chains: Vec<OfChain>, head: Option<&str>) -> Self {
        let found = |chain: &OfChain| chain.proven.as_ref().is_some_and(|it| it.noted.is_some());
        let noted = head.map(|_| chains.iter().any(found));
        let verdict = chains.iter().map(|chain| chain.verdict).max().unwrap_or(Verdict::Whole);
        let verdict = match noted {
            // What cannot be read may hold it.
            Some(false) if verdict != Verdict::Unknown => Verdict::Broken,
            _ => verdict,
        };
        Self { version: 1, verdict, chains, noted }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out: Vec<String> = self.chains.iter().flat_map(OfChain::lines).collect();
        if self.chains.is_empty() {
            out.push("nothing is kept yet".to_owned());
        }
        if self.noted == Some(false) {
            out.push(
                "the noted link is NOT in it: what was noted came before the part that is there, it \
                 is of something else, or this was rewritten"
                    .to_owned(),
            );
        }
        out.push(String::new());
        out.join("\n")
    }
}

/// Proves the chain of this name, and tells where in it `link` stands.
///
/// # Errors
/// Those of the store. What does not hold is no error.
pub(super) async fn chain(
    store: &dyn ReadRecords,
    name: &str,
    link: &str,
) -> Result<Result<Proven, Broken>, PortError> {
    let chain = store.chains().await?.into_iter().find(|chain| chain.name == name);
    let chain = chain.ok_or_else(|| {
        PortError::new(Failure::Gone, format!("there is no chain {} any more", one_line(name)))
    })?;
    proven(store, &chain, Some(link)).await
}

/// Proves one chain, a page after the other. What is written behind its end meanwhile is left for
/// the next time; what is removed at its beginning meanwhile makes it begin anew.
async fn proven(
    store: &dyn ReadRecords,
    chain: &Chain,
    head: Option<&str>,
) -> Result<Result<Proven, Broken>, PortError> {
    let mut chain = chain.clone();
    loop {
        let proven = as_it_was(store, &chain, head).await?;
        if proven.is_ok() {
            return Ok(proven);
        }
        let now = store.chains().await?.into_iter().find(|now| now.name == chain.name);
        match now.filter(|now| now.from.sequence > chain.from.sequence) {
            Some(now) => chain = now,
            None => return Ok(proven),
        }
    }
}

async fn as_it_was(
    store: &dyn ReadRecords,
    chain: &Chain,
    head: Option<&str>,
) -> Result<Result<Proven, Broken>, PortError> {
    let mut check = Check::new(chain.from.clone(), head);
    let end = chain.head.as_ref().map_or(u64::MAX, |head| head.sequence);
    let mut behind = 0;
    while behind < end {
        let page = store.page(&chain.name, behind, None).await?;
        let Some(last) = page.last() else { break };
        behind = last.sequence;
        for entry in page.iter().filter(|entry| entry.sequence <= end) {
            if let Err(broken) = check.take(entry) {
                return Ok(Err(broken));
            }
        }
    }
    Ok(check.end(chain.head.as_ref()))
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl OfChain {
    fn of(name: String, proven: Result<Proven, Forged>) -> Self {
        match proven {
            Ok(proven) if proven.unproven > 0 => {
                let links = count(usize::try_from(proven.unproven).unwrap_or(usize::MAX), "link");
                let why = format!("{links} of an earlier form cannot be proven without the record");
                Self {
                    name,
                    verdict: Verdict::Unknown,
                    proven: Some(proven),
                    why: Some(why),
                    broken: None,
                }
            }
            Ok(proven) => Self {
                name,
                verdict: Verdict::Whole,
                proven: Some(proven),
                why: None,
                broken: None,
            },
            Err(forged) => {
                let broken = match &forged {
                    Forged::Chain(Broken { sequence, id, .. }) => {
                        Some(Place { sequence: *sequence, id: id.clone() })
                    }
                    Forged::OtherCase(sequence) | Forged::LeftOut(sequence) => {
                        Some(Place { sequence: *sequence, id: String::new() })
                    }
                    Forged::NoRecord | Forged::OtherPolicies => None,
                };
                let why = Some(one_line(&forged.to_string()));
                Self { name, verdict: Verdict::Broken, proven: None, why, broken }
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        let name = one_line(&self.name);
        let Some(proven) = &self.proven else {
            let verdict = if self.verdict == Verdict::Broken { "BROKEN" } else { "cannot be told" };
            return vec![format!("{name}: {verdict}: {}", self.why.as_deref().unwrap_or_default())];
        };
        let number = count(usize::try_from(proven.records).unwrap_or(usize::MAX), "record");
        let from = if proven.from.is_beginning() {
            String::new()
        } else {
            format!(" from record {} on", proven.from.sequence + 1)
        };
        let holds = match &self.why {
            Some(why) => format!("cannot be told: {why}"),
            None => "neither changed, dropped nor moved".to_owned(),
        };
        let mut lines = vec![format!("{name}: {number}{from}, {holds}")];
        if proven.digests_only > 0 {
            lines.push(format!("  of {} only the digest is there", proven.digests_only));
        }
        if proven.last > 0 {
            lines.push(format!("  head: {} (record {})", proven.head, proven.last));
        }
        if let Some(noted) = proven.noted {
            let since = proven.last.saturating_sub(noted);
            let since = count(usize::try_from(since).unwrap_or(usize::MAX), "record");
            lines.push(format!("  the noted link is that of record {noted}; {since} since"));
        }
        lines
    }
}
