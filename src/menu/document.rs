//! A whole menu as one document: the body of `PUT …/menu`, the result of a CSV import, and the form of copies between
//! restaurants.
//!
//! Every entity has a key that the client chooses; ids of existing entities are keys, too. An entity with the same key
//! as before keeps its id; missing ones are deleted (`desired.rs`). The order of the document is the order of the menu.
//! Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::allergens::{Declared, Diet};
use super::counted;
use super::dayparts::DayPart;
use super::stock::PortionCount;
use super::translations::{self, Translations};
use crate::bounded;
use crate::money::Money;
use crate::restaurants::tax::TaxClass;
use crate::text::{MultiLine, SingleLine};

mod of_menu;
mod read;

pub use of_menu::of;
pub use read::read;

/// The key or id by which a document names an entity.
pub type EntityKey = SingleLine<80>;

/// A complete menu.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = MenuDocument)]
pub struct Document {
    /// The language of the texts, such as `it`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The categories, in order.
    #[serde(deserialize_with = "counted::list")]
    pub categories: Vec<DocumentCategory>,
    /// The modifier groups to which items and modifiers refer.
    #[serde(default, deserialize_with = "counted::list")]
    pub modifier_groups: Vec<DocumentGroup>,
}

/// A category with its items.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentCategory {
    /// The key of the category; the id of an existing category is a key, too.
    #[schema(inline)]
    pub key: EntityKey,
    /// The name of the category.
    #[schema(inline)]
    pub name: SingleLine<120>,
    /// When the category is served; empty or absent: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::list::<_, _, 30>")]
    pub day_parts: Vec<DayPart>,
    /// Translated texts by language tag.
    #[serde(default, skip_serializing_if = "Translations::is_empty", deserialize_with = "translations::map")]
    pub translations: Translations,
    /// The items, in order.
    #[serde(default, deserialize_with = "counted::list")]
    pub items: Vec<DocumentItem>,
}

/// An item of the menu.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentItem {
    /// The key of the item; the id of an existing item is a key, too.
    #[schema(inline)]
    pub key: EntityKey,
    /// The name of the item.
    #[schema(inline)]
    pub name: SingleLine<120>,
    /// The description shown to customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub description: Option<MultiLine<2000>>,
    /// The price of one, without modifiers.
    pub price: Money,
    /// One of the restaurant's `taxClasses`; absent: the standard tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub tax_class: Option<TaxClass>,
    /// Absent: unchanged; new items are available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// The stock, if it was not counted before; a counted stock is not changed (use `PUT …/stock`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<PortionCount>,
    /// When the item is served; empty or absent: whenever its category is.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::list::<_, _, 30>")]
    pub day_parts: Vec<DayPart>,
    /// The allergens; null or absent: not declared.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::some_list::<_, _, 14>")]
    pub allergens: Option<Vec<Declared>>,
    /// The diets for which it is suitable.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::list::<_, _, 7>")]
    pub diets: Vec<Diet>,
    /// Keys of the modifier groups of the item, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::list::<_, _, 20>")]
    #[schema(value_type = Vec<String>)]
    pub modifier_groups: Vec<EntityKey>,
    /// Translated texts by language tag.
    #[serde(default, skip_serializing_if = "Translations::is_empty", deserialize_with = "translations::map")]
    pub translations: Translations,
}

/// A modifier group.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentGroup {
    /// The key of the modifier group; the id of an existing group is a key, too.
    #[schema(inline)]
    pub key: EntityKey,
    /// The name of the group, such as "Size".
    #[schema(inline)]
    pub name: SingleLine<120>,
    /// The smallest number of choices; default: 0.
    #[serde(default)]
    pub min: i16,
    /// The largest number of choices.
    pub max: i16,
    /// Translated texts by language tag.
    #[serde(default, skip_serializing_if = "Translations::is_empty", deserialize_with = "translations::map")]
    pub translations: Translations,
    /// The modifiers, in order.
    #[serde(deserialize_with = "counted::list")]
    pub modifiers: Vec<DocumentModifier>,
}

/// A modifier of a group.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentModifier {
    /// The key of the modifier within its group; the id of an existing modifier is a key, too.
    #[schema(inline)]
    pub key: EntityKey,
    /// The name of the modifier.
    #[schema(inline)]
    pub name: SingleLine<120>,
    /// What it adds to the price.
    pub price: Money,
    /// One of the restaurant's `taxClasses`; absent: that of the item for which it is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub tax_class: Option<TaxClass>,
    /// Absent: unchanged; new modifiers are available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// The stock, if it was not counted before; a counted stock is not changed (use `PUT …/stock`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<PortionCount>,
    /// The allergens; null or absent: not declared.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::some_list::<_, _, 14>")]
    pub allergens: Option<Vec<Declared>>,
    /// The diets for which it is suitable.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::list::<_, _, 7>")]
    pub diets: Vec<Diet>,
    /// Keys of the nested modifier groups, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::list::<_, _, 20>")]
    #[schema(value_type = Vec<String>)]
    pub modifier_groups: Vec<EntityKey>,
    /// Translated texts by language tag.
    #[serde(default, skip_serializing_if = "Translations::is_empty", deserialize_with = "translations::map")]
    pub translations: Translations,
}

impl Document {
    /// Its translations, day-parts and references to modifier groups, all together.
    pub fn details(&self) -> usize {
        let categories = self.categories.iter().map(|one| one.details() + sum(&one.items, DocumentItem::details));
        let groups =
            self.modifier_groups.iter().map(|one| one.details() + sum(&one.modifiers, DocumentModifier::details));
        categories.chain(groups).sum()
    }

    /// Every language of its translations, each once.
    pub fn languages(&self) -> BTreeSet<&str> {
        let categories = self
            .categories
            .iter()
            .flat_map(|one| one.translations.keys().chain(one.items.iter().flat_map(|item| item.translations.keys())));
        let groups = self.modifier_groups.iter().flat_map(|one| {
            one.translations.keys().chain(one.modifiers.iter().flat_map(|modifier| modifier.translations.keys()))
        });
        categories.chain(groups).map(String::as_str).collect()
    }
}

fn sum<T>(all: &[T], of: fn(&T) -> usize) -> usize {
    all.iter().map(of).sum()
}

impl DocumentCategory {
    /// Its translations and day-parts; without those of its items.
    pub fn details(&self) -> usize {
        self.translations.len() + self.day_parts.len()
    }
}

impl DocumentItem {
    /// Its translations, day-parts and references to modifier groups.
    pub fn details(&self) -> usize {
        self.translations.len() + self.day_parts.len() + self.modifier_groups.len()
    }
}

impl DocumentGroup {
    /// Its translations; without those of its modifiers.
    pub fn details(&self) -> usize {
        self.translations.len()
    }
}

impl DocumentModifier {
    /// Its translations and references to nested modifier groups.
    pub fn details(&self) -> usize {
        self.translations.len() + self.modifier_groups.len()
    }
}
