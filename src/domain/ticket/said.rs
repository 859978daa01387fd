//! What is to be said in a ticket of a system, whatever the system.

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::template::{Fault, Given, Wording};
use super::{Message, MessageKind};
use crate::domain::finding::Severity;
use crate::domain::markup::{Block, Document, Span, plain};
use crate::domain::plan::StepState;
use crate::domain::sink::{Common, Decides, Texts};
use crate::domain::text::one_line;

/// What the addresses of Microsoft's pages begin with.
const PAGES: &str = "https://learn.microsoft.com/";

/// A ticket's key: `pw1-` and 26 hexadecimal digits, the same for as long as the case is open, and
/// another one for each sink. It is what a ticket is found again by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketKey(pub String);

impl TicketKey {
    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be said in a ticket: the same bytes for every attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The ticket's key.
    pub key: TicketKey,
    /// Its place among all that is said in the ticket, from 1.
    pub number: u32,
    /// What it does to the ticket.
    pub kind: MessageKind,
    /// One line, free of what strangers could do with a title.
    pub title: String,
    /// The text. Its last block is [`Said::mark`].
    pub text: Document,
    /// How bad it is.
    pub severity: Severity,
    /// What the policy calls that severity in this system.
    pub priority: Option<String>,
    /// More fields of a new ticket, by the system's names for them.
    pub fields: IndexMap<String, Value>,
}

impl Said {
    /// `pw1-… #3`: what tells this from everything else said in the ticket. It stands at the end of
    /// the text, so that a repetition can be told from news.
    pub fn mark(&self) -> String {
        mark(&self.key, self.number)
    }
}

impl Said {
    /// What a message says, in a system that takes titles of `title_max` characters: in the words of
    /// the policy's templates where it has any and they do not fail, else in the built-in ones.
    ///
    /// # Errors
    /// Where the message is none of this program's, or of a version that is not known.
    pub fn of(id: &str, body: &str, common: &Common, title_max: usize) -> Result<Self, NotSaid> {
        let Read { message, number, built_in, wording } = Read::new(id, body, common)?;
        let asks = message.data.steps.iter().any(|step| step.state == StepState::AwaitingApproval);
        let (key, severity) = (TicketKey(message.data.key), message.data.severity);
        let title = wording.title.unwrap_or_else(|| one_line(&message.data.title));
        let mut text = wording.text.unwrap_or(built_in);
        if asks && common.decide.any() {
            text.blocks.extend(how_to_decide(&common.decide));
        }
        text.blocks.push(Block::Paragraph(vec![Span::Code(mark(&key, number))]));
        Ok(Self {
            number,
            kind: message.kind,
            title: cut(&title, title_max),
            text,
            severity,
            priority: common.priority.get(&severity).cloned(),
            fields: wording.fields,
            key,
        })
    }
}

/// The templates of a sink that fail with a message, which is therefore said in the built-in words.
///
/// # Errors
/// As with [`Said::of`].
pub fn faults(id: &str, body: &str, common: &Common) -> Result<Vec<Fault>, NotSaid> {
    Ok(Read::new(id, body, common)?.wording.faults)
}

/// The body of a message for the generic webhook, in which `data.title` and `data.body` are what
/// the templates of the sink make of it. Nothing where they make nothing, and it stays as it is.
pub fn worded(id: &str, body: &str, common: &Common) -> Option<String> {
    if common.templates == Texts::default() {
        return None;
    }
    let Wording { title, text, .. } = Read::new(id, body, common).ok()?.wording;
    if title.is_none() && text.is_none() {
        return None;
    }
    let mut message: Value = serde_json::from_str(body).ok()?;
    let data = message.get_mut("data")?.as_object_mut()?;
    data.extend(title.map(|title| ("title".to_owned(), title.into())));
    data.extend(text.map(|text| ("body".to_owned(), plain(&text).into())));
    Some(message.to_string())
}

/// A message, and what the policy makes of it.
struct Read {
    message: Message,
    number: u32,
    built_in: Document,
    wording: Wording,
}

impl Read {
    fn new(id: &str, body: &str, common: &Common) -> Result<Self, NotSaid> {
        let message: Message = serde_json::from_str(body).map_err(|_| NotSaid)?;
        let number = id.rsplit('-').next().and_then(|number| number.parse().ok()).ok_or(NotSaid)?;
        let built_in = document(&message.data.body, message.data.decision_url.as_deref());
        let given = Given::of(&message, number, common, built_in.clone());
        let wording = Wording::of(common, message.kind, &given);
        Ok(Self { message, number, built_in, wording })
    }
}

/// How people decide in the ticket itself.
fn how_to_decide(decides: &Decides) -> [Block; 2] {
    let names = |names: &[String]| names.join(", ");
    let mut items = Vec::new();
    let mut say = |what: &str, states: &[String]| {
        if !states.is_empty() {
            items
                .push(vec![Span::text(&format!("{what}: bring this ticket to {}", names(states)))]);
        }
    };
    say("To agree", &decides.approve);
    say("To refuse", &decides.refuse);
    let text = |text: &str| vec![Span::text(text)];
    items.push(text(
        "What it stood in before this was said counts for nothing: bring it out of that first, and \
         back. A ticket that is ended agrees to nothing.",
    ));
    if !decides.by.is_empty() {
        items.push(text(&format!("Only these count: {}", names(&decides.by))));
    }
    [Block::Heading(text("How to decide in this ticket")), Block::List(items)]
}

