//! Exported audit files, read one event at a time: whatever their envelope, compressed or not.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Map, Value};

/// The first bytes of a file compressed by gzip (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What Windows puts before a text in UTF-8.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Why an export cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be opened.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is in it is no JSON, or breaks off.
    #[error(
        "{} holds no JSON where line {line}, column {column} of it should be some; export the \
         audit log as JSON (one event, an array, {{\"value\": […]}}, {{\"records\": […]}} or one event \
         a line), whole",
        path.display()
    )]
    NotJson {
        /// Which file.
        path: PathBuf,
        /// Where, from 1, within the value that could not be read.
        line: usize,
        /// Where, from 1.
        column: usize,
        /// What the parser says, which quotes nothing of the file.
        #[source]
        source: serde_json::Error,
    },
    /// It is empty.
    #[error("{} is empty; there is nothing to replay in it", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
}

/// Hands every event of a file to `take`, in the order of the file, with its path within the file.
/// `-` is the standard input.
///
/// # Errors
/// [`ExportError`]; what was handed over before stays so.
pub fn events(path: &Path, take: &mut dyn FnMut(&str, Value)) -> Result<(), ExportError> {
    let file = |source| ExportError::File { path: path.to_owned(), source };
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(file)?)
    };
    let mut input = BufReader::new(input);
    let compressed = input.fill_buf().map_err(file)?.starts_with(&GZIP);
    if compressed {
        let mut plain = BufReader::new(MultiGzDecoder::new(input));
        values(path, &mut plain, take)
    } else {
        values(path, &mut input, take)
    }
}

/// One value after the other, as many as there are.
fn values(
    path: &Path,
    input: &mut impl BufRead,
    take: &mut dyn FnMut(&str, Value),
) -> Result<(), ExportError> {
    let file = |source| ExportError::File { path: path.to_owned(), source };
    if input.fill_buf().map_err(file)?.starts_with(&BYTE_ORDER_MARK) {
        input.consume(BYTE_ORDER_MARK.len());
    }
    let mut number = 0_usize;
    while skip_to_value(input).map_err(file)? {
        number += 1;
        let prefix = if number == 1 { "$".to_owned() } else { format!("${number}") };
        let mut json = Deserializer::from_reader(&mut *input);
        let each = Each { prefix: &prefix, take };
        each.deserialize(&mut json).map_err(|source| ExportError::NotJson {
            path: path.to_owned(),
            line: source.line(),
            column: source.column(),
            source,
        })?;
    }
    if number == 0 { Err(ExportError::Empty { path: path.to_owned() }) } else { Ok(()) }
}

/// Goes over white space and what may stand between two values. Says whether a value follows.
fn skip_to_value(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let blank = buffer.iter().take_while(|byte| b" \t\r\n,\x1e".contains(byte)).count();
        let all = blank == buffer.len();
        input.consume(blank);
        if !all {
            return Ok(true);
        }
    }
}

/// Hands over the events of one value without holding more than one of them.
struct Each<'a> {
    prefix: &'a str,
    take: &'a mut dyn FnMut(&str, Value),
}

impl<'de> DeserializeSeed<'de> for Each<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an audit event or a collection of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        while let Some(item) = items.next_element()? {
            (self.take)(&format!("{}[{index}]", self.prefix), item);
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut object = Map::new();
        let mut collection = false;
        while let Some(key) = fields.next_key::<String>()? {
            // The fields of one event; those beside a collection are its envelope's.
            if key == "value" || key == "records" {
                let prefix = format!("{}.{key}", self.prefix);
                fields.next_value_seed(Each { prefix: &prefix, take: &mut *self.take })?;
                collection = true;
            } else if collection {
                fields.next_value::<IgnoredAny>()?;
            } else {
                object.insert(key, fields.next_value()?);
            }
        }
        if !collection {
            (self.take)(self.prefix, Value::Object(object));
        }
        Ok(())
    }
}
