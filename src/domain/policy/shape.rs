//! The types that know more of how they are written than serde tells: their place, and whether
//! they are a list, a word or fields.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::node::Place;
use super::reading::{BOTH, Like, PLACED};

/// A value and its place in the file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Place,
}

/// Text and its place.
pub(super) type Text = At<String>;

/// Fields whose names the author chooses, in the order of the file. A value that could not be read
/// is told of, and nothing here.
#[derive(Debug)]
pub(super) struct Entries<V>(pub(super) Vec<(Text, Option<V>)>);

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A list, or one value where a list of one is meant.
#[derive(Debug)]
pub(super) struct Several<T>(pub(super) Vec<T>);

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A sentence, or the same in fields.
#[derive(Debug)]
pub(super) enum Told<F> {
    Sentence(Text),
    Fields(At<F>),
}

/// Words, one or several, or the same in fields.
#[derive(Debug)]
pub(super) enum WordsOr<F> {
    Words(Vec<Text>),
    Fields(F),
}

/// Whatever stands there, as JSON.
#[derive(Debug, Clone)]
pub(super) struct Anything(pub(super) serde_json::Value);

/// Reads one set of fields as two: those every sink has, and those of its kind.
pub(super) fn both<'de, A, B, D>(deserializer: D) -> Result<(A, B), D::Error>
where
    A: Deserialize<'de>,
    B: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Two<A, B>(PhantomData<(A, B)>);

    impl<'de, A: Deserialize<'de>, B: Deserialize<'de>> Visitor<'de> for Two<A, B> {
        type Value = (A, B);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("fields")
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
            Ok((value(&mut seq)?, value(&mut seq)?))
        }
    }

    deserializer.deserialize_tuple_struct(BOTH, 2, Two(PhantomData))
}

/// Reads the first three of [`Placed`].
fn place<'de, A: SeqAccess<'de>>(seq: &mut A) -> Result<(Place, Like), A::Error> {
    let mut number = || seq.next_element::<u64>().map(Option::unwrap_or_default);
    let at = Place { line: number()?, column: number()? };
    let like = match seq.next_element::<u8>()?.unwrap_or_default() {
        0 => Like::Nothing,
        1 => Like::Scalar,
        2 => Like::List,
        _ => Like::Fields,
    };
    Ok((at, like))
}

fn value<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| de::Error::custom("there is no value"))
}

/// Deserializes by [`PLACED`], with what is made of its parts.
macro_rules! placed {
    (<$t:ident> $name:ty, $seq:ident => $make:expr) => {
        impl<'de, $t: Deserialize<'de>> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Parts<$t>(PhantomData<$t>);

                impl<'de, $t: Deserialize<'de>> Visitor<'de> for Parts<$t> {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a value")
                    }

                    fn visit_seq<S: SeqAccess<'de>>(
                        self,
                        mut $seq: S,
                    ) -> Result<Self::Value, S::Error> {
                        $make
                    }
                }

                deserializer.deserialize_tuple_struct(PLACED, 4, Parts(PhantomData))
            }
        }
    };
}

placed!(<T> At<T>, seq => {
    let (at, _) = place(&mut seq)?;
    Ok(At { value: value(&mut seq)?, at })
});

placed!(<T> Several<T>, seq => {
    let (_, like) = place(&mut seq)?;
    Ok(Several(match like {
        Like::List => value(&mut seq)?,
        Like::Nothing => Vec::new(),
        Like::Scalar | Like::Fields => vec![value(&mut seq)?],
    }))
});

placed!(<F> Told<F>, seq => {
    let (at, like) = place(&mut seq)?;
    Ok(match like {
        Like::Scalar => Told::Sentence(At { value: value(&mut seq)?, at }),
        Like::Nothing | Like::List | Like::Fields => {
            Told::Fields(At { value: value(&mut seq)?, at })
        }
    })
});

placed!(<F> WordsOr<F>, seq => {
    let (_, like) = place(&mut seq)?;
    Ok(match like {
        Like::Nothing => WordsOr::Words(Vec::new()),
        Like::Scalar => WordsOr::Words(vec![value(&mut seq)?]),
        Like::List => WordsOr::Words(value(&mut seq)?),
        Like::Fields => WordsOr::Fields(value(&mut seq)?),
    })
});

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Map<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Map(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(Self)
    }
}

/// In the schema a place is not seen.
impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
