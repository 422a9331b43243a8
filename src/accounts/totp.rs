//! Codes of an authenticator app: TOTP (RFC 6238) with the parameters that all apps support: six digits, HMAC-SHA-1,
//! steps of thirty seconds. The algorithm comes from totp-rs; that a code is accepted once is decided here. Setting up
//! a second factor and its recovery codes are in `http/second_factor.rs`, the check of a code or recovery code in
//! `actions/second_factor.rs`.

use chrono::{DateTime, Utc};
use totp_rs::{Builder, Secret, Totp, TotpError};

/// The length of a key in bytes: RFC 4226 recommends 160 bits.
pub const KEY_LENGTH: usize = 20;
/// The length of a time step in seconds.
pub const STEP: i64 = 30;

/// A code one step early or late is accepted, which is totp-rs's default: clocks differ, and typing takes time.
fn authenticator(key: &[u8]) -> Builder {
    Builder::new().with_secret(key.to_vec())
}

/// Seconds since 1970; earlier instants have none.
fn seconds(now: DateTime<Utc>) -> u64 {
    now.timestamp().try_into().unwrap_or_default()
}

/// The time step of an instant.
pub fn step_at(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(STEP)
}

/// The code of a step.
pub fn code(key: &[u8], step: i64) -> String {
    let begins = u64::try_from(step * STEP).unwrap_or_default();
    authenticator(key).build_noncompliant().generate(begins).to_string()
}

/// The step that a code belongs to, if the code is accepted now and no code of this step or a later one was accepted
/// before.
pub fn step_of(key: &[u8], given: &str, now: DateTime<Utc>, last_step: i64) -> Option<i64> {
    let totp: Totp = authenticator(key).build_noncompliant();
    let step = totp.check(given, seconds(now))?;
    i64::try_from(step).ok().filter(|step| *step > last_step)
}

/// Base32 of RFC 4648 without padding, the form in which keys are entered in apps.
pub fn base32(bytes: &[u8]) -> String {
    Secret::new(bytes.into()).to_base32()
}

/// The `otpauth://` URI of a key, shown to apps as a QR code.
///
/// # Errors
/// When the key is shorter than [`KEY_LENGTH`].
pub fn uri(key: &[u8], email: &str) -> Result<String, TotpError> {
    // A colon separates issuer and account in the URI.
    authenticator(key).with_issuer(Some("Comanda")).with_account_name(email.replace(':', " ")).build()?.to_url()
}
