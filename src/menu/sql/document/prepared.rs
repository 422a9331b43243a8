//! The rows of a new menu as JSON, serialised before the transaction that sends them. Pure.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::ids::ModifierGroupId;
use crate::menu::allergens::{Declared, Diet};
use crate::menu::dayparts::DayPart;
use crate::menu::translations::Translations;
use crate::menu::{Category, Group, Item, Modifier};
use crate::money::Amount;
use crate::restaurants::tax::TaxClass;

/// Rows as JSON, and the entities that they refer to. They are serialised before the transaction begins, because that
/// takes long for a large menu.
#[derive(Debug)]
pub struct PreparedRows {
    pub(super) json: Box<RawValue>,
    pub(super) links: GroupColumns,
}

impl PreparedRows {
    fn of<T: Serialize>(rows: &[T], links: GroupColumns) -> Result<Self, serde_json::Error> {
        Ok(Self { json: to_raw_value(rows)?, links })
    }

    /// The rows of categories.
    ///
    /// # Errors
    /// When a value cannot be written as JSON, which does not happen.
    pub fn of_categories(categories: &[&Category]) -> Result<Self, serde_json::Error> {
        let rows: Vec<_> = categories.iter().copied().map(CategoryJson::of).collect();
        Self::of(&rows, GroupColumns::default())
    }

    /// The rows of items, each with its search words, and the modifier groups of items whose groups change.
    ///
    /// # Errors
    /// As for categories.
    pub fn of_items(items: &[&Item], before: &[Item]) -> Result<Self, serde_json::Error> {
        let before = before.iter().map(|one| (one.id.uuid(), one.modifier_groups.as_slice()));
        let links = items.iter().map(|one| (one.id.uuid(), one.modifier_groups.as_slice()));
        let rows: Vec<_> = items.iter().copied().map(ItemJson::of).collect();
        Self::of(&rows, GroupColumns::changed(before, links))
    }

    /// The rows of groups, without their modifiers.
    ///
    /// # Errors
    /// As for categories.
    pub fn of_groups(groups: &[&Group]) -> Result<Self, serde_json::Error> {
        let rows: Vec<_> = groups.iter().copied().map(GroupJson::of).collect();
        Self::of(&rows, GroupColumns::default())
    }

    /// The rows of new and changed modifiers of groups, and the nested groups of modifiers whose groups change.
    ///
    /// # Errors
    /// As for categories.
    pub fn of_modifiers<'a>(groups: &[&'a Group], before: &'a [Group]) -> Result<Self, serde_json::Error> {
        let before: HashMap<_, _> = before.iter().flat_map(placed_modifiers).map(|one| (one.2.id, one)).collect();
        let changed = groups.iter().copied().flat_map(placed_modifiers);
        let changed: Vec<_> = changed.filter(|one| before.get(&one.2.id) != Some(one)).collect();
        let nested = |(_, _, one): PlacedModifier<'a>| (one.id.uuid(), one.modifier_groups.as_slice());
        let links = GroupColumns::changed(before.into_values().map(nested), changed.iter().copied().map(nested));
        let rows: Vec<_> = changed.iter().map(|&(group, at, one)| ModifierJson::of(group, at, one)).collect();
        Self::of(&rows, links)
    }
}

#[derive(Serialize)]
struct CategoryJson<'a> {
    id: Uuid,
    key: Option<&'a str>,
    name: &'a str,
    position: i32,
    day_parts: &'a [DayPart],
    translations: &'a Translations,
    search_words: Vec<String>,
}

#[derive(Serialize)]
struct ItemJson<'a> {
    id: Uuid,
    key: Option<&'a str>,
    category_id: Uuid,
    name: &'a str,
    description: Option<&'a str>,
    price: Amount,
    tax_class: Option<&'a TaxClass>,
    available: bool,
    unavailable_until: Option<DateTime<Utc>>,
    position: i32,
    day_parts: &'a [DayPart],
    allergens: Option<&'a [Declared]>,
    diets: &'a [Diet],
    translations: &'a Translations,
    search_words: Vec<String>,
}

