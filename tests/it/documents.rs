//! What the documents promise: that links lead somewhere, and that the tests they name exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// A document: its path in the repository, and its text.
struct Document {
    path: PathBuf,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn with_extension(extension: &str, below: &[&str]) -> Vec<Document> {
    let mut folders: Vec<PathBuf> = below.iter().map(PathBuf::from).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            if kind.is_dir()
                && entry.file_name() != "node_modules"
                && !folder.as_os_str().is_empty()
            {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|it| it == extension) {
                let text = std::fs::read_to_string(root().join(&path)).unwrap();
                found.push(Document { path, text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn documents() -> Vec<Document> {
    with_extension("md", &["", "docs", "infra", "tests"])
}

impl Document {
    /// The names by which its headings can be linked to, as GitHub makes them.
    fn anchors(&self) -> BTreeSet<String> {
        let (mut anchors, mut seen) = (BTreeSet::new(), BTreeMap::<String, u32>::new());
        let mut heading: Option<String> = None;
        for event in Parser::new(&self.text) {
            match (event, &mut heading) {
                (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
                (Event::Text(text) | Event::Code(text), Some(heading)) => heading.push_str(&text),
                (Event::End(TagEnd::Heading(_)), Some(text)) => {
                    let name = slug(text);
                    let times = seen.entry(name.clone()).or_default();
                    anchors.insert(if *times == 0 { name } else { format!("{name}-{times}") });
                    *times += 1;
                    heading = None;
                }
                _ => {}
            }
        }
        anchors
    }

    /// Where its links and pictures lead.
    fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for event in Parser::new(&self.text) {
            if let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event {
                links.push(dest_url.to_string());
            }
        }
        links
    }
}

/// The name GitHub gives a heading.
fn slug(heading: &str) -> String {
    let kept = |it: &char| it.is_alphanumeric() || matches!(it, '-' | '_' | ' ');
    let lower = heading.trim().to_lowercase();
    lower.chars().filter(kept).map(|it| if it == ' ' { '-' } else { it }).collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                assert!(parts.pop(), "{} leaves the repository", path.display());
            }
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => parts.push(part),
        }
    }
    parts
}

/// What is wrong with a link of a document.
fn wrong(document: &Document, link: &str, all: &[Document]) -> Option<String> {
    if let Ok(url) = url::Url::parse(link) {
        return (url.scheme() != "https").then(|| "no https".to_owned());
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(a, b)| (a, Some(b)));
    let folder = document.path.parent().unwrap_or(Path::new(""));
    let target = if path.is_empty() { document.path.clone() } else { plain(&folder.join(path)) };
    let there = all.iter().find(|it| it.path == target);
    if there.is_none() && !root().join(&target).exists() {
        return Some("nothing is there".to_owned());
    }
    let anchor = anchor?;
    match there {
        Some(there) if there.anchors().contains(anchor) => None,
        Some(_) => Some("no such heading".to_owned()),
        None => Some("only documents have headings".to_owned()),
    }
}

#[test]
fn every_link_leads_somewhere() {
    let all = documents();
    let mut told = Vec::new();
    let mut links = 0;
    for document in &all {
        for link in document.links() {
            links += 1;
            if let Some(what) = wrong(document, &link, &all) {
                told.push(format!("{}: {link}: {what}", document.path.display()));
            }
        }
    }
    assert!(links > 50, "only {links} links were found");
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

#[test]
fn a_heading_is_linked_to_as_github_names_it() {
    let text = "# `tickets`: where *they* go\n## Twice\n## Twice\n[a](#twice-1) [b](x.md) [c](#no)";
    let document = Document { path: "docs/here.md".into(), text: text.to_owned() };
    let names = ["tickets-where-they-go", "twice", "twice-1"].map(str::to_owned);
    assert_eq!(document.anchors(), BTreeSet::from(names));
    let all = [document];
    let told: Vec<_> = all[0].links().iter().map(|link| wrong(&all[0], link, &all)).collect();
    let expect = [None, Some("nothing is there"), Some("no such heading")];
    assert_eq!(told, expect.map(|it| it.map(str::to_owned)));
}

/// The names in code in a column of the tables that have it as their last.
fn named_in_last_column(text: &str, title: &str) -> Vec<String> {
    let options = pulldown_cmark::Options::ENABLE_TABLES;
    let (mut names, mut cells, mut counts, mut head) = (Vec::new(), 0, false, false);
    let mut last = 0;
    for event in Parser::new_ext(text, options) {
        if let Event::Start(Tag::TableHead) = event {
            (head, cells, counts) = (true, 0, false);
        } else if let Event::End(TagEnd::TableHead) = event {
            (head, last) = (false, cells);
        } else if let Event::End(TagEnd::Table) = event {
            counts = false;
        } else if let Event::Start(Tag::TableRow) = event {
            cells = 0;
        } else if let Event::Start(Tag::TableCell) = event {
            cells += 1;
        } else if let Event::Text(text) = &event
            && head
        {
            counts = **text == *title;
        } else if let Event::Code(name) = event
            && counts
            && !head
            && cells == last
        {
            names.push(name.to_string());
        }
    }
    names
}

#[test]
fn every_test_of_the_threat_model_exists() {
    let page = include_str!("../../docs/threat-model.md");
    let named = named_in_last_column(page, "tested by");
    assert!(named.len() > 50, "only {} tests are named", named.len());
    let code: Vec<Document> = with_extension("rs", &["src", "tests"]);
    let is_test = |name: &str| {
        let line = format!("fn {name}");
        code.iter().any(|file| {
            file.text.match_indices(&line).any(|(at, found)| {
                let after = file.text[at + found.len()..].chars().next();
                matches!(after, Some('(' | '<'))
            })
        })
    };
    let missing: Vec<&String> = named.iter().filter(|name| !is_test(name)).collect();
    assert!(missing.is_empty(), "docs/threat-model.md names what is not there: {missing:#?}");
}

#[test]
fn the_last_column_alone_names_tests() {
    let text = "| a | tested by |\n|---|---|\n| `no` | `one`, `two` |\n\n| a | b |\n|---|---|\n| x | `no` |\n\n`no`";
    assert_eq!(named_in_last_column(text, "tested by"), ["one", "two"]);
}
