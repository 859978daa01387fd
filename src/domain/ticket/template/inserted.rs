//! What a value says in a text that is Markdown.
//!
//! Where a value is written into the author's Markdown, each of its characters that could mean
//! anything there is written as a character of private use (Unicode 16, section 23.5), and a mark
//! stands before and behind it, so that not even a digit or a space of it is read together with what
//! the author wrote. Once the Markdown is read, what is left in the texts is written back. No value
//! has characters of private use of its own: [`given`] replaces them.

use crate::domain::markup::{Span, harmless};
use crate::domain::text::one_line;

/// What an ASCII character that is neither a letter nor a digit is added to.
const FIRST: u32 = 0xe000;

/// The beginning of what a value says.
const BEGIN: char = '\u{f8f0}';

/// The end of what a value says.
const END: char = '\u{f8f1}';

/// The address of the page on which people decide.
pub(super) const DECIDE: char = '\u{f8f2}';

/// The built-in text.
pub(super) const STORY: char = '\u{f8f3}';

/// Whether a character is of private use, and so means here what this file says.
pub(super) fn is_private(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}')
}

/// A text of the message as a template is given it.
pub(super) fn given(text: &str) -> String {
    one_line(text).replace(is_private, "\u{fffd}")
}

/// A value as it is written into Markdown.
pub(super) fn inserted(value: &str) -> String {
    let mut whole = String::with_capacity(value.len() + 6);
    whole.push(BEGIN);
    whole.extend(value.chars().map(|c| {
        let means = c.is_ascii() && !c.is_ascii_alphanumeric();
        means.then(|| char::from_u32(FIRST + u32::from(c))).flatten().unwrap_or(c)
    }));
    whole.push(END);
    whole
}

/// What a character stands for; nothing where it is a mark.
fn meant(c: char) -> Option<char> {
    match c {
        BEGIN | END => None,
        '\u{e000}'..='\u{e07f}' => char::from_u32(u32::from(c) - FIRST),
        c => Some(c),
    }
}

/// Text as it was before it was inserted.
fn back(text: &str) -> String {
    text.chars().filter_map(meant).collect()
}

/// Whether nothing but `mark` was inserted.
pub(super) fn is_only(text: &str, mark: char) -> bool {
    let mut rest = text.chars().filter(|c| !matches!(*c, BEGIN | END) && !c.is_whitespace());
    rest.next() == Some(mark) && rest.next().is_none()
}

/// Whether a value stands here, and says nothing.
pub(super) fn is_nothing(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| matches!(c, BEGIN | END))
}

/// The spans of a line as they are meant. `decide` is where people decide.
pub(super) fn spans(line: Vec<Span>, decide: Option<&str>) -> Vec<Span> {
    let decide = decide.unwrap_or_default();
    let mut all = Vec::with_capacity(line.len());
    for span in line {
        let (text, like): (String, fn(String) -> Span) = match span {
            Span::Text(text) => (text, Span::Text),
            Span::Strong(text) => (text, Span::Strong),
            Span::Code(text) => (text, Span::Code),
            Span::Link { text, url } => {
                all.push(Span::Link { text: back(&text).replace(DECIDE, decide), url });
                continue;
            }
            Span::Break => {
                all.push(Span::Break);
                continue;
            }
        };
        let mut pieces = text.split(DECIDE).map(back);
        let first = pieces.next().unwrap_or_default();
        let mut rest = pieces.peekable();
        if rest.peek().is_none() || !first.is_empty() {
            all.push(like(first));
        }
        for piece in rest {
            all.push(Span::link(decide));
            if !piece.is_empty() {
                all.push(like(piece));
            }
        }
    }
    all
}

/// Text without structure: what the author wrote as it stands, and what values say made
/// [`harmless`].
///
/// # Errors
/// A value is part of the host of an address.
pub(super) fn plain(rendered: &str, decide: Option<&str>) -> Result<String, &'static str> {
    let (mut whole, mut said, mut depth) = (String::new(), String::new(), 0_usize);
    for c in rendered.chars() {
        match c {
            BEGIN => {
                if depth == 0 && said.is_empty() && is_host(&whole) {
                    return Err("no value may be part of the host of an address");
                }
                depth += 1;
            }
            END => depth = depth.saturating_sub(1),
            DECIDE => {
                whole.push_str(&harmless(&std::mem::take(&mut said)));
                whole.push_str(decide.unwrap_or_default());
            }
            c if depth > 0 || is_private(c) => said.extend(meant(c)),
            c => {
                whole.push_str(&harmless(&std::mem::take(&mut said)));
                whole.push(c);
            }
        }
    }
    whole.push_str(&harmless(&said));
    Ok(whole)
}

/// Whether what follows a text belongs to the host of an address.
fn is_host(text: &str) -> bool {
    let word = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    word.rsplit_once("://").is_some_and(|(_, host)| !host.contains(['/', '?', '#']))
}
