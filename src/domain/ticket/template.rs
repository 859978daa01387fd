//! The author's own texts in place of the built-in ones: templates over the values of a message.
//!
//! A template is [Jinja](https://jinja.palletsprojects.com/en/stable/templates/) as `minijinja`
//! reads it, without anything that reads, includes or defines: it sees the [`values`] of the message
//! and has the filters of [`FILTERS`]. What the author writes is Markdown. What a value says is
//! text, whatever it is: [`inserted`] says how that is kept apart. An unknown value is an error, and
//! so is too much work and too long a text.

pub mod check;
mod inserted;
mod values;

use indexmap::IndexMap;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, filters, tests as is};
use serde_json::Value as Json;
use url::Url;

use self::inserted::{DECIDE, STORY, is_private};
pub(super) use self::values::Given;
pub use self::values::NAMES;
use super::MessageKind;
use crate::domain::markup::{Block, Document, Span};
use crate::domain::sink::Common;
use crate::domain::text::one_line;

/// The filters that a template may use.
pub const FILTERS: &[&str] = &[
    "default",
    "first",
    "join",
    "last",
    "length",
    "lower",
    "map",
    "rejectattr",
    "replace",
    "selectattr",
    "sort",
    "trim",
    "truncate",
    "unique",
    "upper",
];

/// The tests that a template may use after `is`, and by name in `selectattr` and `rejectattr`.
pub const TESTS: &[&str] = &["defined", "equalto", "in", "undefined"];

/// Longest template, in characters.
pub const TEMPLATE_MAX: usize = 16_384;

/// Longest text that comes of a template, in characters. The systems cut it further.
pub const OUTPUT_MAX: usize = 131_072;

/// The most work for one text, as `minijinja` counts it: one for each instruction and for each 64
/// bytes written or looked at.
pub const FUEL: u64 = 100_000;

/// How deep a template may nest and a loop go into itself.
const DEPTH: usize = 32;

