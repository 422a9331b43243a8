//! A whole menu as one document: the body of `PUT …/menu`, the result of a CSV import, and the form of copies between
//! restaurants.
//!
//! Every entity has a key that the client chooses; ids of existing entities are keys, too. An entity with the same key
//! as before keeps its id; missing ones are deleted (`desired.rs`). The order of the document is the order of the menu.
//! Pure.

use std::collections::{HashMap, HashSet};

use serde::de::{DeserializeOwned, DeserializeSeed as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::allergens::{Declared, Diet};
use super::dayparts::DayPart;
use super::faults::MenuFaults;
use super::stock::PortionCount;
use super::translations::{self, Translations};
use super::{Contents, Item, Modifier};
use crate::bounded::{self, AtMost};
use crate::config::Menus;
use crate::extract::{describe, fault_of_shape, json_pointer, without_mark};
use crate::ids::ModifierGroupId;
use crate::money::{Currency, Money};
use crate::objects_only::ObjectsOnly;
use crate::problem::Problem;
use crate::restaurants::tax::TaxClass;
use crate::text::{MultiLine, SingleLine};

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
    #[serde(deserialize_with = "bounded::passed_over")]
    pub categories: Vec<DocumentCategory>,
    /// The modifier groups to which items and modifiers refer.
    #[serde(default, deserialize_with = "bounded::passed_over")]
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
    #[serde(default, deserialize_with = "bounded::passed_over")]
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
    #[serde(deserialize_with = "bounded::passed_over")]
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
const MOST_FIELDS: usize = 20;

/// The list within an entity; its other fields are read separately.
#[derive(Deserialize)]
struct Within<'a> {
    #[serde(borrow)]
    items: Option<&'a RawValue>,
    #[serde(borrow)]
    modifiers: Option<&'a RawValue>,
}

/// Reads a document entity by entity, so that an error in one does not hide errors in others. Entities are counted
/// before any is read.
///
/// # Errors
/// 400 for text that is not JSON; else the first error of each entity, with its pointer.
pub fn read(body: &[u8], bounds: Menus) -> Result<Document, Problem> {
    let body = without_mark(body);
    let refused = |error| describe(body, "", &error);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let mut parts = bounded::map::<_, &RawValue, MOST_FIELDS>(&mut deserializer).map_err(refused)?;
    deserializer.end().map_err(refused)?;
    let mut reading = DocumentReader { bounds, faults: MenuFaults::default(), items: 0 };
    let language = parts.remove("language").and_then(|raw| reading.piece::<Option<String>>("/language", raw)).flatten();
    let categories = parts.remove("categories");
    if categories.is_none() {
        reading.faults.note("/categories", "is required");
    }
    let categories = reading.categories(categories);
    let modifier_groups = parts.remove("modifierGroups");
    let modifier_groups = reading.groups(modifier_groups);
    for name in parts.keys() {
        let name = name.replace('~', "~0").replace('/', "~1");
        reading.faults.note(format!("/{name}"), "is no field of a menu");
    }
    reading.faults.none()?;
    Ok(Document { language, categories, modifier_groups })
}

struct DocumentReader {
    bounds: Menus,
    faults: MenuFaults,
    items: usize,
}

impl DocumentReader {
    fn categories(&mut self, list: Option<&RawValue>) -> Vec<DocumentCategory> {
        let raws = self.list("/categories", list, self.bounds.most_categories, "MENU_MAX_CATEGORIES");
        let mut read = Vec::with_capacity(raws.len());
        for (at, raw) in raws.into_iter().enumerate() {
            let place = format!("/categories/{at}");
            let within = serde_json::from_str::<Within>(raw.get()).ok().and_then(|within| within.items);
            let left = self.bounds.most_items.saturating_sub(self.items);
            let items = self.list_of(&format!("{place}/items"), "/categories", within, left, "MENU_MAX_ITEMS");
            self.items += items.len();
            let items = self.pieces(&format!("{place}/items"), items);
            let category = self.piece::<DocumentCategory>(&place, raw);
            read.extend(category.map(|category| DocumentCategory { items, ..category }));
        }
        read
    }

