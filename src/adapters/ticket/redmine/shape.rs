//! What Redmine answers with, as far as it is read.

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct Whole<T> {
    #[serde(alias = "project", alias = "user", alias = "role")]
    pub(super) issue: T,
}

#[derive(Deserialize)]
pub(super) struct Issues {
    pub(super) issues: Vec<Issue>,
}

#[derive(Deserialize)]
pub(super) struct Numbered {
    pub(super) id: u32,
}

#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) id: u32,
    pub(super) name: String,
    /// Missing before Redmine 5.
    pub(super) is_closed: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Field {
    pub(super) id: u32,
    #[serde(default)]
    pub(super) value: Value,
}

#[derive(Deserialize)]
pub(super) struct Issue {
    pub(super) id: u64,
    pub(super) status: Status,
    pub(super) priority: Numbered,
    pub(super) author: Option<Numbered>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) custom_fields: Vec<Field>,
    #[serde(default)]
    pub(super) journals: Vec<Journal>,
    pub(super) allowed_statuses: Option<Vec<Status>>,
}

#[derive(Deserialize)]
pub(super) struct Journal {
    pub(super) user: Option<Numbered>,
    #[serde(default)]
    pub(super) notes: Option<String>,
    #[serde(default)]
    pub(super) details: Vec<Detail>,
}

#[derive(Deserialize)]
pub(super) struct Detail {
    pub(super) property: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) new_value: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Project {
    pub(super) id: u32,
    #[serde(default)]
    pub(super) trackers: Vec<Numbered>,
}

/// The user of the key. Redmine sends the key itself along, which is not read.
#[derive(Deserialize)]
pub(super) struct User {
    #[serde(default)]
    pub(super) admin: bool,
    #[serde(default)]
    pub(super) memberships: Vec<Membership>,
}

#[derive(Deserialize)]
pub(super) struct Membership {
    pub(super) project: Numbered,
    pub(super) roles: Vec<Numbered>,
}

#[derive(Deserialize)]
pub(super) struct Role {
    pub(super) permissions: Vec<String>,
}

impl Issue {
    /// Whether its custom field says that it is the ticket of this key.
    pub(super) fn has(&self, field: u32, key: &str) -> bool {
        let own = self.custom_fields.iter().filter(|it| it.id == field);
        own.into_iter().any(|it| match &it.value {
            Value::String(value) => value == key,
            Value::Array(values) => values.iter().any(|value| value.as_str() == Some(key)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
        })
    }

    pub(super) fn is_ours(&self, field: u32) -> bool {
        let own = self.custom_fields.iter().filter(|it| it.id == field);
        own.filter_map(|it| it.value.as_str()).any(|value| value.starts_with("pw1-"))
    }

    /// Who gave it the status it has, by number: a user chooses the name that others see.
    pub(super) fn who(&self) -> Option<u32> {
        let set = self.journals.iter().rev().find_map(|journal| {
            let to = journal
                .details
                .iter()
                .find(|detail| detail.property == "attr" && detail.name == "status_id")?;
            Some((to.new_value.as_deref(), journal.user.as_ref()))
        });
        match set {
            Some((to, user)) if to == Some(self.status.id.to_string().as_str()) => {
                user.map(|user| user.id)
            }
            Some(_) => None,
            None => self.author.as_ref().map(|user| user.id),
        }
    }
}
