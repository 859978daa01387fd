//! `jira`: issues of a project in Jira, in the cloud or in a data center, or requests of a service
//! desk there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::Value;

use super::{Address, Name, SecretName, Takes};

/// Issues of a project in Jira, or requests of a service desk.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Unchecked")]
#[schemars(with = "Unchecked")]
pub struct Jira {
    /// Which Jira it is.
    pub edition: Edition,
    /// Where it is.
    pub url: Address,
    /// Whose token it is; nothing where the token stands alone.
    pub email: Option<Name>,
    /// The project, by key.
    pub project: ProjectKey,
    /// What a new ticket becomes.
    pub becomes: Becomes,
    /// The status that ends a ticket.
    pub close_status: Option<Name>,
    /// The status of a ticket that is taken up again.
    pub reopen_status: Option<Name>,
    /// What the transition that ends a ticket asks for.
    pub close_fields: BTreeMap<String, Value>,
}

/// What a new ticket becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Becomes {
    /// An issue of this type, by name or id.
    Issue(Name),
    /// A request of a service desk.
    Request {
        /// The id of the service desk.
        desk: Name,
        /// The id of the request type.
        kind: Name,
    },
}

/// Issues of a project in Jira, or requests of a service desk.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Jira")]
struct Unchecked {
    /// `cloud` or `data-center`.
    edition: Edition,
    /// Where Jira is: `https://SITE.atlassian.net`, `https://api.atlassian.com/ex/jira/CLOUD-ID`
    /// for a token with scopes, or the base address in a data center.
    url: Address,
    /// Jira Cloud: the address of the account whose API token it is. Without it the token is a
    /// bearer token, such as a personal access token of a data center.
    email: Option<Name>,
    /// The project, by key.
    project: ProjectKey,
    /// The type of new issues, by name or id. Not with `serviceDesk`.
    issue_type: Option<Name>,
    /// Jira Service Management: the id of the service desk. Needs `requestType`.
    service_desk: Option<Name>,
    /// Jira Service Management: the id of the request type. Needs `serviceDesk`.
    request_type: Option<Name>,
    /// The status that ends a ticket, by name or id. Default: the only status of the category
    /// *done* that can be reached.
    close_status: Option<Name>,
    /// The status of a ticket that is taken up again, by name or id. Default: the first one that
    /// can be reached and is not *done*.
    reopen_status: Option<Name>,
    /// What the transition that ends a ticket asks for, such as `{resolution: {name: Done}}`.
    #[serde(default)]
    close_fields: BTreeMap<String, Value>,
}

/// Which Jira it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Edition {
    /// Jira Cloud.
    Cloud,
    /// Jira Data Center.
    DataCenter,
}

/// The key of a project: a capital letter, and then capital letters, digits and `_`, since it
/// becomes part of a query.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[A-Z][A-Z0-9_]{0,254}$"))]
pub struct ProjectKey(String);

impl ProjectKey {
    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ProjectKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let inner = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let fits = text.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase())
            && text.len() <= 255
            && text.bytes().all(inner);
        if !fits {
            return Err(de::Error::custom(
                "this must be the key of a project: capital letters, digits and `_`",
            ));
        }
        Ok(Self(text))
    }
}

impl TryFrom<Unchecked> for Jira {
    type Error = &'static str;

    fn try_from(it: Unchecked) -> Result<Self, Self::Error> {
        let becomes = match (it.issue_type, it.service_desk, it.request_type) {
            (Some(kind), None, None) => Becomes::Issue(kind),
            (None, Some(desk), Some(kind)) => Becomes::Request { desk, kind },
            (None, None, None) => {
                return Err("`issueType` is missing, or `serviceDesk` and `requestType`");
            }
            (None, _, _) => return Err("`serviceDesk` and `requestType` go together"),
            (Some(_), _, _) => {
                return Err("`issueType` does not go with `serviceDesk` or `requestType`");
            }
        };
        Ok(Self {
            edition: it.edition,
            url: it.url,
            email: it.email,
            project: it.project,
            becomes,
            close_status: it.close_status,
            reopen_status: it.reopen_status,
            close_fields: it.close_fields,
        })
    }
}

impl Jira {
    pub(super) const TAKES: Takes = Takes::Tickets;

    #[expect(clippy::unused_self, reason = "every kind is asked alike")]
    pub(super) fn secrets(&self) -> Vec<SecretName> {
        vec![
            SecretName { name: "token", needed: true, what: "tickets are opened with it" },
            SecretName {
                name: "callbackSecret",
                needed: false,
                what: "what Jira sends is signed with it",
            },
        ]
    }

    pub(super) fn place(&self) -> String {
        format!("{}, project {}", self.url.origin(), self.project.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(more: &Value) -> Result<Jira, String> {
        let mut settings = json!({ "edition": "cloud", "url": "https://woodgrove.atlassian.net", "project": "SEC" });
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        serde_json::from_value(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn a_ticket_becomes_an_issue_or_a_request_and_never_something_guessed() {
        let issue = read(&json!({ "issueType": "Task" })).unwrap();
        assert!(matches!(issue.becomes, Becomes::Issue(kind) if kind.as_str() == "Task"));
        let request = read(&json!({ "serviceDesk": "1", "requestType": "10" })).unwrap();
        assert!(matches!(request.becomes, Becomes::Request { .. }));
        for (more, what) in [
            (json!({}), "`issueType` is missing"),
            (json!({ "serviceDesk": "1" }), "go together"),
            (json!({ "requestType": "1" }), "go together"),
            (json!({ "issueType": "Task", "serviceDesk": "1", "requestType": "1" }), "not go with"),
            (json!({ "issueType": "Task", "desk": "1" }), "unknown field"),
        ] {
            let error = read(&more).unwrap_err();
            assert!(error.contains(what), "{more}: {error}");
        }
    }

    #[test]
    fn what_would_be_more_than_a_project_in_a_query_is_refused() {
        for wrong in ["", "sec", "1SEC", "SEC OR project = X", "SEC\"", "S-C"] {
            let error = read(&json!({ "issueType": "Task", "project": wrong })).unwrap_err();
            assert!(error.contains("the key of a project"), "{wrong}: {error}");
        }
    }
}
