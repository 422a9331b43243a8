//! Lists and maps of requests with a maximum length, which is checked while they are read, so that no more elements are
//! kept.
//!
//! `#[serde(deserialize_with = "bounded::list::<_, _, 100>")]` on every list of a body; a test walks the OpenAPI
//! document and the sources and fails for a list without it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Collects the elements of a list up to a maximum; one more is an error of the list.
pub struct AtMost<T> {
    max: usize,
    element: PhantomData<T>,
}

impl<T> AtMost<T> {
    /// For at most `max` elements.
    pub const fn new(max: usize) -> Self {
        Self { max, element: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for AtMost<T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for AtMost<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while list.len() < self.max {
            match elements.next_element()? {
                Some(element) => list.push(element),
                None => return Ok(list),
            }
        }
        match elements.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom(format_args!("must be at most {}", self.max))),
            None => Ok(list),
        }
    }
}

/// A list of at most `MAX`.
///
/// # Errors
/// When there are more, or one is not valid.
pub fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    AtMost::new(MAX).deserialize(deserializer)
}

struct BoundedList<T, const MAX: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for BoundedList<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list::<D, T, MAX>(deserializer).map(Self)
    }
}

/// A list of at most `MAX`, or null.
///
/// # Errors
/// As [`list`].
pub fn some_list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<BoundedList<T, MAX>>::deserialize(deserializer).map(|list| list.map(|list| list.0))
}

/// A list of at most `MAX`, or null; distinguishes a field that is null from one that is absent.
///
/// # Errors
/// As [`list`].
pub fn present_list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Option<Option<Vec<T>>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    some_list::<D, T, MAX>(deserializer).map(Some)
}

struct Entries<V, const MAX: usize>(PhantomData<V>);

impl<'de, V: Deserialize<'de>, const MAX: usize> Visitor<'de> for Entries<V, MAX> {
    type Value = BTreeMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.len() == MAX && !map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("must be at most {MAX}")));
            }
            map.insert(key, entries.next_value()?);
        }
        Ok(map)
    }
}

/// An object with at most `MAX` fields of any names.
///
/// # Errors
/// When there are more, or one is not valid.
pub fn map<'de, D, V, const MAX: usize>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    deserializer.deserialize_map(Entries::<V, MAX>(PhantomData))
}
