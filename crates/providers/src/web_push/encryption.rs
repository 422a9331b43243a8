//! Encryption for a browser: RFC 8291, in the content coding `aes128gcm` of RFC 8188 with one record.

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::InvalidSubscription;

/// The bytes of a public key on P-256 in uncompressed form.
pub(crate) const PUBLIC_KEY: usize = 65;
const AUTH_SECRET: usize = 16;
const SALT: usize = 16;
const TAG: usize = 16;
/// The record size, which is also the most bytes of a body that push services take (RFC 8291, 4).
const RECORD: u32 = 4096;
/// The bytes before the record: salt, record size, length of the key, key.
pub(crate) const HEADER: usize = SALT + 4 + 1 + PUBLIC_KEY;
/// Ends the last record.
const LAST: u8 = 2;
/// The most bytes of a message.
pub const LARGEST_PAYLOAD: usize = RECORD as usize - HEADER - 1 - TAG;

/// The keys of a subscription: a public key of the browser, and a secret that it shares with us.
#[derive(Clone, PartialEq, Eq)]
pub struct SubscriptionKeys {
    pub(crate) public: [u8; PUBLIC_KEY],
    pub(crate) auth: [u8; AUTH_SECRET],
}

impl fmt::Debug for SubscriptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubscriptionKeys([REDACTED])")
    }
}

/// Base64url, with or without padding; old browsers wrote plain base64.
pub(crate) fn decode<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

impl SubscriptionKeys {
    /// Reads `p256dh` and `auth` of a subscription.
    ///
    /// # Errors
    /// When the key is not a point on P-256, or the secret has another length.
    pub fn read(p256dh: &str, auth: &str) -> Result<Self, InvalidSubscription> {
        let public = decode(p256dh).ok_or(InvalidSubscription::PublicKey)?;
        let auth = decode(auth).ok_or(InvalidSubscription::AuthSecret)?;
        let keys = Self { public, auth };
        // A point that is not on the curve cannot be agreed with.
        let own = PrivateKey::generate(&ECDH_P256).map_err(|_| InvalidSubscription::PublicKey)?;
        let is_point = public[0] == 4 && agreed(&own, &keys.public).is_some();
        if is_point { Ok(keys) } else { Err(InvalidSubscription::PublicKey) }
    }
}

/// Why a message could not be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionFailure {
    /// It has more than [`LARGEST_PAYLOAD`] bytes.
    #[error("a message has at most 3993 bytes")]
    TooLarge,
    /// The keys of the subscription or the system's random numbers cannot be used.
    #[error("the message could not be encrypted")]
    Keys,
}

fn agreed(own: &PrivateKey, other: &[u8]) -> Option<Vec<u8>> {
    agree(own, UnparsedPublicKey::new(&ECDH_P256, other), (), |secret| Ok(secret.to_vec())).ok()
}

/// The length of a derived key.
struct KeyLength(usize);

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const LENGTH: usize>(key: &Prk, info: &[&[u8]]) -> Option<[u8; LENGTH]> {
    let mut derived = [0; LENGTH];
    key.expand(info, KeyLength(LENGTH)).ok()?.fill(&mut derived).ok()?;
    Some(derived)
}

/// The key and the nonce of the only record, derived by the side that has `own`.
pub(crate) fn record_key(
    own: &PrivateKey,
    other: &[u8],
    browser: &SubscriptionKeys,
    server: &[u8],
    salt: &[u8],
) -> Option<(LessSafeKey, Nonce)> {
    let shared = agreed(own, other)?;
    let of_pair = Salt::new(HKDF_SHA256, &browser.auth).extract(&shared);
    let material: [u8; 32] = expand(&of_pair, &[b"WebPush: info\0", &browser.public, server])?;
    let of_message = Salt::new(HKDF_SHA256, salt).extract(&material);
    let key: [u8; 16] = expand(&of_message, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce: [u8; 12] = expand(&of_message, &[b"Content-Encoding: nonce\0"])?;
    let key = UnboundKey::new(&AES_128_GCM, &key).ok()?;
    Some((LessSafeKey::new(key), Nonce::assume_unique_for_key(nonce)))
}

fn seal(payload: &[u8], browser: &SubscriptionKeys, own: &PrivateKey, salt: [u8; SALT]) -> Option<Vec<u8>> {
    let server = own.compute_public_key().ok()?;
    let server = server.as_ref();
    let (key, nonce) = record_key(own, &browser.public, browser, server, &salt)?;
    let mut record = payload.to_vec();
    record.push(LAST);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).ok()?;
    let length = u8::try_from(server.len()).ok()?;
    Some([salt.as_slice(), &RECORD.to_be_bytes(), &[length], server, &record].concat())
}

/// The body of a message for a browser. Each has a key and a salt of its own.
///
/// # Errors
/// When the message is too large, or the keys cannot be used.
pub fn encrypt(payload: &[u8], browser: &SubscriptionKeys) -> Result<Vec<u8>, EncryptionFailure> {
    if payload.len() > LARGEST_PAYLOAD {
        return Err(EncryptionFailure::TooLarge);
    }
    let own = PrivateKey::generate(&ECDH_P256).map_err(|_| EncryptionFailure::Keys)?;
    let mut salt = [0; SALT];
    rand::fill(&mut salt).map_err(|_| EncryptionFailure::Keys)?;
    seal(payload, browser, &own, salt).ok_or(EncryptionFailure::Keys)
}

/// The body with a given private key (32 bytes) and salt (16 bytes), to compare it with a vector. `None`: a key cannot
/// be used. Using a key and a salt twice would reveal both messages.
#[cfg(feature = "testing")]
pub fn encrypt_with(payload: &[u8], browser: &SubscriptionKeys, own: &[u8], salt: [u8; 16]) -> Option<Vec<u8>> {
    seal(payload, browser, &PrivateKey::from_private_key(&ECDH_P256, own).ok()?, salt)
}
