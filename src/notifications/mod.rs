//! Notifications: the text of each message, the worker that sends the messages of the outbox (`outbox/`) through
//! providers, and the list of messages (`GET /api/admin/outbox`).
//!
//! Without a configured provider no message is sent; a stand-in stores it for that list.

pub mod http;
pub mod text;
pub mod worker;
