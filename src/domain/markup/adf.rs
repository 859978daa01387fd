//! Atlassian Document Format.

use serde_json::{Value, json};

use super::{Block, Document, Span, tidy};

/// The document as ADF, version 1.
///
/// A text node is only text: mentions, links, emoji and cards are nodes or marks of their own, of
/// which this writes links alone. Jira refuses empty text nodes, and the mark `code` beside
/// another. Source: Atlassian, "Atlassian Document Format", "Document structure" and the pages of
/// its nodes and marks.
pub fn adf(document: &Document) -> Value {
    let content: Vec<Value> = tidy(document)
        .iter()
        .map(|block| match block {
            Block::Heading(spans) => {
                json!({"type": "heading", "attrs": {"level": 3}, "content": line(spans)})
            }
            Block::Paragraph(spans) => paragraph(spans),
            Block::List(items) => {
                let items: Vec<Value> = items
                    .iter()
                    .map(|item| json!({"type": "listItem", "content": [paragraph(item)]}))
                    .collect();
                json!({"type": "bulletList", "content": items})
            }
        })
        .collect();
    json!({"type": "doc", "version": 1, "content": content})
}

fn paragraph(spans: &[Span]) -> Value {
    json!({"type": "paragraph", "content": line(spans)})
}

fn line(spans: &[Span]) -> Vec<Value> {
    let marked = |text: &str, mark: Value| json!({"type": "text", "text": text, "marks": [mark]});
    let nodes = spans.iter().map(|span| match span {
        Span::Text(text) => json!({"type": "text", "text": text}),
        Span::Strong(text) => marked(text, json!({"type": "strong"})),
        Span::Code(text) => marked(text, json!({"type": "code"})),
        Span::Link { text, url } => {
            marked(text, json!({"type": "link", "attrs": {"href": url.as_str()}}))
        }
        Span::Break => json!({"type": "hardBreak"}),
    });
    nodes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::markup::inert::shown;
    use crate::domain::markup::testing::{any_text, sample};
    use proptest::prelude::*;

    /// Every node and mark below a value, by its type.
    fn walk<'a>(value: &'a Value, told: &mut Vec<(&'a str, &'a Value)>) {
        if let Some(kind) = value["type"].as_str() {
            told.push((kind, value));
        }
        for inner in ["content", "marks"] {
            for value in value[inner].as_array().into_iter().flatten() {
                walk(value, told);
            }
        }
    }

    #[test]
    fn a_document_becomes_nodes() {
        let document = adf(&sample());
        assert_eq!(document["version"], 1);
        let mut nodes = Vec::new();
        walk(&document, &mut nodes);
        let kinds: Vec<&str> = nodes.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(
            kinds.join(" "),
            "doc heading text bulletList listItem paragraph text text strong text hardBreak text \
             text link text listItem paragraph text text code heading text paragraph text paragraph \
             text text link text hardBreak text"
        );
        assert_eq!(
            document["content"][4]["content"][1]["marks"][0]["attrs"]["href"],
            "https://learn.microsoft.com/x?a=b&c=(d)_e"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_one_text_node_or_none(text in any_text()) {
            let document = adf(&Document::line(text.clone()));
            let mut nodes = Vec::new();
            walk(&document, &mut nodes);
            let text = shown(&text);
            let texts: Vec<_> = nodes.iter().filter(|(kind, _)| *kind == "text").collect();
            if text.trim().is_empty() {
                prop_assert!(texts.is_empty());
            } else {
                prop_assert_eq!(texts[0].1, &json!({"type": "text", "text": text.trim()}));
                prop_assert_eq!(nodes.len(), 3);
            }
        }
    }
}