/// A message that says nothing to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message cannot be read by this version")]
pub struct NotSaid;

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The text of a ticket, of which each part begins with its heading. `decide` is where people
/// decide, which is the only address in it that becomes a link beside those of Microsoft's pages
/// at the end of a part: all else that looks like one may be a stranger's.
pub(super) fn document(body: &str, decide: Option<&str>) -> Document {
    let mut blocks = Vec::new();
    for part in body.split("\n\n") {
        let mut lines = part.lines().filter(|line| !line.trim().is_empty());
        let Some(heading) = lines.next() else { continue };
        blocks.push(Block::Heading(vec![Span::text(heading)]));
        let (mut items, mut rest): (Vec<Vec<Span>>, Vec<Span>) = (Vec::new(), Vec::new());
        for line in lines {
            match (line.strip_prefix("- "), line.strip_prefix("  "), items.last_mut()) {
                (Some(item), _, _) => items.push(spans(item, decide)),
                (None, Some(more), Some(item)) => {
                    item.push(Span::Break);
                    item.extend(spans(more, decide));
                }
                _ => {
                    if !rest.is_empty() {
                        rest.push(Span::Break);
                    }
                    if line.starts_with(PAGES) {
                        rest.push(Span::link(line));
                    } else {
                        rest.extend(spans(line, decide));
                    }
                }
            }
        }
        if !items.is_empty() {
            blocks.push(Block::List(items));
        }
        if !rest.is_empty() {
            blocks.push(Block::Paragraph(rest));
        }
    }
    Document { blocks }
}

fn spans(line: &str, decide: Option<&str>) -> Vec<Span> {
    match decide.and_then(|decide| Some((line.strip_suffix(decide)?, decide))) {
        Some((before, decide)) => vec![Span::text(before), Span::link(decide)],
        None => vec![Span::text(line)],
    }
}

/// The mark of what was said at a place among all that is said in a ticket.
pub fn mark(key: &TicketKey, number: u32) -> String {
    format!("{key} #{number}")
}

/// Whether a text holds a mark, and not only the beginning of a later one.
pub fn says(text: &str, mark: &str) -> bool {
    text.match_indices(mark).any(|(at, _)| {
        let after = text.get(at + mark.len()..).and_then(|rest| rest.chars().next());
        !after.is_some_and(|character| character.is_ascii_digit())
    })
}

/// A ticket in its system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketRef {
    /// The system's own id, by which it is read and written.
    pub id: String,
    /// What people call it: `SEC-17`, `INC0010023`.
    pub human: String,
    /// Where people look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How a ticket stands in its system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether anything is left to do in it, by the system's own reckoning.
    pub open: bool,
    /// Everything about its state that a policy may name under `decide`: ids and names of status,
    /// resolution, labels, and the answer of an approval the system has of its own.
    pub states: Vec<String>,
    /// Who brought it into that state, where the system says so, by each of the names that a policy
    /// may use.
    pub by: Vec<String>,
}

/// Something about a ticket that may decide, and who brought it about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// What a policy may call it.
    pub states: Vec<String>,
    /// Who brought it about, by each of the names that a policy may use.
    pub by: Vec<String>,
}

