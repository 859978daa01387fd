//! Reading the Markdown subset.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use url::Url;

use super::{Block, Document, Span};

/// What is being read.
struct Reading<'a> {
    /// Where an address leads, if it may lead anywhere.
    leads: &'a mut dyn FnMut(&str) -> Option<Url>,
    blocks: Vec<Block>,
    line: Vec<Span>,
    strong: usize,
    /// The text and the address of each link or image around.
    links: Vec<(String, String)>,
    items: Vec<Vec<Span>>,
    /// What leads the item that is being read: its number, or nothing.
    lead: String,
    /// The number of the next item of each list around, none where it is not numbered.
    lists: Vec<Option<u64>>,
}

pub(super) fn parse(markdown: &str, leads: &mut dyn FnMut(&str) -> Option<Url>) -> Document {
    let mut reading = Reading {
        leads,
        blocks: vec![],
        line: vec![],
        strong: 0,
        links: vec![],
        items: vec![],
        lead: String::new(),
        lists: vec![],
    };
    for event in Parser::new(markdown) {
        reading.take(event);
    }
    reading.end_line();
    Document { blocks: reading.blocks }
}

impl Reading<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Code(text) if self.links.is_empty() => {
                self.line.push(Span::Code(text.into_string()));
            }
            Event::Text(text)
            | Event::Code(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.lines(&text),
            Event::SoftBreak => self.text(" "),
            Event::HardBreak => self.line_end(),
            Event::Rule => {
                self.end_line();
                self.text("---");
                self.end_line();
            }
            Event::TaskListMarker(_) => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest changes nothing in the text")]
    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::List(first) => {
                self.end_line();
                self.lists.push(*first);
            }
            Tag::Item => {
                self.end_line();
                self.lead.clear();
                if let Some(Some(number)) = self.lists.last_mut() {
                    self.lead = format!("{number}. ");
                    *number += 1;
                    self.line.push(Span::text(self.lead.as_str()));
                }
            }
            Tag::Paragraph
            | Tag::Heading { .. }
            | Tag::CodeBlock(_)
            | Tag::HtmlBlock
            | Tag::BlockQuote(_) => self.end_piece(),
            Tag::Strong => self.strong += 1,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((String::new(), dest_url.to_string()));
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest changes nothing in the text")]
    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) if self.lists.is_empty() => {
                let spans = std::mem::take(&mut self.line);
                self.blocks.push(Block::Heading(spans));
            }
            TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::CodeBlock
            | TagEnd::HtmlBlock
            | TagEnd::BlockQuote(_) => self.end_piece(),
            TagEnd::Item => self.end_line(),
            TagEnd::List(_) => {
                self.end_line();
                self.lists.pop();
                if self.lists.is_empty() {
                    let items = std::mem::take(&mut self.items);
                    self.blocks.push(Block::List(items));
                }
            }
            TagEnd::Strong => self.strong = self.strong.saturating_sub(1),
            TagEnd::Link => self.end_link(true),
            TagEnd::Image => self.end_link(false),
            _ => {}
        }
    }

    /// What stands on the line becomes an item or a paragraph.
    fn end_line(&mut self) {
        while self.line.last() == Some(&Span::Break) {
            self.line.pop();
        }
        let spans = std::mem::take(&mut self.line);
        if spans.is_empty() {
            return;
        }
        if self.lists.is_empty() {
            self.blocks.push(Block::Paragraph(spans));
        } else {
            self.items.push(spans);
        }
    }

    /// The end of a block: of a paragraph, or within an item of a line of it.
    fn end_piece(&mut self) {
        if self.lists.is_empty() {
            return self.end_line();
        }
        let empty = match self.line.as_slice() {
            [] | [.., Span::Break] => true,
            [Span::Text(text)] => *text == self.lead,
            _ => false,
        };
        if !empty {
            self.line.push(Span::Break);
        }
    }

    fn end_link(&mut self, is_link: bool) {
        let Some((text, address)) = self.links.pop() else { return };
        // A link within another's text is text.
        let is_link = is_link && self.links.is_empty();
        match is_link.then(|| (self.leads)(&address)).flatten() {
            Some(url) => self.line.push(Span::Link { text, url }),
            None => self.text(&format!("{text} ({address})")),
        }
    }

    /// Text of several lines, as a block of code has.
    fn lines(&mut self, text: &str) {
        for (at, line) in text.trim_end_matches('\n').split('\n').enumerate() {
            if at > 0 {
                self.line_end();
            }
            self.text(line);
        }
        if text.ends_with('\n') {
            self.line_end();
        }
    }

    /// The end of a line within a block. The text of a link has one line.
    fn line_end(&mut self) {
        if self.links.is_empty() {
            self.line.push(Span::Break);
        } else {
            self.text(" ");
        }
    }

    fn text(&mut self, text: &str) {
        if let Some((said, _)) = self.links.last_mut() {
            said.push_str(text);
            return;
        }
        match (self.line.last_mut(), self.strong > 0) {
            (Some(Span::Strong(before)), true) | (Some(Span::Text(before)), false) => {
                before.push_str(text);
            }
            (_, true) => self.line.push(Span::Strong(text.to_owned())),
            (_, false) => self.line.push(Span::text(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::markup::testing::{any_text, sample};
    use crate::domain::markup::{markdown, plain, tidy};
    use proptest::prelude::*;

    fn check(markdown: &str, expect: &str) {
        let document = Document::parse(markdown);
        assert_eq!(format!("{:?}", document.blocks), expect, "{markdown}");
    }

    #[test]
    fn the_subset_is_read() {
        check(
            "# A *b*\n\nc **d** `e`",
            r#"[Heading([Text("A b")]), Paragraph([Text("c "), Strong("d"), Text(" "), Code("e")])]"#,
        );
        check("- a\n  b\n- c\\\n  d", r#"[List([[Text("a b")], [Text("c"), Break, Text("d")]])]"#);
        let Block::Paragraph(spans) = &Document::parse("[a `b`](https://x.example)").blocks[0]
        else {
            panic!("no paragraph")
        };
        let url = "https://x.example".parse().unwrap();
        assert_eq!(spans, &[Span::Link { text: "a b".to_owned(), url }]);
    }

    #[test]
    fn everything_else_is_text() {
        for (markdown, expect) in [
            ("1. a\n2. b", "- 1. a\n- 2. b"),
            ("- a\n  - b\n- c", "- a\n- b\n- c"),
            ("- a\n\n  b\n- c", "- a\n  b\n- c"),
            ("- a\n\n  b\n\n  c", "- a\n  b\n  c"),
            ("1. a\n\n   b\n2. c", "- 1. a\n  b\n- 2. c"),
            ("1. ```\n   a\n   ```\n   b", "- 1. a\n  b"),
            ("- a\n  ```\n  b\n  ```\n\n  c", "- a\n  b\n  c"),
            ("- # a\n  b", "- a\n  b"),
            ("- a\n  > b", "- a\n  b"),
            ("> quoted", "quoted"),
            ("```\ncode\nmore\n```", "code\nmore"),
            ("<b onclick=x>a</b>", "<b onclick=x>a</b>"),
            ("<script>\nx\n</script>", "<script>\nx\n</script>"),
            ("![alt](https://x.example/i.png)", "alt (https[:]//x.example/i.png)"),
            ("[a](javascript:alert(1))", "a (javascript:alert(1))"),
            ("[a](http://x.example)", "a (http[:]//x.example)"),
            ("https://x.example", "https[:]//x.example"),
            ("[a\\\nb](https://x.example)", "a b (https://x.example/)"),
            ("[a ![b](c)](https://x.example)", "a b (c) (https://x.example/)"),
            ("![a [b](https://x.example)](c)", "a b (https[:]//x.example) (c)"),
            ("| a |\n|---|\n| b |", "| a | |---| | b |"),
            ("a\n\n***\n\nb", "a\n\n---\n\nb"),
            ("~~a~~ @b #1", "~~a~~ @b #1"),
        ] {
            assert_eq!(plain(&Document::parse(markdown)), expect, "{markdown}");
        }
    }

    proptest! {
        #[test]
        fn any_markdown_is_read_and_keeps_its_words(text in any_text()) {
            let document = Document::parse(&text);
            let told = plain(&document);
            for word in text.split(|c: char| !c.is_ascii_lowercase()).filter(|it| it.len() > 3) {
                // Definitions of links and languages of code are not shown.
                let unshown = ["]:", "```", "~~~"].iter().any(|mark| text.contains(mark));
                prop_assert!(told.contains(word) || unshown, "{} in {}", word, told);
            }
        }

        #[test]
        fn what_is_written_is_read_back(text in any_text()) {
            let mut document = sample();
            document.blocks.push(Block::Paragraph(vec![Span::text(text)]));
            let back = Document::parse(&markdown(&document));
            // Words in code are told apart from text there, and not here.
            prop_assert_eq!(plain(&back), plain(&Document { blocks: tidy(&document) }));
        }
    }
}
