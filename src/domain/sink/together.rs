//! What of a sink does not go together, although each value by itself is right.

use serde_json::Value;

use super::{
    Decides, Email, JsmOperations, Name, PagerDuty, Settings, Sink, SplunkOnCall, Zendesk,
};

impl Sink {
    /// What does not go together: a word for a severity that the system does not know, or a state
    /// that decides although the program itself brings tickets into it.
    pub fn contradictions(&self) -> Vec<String> {
        let (words, set) = self.known();
        let mut found = Vec::new();
        let unknown =
            self.common.priority.iter().filter(|(_, word)| !words.contains(&word.as_str()));
        for (severity, word) in unknown.filter(|_| !words.is_empty()) {
            let (severity, words) = (severity.as_str(), words.join(", "));
            found.push(format!("`{word}` under `priority.{severity}` is not one of {words}"));
        }
        let settings = &self.settings;
        let bare = matches!(settings, Settings::Slack(_) | Settings::Teams(_));
        let no_fields = bare || matches!(settings, Settings::Email(_));
        for (name, given, nothing) in [
            ("priority", !self.common.priority.is_empty(), bare),
            ("fields", !self.common.fields.is_empty(), no_fields),
        ] {
            if given && nothing {
                found.push(format!("`{name}` means nothing to a sink of kind {}", settings.kind()));
            }
        }
        let Decides { approve, refuse, .. } = &self.common.decide;
        let decides = |state: &String| {
            let same = |named: &String| named.to_lowercase() == state.to_lowercase();
            // That nobody agrees by the end of a ticket is told where the policy says it.
            let told = settings.is_no_word(state);
            refuse.iter().any(same) || !told && approve.iter().any(same)
        };
        for state in set.into_iter().filter(decides) {
            found.push(format!(
                "`{state}` is what the program itself gives a ticket; it cannot stand under `decide`"
            ));
        }
        found
    }

    /// The texts in a list among the fields of a new ticket.
    fn texts(&self, field: &str) -> impl Iterator<Item = &str> {
        let texts = self.common.fields.get(field).and_then(Value::as_array);
        texts.into_iter().flatten().filter_map(Value::as_str)
    }

