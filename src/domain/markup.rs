//! Text with a little structure, and how each ticket system writes it.
//!
//! Names in tickets are chosen by partners. Whatever they are, a rendering shows them and nothing
//! else comes of it: no link, mention, macro, command, image or tag. Each renderer says how that is
//! done in its system, and its tests read the rendering back.

mod adf;
mod card;
mod html;
mod inert;
mod markdown;
mod mrkdwn;
mod parse;
mod plain;
mod textile;
mod wiki;

use url::Url;

pub use self::adf::adf;
pub use self::card::card;
pub use self::html::html;
pub use self::markdown::markdown;
pub use self::mrkdwn::mrkdwn;
pub use self::plain::plain;
pub use self::textile::textile;
pub use self::wiki::wiki;

/// What is said where something was cut off.
const CUT: &str = "… (cut)";

/// Text with a little structure, the same for every system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Its blocks. The last is the footer, which [`Document::cut`] keeps.
    pub blocks: Vec<Block>,
}

/// A piece of a document that stands on lines of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading; there is one level.
    Heading(Vec<Span>),
    /// Running text.
    Paragraph(Vec<Span>),
    /// A list of items, not numbered.
    List(Vec<Vec<Span>>),
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// Text, whoever chose it.
    Text(String),
    /// Text that stands out.
    Strong(String),
    /// Text in the type of code.
    Code(String),
    /// A link. Its address is ours or the policy's, never a partner's.
    Link {
        /// What it says.
        text: String,
        /// Where it leads.
        url: Url,
    },
    /// The end of a line within a block.
    Break,
}

/// What a system reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Markup {
    /// Text without any markup.
    Plain,
    /// GitHub flavoured Markdown; GitLab and Azure DevOps read it too.
    Markdown,
    /// Atlassian Document Format: Jira Cloud, version 3 of its API.
    Adf,
    /// Jira's wiki markup: Data Center, and version 2 of the API of Jira Cloud.
    Wiki,
    /// HTML.
    Html,
    /// What Slack calls mrkdwn.
    Mrkdwn,
    /// Textile as Redmine reads it.
    Textile,
}

impl Markup {
    /// The document in this markup: a JSON string, or for ADF the JSON document itself.
    pub fn rendered(self, document: &Document) -> serde_json::Value {
        match self {
            Self::Plain => plain(document).into(),
            Self::Markdown => markdown(document).into(),
            Self::Adf => adf(document),
            Self::Wiki => wiki(document).into(),
            Self::Html => html(document).into(),
            Self::Mrkdwn => mrkdwn(document).into(),
            Self::Textile => textile(document).into(),
        }
    }
}

/// A stranger's text as every rendering shows it: one line, in which nothing moves the reader's
/// cursor and nothing is taken for an address.
pub fn harmless(text: &str) -> String {
    inert::shown(text)
}

impl Span {
    /// A span of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A link that shows its address; plain text where `address` is none.
    pub fn link(address: &str) -> Self {
        match Url::parse(address) {
            Ok(url) => Self::Link { text: address.to_owned(), url },
            Err(_) => Self::text(address),
        }
    }
}

impl Document {
    /// Reads a small Markdown subset: headings, paragraphs, lists, strong, code, line ends, and
    /// links to https. Everything else is text.
    pub fn parse(markdown: &str) -> Self {
        let https = |url: &Url| url.scheme() == "https";
        Self::parse_leading(markdown, &mut |address| Url::parse(address).ok().filter(https))
    }

    /// The same, where `leads` says to where an address leads; a link that leads nowhere is text.
    pub(super) fn parse_leading(
        markdown: &str,
        leads: &mut dyn FnMut(&str) -> Option<Url>,
    ) -> Self {
        parse::parse(markdown, leads)
    }

    /// A document of one paragraph of text.
    pub fn line(text: impl Into<String>) -> Self {
        Self { blocks: vec![Block::Paragraph(vec![Span::text(text)])] }
    }

