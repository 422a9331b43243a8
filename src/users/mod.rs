//! Users across features: sign-in with a guest's carts, guests, the profile with memberships and driver profile, and
//! the administration of accounts.

pub mod actions;
pub mod admin;
pub mod http;
