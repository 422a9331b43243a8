//! The table of a document. Pure.

use std::io::{self, Write as _};

use super::COLUMNS;
use super::cells::{write_allergens, write_diets, write_keys, write_price};
use crate::menu::allergens::{Declared, Diet};
use crate::menu::csv::{Separator, TableWriter};
use crate::menu::dayparts::DayPart;
use crate::menu::document::{Document, DocumentCategory, DocumentGroup, DocumentItem, DocumentModifier, EntityKey};
use crate::menu::stock::PortionCount;
use crate::menu::translations::Translations;
use crate::money::Money;
use crate::restaurants::tax::TaxClass;

/// The values of a line of the table; those that its type of line does not have are empty.
#[derive(Default)]
struct TableLine<'a> {
    kind: &'a str,
    key: &'a str,
    parent: &'a str,
    name: &'a str,
    description: &'a str,
    price: Option<Money>,
    tax_class: Option<&'a TaxClass>,
    available: Option<bool>,
    stock: Option<PortionCount>,
    choices: Option<(i16, i16)>,
    groups: &'a [EntityKey],
    allergens: Option<&'a [Declared]>,
    diets: &'a [Diet],
    day_parts: &'a [DayPart],
    translations: Option<&'a Translations>,
}

impl<'a> TableLine<'a> {
    fn of_category(one: &'a DocumentCategory) -> Self {
        Self {
            kind: "category",
            key: one.key.as_str(),
            name: one.name.as_str(),
            day_parts: &one.day_parts,
            translations: Some(&one.translations),
            ..Self::default()
        }
    }

    fn of_item(one: &'a DocumentItem, category: &'a DocumentCategory) -> Self {
        Self {
            kind: "item",
            key: one.key.as_str(),
            parent: category.key.as_str(),
            name: one.name.as_str(),
            description: one.description.as_deref().unwrap_or_default(),
            price: Some(one.price),
            tax_class: one.tax_class.as_ref(),
            available: one.available,
            stock: one.stock,
            groups: &one.modifier_groups,
            allergens: one.allergens.as_deref(),
            diets: &one.diets,
            day_parts: &one.day_parts,
            translations: Some(&one.translations),
            ..Self::default()
        }
    }

    fn of_group(one: &'a DocumentGroup) -> Self {
        Self {
            kind: "group",
            key: one.key.as_str(),
            name: one.name.as_str(),
            choices: Some((one.min, one.max)),
            translations: Some(&one.translations),
            ..Self::default()
        }
    }

    fn of_modifier(one: &'a DocumentModifier, group: &'a DocumentGroup) -> Self {
        Self {
            kind: "modifier",
            key: one.key.as_str(),
            parent: group.key.as_str(),
            name: one.name.as_str(),
            price: Some(one.price),
            tax_class: one.tax_class.as_ref(),
            available: one.available,
            stock: one.stock,
            groups: &one.modifier_groups,
            allergens: one.allergens.as_deref(),
            diets: &one.diets,
            translations: Some(&one.translations),
            ..Self::default()
        }
    }

    /// Writes the cells in the order of [`COLUMNS`]; `scratch` is the buffer in which a cell is written.
    fn write(&self, table: &mut TableWriter, scratch: &mut Vec<u8>, separator: Separator) -> Result<(), io::Error> {
        let mut cell = |write: &dyn Fn(&mut Vec<u8>) -> Result<(), io::Error>| {
            scratch.clear();
            write(scratch)?;
            table.cell(std::str::from_utf8(scratch).map_err(io::Error::other)?);
            Ok::<_, io::Error>(())
        };
        let nothing = |_: &mut Vec<u8>| Ok(());
        for text in [self.kind, self.key, self.parent, self.name, self.description] {
            cell(&|out| out.write_all(text.as_bytes()))?;
        }
        match self.price {
            Some(Money { amount, currency }) => {
                cell(&|out| write_price(out, amount.units(), currency, separator))?;
                cell(&|out| out.write_all(currency.code().as_bytes()))?;
            }
            None => [(); 2].iter().try_for_each(|()| cell(&nothing))?,
        }
        cell(&|out| out.write_all(self.tax_class.map_or("", TaxClass::as_str).as_bytes()))?;
        let available = self.available.map_or("", |is_on| if is_on { "yes" } else { "no" });
        cell(&|out| out.write_all(available.as_bytes()))?;
        cell(&|out| self.stock.map_or(Ok(()), |stock| write!(out, "{}", stock.0)))?;
        cell(&|out| self.choices.map_or(Ok(()), |(min, _)| write!(out, "{min}")))?;
        cell(&|out| self.choices.map_or(Ok(()), |(_, max)| write!(out, "{max}")))?;
        cell(&|out| write_keys(out, self.groups))?;
        cell(&|out| self.allergens.map_or(Ok(()), |declared| write_allergens(out, declared)))?;
        cell(&|out| write_diets(out, self.diets))?;
        cell(&|out| if self.day_parts.is_empty() { Ok(()) } else { Ok(serde_json::to_writer(out, self.day_parts)?) })?;
        let translations = self.translations.filter(|translations| !translations.is_empty());
        cell(&|out| translations.map_or(Ok(()), |translations| Ok(serde_json::to_writer(out, translations)?)))?;
        table.end_line();
        Ok(())
    }
}

/// The table of a document.
///
/// # Errors
/// When a value cannot be written, which does not happen.
pub fn write(document: &Document, separator: Separator) -> Result<String, io::Error> {
    let mut table = TableWriter::new(separator);
    for (name, _) in COLUMNS {
        table.cell(name);
    }
    table.end_line();
    let mut scratch = Vec::new();
    let mut line = |line: TableLine<'_>| line.write(&mut table, &mut scratch, separator);
    for category in &document.categories {
        line(TableLine::of_category(category))?;
        category.items.iter().try_for_each(|item| line(TableLine::of_item(item, category)))?;
    }
    for group in &document.modifier_groups {
        line(TableLine::of_group(group))?;
        group.modifiers.iter().try_for_each(|modifier| line(TableLine::of_modifier(modifier, group)))?;
    }
    Ok(table.into_text())
}