impl Standing {
    /// How a ticket stands in which several things may decide, each brought about by others: `by`
    /// never holds who brought about something else than what `states` names. What refuses is
    /// named before what agrees, and what decides before all else.
    pub fn on(open: bool, grounds: Vec<Ground>, decide: &Decides) -> Self {
        let same = |one: &String, other: &String| one.to_lowercase() == other.to_lowercase();
        let names = |ground: &Ground, list: &[String]| {
            ground.states.iter().any(|state| list.iter().any(|named| same(state, named)))
        };
        let lists = [&decide.refuse, &decide.approve];
        let deciding = lists.into_iter().find(|list| grounds.iter().any(|it| names(it, list)));
        let mut standing = Self { open, states: Vec::new(), by: Vec::new() };
        for ground in grounds {
            if deciding.is_none_or(|list| names(&ground, list)) {
                standing.states.extend(ground.states);
                standing.by.extend(ground.by);
            }
        }
        standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_taken_for_who_decided_because_of_what_else_they_did() {
        let owned = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let ground = |states: &[&str], by: &str| Ground { states: owned(states), by: owned(&[by]) };
        let decide = Decides {
            approve: owned(&["Go", "approval:approved"]),
            refuse: owned(&["no go"]),
            by: Vec::new(),
        };
        let (go, no) = (ground(&["7", "go"], "anybody"), ground(&["No Go"], "somebody"));
        let (approval, other) = (ground(&["approval:approved"], "boss"), ground(&["9"], "idle"));
        for (grounds, states, by) in [
            (vec![other.clone(), approval.clone()], vec!["approval:approved"], vec!["boss"]),
            (
                vec![go, approval.clone()],
                vec!["7", "go", "approval:approved"],
                vec!["anybody", "boss"],
            ),
            (vec![approval, no], vec!["No Go"], vec!["somebody"]),
            (vec![other], vec!["9"], vec!["idle"]),
            (vec![], vec![], vec![]),
        ] {
            let standing = Standing::on(true, grounds, &decide);
            assert_eq!((standing.states, standing.by), (owned(&states), owned(&by)));
        }
    }

    #[test]
    fn a_message_is_said_with_its_structure_and_its_mark() {
        let body = "What was found\n- first\n- second\n  By hand: so\n\nWho decides\n- Approve or \
                    refuse until noon: https://warden.example/decisions/t\n\nAbout a-rule\nWhy.\n\
                    https://evil.example/\nhttps://learn.microsoft.com/entra\n";
        let message = serde_json::json!({
            "type": "ticket.updated",
            "timestamp": "2026-11-23T12:00:00Z",
            "data": {
                "key": "pw1-0", "title": "a\nb", "body": body, "severity": "high",
                "tenant": { "id": null, "name": "Woodgrove" },
                "partner": { "id": null, "name": "Contoso" },
                "findings": [], "steps": [], "record": "rec-1",
                "decisionUrl": "https://warden.example/decisions/t",
            },
        });
        let common =
            Common { priority: [(Severity::High, "2".to_owned())].into(), ..Common::default() };
        let said = Said::of("pw1-0-3", &message.to_string(), &common, 2).unwrap();
        assert_eq!((said.number, said.title.as_str()), (3, "a…"));
        assert_eq!(said.priority.as_deref(), Some("2"));
        let text = |text: &str| Span::text(text);
        assert_eq!(
            said.text.blocks,
            [
                Block::Heading(vec![text("What was found")]),
                Block::List(vec![
                    vec![text("first")],
                    vec![text("second"), Span::Break, text("By hand: so")],
                ]),
                Block::Heading(vec![text("Who decides")]),
                Block::List(vec![vec![
                    text("Approve or refuse until noon: "),
                    Span::link("https://warden.example/decisions/t"),
                ]]),
                Block::Heading(vec![text("About a-rule")]),
                Block::Paragraph(vec![
                    text("Why."),
                    Span::Break,
                    text("https://evil.example/"),
                    Span::Break,
                    Span::link("https://learn.microsoft.com/entra"),
                ]),
                Block::Paragraph(vec![Span::Code("pw1-0 #3".to_owned())]),
            ]
        );
        for (id, body) in [("pw1-0-3", "{}"), ("pw1-0-x", &message.to_string())] {
            assert_eq!(Said::of(id, body, &common, 2), Err(NotSaid));
        }
    }

    #[test]
    fn a_ticket_says_how_it_decides_as_long_as_it_asks() {
        let message = |state: &str| {
            serde_json::json!({
                "type": "ticket.opened",
                "timestamp": "2026-11-23T12:00:00Z",
                "data": {
                    "key": "pw1-0", "title": "a", "body": "What was found\n- it\n",
                    "severity": "high",
                    "tenant": { "id": null, "name": "Woodgrove" },
                    "partner": { "id": null, "name": "Contoso" },
                    "findings": [], "record": "rec-1",
                    "steps": [{ "id": "s", "summary": "s", "state": state, "byHand": "h" }],
                },
            })
        };
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let decide = Decides {
            approve: names(&["Go", "17"]),
            refuse: names(&["Stop"]),
            by: names(&["megan"]),
        };
        let said = |state: &str, decide: &Decides| {
            let common = Common { decide: decide.clone(), ..Common::default() };
            let said = Said::of("pw1-0-1", &message(state).to_string(), &common, 9).unwrap();
            plain(&said.text)
        };
        let asks = said("awaiting-approval", &decide);
        for line in [
            "How to decide in this ticket",
            "To agree: bring this ticket to Go, 17",
            "To refuse: bring this ticket to Stop",
            "What it stood in before this was said counts for nothing",
            "Only these count: megan",
        ] {
            assert!(asks.contains(line), "{asks}");
        }
        assert!(asks.trim_end().ends_with("pw1-0 #1"), "{asks}");
        let refuse_only = Decides { refuse: names(&["Stop"]), ..Decides::default() };
        assert!(!said("awaiting-approval", &refuse_only).contains("To agree"));
        for (state, decide) in [("held", &decide), ("awaiting-approval", &Decides::default())] {
            assert!(!said(state, decide).contains("How to decide"), "{state}");
        }
    }

    #[test]
    fn a_mark_is_not_the_beginning_of_a_later_one() {
        let key = TicketKey("pw1-0123456789abcdef0123456789".to_owned());
        let first = mark(&key, 1);
        for text in
            [format!("so\n{first}"), format!("<code>{first}</code>"), format!("{first}0 {first}.")]
        {
            assert!(says(&text, &first), "{text}");
        }
        for text in [mark(&key, 10), mark(&key, 2), String::new(), key.to_string()] {
            assert!(!says(&text, &first), "{text}");
        }
    }
}
