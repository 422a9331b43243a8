//! Counts the entities of a menu document while it is parsed in one pass, and stops at the first that exceeds a limit.
//! Pure.
//!
//! The counts are in a thread-local variable, because the functions that serde's attributes name take no parameters. A
//! `DeserializeSeed` could carry them, but every type between the document and its lists would need a visitor written
//! by hand. A document is read without interruption on one thread, and [`within`] resets the variable at its end.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::document::{DocumentCategory, DocumentGroup, DocumentItem, DocumentModifier};
use crate::config::Menus;

/// The number of entities of each kind that are still allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remaining {
    categories: usize,
    items: usize,
    groups: usize,
    modifiers: usize,
    details: usize,
}

thread_local! {
    /// `None`: lists of entities are skipped, because `document::read_by_entity` parses them separately.
    static REMAINING: Cell<Option<Remaining>> = const { Cell::new(None) };
}

/// Runs a parser in which lists of entities are parsed and counted; outside of it they are skipped.
pub(super) fn within<T>(bounds: Menus, read: impl FnOnce() -> T) -> T {
    struct CountingEnd;

    impl Drop for CountingEnd {
        fn drop(&mut self) {
            REMAINING.set(None);
        }
    }

    let _end = CountingEnd;
    REMAINING.set(Some(Remaining {
        categories: bounds.max_categories,
        items: bounds.max_items,
        groups: bounds.max_groups,
        modifiers: bounds.max_all_modifiers,
        details: bounds.max_details,
    }));
    read()
}

/// An entity whose number is bounded.
pub(super) trait Counted {
    /// Subtracts the entity from the remaining numbers; `None`: it exceeds a limit.
    fn take(&self, remaining: Remaining) -> Option<Remaining>;
}

macro_rules! counted {
    ($($entity:ident from $field:ident, |$one:ident| $details:expr;)*) => {$(
        impl Counted for $entity {
            fn take(&self, remaining: Remaining) -> Option<Remaining> {
                let $one = self;
                let details = remaining.details.checked_sub($details)?;
                Some(Remaining { $field: remaining.$field.checked_sub(1)?, details, ..remaining })
            }
        }
    )*};
}

counted! {
    DocumentCategory from categories, |one| one.details();
    DocumentItem from items, |one| one.details();
    DocumentGroup from groups, |one| one.details();
    DocumentModifier from modifiers, |one| one.details();
}

struct Entities<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Counted> Visitor<'de> for Entities<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut read = Vec::new();
        if REMAINING.get().is_none() {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(read);
        }
        while let Some(entity) = elements.next_element::<T>()? {
            let remaining = REMAINING.get().and_then(|remaining| entity.take(remaining));
            REMAINING.set(Some(remaining.ok_or_else(|| A::Error::custom("is one too many"))?));
            read.push(entity);
        }
        Ok(read)
    }
}

/// A list of entities: parsed and counted within [`within`], else skipped.
///
/// # Errors
/// When it is not a list, an entity is invalid, or there are too many.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de> + Counted>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Entities(PhantomData))
}
