//! Where tickets go: what a policy says of each sink. One file for each kind of system, and one
//! list of them.

mod azure_devops;
mod connectwise;
mod email;
mod github;
mod halopsa;
mod jira;
mod jsm_operations;
mod own;
mod pagerduty;
mod redmine;
mod request_tracker;
mod servicenow;
mod slack;
mod splunk_on_call;
mod teams;
mod together;
mod webhook;
mod zendesk;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer};
use serde_json::Value;
use url::Url;

use super::finding::Severity;
use super::id::SinkName;
use super::policy::is_protected;
use super::secret::Secret;
use super::text::one_line;

pub use self::azure_devops::AzureDevops;
pub use self::connectwise::Connectwise;
pub use self::email::{Email, EmailAddress, MailServer, Tls};
pub use self::github::{Github, Repository};
pub use self::halopsa::Halopsa;
pub use self::jira::{Becomes, Edition, Jira, ProjectKey};
pub use self::jsm_operations::JsmOperations;
pub use self::pagerduty::PagerDuty;
pub use self::redmine::{Formatting, Redmine};
pub use self::request_tracker::{KeyField, RequestTracker};
pub use self::servicenow::{Record, Servicenow, SignsIn, Staging};
pub use self::slack::{Channel, Slack};
pub use self::splunk_on_call::SplunkOnCall;
pub use self::teams::Teams;
pub use self::webhook::{Format, Webhook};
pub use self::zendesk::Zendesk;

/// A sink: what every one has, and what its kind asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// What every sink has.
    pub common: Common,
    /// What its kind asks for.
    pub settings: Settings,
}

/// What every sink has.
#[derive(Debug, Clone, PartialEq)]
pub struct Common {
    /// Whether nothing is written to Graph about a case before its ticket is there.
    pub gate: bool,
    /// Who is told in its place while it takes nothing.
    pub fallback: Option<SinkName>,
    /// Whether its tickets are closed once nothing of the case stands any more.
    pub close: bool,
    /// The system's own name or number for a severity; the system's default where none is named.
    pub priority: BTreeMap<Severity, String>,
    /// More fields of a new ticket, by the system's names for them. Texts in them are templates.
    pub fields: IndexMap<String, Value>,
    /// The author's own texts.
    pub templates: Texts,
    /// Which states of a ticket decide about what people are asked.
    pub decide: Decides,
    /// Where its templates stand in the policy, as line and column: by `templates.body` and the
    /// like, and `fields.NAME`.
    pub places: BTreeMap<String, (u64, u64)>,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            gate: false,
            fallback: None,
            close: true,
            priority: BTreeMap::new(),
            fields: IndexMap::new(),
            templates: Texts::default(),
            decide: Decides::default(),
            places: BTreeMap::new(),
        }
    }
}

/// The author's own texts, as templates. The built-in one stands where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// The ticket's title: one line.
    pub title: Option<String>,
    /// What a new ticket says.
    pub body: Option<String>,
    /// What is said when something changed.
    pub comment: Option<String>,
    /// What is said at the end.
    pub close: Option<String>,
}

/// Which states of a ticket decide, by the ids or names the system gives them. A state that merely
/// ends a ticket never agrees to anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decides {
    /// The states that agree.
    pub approve: Vec<String>,
    /// The states that refuse; refusal wins.
    pub refuse: Vec<String>,
    /// Who may decide, as the system names them; anybody who may change the ticket if empty.
    pub by: Vec<String>,
}

impl Decides {
    /// Whether anything in the ticket decides.
    pub fn any(&self) -> bool {
        !self.approve.is_empty() || !self.refuse.is_empty()
    }
}

/// What a sink does with what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// It keeps tickets, which can be read again.
    Tickets,
    /// It takes messages, and says no more than that it took them.
    Messages,
}

/// A secret that a sink is known by or knows us by: `tickets.{sink}.{name}` in the secrets document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretName {
    /// Its name.
    pub name: &'static str,
    /// Whether nothing works without it.
    pub needed: bool,
    /// What it is for, to complete "… is missing; ".
    pub what: &'static str,
}

