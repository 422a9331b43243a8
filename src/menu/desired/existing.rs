//! The existing entities of a menu, found by the keys and ids of a document. Pure.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use uuid::Uuid;

use crate::menu::diff::MenuEntity;
use crate::menu::document::EntityKey;
use crate::menu::faults::MenuFaults;

/// The existing entities of one kind, by the keys that a document may use for them.
pub(super) struct ExistingEntities<'a, T> {
    by_id: HashMap<Uuid, &'a T>,
    by_key: HashMap<&'a str, &'a T>,
    /// The entities that occurred in the document so far.
    named: HashSet<NamedEntity<'a>>,
}

/// The entity that a key of a document refers to.
#[derive(PartialEq, Eq, Hash)]
enum NamedEntity<'a> {
    Existing(Uuid),
    New(&'a str),
}

impl<'a, T: MenuEntity> ExistingEntities<'a, T> {
    pub(super) fn new(entities: &'a [T]) -> Self {
        Self {
            by_id: entities.iter().map(|entity| (entity.uuid(), entity)).collect(),
            by_key: entities.iter().filter_map(|entity| Some((entity.key()?, entity))).collect(),
            named: HashSet::new(),
        }
    }

    /// The existing entity with this key or id; `None`: it is new. A second use of a key is an error.
    pub(super) fn take(&mut self, key: &'a EntityKey, pointer: impl Display, faults: &mut MenuFaults) -> Option<&'a T> {
        let by_id = T::uuid_of(key.as_str()).and_then(|id| self.by_id.get(&id));
        let found = by_id.or_else(|| self.by_key.get(key.as_str())).copied();
        if !self
            .named
            .insert(found.map_or_else(|| NamedEntity::New(key.as_str()), |found| NamedEntity::Existing(found.uuid())))
        {
            faults.note(format_args!("{pointer}/key"), format_args!("“{}” is the key of an earlier one", key.as_str()));
        }
        found
    }
}
