//! Refresh tokens: the id of a session and a number, signed. Only the number is stored, so a dump of the database
//! contains no token, and the response to a refresh can be repeated, byte for byte, when it was lost.
//!
//! A refresh increments the number. A client that sends the previous number either did not receive the response, in
//! which case the new tokens have not been used, or has a copy of the token. An older number is always a copy, and ends
//! the session (RFC 9700, section 4.14.2). The statement that compares it is `refresh` in `sql/sessions.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use uuid::Uuid;

use crate::ids::SessionId;

/// Marks the token for people and for scanners that look for leaked secrets.
const PREFIX: &str = "rt_";
/// Session, number, signature.
const LENGTH: usize = 16 + 4 + SIGNATURE;
/// HMAC-SHA-256, cut to 128 bits.
const SIGNATURE: usize = 16;
/// For this time after a refresh, the previous number is accepted even if the new tokens were used: concurrent and
/// repeated requests may carry it.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// Issues and reads refresh tokens.
pub struct RefreshTokens {
    /// The first key signs; the second, if any, is the previous key, which still verifies.
    keys: Vec<SecretString>,
}

/// The content of a token with a valid signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// The session that the token names.
    pub session: SessionId,
    /// The number of the session when the token was issued.
    pub counter: i32,
}

impl RefreshTokens {
    /// Signs with `secret`; tokens signed with `previous` are still accepted.
    pub fn new(secret: &SecretString, previous: Option<&SecretString>) -> Self {
        Self { keys: std::iter::once(secret).chain(previous).cloned().collect() }
    }

    /// The token of a session at this number, always the same text.
    pub fn issue(&self, session: SessionId, counter: i32) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(session.uuid().as_bytes());
        bytes.extend_from_slice(&counter.to_be_bytes());
        if let Some(signature) = self.keys.first().and_then(|key| sign(key, &bytes)) {
            bytes.extend_from_slice(&signature.finalize().into_bytes()[..SIGNATURE]);
        }
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The content of a token; `None`: its signature is invalid.
    pub fn read(&self, token: &str) -> Option<Presented> {
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?.try_into().ok()?;
        let (claim, signature) = bytes.split_at(LENGTH - SIGNATURE);
        let is_signed_by = |key| sign(key, claim).is_some_and(|mac| mac.verify_truncated_left(signature).is_ok());
        if !self.keys.iter().any(is_signed_by) {
            return None;
        }
        let (session, counter) = claim.split_at(16);
        Some(Presented {
            session: SessionId::from_uuid(Uuid::from_slice(session).ok()?),
            counter: i32::from_be_bytes(counter.try_into().ok()?),
        })
    }
}

/// Each session has its own key, derived from the secret, so a signature shows nothing about those of other sessions.
fn sign(secret: &SecretString, claim: &[u8]) -> Option<Hmac<Sha256>> {
    let (session, counter) = claim.split_at(16);
    let derive = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    let key = derive.chain_update(b"comanda refresh token").chain_update(session).finalize().into_bytes();
    Some(Hmac::<Sha256>::new_from_slice(&key).ok()?.chain_update(counter))
}

/// The state of a session's refresh tokens.
#[derive(Debug, Clone, Copy)]
pub struct TokenState {
    /// Number of the session's current refresh token.
    pub counter: i32,
    /// The highest number whose access token was used.
    pub confirmed: i32,
    /// When the number was last incremented.
    pub refreshed_at: DateTime<Utc>,
}

/// The decision on a token that does not carry the session's current number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshDecision {
    /// The response was lost, or is still under way: it is repeated.
    AnswerLost,
    /// A copy of the token is in use.
    Replayed,
}

impl TokenState {
    /// Decides on a token with another number than the current one.
    pub fn decide(&self, presented: i32, now: DateTime<Utc>) -> RefreshDecision {
        let is_the_one_before = self.counter.checked_sub(presented) == Some(1);
        let is_unproven = self.confirmed < self.counter || now - self.refreshed_at <= GRACE;
        if is_the_one_before && is_unproven { RefreshDecision::AnswerLost } else { RefreshDecision::Replayed }
    }
}
