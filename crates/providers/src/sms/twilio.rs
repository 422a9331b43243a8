//! Twilio's Messages resource, API version 2010-04-01.
//!
//! <https://www.twilio.com/docs/messaging/api/message-resource>, and Twilio's OpenAPI description. Twilio has no
//! idempotency key: when it is not known whether a message was sent, it is looked up (`lookup.rs`). What each error
//! means is in `classify.rs`; reports on messages are verified and read by `signature.rs` and `callback.rs`.

use std::fmt;
use std::time::{Duration, SystemTime};

use reqwest::{RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{SendSms, SmsMessage, SmsRepetition};
use crate::http::{self, CallFailure, InvalidSettings};
use crate::outcome::{AmbiguousCause, PermanentCause, ProviderError, SendOutcome, Sending};
use crate::time_source::TimeSource;

pub mod callback;
mod classify;
mod lookup;
pub mod signature;

/// The base URL of the API at Twilio.
pub const BASE_URL: &str = "https://api.twilio.com";

/// The seconds that a message may wait: Twilio's limits.
const VALIDITY: std::ops::RangeInclusive<u64> = 1..=36_000;

/// From whom messages are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TwilioSender {
    /// A number of ours in E.164, a short code, or an alphanumeric sender (`TWILIO_FROM`).
    Number(String),
    /// A messaging service (`MG…`), which chooses the number.
    MessagingService(String),
}

/// An account at Twilio.
#[derive(Debug, Clone)]
pub struct TwilioSettings {
    /// The id of the account, `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// The user for requests: the id of the account, or of an API key (`SK…`).
    pub user: String,
    /// The auth token of the account, or the secret of the API key.
    pub secret: SecretString,
    /// From whom messages are sent.
    pub sender: TwilioSender,
    /// The base URL of the API: [`BASE_URL`], or that of a fake.
    pub base_url: String,
    /// The time limit of one request, of which a message needs up to four.
    pub timeout: Duration,
}

/// The client of one account.
pub struct Twilio {
    settings: TwilioSettings,
    messages_url: Url,
    client: reqwest::Client,
    time: TimeSource,
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Whether a text is an id of Twilio: two capitals and 32 hexadecimal digits.
fn is_sid(text: &str, kind: &str) -> bool {
    let digits = text.strip_prefix(kind);
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Whether a text is a number in E.164.
fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// The part of a message of Twilio that is read; everything may be missing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TwilioMessage {
    sid: Option<String>,
    to: Option<String>,
    from: Option<String>,
    messaging_service_sid: Option<String>,
    body: Option<String>,
    direction: Option<String>,
    date_created: Option<String>,
}

/// What one request to send came to.
enum PostResult {
    Known(SendOutcome),
    /// The message may have been sent.
    Unknown(ProviderError),
}

impl Twilio {
    /// Creates the client; nothing is sent.
    ///
    /// # Errors
    /// When the URL is neither https nor on loopback, or an id is not one of Twilio's.
    pub fn new(settings: TwilioSettings, time: TimeSource) -> Result<Self, InvalidSettings> {
        let refuse = |what: &str| Err(InvalidSettings(what.into()));
        if !is_sid(&settings.account_sid, "AC") {
            return refuse("the id of the Twilio account must be AC and 32 hexadecimal digits");
        }
        if settings.user != settings.account_sid && !is_sid(&settings.user, "SK") {
            return refuse("the user at Twilio must be the account, or an API key: SK and 32 hexadecimal digits");
        }
        match &settings.sender {
            TwilioSender::MessagingService(sid) if !is_sid(sid, "MG") => {
                return refuse("the messaging service of Twilio must be MG and 32 hexadecimal digits");
            }
            TwilioSender::Number(number) if number.is_empty() => return refuse("the sender of SMS is empty"),
            TwilioSender::Number(_) | TwilioSender::MessagingService(_) => {}
        }
        let base = http::base_url("the URL of Twilio", &settings.base_url)?;
        let messages_url = http::join(&base, &["2010-04-01", "Accounts", &settings.account_sid, "Messages.json"]);
        let client = http::client(settings.timeout)?;
        Ok(Self { settings, messages_url, client, time })
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        request.basic_auth(&self.settings.user, Some(self.settings.secret.expose_secret()))
    }

