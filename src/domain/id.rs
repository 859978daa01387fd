//! Identifiers as types, so that one kind is never passed where another is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The text given where a GUID was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a GUID such as 11111111-1111-1111-1111-111111111111")]
pub struct NotAGuid;

macro_rules! guid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl FromStr for $name {
            type Err = NotAGuid;

            fn from_str(text: &str) -> Result<Self, NotAGuid> {
                Uuid::try_parse(text.trim()).map(Self).map_err(|_| NotAGuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

guid! {
    /// An Entra tenant that is guarded. Printed in lower case with hyphens.
    TenantId
}
guid! {
    /// A partner, named by its own Entra tenant.
    PartnerId
}

impl PartnerId {
    /// The tenant Microsoft Support uses while a support case is open.
    ///
    /// Source: Microsoft 365 support documentation of 2026-01-15.
    pub const MICROSOFT_SUPPORT: Self =
        Self(Uuid::from_u128(0xb4c5_46a4_7dac_46a6_a7dd_ed82_2a11_efd3));
}

impl From<TenantId> for PartnerId {
    fn from(tenant: TenantId) -> Self {
        Self(tenant.0)
    }
}

impl PartnerId {
    /// The same tenant, seen as a tenant.
    pub fn tenant(self) -> TenantId {
        TenantId(self.0)
    }
}

/// The object id of a principal: a GUID in practice, compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PrincipalId(String);

impl From<String> for PrincipalId {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<PrincipalId> for String {
    fn from(id: PrincipalId) -> Self {
        id.0
    }
}

impl PrincipalId {
    /// The id in its one written form.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_ascii_lowercase())
    }

    /// The id as Graph takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a unifiedRoleAssignment: opaque and sensitive to case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AssignmentId(pub String);

impl fmt::Display for AssignmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a ticket sink in the policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SinkName(pub String);

impl fmt::Display for SinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }

    /// The digest of several fields. Each is preceded by its length, so that no two lists of
    /// fields share an input.
    pub fn of_fields(fields: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for field in fields {
            hasher.update((field.len() as u64).to_be_bytes());
            hasher.update(field.as_bytes());
        }
        Self(hex(&hasher.finalize()))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, enough for a person to compare.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One step of one plan: a hash over tenant, partner, grant, remediation and observed version.
///
/// The ledger refuses to carry out a step of the same id twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub Sha256Hex);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_has_one_written_form() {
        let upper: TenantId = "{ABCDEF00-0000-0000-0000-000000000001}".parse().unwrap();
        assert_eq!(upper.to_string(), "abcdef00-0000-0000-0000-000000000001");
        assert_eq!("not-a-guid".parse::<TenantId>(), Err(NotAGuid));
        assert_eq!("".parse::<PartnerId>(), Err(NotAGuid));
    }

    #[test]
    fn principals_are_compared_without_regard_to_case_and_assignments_with() {
        assert_eq!(PrincipalId::new(" ABC "), PrincipalId::new("abc"));
        assert_ne!(AssignmentId("aB".into()), AssignmentId("ab".into()));
    }

    #[test]
    fn fields_cannot_run_into_each_other() {
        assert_ne!(Sha256Hex::of_fields(&["ab", "c"]), Sha256Hex::of_fields(&["a", "bc"]));
        assert_eq!(
            Sha256Hex::of(b"abc").as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
