//! A case as a ticket: what to say, when to say it, and when to be silent.

pub mod about;
pub mod answer;
mod deciding;
pub mod link;
pub mod said;
pub mod template;
pub mod tryout;

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::deciding::deciding;
pub use self::deciding::open_question;
use super::case::{Case, Row, StepRow};
use super::finding::{Finding, FindingName, Rule, Severity};
use super::id::{Sha256Hex, SinkName};
use super::plan::{Remediation, StepState};
use super::policy::Mode;
use super::roster::Side;
use super::text;

/// Most findings and steps written out in one ticket; the rest is counted.
const ROWS_MAX: usize = 50;

/// What a sink was told about a case so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// The sink.
    pub sink: SinkName,
    /// The ticket's key there: the same for as long as the case is open.
    pub key: String,
    /// How many messages were sent.
    pub sequence: u32,
    /// The digest of what was said last.
    pub said: Sha256Hex,
    /// Whether it is open there.
    pub open: bool,
}

/// What a message does to the ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageKind {
    /// The first about a case.
    #[serde(rename = "ticket.opened")]
    Opened,
    /// Something changed.
    #[serde(rename = "ticket.updated")]
    Updated,
    /// Nothing of it stands any more.
    #[serde(rename = "ticket.closed")]
    Closed,
}

/// One message to one sink. Serialised, it is the body of the generic webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The sink.
    #[serde(skip)]
    pub sink: Option<SinkName>,
    /// The same for every attempt to deliver it; the receiver's key against repetition.
    #[serde(skip)]
    pub id: String,
    /// What it does to the ticket.
    #[serde(rename = "type")]
    pub kind: MessageKind,
    /// When it was decided to send it.
    pub timestamp: Timestamp,
    /// What it says.
    pub data: Content,
}

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// The ticket's key.
    pub key: String,
    /// One line.
    pub title: String,
    /// The whole story, as plain text.
    pub body: String,
    /// How bad it is.
    pub severity: Severity,
    /// The tenant.
    pub tenant: Party,
    /// The partner; its id is null where it is not known.
    pub partner: Party,
    /// What was found.
    pub findings: Vec<FindingLine>,
    /// What was done about it.
    pub steps: Vec<StepLine>,
    /// Where a person decides about it, as long as anybody may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_url: Option<String>,
    /// The record that proves it.
    pub record: String,
}

/// A tenant or partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Its tenant id.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
}

/// A finding as tickets and reports list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingLine {
    /// The finding.
    pub finding: FindingName,
    /// How bad it is.
    pub severity: Severity,
    /// The partner.
    pub partner: Party,
    /// Whom or what it is about.
    pub subject: String,
    /// The role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The sentence.
    pub text: String,
    /// Whether it still stands.
    pub open: bool,
}

/// A step as tickets list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepLine {
    /// The step's id.
    pub id: String,
    /// What it does.
    pub summary: String,
    /// How far it has come.
    pub state: StepState,
    /// What was said about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Graph's `request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// How a person does the same.
    pub by_hand: String,
}

/// What is to be said now about a case, and notes in the case that it was said. `link` is where
/// people decide about what they are asked, where there is such a place.
pub fn messages(case: &mut Case, record: &str, link: Option<&str>, now: Timestamp) -> Vec<Message> {
    let mut messages = Vec::new();
    for sink in case.sinks.clone() {
        let at = case.tickets.iter().position(|ticket| ticket.sink == sink);
        let mut ticket = at.map_or_else(|| unsaid(case, &sink), |at| case.tickets[at].clone());
        let content = content(case, &ticket.key, record, link);
        let said = digest(&content);
        let mut say = |kind, ticket: &mut Ticket| {
            ticket.sequence += 1;
            messages.push(Message {
                sink: Some(sink.clone()),
                id: format!("{}-{}", ticket.key, ticket.sequence),
                kind,
                timestamp: now,
                data: content.clone(),
            });
        };
        if ticket.sequence == 0 {
            say(MessageKind::Opened, &mut ticket);
        } else if ticket.open && case.is_open() && ticket.said != said {
            say(MessageKind::Updated, &mut ticket);
        }
        if ticket.open && !case.is_open() {
            say(MessageKind::Closed, &mut ticket);
            ticket.open = false;
        }
        ticket.said = said;
        match at {
            Some(at) => case.tickets[at] = ticket,
            None => case.tickets.push(ticket),
        }
    }
    messages
}

