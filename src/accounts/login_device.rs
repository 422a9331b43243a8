//! Device tokens: what a device is given after a sign-in, and sends with the next one. It lets nobody in; whoever brings
//! one has tries at the password of their own, which a crowd of strangers cannot use up (OWASP, "Slow Down Online
//! Guessing Attacks with Device Cookies"; ASVS 6.1.1).
//!
//! Nothing of them is stored. A token names an address, not an account, so that looking at it tells nothing about
//! whether there is one, and takes as long. It is void as soon as all sessions of the account are ended, as by a new
//! password or a recovery: whoever once knew the password cannot have made some for later. When that was stands in the
//! token, so that the queue for hashing (`hash_queue.rs`) knows its devices without a question to the database.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};

use super::Email;
use crate::encryption::{Encryption, KeyPurpose};

/// Marks the token for people and for scanners that look for leaked secrets.
const PREFIX: &str = "dt_";
/// How long a device counts as known after its last sign-in.
const LIFE: TimeDelta = TimeDelta::days(180);

/// A device, as far as counts are kept for it: random.
pub type DeviceName = [u8; 16];

/// When all sessions of the account were ended last, `None` if never: what a token is bound to.
pub type SessionsEnded = Option<DateTime<Utc>>;

/// A new token for a device on which somebody has signed in with this address. `ended` was read together with what the
/// sign-in was checked against, so that a token never is newer than the password it was given for.
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
