//! Push notifications to apps: a [`SendPush`] sends a [`PushMessage`] to one device.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::breaker::CircuitBreaker;
use crate::outcome::Sending;

pub mod fcm;

pub use fcm::Fcm;

/// The address of an app on a device.
#[derive(Clone, PartialEq, Eq)]
pub enum PushTarget {
    /// A registration token of Firebase Cloud Messaging.
    RegistrationToken(String),
    /// A Firebase installation id (FID), which replaces registration tokens since 2026.
    InstallationId(String),
}

impl PushTarget {
    /// The token or id.
    pub fn as_str(&self) -> &str {
        match self {
            Self::RegistrationToken(value) | Self::InstallationId(value) => value,
        }
    }
}

impl fmt::Debug for PushTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RegistrationToken(_) => "RegistrationToken([REDACTED])",
            Self::InstallationId(_) => "InstallationId([REDACTED])",
        })
    }
}

/// Whether a device is woken for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushUrgency {
    /// Shown when the device is awake.
    Normal,
    /// Shown at once, also on a sleeping device.
    High,
}

/// A notification for one device.
#[derive(Clone, PartialEq, Eq)]
pub struct PushMessage {
    /// The app on a device.
    pub target: PushTarget,
    /// Messages with the same id replace each other on the device, so that a repetition is not seen twice. 1 to 64
    /// bytes.
    pub collapse_id: String,
    /// The title, in the language of the user.
    pub title: String,
    /// The text below the title.
    pub body: String,
    /// Values for the app; with title and body at most 4096 bytes.
    pub data: BTreeMap<String, String>,
    /// How long the message is kept for a device that is offline: whole seconds, at most 28 days. Zero: not at all.
    pub ttl: Duration,
    /// Whether the device is woken.
    pub urgency: PushUrgency,
    /// The https URL that a click in a browser opens; `None`: nothing.
    pub link: Option<String>,
}

impl fmt::Debug for PushMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushMessage").field("collapse_id", &self.collapse_id).finish_non_exhaustive()
    }
}

/// Sends push notifications.
pub trait SendPush: Send + Sync + fmt::Debug {
    /// The name of the provider, which is stored with every attempt.
    fn provider(&self) -> &'static str;

    /// Sends a message. A repetition is harmless: it replaces the first one on the device.
    fn send_push<'a>(&'a self, message: &'a PushMessage) -> Sending<'a>;
}

/// A client that is asked only while its breaker allows it.
#[derive(Debug)]
pub struct GuardedPush<C> {
    /// The client of the provider.
    pub client: C,
    /// The provider's breaker.
    pub breaker: CircuitBreaker,
}

impl<C: SendPush> SendPush for GuardedPush<C> {
    fn provider(&self) -> &'static str {
        self.client.provider()
    }

    fn send_push<'a>(&'a self, message: &'a PushMessage) -> Sending<'a> {
        Box::pin(self.breaker.run(self.client.send_push(message)))
    }
}

/// An id as a topic of Web Push: at most 32 characters of the base64url alphabet (RFC 8030, 5.4). Other ids are hashed.
pub(crate) fn topic(id: &str) -> String {
    let is_topic = |sign: u8| sign.is_ascii_alphanumeric() || sign == b'-' || sign == b'_';
    if (1..=32).contains(&id.len()) && id.bytes().all(is_topic) {
        return id.to_owned();
    }
    let mut hashed = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, id.as_bytes()));
    hashed.truncate(32);
    hashed
}
