//! Rules about the source that no compiler checks, one table entry each.

use std::fs;
use std::path::Path;

/// Something that must not be in the source, where, and why.
struct Rule {
    /// Beginnings of paths; with `!`, of paths that are left out again.
    within: &'static [&'static str],
    fault: Fault,
    reason: &'static str,
}

enum Fault {
    /// One of these words stands outside of comments.
    Word(&'static [&'static str]),
    /// One of these words stands anywhere.
    WordAnywhere(&'static [&'static str]),
    /// The lines at which the file is not as it should be.
    Shape(fn(&Source) -> Vec<usize>),
}

use Fault::{Shape, Word, WordAnywhere};

/// Where there is Rust.
const RUST: &[&str] = &["src/", "tests/", "benches/", "fuzz/src/", "fuzz/fuzz_targets/"];

/// What decides, and what faces strangers.
const PURE: &[&str] = &["src/domain", "src/wire"];

/// Every rule there is. Words this file may not contain either are written in pieces.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { within: PURE, fault: Word(&["async ", ".await", "tokio::"]), reason: "domain and wire never await" },
    Rule { within: PURE, fault: Word(&["reqwest::", "axum::", "rusqlite", "aws_sdk_", "aws_config", "lambda_", "std::net"]), reason: "domain and wire know no network, store or cloud" },
    Rule { within: PURE, fault: Word(&["std::env", "std::fs"]), reason: "domain and wire read neither environment nor files" },
    Rule { within: PURE, fault: Word(&["crate::adapters", "crate::ports", "crate::pipeline", "crate::http"]), reason: "imports never point up" },
    Rule { within: &["src/domain"], fault: Word(&["crate::wire"]), reason: "imports never point up: wire imports domain" },
    Rule { within: &["src/ports.rs"], fault: Word(&["crate::adapters"]), reason: "adapters implement ports; ports know none of them" },
    Rule { within: &["src/pipeline"], fault: Word(&["crate::adapters", "crate::http"]), reason: "the pipeline sees the world through ports" },
    Rule { within: &["src/http.rs", "src/http/"], fault: Word(&["RevokeRoleAssignment", "crate::pipeline", "crate::adapters"]), reason: "the router verifies and enqueues, and can do nothing else" },
    Rule { within: &["src/", "tests/", "benches/", "!src/wire"], fault: Word(&[concat!("Verified", "::new"), concat!("Verified", "(")]), reason: "only wire says that something is verified" },
    Rule { within: RUST, fault: WordAnywhere(&[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("to", "do!("), concat!("un", "implemented!(")]), reason: "what is not done is not in the source" },
    Rule { within: RUST, fault: WordAnywhere(&[concat!("#[", "ignore")]), reason: "a test is run or is not there" },
    Rule { within: RUST, fault: Shape(no_opening_line), reason: "the first line of a file says what it is for, with //!" },
    Rule { within: RUST, fault: Shape(mod_rs), reason: "a module is foo.rs beside foo/, never mod.rs" },
    Rule { within: &["src/"], fault: Shape(long_file), reason: "a file has at most 500 lines before its tests" },
    Rule { within: &["src/pipeline.rs"], fault: Shape(long_function), reason: "a function of the pipeline has at most 100 lines" },
    Rule { within: &["ARCHITECTURE.md"], fault: Shape(long_map), reason: "ARCHITECTURE.md has at most 150 lines, so that it is read" },
];

/// A file, by its path from the root of the repository.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Its numbered lines without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines().map(without_comment))
    }
}

/// A line up to its `//`. The `//` of `https://` begins no comment.
fn without_comment(line: &str) -> &str {
    let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
    comment.map_or(line, |(at, _)| &line[..at])
}

/// Whether `word` stands in a line. A word that begins like a name is not found within a longer
/// name.
fn stands_in(line: &str, word: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !(word.starts_with(in_name) && line[..at].ends_with(in_name)))
}

fn no_opening_line(source: &Source) -> Vec<usize> {
    if source.text.starts_with("//!") { vec![] } else { vec![1] }
}

fn mod_rs(source: &Source) -> Vec<usize> {
    if source.path.ends_with("/mod.rs") { vec![1] } else { vec![] }
}

