//! A record, told to people.

use jiff::{SignedDuration, Timestamp};

use crate::domain::approval::Answer;
use crate::domain::proof::Seen;
use crate::domain::record::Record;
use crate::domain::record::chain::Entry;
use crate::domain::signal::Signal;
use crate::domain::text::{count, one_line};

/// Everything a record says. What others chose is in one line each, without what moves a cursor.
pub(super) fn text(record: &Record, chain: &str, entry: &Entry) -> String {
    let mut told = Told::default();
    told.opening(record);
    told.signals(record);
    told.before(record);
    told.found(record);
    told.steps(record);
    told.approvals(record);
    told.calls(record);
    told.after(record);
    told.timeline(record);
    told.head("In the chain");
    told.say(&format!("record {} of {chain}", entry.sequence));
    told.say(&format!("digest {}", entry.digest));
    told.say(&format!("link {}", entry.link));
    told.lines.push(String::new());
    told.lines.join("\n")
}

#[derive(Default)]
struct Told {
    lines: Vec<String>,
}

impl Told {
    fn head(&mut self, title: &str) {
        self.lines.push(String::new());
        self.lines.push(title.to_owned());
    }

    fn say(&mut self, text: &str) {
        self.lines.push(format!("  {}", one_line(text)));
    }

    fn add(&mut self, text: &str) {
        self.lines.push(format!("    {}", one_line(text)));
    }

    fn opening(&mut self, record: &Record) {
        let case = &record.case;
        let (id, event, at) = (&record.id, record.event.as_str(), moment(record.at));
        self.lines.push(one_line(&format!("{id}: {event}, {at}")));
        let partner = case.partner.id.map_or_else(String::new, |id| format!(" ({id})"));
        self.say(&format!("tenant: {} ({})", case.tenant_name, case.tenant));
        self.say(&format!("partner: {}{partner}", case.partner.name));
        let (number, state) = (case.episode + 1, if case.is_open() { "open" } else { "closed" });
        self.say(&format!("case: number {number} about the two, {state}"));
        self.say(&format!("policy: {} in mode {}", record.policy, record.mode));
    }

    fn signals(&mut self, record: &Record) {
        if record.signals.count == 0 {
            return;
        }
        self.head("Why the tenant was looked at");
        let number = usize::try_from(record.signals.count).unwrap_or(usize::MAX);
        self.say(&count(number, "signal"));
        let Some(first) = &record.signals.first else { return };
        let Signal { sender, what, received_at, digest, .. } = first;
        self.say(&format!("the first from {}: {what}", sender.name()));
        if let Some(at) = first.event_at {
            self.add(&format!("happened {}", moment(at)));
        }
        self.add(&format!("received {}", moment(*received_at)));
        self.add(&format!("digest {digest}"));
    }

    fn before(&mut self, record: &Record) {
        if let Some(before) = &record.before {
            self.head("What the partner held before");
            for grant in &before.grants {
                self.say(&format!("{} {}", grant.introduced(), grant.deed("")));
            }
            match (before.grants.is_empty(), before.more) {
                (true, _) => self.say("nothing that could be seen"),
                (false, 0) => {}
                (false, more) => self.say(&format!("and {more} more")),
            }
            self.add(&format!(
                "read {}, digest of all of it {}",
                moment(before.read_at),
                before.facts
            ));
        }
        if !record.gaps.is_empty() {
            self.head("What could not be read");
            for gap in &record.gaps {
                self.say(&gap.to_string());
            }
        }
    }

    fn found(&mut self, record: &Record) {
        self.head("What was found");
        for row in &record.case.rows {
            for finding in &row.findings {
                let stands = if row.open { "" } else { " (no longer)" };
                let (severity, name) = (finding.severity.as_str(), finding.finding);
                self.say(&format!("{severity} {name}{stands}: {}", finding.text));
            }
        }
        if record.case.rows.iter().all(|row| row.findings.is_empty()) {
            self.say("nothing");
        }
    }

    fn steps(&mut self, record: &Record) {
        let steps = record.case.rows.iter().filter_map(|row| row.step.as_ref());
        let steps: Vec<_> = steps.collect();
        if steps.is_empty() {
            return;
        }
        self.head("What was decided, and how far it has come");
        for step in steps {
            self.say(&format!("{}: {}", step.state.as_str(), step.summary));
            if let Some(detail) = &step.detail {
                self.add(detail);
            }
            if let Some(at) = step.verified_at {
                self.add(&format!("seen to be gone {}", moment(at)));
            }
            if step.restoring {
                self.add(
                    "begun to be put back, and not seen to be there since; `restore` again tells",
                );
            }
        }
    }

