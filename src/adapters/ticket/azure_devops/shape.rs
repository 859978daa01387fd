//! The shapes of what Azure DevOps answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::ticket::said::TicketKey;

#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) id: u64,
    pub(super) rev: u64,
    pub(super) fields: Fields,
}

#[derive(Deserialize)]
pub(super) struct Fields {
    #[serde(rename = "System.State")]
    pub(super) state: String,
    #[serde(rename = "System.WorkItemType")]
    pub(super) kind: String,
    /// Between semicolons.
    #[serde(default, rename = "System.Tags")]
    pub(super) tags: Option<String>,
    #[serde(default, rename = "System.Description")]
    pub(super) description: Option<String>,
    #[serde(default, rename = "Microsoft.VSTS.Common.Priority")]
    pub(super) priority: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Project {
    pub(super) name: String,
    /// Left out by servers of one's own, whose projects are all private.
    #[serde(default)]
    pub(super) visibility: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Updates {
    pub(super) value: Vec<Update>,
}

/// What one revision changed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update {
    #[serde(default)]
    pub(super) revised_by: Option<Person>,
    #[serde(default)]
    pub(super) fields: BTreeMap<String, Changed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changed {
    #[serde(default)]
    pub(super) old_value: Value,
    #[serde(default)]
    pub(super) new_value: Value,
}

/// A person: the name they are shown with is their own choice, and so is not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Person {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) unique_name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Hits {
    #[serde(rename = "workItems")]
    pub(super) items: Vec<Hit>,
}

#[derive(Deserialize)]
pub(super) struct Hit {
    pub(super) id: u64,
}

#[derive(Deserialize)]
pub(super) struct States {
    pub(super) value: Vec<State>,
}

#[derive(Deserialize)]
pub(super) struct State {
    pub(super) name: String,
    pub(super) category: String,
}

#[derive(Deserialize)]
pub(super) struct Comments {
    pub(super) comments: Vec<Comment>,
}

#[derive(Deserialize)]
pub(super) struct Comment {
    pub(super) text: Option<String>,
}

impl Item {
    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        self.fields.tags.as_deref().unwrap_or_default().split(';').map(str::trim)
    }

    /// Whether its text has this in it.
    pub(super) fn shows(&self, what: &str) -> bool {
        self.fields.description.as_ref().is_some_and(|text| text.contains(what))
    }

    pub(super) fn has(&self, key: &TicketKey) -> bool {
        // Tags are the same in whatever case they were written first.
        self.tags().any(|tag| tag.eq_ignore_ascii_case(key.as_str()))
    }
}
