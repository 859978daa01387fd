//! Text without markup.

use super::{Block, Document, Span, tidy};

/// The document as plain text: a heading on the line above what it heads, `- ` before items, a
/// link's address after its text.
///
/// What is not ours is shown with its addresses broken ([`super`]), since clients of plain text
/// make links of them and know no escape.
pub fn plain(document: &Document) -> String {
    let blocks = tidy(document);
    let mut whole = String::new();
    let mut blocks = blocks.iter().peekable();
    while let Some(block) = blocks.next() {
        match block {
            Block::Heading(spans) | Block::Paragraph(spans) => whole.push_str(&line(spans, "\n")),
            Block::List(items) => {
                let items: Vec<String> =
                    items.iter().map(|item| format!("- {}", line(item, "\n  "))).collect();
                whole.push_str(&items.join("\n"));
            }
        }
        if blocks.peek().is_some() {
            whole.push_str(if matches!(block, Block::Heading(_)) { "\n" } else { "\n\n" });
        }
    }
    whole
}

fn line(spans: &[Span], line_end: &str) -> String {
    let texts = spans.iter().map(|span| match span {
        Span::Text(text) | Span::Strong(text) | Span::Code(text) => text.clone(),
        Span::Link { text, url } if shows_itself(text, url) => text.clone(),
        Span::Link { text, url } => format!("{text} ({url})"),
        Span::Break => line_end.to_owned(),
    });
    texts.collect()
}

/// Whether a link says its own address.
pub(super) fn shows_itself(text: &str, url: &url::Url) -> bool {
    text == url.as_str() || url.as_str().strip_suffix('/') == Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::markup::inert::shown;
    use crate::domain::markup::testing::{any_text, hostile, sample};
    use proptest::prelude::*;

    #[test]
    fn a_document_reads_as_plain_text() {
        assert_eq!(
            plain(&sample()),
            "What was found\n- privileged-role (critical): Contoso\n  By hand: Open \
             https://entra.microsoft.com as you.\n- and `more`\n\nAbout it\nIt matters.\n\n\
             See the page (https://learn.microsoft.com/x?a=b&c=(d)_e).\nEnd"
                .replace('`', "")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_shown_and_is_no_address(text in any_text()) {
            let told = plain(&Document::line(text.clone()));
            let text = shown(&text);
            prop_assert_eq!(&told, text.trim());
            let address = told.contains("://") || told.to_lowercase().contains("www.");
            prop_assert!(!address, "{}", told);
            prop_assert!(!told.contains('\n'));
        }
    }

    #[test]
    fn hostile_names_are_one_line() {
        for name in hostile() {
            assert!(!plain(&Document::line(name)).contains('\n'));
        }
    }
}