    /// The words that the system has for severities, none where it takes any; and the states that
    /// the program itself brings tickets into.
    fn known(&self) -> (&'static [&'static str], Vec<String>) {
        let settings = &self.settings;
        if let Settings::PagerDuty(_) = settings {
            (&PagerDuty::SEVERITIES, Vec::new())
        } else if let Settings::JsmOperations(_) = settings {
            (&JsmOperations::PRIORITIES, Vec::new())
        } else if let Settings::SplunkOnCall(_) = settings {
            (&SplunkOnCall::TYPES, Vec::new())
        } else if let Settings::Email(_) = settings {
            (&Email::IMPORTANCE, Vec::new())
        } else if let Settings::AzureDevops(it) = settings {
            // Priorities are numbers.
            let set = [&it.closed_state, &it.reopened_state].map(|it| it.as_str().to_owned());
            (&["1", "2", "3", "4"], set.into())
        } else if let Settings::Jira(it) = settings {
            let set = it.close_status.iter().chain(&it.reopen_status);
            (&[], set.map(Name::as_str).map(str::to_owned).collect())
        } else if let Settings::Github(_) = settings {
            let labels = self.texts("labels");
            // What merely ends an issue refuses at the most.
            let ends = ["closed", "completed"].into_iter().chain(
                ["not_planned", "duplicate"]
                    .into_iter()
                    .filter(|end| self.common.decide.approve.iter().any(|it| it == end)),
            );
            (&[], labels.chain(ends).map(str::to_owned).collect())
        } else if let Settings::Zendesk(_) = settings {
            let set = ["new", "open", "solved", "closed"].into_iter().chain(self.texts("tags"));
            (&Zendesk::PRIORITIES, set.map(str::to_owned).collect())
        } else if let Settings::Servicenow(it) = settings {
            let ended = it.ended_states.iter().chain(&it.final_states);
            let set = [&it.closed_state, &it.reopened_state].into_iter().chain(ended);
            (&[], set.cloned().collect())
        } else if let Settings::Halopsa(it) = settings {
            (&[], [it.closed_status(), it.reopened_status()].map(|it| it.to_string()).into())
        } else if let Settings::Connectwise(it) = settings {
            (&[], [it.closed_status, it.reopened_status].map(|it| it.to_string()).into())
        } else {
            (&[], Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::finding::Severity;
    use crate::domain::sink::Common;

    fn sink(settings: Value, priority: &str, decide: Decides, labels: &[&str]) -> Sink {
        let priority = if priority.is_empty() { None } else { Some(priority.to_owned()) };
        let common = Common {
            priority: priority.into_iter().map(|word| (Severity::High, word)).collect(),
            fields: labels
                .first()
                .map(|_| ("labels".to_owned(), json!(labels)))
                .into_iter()
                .collect(),
            decide,
            ..Common::default()
        };
        Sink { common, settings: serde_json::from_value(settings).unwrap() }
    }

    #[test]
    fn what_a_notifier_would_not_say_is_not_asked_of_it() {
        let mail = json!({ "server": "localhost", "from": "a@b.example", "to": ["c@b.example"] });
        for (settings, priority, found) in [
            (json!({ "slack": {} }), true, 2),
            (json!({ "teams": {} }), true, 2),
            (json!({ "email": mail }), false, 1),
            (json!({ "pagerduty": {} }), false, 0),
        ] {
            let word = if priority { "1" } else { "" };
            let with = sink(settings.clone(), word, Decides::default(), &["x"]);
            assert_eq!(
                with.contradictions().len(),
                found,
                "{settings}: {:?}",
                with.contradictions()
            );
            let without = sink(settings, "", Decides::default(), &[]);
            assert_eq!(without.contradictions(), Vec::<String>::new());
        }
    }

    #[test]
    fn a_severity_has_a_word_that_the_system_knows() {
        for (settings, well, wrong) in [
            (json!({ "pagerduty": {} }), "critical", "P1"),
            (json!({ "jsm-operations": {} }), "P1", "critical"),
            (json!({ "splunk-on-call": { "routingKey": "x" } }), "WARNING", "warning"),
            (json!({ "zendesk": { "url": "https://w.zendesk.com" } }), "urgent", "critical"),
            (
                json!({ "email": { "server": "localhost", "from": "a@b.example", "to": ["c@b.example"] } }),
                "high",
                "urgent",
            ),
        ] {
            let contradictions =
                |word| sink(settings.clone(), word, Decides::default(), &[]).contradictions();
            assert_eq!(contradictions(well), Vec::<String>::new());
            assert_eq!(contradictions(""), Vec::<String>::new());
            let said = contradictions(wrong);
            assert!(said.len() == 1 && said[0].contains("priority.high"), "{said:?}");
        }
    }

    #[test]
    fn what_the_program_does_to_a_ticket_does_not_decide() {
        let azure = json!({ "azure-devops": {
            "url": "https://dev.azure.com/woodgrove", "project": "Security", "workItemType": "Issue",
            "closedState": "Done", "reopenedState": "To Do",
        } });
        let jira = json!({ "jira": {
            "edition": "cloud", "url": "https://woodgrove.atlassian.net", "project": "SEC",
            "issueType": "Task", "closeStatus": "Done",
        } });
        let github = json!({ "github": { "repository": "woodgrove/security" } });
        let zendesk = json!({ "zendesk": { "url": "https://woodgrove.zendesk.com" } });
        let snow = json!({ "url": "https://woodgrove.service-now.com", "user": "warden" });
        let snow = json!({ "servicenow": snow });
        let halo = json!({ "halopsa": {
            "url": "https://woodgrove.halopsa.com", "clientId": "c", "client": 1, "ticketType": 1,
        } });
        let connectwise = json!({ "connectwise": {
            "url": "https://api-na.myconnectwise.net", "loginCompany": "woodgrove", "clientId": "c",
            "board": 3, "company": 4, "closedStatus": 17, "reopenedStatus": 16,
        } });
        let list = |name: &str| vec![name.to_owned()];
        let approves = |name: &str| Decides { approve: list(name), ..Decides::default() };
        let refuses = |name: &str| Decides { refuse: list(name), ..Decides::default() };
        for (settings, decide, well) in [
            (&azure, approves("Approved"), true),
            (&azure, approves("done"), false),
            (&azure, refuses("To Do"), false),
            (&jira, approves("Go"), true),
            (&jira, approves("DONE"), false),
            (&github, approves("approved"), true),
            (&github, approves("Partner"), false),
            (&github, approves("completed"), false),
            (&github, approves("not_planned"), false),
            (&github, refuses("not_planned"), true),
            (&github, refuses("closed"), false),
            (&zendesk, approves("900"), true),
            (&zendesk, approves("pending"), true),
            (&zendesk, approves("solved"), false),
            (&zendesk, refuses("open"), false),
            (&snow, approves("approved"), true),
            (&snow, refuses("18"), true),
            (&snow, approves("6"), false),
            (&snow, approves("8"), false),
            (&snow, refuses("2"), false),
            (&halo, approves("21"), true),
            (&halo, approves("9"), false),
            (&halo, refuses("1"), false),
            (&connectwise, approves("18"), true),
            (&connectwise, approves("17"), false),
            (&connectwise, refuses("16"), false),
        ] {
            let sink = sink(settings.clone(), "", decide.clone(), &["partner"]);
            let said = sink.contradictions();
            let told = decide.approve.iter().any(|state| sink.settings.is_no_word(state));
            assert_eq!(said.is_empty() && !told, well, "{decide:?}: {said:?}");
        }
    }
}
