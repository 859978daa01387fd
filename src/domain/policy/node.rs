//! YAML to a tree in which everything knows its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::Problem;
use crate::domain::text::one_line;

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    /// The line, from 1.
    pub(super) line: u64,
    /// The column, from 1.
    pub(super) column: u64,
}

impl Place {
    /// What the file says may be anything, a terminal's commands among it: it is made harmless.
    pub(super) fn problem(self, message: &str) -> Problem {
        Problem { line: self.line, column: self.column, message: one_line(message) }
    }
}

impl From<Location> for Place {
    fn from(at: Location) -> Self {
        Self { line: at.line(), column: at.column() }
    }
}

/// A value with its place.
#[derive(Debug)]
pub(super) struct Node {
    /// Its number in the tree, from 0.
    pub(super) number: usize,
    pub(super) at: Place,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Nothing,
    Scalar { text: String, kind: Kind },
    List(Vec<Node>),
    Fields(Vec<(Node, Node)>),
}

/// What a scalar is, beside text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Text,
    Bool(bool),
    Whole(i64),
    Fraction(f64),
}

impl Node {
    /// Reads one YAML document. Anchors, aliases and merge keys are resolved; what stands in two
    /// places has the place where it is used.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let options = serde_saphyr::options! { with_snippet: false };
        let raw: Spanned<RawValue> =
            serde_saphyr::from_str_with_options(text, options).map_err(|e| not_yaml(&e))?;
        let mut numbered = 0;
        Ok(node(raw, text, &mut numbered))
    }
}

fn not_yaml(error: &serde_saphyr::Error) -> Problem {
    let message = error.to_string();
    match error.location() {
        Some(at) => {
            let tail = format!(" at line {}, column {}", at.line(), at.column());
            let message = message.strip_suffix(&tail).unwrap_or(&message);
            let twice = message.strip_prefix("duplicate mapping key: ");
            let twice = twice.and_then(|rest| rest.split(", set ").next());
            match twice {
                Some(key) => Place::from(at).problem(&format!("`{key}` is written twice")),
                None => Place::from(at).problem(message),
            }
        }
        None => Place::default().problem(&message),
    }
}

/// A value as the YAML reader gives it.
enum RawValue {
    Nothing,
    Text(String),
    Other(Kind),
    List(Vec<Spanned<RawValue>>),
    Fields(Vec<(Spanned<RawValue>, Spanned<RawValue>)>),
}

fn node(raw: Spanned<RawValue>, source: &str, numbered: &mut usize) -> Node {
    let number = *numbered;
    *numbered += 1;
    let value = match raw.value {
        RawValue::Nothing => Value::Nothing,
        RawValue::Text(text) => Value::Scalar { text, kind: Kind::Text },
        // A number is also text where text belongs, and then as it was written: 007, 1.10.
        RawValue::Other(kind) => {
            let text = written(source, raw.defined).unwrap_or_else(|| kind.to_string());
            Value::Scalar { text, kind }
        }
        RawValue::List(items) => {
            Value::List(items.into_iter().map(|item| node(item, source, numbered)).collect())
        }
        RawValue::Fields(fields) => {
            let mut pair = |(key, value)| {
                let key = node(key, source, numbered);
                (key, node(value, source, numbered))
            };
            Value::Fields(fields.into_iter().map(&mut pair).collect())
        }
    };
    Node { number, at: raw.referenced.into(), value }
}

/// How a plain scalar is written at a place of the file.
fn written(source: &str, at: Location) -> Option<String> {
    let (line, column) = (usize::try_from(at.line()).ok()?, usize::try_from(at.column()).ok()?);
    let line = source.lines().nth(line.checked_sub(1)?)?;
    let rest: String = line.chars().skip(column.checked_sub(1)?).collect();
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}'));
    let word = rest.get(..end.unwrap_or(rest.len()))?;
    (!word.is_empty()).then(|| word.to_owned())
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => Ok(()),
            Self::Bool(value) => value.fmt(f),
            Self::Whole(value) => value.fmt(f),
            Self::Fraction(value) => value.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = RawValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<RawValue, E> {
                Ok(RawValue::Nothing)
            }

            fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
                Ok(RawValue::Other(Kind::Bool(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
                Ok(RawValue::Other(Kind::Whole(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
                Ok(RawValue::Other(
                    i64::try_from(value)
                        .map_or_else(|_| Kind::Fraction(f64::INFINITY), Kind::Whole),
                ))
            }

            fn visit_i128<E>(self, _: i128) -> Result<RawValue, E> {
                Ok(RawValue::Other(Kind::Fraction(f64::INFINITY)))
            }

            fn visit_u128<E>(self, _: u128) -> Result<RawValue, E> {
                Ok(RawValue::Other(Kind::Fraction(f64::INFINITY)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
                Ok(RawValue::Other(Kind::Fraction(value)))
            }

            fn visit_str<E>(self, text: &str) -> Result<RawValue, E> {
                Ok(RawValue::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawValue, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(RawValue::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawValue, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(RawValue::Fields(fields))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
