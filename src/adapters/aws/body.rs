//! Texts as items hold them: as they are while they are small, folded and in parts when they are
//! large, since no item may be larger than 400 KB.

use std::io::{Read as _, Write as _};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use super::table::{Item, as_number, as_text, number, text};
use crate::domain::id::Sha256Hex;
use crate::ports::{Failure, PortError};

/// Up to this many bytes a text is kept as it is, to be read in the console too.
const PLAIN_MAX: usize = 32 * 1024;

/// Bytes of one part: an item of 400 KB holds its keys too.
const PART_MAX: usize = 380 * 1024;

/// Most parts of one text. A transaction takes 4 MB, and has to hold a case and its record.
pub(super) const PARTS_MAX: usize = 5;

/// Most bytes that a folded text may unfold to.
const UNFOLDED_MAX: u64 = 512 * 1024 * 1024;

/// A text, ready to be put into items.
pub(super) struct Body {
    /// The attributes of the item itself.
    pub(super) item: Item,
    /// What the items beside it hold.
    pub(super) parts: Vec<Item>,
}

impl Body {
    /// Makes ready what is kept. `what` says what it is.
    pub(super) fn of(content: &str, what: &str) -> Result<Self, PortError> {
        if content.len() <= PLAIN_MAX {
            let item = Item::from([("json".to_owned(), text(content))]);
            return Ok(Self { item, parts: Vec::new() });
        }
        let mut folded = DeflateEncoder::new(Vec::new(), Compression::default());
        let folded = folded.write_all(content.as_bytes()).and_then(|()| folded.finish());
        let folded = folded.map_err(|error| {
            PortError::new(Failure::Transient, "a text could not be folded").because(error)
        })?;
        let count = folded.len().div_ceil(PART_MAX);
        if count > PARTS_MAX {
            return Err(PortError::new(
                Failure::Refused,
                format!(
                    "{what} is too large to be kept: {} KiB folded where {} KiB fit; \
                     set the response to its most frequent finding to ignore, or mend by hand \
                     what it lists",
                    folded.len() >> 10,
                    (PARTS_MAX * PART_MAX) >> 10,
                ),
            ));
        }
        let stamp = Sha256Hex::of(content.as_bytes());
        let mut parts = folded.chunks(PART_MAX).map(|part| {
            let blob = AttributeValue::B(Blob::new(part));
            let stamp = text(stamp.short());
            Item::from([("folded".to_owned(), blob), ("stamp".to_owned(), stamp)])
        });
        let mut item = parts.next().unwrap_or_default();
        item.insert("parts".to_owned(), number(i64::try_from(count).unwrap_or_default()));
        Ok(Self { item, parts: parts.collect() })
    }

    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        let items = std::iter::once(&self.item).chain(&self.parts);
        items.flat_map(Item::values).map(size).sum()
    }
}

/// How many bytes an attribute takes, near enough.
fn size(value: &AttributeValue) -> usize {
    let text = value.as_s().map(String::len);
    text.or_else(|_| value.as_b().map(|blob| blob.as_ref().len())).unwrap_or(32)
}

/// How many items beside this one hold the rest of its text.
pub(super) fn parts_beside(item: &Item) -> usize {
    let parts = as_number(item, "parts").and_then(|parts| usize::try_from(parts).ok());
    parts.map_or(0, |parts| parts.saturating_sub(1))
}

/// The text of an item and of the items beside it. Nothing where they do not belong together:
/// they were read while another was written.
pub(super) fn unfolded(item: &Item, beside: &[Item]) -> Option<String> {
    if let Some(plain) = as_text(item, "json") {
        return Some(plain.to_owned());
    }
    let stamp = as_text(item, "stamp")?;
    let mut folded = Vec::new();
    for part in std::iter::once(item).chain(beside) {
        if as_text(part, "stamp") != Some(stamp) {
            return None;
        }
        folded.extend_from_slice(part.get("folded")?.as_b().ok()?.as_ref());
    }
    let mut content = String::new();
    let read = DeflateDecoder::new(folded.as_slice()).take(UNFOLDED_MAX);
    { read }.read_to_string(&mut content).ok()?;
    (Sha256Hex::of(content.as_bytes()).short() == stamp).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(content: &str) -> (Body, Option<String>) {
        let body = Body::of(content, "a text").unwrap();
        let content = unfolded(&body.item, &body.parts);
        assert_eq!(parts_beside(&body.item), body.parts.len());
        (body, content)
    }

    /// Text that does not fold well.
    fn noise(bytes: usize) -> String {
        let mut state = 0x2545_f491_u32;
        let letter = |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            char::from(b' ' + u8::try_from(state >> 26).unwrap())
        };
        (0..bytes).map(letter).collect()
    }

    #[test]
    fn a_small_text_is_kept_as_it_is() {
        let small = "ü".repeat(PLAIN_MAX / 2);
        let (body, content) = back(&small);
        assert_eq!(as_text(&body.item, "json"), Some(small.as_str()));
        assert_eq!(content.as_deref(), Some(small.as_str()));
        assert_eq!(body.size(), PLAIN_MAX);
    }

    #[test]
    fn a_large_text_is_folded_and_comes_back_whole() {
        let large = "Kompaß ".repeat(1_000_000);
        let (body, content) = back(&large);
        assert!(body.size() < 40_000 && body.parts.is_empty(), "{}", body.size());
        assert!(content == Some(large));
    }

    #[test]
    fn what_folds_badly_is_kept_in_parts() {
        let large = noise(2 << 20);
        let (body, content) = back(&large);
        assert!(body.parts.len() >= 2);
        assert!(body.parts.iter().all(|part| part.values().map(size).sum::<usize>() < 400_000));
        assert!(content == Some(large));
        let other = Body::of(&noise((2 << 20) + 1), "a text").unwrap();
        assert_eq!(unfolded(&body.item, &other.parts), None, "parts of another text");
        assert_eq!(unfolded(&body.item, &body.parts[1..]), None, "a part is missing");
    }

    #[test]
    fn what_is_too_large_is_refused_with_the_mend() {
        let error = Body::of(&noise(4 << 20), "the case of Contoso").err().unwrap();
        assert_eq!(error.kind, Failure::Refused);
        assert!(error.said.contains(" KiB folded where 1900 KiB fit; set the response"), "{error}");
        assert!(
            error.said.starts_with("the case of Contoso is too large to be kept: 3"),
            "{error}"
        );
    }
}
