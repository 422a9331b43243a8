//! Clients of external providers: images, push notifications, SMS, e-mail and Web Push. Nothing here depends on
//! restaurants.
//!
//! Each kind of message has a small trait (`SendPush`, `SendSms`, `SendMail`, `SendWebPush`) and a client that
//! implements it. All return a [`SendOutcome`], which says what a worker has to do next; a [`CircuitBreaker`] in front
//! of a client answers in its place while the provider is down.

pub mod outcome;

pub mod breaker;
pub mod time_source;

pub mod images;
pub mod mail;
pub mod push;
pub mod sms;
pub mod web_push;

mod http;
mod jws;

#[cfg(feature = "testing")]
pub mod testing;

pub use breaker::CircuitBreaker;
pub use http::InvalidSettings;
pub use outcome::{SendOutcome, Sending};
pub use time_source::TimeSource;
