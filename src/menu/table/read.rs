//! Parses the table of a menu into a document. Pure.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::cells::{price_units, push_allergens, push_keys, push_list, push_text, whole_number};
use super::{COLUMNS, ColumnIndexes, KINDS, Table, at};
use crate::config::Menus;
use crate::extract::deserialization_fault;
use crate::menu::csv;
use crate::menu::document::{Document, DocumentCategory, DocumentGroup, DocumentItem, DocumentModifier};
use crate::money::Currency;
use crate::objects_only::ObjectsOnly;
use crate::problem::FieldError;

/// Reading stops after this many errors.
const MAX_FAULTS: usize = 100;

struct TableReader {
    columns: ColumnIndexes,
    currency: Currency,
    bounds: Menus,
    /// The indexes of categories and groups in the document, by key.
    categories: HashMap<String, usize>,
    groups: HashMap<String, usize>,
    items: usize,
    modifiers: usize,
    faults: Vec<FieldError>,
}

/// What Excel saves as "Unicode text" is UTF-16 behind a byte order mark; everything else is UTF-8.
fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, Vec<FieldError>> {
    let read: fn([u8; 2]) -> u16 = match bytes.get(..2) {
        Some([0xff, 0xfe]) => u16::from_le_bytes,
        Some([0xfe, 0xff]) => u16::from_be_bytes,
        _ => {
            return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|broken| {
                let line = bytes[..broken.valid_up_to()].split(|byte| *byte == b'\n').count();
                vec![at(line, None, "", "is not UTF-8: save the table as UTF-8")]
            });
        }
    };
    let units: Option<Vec<_>> = bytes[2..].chunks(2).map(|pair| <[u8; 2]>::try_from(pair).ok().map(read)).collect();
    let text = units.and_then(|units| String::from_utf16(&units).ok());
    text.map(Cow::Owned)
        .ok_or_else(|| vec![at(1, None, "", "is not UTF-16, although it begins with its byte order mark")])
}

/// Reads a table.
///
/// # Errors
/// The first hundred invalid cells, missing, unknown and repeated columns, and the first line beyond a limit, after
/// which nothing is read.
pub fn read(bytes: &[u8], currency: Currency, bounds: Menus) -> Result<Table, Vec<FieldError>> {
    let text = decoded(bytes)?;
    let text = text.as_ref();
    let broken = |broken: csv::CsvFault| vec![at(broken.line, Some(broken.column - 1), "cell", broken.message)];
    let mut records = csv::Records::of(text);
    let header = records.next().ok_or_else(|| vec![at(1, None, "", "the table is empty")])?.map_err(broken)?;
    let mut reader = TableReader {
        columns: ColumnIndexes::default(),
        currency,
        bounds,
        categories: HashMap::new(),
        groups: HashMap::new(),
        items: 0,
        modifiers: 0,
        faults: Vec::new(),
    };
    reader.read_header(&header);
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    let (mut document, mut lines) =
        (Document { language: None, categories: vec![], modifier_groups: vec![] }, HashMap::new());
    for record in records {
        let record = record.map_err(broken)?;
        if reader.exceeds_limit(&record, &document) {
            break;
        }
        if let Some(pointer) = reader.add(&record, &mut document) {
            lines.insert(pointer, record.line);
        }
        if reader.faults.len() >= MAX_FAULTS {
            break;
        }
    }
    if reader.faults.is_empty() {
        Ok(Table { document, lines, columns: Box::new(reader.columns) })
    } else {
        Err(reader.faults)
    }
}

