//! A whole menu as one document: the body of `PUT …/menu`, the result of a CSV import, and the form of copies between
//! restaurants.
//!
//! Every entity has a key that the client chooses; ids of existing entities are keys, too. An entity with the same key
//! as before keeps its id; missing ones are deleted (`desired.rs`). The order of the document is the order of the menu.
//! Pure.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::de::{DeserializeOwned, DeserializeSeed as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::allergens::{Declared, Diet};
use super::counted;
use super::dayparts::DayPart;
use super::faults::MenuFaults;
use super::stock::PortionCount;
use super::translations::{self, Translations};
use crate::bounded::{self, AtMost};
use crate::config::Menus;
use crate::extract::{describe, deserialization_fault, json_pointer, without_mark};
use crate::money::Money;
use crate::objects_only::ObjectsOnly;
use crate::problem::Problem;
use crate::restaurants::tax::TaxClass;
use crate::text::{MultiLine, SingleLine};

mod of_menu;

pub use of_menu::of;

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

/// The most fields of a document that are checked for unknown names.
const MAX_FIELDS: usize = 20;

/// The list within an entity; its other fields are read separately.
#[derive(Deserialize)]
struct NestedLists<'a> {
    #[serde(borrow)]
    items: Option<&'a RawValue>,
    #[serde(borrow)]
    modifiers: Option<&'a RawValue>,
}

/// Reads a document. Entities are counted while they are read.
///
/// # Errors
/// 400 for text that is not JSON; else the first error of each entity, with its pointer.
pub fn read(body: &[u8], bounds: Menus) -> Result<Document, Problem> {
    let body = without_mark(body);
    let read = counted::within(bounds, || {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let document = Document::deserialize(ObjectsOnly(&mut deserializer))?;
        deserializer.end().map(|()| document)
    });
    // Errors and their pointers are computed in a second pass, only if the first one failed.
    read.or_else(|_| read_by_entity(body, bounds))
}

/// Reads a document entity by entity, so that a fault in one does not hide those in others. Entities are counted before
/// one is read.
fn read_by_entity(body: &[u8], bounds: Menus) -> Result<Document, Problem> {
    let refused = |error| describe(body, "", &error);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let mut parts = bounded::map::<_, &RawValue, MAX_FIELDS>(&mut deserializer).map_err(refused)?;
    deserializer.end().map_err(refused)?;
    let mut reader = DocumentReader { bounds, faults: MenuFaults::default(), items: 0, modifiers: 0 };
    let language =
        parts.remove("language").and_then(|raw| reader.element::<Option<String>>(&"/language", raw)).flatten();
    let categories = parts.remove("categories");
    if categories.is_none() {
        reader.faults.note("/categories", "is required");
    }
    let categories = reader.categories(categories);
    let modifier_groups = parts.remove("modifierGroups");
    let modifier_groups = reader.groups(modifier_groups);
    for name in parts.keys() {
        let name = name.replace('~', "~0").replace('/', "~1");
        reader.faults.note(format_args!("/{name}"), "is no field of a menu");
    }
    reader.faults.none()?;
    Ok(Document { language, categories, modifier_groups })
}

struct DocumentReader {
    bounds: Menus,
    faults: MenuFaults,
    items: usize,
    modifiers: usize,
}

impl DocumentReader {
    fn categories(&mut self, list: Option<&RawValue>) -> Vec<DocumentCategory> {
        let raws = self.list("/categories", list, self.bounds.max_categories, "MENU_MAX_CATEGORIES");
        let mut read = Vec::with_capacity(raws.len());
        for (at, raw) in raws.into_iter().enumerate() {
            let pointer = format!("/categories/{at}");
            let nested = serde_json::from_str::<NestedLists>(raw.get()).ok().and_then(|nested| nested.items);
            let left = self.bounds.max_items.saturating_sub(self.items);
            let items = self.list_of(&format!("{pointer}/items"), "/categories", nested, left, "MENU_MAX_ITEMS");
            self.items += items.len();
            let items = self.elements_of(&format!("{pointer}/items"), items);
            let category = self.element::<DocumentCategory>(&pointer, raw);
            read.extend(category.map(|category| DocumentCategory { items, ..category }));
        }
        read
    }

