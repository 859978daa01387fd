//! GitHub flavoured Markdown.

use super::plain::shows_itself;
use super::{Block, Document, Span, inert, tidy};

/// The document as Markdown that GitHub, GitLab, Azure DevOps and Linear read alike.
///
/// Punctuation is escaped with a backslash (`CommonMark`, section 2.4). That helps against Markdown,
/// but not against what these systems look for in the result: mentions, references, emoji, hashes
/// of commits, GitLab's labels. A word that could be one of these stands in a code span, where none
/// of them looks (GitHub Docs, "Autolinked references and URLs"; GitLab issue 16827, merge request
/// 365). A line never begins with unescaped punctuation, so that it is no quick action of GitLab
/// either (GitLab Docs, "GitLab quick actions").
pub fn markdown(document: &Document) -> String {
    let blocks: Vec<String> = tidy(document)
        .iter()
        .map(|block| match block {
            Block::Heading(spans) => format!("### {}", line(spans, " ")),
            Block::Paragraph(spans) => line(spans, "\\\n"),
            Block::List(items) => {
                let items: Vec<String> =
                    items.iter().map(|item| format!("- {}", line(item, "\\\n  "))).collect();
                items.join("\n")
            }
        })
        .collect();
    blocks.join("\n\n")
}

fn line(spans: &[Span], line_end: &str) -> String {
    let mut whole = String::new();
    for (at, span) in spans.iter().enumerate() {
        let begins = matches!(at.checked_sub(1).map(|at| &spans[at]), None | Some(Span::Break));
        let next = spans.get(at + 1);
        let piece = match span {
            Span::Strong(text) if stands_out(&whole, next) => {
                format!("**{}**", escaped(text, false))
            }
            Span::Text(text) | Span::Strong(text) => escaped(text, begins),
            Span::Code(text) => code(text),
            Span::Link { text, url } => {
                // In an address between angle brackets only these would count.
                let bracketed = |address: &str| {
                    let address = address.replace('\\', "%5C").replace('<', "%3C");
                    format!("<{}>", address.replace('>', "%3E"))
                };
                if shows_itself(text, url) {
                    bracketed(text)
                } else {
                    format!("[{}]({})", escaped(text, false), bracketed(url.as_str()))
                }
            }
            Span::Break => line_end.to_owned(),
        };
        // Two code spans side by side would be one.
        if whole.ends_with('`') && piece.starts_with('`') {
            whole.push(' ');
        }
        whole.push_str(&piece);
    }
    whole
}

/// Whether `**` around a text count between what is written and `next`: after a space, and before a
/// space or punctuation, which is how all that follows a text but a letter or number is written
/// (`CommonMark`, section 6.2).
fn stands_out(written: &str, next: Option<&Span>) -> bool {
    let before = written.chars().next_back().is_none_or(char::is_whitespace);
    let after = match next {
        None | Some(Span::Break | Span::Code(_) | Span::Link { .. }) => true,
        Some(Span::Text(text)) => text.starts_with(|c: char| c == ' ' || c.is_ascii_punctuation()),
        Some(Span::Strong(_)) => false,
    };
    before && after
}

/// Text that is read as itself. `begins` says that a line begins with it.
fn escaped(text: &str, begins: bool) -> String {
    let mut first = begins;
    inert::words(text, |word| {
        let begins = std::mem::take(&mut first);
        if inert::refers(word) { code(word) } else { escaped_word(word, begins) }
    })
}

fn escaped_word(word: &str, begins: bool) -> String {
    let mut whole = String::with_capacity(word.len() + 4);
    // `1.` and `1)` begin a numbered list.
    let digits = word.chars().take_while(char::is_ascii_digit).count();
    for (at, c) in word.chars().enumerate() {
        let leads = begins && (at == 0 || at == digits) && c.is_ascii_punctuation();
        let marks = c.is_ascii_punctuation()
            && !matches!(
                c,
                '.' | ',' | ':' | ';' | '-' | '+' | '(' | ')' | '/' | '\'' | '"' | '?' | '%'
            );
        if leads || marks {
            whole.push('\\');
        }
        whole.push(c);
    }
    whole
}

/// A code span that shows `text` (`CommonMark`, section 6.1: the fence is longer than any run of
/// backticks within).
fn code(text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "whatever else is read is a failure")]
mod tests {
    use super::*;
    use crate::domain::markup::inert::shown;
    use crate::domain::markup::testing::{any_text, hostile, sample};
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    /// The text Markdown shows, and the part of it that is not in code; nothing where it is more
    /// than one paragraph of text and code.
    fn read(markdown: &str) -> Option<(String, String)> {
        let options =
            Options::all() - Options::ENABLE_SMART_PUNCTUATION - Options::ENABLE_OLD_FOOTNOTES;
        let (mut all, mut bare) = (String::new(), String::new());
        for event in Parser::new_ext(markdown, options) {
            match event {
                Event::Text(text) => {
                    all.push_str(&text);
                    bare.push_str(&text);
                }
                Event::Code(text) => {
                    all.push_str(&text);
                    bare.push(' ');
                }
                Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) => {}
                _ => return None,
            }
        }
        Some((all, bare))
    }

    fn check(text: &str) {
        let written = markdown(&Document::line(text));
        let (all, bare) = read(&written).unwrap_or_else(|| panic!("{text:?}: {written:?}"));
        assert_eq!(all, shown(text).trim(), "{written:?}");
        let lower = bare.to_lowercase();
        let addresses = ["@", "://", "www.", "mailto:"];
        assert!(!addresses.iter().any(|it| lower.contains(it)), "{written:?}");
        for two in bare.chars().collect::<Vec<char>>().windows(2) {
            assert!(!("#!~$%&".contains(two[0]) && two[1].is_alphanumeric()), "{written:?}");
        }
        assert!(!written.contains('\n'));
        assert!(!written.starts_with('/'));
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_itself(text in any_text()) {
            check(&text);
        }

        #[test]
        fn any_text_in_a_list_stays_in_its_item(text in any_text()) {
            let items = vec![vec![Span::text(text.clone())], vec![Span::Strong(text.clone())], vec![Span::Code(text)]];
            let count = if tidy(&Document { blocks: vec![Block::List(items.clone())] }).is_empty() { 0 } else { 3 };
            let written = markdown(&Document { blocks: vec![Block::List(items)] });
            let mut found = 0;
            for event in Parser::new(&written) {
                match event {
                    Event::Start(Tag::Item) => found += 1,
                    Event::Start(Tag::List(None) | Tag::Strong) | Event::End(_) | Event::Text(_) | Event::Code(_) => {}
                    event => prop_assert!(false, "{event:?} in {written:?}"),
                }
            }
            prop_assert_eq!(found, count);
        }
    }

    #[test]
    fn hostile_names_are_read_back_as_themselves() {
        for name in hostile() {
            check(&name);
        }
    }

    #[test]
    fn a_document_is_written_and_read_back() {
        let written = markdown(&sample());
        assert_eq!(
            written,
            "### What was found\n\n- privileged-role **(critical)**: Contoso\\\n  By hand: Open \
             <https://entra.microsoft.com> as you.\n- and `more`\n\n### About it\n\nIt \
             matters.\n\nSee [the page](<https://learn.microsoft.com/x?a=b&c=(d)_e>).\\\nEnd"
        );
        assert_eq!(tidy(&Document::parse(&written)).len(), sample().blocks.len());
    }
}