/// Why a template gives no text. What is shown of it by [`std::fmt::Display`] holds nothing of the
/// message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which template: `templates.body`, `fields.NAME`.
    pub path: String,
    /// The line and the column in it, from 1, where they are known.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub what: &'static str,
    /// More about it, which may quote template and message.
    pub detail: Option<String>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)?;
        if let Some((line, column)) = self.at {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl Fault {
    fn new(what: &'static str) -> Self {
        Self { path: String::new(), at: None, what, detail: None }
    }

    fn of(error: &Error, source: &str) -> Self {
        let range = error.range().map(|range| {
            // Of `steps[0].summary` the error knows what is behind `steps`.
            let before = source.get(..range.start).unwrap_or_default();
            let rest = before.trim_end_matches(|c: char| c.is_alphanumeric() || "_.[]".contains(c));
            let is_rest = source.get(range.start..).is_some_and(|it| it.starts_with(['[', '.']));
            if is_rest { rest.len()..range.end } else { range }
        });
        let at = range.as_ref().map(|range| place(source, range.start));
        let quoted = || source.get(range?).map(|it| format!("`{it}`"));
        Self {
            path: String::new(),
            at: at.or_else(|| error.line().map(|line| (line, 1))),
            what: words(error.kind()),
            detail: error.detail().map(str::to_owned).or_else(quoted),
        }
    }

    fn in_template(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }
}

/// The line and the column of a byte.
fn place(source: &str, byte: usize) -> (usize, usize) {
    let before = source.get(..byte).unwrap_or(source);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// What is said of a value that is not there.
const UNKNOWN: &str = "there is no such value";

#[expect(clippy::wildcard_enum_match_arm, reason = "the kinds of another crate, which may be more")]
fn words(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UndefinedError => UNKNOWN,
        ErrorKind::UnknownFilter => "there is no such filter",
        ErrorKind::UnknownTest => "there is no such test",
        ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => "a template has no functions",
        ErrorKind::SyntaxError | ErrorKind::BadEscape => "it cannot be read as a template",
        ErrorKind::OutOfFuel => "it takes too much work; loop over less",
        _ => "it does not work",
    }
}

/// What the author's templates make of a message.
#[derive(Debug, Default)]
pub(super) struct Wording {
    /// The title, as long as it comes.
    pub(super) title: Option<String>,
    /// The text, without the mark.
    pub(super) text: Option<Document>,
    /// The fields of a new ticket.
    pub(super) fields: IndexMap<String, Json>,
    /// What could not be worded, and is therefore said as if there were no template.
    pub(super) faults: Vec<Fault>,
}

impl Wording {
    /// What the templates of a sink make of a message. Where one fails, or nothing comes of it, there
    /// is nothing here of it; a field that fails is left out.
    pub(super) fn of(common: &Common, kind: MessageKind, given: &Given) -> Self {
        let mut wording = Self::default();
        let texts = &common.templates;
        let (path, source) = match kind {
            MessageKind::Opened => ("templates.body", &texts.body),
            MessageKind::Updated => ("templates.comment", &texts.comment),
            MessageKind::Closed => ("templates.close", &texts.close),
        };
        if let Some(source) = &texts.title {
            let title = line(source, given).map(|title| one_line(&title));
            wording.title = wording.good("templates.title", title).filter(|it| !it.is_empty());
        }
        if let Some(source) = source {
            let text = text(source, given);
            wording.text = wording.good(path, text).filter(|text| !text.is_empty());
        }
        for (name, value) in &common.fields {
            let filled = filled(value, given);
            if let Some(value) = wording.good(&format!("fields.{name}"), filled) {
                wording.fields.insert(name.clone(), value);
            }
        }
        wording
    }

    fn good<T>(&mut self, path: &str, made: Result<T, Fault>) -> Option<T> {
        made.map_err(|fault| self.faults.push(fault.in_template(path))).ok()
    }
}

/// A template as plain text: what it says in a title or in a field of a ticket.
fn line(source: &str, given: &Given) -> Result<String, Fault> {
    inserted::plain(&rendered(source, &given.of_line)?, given.decide.as_deref()).map_err(Fault::new)
}

/// A template as text with structure, which is the author's alone.
fn text(source: &str, given: &Given) -> Result<Document, Fault> {
    const ADDRESS: &str = "no value may stand in the address of a link, but decisionUrl alone: `[text]({{ decisionUrl }})`";
    const NOTHING: &str =
        "a link leads nowhere where there is no decisionUrl: `{% if decisionUrl %}…{% endif %}`";
    const HTTPS: &str = "a link has to lead to an https address";
    const ALONE: &str = "`body` has to stand on a line of its own, between two empty lines";
    let rendered = rendered(source, &given.of_text)?;
    let decide = given.decide.as_deref().and_then(|it| Url::parse(it).ok());
    let mut fault = None;
    let document = Document::parse_leading(&rendered, &mut |address| {
        let leads = if inserted::is_only(address, DECIDE) {
            decide.clone().ok_or(HTTPS)
        } else if inserted::is_nothing(address) {
            Err(NOTHING)
        } else if address.contains(is_private) {
            Err(ADDRESS)
        } else {
            let url = Url::parse(address).ok();
            url.filter(|url| url.scheme() == "https" && url.has_host()).ok_or(HTTPS)
        };
        leads.map_err(|why| fault = Some(why)).ok()
    });
    if let Some(why) = fault {
        return Err(Fault::new(why));
    }
    let mut blocks = Vec::new();
    for block in document.blocks {
        let spans = |spans: Vec<Span>| {
            let alone = !spans.iter().any(holds_story);
            alone.then(|| inserted::spans(spans, given.decide.as_deref()))
        };
        let block = match block {
            Block::Paragraph(line) if is_story(&line) => {
                blocks.extend(given.story.blocks.clone());
                continue;
            }
            Block::Paragraph(line) => spans(line).map(Block::Paragraph),
            Block::Heading(line) => spans(line).map(Block::Heading),
            Block::List(items) => {
                items.into_iter().map(spans).collect::<Option<_>>().map(Block::List)
            }
        };
        blocks.push(block.ok_or_else(|| Fault::new(ALONE))?);
    }
    Ok(Document { blocks })
}

/// Whether the built-in text was to stand in a piece of a line.
fn holds_story(span: &Span) -> bool {
    match span {
        Span::Text(text) | Span::Strong(text) | Span::Code(text) | Span::Link { text, .. } => {
            text.contains(STORY)
        }
        Span::Break => false,
    }
}

/// Whether a paragraph is nothing but the built-in text.
fn is_story(line: &[Span]) -> bool {
    matches!(line, [Span::Text(text)] if inserted::is_only(text, STORY))
}

/// A value of a field, in which every text is a template.
fn filled(value: &Json, given: &Given) -> Result<Json, Fault> {
    Ok(match value {
        Json::String(source) if is_template(source) => line(source, given)?.into(),
        Json::Array(items) => {
            let items: Result<Vec<Json>, Fault> =
                items.iter().map(|item| filled(item, given)).collect();
            items?.into()
        }
        Json::Object(fields) => {
            let pair = |(name, value): (&String, &Json)| Ok((name.clone(), filled(value, given)?));
            let fields: Result<serde_json::Map<String, Json>, Fault> =
                fields.iter().map(pair).collect();
            fields?.into()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.clone(),
    })
}

/// Whether anything in a text is not as it stands there.
fn is_template(source: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|opening| source.contains(opening))
}

/// What a template says, with its values marked by [`inserted`].
fn rendered(source: &str, values: &Value) -> Result<String, Fault> {
    let environment = environment();
    let template =
        environment.template_from_str(source).map_err(|error| Fault::of(&error, source))?;
    let text = template.render(values).map_err(|error| Fault::of(&error, source))?;
    if text.chars().count() > OUTPUT_MAX {
        return Err(Fault::new("what comes of it is too long; say less"));
    }
    Ok(text)
}

/// What templates are read and rendered with.
fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    // Else an error keeps the message's values.
    environment.set_debug(false);
    environment.set_formatter(|out, _, value| {
        let text = match value.kind() {
            ValueKind::Undefined | ValueKind::None => String::new(),
            ValueKind::String | ValueKind::Number | ValueKind::Bool => value.to_string(),
            _ => return Err(Error::new(
                ErrorKind::InvalidOperation,
                "a list, or a thing with parts, is no text: name one of its parts, or use `join`",
            )),
        };
        Ok(out.write_str(&inserted::inserted(&text))?)
    });
    environment.add_filter("default", default);
    environment.add_filter("first", first);
    environment.add_filter("join", filters::join);
    environment.add_filter("last", last);
    environment.add_filter("length", length);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("map", filters::map);
    environment.add_filter("rejectattr", filters::rejectattr);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("selectattr", filters::selectattr);
    environment.add_filter("sort", filters::sort);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("truncate", truncate);
    environment.add_filter("unique", filters::unique);
    environment.add_filter("upper", filters::upper);
    environment.add_test("defined", is::is_defined);
    environment.add_test("equalto", is::is_eq);
    environment.add_test("in", is::is_in);
    environment.add_test("undefined", is::is_undefined);
    environment
}

/// A value, or another one where it is empty.
fn default(value: &Value, other: Value) -> Result<Value, Error> {
    is_there(value)?;
    Ok(if value.is_none() || value.as_str() == Some("") { other } else { value.clone() })
}

fn first(value: &Value) -> Result<Value, Error> {
    is_there(value)?;
    filters::first(value)
}

fn last(value: Value) -> Result<Value, Error> {
    is_there(&value)?;
    filters::last(value)
}

fn length(value: &Value) -> Result<usize, Error> {
    is_there(value)?;
    filters::length(value)
}

/// A text of at most so many characters, the last of which says that it was cut.
fn truncate(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Sees that there is a value at all.
fn is_there(value: &Value) -> Result<(), Error> {
    if value.is_undefined() { Err(ErrorKind::UndefinedError.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