    fn approvals(&mut self, record: &Record) {
        if record.approvals.is_empty() {
            return;
        }
        self.head("Who decided");
        for approval in &record.approvals {
            let decision = match approval.decision {
                Answer::Approve => "agreed",
                Answer::Refuse => "refused",
            };
            let proven = match (&approval.ticket, &approval.identity) {
                (Some(ticket), _) => format!("said by ticket {}", ticket.place),
                (None, Some(identity)) => format!("signed in as {identity}"),
                (None, None) => "who had the link and gave that name".to_owned(),
            };
            self.say(&format!("{} {decision} {} ({proven})", approval.by, moment(approval.at)));
        }
    }

    fn calls(&mut self, record: &Record) {
        if record.calls.is_empty() {
            return;
        }
        self.head("What was asked of Microsoft");
        for call in &record.calls {
            self.say(&format!("{}: {}", call.what, call.state.as_str()));
            let at = call.at.map_or_else(|| "no answer".to_owned(), moment);
            let request = call.request_id.as_deref().unwrap_or("none");
            self.add(&format!("{at}, request-id {request}"));
            if let Some(said) = &call.said {
                self.add(said);
            }
        }
    }

    fn after(&mut self, record: &Record) {
        let Some(after) = &record.after else { return };
        self.head("What reading again showed");
        for reread in &after.steps {
            let mut steps = record.case.rows.iter().filter_map(|row| row.step.as_ref());
            let step = steps.find(|step| step.id == reread.step);
            let summary = step.map_or_else(|| reread.step.to_string(), |step| step.summary.clone());
            let seen = match &reread.seen {
                Seen::Gone => "gone",
                Seen::Failed { .. } => "Microsoft took it up and could not do it",
                Seen::There => "still there",
                Seen::Unread => "could not be read",
            };
            self.say(&format!("{seen}: {summary}"));
            let Some(at) = reread.read_at else { continue };
            self.add(&format!("read {}", moment(at)));
            for line in &reread.found {
                self.add(&format!("there still: {line}"));
            }
            match (reread.found.is_empty(), reread.more) {
                (true, _) => self.add("there still: nothing that was seen"),
                (false, 0) => {}
                (false, more) => self.add(&format!("and {more} more")),
            }
        }
        // Earlier versions wrote one moment for all.
        if after.steps.iter().any(|reread| reread.read_at.is_none()) {
            self.add(&format!("read {}", moment(after.read_at)));
        }
    }

    fn timeline(&mut self, record: &Record) {
        self.head("When");
        let mut before: Option<Timestamp> = None;
        for (name, at) in record.timeline.moments() {
            let later = before.map_or_else(String::new, |before| {
                format!(", {} later", length(at.duration_since(before)))
            });
            self.say(&format!("{name}: {}{later}", moment(at)));
            before = Some(at);
        }
        if let Some(took) = record.timeline.time_to_revoke() {
            self.add(&format!("time to revoke: {}", length(took)));
        }
        if let Some(took) = record.timeline.time_to_verify() {
            self.add(&format!("time to the proof that it is gone: {}", length(took)));
        }
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string()
}

/// `2.310 s`, `4 min 12 s`. Where two clocks disagree about what came first, it is less than nothing.
fn length(took: SignedDuration) -> String {
    if took.abs() < SignedDuration::from_mins(1) {
        return format!("{:.3} s", took.as_secs_f64());
    }
    format!("{:#}", SignedDuration::from_secs(took.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::testing::record;
    use crate::domain::record::{After, Reread};

    /// What is told of a reading again.
    fn told(steps: Vec<Reread>) -> Vec<String> {
        let record = record(0, "Contoso Reseller", true);
        let after = Some(After { read_at: record.at, steps });
        let mut told = Told::default();
        told.after(&Record { after, ..record });
        told.lines
    }

    #[test]
    fn what_was_read_again_is_told_with_when_and_with_what_is_there_still() {
        let at = record(0, "Contoso Reseller", true).at;
        let read = moment(at);
        let new = |found: &[&str], more| Reread {
            step: crate::domain::id::StepId(crate::domain::id::Sha256Hex::of(b"step")),
            seen: Seen::There,
            read_at: Some(at),
            found: found.iter().map(|line| (*line).to_owned()).collect(),
            more,
        };
        let lines = told(vec![new(&["role assignment x: role y for /"], 2), new(&[], 0)]);
        assert!(lines[2].starts_with("  still there: "), "{lines:?}");
        assert_eq!(
            lines[3..6],
            [
                format!("    read {read}"),
                "    there still: role assignment x: role y for /".to_owned(),
                "    and 2 more".to_owned(),
            ]
        );
        assert_eq!(lines[8], "    there still: nothing that was seen");
        assert_eq!(lines.len(), 9);
        // One of an earlier version.
        let old = Reread { read_at: None, ..new(&[], 0) };
        assert_eq!(told(vec![old])[3..], [format!("    read {read}")]);
    }
}