impl TableReader {
    /// Whether a line exceeds a limit of the menu, which is noted as an error.
    fn exceeds_limit(&mut self, record: &csv::Record<'_>, document: &Document) -> bool {
        let group = self.groups.get(self.cell(record, "in")).and_then(|index| document.modifier_groups.get(*index));
        let (count, max, variable) = match self.cell(record, "type") {
            "category" => (document.categories.len(), self.bounds.max_categories, "MENU_MAX_CATEGORIES"),
            "item" => (self.items, self.bounds.max_items, "MENU_MAX_ITEMS"),
            "group" => (document.modifier_groups.len(), self.bounds.max_groups, "MENU_MAX_GROUPS"),
            _ if self.modifiers >= self.bounds.max_all_modifiers => {
                (self.modifiers, self.bounds.max_all_modifiers, "MENU_MAX_ALL_MODIFIERS")
            }
            _ => {
                let count = group.map_or(0, |group| group.modifiers.len());
                (count, self.bounds.max_modifiers, "MENU_MAX_MODIFIERS")
            }
        };
        if count >= max {
            let message = format!("exceeds the limit of {max} ({variable} of the server)");
            self.fault(record, "type", &message);
        }
        count >= max
    }

    fn read_header(&mut self, header: &csv::Record<'_>) {
        for (index, name) in header.cells.iter().map(|cell| cell.trim()).enumerate() {
            // Spreadsheets also write empty columns: after the last one, and between others.
            if name.is_empty() {
                continue;
            }
            let Some(column) = COLUMNS.iter().position(|(column, _)| column.eq_ignore_ascii_case(name)) else {
                let columns = COLUMNS.map(|(name, _)| name).join(", ");
                let message = format!("“{name}” is not a column; the columns are {columns}");
                self.faults.push(at(header.line, Some(index), "heading", &message));
                continue;
            };
            if self.columns.0[column].replace(index).is_some() {
                self.faults.push(at(header.line, Some(index), "heading", &format!("“{name}” occurs twice")));
            }
        }
        for name in ["type", "key", "in", "name", "price", "currency"] {
            if self.columns.of(name).is_none() {
                self.faults.push(at(header.line, None, "", &format!("the column “{name}” is missing")));
            }
        }
    }

    fn fault(&mut self, record: &csv::Record<'_>, name: &str, message: &str) {
        self.faults.push(at(record.line, self.columns.of(name), name, message));
    }

    fn cell<'r>(&self, record: &'r csv::Record<'_>, name: &str) -> &'r str {
        Self::cell_at(record, self.columns.of(name))
    }

    fn cell_at<'r>(record: &'r csv::Record<'_>, index: Option<usize>) -> &'r str {
        index.and_then(|index| record.cells.get(index)).map_or("", |cell| cell.trim())
    }

    /// Adds a line to the document. Returns the pointer of the new entity; `None`: the line is invalid.
    fn add(&mut self, record: &csv::Record<'_>, document: &mut Document) -> Option<String> {
        let kind = self.cell(record, "type");
        if !KINDS.contains(&kind) {
            self.fault(record, "type", "must be category, item, group or modifier");
            return None;
        }
        let beyond = record.cells.iter().skip(self.columns.width()).position(|cell| !cell.trim().is_empty());
        if let Some(index) = beyond {
            let column = Some(self.columns.width() + index);
            self.faults.push(at(record.line, column, "cell", "is after the last column"));
        }
        let before = self.faults.len();
        let fields = self.fields(record, kind);
        if self.faults.len() > before {
            return None;
        }
        let parent = self.cell(record, "in");
        let categories = &mut document.categories;
        match kind {
            "category" => {
                categories.push(self.read::<DocumentCategory>(record, &fields)?);
                let key = categories[categories.len() - 1].key.as_str().to_owned();
                self.categories.entry(key).or_insert(categories.len() - 1);
                Some(format!("/categories/{}", categories.len() - 1))
            }
            "item" => {
                let Some(index) = self.categories.get(parent).copied() else {
                    self.fault(record, "in", "must be the key of a category above");
                    return None;
                };
                categories[index].items.push(self.read::<DocumentItem>(record, &fields)?);
                self.items += 1;
                Some(format!("/categories/{index}/items/{}", categories[index].items.len() - 1))
            }
            "group" => {
                let group = self.read::<DocumentGroup>(record, &fields)?;
                self.groups.entry(group.key.as_str().to_owned()).or_insert(document.modifier_groups.len());
                document.modifier_groups.push(group);
                Some(format!("/modifierGroups/{}", document.modifier_groups.len() - 1))
            }
            _ => {
                let groups = &mut document.modifier_groups;
                let Some(index) = self.groups.get(parent).copied() else {
                    self.fault(record, "in", "must be the key of a group above");
                    return None;
                };
                groups[index].modifiers.push(self.read::<DocumentModifier>(record, &fields)?);
                self.modifiers += 1;
                Some(format!("/modifierGroups/{index}/modifiers/{}", groups[index].modifiers.len() - 1))
            }
        }
    }

