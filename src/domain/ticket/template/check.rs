//! The check of every template of a policy, before anything is said with them.

use serde_json::Value as Json;

use super::values::fixtures;
use super::{
    FILTERS, Fault, Given, NAMES, TEMPLATE_MAX, UNKNOWN, environment, filled, is_template, line,
    place, text,
};
use crate::domain::policy::{Policy, Problem};
use crate::domain::sink::{Common, Sink};
use crate::domain::text::one_line;
use crate::domain::ticket::{Message, MessageKind, said};

/// Everything that is wrong with the templates of a policy, in the order of the file: each is read,
/// and tried with messages of each kind it is for.
pub fn problems(policy: &Policy) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, Sink { common, .. }) in &policy.tickets {
        for fault in faults(common) {
            let place = common.places.iter().find(|(path, _)| {
                fault
                    .path
                    .strip_prefix(path.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            });
            let (line, column) = place.map_or((0, 0), |(_, place)| *place);
            let more = fault.detail.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
            let message = one_line(&format!("tickets.{name}.{fault}{more}"));
            problems.push(Problem { line, column, message });
        }
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

/// The first that is wrong with each template of a sink.
fn faults(common: &Common) -> Vec<Fault> {
    use MessageKind::{Closed, Opened, Updated};
    let texts = &common.templates;
    let mut faults = Vec::new();
    for (path, source, kinds, is_line) in [
        ("templates.title", &texts.title, &[Opened, Updated, Closed][..], true),
        ("templates.body", &texts.body, &[Opened], false),
        ("templates.comment", &texts.comment, &[Updated], false),
        ("templates.close", &texts.close, &[Closed], false),
    ] {
        let Some(source) = source else { continue };
        let tried = if is_line {
            try_with(common, source, kinds, is_line, |given| line(source, given).map(drop))
        } else {
            try_with(common, source, kinds, is_line, |given| text(source, given).map(drop))
        };
        faults.extend(tried.err().map(|fault| fault.in_template(path)));
    }
    for (name, value) in &common.fields {
        in_field(common, &format!("fields.{name}"), value, &mut faults);
    }
    faults
}

fn in_field(common: &Common, path: &str, value: &Json, faults: &mut Vec<Fault>) {
    match value {
        Json::String(source) if is_template(source) => {
            let kinds = [MessageKind::Opened, MessageKind::Updated, MessageKind::Closed];
            let tried =
                try_with(common, source, &kinds, true, |given| filled(value, given).map(drop));
            faults.extend(tried.err().map(|fault| fault.in_template(path)));
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                in_field(common, &format!("{path}[{at}]"), item, faults);
            }
        }
        Json::Object(fields) => {
            for (name, item) in fields {
                in_field(common, &format!("{path}.{name}"), item, faults);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// Reads a template, and renders it with messages of these kinds.
fn try_with(
    common: &Common,
    source: &str,
    kinds: &[MessageKind],
    is_line: bool,
    render: impl Fn(&Given) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if source.chars().count() > TEMPLATE_MAX {
        return Err(Fault::new("it is too long; 16384 characters are the most"));
    }
    if let Some(byte) = source.find(super::is_private) {
        let at = Some(place(source, byte));
        return Err(Fault { at, ..Fault::new("a character of private use cannot stand here") });
    }
    names(source, is_line)?;
    for (number, message) in (1..).zip(kinds.iter().flat_map(|kind| fixtures(*kind))) {
        let Message { data, .. } = &message;
        let story = said::document(&data.body, data.decision_url.as_deref());
        let mended = |fault: Fault| match fault.what {
            UNKNOWN => Fault { detail: fault.detail.map(|it| it + &mend(is_line)), ..fault },
            _ => fault,
        };
        render(&Given::of(&message, number, common, story)).map_err(mended)?;
    }
    Ok(())
}

fn mend(is_line: bool) -> String {
    let names = NAMES.iter().filter(|name| !is_line || **name != "body");
    let names: Vec<&str> = names.copied().collect();
    format!("; a template has: {}; what may be missing is asked for with `if`", names.join(", "))
}

/// Sees that every value and filter is known that is named anywhere, be it where no message of the
/// check comes by.
fn names(source: &str, is_line: bool) -> Result<(), Fault> {
    let environment = environment();
    let template =
        environment.template_from_str(source).map_err(|error| Fault::of(&error, source))?;
    let tags = tags(source);
    let known =
        |name: &&String| NAMES.contains(&name.as_str()) && !(is_line && name.as_str() == "body");
    let unknown = template.undeclared_variables(false);
    let mut unknown: Vec<&String> = unknown.iter().filter(|name| !known(name)).collect();
    unknown.sort_unstable();
    if let Some(name) = unknown.first() {
        let byte = tags.iter().find_map(|(at, tag)| Some(at + word(tag, name)?));
        let detail = Some(format!("`{name}`{}", mend(is_line)));
        return Err(Fault {
            at: byte.map(|byte| place(source, byte)),
            detail,
            ..Fault::new(UNKNOWN)
        });
    }
    for (at, tag) in &tags {
        for (bar, _) in tag.match_indices('|') {
            let after = tag.get(bar + 1..).unwrap_or_default();
            let gap = after.len() - after.trim_start().len();
            let rest = after.trim_start();
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let filter = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if !FILTERS.contains(&filter) {
                let detail = Some(format!("`{filter}`; there is: {}", FILTERS.join(", ")));
                return Err(Fault {
                    at: Some(place(source, at + bar + 1 + gap)),
                    detail,
                    ..Fault::new("there is no such filter")
                });
            }
        }
    }
    Ok(())
}

/// Where a name stands in a tag on its own, and is no part of another value.
fn word(tag: &str, name: &str) -> Option<usize> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    tag.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = tag.get(..*at).and_then(|it| it.chars().next_back());
        let after = tag.get(at + name.len()..).and_then(|it| it.chars().next());
        !before.is_some_and(|c| in_word(c) || c == '.') && !after.is_some_and(in_word)
    })
}

/// What stands between `{{` and `}}`, and `{%` and `%}`, with the byte it begins at, and with spaces
/// in place of what is quoted. `minijinja` has read it already, so that each has its end.
fn tags(source: &str) -> Vec<(usize, String)> {
    let mut tags = Vec::new();
    let (mut at, mut raw) = (0, false);
    while let Some(start) = source.get(at..).and_then(|rest| Some(at + rest.find('{')?)) {
        let inside = source.get(start + 2..).unwrap_or_default();
        let close = match source.as_bytes().get(start + 1) {
            Some(b'{') if !raw => "}}",
            Some(b'%') => "%}",
            Some(b'#') if !raw => "#}",
            _ => {
                at = start + 1;
                continue;
            }
        };
        let tag = if close == "#}" {
            inside.split(close).next().unwrap_or_default().to_owned()
        } else {
            unquoted(inside, close)
        };
        at = start + 2 + tag.len();
        let what = tag.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        match (close, what) {
            ("%}", "raw") => raw = true,
            ("%}", "endraw") => raw = false,
            ("#}", _) => {}
            _ if raw => at = start + 2,
            _ => tags.push((start + 2, tag)),
        }
    }
    tags
}

/// The beginning of a text up to `close`, with spaces in place of what is quoted.
fn unquoted(text: &str, close: &str) -> String {
    let mut tag = String::new();
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        if quote.is_none() && text.get(at..).is_some_and(|rest| rest.starts_with(close)) {
            break;
        }
        let within = quote.is_some();
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            _ => {}
        }
        if within || quote.is_some() {
            tag.extend(std::iter::repeat_n(' ', c.len_utf8()));
        } else {
            tag.push(c);
        }
    }
    tag
}