fn long_file(source: &Source) -> Vec<usize> {
    const MOST: usize = 500;
    let name = source.path.rsplit('/').next().unwrap_or_default();
    if name.starts_with("tests") || name == "testing.rs" {
        return vec![];
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let tests =
        lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1] == "mod tests {");
    if tests.unwrap_or(lines.len()) > MOST { vec![MOST + 1] } else { vec![] }
}

fn long_map(source: &Source) -> Vec<usize> {
    const MOST: usize = 150;
    if source.text.lines().count() > MOST { vec![MOST + 1] } else { vec![] }
}

/// Where functions begin that have more than 100 lines between their braces. Relies on the
/// format: a body opens at the end of a line and closes at the indentation of its `fn`.
fn long_function(source: &Source) -> Vec<usize> {
    const MOST: usize = 100;
    let code: Vec<(usize, &str)> = source.code().collect();
    let begins = code.iter().filter(|(_, line)| stands_in(line, "fn ")).filter(|(at, line)| {
        let indent = &line[..line.len() - line.trim_start().len()];
        let close = format!("{indent}}}");
        let rest = &code[at - 1..];
        let opens = rest.iter().find(|(_, line)| line.trim_end().ends_with(['{', '}', ';']));
        let closes = rest.iter().find(|(_, line)| *line == close);
        let (Some((opens, line)), Some((closes, _))) = (opens, closes) else { return false };
        line.trim_end().ends_with('{') && closes - opens - 1 > MOST
    });
    begins.map(|(at, _)| *at).collect()
}

impl Rule {
    fn covers(&self, path: &str) -> bool {
        let begins = |beginning: &&str| path.starts_with(*beginning);
        let mut left_out = self.within.iter().filter_map(|within| within.strip_prefix('!'));
        self.within.iter().any(begins) && !left_out.any(|beginning| path.starts_with(beginning))
    }

    fn complaints(&self, source: &Source) -> Vec<String> {
        if !self.covers(&source.path) {
            return vec![];
        }
        let say =
            |line: usize, what: &str| format!("{}:{line}: {what}{}", source.path, self.reason);
        let words = |words: &[&str], at: usize, line: &str| -> Vec<String> {
            let there = words.iter().filter(|word| stands_in(line, word));
            there.map(|word| say(at, &format!("`{}`: ", word.trim_end()))).collect()
        };
        match self.fault {
            Word(banned) => source.code().flat_map(|(at, line)| words(banned, at, line)).collect(),
            WordAnywhere(banned) => {
                let lines = (1..).zip(source.text.lines());
                lines.flat_map(|(at, line)| words(banned, at, line)).collect()
            }
            Shape(lines) => lines(source).into_iter().map(|at| say(at, "")).collect(),
        }
    }
}

/// What all rules have to say about some files.
fn complaints(sources: &[Source]) -> Vec<String> {
    let pairs = sources.iter().flat_map(|source| RULES.iter().map(move |rule| (rule, source)));
    pairs.flat_map(|(rule, source)| rule.complaints(source)).collect()
}

/// The payloads under `events/` that no code names, by their paths below it.
fn unnamed<'a>(payloads: &'a [String], sources: &[Source]) -> Vec<&'a str> {
    let named = |payload: &str| {
        let below = payload.strip_prefix("events/").unwrap_or(payload);
        sources.iter().any(|source| source.code().any(|(_, line)| line.contains(below)))
    };
    payloads.iter().map(String::as_str).filter(|payload| !named(payload)).collect()
}

/// Every file below a folder of the repository, by its path from the root; none if there is no
/// such folder.
fn files(folder: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root.join(&folder)) else { continue };
        for entry in entries {
            let entry = entry.unwrap_or_else(|error| panic!("{folder}: {error}"));
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if root.join(&path).is_dir() { &mut folders } else { &mut found }.push(path);
        }
    }
    found.sort();
    found
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|is| is == extension)
}

fn read(path: String) -> Source {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
    let text = fs::read_to_string(whole).unwrap_or_else(|error| panic!("{path}: {error}"));
    Source { path, text }
}

