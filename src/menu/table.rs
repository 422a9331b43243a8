//! A menu as a table (CSV): a line for each category, item, modifier group and modifier. Pure.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::allergens::Declared;
use super::csv::{self, Separator};
use super::document::{Document, DocumentCategory, DocumentGroup, DocumentItem, DocumentModifier};
use crate::config::Menus;
use crate::money::Currency;
use crate::parse_messages;
use crate::problem::FieldError;

mod cells;

use cells::{allergens_text, allergens_value, cell, keys_value, price_units};

/// The columns, in the order of the export, with the kinds of line that may have a value in each; an import may have
/// them in any order.
const COLUMNS: [(&str, &str); 17] = [
    ("type", ""),
    ("key", ""),
    ("in", "item modifier"),
    ("name", "category item group modifier"),
    ("description", "item"),
    ("price", "item modifier"),
    ("currency", "item modifier"),
    ("taxClass", "item modifier"),
    ("available", "item modifier"),
    ("stock", "item modifier"),
    ("min", "group"),
    ("max", "group"),
    ("modifierGroups", "item modifier"),
    ("allergens", "item modifier"),
    ("diets", "item modifier"),
    ("dayParts", "category item"),
    ("translations", "category item group modifier"),
];

/// The kinds of line.
const KINDS: [&str; 4] = ["category", "item", "group", "modifier"];

/// Writes a document as a table.
pub fn write(document: &Document, currency: Currency, separator: Separator) -> String {
    let mut text = String::from(csv::BYTE_ORDER_MARK);
    text.push_str(&csv::line(&COLUMNS.map(|(name, _)| name.to_owned()), separator));
    let mut line = |kind: &str, within: &str, fields: Value, allergens: Option<&[Declared]>| {
        let cells: Vec<_> = COLUMNS
            .iter()
            .map(|(column, _)| match *column {
                "type" => kind.to_owned(),
                "in" => within.to_owned(),
                "currency" if fields["price"].is_object() => currency.to_string(),
                "allergens" => allergens_text(allergens),
                column => cell(column, &fields[column], currency, separator),
            })
            .collect();
        text.push_str(&csv::line(&cells, separator));
    };
    for category in &document.categories {
        line("category", "", json!(category), None);
        for item in &category.items {
            line("item", category.key.as_str(), json!(item), item.allergens.as_deref());
        }
    }
    for group in &document.modifier_groups {
        line("group", "", json!(group), None);
        for modifier in &group.modifiers {
            line("modifier", group.key.as_str(), json!(modifier), modifier.allergens.as_deref());
        }
    }
    text
}

/// A table that was read, with the lines of all entities.
pub struct Table {
    /// The menu that the table describes.
    pub document: Document,
    /// The line of each entity, by its pointer in the document.
    lines: HashMap<String, usize>,
    columns: HashMap<String, usize>,
}

impl Table {
    /// Converts errors of the document to errors with line and column of the table.
    pub fn places(&self, faults: Vec<FieldError>) -> Vec<FieldError> {
        let place = |fault: FieldError| {
            let mut prefix = fault.pointer.as_str();
            loop {
                if let Some(line) = self.lines.get(prefix) {
                    let rest = fault.pointer[prefix.len()..].trim_start_matches('/');
                    let name = rest.split('/').next().unwrap_or_default();
                    return at(*line, self.columns.get(name).copied(), name, &fault.message);
                }
                match prefix.rfind('/') {
                    Some(end) => prefix = &prefix[..end],
                    None => return fault,
                }
            }
        };
        faults.into_iter().map(place).collect()
    }
}

/// An error of a cell, or of a whole line.
fn at(line: usize, column: Option<usize>, name: &str, message: &str) -> FieldError {
    match column {
        Some(column) => FieldError::invalid(
            format!("/lines/{line}/{name}"),
            format!("line {line}, column {} ({name}): {message}", column + 1),
        ),
        None => FieldError::invalid(format!("/lines/{line}"), format!("line {line}: {message}")),
    }
}

/// Reading stops after this many errors.
const MOST_FAULTS: usize = 100;

struct TableReader {
    columns: HashMap<String, usize>,
    currency: Currency,
    bounds: Menus,
    /// The indexes of categories and groups in the document, by key.
    categories: HashMap<String, usize>,
    groups: HashMap<String, usize>,
    items: usize,
    faults: Vec<FieldError>,
}

/// What Excel saves as "Unicode text": UTF-16 behind a byte order mark. `None`: there is no such mark; an inner `None`:
/// what follows it is not UTF-16.
fn utf16(bytes: &[u8]) -> Option<Option<String>> {
    let read: fn([u8; 2]) -> u16 = match bytes.get(..2)? {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return None,
    };
    let units = bytes[2..].chunks(2).map(|pair| <[u8; 2]>::try_from(pair).ok().map(read));
    let units: Option<Vec<_>> = units.collect();
    Some(units.and_then(|units| String::from_utf16(&units).ok()))
}

