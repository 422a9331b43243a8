//! A whole menu as one document: what `PUT …/menu` takes, what CSV is turned into, what is copied between restaurants.
//!
//! Everything has a key that its writer chose; an id of ours is a key too. What has the same key as before is the same
//! thing and keeps its id; what is missing goes (`target.rs`). The order of the document is the order of the menu. Pure.

use std::collections::{HashMap, HashSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::allergens::{Declared, Diet};
use super::dayparts::DayPart;
use super::input::Stock;
use super::translations::Translations;
use super::{Contents, Item, Modifier};
use crate::ids::ModifierGroupId;
use crate::money::{Currency, Money};
use crate::problem::FieldError;
use crate::restaurants::tax::TaxClass;
use crate::shape;
use crate::text::{MultiLine, SingleLine};
use crate::wire::json_pointer;

/// What a thing is called by whoever keeps the menu elsewhere.
pub type Key = SingleLine<80>;

/// A whole menu.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// The language it is written in, such as `it`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The chapters, in order.
    pub categories: Vec<DocumentCategory>,
    /// The groups that items and modifiers name.
    #[serde(default)]
    pub modifier_groups: Vec<DocumentGroup>,
}

/// A chapter with its items.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentCategory {
    /// What you call it; an id of ours is a key too.
    #[schema(inline)]
    pub key: Key,
    /// Its heading.
    #[schema(inline)]
    pub name: SingleLine<120>,
    /// When it is served; empty or absent: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub day_parts: Vec<DayPart>,
    /// In other languages.
    #[serde(default, skip_serializing_if = "Translations::is_empty")]
    pub translations: Translations,
    /// Its items, in order.
    #[serde(default)]
    pub items: Vec<DocumentItem>,
}

/// Something that can be ordered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentItem {
    /// What you call it; an id of ours is a key too.
    #[schema(inline)]
    pub key: Key,
    /// Its name.
    #[schema(inline)]
    pub name: SingleLine<120>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub description: Option<MultiLine<2000>>,
    /// What one costs, without modifiers.
    pub price: Money,
    /// One of the restaurant's `taxClasses`; absent: taxed as what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub tax_class: Option<TaxClass>,
    /// Absent: as it is; a new one is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// Portions of one that was not counted before; what is counted already is left alone (`PUT …/stock`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<Stock>,
    /// When it is served; empty or absent: whenever its category is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub day_parts: Vec<DayPart>,
    /// What is in it; null or absent: not declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allergens: Option<Vec<Declared>>,
    /// Diets it suits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diets: Vec<Diet>,
    /// Keys of the groups that are asked about it, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub modifier_groups: Vec<Key>,
    /// In other languages.
    #[serde(default, skip_serializing_if = "Translations::is_empty")]
    pub translations: Translations,
}

/// A question about items.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentGroup {
    /// What you call it; an id of ours is a key too.
    #[schema(inline)]
    pub key: Key,
    /// The question.
    #[schema(inline)]
    pub name: SingleLine<120>,
    /// How many choices at least; 0 when absent.
    #[serde(default)]
    pub min: i16,
    /// How many at most.
    pub max: i16,
    /// In other languages.
    #[serde(default, skip_serializing_if = "Translations::is_empty")]
    pub translations: Translations,
    /// The answers, in order.
    pub modifiers: Vec<DocumentModifier>,
}

/// An answer to it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentModifier {
    /// What you call it, within its group; an id of ours is a key too.
    #[schema(inline)]
    pub key: Key,
    /// Its name.
    #[schema(inline)]
    pub name: SingleLine<120>,
    /// What one adds to the price.
    pub price: Money,
    /// One of the restaurant's `taxClasses`; absent: that of what it is chosen on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub tax_class: Option<TaxClass>,
    /// Absent: as it is; a new one is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// Portions of one that was not counted before; what is counted already is left alone (`PUT …/stock`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<Stock>,
    /// What is in it; null or absent: not declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allergens: Option<Vec<Declared>>,
    /// Diets it suits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diets: Vec<Diet>,
    /// Keys of the groups that are asked about it, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub modifier_groups: Vec<Key>,
    /// In other languages.
    #[serde(default, skip_serializing_if = "Translations::is_empty")]
    pub translations: Translations,
}

/// Reads a document thing by thing, so that a fault in one does not hide those in others.
///
/// # Errors
/// The first fault of each thing, by place.
pub fn read(mut body: Value) -> Result<Document, Vec<FieldError>> {
    let mut faults = Vec::new();
    let categories = taken(&mut body, "categories");
    let groups = taken(&mut body, "modifierGroups");
    let document = piece::<Document>("", body, &mut faults);
    let mut read_categories = Vec::with_capacity(categories.len());
    for (at, mut category) in categories.into_iter().enumerate() {
        let place = format!("/categories/{at}");
        let items = pieces(&format!("{place}/items"), taken(&mut category, "items"), &mut faults);
        let read = piece::<DocumentCategory>(&place, category, &mut faults);
        read_categories.extend(read.map(|category| DocumentCategory { items, ..category }));
    }
    let mut read_groups = Vec::with_capacity(groups.len());
    for (at, mut group) in groups.into_iter().enumerate() {
        let place = format!("/modifierGroups/{at}");
        let modifiers = pieces(&format!("{place}/modifiers"), taken(&mut group, "modifiers"), &mut faults);
        let read = piece::<DocumentGroup>(&place, group, &mut faults);
        read_groups.extend(read.map(|group| DocumentGroup { modifiers, ..group }));
    }
    match document {
        Some(document) if faults.is_empty() => {
            Ok(Document { categories: read_categories, modifier_groups: read_groups, ..document })
        }
        _ => Err(faults),
    }
}