    /// What must not be in an error.
    fn private<'a>(&'a self, message: &'a SmsMessage) -> [&'a str; 3] {
        [self.settings.secret.expose_secret(), &message.to, &message.body]
    }

    async fn deliver(&self, message: &SmsMessage) -> SendOutcome {
        if !is_e164(&message.to) {
            let error = ProviderError::new("not_e164", "the number is not in E.164", &[]);
            return SendOutcome::Permanent { cause: PermanentCause::Message, error };
        }
        if let Some(since) = message.earlier_attempt {
            match self.find(message, since).await {
                Ok(Some(id)) => return SendOutcome::Accepted { provider_id: Some(id) },
                Ok(None) if message.repetition == SmsRepetition::Never => {
                    let error = ProviderError::new("not_repeated", "not found, and it must not be sent twice", &[]);
                    return SendOutcome::Ambiguous { cause: AmbiguousCause::NotRepeated, error };
                }
                Ok(None) => {}
                Err(outcome) => return outcome,
            }
        }
        let began = self.time.now();
        match self.post(message).await {
            PostResult::Known(outcome) => outcome,
            PostResult::Unknown(error) => match self.find(message, began).await {
                Ok(Some(id)) => SendOutcome::Accepted { provider_id: Some(id) },
                // It may still appear, so it is not sent again here.
                Ok(None) | Err(_) => SendOutcome::Ambiguous { cause: AmbiguousCause::Interrupted, error },
            },
        }
    }

    /// One request to send.
    async fn post(&self, message: &SmsMessage) -> PostResult {
        let (sender, value) = match &self.settings.sender {
            TwilioSender::Number(number) => ("From", number),
            TwilioSender::MessagingService(sid) => ("MessagingServiceSid", sid),
        };
        let mut form = vec![("To", message.to.as_str()), (sender, value.as_str()), ("Body", message.body.as_str())];
        form.extend(message.status_callback.as_deref().map(|url| ("StatusCallback", url)));
        let validity = message.validity.map(|validity| validity.as_secs().clamp(*VALIDITY.start(), *VALIDITY.end()));
        let validity = validity.map(|seconds| seconds.to_string());
        form.extend(validity.as_deref().map(|seconds| ("ValidityPeriod", seconds)));
        let private = self.private(message);
        let request = self.authorized(self.client.post(self.messages_url.clone()).form(&form));
        let reply = match http::call(request, &private).await {
            Ok(reply) => reply,
            Err(CallFailure::NotSent(error)) => return PostResult::Known(http::unreachable(error)),
            Err(CallFailure::Interrupted(error)) => return PostResult::Unknown(error),
        };
        if reply.status.is_success() {
            let taken = serde_json::from_slice::<TwilioMessage>(&reply.body).ok().and_then(|message| message.sid);
            return match (reply.status, taken) {
                (StatusCode::CREATED | StatusCode::OK, Some(sid)) => {
                    PostResult::Known(SendOutcome::Accepted { provider_id: Some(sid) })
                }
                _ => PostResult::Unknown(ProviderError::new("unexpected_response", "no id of a message", &[])),
            };
        }
        classify::post_result(&reply, self.time.now(), &private)
    }

    /// The id of a message like this that was created since an attempt began; `Ok(None)`: there is none.
    async fn find(&self, message: &SmsMessage, since: SystemTime) -> Result<Option<String>, SendOutcome> {
        lookup::find(self, message, since).await
    }
}

impl SendSms for Twilio {
    fn provider(&self) -> &'static str {
        "twilio"
    }

    fn send_sms<'a>(&'a self, message: &'a SmsMessage) -> Sending<'a> {
        Box::pin(self.deliver(message))
    }
}
