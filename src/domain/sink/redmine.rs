//! `redmine`: issues of a project of Redmine.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, Name, SecretName, Takes};

/// Issues of a project of Redmine 5 or later.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Redmine {
    /// Where Redmine is, such as `https://redmine.example.com`.
    pub url: Address,
    /// The project, by its identifier.
    pub project: Name,
    /// The number of the custom field that holds the key; it has to be one that can be filtered by.
    pub key_field: NonZeroU32,
    /// How Redmine reads texts: what its settings say under "Text formatting". With the wrong one,
    /// what partners call themselves would not be shown as it is.
    pub formatting: Formatting,
    /// The number of the tracker. Default: the project's first.
    pub tracker: Option<NonZeroU32>,
    /// The number of the status of an issue that is ended. Default: the first closed one that the
    /// workflow allows.
    pub closed_status: Option<NonZeroU32>,
    /// The number of the status of an issue that is taken up again. Default: the first open one
    /// that the workflow allows.
    pub reopened_status: Option<NonZeroU32>,
}

/// How Redmine reads texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Formatting {
    /// "Textile".
    Textile,
    /// "Markdown" and "`CommonMark` Markdown".
    Markdown,
    /// "none".
    None,
}

impl Redmine {
    pub(super) const TAKES: Takes = Takes::Tickets;

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![SecretName { name: "apiKey", needed: true, what: "issues are opened with it" }]
    }

    pub(super) fn place(&self) -> String {
        format!("{}, project {}", self.url.origin(), self.project.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_or_unknown_to_redmine_is_refused() {
        let whole = json!({
            "url": "https://redmine.example", "project": "security", "keyField": 7,
            "formatting": "textile",
        });
        let settings: Redmine = serde_json::from_value(whole.clone()).unwrap();
        assert_eq!(settings.place(), "https://redmine.example, project security");
        for (name, wrong) in [("keyField", json!(0)), ("formatting", json!("html"))] {
            let mut settings = whole.clone();
            settings[name] = wrong;
            assert!(serde_json::from_value::<Redmine>(settings).is_err(), "{name}");
        }
        for needed in ["url", "project", "keyField", "formatting"] {
            let mut settings = whole.clone();
            settings.as_object_mut().unwrap().remove(needed);
            assert!(serde_json::from_value::<Redmine>(settings).is_err(), "{needed}");
        }
    }
}
