//! What concerns a user across features: signing in with a guest's carts, becoming a guest, the profile with memberships and driver, and
//! the administration of accounts.

pub mod actions;
pub mod admin;
pub mod http;
