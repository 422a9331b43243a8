//! Clients of external providers: images, push notifications, SMS, e-mail and Web Push. Nothing here depends on
//! restaurants.
//!
//! Each kind of message has a small trait (`SendPush`, `SendSms`, `SendMail`, `SendWebPush`) and a client that
//! implements it. All return a [`SendOutcome`], which says what a worker has to do next; a [`CircuitBreaker`] in front
//! of a client answers in its place while the provider is down.

/// What sending a message came to, for all kinds of messages.
pub mod outcome;

/// The circuit breaker, shared by all clients.
pub mod breaker;

/// The time, which tests can set.
pub mod time_source;

/// Images: checked, converted to several sizes, stored on disk or at Cloudinary.
pub mod images;

/// Push notifications to apps, through Firebase Cloud Messaging.
pub mod push;

/// SMS, through Twilio.
pub mod sms;

/// E-mail, through an SMTP server.
pub mod mail;

/// Web Push: notifications to browsers, which need no account at a provider.
pub mod web_push;

mod http;
mod jws;

/// Fakes of the providers on loopback, for tests.
#[cfg(feature = "testing")]
pub mod testing;

pub use breaker::CircuitBreaker;
pub use http::InvalidSettings;
pub use outcome::{SendOutcome, Sending};
pub use time_source::TimeSource;
