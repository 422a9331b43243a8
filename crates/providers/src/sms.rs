//! SMS: a [`SendSms`] sends an [`SmsMessage`] to one number, at most once where a second message would do harm.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::breaker::CircuitBreaker;
use crate::outcome::Sending;

pub mod status;
pub mod twilio;

pub use status::{DeliveryFailure, SmsStatus};
pub use twilio::Twilio;

/// Whether a message may be sent again when it is not known if it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsRepetition {
    /// Never: for one-time codes, and for messages that were already repeated once.
    Never,
    /// Once, after the provider was asked for the first one and did not find it.
    AfterLookup,
}

/// A text message for one number.
#[derive(Clone, PartialEq, Eq)]
pub struct SmsMessage {
    /// The number in E.164.
    pub to: String,
    /// The text, 1 to 1600 characters.
    pub body: String,
    /// The URL that is told how the message goes on; its host has no underscore. `None`: nobody is told.
    pub status_callback: Option<String>,
    /// How long the message may wait to be sent: 1 second to 10 hours. `None`: 10 hours.
    pub validity: Option<Duration>,
    /// Whether it may be sent again when it is not known if it was sent.
    pub repetition: SmsRepetition,
    /// When an earlier attempt began that was ambiguous, or whose result was lost; the message is then looked up before
    /// anything else. It has to be set again in each further attempt. `None`: there was none.
    pub earlier_attempt: Option<SystemTime>,
}

impl fmt::Debug for SmsMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsMessage").field("repetition", &self.repetition).finish_non_exhaustive()
    }
}

/// Sends text messages.
pub trait SendSms: Send + Sync + fmt::Debug {
    /// The name of the provider, which is stored with every attempt.
    fn provider(&self) -> &'static str;

    /// Sends a message. A repetition is a second message on the phone, except as [`SmsMessage::earlier_attempt`] says.
    fn send_sms<'a>(&'a self, message: &'a SmsMessage) -> Sending<'a>;
}

/// A client that is asked only while its breaker allows it.
#[derive(Debug)]
pub struct GuardedSms<C> {
    /// The client of the provider.
    pub client: C,
    /// The provider's breaker.
    pub breaker: CircuitBreaker,
}

impl<C: SendSms> SendSms for GuardedSms<C> {
    fn provider(&self) -> &'static str {
        self.client.provider()
    }

    fn send_sms<'a>(&'a self, message: &'a SmsMessage) -> Sending<'a> {
        Box::pin(self.breaker.run(self.client.send_sms(message)))
    }
}
