//! Use cases of users.

pub mod admin;
