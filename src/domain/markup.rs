//! Text with a little structure, the same for every system it is written to.

use url::Url;

/// Text with a little structure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// What it is made of.
    pub blocks: Vec<Block>,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading.
    Heading(Vec<Span>),
    /// A paragraph.
    Paragraph(Vec<Span>),
    /// A list, by its items.
    List(Vec<Vec<Span>>),
}

/// A run of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// Text that means nothing but itself.
    Text(String),
    /// The same, to be seen first.
    Strong(String),
    /// The same, as a machine would write it.
    Code(String),
    /// A link of ours.
    Link {
        /// What is shown of it.
        text: String,
        /// Where it leads.
        url: Url,
    },
}

/// The ways in which systems write structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Markup {
    /// None.
    Plain,
    /// Markdown.
    Markdown,
    /// Atlassian Document Format.
    Adf,
    /// Jira's wiki notation.
    Wiki,
    /// HTML.
    Html,
    /// Slack's.
    Mrkdwn,
    /// Textile.
    Textile,
}

impl Span {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Strong(text) | Self::Code(text) | Self::Link { text, .. } => {
                text
            }
        }
    }
}

/// The document without structure.
pub fn plain(document: &Document) -> String {
    let run = |spans: &[Span]| spans.iter().map(Span::text).collect::<String>();
    let blocks = document.blocks.iter().map(|block| match block {
        Block::Heading(spans) | Block::Paragraph(spans) => run(spans),
        Block::List(items) => {
            items.iter().map(|item| format!("- {}", run(item))).collect::<Vec<_>>().join("\n")
        }
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

/// The document as Markdown.
pub fn markdown(document: &Document) -> String {
    plain(document)
}
