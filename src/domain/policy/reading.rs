//! A tree to the raw types, with every mistake of shape told and not only the first.
//!
//! What cannot be read is told, left out, and the reading begun again without it, until the rest
//! can be read: an unknown field is as if it were not there, and so is an optional field or an item
//! of a list with a mistake in it.

mod within;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer as _, Visitor};
use serde::forward_to_deserialize_any;

use self::within::{Both, Items, OfKind, Pairs, Placed};
use super::Problem;
use super::node::{Kind, Node, Value};
use super::raw::COMMON;
use super::spelling::{did_you_mean, nearest, one_of};

/// What was read, if enough could be read, and everything that could not.
pub(super) struct Shaped<T> {
    pub(super) value: Option<T>,
    pub(super) problems: Vec<Problem>,
}

/// Reads a tree.
pub(super) fn shaped<T: DeserializeOwned>(root: &Node) -> Shaped<T> {
    let faults = RefCell::new(Faults::default());
    let mut left_out = 0;
    loop {
        match T::deserialize(Reading { node: root, faults: &faults, fields: Whose::Nobodys }) {
            Ok(value) => {
                return Shaped { value: Some(value), problems: faults.into_inner().problems };
            }
            Err(fault) => {
                let mut known = faults.borrow_mut();
                known.tell(root, fault);
                // Each turn leaves out at least one value more; without one there is no end.
                if known.left_out.len() == left_out || known.left_out.contains(&root.number) {
                    let problems = std::mem::take(&mut known.problems);
                    return Shaped { value: None, problems };
                }
                left_out = known.left_out.len();
            }
        }
    }
}

/// What was found wrong so far.
#[derive(Default)]
struct Faults {
    problems: Vec<Problem>,
    /// The numbers of the values that are read as if they were not there.
    left_out: BTreeSet<usize>,
}

impl Faults {
    fn tell(&mut self, node: &Node, fault: Fault) {
        if let Fault::New(message) = fault
            && self.left_out.insert(node.number)
        {
            self.problems.push(node.at.problem(&message));
        }
    }
}

/// Why a value could not be read.
#[derive(Debug)]
enum Fault {
    /// It is told already, and the value is left out.
    Told,
    New(String),
    Missing(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told => f.write_str("told already"),
            Self::New(message) => f.write_str(message),
            Self::Missing(name) => write!(f, "`{name}` is missing"),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::New(message.to_string())
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }
}

#[derive(Clone, Copy)]
struct Reading<'n> {
    node: &'n Node,
    faults: &'n RefCell<Faults>,
    fields: Whose,
}

/// Whose the fields of a value are that the type at hand does not know.
#[derive(Clone, Copy)]
enum Whose {
    /// Nobody's: they are told of.
    Nobodys,
    /// Those of the other type that is read of the same value.
    Others,
    /// `kind`, and what every sink has; all else is told of.
    Common,
}

/// The name of types that are read as their place, what they are like, and their value.
pub(super) const PLACED: &str = "$placed";
/// The name of types that are two sets of fields of one value: what every sink has, and what its
/// kind asks for.
pub(super) const BOTH: &str = "$both";
/// The field that says which of several sets of fields a value has.
const KIND: &str = "kind";
const LIST: &str = "a list";

/// What a placed value is like, for types that may be written in several ways.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Like {
    Nothing,
    Scalar,
    List,
    Fields,
}

impl<'n> Reading<'n> {
    fn of(self, node: &'n Node) -> Self {
        Self { node, fields: Whose::Nobodys, ..self }
    }

    fn is_left_out(self, node: &Node) -> bool {
        self.faults.borrow().left_out.contains(&node.number)
    }