    fn groups(&mut self, list: Option<&RawValue>) -> Vec<DocumentGroup> {
        let raws = self.list("/modifierGroups", list, self.bounds.most_groups, "MENU_MAX_GROUPS");
        let mut read = Vec::with_capacity(raws.len());
        for (at, raw) in raws.into_iter().enumerate() {
            let place = format!("/modifierGroups/{at}");
            let within = serde_json::from_str::<Within>(raw.get()).ok().and_then(|within| within.modifiers);
            let most = self.bounds.most_modifiers;
            let modifiers = self.list(&format!("{place}/modifiers"), within, most, "MENU_MAX_MODIFIERS");
            let modifiers = self.pieces(&format!("{place}/modifiers"), modifiers);
            let group = self.piece::<DocumentGroup>(&place, raw);
            read.extend(group.map(|group| DocumentGroup { modifiers, ..group }));
        }
        read
    }

    /// The elements of a list, not parsed yet. A value that is not a list is refused later, when the entity is parsed.
    fn list<'a>(&mut self, place: &str, raw: Option<&'a RawValue>, most: usize, variable: &str) -> Vec<&'a RawValue> {
        self.list_of(place, place, raw, most, variable)
    }

    /// The same, with a limit on several lists together.
    fn list_of<'a>(
        &mut self,
        place: &str,
        bounded: &str,
        raw: Option<&'a RawValue>,
        most: usize,
        variable: &str,
    ) -> Vec<&'a RawValue> {
        let Some(raw) = raw else { return Vec::new() };
        if !raw.get().starts_with('[') {
            if !place[1..].contains('/') {
                self.faults.note(place, "must be a list");
            }
            return Vec::new();
        }
        let elements = AtMost::<&RawValue>::new(most).deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
        elements.unwrap_or_else(|_| {
            self.faults.note(bounded, format!("has more than {variable} of the server's configuration allows"));
            Vec::new()
        })
    }

    fn pieces<T: DeserializeOwned>(&mut self, place: &str, raws: Vec<&RawValue>) -> Vec<T> {
        let raws = raws.into_iter().enumerate();
        raws.filter_map(|(at, raw)| self.piece(&format!("{place}/{at}"), raw)).collect()
    }

    fn piece<T: DeserializeOwned>(&mut self, place: &str, raw: &RawValue) -> Option<T> {
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        let read = serde_path_to_error::deserialize(ObjectsOnly(&mut deserializer));
        read.map_err(|error| {
            let (field, words) = fault_of_shape(error.inner());
            let field = field.map_or_else(String::new, |field| format!("/{field}"));
            self.faults.note(format!("{place}{}{field}", json_pointer(error.path())), words);
        })
        .ok()
    }
}

/// Converts a stored text to the type of a document.
fn text<T: TryFrom<String, Error = String>>(text: String) -> Result<T, String> {
    T::try_from(text)
}

/// The keys of entities in a document: their own, or their ids if they have none. If a key equals the id of another
/// entity, it would be ambiguous, so the entity's id is used instead.
struct Names {
    ids: HashSet<String>,
    groups: HashMap<ModifierGroupId, EntityKey>,
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

    fn name(&self, key: Option<String>, id: &impl ToString) -> Result<EntityKey, String> {
        text(key.filter(|key| !self.ids.contains(key)).unwrap_or_else(|| id.to_string()))
    }

    fn groups(&self, ids: &[ModifierGroupId]) -> Vec<EntityKey> {
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
            stock: item.stock.map(PortionCount),
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
            stock: modifier.stock.map(PortionCount),
            allergens: modifier.allergens,
            diets: modifier.diets,
            modifier_groups: self.groups(&modifier.modifier_groups),
            translations: modifier.translations,
        })
    }
}

/// The document of a menu; sending it back changes nothing.
///
/// # Errors
/// When a stored text is not valid in a document.
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