fn unsaid(case: &Case, sink: &SinkName) -> Ticket {
    let digest = Sha256Hex::of_fields(&[
        "ticket-key/v1",
        &sink.0,
        &case.tenant.to_string(),
        &case.partner.key(),
        &case.episode.to_string(),
    ]);
    let key = format!("pw1-{}", digest.as_str().get(..26).unwrap_or_default());
    Ticket { sink: sink.clone(), key, sequence: 0, said: Sha256Hex::of(b""), open: true }
}

/// The digest of what a reader would notice: the record's number alone is no news.
fn digest(content: &Content) -> Sha256Hex {
    let worth_saying = Content { record: String::new(), ..content.clone() };
    Sha256Hex::of(serde_json::to_string(&worth_saying).unwrap_or_default().as_bytes())
}

fn content(case: &Case, key: &str, record: &str, link: Option<&str>) -> Content {
    let link = link.filter(|_| open_question(case).is_some());
    let findings: Vec<FindingLine> = case
        .rows_to_show()
        .flat_map(|row| row.findings.iter().map(|finding| line(finding, row.open)))
        .take(ROWS_MAX)
        .collect();
    let steps: Vec<StepLine> = case
        .rows_to_show()
        .filter_map(|row| row.step.as_ref())
        .take(ROWS_MAX)
        .map(step_line)
        .collect();
    Content {
        key: key.to_owned(),
        title: title(case),
        body: body(case, link),
        severity: case.severity(),
        tenant: Party { id: Some(case.tenant.to_string()), name: case.tenant_name.clone() },
        partner: partner(case),
        findings,
        steps,
        decision_url: link.map(str::to_owned),
        record: record.to_owned(),
    }
}

fn partner(case: &Case) -> Party {
    Party { id: case.partner.id.map(|id| id.to_string()), name: case.partner.name.clone() }
}

/// A finding as tickets list it.
fn line(finding: &Finding, open: bool) -> FindingLine {
    FindingLine {
        finding: finding.finding,
        severity: finding.severity,
        partner: Party {
            id: finding.partner.id.map(|id| id.to_string()),
            name: finding.partner.name.clone(),
        },
        subject: finding.subject.clone(),
        role: finding.role.clone(),
        text: finding.text.clone(),
        open,
    }
}

fn step_line(step: &StepRow) -> StepLine {
    StepLine {
        id: step.id.0.as_str().to_owned(),
        summary: step.summary.clone(),
        state: step.state,
        detail: step.detail.clone(),
        request_id: step.request_id.clone(),
        by_hand: step.by_hand.clone(),
    }
}

fn title(case: &Case) -> String {
    let roles: Vec<&str> = {
        let findings = case.rows_to_show().flat_map(|row| &row.findings);
        let mut roles: Vec<&str> = findings.filter_map(|f| f.role.as_deref()).collect();
        let mut seen = std::collections::BTreeSet::new();
        roles.retain(|role| seen.insert(*role));
        roles
    };
    let found = || case.rows_to_show().flat_map(|row| &row.findings);
    // Of a partner's own tenant it is told what it holds elsewhere.
    let holds = |role: &str| {
        let elsewhere = found().any(|it| it.finding.rule().side() == Some(Side::Partner));
        let name = &case.partner.name;
        if elsewhere { format!("holds {role} at {name}") } else { format!("{name} holds {role}") }
    };
    let stands = || case.rows.iter().filter(|row| row.open);
    let states = || stands().filter_map(|row| row.step.as_ref());
    let what = match roles.as_slice() {
        [] if case.partner.id.is_none() => "could not be read whole".to_owned(),
        [] => format!("relationship with {}", case.partner.name),
        [role] => holds(role),
        [role, rest @ ..] => {
            let more = text::count(rest.len(), "more role");
            holds(&format!("{role} and {more}"))
        }
    };
    let of_access = |state| states().any(|step| step.state == state && step.target.is_none());
    let any = |state| states().any(|step| step.state == state);
    let lead = if of_access(StepState::Refused) {
        "Microsoft refused to remove access: "
    } else if of_access(StepState::Reappeared) {
        "Removed access is still there: "
    } else if any(StepState::Refused) || any(StepState::Reappeared) {
        "Not all could be done: "
    } else if states().any(|step| step.state == StepState::Unverified) {
        "Not known whether access is gone: "
    } else if states().any(|step| step.reappeared && step.target.is_none()) {
        "Removed access came back: "
    } else if !case.is_open() {
        "Resolved: "
    } else {
        ""
    };
    format!("{}: {lead}{what}", case.tenant_name)
}

