//! In which capacity somebody acts: for an order, and inside one restaurant.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The role in which an order is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "order_actor", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Actor {
    /// Who placed it.
    Customer,
    /// Who works for the restaurant.
    Staff,
    /// Who carries it.
    Driver,
    /// Who runs the platform; may do what staff may.
    Admin,
    /// The program itself.
    System,
}

/// The role at a restaurant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "member_role", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MemberRole {
    /// Owns it: may do what a manager may.
    Owner,
    /// Runs it: profile, hours, members.
    Manager,
    /// Works in it: orders, items.
    Staff,
}
