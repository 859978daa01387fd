//! Small documents remembered about a tenant, changed without overwriting what another has
//! changed meanwhile.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::id::TenantId;
use crate::ports::{Failure, Marks, PortError};

/// When each duty was last done.
pub(super) const TURNS: &str = "turns";
/// How far the audit log was read.
pub(super) const AUDITS: &str = "audits";
/// Under which key each subscription was made.
pub(super) const SUBSCRIPTIONS: &str = "subscriptions";
/// How poll and senders agree.
pub(super) const AGREEMENT: &str = "agreement";
/// Until when somebody sees to the subscriptions.
pub(super) const TENDING: &str = "tending";
/// What was told.
pub(super) const TOLD: &str = "told";

/// How often a change is tried before whoever changes the same thing is let go first.
const TRIES: usize = 5;

/// A document as it was read.
pub(super) struct Kept<T> {
    text: Option<String>,
    /// What it says; nothing where there is none, or none that can be read.
    pub(super) value: Option<T>,
}

/// Reads a document.
pub(super) async fn read<T: DeserializeOwned>(
    marks: &dyn Marks,
    tenant: TenantId,
    name: &str,
) -> Result<Kept<T>, PortError> {
    let text = marks.mark(tenant, name).await?;
    let value = text.as_deref().and_then(|text| serde_json::from_str(text).ok());
    Ok(Kept { text, value })
}

/// Writes a document, if it is still as it was read; says whether it was.
pub(super) async fn write<T: Serialize>(
    marks: &dyn Marks,
    tenant: TenantId,
    name: &str,
    kept: &mut Kept<T>,
    value: T,
) -> Result<bool, PortError> {
    let text = serde_json::to_string(&value).map_err(|error| {
        PortError::new(Failure::Unintelligible, "a mark cannot be written").because(error)
    })?;
    kept.value = Some(value);
    if kept.text.as_deref() == Some(&text) {
        return Ok(true);
    }
    let written = marks.set_mark(tenant, name, kept.text.as_deref(), &text).await?;
    kept.text = Some(text);
    Ok(written)
}

/// Changes a document, whatever others do to it meanwhile.
pub(super) async fn change<T: Serialize + DeserializeOwned + Default>(
    marks: &dyn Marks,
    tenant: TenantId,
    name: &str,
    change: impl Fn(&mut T),
) -> Result<(), PortError> {
    for _ in 0..TRIES {
        let mut kept = read::<T>(marks, tenant, name).await?;
        let mut value = kept.value.take().unwrap_or_default();
        change(&mut value);
        if write(marks, tenant, name, &mut kept, value).await? {
            return Ok(());
        }
    }
    Err(PortError::new(Failure::Transient, "others keep changing what is remembered of a tenant"))
}
