//! HTML.

use super::{Block, Document, Span, inert, tidy};

/// The document as HTML of a few tags and no attribute but `href`.
///
/// `& < > " '` are entities (HTML, "Character references"). What a mail client takes for an address
/// is broken ([`super`]), and a word that a ticket system may take for a reference stands in
/// `code`, where such filters do not look.
pub fn html(document: &Document) -> String {
    let blocks = tidy(document);
    let blocks = blocks.iter().map(|block| match block {
        Block::Heading(spans) => format!("<h3>{}</h3>\n", line(spans)),
        Block::Paragraph(spans) => format!("<p>{}</p>\n", line(spans)),
        Block::List(items) => {
            let items: Vec<String> =
                items.iter().map(|item| format!("<li>{}</li>\n", line(item))).collect();
            format!("<ul>\n{}</ul>\n", items.concat())
        }
    });
    blocks.collect()
}

fn line(spans: &[Span]) -> String {
    let spans = spans.iter().map(|span| match span {
        Span::Text(text) => words(text),
        Span::Strong(text) => format!("<strong>{}</strong>", words(text)),
        Span::Code(text) => format!("<code>{}</code>", escaped(text)),
        Span::Link { text, url } => {
            format!("<a href=\"{}\">{}</a>", escaped(url.as_str()), escaped(text))
        }
        Span::Break => "<br>".to_owned(),
    });
    spans.collect()
}

fn words(text: &str) -> String {
    inert::words(text, |word| {
        if inert::refers(word) { format!("<code>{}</code>", escaped(word)) } else { escaped(word) }
    })
}

fn escaped(text: &str) -> String {
    let mut whole = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => whole.push_str("&amp;"),
            '<' => whole.push_str("&lt;"),
            '>' => whole.push_str("&gt;"),
            '"' => whole.push_str("&quot;"),
            '\'' => whole.push_str("&#39;"),
            c => whole.push(c),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::markup::inert::shown;
    use crate::domain::markup::testing::{any_text, hostile, sample};
    use proptest::prelude::*;

    fn unescaped(text: &str) -> String {
        assert!(!text.contains(['<', '>', '"', '\'']), "{text}");
        let entities =
            [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
        let mut whole = text.to_owned();
        let plain =
            entities.iter().fold(text.to_owned(), |text, (entity, _)| text.replace(entity, ""));
        assert!(!plain.contains('&'), "{text}");
        for (entity, c) in entities {
            whole = whole.replace(entity, c);
        }
        whole
    }

    fn check(text: &str) {
        let written = html(&Document::line(text));
        let text = shown(text);
        if text.trim().is_empty() {
            assert_eq!(written, "");
            return;
        }
        let inner = written.strip_prefix("<p>").and_then(|it| it.strip_suffix("</p>\n")).unwrap();
        let outside: String = inner
            .split("<code>")
            .map(|part| part.split_once("</code>").map_or(part, |(_, after)| after))
            .collect();
        assert!(!unescaped(&outside).contains('@'), "{written}");
        let all = unescaped(&inner.replace("<code>", "").replace("</code>", ""));
        assert_eq!(all, text.trim(), "{written}");
        assert!(!written.contains("://"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_itself_without_a_tag(text in any_text()) {
            check(&text);
        }

        #[test]
        fn any_text_makes_no_tag_anywhere(text in any_text()) {
            let url = "https://x.example/?a=\"b\"&c".parse().unwrap();
            let spans = vec![
                Span::Strong(text.clone()),
                Span::Code(text.clone()),
                Span::Link { text: text.clone(), url },
            ];
            let document = Document { blocks: vec![Block::Heading(spans.clone()), Block::List(vec![spans])] };
            let mut written = html(&document);
            for tag in ["h3", "ul", "li", "strong", "code", "a"] {
                for tag in [format!("<{tag}>"), format!("</{tag}>")] {
                    written = written.replace(&tag, "");
                }
            }
            unescaped(&written.replace("<a href=\"https://x.example/?a=%22b%22&amp;c\">", ""));
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
            html(&sample()),
            "<h3>What was found</h3>\n<ul>\n<li>privileged-role <strong>(critical)</strong>: \
             Contoso<br>By hand: Open <a href=\"https://entra.microsoft.com/\">\
             https://entra.microsoft.com</a> as you.</li>\n<li>and <code>more</code></li>\n</ul>\n\
             <h3>About it</h3>\n<p>It matters.</p>\n<p>See <a \
             href=\"https://learn.microsoft.com/x?a=b&amp;c=(d)_e\">the page</a>.<br>End</p>\n"
        );
    }
}