/// Reads a table.
///
/// # Errors
/// The first hundred invalid cells, missing, unknown and repeated columns, and the first line beyond a limit, after
/// which nothing is read.
pub fn read(bytes: &[u8], currency: Currency, bounds: Menus) -> Result<Table, Vec<FieldError>> {
    let text = match utf16(bytes) {
        Some(text) => Cow::Owned(text.ok_or_else(|| vec![at(1, None, "", "is not UTF-16, as its first bytes say")])?),
        None => Cow::Borrowed(std::str::from_utf8(bytes).map_err(|broken| {
            let line = bytes[..broken.valid_up_to()].split(|byte| *byte == b'\n').count();
            vec![at(line, None, "", "is not UTF-8: save the table as UTF-8")]
        })?),
    };
    let text = text.as_ref();
    let broken = |broken: csv::CsvFault| vec![at(broken.line, Some(broken.column - 1), "cell", broken.message)];
    let mut records = csv::Records::of(text);
    let head = records.next().ok_or_else(|| vec![at(1, None, "", "the table is empty")])?.map_err(broken)?;
    let mut reading = TableReader {
        columns: HashMap::new(),
        currency,
        bounds,
        categories: HashMap::new(),
        groups: HashMap::new(),
        items: 0,
        faults: Vec::new(),
    };
    reading.head(&head);
    if !reading.faults.is_empty() {
        return Err(reading.faults);
    }
    let (mut document, mut lines) =
        (Document { language: None, categories: vec![], modifier_groups: vec![] }, HashMap::new());
    for record in records {
        let record = record.map_err(broken)?;
        if reading.exceeds_limit(&record, &document) {
            break;
        }
        if let Some(place) = reading.take(&record, &mut document) {
            lines.insert(place, record.line);
        }
        if reading.faults.len() >= MOST_FAULTS {
            break;
        }
    }
    if reading.faults.is_empty() {
        Ok(Table { document, lines, columns: reading.columns })
    } else {
        Err(reading.faults)
    }
}

impl TableReader {
    /// Reports the first line beyond a limit.
    fn exceeds_limit(&mut self, record: &csv::Record, document: &Document) -> bool {
        let group = self.groups.get(self.cell(record, "in")).and_then(|place| document.modifier_groups.get(*place));
        let (count, most, variable) = match self.cell(record, "type") {
            "category" => (document.categories.len(), self.bounds.most_categories, "MENU_MAX_CATEGORIES"),
            "item" => (self.items, self.bounds.most_items, "MENU_MAX_ITEMS"),
            "group" => (document.modifier_groups.len(), self.bounds.most_groups, "MENU_MAX_GROUPS"),
            _ => {
                let count = group.map_or(0, |group| group.modifiers.len());
                (count, self.bounds.most_modifiers, "MENU_MAX_MODIFIERS")
            }
        };
        if count >= most {
            let message = format!("exceeds the limit of {most} ({variable} of the server)");
            self.fault(record, "type", &message);
        }
        count >= most
    }

    fn head(&mut self, head: &csv::Record) {
        for (index, name) in head.cells.iter().map(|cell| cell.trim()).enumerate() {
            // Spreadsheets write empty columns behind the last one, and those that somebody has left empty.
            if name.is_empty() {
                continue;
            }
            if !COLUMNS.iter().any(|(column, _)| *column == name) {
                let columns = COLUMNS.map(|(name, _)| name).join(", ");
                let message = format!("“{name}” is not a column; the columns are {columns}");
                self.faults.push(at(head.line, Some(index), "heading", &message));
            } else if self.columns.insert(name.to_owned(), index).is_some() {
                self.faults.push(at(head.line, Some(index), "heading", &format!("“{name}” occurs twice")));
            }
        }
        for name in ["type", "key", "in", "name", "price", "currency"] {
            if !self.columns.contains_key(name) {
                self.faults.push(at(head.line, None, "", &format!("the column “{name}” is missing")));
            }
        }
    }

    fn fault(&mut self, record: &csv::Record, name: &str, message: &str) {
        self.faults.push(at(record.line, self.columns.get(name).copied(), name, message));
    }

