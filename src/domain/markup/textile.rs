//! Textile as Redmine reads it.

use super::plain::shows_itself;
use super::wiki::{numbered, push};
use super::{Block, Document, Span, inert, tidy};

/// The document as Textile.
///
/// All punctuation is written as numbered entities. Redmine leaves those as they are, and neither
/// its Textile nor its links, macros, mentions and addresses find their characters then (Redmine's
/// sources: `redcloth3.rb`, `incoming_entities`; `application_helper.rb`, `parse_redmine_links`). So
/// is the `r` of a revision such as `r12`.
pub fn textile(document: &Document) -> String {
    let blocks: Vec<String> = tidy(document)
        .iter()
        .map(|block| match block {
            Block::Heading(spans) => format!("h3. {}", line(spans, " ")),
            Block::Paragraph(spans) => line(spans, "\n"),
            Block::List(items) => {
                let items: Vec<String> =
                    items.iter().map(|item| format!("* {}", line(item, "\n"))).collect();
                items.join("\n")
            }
        })
        .collect();
    blocks.join("\n\n")
}

fn line(spans: &[Span], line_end: &str) -> String {
    let mut whole = String::new();
    for (at, span) in spans.iter().enumerate() {
        let next = spans.get(at + 1);
        let alone = inert::stands_alone(&whole, next);
        match span {
            Span::Strong(text) if alone => push(&mut whole, format_args!("*{}*", escaped(text))),
            Span::Code(text) if alone && is_plain(text) => {
                push(&mut whole, format_args!("<code>{text}</code>"));
            }
            Span::Text(text) | Span::Strong(text) | Span::Code(text) => {
                whole.push_str(&escaped(text));
            }
            Span::Link { text, url } => {
                if shows_itself(text, url) {
                    whole.push_str(&address(url));
                } else {
                    push(&mut whole, format_args!("\"{}\":{}", escaped(text), address(url)));
                }
                // The address ends at a space.
                if !matches!(next, None | Some(Span::Break)) {
                    whole.push(' ');
                }
            }
            Span::Break => whole.push_str(line_end),
        }
    }
    whole
}

/// Whether text may stand between tags of code, where no entity is read.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | '/'))
}

fn address(url: &url::Url) -> String {
    let mut address = url.as_str().to_owned();
    for (c, code) in [('(', "%28"), (')', "%29"), ('<', "%3C"), ('>', "%3E"), ('"', "%22")] {
        address = address.replace(c, code);
    }
    address
}

fn escaped(text: &str) -> String {
    inert::words(text, |word| {
        let mut whole = String::with_capacity(word.len() + 8);
        let mut before = ' ';
        let mut chars = word.chars().peekable();
        while let Some(c) = chars.next() {
            let digit = chars.peek().is_some_and(char::is_ascii_digit);
            let revision = c == 'r' && digit && !before.is_alphanumeric();
            if revision || (c.is_ascii_punctuation() && c != ',') {
                numbered(&mut whole, c);
            } else {
                whole.push(c);
            }
            before = c;
        }
        whole
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::markup::inert::shown;
    use crate::domain::markup::testing::{any_text, hostile, sample};
    use proptest::prelude::*;

    fn check(text: &str) {
        let written = textile(&Document::line(text));
        let mut all = String::new();
        let mut parts = written.split("&#");
        let first = parts.next().unwrap_or_default();
        let mut bare = first.to_owned();
        all.push_str(first);
        for part in parts {
            let (number, rest) = part.split_once(';').expect("no entity");
            all.push(char::from_u32(number.parse().unwrap()).unwrap());
            all.push_str(rest);
            bare.push('·');
            bare.push_str(rest);
        }
        assert_eq!(all, shown(text).trim(), "{written:?}");
        assert!(!bare.contains(|c: char| c.is_ascii_punctuation() && c != ','), "{written:?}");
        for word in bare.split(|c: char| !c.is_alphanumeric()) {
            let revision = word.strip_prefix('r').unwrap_or("x");
            assert!(!revision.starts_with(|c: char| c.is_ascii_digit()), "{written:?}");
        }
        assert!(!written.contains('\n'));
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_itself(text in any_text()) {
            check(&text);
        }

        #[test]
        fn any_code_closes_no_tag(text in any_text()) {
            let spans = vec![Span::Code(text)];
            let written = textile(&Document { blocks: vec![Block::Paragraph(spans)] });
            let inner = written.strip_prefix("<code>").and_then(|it| it.strip_suffix("</code>"));
            let opens = inner.unwrap_or(&written).contains(['<', '{', '[', '@', '"', '!', ':']);
            prop_assert!(!opens, "{}", written);
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
            textile(&sample()),
            "h3. What was found\n\n* privileged&#45;role &#40;critical&#41;&#58; Contoso\nBy \
             hand&#58; Open https://entra.microsoft.com/  as you&#46;\n* and \
             <code>more</code>\n\nh3. About it\n\nIt matters&#46;\n\nSee \"the page\":\
             https://learn.microsoft.com/x?a=b&c=%28d%29_e &#46;\nEnd"
        );
    }
}
