//! The cart: what a customer, or a guest who has no account yet, means to order at one restaurant, kept on the server.
//!
//! A cart holds items and quantities, never prices: whoever reads it gets the menu's prices of that moment and is told
//! what cannot be ordered any more. It is closed by the order that is placed from it, and the next write opens another.
//! Each line carries the instant of its last write, by the clock of whoever wrote it; of two writes the later holds,
//! whichever arrives first, so devices that were offline end up with the same cart.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{CartId, ItemId, ModifierId, RestaurantId};
use crate::menu::allergens::Effective;
use crate::money::Money;
use crate::problem::FieldError;

pub mod actions;
pub mod http;
pub mod line;
pub mod merge;
pub mod owner;
pub mod shortage;
pub mod sql;

pub use line::StoredLine;
pub use owner::Owner;
use shortage::Shortage;

/// Most lines a cart may have.
pub const MOST_LINES: usize = 100;
/// Most carts a guest may have.
pub const MOST_CARTS_OF_A_GUEST: i64 = 10;
/// So many lines that were taken out are remembered at most, the latest of them.
pub const MOST_TAKEN_OUT: i64 = 200;

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
#[schema(as = CartLineIssue)]
pub enum Obstacle {
    /// Not on the menu any more.
    Deleted,
    /// Switched off.
    Unavailable,
    /// Not served at this hour.
    NotNow,
    /// The choices do not fit the item's groups any more.
    ChoicesChanged,
    /// Fewer left than all lines together ask for, of the item or of a modifier.
    OutOfStock,
}

/// A modifier on a line, at the menu's price of this moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineModifier {
    /// Which.
    pub modifier_id: ModifierId,
    /// Its name now.
    pub name: String,
    /// What one adds now.
    pub price: Money,
    /// How many on each portion, or on each of the modifier above.
    pub quantity: u8,
    /// What was chosen on it.
    #[schema(no_recursion)]
    pub modifiers: Vec<Self>,
}

/// One line, at the menu's price of this moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CartLine {
    /// What the client calls the line, or a name of the server's: to change it or take it out.
    #[schema(example = "0198c3a4-line")]
    pub key: String,
    /// What.
    pub item_id: ItemId,
    /// Its name now.
    pub name: String,
    /// How many.
    #[schema(minimum = 1, maximum = 99)]
    pub quantity: i32,
    /// What was chosen, with its price of now; empty while the choices do not fit.
    pub modifiers: Vec<LineModifier>,
    /// What one costs now, its modifiers included.
    pub unit_price: Money,
    /// What the line costs now.
    pub total: Money,
    /// What is in it as it was put together.
    pub allergens: Effective,
    /// A wish of the customer's.
    pub note: Option<String>,
    /// Whether it could be ordered now.
    pub orderable: bool,
    /// Why not.
    pub reason: Option<Obstacle>,
    /// For `out_of_stock`: what it takes of which all lines together ask for more than is left.
    pub shortages: Vec<Shortage>,
    /// For `choices_changed`: how its choices do not fit the menu any more; pointers are into the line as it is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
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
    /// The sum of the lines at the menu's prices, without fees.
    pub items_total: Money,
    /// When it last changed.
    pub updated_at: Option<DateTime<Utc>>,
}
