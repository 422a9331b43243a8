//! The role of the actor of a change of an order, and the roles at a restaurant.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The role in which an order is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "order_actor", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Actor {
    /// The customer who placed the order.
    Customer,
    /// A member of the restaurant.
    Staff,
    /// The driver of the delivery.
    Driver,
    /// An administrator of the platform; may do what staff may.
    Admin,
    /// The server itself, for example when an order is cancelled because nobody accepted it.
    System,
}

/// The role at a restaurant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "member_role", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MemberRole {
    /// An owner: may do what a manager may, and manage members.
    Owner,
    /// A manager: profile, hours, menu, coupons.
    Manager,
    /// A member of staff: orders and availability.
    Staff,
}
