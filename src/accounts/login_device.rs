//! Device tokens: a device gets one after a sign-in and sends it with the next one. The token does not sign in; it
//! gives the device its own attempts at the password, which others cannot use up (OWASP, "Slow Down Online Guessing
//! Attacks with Device Cookies"; ASVS 6.1.1).
//!
//! Tokens are not stored. A token is bound to an e-mail address, not to an account, so that checking it does not show
//! whether the account exists and always takes the same time. It becomes void when all sessions of the account are
//! ended, for example by a new password or a recovery, so that somebody who once knew the password cannot use tokens
//! from that time. The token contains the time at which the sessions were last ended, so that the queue for password
//! hashing (`hash_queue.rs`) recognises devices without a query.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};

use super::Email;
use crate::encryption::{Encryption, KeyPurpose};

/// Marks the token for people and for scanners that look for leaked secrets.
const PREFIX: &str = "dt_";
/// How long a device counts as known after its last sign-in.
const LIFE: TimeDelta = TimeDelta::days(180);

/// A random name of a device, to which its counters of attempts belong.
pub type DeviceName = [u8; 16];

/// When all sessions of the account were last ended; `None`: never. Device tokens are bound to it.
pub type SessionsEnded = Option<DateTime<Utc>>;

/// A new token for a device after a sign-in with this address. `ended` must be read together with the password hash
/// that the sign-in was checked against, so that a token is void after a concurrent change of the password.
pub fn issue(encryption: &Encryption, email: &Email, ended: SessionsEnded, now: DateTime<Utc>) -> String {
    let name: DeviceName = rand::random();
    let issued = now.timestamp().to_be_bytes();
    let ended = state(ended);
    let mac = encryption.hash(KeyPurpose::LoginDevice, &[email.as_str().as_bytes(), &name, &issued, &ended]);
    let bytes = [name.as_slice(), &issued, &ended, &mac].concat();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn state(ended: SessionsEnded) -> [u8; 8] {
    ended.map_or(0, |ended| ended.timestamp_micros()).to_be_bytes()
}

/// A token that this server has made for an address, and that is not too old.
#[derive(Debug, Clone, Copy)]
pub struct DeviceToken {
    name: DeviceName,
    ended: [u8; 8],
}

impl DeviceToken {
    /// Reads a token that was made for this address; nothing is looked up for it.
    pub fn read(encryption: &Encryption, email: &Email, token: &str, now: DateTime<Utc>) -> Option<Self> {
        let bytes: [u8; 64] = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?.try_into().ok()?;
        let (name, rest) = bytes.split_first_chunk::<16>()?;
        let (issued, rest) = rest.split_first_chunk::<8>()?;
        let (ended, mac) = rest.split_first_chunk::<8>()?;
        if !encryption.matches(KeyPurpose::LoginDevice, &[email.as_str().as_bytes(), name, issued, ended], mac) {
            return None;
        }
        let issued = DateTime::from_timestamp(i64::from_be_bytes(*issued), 0)?;
        (now - issued < LIFE).then_some(Self { name: *name, ended: *ended })
    }

    /// The device, if all sessions of the account have not been ended since the token was made.
    pub fn device(self, ended: SessionsEnded) -> Option<DeviceName> {
        (self.ended == state(ended)).then_some(self.name)
    }
}
