//! What Request Tracker answers with, as far as it is read.

use serde::Deserialize;
use serde_json::Value;

use crate::domain::ticket::said::TicketKey;

/// Request Tracker writes numbers as texts in some places.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Number(u64),
    Text(String),
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(rename = "ref")]
    pub(super) what: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Queue {
    #[serde(rename = "TicketCustomFields", default)]
    pub(super) fields: Vec<Named>,
    #[serde(rename = "_hyperlinks", default)]
    pub(super) links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct Version {
    #[serde(rename = "Version")]
    pub(super) version: String,
}

#[derive(Deserialize)]
pub(super) struct User {
    pub(super) id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Ticket {
    #[serde(rename = "id")]
    pub(super) id: Id,
    pub(super) status: String,
    /// A list, or an empty text where the user may see none.
    #[serde(default)]
    pub(super) custom_fields: Value,
    pub(super) priority: Option<Id>,
    pub(super) creator: Option<User>,
    #[serde(rename = "_hyperlinks", default)]
    pub(super) links: Vec<Link>,
}

#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) id: Id,
}

#[derive(Deserialize)]
pub(super) struct Any {
    pub(super) id: Id,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attachment {
    pub(super) content: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StatusSet {
    pub(super) new_value: Option<String>,
    pub(super) creator: Option<User>,
}

impl Id {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Ticket {
    /// Whether its custom field says that it is the ticket of this key.
    pub(super) fn has(&self, field: &str, key: &TicketKey) -> bool {
        self.values(field).any(|value| value == key.as_str())
    }

    pub(super) fn values(&self, field: &str) -> impl Iterator<Item = &str> {
        let fields = self.custom_fields.as_array().into_iter().flatten();
        let own = fields.filter(move |it| it["name"].as_str() == Some(field));
        own.flat_map(|it| it["values"].as_array().into_iter().flatten()).filter_map(Value::as_str)
    }

    pub(super) fn links_to(&self, what: &str) -> bool {
        links_to(&self.links, what)
    }
}

pub(super) fn links_to(links: &[Link], what: &str) -> bool {
    links.iter().any(|link| link.what.as_deref() == Some(what))
}
