//! Counted stock of items and modifiers: changes of a count, and the rows of the ledger. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{ItemId, ModifierId, OrderId};

/// The largest stock, in portions.
pub const LARGEST_STOCK: i32 = 1_000_000;

/// Portions of a counted stock: 0 to 1,000,000.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "i32")]
#[schema(as = Stock, value_type = i32, minimum = 0, maximum = 1_000_000)]
pub struct PortionCount(pub i32);

impl TryFrom<i32> for PortionCount {
    type Error = &'static str;

    fn try_from(portions: i32) -> Result<Self, &'static str> {
        let in_range = (0..=LARGEST_STOCK).contains(&portions);
        if in_range { Ok(Self(portions)) } else { Err("must be between 0 and 1000000") }
    }
}

/// A change of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockChange {
    /// The new count; `None`: not counted any more.
    To(Option<i32>),
    /// A positive or negative change of the current count.
    By(i32),
}

impl StockChange {
    /// The new count; `None`: it is changed by a number, or not counted any more.
    pub const fn to(self) -> Option<i32> {
        match self {
            Self::To(stock) => stock,
            Self::By(_) => None,
        }
    }

    /// The number by which it changes; `None`: it is set.
    pub const fn by(self) -> Option<i32> {
        match self {
            Self::To(_) => None,
            Self::By(change) => Some(change),
        }
    }
}

/// The result of a change of stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockOutcome {
    /// Whether the change was made; otherwise it is too much, the stock is lower than the reduction, or is not counted.
    pub is_done: bool,
    /// Whether the stock would be more than the largest one.
    pub is_too_much: bool,
    /// Whether the change may be visible on the menu.
    pub visible: bool,
}

/// Why stock changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StockChangeReason {
    /// Set or changed by staff or by a document, or no longer counted.
    Set,
    /// An order took it.
    Sold,
    /// A cancelled order returned it.
    Returned,
}

/// One change of a counted stock.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = StockChange)]
pub struct StockMovement {
    /// The item that is counted; null: a modifier is.
    pub item_id: Option<ItemId>,
    /// The modifier that is counted; null: an item is.
    pub modifier_id: Option<ModifierId>,
    /// The order that took or returned it; null: staff set the stock.
    pub order_id: Option<OrderId>,
    /// The change, positive or negative. The sum of all changes is the stock.
    pub change: i32,
    /// The reason of the change.
    pub reason: StockChangeReason,
    /// When the stock changed.
    pub at: DateTime<Utc>,
    /// The number of the row, by which pages continue.
    #[serde(skip)]
    pub id: i64,
}

/// A filter of stock changes; without any of the three, all of the restaurant.
#[derive(Debug, Clone, Copy, Default)]
pub struct StockFilter {
    /// Only changes of this item.
    pub item: Option<ItemId>,
    /// Only changes of this modifier.
    pub modifier: Option<ModifierId>,
    /// Only changes by this order.
    pub order: Option<OrderId>,
}
