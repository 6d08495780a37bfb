//! Reads JSON leniently: each value becomes what is wanted there, or a note of what was found instead.
//!
//! A wrong value is read to its end, without recursion and without keeping any of it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Unreadable;

/// What a text is called where something else is found.
pub(super) const TEXT: &str = "a string";

/// A value that may be absent, right or of the wrong type.
#[derive(Debug)]
pub(super) enum Given<T> {
    /// Absent, or null.
    Absent,
    /// What was wanted.
    Value(T),
    /// Something else.
    Wrong {
        /// What it is, in JSON's words.
        found: &'static str,
        /// Whether Python takes it for false.
        falsy: bool,
    },
}

impl<T> Given<T> {
    /// What was given, if anything.
    ///
    /// # Errors
    ///
    /// [`Unreadable::WrongType`], with the field's name and what it must be.
    pub(super) fn check(
        self,
        field: impl Into<String>,
        wanted: &'static str,
    ) -> Result<Option<T>, Unreadable> {
        match self {
            Self::Absent => Ok(None),
            Self::Value(value) => Ok(Some(value)),
            Self::Wrong { found, .. } => Err(Unreadable::WrongType {
                field: field.into(),
                wanted,
                found,
            }),
        }
    }
}

/// Something that is read from one kind of JSON value.
pub(super) trait Readable<'b>: Sized {
    fn from_text(_text: Cow<'b, str>) -> Option<Self> {
        None
    }
    /// `None` without having taken anything from `items` means "not an array".
    fn from_array<A: SeqAccess<'b>>(_items: &mut A) -> Result<Option<Self>, A::Error> {
        Ok(None)
    }
    /// `None` without having taken anything from `entries` means "not an object".
    fn from_object<A: MapAccess<'b>>(_entries: &mut A) -> Result<Option<Self>, A::Error> {
        Ok(None)
    }
}

impl<'b> Readable<'b> for Cow<'b, str> {
    fn from_text(text: Self) -> Option<Self> {
        Some(text)
    }
}

/// The next key of an object.
pub(super) fn next_key<'b, A: MapAccess<'b>>(
    entries: &mut A,
) -> Result<Option<Cow<'b, str>>, A::Error> {
    let key = entries.next_key_seed(Read::<Cow<'b, str>>::new())?;
    Ok(key.map(|key| match key {
        Given::Value(key) => key,
        // A key is a string, or it is not JSON.
        Given::Absent | Given::Wrong { .. } => Cow::Borrowed(""),
    }))
}

/// Reads a `T`, or notes what else was found, having read all of it.
pub(super) struct Read<T>(PhantomData<T>);

impl<T> Read<T> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }

    const fn wrong(found: &'static str, falsy: bool) -> Given<T> {
        Given::Wrong { found, falsy }
    }
}

impl<'b, T: Readable<'b>> DeserializeSeed<'b> for Read<T> {
    type Value = Given<T>;

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<Given<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'b, T: Readable<'b>> Visitor<'b> for Read<T> {
    type Value = Given<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'b str) -> Result<Given<T>, E> {
        let falsy = text.is_empty();
        Ok(
            T::from_text(Cow::Borrowed(text))
                .map_or_else(|| Self::wrong(TEXT, falsy), Given::Value),
        )
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Given<T>, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E>(self, text: String) -> Result<Given<T>, E> {
        let falsy = text.is_empty();
        Ok(T::from_text(Cow::Owned(text)).map_or_else(|| Self::wrong(TEXT, falsy), Given::Value))
    }

    fn visit_unit<E>(self) -> Result<Given<T>, E> {
        Ok(Given::Absent)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Given<T>, E> {
        Ok(Self::wrong("a boolean", !value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Given<T>, E> {
        Ok(Self::wrong("a number", value == 0))
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Given<T>, E> {
        Ok(Self::wrong("a number", false))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Given<T>, E> {
        Ok(Self::wrong("a number", value == 0.0))
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut items: A) -> Result<Given<T>, A::Error> {
        if let Some(value) = T::from_array(&mut items)? {
            return Ok(Given::Value(value));
        }
        let mut empty = true;
        while items.next_element::<IgnoredAny>()?.is_some() {
            empty = false;
        }
        Ok(Self::wrong("an array", empty))
    }

    fn visit_map<A: MapAccess<'b>>(self, mut entries: A) -> Result<Given<T>, A::Error> {
        if let Some(value) = T::from_object(&mut entries)? {
            return Ok(Given::Value(value));
        }
        let mut empty = true;
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            empty = false;
        }
        Ok(Self::wrong("an object", empty))
    }
}
