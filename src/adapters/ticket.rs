//! Ticket systems and those who are told: one file for each kind, and what makes them from the
//! policy and the secrets.

mod alert;
pub mod azure_devops;
pub(crate) mod call;
pub mod connectwise;
pub mod email;
pub mod github;
pub mod halopsa;
pub mod jira;
pub mod jsm_operations;
pub mod pagerduty;
pub mod redmine;
pub mod request_tracker;
pub mod servicenow;
pub mod slack;
pub mod splunk_on_call;
pub mod teams;
#[cfg(test)]
pub(crate) mod testing;
pub mod webhook;
pub mod zendesk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::azure_devops::AzureDevops;
use self::connectwise::Connectwise;
use self::email::Email;
use self::github::Github;
use self::halopsa::Halopsa;
use self::jira::Jira;
use self::jsm_operations::JsmOperations;
use self::pagerduty::PagerDuty;
use self::redmine::Redmine;
use self::request_tracker::RequestTracker;
use self::servicenow::Servicenow;
use self::slack::Slack;
use self::splunk_on_call::SplunkOnCall;
use self::teams::Teams;
use self::webhook::Webhook;
use self::zendesk::Zendesk;
use super::http::Http;
use crate::domain::id::SinkName;
use crate::domain::secret::Secret;
use crate::domain::sink::{Common, Settings, Sink};
use crate::ports::ticket::Teller;

/// How long a call may take that changes something, in a system known to be slow.
pub const SLOW: Duration = Duration::from_mins(1);

/// What an adapter is made of.
pub struct Making<'a> {
    /// The sink's name in the policy.
    pub name: &'a SinkName,
    /// What every sink has.
    pub common: &'a Common,
    /// What it goes by, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// The one HTTP client.
    pub http: &'a Http,
    /// How long a call may take that changes something, in a system known to be slow: below
    /// [`crate::domain::ticket::link::ATTEMPT`] together with what else an opening asks.
    pub slow: Duration,
}

impl Making<'_> {
    /// A secret that the sink does not work without.
    ///
    /// # Errors
    /// What is missing.
    pub fn secret(&self, name: &str) -> Result<Secret, String> {
        let secret = self.secrets.get(name).cloned();
        secret.ok_or_else(|| format!("tickets.{}.{name} is missing in the secrets", self.name))
    }
}

/// The sink of a policy, ready to be spoken to.
///
/// # Errors
/// What is missing or wrong among the secrets.
pub fn teller(sink: &Sink, making: &Making<'_>) -> Result<Teller, String> {
    Ok(match &sink.settings {
        Settings::Webhook(settings) => Teller::Messages(Arc::new(Webhook::new(settings, making)?)),
        Settings::Redmine(settings) => Teller::Tickets(Arc::new(Redmine::new(settings, making)?)),
        Settings::RequestTracker(settings) => {
            Teller::Tickets(Arc::new(RequestTracker::new(settings, making)?))
        }
        Settings::Jira(settings) => Teller::Tickets(Arc::new(Jira::new(settings, making)?)),
        Settings::AzureDevops(settings) => {
            Teller::Tickets(Arc::new(AzureDevops::new(settings, making)?))
        }
        Settings::PagerDuty(settings) => {
            Teller::Messages(Arc::new(PagerDuty::new(settings, making)?))
        }
        Settings::JsmOperations(settings) => {
            Teller::Messages(Arc::new(JsmOperations::new(settings, making)?))
        }
        Settings::SplunkOnCall(settings) => {
            Teller::Messages(Arc::new(SplunkOnCall::new(settings, making)?))
        }
        Settings::Github(settings) => Teller::Tickets(Arc::new(Github::new(settings, making)?)),
        Settings::Halopsa(settings) => Teller::Tickets(Arc::new(Halopsa::new(settings, making)?)),
        Settings::Connectwise(settings) => {
            Teller::Tickets(Arc::new(Connectwise::new(settings, making)?))
        }
        Settings::Servicenow(settings) => {
            Teller::Tickets(Arc::new(Servicenow::new(settings, making)?))
        }
        Settings::Zendesk(settings) => Teller::Tickets(Arc::new(Zendesk::new(settings, making)?)),
        Settings::Slack(settings) => Teller::Messages(Arc::new(Slack::new(settings, making)?)),
        Settings::Teams(settings) => Teller::Messages(Arc::new(Teams::new(settings, making)?)),
        Settings::Email(settings) => Teller::Messages(Arc::new(Email::new(settings, making)?)),
    })
}
