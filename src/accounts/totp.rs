//! Codes of an authenticator app: TOTP (RFC 6238), six digits of HMAC-SHA-1 every thirty seconds, as every app has it.
//!
//! The algorithm is a page long and its vectors are public, so it is written out here rather than taken from a crate
//! that brings an older generation of the same hash functions along.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use chrono::{DateTime, Utc};

/// Bytes of a key: RFC 4226 asks for 160 bits.
pub const KEY_LENGTH: usize = 20;
/// Seconds a code is shown.
pub const STEP: i64 = 30;
/// A code one step early or late is taken: clocks differ, and typing takes time.
const SKEW: i64 = 1;
const MODULUS: u32 = 1_000_000;

/// The step an instant lies in.
pub fn step_at(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(STEP)
}

/// The code of a step.
#[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "HMAC takes a key of any length")]
pub fn code(key: &[u8], step: i64) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(key).expect("any key").chain_update(step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[digest.len() - 1] & 0xf);
    let word = digest[offset..offset + 4].iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
    format!("{:06}", (word & 0x7fff_ffff) % MODULUS)
}

/// The step whose code this is, if it is one that may be given now and was not given before.
pub fn step_of(key: &[u8], given: &str, now: DateTime<Utc>, last_step: i64) -> Option<i64> {
    let current = step_at(now);
    // All are compared, so that the time it takes does not tell which one fits.
    (current - SKEW..=current + SKEW)
        .filter(|step| *step > last_step)
        .fold(None, |found, step| if same(&code(key, step), given) { Some(step) } else { found })
}

fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// RFC 4648's base32 without padding: how keys are typed and how apps read them.
pub fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |index: usize| bytes.get(index / 8).is_some_and(|byte| byte >> (7 - index % 8) & 1 == 1);
    let digit = |first: usize| (first..first + 5).fold(0, |digit, index| digit << 1 | usize::from(bit(index)));
    (0..bytes.len() * 8).step_by(5).map(|first| char::from(ALPHABET[digit(first)])).collect()
}

/// What an app reads from a QR code.
pub fn uri(key: &[u8], email: &str) -> String {
    let account: String = email
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'@' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("otpauth://totp/Comanda:{account}?secret={}&issuer=Comanda&algorithm=SHA1&digits=6&period=30", base32(key))
}
