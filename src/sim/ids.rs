//! Ids derived from names, so that two runs of the same scenario speak of the same objects.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// A GUID that is always the same for the same parts.
pub(crate) fn guid(parts: &[&str]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(parts)[..16]);
    Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// The id of a role assignment: opaque text, not a GUID, and the same again for the same
/// principal, role and scope
/// (shape: <https://learn.microsoft.com/graph/api/rbacapplication-list-roleassignments>).
pub(crate) fn assignment(tenant: &str, principal: &str, role: &str, scope: &str) -> String {
    format!("{}-1", token(&[tenant, principal, role, scope]))
}

/// Opaque text that is always the same for the same parts.
pub(crate) fn token(parts: &[&str]) -> String {
    URL_SAFE_NO_PAD.encode(digest(parts))
}

/// Whether the text is written as a GUID.
pub(crate) fn is_guid(text: &str) -> bool {
    Uuid::try_parse(text).is_ok()
}

/// A name as the first label of a domain: `Contoso Reseller` is `contoso-reseller`.
pub(crate) fn label(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.to_ascii_lowercase());
    }
    hash.finalize().into()
}