/// The things in a list, which is left empty; whatever is no list is left for the reader of the whole to refuse.
fn taken(body: &mut Value, list: &str) -> Vec<Value> {
    match body.get_mut(list) {
        Some(Value::Array(things)) => std::mem::take(things),
        _ => Vec::new(),
    }
}

fn pieces<T: DeserializeOwned>(place: &str, things: Vec<Value>, faults: &mut Vec<FieldError>) -> Vec<T> {
    let things = things.into_iter().enumerate();
    things.filter_map(|(at, thing)| piece(&format!("{place}/{at}"), thing, faults)).collect()
}

fn piece<T: DeserializeOwned>(place: &str, thing: Value, faults: &mut Vec<FieldError>) -> Option<T> {
    let read = serde_path_to_error::deserialize(thing);
    read.map_err(|error| {
        let message = error.inner().to_string();
        let (field, words) = shape::in_plain_words(&message);
        let field = field.map(|field| format!("/{field}")).unwrap_or_default();
        let pointer = format!("{place}{}{field}", json_pointer(error.path()));
        faults.push(FieldError::invalid(pointer, words));
    })
    .ok()
}

/// A text that the tables hold, as a document holds it.
fn text<T: TryFrom<String, Error = String>>(text: String) -> Result<T, String> {
    T::try_from(text)
}

/// What things are called in a document: by their keys, or by their ids where they have none of their own. A key that is
/// the id of something else would name both: then the id it is.
struct Names {
    ids: HashSet<String>,
    groups: HashMap<ModifierGroupId, Key>,
    currency: Currency,
}

impl Names {
    fn of(contents: &Contents) -> Result<Self, String> {
        let mut ids: HashSet<_> = contents.categories.iter().map(|one| one.id.to_string()).collect();
        ids.extend(contents.items.iter().map(|one| one.id.to_string()));
        for group in &contents.groups {
            ids.insert(group.id.to_string());
            ids.extend(group.modifiers.iter().map(|one| one.id.to_string()));
        }
        let mut names = Self { ids, groups: HashMap::new(), currency: contents.currency };
        for group in &contents.groups {
            let key = names.name(group.key.clone(), &group.id)?;
            names.groups.insert(group.id, key);
        }
        Ok(names)
    }

    fn name(&self, key: Option<String>, id: &impl ToString) -> Result<Key, String> {
        text(key.filter(|key| !self.ids.contains(key)).unwrap_or_else(|| id.to_string()))
    }

    fn groups(&self, ids: &[ModifierGroupId]) -> Vec<Key> {
        ids.iter().filter_map(|id| self.groups.get(id).cloned()).collect()
    }

    fn item(&self, item: Item) -> Result<DocumentItem, String> {
        Ok(DocumentItem {
            key: self.name(item.key, &item.id)?,
            name: text(item.name)?,
            description: item.description.map(text).transpose()?,
            price: item.price,
            tax_class: item.tax_class,
            available: item.unavailable_until.is_none().then_some(item.available),
            stock: item.stock.map(Stock),
            day_parts: item.day_parts,
            allergens: item.allergens,
            diets: item.diets,
            modifier_groups: self.groups(&item.modifier_groups),
            translations: item.translations,
        })
    }

    fn modifier(&self, modifier: Modifier) -> Result<DocumentModifier, String> {
        Ok(DocumentModifier {
            key: self.name(modifier.key, &modifier.id)?,
            name: text(modifier.name)?,
            price: modifier.price.of(self.currency),
            tax_class: modifier.tax_class,
            available: modifier.unavailable_until.is_none().then_some(modifier.available),
            stock: modifier.stock.map(Stock),
            allergens: modifier.allergens,
            diets: modifier.diets,
            modifier_groups: self.groups(&modifier.modifier_groups),
            translations: modifier.translations,
        })
    }
}

/// The document of a menu: putting it back changes nothing.
///
/// # Errors
/// When a stored text cannot stand in a document.
pub fn of(contents: Contents) -> Result<Document, String> {
    let names = Names::of(&contents)?;
    let mut items_of: HashMap<_, Vec<_>> = HashMap::new();
    for item in contents.items {
        items_of.entry(item.category_id).or_default().push(names.item(item)?);
    }
    let mut categories = Vec::with_capacity(contents.categories.len());
    for category in contents.categories {
        categories.push(DocumentCategory {
            items: items_of.remove(&category.id).unwrap_or_default(),
            key: names.name(category.key, &category.id)?,
            name: text(category.name)?,
            day_parts: category.day_parts,
            translations: category.translations,
        });
    }
    let mut modifier_groups = Vec::with_capacity(contents.groups.len());
    for group in contents.groups {
        let modifiers = group.modifiers.into_iter().map(|one| names.modifier(one));
        modifier_groups.push(DocumentGroup {
            modifiers: modifiers.collect::<Result<_, _>>()?,
            key: names.name(group.key, &group.id)?,
            name: text(group.name)?,
            min: group.min,
            max: group.max,
            translations: group.translations,
        });
    }
    Ok(Document { language: contents.language, categories, modifier_groups })
}