    fn cell<'r>(&self, record: &'r csv::Record, name: &str) -> &'r str {
        self.columns.get(name).and_then(|index| record.cells.get(*index)).map_or("", |cell| cell.trim())
    }

    /// Adds a line to the document, and returns its pointer there.
    fn take(&mut self, record: &csv::Record, document: &mut Document) -> Option<String> {
        let kind = self.cell(record, "type").to_owned();
        if !KINDS.contains(&kind.as_str()) {
            self.fault(record, "type", "must be category, item, group or modifier");
            return None;
        }
        let width = self.columns.values().max().map_or(0, |last| last + 1);
        let beyond = record.cells.iter().skip(width).position(|cell| !cell.trim().is_empty());
        if let Some(index) = beyond {
            let column = Some(width + index);
            self.faults.push(at(record.line, column, "cell", "is after the last column"));
        }
        let before = self.faults.len();
        let fields = self.fields(record, &kind);
        if self.faults.len() > before {
            return None;
        }
        let within = self.cell(record, "in").to_owned();
        let categories = &mut document.categories;
        match kind.as_str() {
            "category" => {
                categories.push(self.read::<DocumentCategory>(record, fields)?);
                let key = categories[categories.len() - 1].key.as_str().to_owned();
                self.categories.entry(key).or_insert(categories.len() - 1);
                Some(format!("/categories/{}", categories.len() - 1))
            }
            "item" => {
                let Some(place) = self.categories.get(&within).copied() else {
                    self.fault(record, "in", "must be the key of a category above");
                    return None;
                };
                categories[place].items.push(self.read::<DocumentItem>(record, fields)?);
                self.items += 1;
                Some(format!("/categories/{place}/items/{}", categories[place].items.len() - 1))
            }
            "group" => {
                let mut fields = fields;
                fields["modifiers"] = json!([]);
                let group = self.read::<DocumentGroup>(record, fields)?;
                self.groups.entry(group.key.as_str().to_owned()).or_insert(document.modifier_groups.len());
                document.modifier_groups.push(group);
                Some(format!("/modifierGroups/{}", document.modifier_groups.len() - 1))
            }
            _ => {
                let groups = &mut document.modifier_groups;
                let Some(place) = self.groups.get(&within).copied() else {
                    self.fault(record, "in", "must be the key of a group above");
                    return None;
                };
                groups[place].modifiers.push(self.read::<DocumentModifier>(record, fields)?);
                Some(format!("/modifierGroups/{place}/modifiers/{}", groups[place].modifiers.len() - 1))
            }
        }
    }

    /// The fields of a line, in the form of the document.
    fn fields(&mut self, record: &csv::Record, kind: &str) -> Value {
        let mut fields = json!({ "key": self.cell(record, "key") });
        for (name, kinds) in COLUMNS {
            let text = self.cell(record, name).to_owned();
            if matches!(name, "type" | "key" | "in") || (text.is_empty() && name != "name") {
                continue;
            }
            if !kinds.split(' ').any(|one| one == kind) {
                self.fault(record, name, "must be empty in this kind of line");
                continue;
            }
            match self.value(name, &text) {
                Ok(Some(value)) => fields[name] = value,
                Ok(None) => {}
                Err(message) => self.fault(record, name, &message),
            }
        }
        if matches!(kind, "item" | "modifier") && self.cell(record, "price").is_empty() {
            self.fault(record, "price", "is missing");
        }
        fields
    }

    fn value(&self, name: &str, text: &str) -> Result<Option<Value>, String> {
        let number =
            || text.parse::<i32>().map(|number| Some(json!(number))).map_err(|_| "must be a whole number".to_owned());
        match name {
            "price" => {
                let digits = self.currency.exponent();
                let units = price_units(text, self.currency)
                    .ok_or_else(|| format!("must be an amount such as 12.50, with at most {digits} decimal digits"))?;
                Ok(Some(json!({ "amount": units, "currency": self.currency })))
            }
            "currency" if text == self.currency.code() => Ok(None),
            "currency" => Err(format!("must be {}, the restaurant's currency", self.currency)),
            "available" => match text.to_ascii_lowercase().as_str() {
                "yes" => Ok(Some(json!(true))),
                "no" => Ok(Some(json!(false))),
                _ => Err("must be yes or no, or empty".into()),
            },
            "stock" | "min" | "max" => number(),
            "modifierGroups" => keys_value(text).map(Some),
            "diets" => Ok(Some(text.split_whitespace().collect())),
            "allergens" => Ok(Some(allergens_value(text))),
            "dayParts" | "translations" => serde_json::from_str(text).map(Some).map_err(|_| "must be JSON".to_owned()),
            _ => Ok(Some(json!(text))),
        }
    }

    /// Parses an entity from its fields; errors name the column.
    fn read<T: DeserializeOwned>(&mut self, record: &csv::Record, fields: Value) -> Option<T> {
        match serde_path_to_error::deserialize::<_, T>(fields) {
            Ok(value) => Some(value),
            Err(error) => {
                let path = error.path().to_string();
                let name = path.split(['.', '[']).next().unwrap_or_default().to_owned();
                self.fault(record, &name, &parse_messages::in_plain_words(&error.inner().to_string()).1);
                None
            }
        }
    }
}
