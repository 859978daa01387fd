//! Text chosen by strangers, made safe to show.

/// Longest piece of foreign text that is shown, in characters.
pub const FOREIGN_TEXT_MAX: usize = 120;

/// `text` without control, bidirectional or invisible characters, in one line and cut to
/// [`FOREIGN_TEXT_MAX`] characters.
///
/// Display names are chosen by the other tenant. Unchecked they can forge log lines, move a
/// terminal's cursor or turn a sentence round (Unicode TR36, section 2.3).
pub fn foreign(text: &str) -> String {
    let mut shown = one_line(text);
    if let Some((end, _)) = shown.char_indices().nth(FOREIGN_TEXT_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// `text` without control, bidirectional or invisible characters and in one line, as long as it is:
/// for a sentence that holds foreign text.
pub fn one_line(text: &str) -> String {
    let mut shown = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word: String = word.chars().filter(|c| !is_invisible(*c)).collect();
        if !word.is_empty() {
            if !shown.is_empty() {
                shown.push(' ');
            }
            shown.push_str(&word);
        }
    }
    shown
}

/// JSON that shows as what it says: characters that move a terminal's cursor, turn the line round
/// or cannot be seen are written as escapes. It means the same JSON.
pub fn plain_json(json: &str) -> String {
    // Beside strings JSON is ASCII, and its line ends and indentation are no characters of a
    // string.
    let is_plain = |c: char| c == '\n' || !(c.is_control() || is_invisible(c));
    if json.chars().all(is_plain) {
        return json.to_owned();
    }
    let mut plain = String::with_capacity(json.len() + 32);
    for c in json.chars() {
        if is_plain(c) {
            plain.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            use std::fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = write!(plain, "\\u{unit:04x}");
        }
    }
    plain
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// `a`, `a and b`, `a, b and c`.
pub fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `1 signal`, `2 signals`.
pub fn count(number: usize, singular: &str) -> String {
    if number == 1 { format!("1 {singular}") } else { format!("{number} {singular}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: &str) {
        assert_eq!(foreign(input), expect, "for {input:?}");
    }

    #[test]
    fn hostile_names_become_one_plain_line() {
        check("Contoso Reseller", "Contoso Reseller");
        check("a\nb\r\n  c\t", "a b c");
        check("\u{1b}[31mred\u{1b}[0m", "[31mred [0m");
        check("abc\u{202e}fed", "abcfed");
        check("zero\u{200b}width\u{feff}", "zerowidth");
        check("\u{0}\u{7f}\u{85}", "");
        check(&"x".repeat(500), &format!("{}…", "x".repeat(FOREIGN_TEXT_MAX)));
    }

    #[test]
    fn a_sentence_is_not_cut() {
        let sentence = format!("{} \u{1b}[2J end", "x".repeat(500));
        assert_eq!(one_line(&sentence), format!("{} [2J end", "x".repeat(500)));
    }

    #[test]
    fn json_that_shows_as_what_it_says_means_the_same() {
        for name in ["a\u{202e}b", "\u{9b}31m", "\u{7f}", "\u{e0041}", "\n\t\"", "Ärger 🙂"] {
            let json = serde_json::to_string_pretty(&[name]).unwrap();
            let plain = plain_json(&json);
            assert!(plain.chars().all(|c| c == '\n' || !(c.is_control() || is_invisible(c))));
            assert_eq!(serde_json::from_str::<[String; 1]>(&plain).unwrap(), [name]);
        }
        assert_eq!(plain_json("[\"Ärger 🙂\"]"), "[\"Ärger 🙂\"]");
    }

    #[test]
    fn counted_nouns() {
        assert_eq!(count(1, "signal"), "1 signal");
        assert_eq!(count(0, "signal"), "0 signals");
    }
}