fn rust() -> Vec<Source> {
    let paths = RUST.iter().flat_map(|folder| files(folder.trim_end_matches('/')));
    paths.filter(|path| has_extension(path, "rs")).map(read).collect()
}

#[test]
fn the_source_keeps_the_rules() {
    let mut sources = rust();
    if Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md").exists() {
        sources.push(read("ARCHITECTURE.md".to_owned()));
    }
    let complaints = complaints(&sources);
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_payload_is_named_by_some_code() {
    let mut payloads = files("events");
    payloads.retain(|path| !has_extension(path, "md"));
    assert!(payloads.len() >= 18, "only {} payloads were found", payloads.len());
    let unnamed = unnamed(&payloads, &rust());
    assert!(unnamed.is_empty(), "nothing uses\n{}\n", unnamed.join("\n"));
}

#[test]
fn the_fuzz_targets_are_built_with_the_versions_of_the_package() {
    /// What only the fuzz targets need.
    const OWN: [&str; 3] = ["arbitrary", "libfuzzer-sys", "partner-warden-fuzz"];
    let locked = |path: &str| -> Vec<(String, String)> {
        let text = read(path.to_owned()).text;
        let packages = text.split("[[package]]").skip(1).map(|package| {
            let field = |name: &str| {
                let line = package.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap().trim_matches('"').to_owned()
            };
            (field("name = "), field("version = "))
        });
        packages.collect()
    };
    let (ours, theirs) = (locked("Cargo.lock"), locked("fuzz/Cargo.lock"));
    assert!(theirs.len() > 100, "only {} packages were found", theirs.len());
    let strange: Vec<_> = theirs
        .iter()
        .filter(|package| !OWN.contains(&package.0.as_str()) && !ours.contains(package))
        .collect();
    assert!(strange.is_empty(), "make fuzz-lock gives these their versions: {strange:?}");
}

#[test]
fn every_rule_has_files_to_look_at() {
    let sources = rust();
    assert!(sources.len() >= 70, "only {} files were found", sources.len());
    assert!(sources.iter().any(|source| source.path == "tests/it/tidy.rs"));
    for rule in RULES.iter().filter(|rule| rule.within != ["ARCHITECTURE.md"]) {
        assert!(sources.iter().any(|source| rule.covers(&source.path)), "{}", rule.reason);
    }
}

#[test]
fn every_banned_word_is_found_where_it_stands() {
    for rule in RULES {
        let (words, in_comments) = match rule.fault {
            Word(words) => (words, 0),
            WordAnywhere(words) => (words, 1),
            Shape(_) => continue,
        };
        for (within, word) in rule.within.iter().flat_map(|w| words.iter().map(move |x| (w, x))) {
            let expected = usize::from(!within.starts_with('!'));
            let path = within.trim_start_matches('!');
            let planted = Source::new(path, &format!("//! A file.\n\n    let a = ({word});\n"));
            let found = rule.complaints(&planted);
            assert_eq!(found.len(), expected, "{word} in {within}");
            assert!(found.iter().all(|text| text.starts_with(&format!("{path}:3: "))), "{found:?}");

            let remark = Source::new(path, &format!("//! A file.\n\n// {word} is not for us.\n"));
            assert_eq!(rule.complaints(&remark).len(), expected * in_comments, "{word}");
            let elsewhere = Source::new("policy/planted.rs", &planted.text);
            assert_eq!(rule.complaints(&elsewhere), Vec::<String>::new());
        }
    }
}

#[test]
fn all_rules_look_at_every_file() {
    let first = Source::new("src/domain/plan.rs", "//! A file.\nuse std::fs;\nuse std::env;\n");
    let second = Source::new("src/ports.rs", "use crate::adapters::clock;\n");
    let found = complaints(&[first, second]);
    let at: Vec<&str> = found.iter().filter_map(|text| text.split(": ").next()).collect();
    let expected =
        ["src/domain/plan.rs:2", "src/domain/plan.rs:3", "src/ports.rs:1", "src/ports.rs:1"];
    assert_eq!(at, expected, "{found:?}");
}

