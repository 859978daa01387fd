//! What Slack calls mrkdwn.

use super::plain::shows_itself;
use super::{Block, Document, Span, inert, tidy};

/// The document as mrkdwn, for a text object of that type with `verbatim: true`, so that Slack adds
/// no links of its own.
///
/// `& < >` are entities; that takes the meaning from mentions, channels and links (Slack,
/// "Formatting message text", "Escaping text"). There is no escape for `* _ ~` and emoji: a word
/// with one of these stands in code. A backtick cannot be written in code and is shown as `'`.
pub fn mrkdwn(document: &Document) -> String {
    let blocks: Vec<String> = tidy(document)
        .iter()
        .map(|block| match block {
            Block::Heading(spans) => match spans.as_slice() {
                [Span::Text(text)] => strong(text),
                spans => line(spans),
            },
            Block::Paragraph(spans) => line(spans),
            Block::List(items) => {
                let items: Vec<String> =
                    items.iter().map(|item| format!("• {}", line(item))).collect();
                items.join("\n")
            }
        })
        .collect();
    blocks.join("\n\n")
}

fn line(spans: &[Span]) -> String {
    let mut whole = String::new();
    for (at, span) in spans.iter().enumerate() {
        let alone = inert::stands_alone(&whole, spans.get(at + 1));
        let piece = match span {
            Span::Strong(text) if alone => strong(text),
            Span::Text(text) | Span::Strong(text) => words(text),
            Span::Code(text) => code(text),
            Span::Link { text, url } => {
                // Between angle brackets only these would end the address.
                let address = escaped(url.as_str()).replace('|', "%7C");
                if shows_itself(text, url) {
                    format!("<{address}>")
                } else {
                    format!("<{address}|{}>", words(text).replace('|', "¦"))
                }
            }
            Span::Break => "\n".to_owned(),
        };
        if whole.ends_with('`') && piece.starts_with('`') {
            whole.push(' ');
        }
        whole.push_str(&piece);
    }
    whole
}

fn strong(text: &str) -> String {
    format!("*{}*", words(text))
}

fn words(text: &str) -> String {
    inert::words(text, |word| {
        let marks = word.contains(['*', '_', '~', '`', '>', '<']);
        if marks || inert::refers(word) { code(word) } else { escaped(word) }
    })
}

fn code(text: &str) -> String {
    format!("`{}`", escaped(&text.replace('`', "'")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::markup::inert::shown;
    use crate::domain::markup::testing::{any_text, hostile, sample};
    use proptest::prelude::*;

    fn check(text: &str) {
        let written = mrkdwn(&Document::line(text));
        assert!(!written.contains(['<', '>', '\n']), "{written:?}");
        let entities = ["&amp;", "&lt;", "&gt;"];
        let bare = entities.iter().fold(written.clone(), |text, it| text.replace(it, ""));
        assert!(!bare.contains('&'), "{written:?}");
        let outside: String = written.split('`').step_by(2).collect();
        assert!(!outside.contains(['*', '_', '~', '@']), "{written:?}");
        assert_eq!(written.matches('`').count() % 2, 0);
        let all = written.replace('`', "").replace("&lt;", "<").replace("&gt;", ">");
        assert_eq!(all.replace("&amp;", "&"), shown(text).trim().replace('`', "'"));
        assert!(!written.contains("://") && !written.starts_with("&gt;"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_itself(text in any_text()) {
            check(&text);
        }

        #[test]
        fn any_text_of_a_link_leaves_the_address_alone(text in any_text()) {
            let url = "https://x.example/a|b".parse().unwrap();
            let spans = vec![Span::Link { text, url }];
            let written = mrkdwn(&Document { blocks: vec![Block::Paragraph(spans)] });
            let inner = written.strip_prefix("<https://x.example/a%7Cb").unwrap();
            let text = inner.strip_suffix('>').unwrap();
            prop_assert!(!text.contains(['<', '>']) && text.matches('|').count() <= 1);
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
            mrkdwn(&sample()),
            "*What was found*\n\n• privileged-role (critical): Contoso\nBy hand: Open \
             <https://entra.microsoft.com/> as you.\n• and `more`\n\n*About it*\n\nIt \
             matters.\n\nSee <https://learn.microsoft.com/x?a=b&amp;c=(d)_e|the page>.\nEnd"
        );
    }
}
