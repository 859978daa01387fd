//! `github`: issues of a repository on GitHub, in the cloud or on GitHub Enterprise Server.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::{Address, SecretName, Takes};

/// Issues of a private repository on GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Github {
    /// The repository: `owner/name`. It has to be private.
    pub repository: Repository,
    /// Where its API is. Default: `https://api.github.com`; on GitHub Enterprise Server
    /// `https://HOST/api/v3`.
    pub url: Option<Address>,
}

/// `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$"))]
pub struct Repository {
    /// Whose it is.
    pub owner: String,
    /// Its name.
    pub name: String,
}

impl<'de> Deserialize<'de> for Repository {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fits = |part: &str| {
            !part.is_empty()
                && part.bytes().any(|byte| byte != b'.')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        match text.split_once('/') {
            Some((owner, name)) if fits(owner) && fits(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(de::Error::custom("this must be a repository: owner/name")),
        }
    }
}

impl Github {
    pub(super) const TAKES: Takes = Takes::Tickets;

    #[expect(clippy::unused_self, reason = "other kinds ask for more or fewer by their settings")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![
            SecretName { name: "token", needed: true, what: "issues are opened with it" },
            SecretName {
                name: "callbackSecret",
                needed: false,
                what: "what GitHub sends is signed with it",
            },
        ]
    }

    pub(super) fn place(&self) -> String {
        let origin = self.url.as_ref().map_or("https://api.github.com".to_owned(), Address::origin);
        format!("{origin}, {}/{}", self.repository.owner, self.repository.name)
    }
}
