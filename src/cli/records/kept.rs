//! Where records are read from.

use super::WrongInput;
use crate::adapters::sqlite::SqliteRecords;
use crate::config::{Place, environment, store};
use crate::domain::record::chain::Entry;
use crate::domain::record::outline::Outline;
use crate::ports::{PortError, ReadRecords};

/// The records of the store that the settings name, read beside whoever uses it.
pub(super) async fn kept() -> anyhow::Result<Box<dyn ReadRecords>> {
    match store(environment)? {
        Place::Sqlite(path) => {
            let records = SqliteRecords::open(&path)?.ok_or_else(|| {
                let path = path.display();
                WrongInput(format!("there is no store {path}; set WARDEN_STORE to the one to read"))
            })?;
            Ok(Box::new(records))
        }
        #[cfg(feature = "aws")]
        Place::Aws(table) => on_aws(&table).await,
        #[cfg(not(feature = "aws"))]
        Place::Aws(_) => {
            let said = "this program was built without AWS; set WARDEN_STORE to sqlite:PATH";
            Err(WrongInput(said.to_owned()).into())
        }
    }
}

#[cfg(feature = "aws")]
async fn on_aws(table: &str) -> anyhow::Result<Box<dyn ReadRecords>> {
    use crate::adapters::aws::{Patience, load, table::DynamoDb};
    // Nothing is written, so nobody's lease is ever asked for.
    let reader = DynamoDb::new(&load(Patience::WORK).await?, table, "reader");
    Ok(Box::new(reader))
}

/// The chain from the first record of the case that `wanted` is of, to its end. Of records of other
/// cases the text is left out, where they can be proven without it.
///
/// # Errors
/// Those of the store.
pub(super) async fn case_of(
    store: &dyn ReadRecords,
    chain: &str,
    wanted: &Entry,
) -> Result<Vec<Entry>, PortError> {
    let outline = |entry: &Entry| entry.record.as_deref().and_then(Outline::of);
    let key = outline(wanted).map(|outline| outline.case_key());
    let mut entries: Vec<Entry> = Vec::new();
    let mut behind = 0;
    loop {
        let page = store.page(chain, behind, None).await?;
        let Some(last) = page.last() else { return Ok(entries) };
        behind = last.sequence;
        for mut entry in page {
            let is_its = outline(&entry).map(|outline| outline.case_key()) == key;
            if entries.is_empty() && !is_its {
                continue;
            }
            if !is_its && entry.is_sealed_by_digest() {
                entry.record = None;
            }
            entries.push(entry);
        }
    }
}
