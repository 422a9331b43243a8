//! The changes between two menus. Pure.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Category, Contents, Group, Item, Modifier};
use crate::ids::{CategoryId, ItemId, ModifierGroupId, ModifierId};
use crate::money::Currency;

/// What happened to an entity of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = MenuChangeType)]
pub enum ChangeKind {
    /// The document adds it.
    Created,
    /// At least one field differs.
    Updated,
    /// The document does not contain it any more.
    Deleted,
}

/// The kind of an entity on the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
#[schema(as = MenuEntityType)]
pub enum MenuEntityKind {
    Menu,
    Category,
    Item,
    ModifierGroup,
    Modifier,
}

/// One change of the menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MenuChange)]
pub struct EntityChange {
    /// Whether it is added, changed or removed.
    pub change: ChangeKind,
    /// What changes: a category, an item, a modifier group or a modifier.
    pub kind: MenuEntityKind,
    /// The id; null if it is new and was not created yet.
    pub id: Option<String>,
    /// The key, if there is one.
    pub key: Option<String>,
    /// The name; if it changes, the new one.
    pub name: String,
    /// The fields that change, if it is changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// The change of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MenuFieldChange)]
pub struct FieldChange {
    /// The name of the field. Groups and categories are given by their keys, or by their ids if they have none.
    #[schema(example = "price")]
    pub field: &'static str,
    /// The old value.
    #[schema(value_type = Value)]
    pub before: FieldValue,
    /// The new value.
    #[schema(value_type = Value)]
    pub after: FieldValue,
}

/// The value of a field, written as JSON: a new menu may change thousands, and the server does not use the values.
#[derive(Debug, Clone, Serialize)]
pub struct FieldValue(Box<RawValue>);

impl FieldValue {
    fn of(value: &impl Serialize) -> Self {
        Self(to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl PartialEq for FieldValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for FieldValue {}

/// An entity on a menu that a document can name: category, item, modifier group or modifier.
pub(super) trait MenuEntity: PartialEq {
    /// The kind of entity.
    const KIND: MenuEntityKind;
    /// The entity's id, as the API writes it.
    fn id(&self) -> String;
    /// The uuid of its id.
    fn uuid(&self) -> Uuid;
    /// Parses an id of an entity of this kind; `None`: the text is not such an id.
    fn uuid_of(id: &str) -> Option<Uuid>;
    /// The entity's key; `None`: it has none.
    fn key(&self) -> Option<&str>;
    /// The entity's name in the menu's own language.
    fn name(&self) -> &str;
    /// The fields in which `new` differs. Other entities are referred to by their keys.
    fn changed_fields(&self, new: &Self, keys: &EntityKeys<'_>) -> Vec<FieldChange>;
}

/// The keys of the entities of both menus, by id.
pub(super) struct EntityKeys<'a> {
    /// Keys by id; `None`: the entity has no key.
    keys: HashMap<Uuid, Option<&'a str>>,
    currency: Currency,
}

impl<'a> EntityKeys<'a> {
    fn of(contents: [&'a Contents; 2]) -> Self {
        let (mut keys, currency) = (HashMap::new(), contents[0].currency);
        for contents in contents {
            keys.extend(contents.categories.iter().map(|one| (one.uuid(), one.key())));
            for group in &contents.groups {
                keys.insert(group.uuid(), group.key());
                keys.extend(group.modifiers.iter().map(|one| (one.uuid(), one.key())));
            }
        }
        Self { keys, currency }
    }

    fn key_of(&self, uuid: Uuid, id: &impl ToString) -> Option<Cow<'a, str>> {
        let key = self.keys.get(&uuid)?;
        Some(key.map_or_else(|| Cow::Owned(id.to_string()), Cow::Borrowed))
    }

    fn keys_of(&self, groups: &[ModifierGroupId]) -> Vec<Option<Cow<'a, str>>> {
        groups.iter().map(|group| self.key_of(group.uuid(), group)).collect()
    }
}

macro_rules! menu_entities {
    ($($kind:ident ($id:ident) = $variant:ident, |$one:ident, $keys:ident| {
        $($name:literal: $field:ident = $value:expr),+ $(,)?
    };)*) => {$(
        impl MenuEntity for $kind {
            const KIND: MenuEntityKind = MenuEntityKind::$variant;

            fn id(&self) -> String {
                self.id.to_string()
            }

            fn uuid(&self) -> Uuid {
                self.id.uuid()
            }

            fn uuid_of(id: &str) -> Option<Uuid> {
                id.parse::<$id>().ok().map($id::uuid)
            }

            fn key(&self) -> Option<&str> {
                self.key.as_deref()
            }

            fn name(&self) -> &str {
                &self.name
            }

            fn changed_fields(&self, new: &Self, $keys: &EntityKeys<'_>) -> Vec<FieldChange> {
                let mut changes = Vec::new();
                $(
                    if self.$field != new.$field {
                        let [before, after] = [self, new].map(|$one| FieldValue::of(&$value));
                        if before != after {
                            changes.push(FieldChange { field: $name, before, after });
                        }
                    }
                )+
                changes
            }
        }
    )*};
}

menu_entities! {
    Category (CategoryId) = Category, |one, _keys| {
        "name": name = one.name,
        "position": position = one.position,
        "dayParts": day_parts = one.day_parts,
        "translations": translations = one.translations,
    };
    Item (ItemId) = Item, |one, keys| {
        "category": category_id = keys.key_of(one.category_id.uuid(), &one.category_id),
        "name": name = one.name,
        "description": description = one.description,
        "price": price = one.price,
        "taxClass": tax_class = one.tax_class,
        "available": available = one.available,
        "unavailableUntil": unavailable_until = one.unavailable_until,
        "stock": stock = one.stock,
        "position": position = one.position,
        "dayParts": day_parts = one.day_parts,
        "allergens": allergens = one.allergens,
        "diets": diets = one.diets,
        "modifierGroups": modifier_groups = keys.keys_of(&one.modifier_groups),
        "translations": translations = one.translations,
    };
    Group (ModifierGroupId) = ModifierGroup, |one, keys| {
        "name": name = one.name,
        "min": min = one.min,
        "max": max = one.max,
        "translations": translations = one.translations,
        "modifiers": modifiers =
            one.modifiers.iter().map(|modifier| keys.key_of(modifier.uuid(), &modifier.id)).collect::<Vec<_>>(),
    };
    Modifier (ModifierId) = Modifier, |one, keys| {
        "name": name = one.name,
        "price": price = one.price.of(keys.currency),
        "taxClass": tax_class = one.tax_class,
        "available": available = one.available,
        "unavailableUntil": unavailable_until = one.unavailable_until,
        "stock": stock = one.stock,
        "allergens": allergens = one.allergens,
        "diets": diets = one.diets,
        "modifierGroups": modifier_groups = keys.keys_of(&one.modifier_groups),
        "translations": translations = one.translations,
    };
}

fn compare<'a, T: MenuEntity + 'a>(
    before: impl Iterator<Item = &'a T> + Clone,
    after: impl Iterator<Item = &'a T> + Clone,
    keys: &EntityKeys<'_>,
    changes: &mut Vec<EntityChange>,
) {
    let change = |change, one: &T, fields| EntityChange {
        id: (change != ChangeKind::Created).then(|| one.id()),
        kind: T::KIND,
        key: one.key().map(ToOwned::to_owned),
        name: one.name().to_owned(),
        change,
        fields,
    };
    let old_by_id: HashMap<_, _> = before.clone().map(|old| (old.uuid(), old)).collect();
    let remaining: HashSet<_> = after.clone().map(MenuEntity::uuid).collect();
    for new in after {
        match old_by_id.get(&new.uuid()) {
            None => changes.push(change(ChangeKind::Created, new, Vec::new())),
            Some(old) if *old == new => {}
            Some(old) => {
                let fields = old.changed_fields(new, keys);
                if !fields.is_empty() {
                    changes.push(change(ChangeKind::Updated, new, fields));
                }
            }
        }
    }
    let deleted = before.filter(|old| !remaining.contains(&old.uuid()));
    changes.extend(deleted.map(|old| change(ChangeKind::Deleted, old, Vec::new())));
}

fn modifiers(contents: &Contents) -> impl Iterator<Item = &Modifier> + Clone {
    contents.groups.iter().flat_map(|group| &group.modifiers)
}

/// All changes, category by category and group by group.
pub fn between(before: &Contents, after: &Contents) -> Vec<EntityChange> {
    let mut changes = Vec::new();
    if before.language != after.language {
        let [one, other] = [&before.language, &after.language].map(FieldValue::of);
        let fields = vec![FieldChange { field: "language", before: one, after: other }];
        let name = after.language.clone().unwrap_or_default();
        changes.push(EntityChange {
            change: ChangeKind::Updated,
            kind: MenuEntityKind::Menu,
            id: None,
            key: None,
            name,
            fields,
        });
    }
    let keys = EntityKeys::of([before, after]);
    compare(before.categories.iter(), after.categories.iter(), &keys, &mut changes);
    compare(before.items.iter(), after.items.iter(), &keys, &mut changes);
    compare(before.groups.iter(), after.groups.iter(), &keys, &mut changes);
    compare(modifiers(before), modifiers(after), &keys, &mut changes);
    changes
}
