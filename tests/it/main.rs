//! The one integration test binary: a file a slice, people as clients, a database of its own for each test.
//!
//! `bin/test` starts the servers and runs it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod app;
mod audit;
mod people;
mod reply;
mod shop;

mod crash;
mod menu;
mod orders;
mod postgres;
mod realtime;
mod replay;
mod accounts_sessions;
