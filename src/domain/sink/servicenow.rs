//! `servicenow`: incidents or security incidents in ServiceNow.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::{Address, Name, SecretName, Takes};

/// Incidents, or security incidents, in ServiceNow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Unchecked")]
#[schemars(with = "Unchecked")]
pub struct Servicenow {
    /// Where the instance is.
    pub url: Address,
    /// What a ticket becomes.
    pub record: Record,
    /// Who signs in.
    pub signs_in: SignsIn,
    /// The import set table that all writing goes through; the table itself where there is none.
    pub staging: Option<Staging>,
    /// The state of a ticket that is ended.
    pub closed_state: String,
    /// The resolution of a ticket that is ended.
    pub close_code: Option<String>,
    /// The state of a ticket that is taken up again.
    pub reopened_state: String,
    /// States in which nothing is left to do.
    pub ended_states: Vec<String>,
    /// States from which a ticket does not come back.
    pub final_states: Vec<String>,
}

/// What a ticket becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// A record of the table `incident`.
    Incident,
    /// A record of the table `sn_si_incident`, of Security Incident Response.
    SecurityIncident,
}

impl Record {
    /// The table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::SecurityIncident => "sn_si_incident",
        }
    }
}

/// Who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignsIn {
    /// A user, with a password.
    User(Name),
    /// An application, by OAuth 2.0 client credentials.
    Client(Name),
}

/// The name of a table: small letters, digits and `_`, since it becomes part of an address.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[a-z][a-z0-9_]{0,79}$"))]
pub struct Staging(String);

impl Staging {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the names of its columns begin with: `u_` in the global scope, where ServiceNow itself
    /// gives tables and columns that beginning, and nothing in the scope of an application.
    pub fn columns(&self) -> &'static str {
        if self.0.starts_with("u_") { "u_" } else { "" }
    }
}

impl<'de> Deserialize<'de> for Staging {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let fits = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
            && text.len() <= 80
            && text.bytes().all(inner);
        if !fits {
            return Err(de::Error::custom(
                "this must be the name of a table: small letters, digits and `_`",
            ));
        }
        Ok(Self(text))
    }
}

/// Incidents, or security incidents, in ServiceNow.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Servicenow")]
struct Unchecked {
    /// Where the instance is, such as `https://woodgrove.service-now.com`.
    url: Address,
    /// What a ticket becomes. Default: `incident`.
    record: Option<Record>,
    /// The user that signs in with a password. In place of `clientId`.
    user: Option<Name>,
    /// The application that signs in by OAuth 2.0 client credentials. In place of `user`.
    client_id: Option<Name>,
    /// The import set table through which all is written, with a transform map that coalesces on
    /// `correlation_id`. Default: none, records are written themselves.
    staging: Option<Staging>,
    /// The value of `state` of a ticket that is ended. Default for incidents: 6, "Resolved".
    closed_state: Option<Name>,
    /// The value of `close_code` of a ticket that is ended. Default for incidents: "Solution
    /// provided".
    close_code: Option<Name>,
    /// The value of `state` of a ticket that is taken up again. Default for incidents: 2, "In
    /// Progress".
    reopened_state: Option<Name>,
    /// The values of `state` in which nothing is left to do, beside `closedState`. Default for
    /// incidents: 6, 7 and 8.
    ended_states: Option<Vec<Name>>,
    /// The values of `state` from which a ticket does not come back, so that another one is opened
    /// in its place. Default for incidents: 7, "Closed", and 8, "Canceled".
    final_states: Option<Vec<Name>>,
}

impl TryFrom<Unchecked> for Servicenow {
    type Error = &'static str;