    /// The fields of a line as JSON, with the names and values of the document.
    fn fields(&mut self, record: &csv::Record<'_>, kind: &str) -> String {
        let mut fields = String::from("{\"key\":");
        push_text(&mut fields, self.cell(record, "key"));
        if kind == "group" {
            fields.push_str(",\"modifiers\":[]");
        }
        for ((name, kinds), index) in COLUMNS.into_iter().zip(self.columns.0) {
            let text = Self::cell_at(record, index);
            if matches!(name, "type" | "key" | "in") || (text.is_empty() && name != "name") {
                continue;
            }
            if !kinds.split(' ').any(|one| one == kind) {
                self.fault(record, name, "must be empty in this kind of line");
                continue;
            }
            if let Err(message) = self.push_field(&mut fields, name, text) {
                self.fault(record, name, &message);
            }
        }
        if matches!(kind, "item" | "modifier") && self.cell(record, "price").is_empty() {
            self.fault(record, "price", "is missing");
        }
        fields.push('}');
        fields
    }

    /// Adds the field of this cell, if it has one.
    fn push_field(&self, fields: &mut String, name: &str, text: &str) -> Result<(), String> {
        let start = fields.len();
        let _ = write!(fields, ",\"{name}\":");
        match name {
            "price" => {
                let units = price_units(text, self.currency)?;
                let _ = write!(fields, "{{\"amount\":{units},\"currency\":\"{}\"}}", self.currency);
            }
            "currency" if text == self.currency.code() => fields.truncate(start),
            "currency" => return Err(format!("must be {}, the restaurant's currency", self.currency)),
            "available" if text.eq_ignore_ascii_case("yes") => fields.push_str("true"),
            "available" if text.eq_ignore_ascii_case("no") => fields.push_str("false"),
            "available" => return Err("must be yes or no, or empty".into()),
            "stock" | "min" | "max" => {
                let number = whole_number(text)?;
                let _ = write!(fields, "{number}");
            }
            "modifierGroups" => push_keys(fields, text)?,
            "diets" => push_list(fields, text.split_whitespace(), push_text),
            "allergens" => push_allergens(fields, text),
            "dayParts" | "translations" => {
                serde_json::from_str::<IgnoredAny>(text).map_err(|_| "must be JSON")?;
                fields.push_str(text);
            }
            _ => push_text(fields, text),
        }
        Ok(())
    }

    /// Parses an entity from its fields as JSON; an error names the column.
    fn read<T: DeserializeOwned>(&mut self, record: &csv::Record<'_>, fields: &str) -> Option<T> {
        if let Ok(value) = T::deserialize(ObjectsOnly(&mut serde_json::Deserializer::from_str(fields))) {
            return Some(value);
        }
        // The path of an error costs as much as parsing, so it is computed only after an error.
        let mut deserializer = serde_json::Deserializer::from_str(fields);
        let read = serde_path_to_error::deserialize::<_, T>(ObjectsOnly(&mut deserializer));
        let error = read.err()?;
        let path = error.path().to_string();
        let name = path.split(['.', '[']).next().unwrap_or_default().to_owned();
        self.fault(record, &name, &deserialization_fault(error.inner()).1);
        None
    }
}
