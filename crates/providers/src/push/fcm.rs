//! Firebase Cloud Messaging, HTTP v1 API.
//!
//! <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send>, and the discovery document of
//! `fcm.googleapis.com`, revision 20261023. A service account signs in with OAuth 2.0 (`access_token.rs`); what each
//! error means is in `classify.rs`.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{PushMessage, PushTarget, PushUrgency, SendPush, topic};
use crate::http::{self, CallFailure, InvalidSettings};
use crate::outcome::{PermanentCause, ProviderError, RetryCause, SendOutcome, Sending};
use crate::time_source::TimeSource;

mod access_token;
mod classify;

use access_token::AccessTokens;

/// The base URL of the API at Google.
pub const BASE_URL: &str = "https://fcm.googleapis.com";
/// The URL of access tokens at Google.
pub const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

/// The most bytes of title, text and data together.
const LARGEST_MESSAGE: usize = 4096;
/// The longest time for which a message is kept.
const LONGEST_TTL: Duration = Duration::from_hours(28 * 24);

/// A Firebase project and its service account.
#[derive(Debug, Clone)]
pub struct FcmSettings {
    /// The id of the project (`project_id` of the service account's key file).
    pub project_id: String,
    /// The e-mail address of the service account (`client_email`).
    pub client_email: String,
    /// The private key of the service account in PEM (`private_key`); `\n` may be written as two characters, as in
    /// files of variables.
    pub private_key: SecretString,
    /// The base URL of the API: [`BASE_URL`], or that of a fake.
    pub base_url: String,
    /// The URL of access tokens: [`TOKEN_URL`], or that of a fake. It is also the audience of the assertion.
    pub token_url: String,
    /// The time limit of one request, of which a message needs up to four; Google recommends at least 10 seconds.
    pub timeout: Duration,
    /// Whether messages are only checked by Google, and not delivered.
    pub validate_only: bool,
}

/// The client of one project. It has one access token for all its messages.
pub struct Fcm {
    send_url: Url,
    client: reqwest::Client,
    tokens: AccessTokens,
    time: TimeSource,
    validate_only: bool,
}

impl fmt::Debug for Fcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fcm").field("send_url", &self.send_url.as_str()).finish_non_exhaustive()
    }
}

impl Fcm {
    /// Creates the client; it asks for an access token with the first message.
    ///
    /// # Errors When a URL is neither https nor on loopback, the key is not an RSA key of at least 2048 bits in PEM, or
    /// the id of the project is not one.
    pub fn new(settings: &FcmSettings, time: TimeSource) -> Result<Self, InvalidSettings> {
        let project = settings.project_id.as_str();
        let is_id = |sign: char| sign.is_ascii_alphanumeric() || "-.:_".contains(sign);
        if project.is_empty() || !project.chars().all(is_id) {
            return Err(InvalidSettings("the id of the Firebase project is empty or contains other characters".into()));
        }
        let base = http::base_url("the URL of Firebase Cloud Messaging", &settings.base_url)?;
        let client = http::client(settings.timeout)?;
        let tokens = AccessTokens::new(settings, client.clone(), time.clone())?;
        let send_url = http::join(&base, &["v1", "projects", project, "messages:send"]);
        Ok(Self { send_url, client, tokens, time, validate_only: settings.validate_only })
    }

    async fn deliver(&self, message: &PushMessage) -> SendOutcome {
        let size: usize = message.data.iter().map(|(key, value)| key.len() + value.len()).sum();
        if size + message.title.len() + message.body.len() > LARGEST_MESSAGE {
            let error = ProviderError::new("message_too_large", "more than 4096 bytes", &[]);
            return SendOutcome::Permanent { cause: PermanentCause::Message, error };
        }
        let body = self.body(message);
        let mut refused = None;
        loop {
            let token = match self.tokens.get(refused).await {
                Ok(token) => token,
                Err(outcome) => return outcome,
            };
            let secret = token.value.expose_secret();
            let private = [secret, message.target.as_str()];
            let request = self.client.post(self.send_url.clone()).bearer_auth(secret).json(&body);
            let reply = match http::call(request, &private).await {
                Ok(reply) => reply,
                Err(CallFailure::NotSent(error)) => return http::unreachable(error),
                // A repetition replaces the first message on the device.
                Err(CallFailure::Interrupted(error)) => {
                    return SendOutcome::RetryLater { after: None, cause: RetryCause::ProviderFailure, error };
                }
            };
            if refused.is_none() && classify::refuses_access_token(&reply) {
                refused = Some(token.number);
                continue;
            }
            return classify::outcome(&reply, self.time.now(), &private);
        }
    }

    /// The body of the request, in the names of the discovery document.
    fn body(&self, message: &PushMessage) -> Value {
        let PushMessage { target, collapse_id, title, body, data, ttl, urgency, link } = message;
        let seconds = (*ttl).min(LONGEST_TTL).as_secs();
        let is_high = *urgency == PushUrgency::High;
        let collapse_apns = if collapse_id.len() > 64 { topic(collapse_id) } else { collapse_id.clone() };
        let mut sent = json!({
            "notification": { "title": title, "body": body },
            "data": data,
            "android": {
                "priority": if is_high { "HIGH" } else { "NORMAL" },
                "ttl": format!("{seconds}s"),
                "collapseKey": collapse_id,
            },
            "apns": {
                "headers": {
                    "apns-priority": if is_high { "10" } else { "5" },
                    "apns-collapse-id": collapse_apns,
                    "apns-expiration": if seconds == 0 { "0".to_owned() } else {
                        (self.time.unix_seconds() + seconds).to_string()
                    },
                },
                "payload": { "aps": if is_high { json!({ "sound": "default" }) } else { json!({}) } },
            },
            "webpush": { "headers": {
                "TTL": seconds.to_string(),
                "Urgency": if is_high { "high" } else { "normal" },
                "Topic": topic(collapse_id),
            } },
        });
        let field = match target {
            PushTarget::RegistrationToken(_) => "token",
            PushTarget::InstallationId(_) => "fid",
        };
        sent[field] = target.as_str().into();
        if let Some(link) = link {
            sent["webpush"]["fcmOptions"] = json!({ "link": link });
        }
        let mut whole = json!({ "message": sent });
        if self.validate_only {
            whole["validateOnly"] = true.into();
        }
        whole
    }
}

impl SendPush for Fcm {
    fn provider(&self) -> &'static str {
        "fcm"
    }

    fn send_push<'a>(&'a self, message: &'a PushMessage) -> Sending<'a> {
        Box::pin(self.deliver(message))
    }
}
