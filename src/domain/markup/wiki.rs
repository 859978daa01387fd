//! Jira's wiki markup.

use std::fmt::Write as _;

use super::plain::shows_itself;
use super::{Block, Document, Span, inert, tidy};

/// The document as Jira's wiki markup.
///
/// Special characters are escaped with a backslash (Atlassian, "Text Formatting Notation Help",
/// "Escape special character"), also the `[` and `~` of a mention and the dash of an issue's key.
/// A backslash itself, and what no backslash escapes, is written as a numbered entity, which the
/// markup shows as its character (pandoc's writer for Jira does so for the backslash); where it did
/// not, the number would be read and nothing worse.
pub fn wiki(document: &Document) -> String {
    let blocks: Vec<String> = tidy(document)
        .iter()
        .map(|block| match block {
            Block::Heading(spans) => format!("h3. {}", line(spans, " ")),
            Block::Paragraph(spans) => line(spans, "\\\\\n"),
            Block::List(items) => {
                let items: Vec<String> =
                    items.iter().map(|item| format!("* {}", line(item, " \\\\ "))).collect();
                items.join("\n")
            }
        })
        .collect();
    blocks.join("\n\n")
}

fn line(spans: &[Span], line_end: &str) -> String {
    let mut whole = String::new();
    for (at, span) in spans.iter().enumerate() {
        let alone = inert::stands_alone(&whole, spans.get(at + 1));
        match span {
            Span::Strong(text) if alone => push(&mut whole, format_args!("*{}*", escaped(text))),
            Span::Code(text) if alone => {
                push(&mut whole, format_args!("{{{{{}}}}}", escaped(text)));
            }
            Span::Text(text) | Span::Strong(text) | Span::Code(text) => {
                whole.push_str(&escaped(text));
            }
            Span::Link { text, url } => {
                let mut address = url.as_str().to_owned();
                for (c, code) in [('|', "%7C"), ('[', "%5B"), (']', "%5D"), ('\\', "%5C")] {
                    address = address.replace(c, code);
                }
                if shows_itself(text, url) {
                    push(&mut whole, format_args!("[{address}]"));
                } else {
                    push(&mut whole, format_args!("[{}|{address}]", escaped(text)));
                }
            }
            Span::Break => whole.push_str(line_end),
        }
    }
    whole
}

/// Writes at the end of a text.
pub(super) fn push(whole: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = whole.write_fmt(text);
}

fn escaped(text: &str) -> String {
    inert::words(text, |word| {
        let mut whole = String::with_capacity(word.len() + 4);
        // `h1.` and `bq.` begin a block.
        let stem = word.split('.').next().unwrap_or_default();
        let block = stem == "bq" || (stem.len() == 2 && stem.starts_with('h'));
        let mut chars = word.chars().peekable();
        while let Some(c) = chars.next() {
            let face = c == ':' && chars.peek().is_some_and(char::is_ascii_alphabetic);
            match c {
                '{' | '}' | '[' | ']' | '(' | ')' | '|' | '*' | '_' | '!' | '~' | '^' | '+'
                | '-' | '?' => {
                    whole.push('\\');
                    whole.push(c);
                }
                '\\' | '&' | '@' | '#' | '<' | '>' => numbered(&mut whole, c),
                '.' if block => numbered(&mut whole, c),
                ':' if face => numbered(&mut whole, c),
                c => whole.push(c),
            }
        }
        whole
    })
}

/// A character as a numbered entity of HTML.
pub(super) fn numbered(whole: &mut String, c: char) {
    push(whole, format_args!("&#{};", u32::from(c)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::markup::inert::shown;
    use crate::domain::markup::testing::{any_text, hostile, sample};
    use proptest::prelude::*;

    /// What Jira shows, and what it would read as markup: the text without what is escaped.
    fn read(wiki: &str) -> (String, String) {
        let (mut all, mut bare) = (String::new(), String::new());
        let mut rest = wiki;
        while let Some(c) = rest.chars().next() {
            let mut taken = c.len_utf8();
            if c == '\\' {
                let c = rest[1..].chars().next().expect("nothing is escaped");
                taken += c.len_utf8();
                all.push(c);
                bare.push('·');
            } else if let Some(entity) = rest.strip_prefix("&#") {
                let (number, _) = entity.split_once(';').expect("no entity");
                taken = 3 + number.len();
                all.push(char::from_u32(number.parse().unwrap()).unwrap());
                bare.push('·');
            } else {
                all.push(c);
                bare.push(c);
            }
            rest = &rest[taken..];
        }
        (all, bare)
    }

    fn check(text: &str) {
        let written = wiki(&Document::line(text));
        let (all, bare) = read(&written);
        assert_eq!(all, shown(text).trim(), "{written:?}");
        assert!(
            !bare.contains([
                '{', '}', '[', ']', '|', '*', '_', '!', '~', '^', '+', '-', '@', '#', '&', '<', '?'
            ]),
            "{bare:?}"
        );
        assert!(!written.contains("[~") && !written.contains("://") && !written.contains('\n'));
        for begin in ["bq.", "h1.", "h3."] {
            assert!(!written.starts_with(begin));
        }
        let chars: Vec<char> = bare.chars().collect();
        assert!(!inert::has_issue_key(&chars));
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_itself(text in any_text()) {
            check(&text);
        }
    }

    #[test]
    fn hostile_names_are_read_back_as_themselves() {
        for name in hostile() {
            check(&name);
        }
    }

    #[test]
    fn a_document_is_written() {
        assert_eq!(
            wiki(&sample()),
            "h3. What was found\n\n* privileged\\-role \\(critical\\): Contoso \\\\ By hand: Open \
             [https://entra.microsoft.com/] as you.\n* and {{more}}\n\nh3. About it\n\nIt \
             matters.\n\nSee [the page|https://learn.microsoft.com/x?a=b&c=(d)_e].\\\\\nEnd"
        );
        let bold = Block::Paragraph(vec![Span::Strong("a*b".to_owned()), Span::text(" c")]);
        assert_eq!(wiki(&Document { blocks: vec![bold] }), "*a\\*b* c");
    }
}