    fn groups(&mut self, list: Option<&RawValue>) -> Vec<DocumentGroup> {
        let raws = self.list("/modifierGroups", list, self.bounds.max_groups, "MENU_MAX_GROUPS");
        let mut read = Vec::with_capacity(raws.len());
        for (at, raw) in raws.into_iter().enumerate() {
            let pointer = format!("/modifierGroups/{at}");
            let nested = serde_json::from_str::<NestedLists>(raw.get()).ok().and_then(|nested| nested.modifiers);
            let (max, left) = (self.bounds.max_modifiers, self.bounds.max_all_modifiers - self.modifiers);
            let modifiers = if max <= left {
                self.list(&format!("{pointer}/modifiers"), nested, max, "MENU_MAX_MODIFIERS")
            } else {
                let whole = "/modifierGroups";
                self.list_of(&format!("{pointer}/modifiers"), whole, nested, left, "MENU_MAX_ALL_MODIFIERS")
            };
            self.modifiers += modifiers.len();
            let modifiers = self.elements_of(&format!("{pointer}/modifiers"), modifiers);
            let group = self.element::<DocumentGroup>(&pointer, raw);
            read.extend(group.map(|group| DocumentGroup { modifiers, ..group }));
        }
        read
    }

    /// The elements of a list, not parsed yet. A value that is not a list is refused later, when the entity is parsed.
    fn list<'a>(&mut self, pointer: &str, raw: Option<&'a RawValue>, max: usize, variable: &str) -> Vec<&'a RawValue> {
        self.list_of(pointer, pointer, raw, max, variable)
    }

    /// The same, with a limit on several lists together.
    fn list_of<'a>(
        &mut self,
        pointer: &str,
        bounded: &str,
        raw: Option<&'a RawValue>,
        max: usize,
        variable: &str,
    ) -> Vec<&'a RawValue> {
        let Some(raw) = raw else { return Vec::new() };
        if !raw.get().starts_with('[') {
            if !pointer[1..].contains('/') {
                self.faults.note(pointer, "must be a list");
            }
            return Vec::new();
        }
        let elements = AtMost::<&RawValue>::new(max).deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
        elements.unwrap_or_else(|_| {
            self.faults.note(bounded, format_args!("has more than {variable} of the server's configuration allows"));
            Vec::new()
        })
    }

    fn elements_of<T: DeserializeOwned>(&mut self, pointer: &str, raws: Vec<&RawValue>) -> Vec<T> {
        let raws = raws.into_iter().enumerate();
        raws.filter_map(|(at, raw)| self.element(&format_args!("{pointer}/{at}"), raw)).collect()
    }

    fn element<T: DeserializeOwned>(&mut self, pointer: &dyn Display, raw: &RawValue) -> Option<T> {
        // The pointer of an error costs as much as parsing, so it is computed only for errors that are reported.
        let read = T::deserialize(ObjectsOnly(&mut serde_json::Deserializer::from_str(raw.get())));
        read.map_err(|_| self.note_fault::<T>(pointer, raw)).ok()
    }

    fn note_fault<T: DeserializeOwned>(&mut self, pointer: &dyn Display, raw: &RawValue) {
        if !self.faults.reports_more() {
            self.faults.note("", "");
            return;
        }
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        let read = serde_path_to_error::deserialize::<_, T>(ObjectsOnly(&mut deserializer));
        if let Err(error) = read {
            let (field, words) = deserialization_fault(error.inner());
            let field = field.map_or_else(String::new, |field| format!("/{field}"));
            self.faults.note(format_args!("{pointer}{}{field}", json_pointer(error.path())), words);
        }
    }
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
