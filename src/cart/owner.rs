//! The owner of a cart. Pure.

use crate::ids::{GuestId, UserId};

/// The owner of a cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CartOwner {
    /// A user, who has an account.
    User(UserId),
    /// A guest, who has no account.
    Guest(GuestId),
}