    /// At most `most` characters of text, as [`plain`] counts them. What is cut is said, and the
    /// last block, the footer, is kept whole where it fits at all.
    #[must_use]
    pub fn cut(mut self, most: usize) -> Self {
        if self.length() <= most {
            return self;
        }
        let footer = self.blocks.pop();
        let ended = |mut kept: Vec<Block>| {
            kept.push(Block::Paragraph(vec![Span::text(CUT)]));
            kept.extend(footer.clone());
            Self { blocks: kept }
        };
        let mut kept = Vec::new();
        if ended(vec![]).length() > most {
            // Not even the footer fits.
            let short = footer.map_or_else(Vec::new, |block| {
                cut_block(&block, most.saturating_sub(CUT.chars().count() + 2))
            });
            let mut blocks: Vec<Block> = short;
            if CUT.chars().count() <= most {
                blocks.push(Block::Paragraph(vec![Span::text(CUT)]));
            }
            return Self { blocks };
        }
        for block in self.blocks {
            let mut with = kept.clone();
            with.push(block.clone());
            if ended(with.clone()).length() <= most {
                kept = with;
                continue;
            }
            // Two line ends stand between two blocks.
            let room = most.saturating_sub(ended(kept.clone()).length() + 2);
            let mut with = kept.clone();
            with.extend(cut_block(&block, room));
            if ended(with.clone()).length() <= most {
                kept = with;
            }
            break;
        }
        ended(kept)
    }

    /// The document as `render` writes it, cut until that has at most `most` characters. The footer
    /// goes last, as with [`Document::cut`].
    pub fn fitted(&self, most: usize, render: impl Fn(&Self) -> String) -> String {
        let cut = Block::Paragraph(vec![Span::text(CUT)]);
        let footer = self.blocks.last().cloned();
        let least = Self { blocks: std::iter::once(cut).chain(footer).collect() }.length();
        let mut room = most;
        loop {
            let whole = render(&self.clone().cut(room));
            let long = whole.chars().count();
            if long <= most || room == 0 {
                return whole;
            }
            // Markup takes its share; each round leaves at least a tenth out.
            let share = room.saturating_mul(most) / long;
            let less = share.min(room - room.div_ceil(10));
            room = if room > least { less.max(least) } else { less };
        }
    }

    /// Whether there is nothing to read in it.
    pub fn is_empty(&self) -> bool {
        plain(self).is_empty()
    }

    fn length(&self) -> usize {
        plain(self).chars().count()
    }
}

/// The beginning of a block, of at most `most` characters; nothing where none fits.
fn cut_block(block: &Block, most: usize) -> Vec<Block> {
    let mut room = most;
    let mut cut_spans = |spans: &[Span]| -> Vec<Span> {
        let mut kept = Vec::new();
        for span in spans {
            let (text, rebuilt): (&str, fn(String) -> Span) = match span {
                Span::Text(text) => (text, Span::Text),
                Span::Strong(text) => (text, Span::Strong),
                Span::Code(text) => (text, Span::Code),
                // Half an address leads elsewhere.
                Span::Link { text, url } => {
                    let long = text.chars().count() + url.as_str().chars().count() + 3;
                    if long > room {
                        room = 0;
                        break;
                    }
                    room -= long;
                    kept.push(span.clone());
                    continue;
                }
                Span::Break => {
                    room = room.saturating_sub(3);
                    kept.push(Span::Break);
                    continue;
                }
            };
            let text = inert::shown(text);
            let short: String = text.chars().take(room).collect();
            room -= short.chars().count();
            let whole = short.len() == text.len();
            if !short.is_empty() {
                kept.push(rebuilt(short));
            }
            if !whole {
                room = 0;
                break;
            }
        }
        kept
    };
    let block = match block {
        Block::Heading(_) => return vec![],
        Block::Paragraph(spans) => Block::Paragraph(cut_spans(spans)),
        Block::List(items) => {
            let mut kept = Vec::new();
            for item in items {
                let item = cut_spans(item);
                if item.is_empty() {
                    break;
                }
                kept.push(item);
                // A line end and what leads an item.
                let _ = cut_spans(&[Span::Break]);
            }
            Block::List(kept)
        }
    };
    let empty = match &block {
        Block::Heading(spans) | Block::Paragraph(spans) => spans.is_empty(),
        Block::List(items) => items.is_empty(),
    };
    if empty { vec![] } else { vec![block] }
}

