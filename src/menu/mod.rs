//! The menu: categories, their items, and the modifier groups of items.
//!
//! A new field of an entity is also part of documents and tables: CONTRIBUTING.md, "Add a column", lists the files.
//!
//! Every change that customers can see gives the menu a new version. Deleted entities are hidden, because past orders
//! refer to them. Stock is taken by `orders`. A count changes the menu only if it may change what can be ordered
//! (`menu_shows_stock`): customers see whether anything is left, staff see how many.
//!
//! Sizes are a group with min 1 and max 1: the item's price is that of the smallest, and the other sizes add to it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::fold;
use crate::ids::{CategoryId, ItemId, ModifierGroupId, ModifierId};
use crate::images::Image;
use crate::money::{Amount, Currency, Money};
use crate::restaurants::tax::TaxClass;

pub mod actions;
pub mod allergens;
pub mod configure;
mod counted;
pub mod csv;
pub mod dayparts;
pub mod desired;
pub mod diff;
pub mod document;
pub mod faults;
pub mod groups;
pub mod http;
pub mod nesting;
pub mod orderable;
pub mod published;
pub mod satisfiable;
pub mod single_category;
pub mod size;
pub mod sql;
pub mod stock;
pub mod table;
pub mod translations;

use allergens::{Declared, Diet};
use dayparts::DayPart;
use translations::Translations;

/// The most modifier groups of one item or modifier.
pub const MAX_GROUPS: usize = 20;

/// A category of the menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Category {
    /// The id of the category.
    pub id: CategoryId,
    /// The key of the category, set by the client.
    pub key: Option<String>,
    /// The name of the category.
    pub name: String,
    /// The position among the categories; smaller values come first.
    pub position: i32,
    /// When the category is served; empty: at any time.
    pub day_parts: Vec<DayPart>,
    /// Translated texts by language tag.
    pub translations: Translations,
}

/// An item of the menu, as staff see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The id of the item.
    pub id: ItemId,
    /// The key of the item, set by the client.
    pub key: Option<String>,
    /// The id of the category.
    pub category_id: CategoryId,
    /// The name of the item.
    pub name: String,
    /// The description shown to customers.
    pub description: Option<String>,
    /// The price of one, without modifiers.
    pub price: Money,
    /// The tax class; null: the standard tax.
    #[schema(value_type = Option<String>)]
    pub tax_class: Option<TaxClass>,
    /// Whether it is switched on.
    pub available: bool,
    /// When it becomes available again.
    pub unavailable_until: Option<DateTime<Utc>>,
    /// Portions left; null: stock is not counted.
    pub stock: Option<i32>,
    /// The position within the category; smaller values come first.
    pub position: i32,
    /// The item's image; absent: it has none.
    pub image: Option<Image>,
    /// When the item is served; empty: whenever its category is.
    pub day_parts: Vec<DayPart>,
    /// The allergens; null: not declared.
    pub allergens: Option<Vec<Declared>>,
    /// The diets for which it is suitable.
    pub diets: Vec<Diet>,
    /// Ids of the modifier groups of the item, in order.
    pub modifier_groups: Vec<ModifierGroupId>,
    /// Translated texts by language tag.
    pub translations: Translations,
}

/// The search words of a name, in all languages.
fn search_words(name: &str, translations: &Translations) -> Vec<String> {
    let translated = translations.values().filter_map(|texts| texts.name.as_deref());
    fold::words_of(std::iter::once(name).chain(translated))
}

impl Category {
    /// The search words of its name, in all languages.
    pub fn search_words(&self) -> Vec<String> {
        search_words(&self.name, &self.translations)
    }
}

impl Item {
    /// The search words of its name, in all languages.
    pub fn search_words(&self) -> Vec<String> {
        search_words(&self.name, &self.translations)
    }
}

/// A modifier group with its modifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's id.
    pub id: ModifierGroupId,
    /// The key, set by the client; `None`: none.
    pub key: Option<String>,
    /// The group's name in the menu's own language.
    pub name: String,
    /// The smallest number of choices.
    pub min: i16,
    /// The largest number of choices.
    pub max: i16,
    /// Translated texts by language tag.
    pub translations: Translations,
    /// The modifiers, in order.
    pub modifiers: Vec<Modifier>,
}

/// A modifier of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modifier {
    /// The modifier's id.
    pub id: ModifierId,
    /// The key, set by the client; `None`: none.
    pub key: Option<String>,
    /// The modifier's name in the menu's own language.
    pub name: String,
    /// What one adds to the price, in the restaurant's currency.
    pub price: Amount,
    /// The tax class; `None`: that of the item or modifier that it is chosen for.
    pub tax_class: Option<TaxClass>,
    /// Whether it is switched on.
    pub available: bool,
    /// When it is switched on again automatically.
    pub unavailable_until: Option<DateTime<Utc>>,
    /// Portions left; `None`: not counted.
    pub stock: Option<i32>,
    /// The declared allergens; `None`: not declared.
    pub allergens: Option<Vec<Declared>>,
    /// The diets for which it is suitable.
    pub diets: Vec<Diet>,
    /// The ids of its nested modifier groups, in order.
    pub modifier_groups: Vec<ModifierGroupId>,
    /// Translated texts by language tag.
    pub translations: Translations,
}

/// The stored content of a menu.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Increases with every change that customers can see.
    pub version: i64,
    /// The currency of all prices.
    pub currency: Currency,
    /// The IANA time zone of its day-parts.
    pub timezone: String,
    /// The language of its texts; `None`: not stated.
    pub language: Option<String>,
    /// The categories, in order.
    pub categories: Vec<Category>,
    /// The items, in order.
    pub items: Vec<Item>,
    /// The groups, oldest first.
    pub groups: Vec<Group>,
}