    /// Makes sure that a fault of this value is told at this value.
    fn told<T>(self, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|fault| {
            let fault = match fault {
                // What is missing because its value is left out is told of there.
                Fault::Missing(name) if self.field(name).is_some_and(|f| self.is_left_out(f)) => {
                    self.faults.borrow_mut().left_out.insert(self.node.number);
                    Fault::Told
                }
                Fault::Missing(name) => Fault::New(format!("`{name}` is missing")),
                fault @ (Fault::Told | Fault::New(_)) => fault,
            };
            self.faults.borrow_mut().tell(self.node, fault);
            Fault::Told
        })
    }

    fn field(self, name: &str) -> Option<&'n Node> {
        let Value::Fields(fields) = &self.node.value else { return None };
        let named = |key: &Node| matches!(&key.value, Value::Scalar { text, .. } if text == name);
        fields.iter().find(|(key, _)| named(key)).map(|(_, value)| value)
    }

    fn wanted<T>(self, what: &str) -> Result<T, Fault> {
        let found = match &self.node.value {
            Value::Nothing => "nothing".to_owned(),
            Value::Scalar { text, .. } => format!("`{text}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Fields(_) => "fields".to_owned(),
        };
        let mend = match &self.node.value {
            Value::Scalar { text, .. } if what == LIST => format!("; write [{text}]"),
            Value::Nothing | Value::Scalar { .. } | Value::List(_) | Value::Fields(_) => {
                String::new()
            }
        };
        self.told(Err(Fault::New(format!("this must be {what}, not {found}{mend}"))))
    }

    fn scalar(self, what: &str) -> Result<(&'n str, Kind), Fault> {
        match &self.node.value {
            Value::Scalar { text, kind } => Ok((text, *kind)),
            Value::Nothing | Value::List(_) | Value::Fields(_) => self.wanted(what),
        }
    }

    fn list(self) -> Result<&'n [Node], Fault> {
        match &self.node.value {
            Value::List(items) => Ok(items),
            Value::Nothing | Value::Scalar { .. } | Value::Fields(_) => self.wanted(LIST),
        }
    }

    fn fields(self) -> Result<&'n [(Node, Node)], Fault> {
        match &self.node.value {
            Value::Fields(fields) => Ok(fields),
            Value::Nothing | Value::Scalar { .. } | Value::List(_) => {
                self.wanted("fields (`name: value`)")
            }
        }
    }

    fn whole(self) -> Result<i64, Fault> {
        match self.scalar("a whole number")? {
            (_, Kind::Whole(value)) => Ok(value),
            _ => self.wanted("a whole number"),
        }
    }

    /// The text, which is one of `variants`.
    fn variant(self, variants: &[&str]) -> Result<&'n str, Fault> {
        let (text, _) = self.scalar(&one_of(variants))?;
        if variants.contains(&text) {
            return Ok(text);
        }
        let hint = did_you_mean(nearest(text, variants.iter().copied()));
        let message = format!("`{text}` is not {}{hint}", one_of(variants));
        self.told(Err(Fault::New(message)))
    }

    /// The fields that are there and can be read. Those that are not `known` are told of.
    fn entries(self, known: &[&str]) -> Result<Vec<(&'n Node, &'n Node)>, Fault> {
        let mut entries = Vec::new();
        let others: &[&[&str]] = match self.fields {
            Whose::Nobodys | Whose::Others => &[],
            Whose::Common => &[&[KIND], COMMON],
        };
        for (key, value) in self.fields()? {
            let name = self.of(key).scalar("the name of a field")?.0;
            let of_other = || others.iter().any(|fields| fields.contains(&name));
            if !known.contains(&name) && (matches!(self.fields, Whose::Others) || of_other()) {
                continue;
            }
            if !known.contains(&name) {
                let known = [others, &[known]].concat().concat();
                let hint = match nearest(name, known.iter().copied()) {
                    Some(name) => did_you_mean(Some(name)),
                    None => format!("; there is: {}", known.join(", ")),
                };
                let message = format!("unknown field `{name}`{hint}");
                self.faults.borrow_mut().tell(key, Fault::New(message));
            } else if matches!(value.value, Value::Nothing) {
                // Whoever writes `until:` and forgets the rest does not mean for ever.
                let message = format!("`{name}` is empty; write its value, or leave it out");
                self.faults.borrow_mut().tell(value, Fault::New(message));
            } else if !self.is_left_out(value) {
                entries.push((key, value));
            }
        }
        Ok(entries)
    }

    fn like(self) -> Like {
        match self.node.value {
            Value::Nothing => Like::Nothing,
            Value::Scalar { .. } => Like::Scalar,
            Value::List(_) => Like::List,
            Value::Fields(_) => Like::Fields,
        }
    }
}

impl<'de> Deserializer<'de> for Reading<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let read = match &self.node.value {
            Value::Nothing => visitor.visit_unit(),
            Value::Scalar { text, kind: Kind::Text } => visitor.visit_str(text),
            Value::Scalar { kind: Kind::Bool(value), .. } => visitor.visit_bool(*value),
            Value::Scalar { kind: Kind::Whole(value), .. } => visitor.visit_i64(*value),
            Value::Scalar { kind: Kind::Fraction(value), .. } => visitor.visit_f64(*value),
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Fields(_) => return self.deserialize_map(visitor),
        };
        self.told(read)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.scalar("true or false")? {
            (_, Kind::Bool(value)) => self.told(visitor.visit_bool(value)),
            _ => self.wanted("true or false"),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let value = self.whole()?;
        match u32::try_from(value) {
            Ok(value) => self.told(visitor.visit_u32(value)),
            Err(_) => self.wanted(&format!("a whole number from 0 to {}", u32::MAX)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let (text, _) = self.scalar("text")?;
        self.told(visitor.visit_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_left_out(self.node) || matches!(self.node.value, Value::Nothing) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if let Value::Fields(_) = self.node.value {
            let Some(kind) = self.field(KIND) else {
                return self.told(Err(Fault::Missing(KIND)));
            };
            self.of(kind).variant(variants)?;
            return visitor.visit_enum(OfKind(self, kind));
        }
        let text = self.variant(variants)?;
        let text: StrDeserializer<'_, Fault> = text.into_deserializer();
        self.told(visitor.visit_enum(text))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let items = self.list()?.iter();
        let items = items.filter(|item| !self.is_left_out(item)).collect::<Vec<_>>().into_iter();
        self.told(visitor.visit_seq(Items { reading: self, items }))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let entries: Vec<_> = self.fields()?.iter().map(|(key, value)| (key, value)).collect();
        let entries = entries.into_iter();
        self.told(visitor.visit_map(Pairs { reading: self, entries, value: None }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let entries = self.entries(fields)?.into_iter();
        self.told(visitor.visit_map(Pairs { reading: self, entries, value: None }))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == PLACED {
            visitor.visit_seq(Placed { reading: self, next: 0 })
        } else if name == BOTH {
            visitor.visit_seq(Both { reading: self, next: Some(Whose::Others) })
        } else {
            self.deserialize_seq(visitor)
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 u8 u16 u64 f32 f64 char bytes byte_buf unit unit_struct tuple
    }
}
