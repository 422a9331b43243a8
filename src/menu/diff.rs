//! The changes between two menus. Pure.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Category, Contents, Group, Item, Modifier};
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
    pub field: String,
    /// The old value.
    #[schema(value_type = Value)]
    pub before: Value,
    /// The new value.
    #[schema(value_type = Value)]
    pub after: Value,
}

/// An entity on a menu that a document can name: category, item, modifier group or modifier.
pub(super) trait MenuEntity: PartialEq {
    /// The kind of entity.
    const KIND: MenuEntityKind;
    /// The entity's id, as the API writes it.
    fn id(&self) -> String;
    /// The key; `None`: it has none.
    fn key(&self) -> Option<&str>;
    /// The entity's name in the menu's own language.
    fn name(&self) -> &str;
    /// All other fields; references to other entities as their keys.
    fn fields(&self, called: &EntityKeys) -> Value;
}

/// The keys of entities by id, the same before and after, also for new ones.
pub(super) struct EntityKeys {
    names: HashMap<String, String>,
    currency: Currency,
}

impl EntityKeys {
    fn of(contents: [&Contents; 2]) -> Self {
        let (mut called, currency) = (HashMap::new(), contents[0].currency);
        let mut note = |thing: (String, Option<&str>)| {
            let name = thing.1.map_or_else(|| thing.0.clone(), ToOwned::to_owned);
            called.insert(thing.0, name);
        };
        for contents in contents {
            contents.categories.iter().for_each(|one| note((one.id(), one.key())));
            for group in &contents.groups {
                note((group.id(), group.key()));
                group.modifiers.iter().for_each(|one| note((one.id(), one.key())));
            }
        }
        Self { names: called, currency }
    }

    fn name(&self, id: &impl ToString) -> Value {
        let id = id.to_string();
        self.names.get(&id).map_or(Value::Null, |name| json!(name))
    }

    fn names<I: ToString>(&self, ids: impl IntoIterator<Item = I>) -> Value {
        ids.into_iter().map(|id| self.name(&id)).collect()
    }
}

macro_rules! things {
    ($($kind:ident = $variant:ident, |$one:ident, $called:ident| $fields:tt;)*) => {$(
        impl MenuEntity for $kind {
            const KIND: MenuEntityKind = MenuEntityKind::$variant;

            fn id(&self) -> String {
                self.id.to_string()
            }

            fn key(&self) -> Option<&str> {
                self.key.as_deref()
            }

            fn name(&self) -> &str {
                &self.name
            }

            fn fields(&self, $called: &EntityKeys) -> Value {
                let $one = self;
                json!($fields)
            }
        }
    )*};
}

things! {
    Category = Category, |one, _called| {
        "name": one.name, "position": one.position, "dayParts": one.day_parts, "translations": one.translations,
    };
    Item = Item, |one, called| {
        "category": called.name(&one.category_id), "name": one.name, "description": one.description,
        "price": one.price, "taxClass": one.tax_class, "available": one.available,
        "unavailableUntil": one.unavailable_until,
        "stock": one.stock, "position": one.position, "dayParts": one.day_parts, "allergens": one.allergens,
        "diets": one.diets, "modifierGroups": called.names(&one.modifier_groups), "translations": one.translations,
    };
    Group = ModifierGroup, |one, called| {
        "name": one.name, "min": one.min, "max": one.max, "translations": one.translations,
        "modifiers": called.names(one.modifiers.iter().map(|modifier| modifier.id)),
    };
    Modifier = Modifier, |one, called| {
        "name": one.name, "price": one.price.of(called.currency), "taxClass": one.tax_class, "available": one.available,
        "unavailableUntil": one.unavailable_until,
        "stock": one.stock, "allergens": one.allergens, "diets": one.diets,
        "modifierGroups": called.names(&one.modifier_groups), "translations": one.translations,
    };
}

fn fields(before: &Value, after: &Value) -> Vec<FieldChange> {
    let none = Map::new();
    let (before, after) = (before.as_object().unwrap_or(&none), after.as_object().unwrap_or(&none));
    let changed = after.iter().filter_map(|(field, after)| {
        let before = before.get(field)?;
        (before != after).then(|| FieldChange { field: field.clone(), before: before.clone(), after: after.clone() })
    });
    changed.collect()
}

fn compare<'a, T: MenuEntity + 'a>(
    before: impl Iterator<Item = &'a T> + Clone,
    after: impl Iterator<Item = &'a T> + Clone,
    called: &EntityKeys,
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
    let old_by_id: HashMap<_, _> = before.clone().map(|old| (old.id(), old)).collect();
    let kept: HashSet<_> = after.clone().map(MenuEntity::id).collect();
    for new in after {
        match old_by_id.get(&new.id()) {
            None => changes.push(change(ChangeKind::Created, new, Vec::new())),
            Some(old) if *old == new => {}
            Some(old) => {
                let fields = fields(&old.fields(called), &new.fields(called));
                if !fields.is_empty() {
                    changes.push(change(ChangeKind::Updated, new, fields));
                }
            }
        }
    }
    let gone = before.filter(|old| !kept.contains(&old.id()));
    changes.extend(gone.map(|old| change(ChangeKind::Deleted, old, Vec::new())));
}

fn modifiers(contents: &Contents) -> impl Iterator<Item = &Modifier> + Clone {
    contents.groups.iter().flat_map(|group| &group.modifiers)
}

/// All changes, category by category and group by group.
pub fn between(before: &Contents, after: &Contents) -> Vec<EntityChange> {
    let mut changes = Vec::new();
    if before.language != after.language {
        let [one, other] = [&before.language, &after.language].map(|language| json!(language));
        let fields = vec![FieldChange { field: "language".into(), before: one, after: other }];
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
    let called = EntityKeys::of([before, after]);
    compare(before.categories.iter(), after.categories.iter(), &called, &mut changes);
    compare(before.items.iter(), after.items.iter(), &called, &mut changes);
    compare(before.groups.iter(), after.groups.iter(), &called, &mut changes);
    compare(modifiers(before), modifiers(after), &called, &mut changes);
    changes
}
