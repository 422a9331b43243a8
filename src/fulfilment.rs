//! How the food of an order reaches the guest.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the customer receives the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "fulfilment", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fulfilment {
    /// A driver brings it to the customer's address.
    Delivery,
    /// The guest collects it at the restaurant.
    Pickup,
    /// The guest eats at a table of the restaurant.
    DineIn,
}