fn body(case: &Case, link: Option<&str>) -> String {
    let mut body = String::new();
    let rows: Vec<_> = case.rows_to_show().collect();
    let mut rules: Vec<&'static Rule> = Vec::new();
    body.push_str("What was found\n");
    for finding in rows.iter().flat_map(|row| &row.findings).take(ROWS_MAX) {
        let severity = finding.severity.as_str();
        // Writing to a String cannot fail.
        let _ = writeln!(body, "- {} ({severity}): {}", finding.finding, finding.text);
        if !rules.iter().any(|rule| rule.name == finding.finding) {
            rules.push(finding.finding.rule());
        }
    }
    let found: usize = rows.iter().map(|row| row.findings.len()).sum();
    if found > ROWS_MAX {
        let _ = writeln!(body, "- and {} more", found - ROWS_MAX);
    }
    let steps: Vec<(&Row, &StepRow)> =
        rows.iter().filter_map(|row| Some((*row, row.step.as_ref()?))).collect();
    body.push_str("\nWhat was done\n");
    if steps.is_empty() {
        body.push_str(if !case.left.is_empty() {
            "- Nothing was changed.\n"
        } else if case.is_open() {
            "- Nothing was changed; the policy asks for a ticket only.\n"
        } else {
            "- Nothing was changed by Partner Warden; what was found no longer stands.\n"
        });
    }
    for (row, step) in steps.into_iter().take(ROWS_MAX) {
        if let Some(told) = told_over(row, step) {
            let _ = writeln!(body, "- {told}");
            continue;
        }
        let _ = writeln!(body, "- {}", told(row, step, case.mode));
        if needs_a_hand(step) {
            let _ = writeln!(body, "  By hand: {}", step.by_hand);
        }
    }
    for finding in &case.left {
        let _ = writeln!(
            body,
            "- Left to you: the policy answers {finding} with more than a ticket, and this version \
             cannot do more; mend it by hand as said below."
        );
    }
    body.push_str(&deciding(case, link));
    for rule in rules {
        let _ = write!(
            body,
            "\nAbout {}\n{}\nMend: {}\n{}\n",
            rule.name, rule.why, rule.mend, rule.page
        );
    }
    body
}

/// What is told of a step that is over without a proof; nothing for any other.
fn told_over(row: &Row, step: &StepRow) -> Option<String> {
    let summary = &step.summary;
    if row.open || step.state == StepState::Verified {
        return None;
    }
    if !row.findings.is_empty() {
        return Some(format!("Left as it is, since the policy allows it now: {summary}."));
    }
    let detail = step.detail.as_deref().map_or_else(String::new, |detail| format!(": {detail}"));
    Some(match step.state {
        StepState::Described | StepState::AwaitingApproval | StepState::Held => {
            format!("Not done, and nothing asks for it any more: {summary}.")
        }
        StepState::Refused => format!(
            "Refused by Microsoft Graph, and nothing asks for it any more: {summary}{detail}."
        ),
        StepState::Intended => format!(
            "Begun, outcome not known, and nothing asks for it any more: {summary}{detail}."
        ),
        StepState::Revoked
        | StepState::Verified
        | StepState::Reappeared
        | StepState::Unverified
        | StepState::Restored => return None,
    })
}

