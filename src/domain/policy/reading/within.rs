//! What stands within a value: the items of a list, the fields of a map, and the ways one value is
//! read as several.

use serde::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::{Fault, Node, Reading, Whose};

pub(super) struct Items<'n> {
    pub(super) reading: Reading<'n>,
    pub(super) items: std::vec::IntoIter<&'n Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let next = self.items.next();
        let next = next.map(|item| self.reading.of(item));
        next.map(|item| item.told(seed.deserialize(item))).transpose()
    }
}

pub(super) struct Pairs<'n> {
    pub(super) reading: Reading<'n>,
    pub(super) entries: std::vec::IntoIter<(&'n Node, &'n Node)>,
    pub(super) value: Option<&'n Node>,
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(self.reading.of(key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let value = self.value.take().unwrap_or(self.reading.node);
        // A type may refuse what could be read as text.
        let reading = self.reading.of(value);
        reading.told(seed.deserialize(reading))
    }
}

/// Line, column, what it is like, and the value itself.
pub(super) struct Placed<'n> {
    pub(super) reading: Reading<'n>,
    pub(super) next: u8,
}

impl<'de> SeqAccess<'de> for Placed<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        self.next += 1;
        let at = self.reading.node.at;
        match self.next {
            1 => seed.deserialize(at.line.into_deserializer()).map(Some),
            2 => seed.deserialize(at.column.into_deserializer()).map(Some),
            3 => seed.deserialize((self.reading.like() as u8).into_deserializer()).map(Some),
            _ => seed.deserialize(self.reading).map(Some),
        }
    }
}

/// What every sink has, and then what its kind asks for.
pub(super) struct Both<'n> {
    pub(super) reading: Reading<'n>,
    pub(super) next: Option<Whose>,
}

impl<'de> SeqAccess<'de> for Both<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(fields) = self.next.take() else { return Ok(None) };
        self.next = matches!(fields, Whose::Others).then_some(Whose::Common);
        seed.deserialize(Reading { fields, ..self.reading }).map(Some)
    }
}

/// Fields whose `kind` says which they are.
pub(super) struct OfKind<'n>(pub(super) Reading<'n>, pub(super) &'n Node);

impl<'de, 'n> EnumAccess<'de> for OfKind<'n> {
    type Error = Fault;
    type Variant = Reading<'n>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Reading<'n>), Fault> {
        let Self(reading, kind) = self;
        Ok((seed.deserialize(reading.of(kind))?, reading))
    }
}

impl<'de> VariantAccess<'de> for Reading<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_struct("", fields, visitor)
    }
}
