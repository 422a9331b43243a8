//! Notifications: the words of each message, the worker that hands messages of the outbox (`outbox/`) to their
//! providers, and the outbox page.
//!
//! Where no provider is configured the stand-in takes its place: it sends nothing and keeps what it would have sent for
//! the outbox page.

pub mod http;
pub mod words;
pub mod worker;
