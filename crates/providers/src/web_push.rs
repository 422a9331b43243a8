//! Web Push: notifications to browsers (RFC 8030), encrypted for the browser (RFC 8291) and signed with our own key
//! (VAPID, RFC 8292). No account is needed.
//!
//! The address of a subscription comes from the browser, so it may be anything: only those of known push services are
//! asked (`endpoint.rs`).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::breaker::{BreakerPhase, BreakerSettings, CircuitBreaker};
use crate::outcome::Sending;
use crate::push::PushUrgency;
use crate::time_source::TimeSource;

pub mod client;
pub mod encryption;
pub mod endpoint;
pub mod vapid;

pub use client::{WebPush, WebPushSettings};
pub use encryption::SubscriptionKeys;
pub use endpoint::EndpointPolicy;
pub use vapid::VapidKey;

/// Why a subscription is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubscription {
    /// The endpoint is not an https URL of a known push service.
    #[error("the endpoint must be an https URL of a known push service")]
    Endpoint,
    /// `p256dh` is not a point on P-256 in uncompressed form, in base64url.
    #[error("p256dh must be a public key on P-256 in base64url")]
    PublicKey,
    /// `auth` is not 16 bytes in base64url.
    #[error("auth must be 16 bytes in base64url")]
    AuthSecret,
}

/// A subscription of a browser, as `PushSubscription.toJSON()` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebPushSubscription {
    endpoint: reqwest::Url,
    keys: SubscriptionKeys,
}

impl fmt::Debug for WebPushSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The path of an endpoint is a secret: who knows it can send.
        f.debug_struct("WebPushSubscription").field("host", &self.endpoint.host_str()).finish_non_exhaustive()
    }
}

impl WebPushSubscription {
    /// Reads a subscription: the fields `endpoint`, `keys.p256dh` and `keys.auth`.
    ///
    /// # Errors
    /// [`InvalidSubscription`]: the first field that is not acceptable.
    pub fn new(endpoint: &str, p256dh: &str, auth: &str, policy: &EndpointPolicy) -> Result<Self, InvalidSubscription> {
        let endpoint = policy.check(endpoint).ok_or(InvalidSubscription::Endpoint)?;
        Ok(Self { endpoint, keys: SubscriptionKeys::read(p256dh, auth)? })
    }

    /// The URL of the push service.
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str()
    }

    /// The host of the push service.
    pub fn host(&self) -> &str {
        self.endpoint.host_str().unwrap_or_default()
    }
}

/// A message for one browser.
#[derive(Clone, PartialEq, Eq)]
pub struct WebPushMessage {
    /// The subscription of the browser.
    pub subscription: WebPushSubscription,
    /// What the service worker gets; at most 3993 bytes.
    pub payload: Vec<u8>,
    /// How long the message is kept for a browser that is offline: whole seconds. Zero: not at all.
    pub ttl: Duration,
    /// Whether a device is woken.
    pub urgency: PushUrgency,
    /// Messages with the same id replace each other while they wait for the browser; `None`: they do not.
    pub collapse_id: Option<String>,
}

impl fmt::Debug for WebPushMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebPushMessage").field("subscription", &self.subscription).finish_non_exhaustive()
    }
}

/// Sends messages to browsers.
pub trait SendWebPush: Send + Sync + fmt::Debug {
    /// The name of the provider, which is stored with every attempt.
    fn provider(&self) -> &'static str;

    /// Sends a message. A repetition may be shown twice, unless the browser was offline or the page tells them apart.
    fn send_web_push<'a>(&'a self, message: &'a WebPushMessage) -> Sending<'a>;
}

/// The most hosts whose state is kept.
const MOST_HOSTS: usize = 64;

/// A client that asks each push service only while the breaker of its host allows it: one service that is down does not
/// stop the others.
#[derive(Debug)]
pub struct GuardedWebPush<C> {
    client: C,
    settings: BreakerSettings,
    time: TimeSource,
    breakers: Mutex<HashMap<String, CircuitBreaker>>,
}

impl<C: SendWebPush> GuardedWebPush<C> {
    /// A client with a breaker for each host.
    pub fn new(client: C, settings: BreakerSettings, time: TimeSource) -> Self {
        Self { client, settings, time, breakers: Mutex::default() }
    }

    /// The breaker of a host. Hosts come from browsers, so their number is bounded: closed breakers are forgotten
    /// first.
    fn breaker(&self, host: &str) -> CircuitBreaker {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(breaker) = breakers.get(host) {
            return breaker.clone();
        }
        if breakers.len() >= MOST_HOSTS {
            breakers.retain(|_, breaker| breaker.phase() != BreakerPhase::Closed);
        }
        if breakers.len() >= MOST_HOSTS {
            breakers.clear();
        }
        let breaker = CircuitBreaker::new("web_push", self.settings, self.time.clone());
        breakers.insert(host.to_owned(), breaker.clone());
        breaker
    }
}

impl<C: SendWebPush> SendWebPush for GuardedWebPush<C> {
    fn provider(&self) -> &'static str {
        self.client.provider()
    }

    fn send_web_push<'a>(&'a self, message: &'a WebPushMessage) -> Sending<'a> {
        Box::pin(async move {
            let breaker = self.breaker(message.subscription.host());
            breaker.run(self.client.send_web_push(message)).await
        })
    }
}