#[test]
fn a_comment_ends_the_code_of_a_line_and_an_address_does_not() {
    for (line, code) in [
        ("let a = 1; // then tokio::spawn", "let a = 1; "),
        ("/// Not async fn", ""),
        (
            "get(\"https://graph.example/\", std::env::var)",
            "get(\"https://graph.example/\", std::env::var)",
        ),
        ("include_str!(\"../../events/a.json\")", "include_str!(\"../../events/a.json\")"),
    ] {
        assert_eq!(without_comment(line), code);
    }
}

#[test]
fn a_word_is_not_found_within_a_longer_name() {
    for (line, word, found) in [
        ("use aws_config;", "aws_", true),
        ("let laws_of = 1;", "aws_", false),
        ("Unaws_config; aws_config", "aws_", true),
        ("client.get().await?", ".await", true),
        ("crate::wire::graph", "crate::wire", true),
    ] {
        assert_eq!(stands_in(line, word), found, "{word} in {line}");
    }
}

const NOWHERE: [usize; 0] = [];

#[test]
fn a_file_opens_with_what_it_is_for() {
    assert_eq!(no_opening_line(&Source::new("src/a.rs", "//! A file.\n")), NOWHERE);
    assert_eq!(no_opening_line(&Source::new("src/a.rs", "use b;\n//! A file.\n")), [1]);
    assert_eq!(no_opening_line(&Source::new("src/a.rs", "")), [1]);
}

#[test]
fn mod_rs_is_found_by_its_name() {
    assert_eq!(mod_rs(&Source::new("src/a/mod.rs", "")), [1]);
    assert_eq!(mod_rs(&Source::new("src/a/amod.rs", "")), NOWHERE);
}

#[test]
fn the_length_of_a_file_is_counted_up_to_its_tests() {
    let tests = "#[cfg(test)]\nmod tests {\n}\n";
    let long = |lines: usize| format!("{}{tests}{}", "\n".repeat(lines), "\n".repeat(900));
    assert_eq!(long_file(&Source::new("src/a.rs", &long(500))), NOWHERE);
    assert_eq!(long_file(&Source::new("src/a.rs", &long(501))), [501]);
    assert_eq!(long_file(&Source::new("src/a.rs", &"\n".repeat(501))), [501]);
    // The tests of a module in a file of their own are declared, not begun, in the module.
    let declared = format!("#[cfg(test)]\nmod tests;\n{}", "\n".repeat(500));
    assert_eq!(long_file(&Source::new("src/a.rs", &declared)), [501]);
    for name in ["src/a/tests.rs", "src/a/tests_more.rs", "src/a/testing.rs"] {
        assert_eq!(long_file(&Source::new(name, &"\n".repeat(501))), NOWHERE);
    }
}

#[test]
fn the_length_of_a_function_is_counted_between_its_braces() {
    let function = |lines: usize| {
        let body = "        x();\n".repeat(lines);
        format!("    pub async fn a(\n        b: B,\n    ) -> C {{\n{body}    }}\n")
    };
    let around = |a: &str| format!("impl A {{\n    fn short() {{}}\n{a}    fn z();\n}}\n");
    let found = |text: &str| long_function(&Source::new("src/pipeline.rs", text));
    assert_eq!(found(&around(&function(100))), NOWHERE);
    assert_eq!(found(&around(&function(101))), [3]);
    assert_eq!(found(&around(&[function(101), function(101)].concat())), [3, 108]);
}

#[test]
fn the_map_may_have_150_lines() {
    assert_eq!(long_map(&Source::new("ARCHITECTURE.md", &"\n".repeat(150))), NOWHERE);
    assert_eq!(long_map(&Source::new("ARCHITECTURE.md", &"\n".repeat(151))), [151]);
}

#[test]
fn a_payload_is_named_outside_of_comments_only() {
    let payloads = ["events/graph/a.json".to_owned(), "events/graph/b.json".to_owned()];
    let source = |text| Source::new("src/a.rs", text);
    let both = "include_str!(\"../events/graph/a.json\")\nevent(\"graph/b.json\")\n";
    assert_eq!(unnamed(&payloads, &[source(both)]), Vec::<&str>::new());
    let one = [source("event(\"graph/a.json\")"), source("// graph/b.json")];
    assert_eq!(unnamed(&payloads, &one), ["events/graph/b.json"]);
}
