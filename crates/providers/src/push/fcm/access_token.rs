//! The access token of a service account: requested with a signed assertion, kept until shortly before its end.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest> (RFC 7523). At any time at most
//! one request is under way; messages that need its token wait for it, and share its failure too.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::RsaKeyPair;
use reqwest::Url;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::FcmSettings;
use crate::http::{self, InvalidSettings, UNREACHABLE_PAUSE, account_refused, unreachable};
use crate::jws;
use crate::outcome::{ProviderError, SendOutcome, UnavailableCause};
use crate::time_source::TimeSource;

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long an assertion is valid; Google accepts at most an hour.
const ASSERTION_LIFE: u64 = 3600;
/// How far in the past an assertion begins, in seconds, because Google's clock may be behind ours.
const CLOCK_SKEW: u64 = 10;
/// How long before its end a token is replaced.
const REFRESH_BEFORE: Duration = Duration::from_mins(5);
/// How long a valid token is used before the next try to replace it, if it could not be replaced.
const REFRESH_PAUSE: Duration = Duration::from_secs(30);
/// The longest life of a token that is believed.
const LONGEST_LIFE: Duration = Duration::from_hours(1);

/// An access token.
#[derive(Clone)]
pub(super) struct AccessToken {
    pub value: SecretString,
    /// Tokens are numbered in the order of their requests.
    pub number: u64,
    expires: SystemTime,
    /// When it is replaced.
    refresh: SystemTime,
}

/// The last result of a request.
#[derive(Default)]
struct TokenCache {
    token: Option<AccessToken>,
    failure: Option<SendOutcome>,
    /// When a token that is still valid may be replaced again, after it could not be.
    refresh_again: Option<SystemTime>,
}

/// The access tokens of one service account.
pub(super) struct AccessTokens {
    client: reqwest::Client,
    client_email: String,
    key: RsaKeyPair,
    token_url: Url,
    time: TimeSource,
    cache: Mutex<TokenCache>,
    /// The number of requests that have ended.
    ended: AtomicU64,
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokens").field("client_email", &self.client_email).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: SecretString,
    expires_in: u64,
}

/// An error of OAuth 2.0 (RFC 6749, 5.2).
#[derive(Deserialize)]
struct OAuthError {
    error: String,
    #[serde(default)]
    error_description: String,
}

fn read_key(pem: &SecretString) -> Result<RsaKeyPair, InvalidSettings> {
    let invalid = || InvalidSettings("the private key of the service account is not an RSA key in PEM".into());
    let pem = pem.expose_secret().replace("\\n", "\n");
    let key = match PrivateKeyDer::from_pem_slice(pem.trim_matches(['"', ' ', '\n']).as_bytes()) {
        Ok(PrivateKeyDer::Pkcs8(key)) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        Ok(PrivateKeyDer::Pkcs1(key)) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        _ => return Err(invalid()),
    };
    key.map_err(|_| invalid())
}

impl AccessTokens {
    pub(super) fn new(
        settings: &FcmSettings,
        client: reqwest::Client,
        time: TimeSource,
    ) -> Result<Self, InvalidSettings> {
        Ok(Self {
            client,
            client_email: settings.client_email.clone(),
            key: read_key(&settings.private_key)?,
            token_url: http::base_url("the URL of access tokens", &settings.token_url)?,
            time,
            cache: Mutex::default(),
            ended: AtomicU64::new(0),
        })
    }

    /// A valid token, other than the refused one. `Err`: what the send came to.
    pub(super) async fn get(&self, refused: Option<u64>) -> Result<AccessToken, SendOutcome> {
        let ended_before = self.ended.load(Ordering::SeqCst);
        let mut cache = self.cache.lock().await;
        let now = self.time.now();
        let known = cache.token.clone().filter(|token| token.expires > now && Some(token.number) != refused);
        if let Some(token) = &known
            && (now < token.refresh || cache.refresh_again.is_some_and(|again| now < again))
        {
            return Ok(token.clone());
        }
        let number = self.ended.load(Ordering::SeqCst);
        // A request that ended while this message waited has failed for it too.
        let shared = cache.failure.clone().filter(|_| number > ended_before);
        let result = if let Some(failure) = shared {
            Err(failure)
        } else {
            let result = self.request(number).await;
            self.ended.fetch_add(1, Ordering::SeqCst);
            result
        };
        match result {
            Ok(token) => {
                *cache = TokenCache { token: Some(token.clone()), ..TokenCache::default() };
                Ok(token)
            }
            Err(failure) => {
                cache.failure = Some(failure.clone());
                cache.refresh_again = Some(now + REFRESH_PAUSE);
                // Until its end the old one can still be used.
                known.ok_or(failure)
            }
        }
    }

    fn assertion(&self) -> Result<String, SendOutcome> {
        let now = self.time.unix_seconds();
        let issued = now.saturating_sub(CLOCK_SKEW);
        let claims = json!({
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": self.token_url.as_str(),
            "iat": issued,
            "exp": issued + ASSERTION_LIFE,
        });
        jws::rs256(&self.key, &claims)
            .map_err(|error| account_refused(ProviderError::new("signing", &error.to_string(), &[])))
    }

    async fn request(&self, number: u64) -> Result<AccessToken, SendOutcome> {
        let assertion = self.assertion()?;
        let form = [("grant_type", GRANT_TYPE), ("assertion", assertion.as_str())];
        let asked_at = self.time.now();
        let private = [assertion.as_str()];
        let reply = match http::call(self.client.post(self.token_url.clone()).form(&form), &private).await {
            Ok(reply) => reply,
            // No message was sent, whatever became of this request.
            Err(failure) => return Err(unreachable(failure.into_error())),
        };
        let status = reply.status.as_u16();
        if status == 200 {
            let read = serde_json::from_slice::<TokenResponse>(&reply.body);
            let unreadable = |_| unreachable(ProviderError::new("unexpected_response", "not an access token", &[]));
            let TokenResponse { access_token, expires_in } = read.map_err(unreadable)?;
            let life = Duration::from_secs(expires_in).min(LONGEST_LIFE);
            let refresh = asked_at + life.saturating_sub(REFRESH_BEFORE.min(life / 2));
            return Ok(AccessToken { value: access_token, number, expires: asked_at + life, refresh });
        }
        let error = match serde_json::from_slice::<OAuthError>(&reply.body) {
            Ok(said) => ProviderError::new(said.error, &said.error_description, &private),
            Err(_) => reply.plain_error(),
        };
        Err(match status {
            400..=428 | 430..=499 if status != 408 => account_refused(error),
            _ => {
                let after = reply.retry_after(self.time.now()).unwrap_or(UNREACHABLE_PAUSE);
                SendOutcome::Unavailable { after, cause: UnavailableCause::Unreachable, error }
            }
        })
    }
}
