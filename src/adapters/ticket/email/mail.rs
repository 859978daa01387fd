//! A mail as it is sent (RFC 5322, RFC 2045).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::domain::finding::Severity;
use crate::domain::markup::{html, plain};
use crate::domain::sink::{Email, EmailAddress};
use crate::domain::ticket::Message;
use crate::domain::ticket::said::Said;

/// Longest title, in characters.
pub(super) const TITLE_MAX: usize = 200;

/// Longest text, in characters: far below what every server takes.
const TEXT_MAX: usize = 50_000;

/// Longest line of base64, in characters (RFC 2045, section 6.8).
const LINE_MAX: usize = 76;

/// Longest subject that stands as it is, in bytes: a line is to have 78 at the most.
const SUBJECT_MAX: usize = 68;

/// Most bytes in an encoded word: with what surrounds them they make 60 of the 75 characters that
/// it may have, and the first stands behind `Subject: ` (RFC 2047, section 2).
const WORD_MAX: usize = 36;

/// What is said, as a mail: the same bytes for every attempt. `body` is the message it was read
/// from.
///
/// All that others may have chosen is in base64: it holds neither the end of a line or of the mail,
/// nor the boundary between the two texts.
///
/// # Errors
/// What cannot be written, without any of it.
pub(super) fn written(
    said: &Said,
    body: &str,
    from: &EmailAddress,
    to: &[EmailAddress],
) -> Result<Vec<u8>, String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !said.key.as_str().bytes().all(inner) {
        return Err("the message's key is none".to_owned());
    }
    let decided = serde_json::from_str(body).map(|message: Message| message.timestamp);
    let decided: Timestamp =
        decided.map_err(|_| "the message cannot be read by this version".to_owned())?;
    let usual = match said.severity {
        Severity::Critical | Severity::High => "high",
        Severity::Medium | Severity::Low | Severity::Info => "normal",
    };
    let named = Email::IMPORTANCE.iter().find(|word| said.priority.as_deref() == Some(*word));
    let to: Vec<String> = to.iter().map(|address| format!("<{address}>")).collect();
    let id = |number: u32| format!("<{}-{number}@{}>", said.key, from.domain());
    let mut head = vec![
        format!("From: Partner Warden <{from}>"),
        format!("To: {}", to.join(",\r\n ")),
        format!("Subject: {}", subject(&said.title)),
        format!("Date: {}", decided.strftime("%a, %d %b %Y %H:%M:%S +0000")),
        format!("Message-ID: {}", id(said.number)),
    ];
    if said.number > 1 {
        // Whether it was ever sent or not: mail clients bring together what refers to the same.
        head.push(format!("In-Reply-To: {}", id(1)));
        head.push(format!("References: {}", id(1)));
    }
    let boundary = format!("=_{}-{}", said.key, said.number);
    head.extend([
        // So that nothing answers it by itself (RFC 3834, section 5.2), nor Exchange, which goes by
        // its own header (MS-OXCMAIL, "X-Auto-Response-Suppress").
        "Auto-Submitted: auto-generated".to_owned(),
        "X-Auto-Response-Suppress: All".to_owned(),
        format!("Importance: {}", named.unwrap_or(&usual)),
        // For those who sort their mail by rules.
        format!("X-Partner-Warden-Ticket: {}", said.key),
        "MIME-Version: 1.0".to_owned(),
        format!("Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\""),
    ]);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"></head>\n<body>\n\
         {}</body>\n</html>\n",
        said.text.fitted(TEXT_MAX, html)
    );
    let text = part("plain", &said.text.fitted(TEXT_MAX, plain));
    let (head, page) = (head.join("\r\n"), part("html", &page));
    let mail = format!(
        "{head}\r\n\r\n--{boundary}\r\n{text}\r\n--{boundary}\r\n{page}\r\n--{boundary}--\r\n"
    );
    Ok(mail.into_bytes())
}

/// A text as one of the parts, with lines that end as those of mail do.
fn part(kind: &str, text: &str) -> String {
    let encoded = STANDARD.encode(text.replace('\n', "\r\n"));
    let mut part = format!(
        "Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE_MAX));
        part.push_str(line);
        part.push_str("\r\n");
        rest = after;
    }
    part
}

/// A title as the value of a header: as it is, or in encoded words (RFC 2047), each with whole
/// characters. What would be read as an encoded word is encoded itself.
fn subject(title: &str) -> String {
    let plain = title.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if plain && title.len() <= SUBJECT_MAX && !title.contains("=?") {
        return title.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    for character in title.chars() {
        match words.last_mut() {
            Some(word) if word.len() + character.len_utf8() <= WORD_MAX => word.push(character),
            _ => words.push(character.to_string()),
        }
    }
    let words: Vec<String> =
        words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join("\r\n ")
}
