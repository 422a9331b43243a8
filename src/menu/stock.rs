//! Counted stock of items and modifiers: how a count changes, and the changes that the ledger lists. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{ItemId, ModifierId, OrderId};

/// Most portions a stock can count.
const LARGEST_STOCK: i32 = 1_000_000;

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

/// How a count is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockChange {
    /// Counted anew; `None`: not counted any more.
    To(Option<i32>),
    /// More or fewer of what is counted.
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
    /// Done; otherwise fewer are left than were to be taken, or there is no count to change.
    pub done: bool,
    /// Guests may see a difference on the menu.
    pub visible: bool,
}

/// Why stock changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StockChangeReason {
    /// Counted or corrected by hand, by a document, or no longer counted.
    Set,
    /// An order took it.
    Sold,
    /// A cancelled order gave it back.
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
    /// The order that took it or gave it back; null where somebody counted.
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

/// Which changes of stock are listed; without any of the three, all of the restaurant.
#[derive(Debug, Clone, Copy, Default)]
pub struct StockFilter {
    /// Of this item only.
    pub item: Option<ItemId>,
    /// Of this modifier only.
    pub modifier: Option<ModifierId>,
    /// By this order only.
    pub order: Option<OrderId>,
}
