//! A mail as it is sent (RFC 5322, RFC 2045).

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::message::header::{ContentTransferEncoding, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message as Letter, MultiPart, SinglePart};

use super::{Recipient, path};
use crate::domain::finding::Severity;
use crate::domain::markup::{html, plain};
use crate::domain::sink::EmailAddress;
use crate::domain::ticket::Message;
use crate::domain::ticket::said::Said;

/// Longest title, in characters.
pub(super) const TITLE_MAX: usize = 200;

/// The words for the `Importance` of a mail (RFC 2156, section 5.3.4).
pub(super) const IMPORTANCE: [&str; 3] = ["high", "normal", "low"];

/// Longest text, in characters: far below what every server takes.
const TEXT_MAX: usize = 50_000;

/// What is said, as a mail: the same bytes for every attempt. `body` is the message it was read
/// from.
///
/// Both texts are in quoted-printable, in which a line never begins with `=_`, so that the boundary
/// between them cannot stand in them (RFC 2045, section 6.7).
///
/// # Errors
/// What cannot be written, without any of it.
pub(super) fn written(
    said: &Said,
    body: &str,
    from: &EmailAddress,
    to: &[Recipient],
) -> Result<Vec<u8>, String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !said.key.as_str().bytes().all(inner) {
        return Err("the message's key is none".to_owned());
    }
    let decided = serde_json::from_str(body).map(|message: Message| message.timestamp);
    let decided = decided.map_err(|_| "the message cannot be read by this version".to_owned())?;
    let importance = match said.severity {
        Severity::Critical | Severity::High => "high",
        Severity::Medium | Severity::Low | Severity::Info => "normal",
    };
    let importance = said.priority.as_deref().unwrap_or(importance);
    let id = |number: u32| format!("<{}-{number}@{}>", said.key, from.domain());
    let mut letter = Letter::builder()
        .from(Mailbox::new(Some("Partner Warden".to_owned()), path(from)?))
        // What reads as an encoded word would be decoded, to whatever its author hid in it (RFC 2047).
        .subject(said.title.replace("=?", "= ?"))
        .date(SystemTime::from(decided.max(Timestamp::UNIX_EPOCH)))
        .message_id(Some(id(said.number)))
        // So that nothing answers it by itself (RFC 3834, section 5.2), nor Exchange, which goes by
        // its own header (MS-OXCMAIL, "X-Auto-Response-Suppress").
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"))
        .raw_header(header("Importance", importance))
        // For those who sort their mail by rules.
        .raw_header(header("X-Partner-Warden-Ticket", said.key.as_str()));
    for recipient in to {
        letter = letter.to(Mailbox::new(None, recipient.path.clone()));
    }
    if said.number > 1 {
        // Whether it was ever sent or not: mail clients bring together what refers to the same.
        letter = letter.in_reply_to(id(1)).references(id(1));
    }
    let page = |text: &str| {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"></head>\n<body>\n\
             {text}</body>\n</html>\n"
        )
    };
    let texts = MultiPart::alternative()
        .boundary(format!("=_{}-{}", said.key, said.number))
        .singlepart(SinglePart::plain(quoted(said.text.fitted(TEXT_MAX, plain))?))
        .singlepart(SinglePart::html(quoted(page(&said.text.fitted(TEXT_MAX, html)))?));
    let letter = letter.multipart(texts);
    letter
        .map(|letter| letter.formatted())
        .map_err(|error| format!("no mail can be written: {error}"))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn quoted(text: String) -> Result<Body, String> {
    Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable)
        .map_err(|_| "no mail can be written: its text cannot be encoded".to_owned())
}
