//! A snapshot of a tenant as a file: written by `facts export`, judged by `scan --facts`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::id::TenantId;
use super::roster::Tenant;
use super::text;

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;

/// Most bytes that are read of a file: enough for a tenant with hundreds of thousands of grants.
pub const BYTES_MAX: usize = 256 << 20;

/// What a tenant looked like at one moment, with whose it is and when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// [`VERSION`].
    pub version: u32,
    /// Whose it is.
    pub tenant: NamedTenant,
    /// When the reading began.
    pub read_at: Timestamp,
    /// What was read, and what could not be.
    pub facts: Facts,
}

/// A tenant by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedTenant {
    /// Its id.
    pub id: TenantId,
    /// The name the policy gives it.
    pub name: String,
}

/// Why a file is no snapshot. The text says what and where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotASnapshot {
    /// It is larger than what is read.
    #[error("larger than {} MiB, the most that is read", BYTES_MAX >> 20)]
    TooLarge,
    /// It is no JSON, or it is cut off.
    #[error("not JSON: {said}; if it was cut off on its way, export it again")]
    NotJson {
        /// What is wrong, with line and column.
        said: String,
    },
    /// It is something else.
    #[error("no snapshot of a tenant: {said}; `partner-warden facts export` writes one")]
    SomethingElse {
        /// What is wrong.
        said: String,
    },
    /// It was written in another version.
    #[error(
        "a snapshot of version {found}, and this program reads version {VERSION}; export it again \
         with this program, or use the one that wrote it"
    )]
    Version {
        /// Its version.
        found: u64,
    },
    /// Some of it is not as it should be.
    #[error("{path}: {said}; export it again")]
    Field {
        /// Where, as a path of JSON.
        path: String,
        /// What is wrong.
        said: String,
    },
}

impl Snapshot {
    /// The snapshot of a tenant, read from `read_at` on.
    pub fn new(tenant: &Tenant, read_at: Timestamp, facts: Facts) -> Self {
        let tenant = NamedTenant { id: tenant.id, name: tenant.name.clone() };
        Self { version: VERSION, tenant, read_at, facts }
    }

    /// Reads a file.
    ///
    /// Every part of the facts must be there, an empty one too: what is left out would be read as
    /// an absence.
    ///
    /// # Errors
    /// [`NotASnapshot`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NotASnapshot> {
        if bytes.len() > BYTES_MAX {
            return Err(NotASnapshot::TooLarge);
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|error| {
            let said = text::foreign(&error.to_string());
            if error.is_data() {
                NotASnapshot::SomethingElse { said }
            } else {
                NotASnapshot::NotJson { said }
            }
        })?;
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            let said = "not an object".to_owned();
            return Err(NotASnapshot::SomethingElse { said });
        }
        if head.version != u64::from(VERSION) {
            return Err(NotASnapshot::Version { found: head.version });
        }
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let snapshot: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = match error.path().to_string().as_str() {
                "." => "the snapshot".to_owned(),
                path => text::foreign(path),
            };
            NotASnapshot::Field { path, said: text::foreign(&error.into_inner().to_string()) }
        })?;
        match parts().difference(&head.facts.0).next() {
            Some(part) => Err(NotASnapshot::Field {
                path: format!("facts.{part}"),
                said: "is left out, and nothing would be known of it".to_owned(),
            }),
            None => Ok(snapshot),
        }
    }

    /// The text of a file.
    pub fn to_json(&self) -> String {
        // The types have nothing that JSON cannot say.
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        text::plain_json(&json) + "\n"
    }
}

/// What tells a snapshot from other files.
#[derive(Deserialize)]
struct Head {
    version: u64,
    #[serde(default)]
    facts: Keys,
}

/// The names of an object's fields.
#[derive(Default)]
struct Keys(BTreeSet<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys =
            std::collections::BTreeMap::<String, serde::de::IgnoredAny>::deserialize(deserializer)?;
        Ok(Self(keys.into_keys().collect()))
    }
}

/// The names of all parts of the facts.
fn parts() -> BTreeSet<String> {
    match serde_json::to_value(Facts::default()) {
        Ok(serde_json::Value::Object(parts)) => parts.into_iter().map(|(part, _)| part).collect(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{GapCause, Part};
    use crate::domain::finding::testing::{Case, noon};

    fn snapshot() -> Snapshot {
        let case = Case::new()
            .foreign_group("Admin\u{202e}Agents", "Global Administrator")
            .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
            .dedicated_account("svc-contoso@woodgrove.example", "Security Administrator")
            .partner_app("Contoso Sync", "Application Administrator")
            .service_provider("22222222-2222-2222-2222-222222222222")
            .calls_itself("22222222-2222-2222-2222-222222222222", "Contoso")
            .gap(Part::Guests, GapCause::Denied);
        Snapshot::new(&case.policy().roster.tenants[0], noon(), case.facts)
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let json = snapshot().to_json();
        assert!(!json.contains('\u{202e}') && json.ends_with("}\n"));
        assert_eq!(Snapshot::parse(json.as_bytes()), Ok(snapshot()));
    }

    fn refused(text: &str) -> String {
        Snapshot::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_snapshot_is_told_with_place_and_mend() {
        let whole = snapshot().to_json();
        let with = |old: &str, new: &str| {
            assert!(whole.contains(old), "{old}");
            whole.replacen(old, new, 1)
        };
        let told = [
            refused(""),
            refused("version: 1"),
            refused("[1]"),
            refused("{}"),
            refused(whole.get(..whole.len() / 2).unwrap()),
            refused(&with("\"version\": 1", "\"version\": 2")),
            refused(&with("11111111-", "woodgrove-")),
            refused(&with("\"readAt\"", "\"at\"")),
            refused(&with("\"principalId\"", "\"principal\"")),
            refused(&with("\"assignments\"", "\"asignments\"")),
            refused("{\"version\":1,\"tenant\":{\"id\":\"\u{1b}[2J\u{202e}\",\"name\":\"W\"}}"),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        not JSON: EOF while parsing a value at line 1 column 0; if it was cut off on its way, export it again
        not JSON: expected value at line 1 column 1; if it was cut off on its way, export it again
        no snapshot of a tenant: not an object; `partner-warden facts export` writes one
        no snapshot of a tenant: missing field `version` at line 1 column 2; `partner-warden facts export` writes one
        not JSON: EOF while parsing a string at line 50 column 17; if it was cut off on its way, export it again
        a snapshot of version 2, and this program reads version 1; export it again with this program, or use the one that wrote it
        tenant.id: UUID parsing failed: invalid character: found `w` at 0 at line 4 column 49; export it again
        the snapshot: missing field `readAt` at line 111 column 1; export it again
        facts.assignments[0]: missing field `principalId` at line 16 column 7; export it again
        facts.assignments: is left out, and nothing would be known of it; export it again
        not JSON: control character (\u0000-\u001F) found while parsing a string at line 1 column 29; if it was cut off on its way, export it again
        ");
    }

    #[test]
    fn every_cut_of_a_file_is_refused() {
        let whole = snapshot().to_json();
        for end in (0..whole.len() - 2).step_by(7) {
            let cut = whole.as_bytes().get(..end).unwrap();
            assert!(Snapshot::parse(cut).is_err(), "cut at {end}");
        }
    }
}
