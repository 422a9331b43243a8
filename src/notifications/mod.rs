//! Notifications: the text of each message, the worker that hands messages of the outbox (`outbox/`) to their
//! providers, and the outbox page.
//!
//! Where no provider is configured no message is sent; a stand-in keeps what it would have sent for the
//! outbox page.

pub mod http;
pub mod text;
pub mod worker;