    fn try_from(it: Unchecked) -> Result<Self, Self::Error> {
        let signs_in = match (it.user, it.client_id) {
            (Some(user), None) => SignsIn::User(user),
            (None, Some(client)) => SignsIn::Client(client),
            (None, None) => return Err("`user` or `clientId` is missing"),
            (Some(_), Some(_)) => return Err("`user` does not go with `clientId`"),
        };
        let record = it.record.unwrap_or(Record::Incident);
        let incident = record == Record::Incident;
        let text = |name: Option<Name>, default: &str| match name {
            Some(name) => Some(name.as_str().to_owned()),
            None => incident.then(|| default.to_owned()),
        };
        let texts = |names: Option<Vec<Name>>, default: &[&str]| match names {
            Some(names) => names.iter().map(|name| name.as_str().to_owned()).collect(),
            None if incident => default.iter().map(|&name| name.to_owned()).collect(),
            None => Vec::new(),
        };
        // Their numbers depend on the process that is chosen for security incidents.
        let closed_state = text(it.closed_state, "6")
            .ok_or("`closedState` is missing: there is no usual one for security incidents")?;
        let reopened_state = text(it.reopened_state, "2")
            .ok_or("`reopenedState` is missing: there is no usual one for security incidents")?;
        let settings = Self {
            url: it.url,
            record,
            signs_in,
            staging: it.staging,
            closed_state,
            close_code: text(it.close_code, "Solution provided"),
            reopened_state,
            ended_states: texts(it.ended_states, &["6", "7", "8"]),
            final_states: texts(it.final_states, &["7", "8"]),
        };
        let reopened = &settings.reopened_state;
        if settings.has_ended(reopened) || settings.final_states.contains(reopened) {
            return Err("`reopenedState` is one in which nothing is left to do");
        }
        Ok(settings)
    }
}

impl Servicenow {
    pub(super) const TAKES: Takes = Takes::Tickets;

    /// Whether nothing is left to do in a state.
    pub fn has_ended(&self, state: &str) -> bool {
        let mut ended = self.ended_states.iter().chain(&self.final_states);
        state == self.closed_state || ended.any(|it| it == state)
    }

    pub(super) fn secrets(&self) -> Vec<SecretName> {
        let name = match self.signs_in {
            SignsIn::User(_) => "password",
            SignsIn::Client(_) => "clientSecret",
        };
        vec![
            SecretName { name, needed: true, what: "tickets are opened with it" },
            SecretName {
                name: "callbackSecret",
                needed: false,
                what: "what ServiceNow sends is signed with it",
            },
        ]
    }

    pub(super) fn place(&self) -> String {
        format!("{}, table {}", self.url.origin(), self.record.table())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(more: &Value) -> Result<Servicenow, String> {
        let mut settings = json!({ "url": "https://woodgrove.service-now.com" });
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        serde_json::from_value(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn an_incident_has_the_usual_states_and_a_security_incident_has_none() {
        let incident = read(&json!({ "user": "warden" })).unwrap();
        assert_eq!(incident.record.table(), "incident");
        assert_eq!((incident.closed_state.as_str(), incident.reopened_state.as_str()), ("6", "2"));
        assert!(["6", "7", "8"].iter().all(|state| incident.has_ended(state)));
        assert!(["1", "2", "3", ""].iter().all(|state| !incident.has_ended(state)));
        assert_eq!(incident.secrets()[0].name, "password");
        let security = json!({
            "clientId": "c", "record": "security-incident", "closedState": "3", "reopenedState": "16",
        });
        let security = read(&security).unwrap();
        assert_eq!(security.place(), "https://woodgrove.service-now.com, table sn_si_incident");
        assert_eq!(security.close_code, None);
        assert!(security.has_ended("3") && !security.has_ended("7"));
        assert_eq!(security.secrets()[0].name, "clientSecret");
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let security = json!({ "user": "w", "record": "security-incident", "reopenedState": "16" });
        for (more, what) in [
            (json!({}), "`user` or `clientId` is missing"),
            (json!({ "user": "w", "clientId": "c" }), "does not go with"),
            (json!({ "user": "w", "closedState": "2" }), "nothing is left to do"),
            (json!({ "user": "w", "finalStates": ["2"] }), "nothing is left to do"),
            (json!({ "user": "w", "staging": "u_a/../x" }), "the name of a table"),
            (json!({ "user": "w", "staging": "" }), "the name of a table"),
            (json!({ "user": "w", "table": "problem" }), "unknown field"),
            (security, "`closedState` is missing"),
        ] {
            let error = read(&more).unwrap_err();
            assert!(error.contains(what), "{more}: {error}");
        }
    }

    #[test]
    fn columns_are_called_as_the_scope_of_their_table_has_it() {
        let staging = |name: &str| serde_json::from_value::<Staging>(json!(name)).unwrap();
        assert_eq!(staging("u_partner_warden").columns(), "u_");
        assert_eq!(staging("x_wood_partner_warden").columns(), "");
    }
}
