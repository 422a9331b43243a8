//! Parses a document: in one pass if it is valid, else entity by entity, to report all errors with their pointers.
//! Pure.

use std::fmt::Display;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed as _};
use serde_json::value::RawValue;

use super::{Document, DocumentCategory, DocumentGroup};
use crate::bounded::{self, AtMost};
use crate::config::Menus;
use crate::extract::{describe, deserialization_fault, json_pointer, without_mark};
use crate::menu::counted;
use crate::menu::faults::MenuFaults;
use crate::objects_only::ObjectsOnly;
use crate::problem::Problem;

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

/// Reads a document entity by entity, so that an error in one does not hide errors in others. Entities are counted
/// before one is read.
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
