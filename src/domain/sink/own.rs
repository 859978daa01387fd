//! The states of tickets by which nobody can agree: those that end a ticket by the system's own
//! reckoning, as far as that is known here, and those into which this program itself brings one.

use std::num::NonZeroU32;

use super::{Becomes, Name, Settings};

impl Settings {
    /// Whether a state ends tickets, or this program itself brings tickets there: that somebody has
    /// ended a ticket, or that it was taken up again, is no word about what people are asked.
    pub fn is_no_word(&self, state: &str) -> bool {
        let everywhere = ["resolved", "closed"].iter().any(|end| state.eq_ignore_ascii_case(end));
        everywhere || self.own_states().iter().any(|own| own.eq_ignore_ascii_case(state))
    }

    /// Whether the system has approvals of its own, of which it says with `approval:` before it what
    /// they came to. Elsewhere whoever names a state or a label could name it so.
    pub fn has_approvals(&self) -> bool {
        match self {
            Self::Jira(it) => matches!(it.becomes, Becomes::Request { .. }),
            Self::Github(_)
            | Self::RequestTracker(_)
            | Self::Redmine(_)
            | Self::AzureDevops(_)
            | Self::Halopsa(_)
            | Self::Connectwise(_)
            | Self::Servicenow(_)
            | Self::Zendesk(_)
            | Self::Webhook(_)
            | Self::PagerDuty(_)
            | Self::JsmOperations(_)
            | Self::SplunkOnCall(_)
            | Self::Slack(_)
            | Self::Teams(_)
            | Self::Email(_) => false,
        }
    }

    fn own_states(&self) -> Vec<String> {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let named = |names: [Option<&Name>; 2]| {
            names.into_iter().flatten().map(|name| name.as_str().to_owned()).collect()
        };
        let numbers = |numbers: [Option<NonZeroU32>; 2]| {
            numbers.into_iter().flatten().map(|number| number.to_string()).collect()
        };
        match self {
            // `state` and `state_reason` of an issue.
            Self::Github(_) => {
                texts(&["open", "completed", "not_planned", "duplicate", "reopened"])
            }
            // The inactive ones of the default lifecycle.
            Self::RequestTracker(it) => {
                texts(&[it.closed_status(), it.reopened_status(), "rejected", "deleted"])
            }
            Self::Redmine(it) => numbers([it.closed_status, it.reopened_status]),
            Self::Jira(it) => named([it.close_status.as_ref(), it.reopen_status.as_ref()]),
            Self::AzureDevops(it) => named([Some(&it.closed_state), Some(&it.reopened_state)]),
            Self::Halopsa(it) => numbers([it.closed_status, it.reopened_status]),
            Self::Connectwise(it) => numbers([Some(it.closed_status), Some(it.reopened_status)]),
            Self::Servicenow(it) => {
                let set = [&it.closed_state, &it.reopened_state].into_iter();
                set.chain(&it.ended_states).chain(&it.final_states).cloned().collect()
            }
            Self::Zendesk(_) => texts(&["open", "solved"]),
            Self::Webhook(_)
            | Self::PagerDuty(_)
            | Self::JsmOperations(_)
            | Self::SplunkOnCall(_)
            | Self::Slack(_)
            | Self::Teams(_)
            | Self::Email(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(kind: &str, settings: serde_json::Value) -> Settings {
        serde_json::from_value(json!({ kind: settings })).unwrap()
    }

    #[test]
    fn only_a_service_desk_approves_by_itself() {
        let jira = |what: serde_json::Value| {
            let mut jira = json!({
                "edition": "cloud", "url": "https://w.atlassian.net", "project": "SEC",
            });
            for (name, value) in what.as_object().unwrap() {
                jira[name] = value.clone();
            }
            settings("jira", jira)
        };
        assert!(jira(json!({ "serviceDesk": "1", "requestType": "10" })).has_approvals());
        assert!(!jira(json!({ "issueType": "Task" })).has_approvals());
        let github = settings("github", json!({ "repository": "woodgrove/security" }));
        assert!(!github.has_approvals(), "anybody may name a label");
    }

    #[test]
    fn what_ends_a_ticket_or_is_done_by_this_program_is_nobodys_word() {
        let rt = json!({ "url": "https://rt.example", "queue": "S", "closedStatus": "done" });
        let redmine = json!({
            "url": "https://redmine.example", "project": "s", "keyField": 7,
            "formatting": "none", "closedStatus": 5,
        });
        let jira = json!({
            "edition": "cloud", "url": "https://w.atlassian.net", "project": "SEC",
            "issueType": "Task", "closeStatus": "Fertig",
        });
        for (it, no_word, word) in [
            (
                settings("github", json!({ "repository": "woodgrove/security" })),
                &["completed", "not_planned", "open", "Closed"][..],
                "approved",
            ),
            (
                settings("request-tracker", rt),
                &["done", "open", "rejected", "resolved", "Resolved"],
                "approved",
            ),
            (settings("redmine", redmine), &["5", "closed"], "7"),
            (settings("jira", jira), &["Fertig", "fertig", "RESOLVED"], "Approved"),
        ] {
            for state in no_word {
                assert!(it.is_no_word(state), "{}: {state}", it.kind());
            }
            assert!(!it.is_no_word(word), "{}", it.kind());
        }
    }
}