#[derive(Serialize)]
struct GroupJson<'a> {
    id: Uuid,
    key: Option<&'a str>,
    name: &'a str,
    min: i16,
    max: i16,
    translations: &'a Translations,
}

#[derive(Serialize)]
struct ModifierJson<'a> {
    id: Uuid,
    group_id: Uuid,
    key: Option<&'a str>,
    name: &'a str,
    price: Amount,
    tax_class: Option<&'a TaxClass>,
    available: bool,
    unavailable_until: Option<DateTime<Utc>>,
    position: i32,
    allergens: Option<&'a [Declared]>,
    diets: &'a [Diet],
    translations: &'a Translations,
}

impl<'a> CategoryJson<'a> {
    fn of(one: &'a Category) -> Self {
        let Category { id, key, name, position, day_parts, translations } = one;
        let (key, search_words) = (key.as_deref(), one.search_words());
        Self { id: id.uuid(), key, name, position: *position, day_parts, translations, search_words }
    }
}

impl<'a> ItemJson<'a> {
    fn of(one: &'a Item) -> Self {
        Self {
            id: one.id.uuid(),
            key: one.key.as_deref(),
            category_id: one.category_id.uuid(),
            name: &one.name,
            description: one.description.as_deref(),
            price: one.price.amount,
            tax_class: one.tax_class.as_ref(),
            available: one.available,
            unavailable_until: one.unavailable_until,
            position: one.position,
            day_parts: &one.day_parts,
            allergens: one.allergens.as_deref(),
            diets: &one.diets,
            translations: &one.translations,
            search_words: one.search_words(),
        }
    }
}

impl<'a> GroupJson<'a> {
    fn of(one: &'a Group) -> Self {
        let Group { id, key, name, min, max, translations, .. } = one;
        Self { id: id.uuid(), key: key.as_deref(), name, min: *min, max: *max, translations }
    }
}

impl<'a> ModifierJson<'a> {
    fn of(group: ModifierGroupId, position: i32, one: &'a Modifier) -> Self {
        Self {
            id: one.id.uuid(),
            group_id: group.uuid(),
            key: one.key.as_deref(),
            name: &one.name,
            price: one.price,
            tax_class: one.tax_class.as_ref(),
            available: one.available,
            unavailable_until: one.unavailable_until,
            position,
            allergens: one.allergens.as_deref(),
            diets: &one.diets,
            translations: &one.translations,
        }
    }
}

/// A modifier with its group and its position in the group, from 0.
type PlacedModifier<'a> = (ModifierGroupId, i32, &'a Modifier);

fn placed_modifiers(group: &Group) -> impl Iterator<Item = PlacedModifier<'_>> {
    (0..).zip(&group.modifiers).map(|(at, one)| (group.id, at, one))
}

/// The modifier groups of those items or modifiers whose groups change, in columns.
#[derive(Debug, Default)]
pub(super) struct GroupColumns {
    /// The items or modifiers whose existing references are deleted first.
    pub(super) outdated: Vec<Uuid>,
    /// For each new reference, the item or modifier that has it.
    pub(super) owners: Vec<Uuid>,
    /// For each new reference, the group.
    pub(super) groups: Vec<Uuid>,
    /// For each new reference, its position among those of its owner, from 1.
    pub(super) positions: Vec<i16>,
}

impl GroupColumns {
    /// The new references of all items or modifiers whose groups change.
    fn changed<'a>(
        before: impl Iterator<Item = (Uuid, &'a [ModifierGroupId])>,
        now: impl Iterator<Item = (Uuid, &'a [ModifierGroupId])>,
    ) -> Self {
        let before: HashMap<_, _> = before.filter(|(_, groups)| !groups.is_empty()).collect();
        let mut columns = Self::default();
        for (owner, groups) in now {
            let old = before.get(&owner).copied().unwrap_or_default();
            if old == groups {
                continue;
            }
            if !old.is_empty() {
                columns.outdated.push(owner);
            }
            for (position, group) in (1_i16..).zip(groups) {
                columns.owners.push(owner);
                columns.groups.push(group.uuid());
                columns.positions.push(position);
            }
        }
        columns
    }
}
