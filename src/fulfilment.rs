//! The kinds of fulfilment of an order.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the customer receives the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "fulfilment", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fulfilment {
    /// A driver delivers the order to the customer's address.
    Delivery,
    /// The customer collects the order at the restaurant.
    Pickup,
    /// The customer eats at a table of the restaurant.
    DineIn,
}
