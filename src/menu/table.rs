//! A menu as a table (CSV): a line for each category, item, modifier group and modifier. Pure.

use std::collections::HashMap;

use super::document::Document;
use crate::problem::FieldError;

mod cells;
mod read;
mod written;

pub use read::read;
pub use written::write;

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

/// A table that was read, with the line and column of every field.
pub struct Table {
    /// The menu that the table describes.
    pub document: Document,
    /// The line of each entity, by its pointer in the document.
    lines: HashMap<String, usize>,
    columns: Box<ColumnIndexes>,
}

impl Table {
    /// Converts errors of the document to errors with line and column of the table.
    pub fn locate(&self, faults: Vec<FieldError>) -> Vec<FieldError> {
        let locate = |fault: FieldError| {
            let mut prefix = fault.pointer.as_str();
            loop {
                if let Some(line) = self.lines.get(prefix) {
                    let rest = fault.pointer[prefix.len()..].trim_start_matches('/');
                    let name = rest.split('/').next().unwrap_or_default();
                    return at(*line, self.columns.of(name), name, &fault.message);
                }
                match prefix.rfind('/') {
                    Some(end) => prefix = &prefix[..end],
                    None => return fault,
                }
            }
        };
        faults.into_iter().map(locate).collect()
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

/// The index of each of [`COLUMNS`] in a line; `None`: the table does not have the column.
#[derive(Debug, Clone, Copy, Default)]
struct ColumnIndexes([Option<usize>; COLUMNS.len()]);

impl ColumnIndexes {
    fn of(&self, name: &str) -> Option<usize> {
        let column = COLUMNS.iter().position(|(column, _)| *column == name)?;
        self.0[column]
    }

    /// Cells of a line up to the last column that has a name.
    fn width(&self) -> usize {
        self.0.iter().flatten().max().map_or(0, |last| last + 1)
    }
}