/// What is read in one block, ready to be written: shown text without empty pieces, spaces at the
/// ends, or blocks that hold nothing.
fn tidy(document: &Document) -> Vec<Block> {
    let blocks = document.blocks.iter().filter_map(|block| {
        let filled = |spans: &[Span]| Some(inert::tidy(spans)).filter(|spans| !spans.is_empty());
        Some(match block {
            Block::Heading(spans) => Block::Heading(filled(spans)?),
            Block::Paragraph(spans) => Block::Paragraph(filled(spans)?),
            Block::List(items) => {
                let items: Vec<_> = items.iter().filter_map(|item| filled(item)).collect();
                Block::List(Some(items).filter(|items| !items.is_empty())?)
            }
        })
    });
    blocks.collect()
}

/// Where every renderer's property tests take their texts from.
#[cfg(test)]
pub(super) mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        Document::parse(
            "## Found\n\n- one **thing** of `some` kind\n- another\n\nA [page](https://x.example/y) \
             to read.\n\nRecord rec-1.",
        )
    }

    #[test]
    fn what_fits_is_not_cut_and_what_is_cut_is_said_with_the_footer_whole() {
        let whole = document().length();
        assert_eq!(document().cut(whole), document());
        let mut shorter = usize::MAX;
        for most in (0..whole).rev() {
            let cut = document().cut(most);
            let text = plain(&cut);
            assert!(text.chars().count() <= most, "{most}: {text:?}");
            assert!(text.chars().count() <= shorter);
            shorter = shorter.min(text.chars().count().max(most));
            if most >= CUT.chars().count() + 2 + "Record rec-1.".len() {
                assert!(text.ends_with(&format!("{CUT}\n\nRecord rec-1.")), "{most}: {text:?}");
            } else if most >= CUT.chars().count() {
                assert!(text.ends_with(CUT), "{most}: {text:?}");
            }
            // Half an address leads elsewhere.
            assert!(!text.contains("https://") || text.contains("(https://x.example/y)"));
        }
    }

    #[test]
    fn a_rendering_is_fitted_to_what_a_system_takes() {
        let long: Vec<Vec<Span>> = (0..200).map(|_| vec![Span::text("a_b & *c* @d <e>")]).collect();
        let footer = Block::Paragraph(vec![Span::text("Record")]);
        let document = Document { blocks: vec![Block::List(long), footer.clone()] };
        for render in [plain, markdown, wiki, html, mrkdwn, textile] {
            let cut = Block::Paragraph(vec![Span::text(CUT)]);
            let least = render(&Document { blocks: vec![cut, footer.clone()] }).chars().count();
            for most in (0..100).chain([1000, 32_767]) {
                let text = document.fitted(most, render);
                assert!(text.chars().count() <= most, "{most}: {text}");
                assert_eq!(most >= least, text.contains("Record"), "{most}: {text}");
            }
        }
    }

    #[test]
    fn each_markup_is_what_its_function_writes() {
        let document = document();
        assert_eq!(Markup::Adf.rendered(&document), adf(&document));
        for (markup, render) in [
            (Markup::Plain, plain as fn(&Document) -> String),
            (Markup::Markdown, markdown),
            (Markup::Wiki, wiki),
            (Markup::Html, html),
            (Markup::Mrkdwn, mrkdwn),
            (Markup::Textile, textile),
        ] {
            assert_eq!(markup.rendered(&document), render(&document));
        }
    }
}
