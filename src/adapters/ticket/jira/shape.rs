//! The shapes of what Jira answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::ticket::said::Ground;

#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) id: String,
    pub(super) key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Requested {
    pub(super) issue_id: String,
    pub(super) issue_key: String,
}

#[derive(Deserialize)]
pub(super) struct Issues {
    pub(super) issues: Vec<Issue>,
}

#[derive(Deserialize)]
pub(super) struct Issue {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) fields: Fields,
    #[serde(default)]
    changelog: Changelog,
}

#[derive(Deserialize)]
pub(super) struct Fields {
    pub(super) status: Status,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) priority: Option<Named>,
    #[serde(default)]
    pub(super) creator: Option<User>,
    /// A document on Jira Cloud, a text in a data center.
    #[serde(default)]
    pub(super) description: Value,
}

#[derive(Deserialize, Default)]
struct Changelog {
    histories: Vec<History>,
}

#[derive(Deserialize)]
struct History {
    id: String,
    #[serde(default)]
    author: Option<User>,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    field: String,
    /// The id of what it became.
    #[serde(default)]
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) id: String,
    name: String,
    #[serde(rename = "statusCategory")]
    category: Category,
}

#[derive(Deserialize)]
struct Category {
    key: String,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
    name: String,
}

#[derive(Deserialize)]
pub(super) struct Transitions {
    pub(super) transitions: Vec<Transition>,
}

#[derive(Deserialize)]
pub(super) struct Transition {
    pub(super) id: String,
    pub(super) to: Status,
}

/// A user: with an account id on Jira Cloud, with a name in a data center.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    #[serde(default)]
    account_id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email_address: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Permissions {
    permissions: BTreeMap<String, Permission>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    have_permission: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Project {
    pub(super) issue_types: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Desk {
    pub(super) project_key: String,
}

/// The fields of a new issue: `fields` on Jira Cloud, `values` in a data center.
#[derive(Deserialize)]
pub(super) struct Screen {
    #[serde(alias = "values")]
    pub(super) fields: Vec<Field>,
    #[serde(default)]
    pub(super) total: Option<usize>,
}

/// The fields of a new request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Form {
    pub(super) request_type_fields: Vec<Field>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Field {
    #[serde(rename = "fieldId")]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) required: bool,
    /// Of an issue's field.
    #[serde(default)]
    pub(super) has_default_value: bool,
}

#[derive(Deserialize)]
pub(super) struct Comments {
    pub(super) comments: Vec<Comment>,
}

#[derive(Deserialize)]
pub(super) struct Comment {
    pub(super) body: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Approvals {
    values: Vec<Approval>,
    #[serde(default)]
    is_last_page: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Approval {
    final_decision: String,
    #[serde(default)]
    approvers: Vec<Approver>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Approver {
    approver: User,
    approver_decision: String,
}

impl Status {
    /// Whether nothing is left to do; the category has the same name in every language.
    pub(super) fn is_done(&self) -> bool {
        self.category.key == "done"
    }

    /// Whether this is its id or its name.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.id == name || self.name.to_lowercase() == name.to_lowercase()
    }
}

impl Named {
    /// Whether this is its id or its name.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.id == name || self.name.to_lowercase() == name.to_lowercase()
    }
}

impl User {
    /// Whether it is the same user.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.account_id, &other.account_id) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self.name.is_some() && self.name == other.name,
            _ => false,
        }
    }

    /// What it goes by; not by the name it is shown with, which everybody chooses for themselves.
    fn names(&self) -> Vec<String> {
        [&self.account_id, &self.name, &self.email_address].into_iter().flatten().cloned().collect()
    }
}

impl Permissions {
    pub(super) fn has(&self, name: &str) -> bool {
        self.permissions.get(name).is_some_and(|it| it.have_permission)
    }
}

impl Issue {
    /// Whether anything is left to do.
    pub(super) fn is_open(&self) -> bool {
        !self.fields.status.is_done()
    }

    /// Its status, without who gave it.
    pub(super) fn status(&self) -> Ground {
        let status = &self.fields.status;
        Ground { states: vec![status.id.clone(), status.name.clone()], by: Vec::new() }
    }

    /// Its status, if it is seen who gave it.
    pub(super) fn given_status(&self) -> Option<Ground> {
        let status = &self.fields.status;
        let set = self.changelog.histories.iter().filter_map(|history| {
            let item = history.items.iter().rfind(|item| item.field == "status")?;
            Some((history.id.parse::<u64>().ok()?, item, history.author.as_ref()))
        });
        let last = set.max_by_key(|(id, _, _)| *id);
        let (_, _, author) = last.filter(|(_, it, _)| it.to.as_deref() == Some(&status.id))?;
        Some(Ground { by: author?.names(), ..self.status() })
    }
}

impl Approvals {
    /// What they come to, and whose they are; nothing while one is pending, or where not all can
    /// be seen.
    pub(super) fn outcome(&self) -> Option<Ground> {
        let is = |word: &'static str| move |it: &&Approval| it.final_decision == word;
        let by = |word: &'static str| {
            let who = self.values.iter().filter(is(word)).flat_map(|it| &it.approvers);
            let who = who.filter(|it| it.approver_decision == word);
            who.flat_map(|it| it.approver.names()).collect()
        };
        let came = |word: &'static str| {
            Some(Ground { states: vec![format!("approval:{word}")], by: by(word) })
        };
        if self.values.iter().any(|it| is("declined")(&it)) {
            return came("declined");
        }
        let all = self.is_last_page != Some(false)
            && !self.values.is_empty()
            && self.values.iter().all(|it| is("approved")(&it));
        if all { came("approved") } else { None }
    }
}
