//! The role of the actor of a change of an order, and the roles at a restaurant.
//!
//! What a role at a restaurant may do: `relations` in `restaurants/access.rs`, and `permission.rs`. Who may grant it:
//! `restaurants/http/members.rs`, and `may_still_invite` of `migrations/0100_permission.sql`. Values and variants are
//! in the same order, from the highest role to the lowest, because roles are compared.
//!
//! A new role is also in these places:
//!
//! - the type `member_role`, in a new migration
//! - `relations`, `min_role_for` and `as_str` of `restaurants/access.rs`
//! - `tests/it/matrix/callers.rs` (`CALLERS`, `rank`) and `world.rs`: without a caller with the role the matrix does
//!   not try it
//! - `Relation` in `permission.rs`, if operations distinguish it

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
    /// An owner: may do what a manager may, change owners, and require a second factor of members.
    Owner,
    /// A manager: may do what staff may, and change the profile, images, hours, zones, coupons, and members except
    /// owners.
    Manager,
    /// A member of staff: orders, deliveries, the menu with its stock, pauses.
    Staff,
}