/// The secret by which what a ticket system calls back with is proven.
pub const CALLBACK_SECRET: &str = "callbackSecret";

/// The secrets by which what a ticket system calls back with is proven: the current one, and the
/// previous one while they are rotated.
const CALLBACK: [SecretName; 2] = [
    SecretName {
        name: CALLBACK_SECRET,
        needed: false,
        what: "what the system calls back with is proven by it",
    },
    SecretName {
        name: "callbackSecretPrevious",
        needed: false,
        what: "what the system calls back with may still be proven by it",
    },
];

/// The list of kinds: the word in the policy, and the file with what it asks for.
macro_rules! kinds {
    ($($kind:ident = $word:literal,)*) => {
        /// What the kind of a sink asks for.
        #[derive(Debug, Clone, PartialEq, serde::Deserialize)]
        pub enum Settings {
            $(
                #[doc = concat!("`kind: ", $word, "`")]
                #[serde(rename = $word)]
                $kind($kind),
            )*
        }

        impl Settings {
            /// Every word that may stand under `kind`.
            pub const KINDS: &[&str] = &[$($word),*];

            /// The word under `kind`.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => $word,)* }
            }

            /// What it does with what it is told.
            pub fn takes(&self) -> Takes {
                match self { $(Self::$kind(_) => $kind::TAKES,)* }
            }

            /// The secrets it goes by. Each that keeps tickets may call back when one changes.
            pub fn secrets(&self) -> Vec<SecretName> {
                let mut secrets = match self { $(Self::$kind(it) => it.secrets(),)* };
                if self.takes() == Takes::Tickets {
                    let more = CALLBACK.into_iter().filter(|it| {
                        !secrets.iter().any(|own| own.name == it.name)
                    });
                    secrets.extend(more.collect::<Vec<_>>());
                }
                secrets
            }

            /// Where it is, fit to show: without what is a secret.
            pub fn place(&self) -> String {
                match self { $(Self::$kind(it) => it.place(),)* }
            }

            /// What is asked for, for each kind.
            pub(super) fn schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$(($word, $kind::json_schema(generator))),*]
            }
        }
    };
}

kinds! {
    Webhook = "webhook",
    Github = "github",
    RequestTracker = "request-tracker",
    Redmine = "redmine",
    Jira = "jira",
    AzureDevops = "azure-devops",
    PagerDuty = "pagerduty",
    JsmOperations = "jsm-operations",
    SplunkOnCall = "splunk-on-call",
    Halopsa = "halopsa",
    Connectwise = "connectwise",
    Servicenow = "servicenow",
    Zendesk = "zendesk",
    Slack = "slack",
    Teams = "teams",
    Email = "email",
}

impl Settings {
    /// What is wrong with a secret, to stand after its name; nothing where that can only be seen by
    /// going by it.
    pub fn fault(&self, name: &str, secret: &Secret) -> Option<String> {
        if let Self::Slack(it) = self {
            it.fault(name, secret)
        } else if let Self::Teams(it) = self {
            it.fault(name, secret)
        } else {
            None
        }
    }
}

/// A web address of a system: https, or http to this machine; without a user, a password or a
/// fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("not a url: {error}"))?;
        if !is_protected(&url) {
            return Err("the url must be https (plain http only to this machine)".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(
                "the url must have no user, password or fragment; secrets belong into the \
                        secrets document"
                    .to_owned(),
            );
        }
        Ok(Self(url))
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Scheme, host and port: what may be shown where the path can be a secret.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "format": "uri" })
    }
}

/// A name or id in the words of a system: one line of 1 to 255 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Err(de::Error::custom("this must not be empty"));
        }
        if text.chars().count() > 255 || text != one_line(&text) {
            return Err(de::Error::custom("this must be one line of at most 255 characters"));
        }
        Ok(Self(text))
    }
}

impl JsonSchema for Name {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Name".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": ["string", "integer"], "minLength": 1, "maxLength": 255 })
    }
}
