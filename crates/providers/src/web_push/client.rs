//! The client of push services: one request for each message (RFC 8030, 5).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};

use super::encryption::{EncryptionFailure, encrypt};
use super::endpoint::PublicResolver;
use super::{EndpointPolicy, SendWebPush, VapidKey, WebPushMessage};
use crate::http::{self, CallFailure, HttpReply, InvalidSettings, NO_PUBLIC_ADDRESS};
use crate::outcome::{PermanentCause, ProviderError, RecipientProblem, RetryCause, SendOutcome, Sending};
use crate::push::{PushUrgency, topic};
use crate::time_source::TimeSource;

/// The key, and how push services are asked.
#[derive(Debug)]
pub struct WebPushSettings {
    /// Our key, for which browsers subscribed.
    pub key: VapidKey,
    /// How the push service reaches us if something is wrong: `mailto:` and an address, or an https URL.
    pub subject: String,
    /// Which endpoints are asked.
    pub policy: EndpointPolicy,
    /// The time limit of one request.
    pub timeout: Duration,
}

/// The client. It does not use a proxy, because the addresses of hosts are checked here.
pub struct WebPush {
    settings: WebPushSettings,
    client: reqwest::Client,
    time: TimeSource,
}

impl fmt::Debug for WebPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebPush").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The origin of a URL, as claims name it.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

impl WebPush {
    /// Creates the client; nothing is sent.
    ///
    /// # Errors
    /// When the subject is no address for contact, or TLS cannot be set up.
    pub fn new(settings: WebPushSettings, time: TimeSource) -> Result<Self, InvalidSettings> {
        let subject = settings.subject.as_str();
        let is_mail = subject.strip_prefix("mailto:").is_some_and(|address| address.contains('@'));
        let is_url = Url::parse(subject).is_ok_and(|url| url.scheme() == "https");
        if !(is_mail || is_url) {
            return Err(InvalidSettings("the contact for Web Push must be mailto:… or an https URL".into()));
        }
        let builder = http::client_builder(settings.timeout).no_proxy().dns_resolver(Arc::new(PublicResolver));
        let client = builder.build().map_err(|error| InvalidSettings(error.to_string()))?;
        Ok(Self { settings, client, time })
    }

    /// Our public key, for pages that subscribe.
    pub fn public_key(&self) -> &str {
        self.settings.key.public()
    }

    async fn deliver(&self, message: &WebPushMessage) -> SendOutcome {
        let WebPushMessage { subscription, payload, ttl, urgency, collapse_id } = message;
        let Some(url) = self.settings.policy.check(subscription.endpoint()) else {
            let error = ProviderError::new("endpoint_refused", "not a known push service", &[]);
            return SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error };
        };
        let body = match encrypt(payload, &subscription.keys) {
            Ok(body) => body,
            Err(failure @ EncryptionFailure::TooLarge) => {
                let error = ProviderError::new("message_too_large", &failure.to_string(), &[]);
                return SendOutcome::Permanent { cause: PermanentCause::Message, error };
            }
            Err(failure @ EncryptionFailure::Keys) => {
                let error = ProviderError::new("encryption", &failure.to_string(), &[]);
                return SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error };
            }
        };
        let authorization = self.settings.key.authorization(&origin(&url), &self.settings.subject, &self.time);
        let Some(authorization) = authorization else {
            let error = ProviderError::new("signing", "the key for Web Push cannot sign", &[]);
            return SendOutcome::Permanent { cause: PermanentCause::Configuration, error };
        };
        let private = [url.as_str(), url.path(), url.path().rsplit('/').next().unwrap_or_default(), &authorization];
        let mut request = self
            .client
            .post(url.clone())
            .header("ttl", ttl.as_secs())
            .header("urgency", if *urgency == PushUrgency::High { "high" } else { "normal" })
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(AUTHORIZATION, &authorization)
            .body(body);
        if let Some(id) = collapse_id {
            request = request.header("topic", topic(id));
        }
        match http::call(request, &private).await {
            Ok(reply) => self.outcome(&reply, &private),
            Err(CallFailure::NotSent(error)) if error.code == NO_PUBLIC_ADDRESS => {
                SendOutcome::DeadRecipient { cause: RecipientProblem::Invalid, error }
            }
            Err(CallFailure::NotSent(error)) => http::unreachable(error),
            // A second notification does less harm than none, and the collapse id makes it one.
            Err(CallFailure::Interrupted(error)) => {
                SendOutcome::RetryLater { after: None, cause: RetryCause::ProviderFailure, error }
            }
        }
    }

    /// What a response means (RFC 8030, 5 and 8.4).
    fn outcome(&self, reply: &HttpReply, private: &[&str]) -> SendOutcome {
        let status = reply.status.as_u16();
        if matches!(status, 200..=202) {
            let location = reply.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            return SendOutcome::Accepted {
                provider_id: location.map(|location| location.chars().take(500).collect()),
            };
        }
        let text = String::from_utf8_lossy(&reply.body);
        let text = if text.trim_start().starts_with('<') { "" } else { &text };
        let error = ProviderError::new(format_args!("http_{status}"), text, private);
        let after = reply.retry_after(self.time.now());
        match status {
            404 | 410 => SendOutcome::DeadRecipient { cause: RecipientProblem::Unregistered, error },
            // The key or its signature; perhaps only of this subscription, which was made for another key.
            400 | 401 | 403 => {
                tracing::error!(%error, "a push service refuses our key or our request");
                SendOutcome::Permanent { cause: PermanentCause::Configuration, error }
            }
            // 406 is what Microsoft's service answers to too many messages.
            406 | 429 => SendOutcome::RetryLater { after, cause: RetryCause::Throttled, error },
            408 | 500..=599 => SendOutcome::RetryLater { after, cause: RetryCause::ProviderFailure, error },
            // 413, redirects, which are not followed, and all others.
            _ => SendOutcome::Permanent { cause: PermanentCause::Message, error },
        }
    }
}

impl SendWebPush for WebPush {
    fn provider(&self) -> &'static str {
        "web_push"
    }

    fn send_web_push<'a>(&'a self, message: &'a WebPushMessage) -> Sending<'a> {
        Box::pin(self.deliver(message))
    }
}
