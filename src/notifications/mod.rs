//! Notifications: the text of each message, the worker of the outbox (`outbox/`), and the list of messages
//! (`GET /api/admin/outbox`).
//!
//! There is no provider for messages yet: none is sent; a stand-in stores each of them, encrypted, for that list.

pub mod http;
pub mod text;
pub mod worker;
