//! Text as it is shown anywhere, and which of its words some system would take for more than text.

use super::Span;
use crate::domain::text;

/// Text as every rendering shows it: one line, without control, invisible or bidirectional
/// characters, and without anything a mail client or chat takes for an address by itself.
///
/// `://` becomes `[:]//`, `www.` becomes `www[.]`, `mailto:` becomes `mailto[:]` and two
/// backslashes, which begin the name of a Windows share, become `\[\]`. That is how addresses are
/// written in reports about attacks ("defanging"); no escape keeps clients of plain text from
/// making links.
pub(super) fn shown(text: &str) -> String {
    let gap = |c: char| c.is_whitespace() || c.is_control();
    let line = text::one_line(text);
    if line.is_empty() {
        return if text.contains(gap) { " ".to_owned() } else { line };
    }
    let lead = if text.starts_with(gap) { " " } else { "" };
    let trail = if text.ends_with(gap) { " " } else { "" };
    defused(&format!("{lead}{line}{trail}"))
}

fn defused(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    let begins = |rest: &str, what: &str| {
        rest.get(..what.len()).is_some_and(|head| head.eq_ignore_ascii_case(what))
    };
    while let Some(c) = rest.chars().next() {
        let (taken, written) = if begins(rest, "://") {
            (3, "[:]//".to_owned())
        } else if begins(rest, "www.") {
            (4, format!("{}[.]", &rest[..3]))
        } else if begins(rest, "mailto:") {
            (7, format!("{}[:]", &rest[..6]))
        } else if begins(rest, "\\\\") {
            (2, "\\[\\]".to_owned())
        } else {
            (c.len_utf8(), c.to_string())
        };
        whole.push_str(&written);
        rest = &rest[taken..];
    }
    whole
}

/// Whether some system makes more of a word than text, though its punctuation is escaped: GitHub,
/// GitLab and Azure DevOps look for mentions, references, emoji and commits in what is left after
/// their Markdown was read, but not in code.
///
/// Sources: GitHub Docs, "Autolinked references and URLs"; GitLab Docs, "GitLab Flavored Markdown"
/// (references, emoji, inline diff); Microsoft Learn, "Link work items to objects" and "Use
/// @mentions". That an escape does not help: GitLab issue 16827.
pub(super) fn refers(word: &str) -> bool {
    let chars: Vec<char> = word.chars().collect();
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    let pair = |a: char, b: char| match a {
        '#' | '!' | '$' | '%' | '~' | '&' | '^' | '*' | '[' => in_name(b) || b == '"',
        '{' => b == '+' || b == '-',
        _ => false,
    };
    word.contains('@')
        || ["[:]", "[.]", "[\\]", "[+", "[-"].iter().any(|mark| word.contains(mark))
        || chars.windows(2).any(|two| pair(two[0], two[1]))
        || has_emoji(&chars)
        || has_issue_key(&chars)
        || has_commit(&chars)
}

/// `:tada:`.
fn has_emoji(chars: &[char]) -> bool {
    let in_emoji = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-');
    let mut colons = (0..chars.len()).filter(|at| chars[*at] == ':');
    colons.any(|at| {
        let name = chars[at + 1..].iter().take_while(|c| in_emoji(c)).count();
        name > 0 && chars.get(at + 1 + name) == Some(&':')
    })
}

/// `JRA-1`, `GH-1`.
pub(super) fn has_issue_key(chars: &[char]) -> bool {
    let mut dashes = (1..chars.len()).filter(|at| chars[*at] == '-');
    dashes.any(|at| {
        let before = chars[..at].iter().rev();
        let name: Vec<&char> = before.take_while(|c| c.is_alphanumeric() || **c == '_').collect();
        name.iter().any(|c| c.is_alphabetic())
            && chars.get(at + 1).is_some_and(char::is_ascii_digit)
    })
}

/// The beginning of a commit's hash is at least seven hexadecimal digits.
fn has_commit(chars: &[char]) -> bool {
    chars.windows(7).any(|seven| seven.iter().all(char::is_ascii_hexdigit))
}

/// The spans of a line as they are written: shown text, neighbouring text in one piece, spaces
/// outside of what stands out, none at the ends.
pub(super) fn tidy(spans: &[Span]) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match (joined.last_mut(), span) {
            (Some(Span::Text(before)), Span::Text(text)) => before.push_str(text),
            (_, span) => joined.push(span.clone()),
        }
    }
    let mut line = Vec::new();
    for span in &joined {
        match span {
            Span::Text(text) => push_text(&mut line, &shown(text)),
            Span::Strong(text) => push_marked(&mut line, text, Span::Strong),
            Span::Code(text) => push_marked(&mut line, text, Span::Code),
            Span::Link { text, url } => {
                // A link that shows its own address shows it as it is.
                let own = *text == url.as_str() || format!("{text}/") == url.as_str();
                let text = if own { text.clone() } else { shown(text).trim().to_owned() };
                let text = if text.is_empty() { url.as_str().to_owned() } else { text };
                line.push(Span::Link { text, url: url.clone() });
            }
            Span::Break => {
                trim_end(&mut line);
                if !line.is_empty() {
                    line.push(Span::Break);
                }
            }
        }
    }
    while line.last() == Some(&Span::Break) || trim_end(&mut line) {
        if line.last() == Some(&Span::Break) {
            line.pop();
        }
    }
    line
}