fn needs_a_hand(step: &StepRow) -> bool {
    match step.state {
        StepState::Described
        | StepState::AwaitingApproval
        | StepState::Held
        | StepState::Refused
        | StepState::Reappeared
        | StepState::Unverified => true,
        StepState::Intended => step.stuck,
        StepState::Revoked | StepState::Verified | StepState::Restored => false,
    }
}

fn told(row: &Row, step: &StepRow, mode: Mode) -> String {
    let summary = &step.summary;
    let detail = step.detail.as_deref().map_or_else(String::new, |detail| format!(": {detail}"));
    // What is done to a principal or a partner is so, or is not; access is gone, or is there.
    let is_access = step.target.is_none();
    let again = match (step.reappeared, is_access) {
        (false, _) => "",
        (true, true) => " It had been taken away before and came back.",
        (true, false) => " It had been done before.",
    };
    let lasts = if step.remediation == Remediation::Quarantine {
        " It stays until somebody deletes the policy, or restores what was before. Whether it holds \
         for the old kind of delegated administration (DAP) too, Microsoft does not say."
    } else {
        ""
    };
    let for_good = row.cannot_be_undone();
    let for_good = for_good.map_or_else(String::new, |why| format!(" It cannot be undone: {why}."));
    match step.state {
        StepState::Described => {
            format!("Would {summary}, but mode {mode} changes nothing{detail}.{again}{for_good}")
        }
        StepState::AwaitingApproval if mode == Mode::Observe => {
            format!(
                "Would ask a person, but mode {mode} changes nothing: \
                 {summary}{detail}.{again}{for_good}"
            )
        }
        StepState::AwaitingApproval => {
            format!("Waits for a person to agree: {summary}{detail}.{again}{for_good}")
        }
        StepState::Held => format!("Held back: {summary}{detail}.{again}"),
        StepState::Intended => {
            format!("Begun, outcome not known yet: {summary}{detail}; it is tried again.{again}")
        }
        StepState::Revoked if !is_access => {
            format!("Done: {summary}{detail}. Not yet seen to be so; it is read again.{again}")
        }
        StepState::Verified if !is_access && step.acted_at.is_some() => {
            format!("Done: {summary}{detail}. Read again and seen to be so.{lasts}{again}")
        }
        StepState::Verified if !is_access => {
            format!("Seen to be so already: {summary}.{lasts}{again}")
        }
        StepState::Reappeared if !is_access => {
            format!("Done, yet seen not to be so: {summary}{detail}.{again}")
        }
        StepState::Revoked => {
            format!("Done: {summary}. Not yet seen to be gone; it is read again.{again}")
        }
        StepState::Verified if step.acted_at.is_some() => {
            format!("Done: {summary}. Read again and seen to be gone.{again}")
        }
        StepState::Verified => format!("No longer there: {summary}.{again}"),
        StepState::Refused => format!("Refused by Microsoft Graph: {summary}{detail}.{again}"),
        StepState::Reappeared => {
            format!("Done, yet still there: {summary}{detail}.{again}")
        }
        StepState::Unverified => {
            format!("Done, and not known whether it is so: {summary}{detail}.{again}")
        }
        StepState::Restored => format!("Put back by a person: {summary}{detail}.{again}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::case::{Outcome, after_look};
    use crate::domain::finding::testing::{Case as Given, noon};
    use crate::domain::plan::{Circumstances, History, plan};

    /// The case after a look at each of `looks`, and the kinds of messages about it.
    fn told_of(looks: &[Given]) -> (Case, Vec<MessageKind>, Vec<Message>) {
        let mut cases = Vec::new();
        let mut all = Vec::new();
        for given in looks {
            let policy = given.policy();
            let (tenant, history) = (&policy.roster.tenants[0], History::default());
            let (policy, history, own_apps) = (&policy, &history, &[]);
            let about =
                Circumstances { policy, tenant, history, own_apps, stopped: None, now: noon() };
            cases = after_look(&cases, &plan(&given.facts, about), &given.facts, noon());
            all.extend(messages(&mut cases[0], "rec-1", None, noon()));
        }
        (cases.swap_remove(0), all.iter().map(|message| message.kind).collect(), all)
    }

    fn given() -> Given {
        Given::new()
            .with_policy(
                "respond: {role-not-allowed: {do: revoke}}\n\
                 tickets: {security: {kind: webhook, url: https://tickets.example}}",
            )
            .member("Megan", "Global Administrator")
    }

    #[test]
    fn a_ticket_is_opened_updated_when_there_is_news_and_closed_under_one_key() {
        use MessageKind::{Closed, Opened, Updated};
        let one = || given().foreign_group("Agents", "Reports Reader");
        let two = || one().foreign_group("Agents", "Search Editor");
        let (_, kinds, all) = told_of(&[one(), one(), two(), two(), given(), given()]);
        assert_eq!(kinds, [Opened, Updated, Closed]);
        let ids: Vec<&str> = all.iter().map(|message| message.id.as_str()).collect();
        let key = &all[0].data.key;
        assert_eq!(ids, [1, 2, 3].map(|number| format!("{key}-{number}")));
        assert!(all.iter().all(|message| message.data.key == *key));
        let (_, kinds, again) = told_of(&[one(), given(), one()]);
        assert_eq!(kinds, [Opened, Closed, Opened]);
        assert_ne!(again[0].data.key, again[2].data.key, "what comes back is a ticket of its own");
    }

    #[test]
    fn what_the_policy_allows_now_is_not_called_gone() {
        let found = given().foreign_group("Agents", "Reports Reader");
        let (case, _, all) = told_of(&[found.clone(), found.allow(&["Reports Reader"])]);
        assert!(!case.is_open());
        let done = all.last().unwrap().data.body.split("\n\n").nth(1).unwrap();
        assert_eq!(
            done,
            "What was done\n- Left as it is, since the policy allows it now: revoke Reports Reader \
             from Agents."
        );
    }

    #[test]
    fn what_only_a_person_can_set_going_is_told_with_the_steps_by_hand_until_it_goes_on() {
        let one = || given().foreign_group("Agents", "Reports Reader");
        let (mut case, ..) = told_of(&[one()]);
        let id = case.rows[0].step.as_ref().unwrap().id.clone();
        let outcome = |state| {
            let detail = Some("the sign-in was refused".to_owned());
            Outcome { state, detail, request_id: None, acted_at: None }
        };
        let by_hand = |case: &Case| body(case, None).contains("\n  By hand: ");
        case.settle(&id, &outcome(StepState::Intended));
        assert!(!by_hand(&case), "it may work the next time");
        case.stuck(&id);
        assert!(by_hand(&case), "{}", body(&case, None));
        assert_eq!(case.severity(), Severity::Critical);
        // The next look begins the same step again; until it is answered, nothing is news.
        let policy = one().policy();
        let (tenant, history) = (&policy.roster.tenants[0], &History::default());
        let about = Circumstances {
            policy: &policy,
            tenant,
            history,
            own_apps: &[],
            stopped: None,
            now: noon(),
        };
        let facts = one().facts;
        let mut cases = after_look(&[case], &plan(&facts, about), &facts, noon());
        assert!(by_hand(&cases[0]));
        cases[0].settle(&id, &outcome(StepState::Revoked));
        assert!(!by_hand(&cases[0]));
    }

    #[test]
    fn a_step_is_told_by_how_far_it_has_come() {
        let (mut case, ..) = told_of(&[given().foreign_group("Agents", "Reports Reader")]);
        let id = case.rows[0].step.as_ref().unwrap().id.clone();
        let mut told = |state, detail: Option<&str>| {
            let detail = detail.map(str::to_owned);
            case.settle(&id, &Outcome { state, detail, request_id: None, acted_at: None });
            let body = body(&case, None);
            body.split("\n\n").nth(1).unwrap().lines().nth(1).unwrap().to_owned()
        };
        for (state, detail, expect) in [
            (
                StepState::Described,
                None,
                "- Would revoke Reports Reader from Agents, but mode enforce changes nothing.",
            ),
            (
                StepState::AwaitingApproval,
                None,
                "- Waits for a person to agree: revoke Reports Reader from Agents.",
            ),
            (StepState::Held, Some("why"), "- Held back: revoke Reports Reader from Agents: why."),
            (
                StepState::Intended,
                Some("busy"),
                "- Begun, outcome not known yet: revoke Reports Reader from Agents: busy; it is tried again.",
            ),
            (
                StepState::Revoked,
                None,
                "- Done: revoke Reports Reader from Agents. Not yet seen to be gone; it is read again.",
            ),
            (
                StepState::Refused,
                Some("403"),
                "- Refused by Microsoft Graph: revoke Reports Reader from Agents: 403.",
            ),
            (
                StepState::Reappeared,
                Some("so"),
                "- Done, yet still there: revoke Reports Reader from Agents: so.",
            ),
        ] {
            assert_eq!(told(state, detail), expect);
        }
    }

    #[test]
    fn a_step_about_no_grant_is_told_as_what_is_so_and_what_is_over_without_calling_it_allowed() {
        const BLOCK: &str = "block Contoso Reseller's people by conditional access";
        let given = || {
            Given::new()
                .with_policy(
                    "respond: {privileged-role: {do: quarantine}}\n\
                     tickets: {security: {kind: webhook, url: https://tickets.example}}",
                )
                .member("Megan", "Global Administrator")
        };
        let found = given().foreign_group("Agents", "Global Administrator");
        let (first, ..) = told_of(&[found]);
        let id = first.rows.iter().find_map(|row| Some(row.step.as_ref()?.id.clone())).unwrap();
        let line = |case: &Case| {
            let body = body(case, None);
            let lines = body.split("\n\n").nth(1).unwrap().lines();
            lines.filter(|line| line.contains(BLOCK)).map(str::to_owned).next().unwrap()
        };
        let gone = given();
        let policy = gone.policy();
        let (tenant, history) = (&policy.roster.tenants[0], &History::default());
        let about = Circumstances {
            policy: &policy,
            tenant,
            history,
            own_apps: &[],
            stopped: None,
            now: noon(),
        };
        let nothing = plan(&gone.facts, about);
        for (state, acted, now, over) in [
            (
                StepState::Held,
                false,
                "- Held back: {}: why.",
                "- Not done, and nothing asks for it any more: {}.",
            ),
            (
                StepState::Refused,
                false,
                "- Refused by Microsoft Graph: {}: why.",
                "- Refused by Microsoft Graph, and nothing asks for it any more: {}: why.",
            ),
            (
                StepState::Intended,
                false,
                "- Begun, outcome not known yet: {}: why; it is tried again.",
                "- Begun, outcome not known, and nothing asks for it any more: {}: why.",
            ),
            (
                StepState::Revoked,
                true,
                "- Done: {}: why. Not yet seen to be so; it is read again.",
                "- Done: {}: why. Not yet seen to be so; it is read again.",
            ),
            (
                StepState::Reappeared,
                true,
                "- Done, yet seen not to be so: {}: why.",
                "- Done, yet seen not to be so: {}: why.",
            ),
        ] {
            let mut case = first.clone();
            let (detail, acted_at) = (Some("why".to_owned()), acted.then(noon));
            case.settle(&id, &Outcome { state, detail, request_id: None, acted_at });
            assert_eq!(line(&case), now.replace("{}", BLOCK));
            let after = after_look(&[case], &nothing, &gone.facts, noon());
            assert_eq!(line(&after[0]), over.replace("{}", BLOCK), "{state:?}");
        }
        let mut case = first;
        case.settle(
            &id,
            &Outcome {
                state: StepState::Revoked,
                detail: None,
                request_id: None,
                acted_at: Some(noon()),
            },
        );
        case.verified(&id, noon());
        let proven = line(&case);
        assert!(
            proven.starts_with(&format!("- Done: {BLOCK}. Read again and seen to be so. It stays"))
        );
        assert!(proven.contains("(DAP) too, Microsoft does not say"), "{proven}");
    }
}
