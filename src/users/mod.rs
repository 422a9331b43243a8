//! Operations on accounts that need other features, too, so that `accounts` does not import them: sign-in, which merges
//! a guest's carts (`http/login.rs`); creating guests (`http/guests.rs`); `GET /api/me` with memberships and driver
//! profile (`http/me.rs`); the administration of accounts, which ends memberships (`http/admin.rs`). Registration,
//! sessions, passwords and tokens are in `accounts/`.

pub mod actions;
pub mod admin;
pub mod http;