fn push_marked(line: &mut Vec<Span>, text: &str, marked: fn(String) -> Span) {
    let text = shown(text);
    let inner = text.trim();
    if inner.is_empty() {
        return push_text(line, &text);
    }
    if text.starts_with(' ') {
        push_text(line, " ");
    }
    line.push(marked(inner.to_owned()));
    if text.ends_with(' ') {
        push_text(line, " ");
    }
}

fn push_text(line: &mut Vec<Span>, text: &str) {
    let at_start = matches!(line.last(), None | Some(Span::Break));
    let text = if at_start { text.trim_start() } else { text };
    match line.last_mut() {
        _ if text.is_empty() => {}
        Some(Span::Text(before)) => {
            let text = if before.ends_with(' ') { text.trim_start() } else { text };
            before.push_str(text);
        }
        _ => line.push(Span::text(text)),
    }
}

/// Takes the spaces at the end of a line away, and says whether there were any.
fn trim_end(line: &mut Vec<Span>) -> bool {
    let Some(Span::Text(text)) = line.last_mut() else { return false };
    let long = text.len();
    text.truncate(text.trim_end().len());
    let less = text.len() < long;
    if text.is_empty() {
        line.pop();
    }
    less
}

/// Whether marks that only count beside a space, such as `*`, count between what is written and
/// `next`.
pub(super) fn stands_alone(written: &str, next: Option<&Span>) -> bool {
    let before = written.chars().next_back().is_none_or(char::is_whitespace);
    let after = match next {
        None | Some(Span::Break) => true,
        Some(Span::Text(text)) => text.starts_with(' '),
        Some(Span::Strong(_) | Span::Code(_) | Span::Link { .. }) => false,
    };
    before && after
}

/// Each word of a text with `word`, and the spaces between them.
pub(super) fn words(text: &str, mut word: impl FnMut(&str) -> String) -> String {
    let words: Vec<String> =
        text.split(' ').map(|it| if it.is_empty() { String::new() } else { word(it) }).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shown_is_an_address_or_moves_the_line() {
        for (text, expect) in [
            ("Contoso Reseller", "Contoso Reseller"),
            (" a\n\tb ", " a b "),
            ("see https://evil.example/x", "see https[:]//evil.example/x"),
            ("WwW.evil.example", "WwW[.]evil.example"),
            ("Mailto:a@b.example", "Mailto[:]a@b.example"),
            (r"\\evil.example\x", r"\[\]evil.example\x"),
            ("a\u{202e}b\u{200d}c", "abc"),
            ("\u{200b}", ""),
            ("\n", " "),
            ("ht\u{200b}tp:\u{200b}//x", "http[:]//x"),
        ] {
            assert_eq!(shown(text), expect, "{text:?}");
            assert_eq!(shown(expect), expect, "once is enough");
        }
    }

    #[test]
    fn words_that_systems_take_for_more_are_known() {
        for word in [
            "@channel",
            "a@b.example",
            "#123",
            "x#1",
            "AB#7",
            "!12",
            "$3",
            "~bug",
            "~\"a",
            "&4",
            "^5",
            ":tada:",
            "JRA-1",
            "GH-12",
            "x_y2-3",
            "deadbee",
            "0123456789abcdef",
            "{+a",
            "[-b",
            "*iteration:1",
            "[vulnerability:1]",
            "https[:]//x",
            "www[.]x",
        ] {
            assert!(refers(word), "{word}");
        }
        for word in [
            "Contoso",
            "Reseller,",
            "(high):",
            "privileged-role",
            "2026-11-25",
            "a_b",
            "*",
            "R",
            "admins",
            ">",
            "10:30",
            "deadbe",
            "https:",
            "",
        ] {
            assert!(!refers(word), "{word}");
        }
    }

    #[test]
    fn a_line_is_tidied_without_losing_a_word() {
        let spans = [
            Span::text(" a "),
            Span::text(" b"),
            Span::Strong(" c ".to_owned()),
            Span::text(" d "),
            Span::Break,
            Span::text("\n"),
            Span::Code("\u{200b}".to_owned()),
            Span::text("e"),
            Span::Break,
            Span::text(" "),
        ];
        let expect = [
            Span::text("a b "),
            Span::Strong("c".to_owned()),
            Span::text(" d"),
            Span::Break,
            Span::text("e"),
        ];
        assert_eq!(tidy(&spans), expect);
        assert_eq!(
            tidy(&[Span::text("ht"), Span::text("tp:"), Span::text("//x")])[0],
            Span::text("http[:]//x")
        );
    }
}
