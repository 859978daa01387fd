//! What of a sink does not go together, although each value by itself is right.

use serde_json::Value;

use super::{Decides, JsmOperations, PagerDuty, Settings, Sink, SplunkOnCall};

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
        let Decides { approve, refuse, .. } = &self.common.decide;
        let decides = |state: &&str| {
            let same = |named: &String| named.to_lowercase() == state.to_lowercase();
            approve.iter().chain(refuse).any(same)
        };
        for state in set.into_iter().filter(decides) {
            found.push(format!(
                "`{state}` is what the program itself gives a ticket; it cannot stand under `decide`"
            ));
        }
        found
    }

    /// The words that the system has for severities, none where it takes any; and the states that
    /// the program itself brings tickets into.
    fn known(&self) -> (&'static [&'static str], Vec<&str>) {
        let settings = &self.settings;
        if let Settings::PagerDuty(_) = settings {
            (&PagerDuty::SEVERITIES, Vec::new())
        } else if let Settings::JsmOperations(_) = settings {
            (&JsmOperations::PRIORITIES, Vec::new())
        } else if let Settings::SplunkOnCall(_) = settings {
            (&SplunkOnCall::TYPES, Vec::new())
        } else if let Settings::AzureDevops(it) = settings {
            // Priorities are numbers.
            (&["1", "2", "3", "4"], vec![it.closed_state.as_str(), it.reopened_state.as_str()])
        } else if let Settings::Jira(it) = settings {
            let set = it.close_status.iter().chain(&it.reopen_status);
            (&[], set.map(super::Name::as_str).collect())
        } else if let Settings::Github(_) = settings {
            let labels = self.common.fields.get("labels").and_then(Value::as_array);
            let labels = labels.into_iter().flatten().filter_map(Value::as_str);
            // What merely ends an issue refuses at the most.
            let ends = ["closed", "completed"].into_iter().chain(
                ["not_planned", "duplicate"]
                    .into_iter()
                    .filter(|end| self.common.decide.approve.iter().any(|it| it == end)),
            );
            (&[], labels.chain(ends).collect())
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
            fields: [("labels".to_owned(), json!(labels))].into(),
            decide,
            ..Common::default()
        };
        Sink { common, settings: serde_json::from_value(settings).unwrap() }
    }

    #[test]
    fn a_severity_has_a_word_that_the_system_knows() {
        for (settings, well, wrong) in [
            (json!({ "pagerduty": {} }), "critical", "P1"),
            (json!({ "jsm-operations": {} }), "P1", "critical"),
            (json!({ "splunk-on-call": { "routingKey": "x" } }), "WARNING", "warning"),
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
        ] {
            let said = sink(settings.clone(), "", decide.clone(), &["partner"]).contradictions();
            assert_eq!(said.is_empty(), well, "{decide:?}: {said:?}");
        }
    }
}
