//! Text chosen by strangers, made safe to show.

/// Longest piece of foreign text that is shown, in characters.
pub const FOREIGN_TEXT_MAX: usize = 120;

/// `text` without control, bidirectional or invisible characters, in one line and cut to
/// [`FOREIGN_TEXT_MAX`] characters.
///
/// Display names are chosen by the other tenant. Unchecked they can forge log lines, move a
/// terminal's cursor or turn a sentence round (Unicode TR36, section 2.3).
pub fn foreign(text: &str) -> String {
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
    match shown.char_indices().nth(FOREIGN_TEXT_MAX) {
        Some((end, _)) => {
            shown.truncate(end);
            shown.push('…');
            shown
        }
        None => shown,
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
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
    fn counted_nouns() {
        assert_eq!(count(1, "signal"), "1 signal");
        assert_eq!(count(0, "signal"), "0 signals");
    }
}
