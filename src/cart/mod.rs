//! The cart: what a customer means to order at one restaurant, kept on the server.
//!
//! A cart holds items and quantities, never prices: whoever reads it gets the menu's prices of that moment and is told
//! what cannot be ordered any more. It is closed by the order that is placed from it, and the next write opens another.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{CartId, ItemId, RestaurantId};
use crate::money::{Amount, Currency, Money, Overflow};

pub mod http;
pub mod sql;

/// Most lines a cart may have.
pub const MOST_LINES: usize = 100;

/// Whether an order has been placed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "cart_status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CartStatus {
    /// Not yet.
    Open,
    /// It has.
    Ordered,
}

/// How many of one thing: 1 to 99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "i64")]
#[schema(value_type = i32, minimum = 1, maximum = 99, example = 2)]
pub struct Quantity(u16);

impl TryFrom<i64> for Quantity {
    type Error = &'static str;

    fn try_from(count: i64) -> Result<Self, &'static str> {
        let in_range = u16::try_from(count).ok().filter(|count| (1..=99).contains(count));
        in_range.map(Self).ok_or("must be between 1 and 99")
    }
}

impl Quantity {
    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Why a line cannot be ordered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// Not on the menu any more.
    Deleted,
    /// Switched off.
    Unavailable,
    /// Fewer left than wanted.
    OutOfStock,
}

/// One line, at the menu's price of this moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CartLine {
    /// What.
    pub item_id: ItemId,
    /// Its name now.
    pub name: String,
    /// How many.
    #[schema(minimum = 1, maximum = 99)]
    pub quantity: i32,
    /// What one costs now.
    pub unit_price: Money,
    /// What the line costs now.
    pub total: Money,
    /// A wish of the customer's.
    pub note: Option<String>,
    /// Whether it could be ordered now.
    pub orderable: bool,
    /// Why not.
    pub reason: Option<Obstacle>,
}

/// A customer's basket at one restaurant.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cart {
    /// Its id; null until something has been put in.
    pub id: Option<CartId>,
    /// Where.
    pub restaurant_id: RestaurantId,
    /// Grows with every change.
    pub version: i64,
    /// OPEN, until an order is placed from it.
    pub status: CartStatus,
    /// The lines.
    pub lines: Vec<CartLine>,
    /// The sum of the lines, without tax and fees.
    pub items_total: Money,
    /// When it last changed.
    pub updated_at: Option<DateTime<Utc>>,
}

/// A line as the tables know it.
#[derive(Debug, Clone)]
pub struct StoredLine {
    /// What.
    pub item_id: ItemId,
    /// Its name now.
    pub name: String,
    /// How many.
    pub quantity: i32,
    /// What one costs now.
    pub price: Amount,
    /// A wish of the customer's.
    pub note: Option<String>,
    /// Switched on.
    pub available: bool,
    /// Portions left, where they are counted.
    pub stock: Option<i32>,
    /// Taken off the menu.
    pub deleted: bool,
}

impl StoredLine {
    /// What stands in the way of ordering this line by itself.
    pub fn obstacle(&self) -> Option<Obstacle> {
        if self.deleted {
            Some(Obstacle::Deleted)
        } else if !self.available {
            Some(Obstacle::Unavailable)
        } else if self.stock.is_some_and(|left| left < self.quantity) {
            Some(Obstacle::OutOfStock)
        } else {
            None
        }
    }

    /// What the line costs.
    ///
    /// # Errors
    /// When the sum leaves the range of 64 bits.
    pub fn total(&self) -> Result<Amount, Overflow> {
        self.price.times(u32::try_from(self.quantity).map_err(|_| Overflow)?)
    }

    /// As the customer sees it.
    ///
    /// # Errors
    /// When the sum leaves the range of 64 bits.
    pub fn into_line(self, currency: Currency) -> Result<CartLine, Overflow> {
        let (total, reason) = (self.total()?.of(currency), self.obstacle());
        Ok(CartLine {
            item_id: self.item_id,
            name: self.name,
            quantity: self.quantity,
            unit_price: self.price.of(currency),
            total,
            note: self.note,
            orderable: reason.is_none(),
            reason,
        })
    }
}
