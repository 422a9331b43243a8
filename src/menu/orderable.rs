//! Whether one portion of an item can be ordered now, and why not. Pure. An item that is switched off until an instant
//! is read as available from then on (`sql/items.rs`), without a job. The times of day are in `dayparts.rs`.

use serde::Serialize;
use utoipa::ToSchema;

use super::Item;
use super::satisfiable::Satisfiable;

/// Why an item cannot be ordered now; the same values as `reason` of a cart line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NotOrderableReason)]
pub enum NotOrderable {
    /// It is switched off by the restaurant.
    Unavailable,
    /// Its stock is counted, and none is left.
    OutOfStock,
    /// It is not served at this time.
    NotNow,
    /// Its required groups cannot be satisfied together: too few of their modifiers, or of required nested ones, are
    /// switched on and in stock.
    ChoicesUnavailable,
}

/// Why one portion of an item cannot be ordered; `None`: it can.
pub fn why_not_orderable(item: &Item, in_time: bool, satisfiable: &mut Satisfiable) -> Option<NotOrderable> {
    if !item.available {
        Some(NotOrderable::Unavailable)
    } else if item.stock == Some(0) {
        Some(NotOrderable::OutOfStock)
    } else if !in_time {
        Some(NotOrderable::NotNow)
    } else if !satisfiable.all(&item.modifier_groups) {
        Some(NotOrderable::ChoicesUnavailable)
    } else {
        None
    }
}
