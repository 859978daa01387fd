//! The body of an Adaptive Card.

use serde_json::{Value, json};

use super::{Block, Document, Span, tidy};

/// The document as elements of an Adaptive Card's body, version 1.2.
///
/// Every text is a `TextRun`, of which Microsoft says "Markdown is not supported" (Microsoft Learn,
/// "Adaptive Cards", "`TextRun`"), so that nothing in it is a link or a list. What is more than text
/// elsewhere in a card is broken with a space: `{{` of dates, `${` of templates and `<at` of
/// mentions.
pub fn card(document: &Document) -> Vec<Value> {
    let blocks = tidy(document);
    let elements = blocks.iter().flat_map(|block| match block {
        Block::Heading(spans) => {
            let mut heading = text_block(vec![], spans, "Medium");
            for inline in heading["inlines"].as_array_mut().into_iter().flatten() {
                inline["weight"] = "Bolder".into();
                inline["size"] = "Medium".into();
            }
            vec![heading]
        }
        Block::Paragraph(spans) => vec![text_block(vec![], spans, "Default")],
        Block::List(items) => items
            .iter()
            .map(|item| text_block(vec![json!({"type": "TextRun", "text": "• "})], item, "Small"))
            .collect(),
    });
    elements.collect()
}

fn text_block(mut inlines: Vec<Value>, spans: &[Span], spacing: &str) -> Value {
    for span in spans {
        let run = |text: &str| json!({"type": "TextRun", "text": quiet(text)});
        inlines.push(match span {
            Span::Text(text) => run(text),
            Span::Strong(text) => {
                let mut run = run(text);
                run["weight"] = "Bolder".into();
                run
            }
            Span::Code(text) => {
                let mut run = run(text);
                run["fontType"] = "Monospace".into();
                run
            }
            Span::Link { text, url } => {
                let mut run = run(text);
                run["color"] = "Accent".into();
                run["selectAction"] = json!({"type": "Action.OpenUrl", "url": url.as_str()});
                run
            }
            Span::Break => json!({"type": "TextRun", "text": "\n"}),
        });
    }
    json!({"type": "RichTextBlock", "spacing": spacing, "inlines": inlines})
}

fn quiet(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '{' && matches!(before, '{' | '$') {
            whole.push(' ');
        }
        whole.push(c);
        let next = chars.peek().map(char::to_ascii_lowercase);
        if c == '<' && matches!(next, Some('a' | '/')) {
            whole.push(' ');
        }
        before = c;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::markup::inert::shown;
    use crate::domain::markup::testing::{any_text, sample};
    use proptest::prelude::*;

    #[test]
    fn a_document_becomes_elements() {
        let body = card(&sample());
        assert_eq!(body.len(), 6);
        assert!(body.iter().all(|element| element["type"] == "RichTextBlock"));
        assert_eq!(body[0]["inlines"][0]["weight"], "Bolder");
        assert_eq!(body[1]["inlines"][0]["text"], "• ");
        assert_eq!(body[2]["inlines"][2]["fontType"], "Monospace");
        let action = &body[5]["inlines"][1]["selectAction"];
        assert_eq!(
            *action,
            json!({"type": "Action.OpenUrl", "url": "https://learn.microsoft.com/x?a=b&c=(d)_e"})
        );
    }

    proptest! {
        #[test]
        fn any_text_is_one_run_of_text(text in any_text()) {
            let body = card(&Document::line(text.clone()));
            let text = shown(&text);
            let text = text.trim();
            prop_assert_eq!(body.is_empty(), text.is_empty());
            for element in &body {
                prop_assert_eq!(element["inlines"].as_array().unwrap().len(), 1);
                let run = element["inlines"][0].as_object().unwrap();
                prop_assert_eq!(run.len(), 2);
                let told = run["text"].as_str().unwrap();
                prop_assert_eq!(told.replace(' ', ""), text.replace(' ', ""));
                for mark in ["{{", "${", "<at", "<AT", "</at"] {
                    prop_assert!(!told.contains(mark), "{}", told);
                }
            }
        }
    }
}
