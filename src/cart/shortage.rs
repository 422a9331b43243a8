//! Shortages: counted stock of which all lines of a basket together require more than is left. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Obstacle, PricedLine};
use crate::ids::{ItemId, ModifierId};
use crate::problem::FieldError;

/// A counted item or modifier of which all lines of the cart together need more than is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shortage {
    /// The item; null: a modifier is short.
    pub item_id: Option<ItemId>,
    /// The modifier; null: an item is short.
    pub modifier_id: Option<ModifierId>,
    /// The current name of the item or modifier.
    pub name: String,
    /// How many portions are left.
    #[schema(minimum = 0)]
    pub left: i32,
    /// How many portions the lines need together.
    pub wanted: i64,
    /// The indexes of the lines that need it, from 0.
    pub lines: Vec<usize>,
}

impl Shortage {
    fn of(item_id: Option<ItemId>, modifier_id: Option<ModifierId>, name: &str, left: i32) -> Self {
        Self { item_id, modifier_id, name: name.to_owned(), left, wanted: 0, lines: Vec::new() }
    }

    fn add(&mut self, line: usize, portions: i64) {
        self.wanted = self.wanted.saturating_add(portions);
        self.lines.push(line);
    }

    /// The error, for each of the lines.
    fn errors(&self) -> impl Iterator<Item = FieldError> {
        let message = format!("only {} of “{}” are left, and the lines require {}", self.left, self.name, self.wanted);
        self.lines.iter().map(move |line| FieldError {
            pointer: format!("/lines/{line}"),
            code: "out_of_stock".into(),
            message: message.clone(),
        })
    }
}

/// All shortages of the lines. Lines that cannot be ordered for another reason require no stock.
pub fn shortages(lines: &[PricedLine]) -> Vec<Shortage> {
    let mut items: BTreeMap<ItemId, Shortage> = BTreeMap::new();
    let mut modifiers: BTreeMap<ModifierId, Shortage> = BTreeMap::new();
    let takes_stock = |line: &PricedLine| matches!(line.obstacle, None | Some(Obstacle::OutOfStock));
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| takes_stock(line)) {
        if let Some(left) = line.stock {
            let new = || Shortage::of(Some(line.item_id), None, &line.name, left);
            items.entry(line.item_id).or_insert_with(new).add(index, line.quantity.into());
        }
        for (modifier, take) in &line.required_portions {
            let new = || Shortage::of(None, Some(*modifier), &take.name, take.left);
            let portions = i64::from(take.portions).saturating_mul(line.quantity.into());
            modifiers.entry(*modifier).or_insert_with(new).add(index, portions);
        }
    }
    let all = items.into_values().chain(modifiers.into_values());
    all.filter(|shortage| shortage.wanted > shortage.left.into()).collect()
}

/// Marks the lines that take part in a shortage.
pub fn mark(lines: &mut [PricedLine]) {
    for shortage in shortages(lines) {
        for &line in &shortage.lines {
            lines[line].obstacle = Some(Obstacle::OutOfStock);
            lines[line].shortages.push(shortage.clone());
        }
    }
}

/// The errors of all shortages, by line.
pub fn errors(shortages: &[Shortage]) -> Vec<FieldError> {
    shortages.iter().flat_map(Shortage::errors).collect()
}

/// A sentence that says what is short and what to do.
pub fn advice(shortages: &[Shortage]) -> String {
    let named = |one: &Shortage| match one.left {
        0 => format!("“{}” is sold out", one.name),
        left => format!("only {left} of “{}” are left, and the basket asks for {}", one.name, one.wanted),
    };
    let named: Vec<_> = shortages.iter().take(5).map(named).collect();
    format!(
        "Not enough portions: {}. Order fewer, or take the item out; `shortages` names the lines.",
        named.join("; ")
    )
}
