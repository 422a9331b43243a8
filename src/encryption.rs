//! Encryption and keyed hashes of secrets in the database: second factors, codes to be sent, tokens.
//!
//! Each purpose has its own key, derived from `SEAL_SECRET`; with a dump of the database alone nothing can be
//! decrypted.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::problem::Problem;

/// What a key is used for. A value encrypted for one purpose cannot be decrypted for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    /// Keys of the counters of attempts at passwords and codes, and of networks.
    AttemptLimits,
    /// Codes that reset a password.
    ResetCode,
    /// Codes that verify an address or a number.
    ContactCode,
    /// Tokens of devices that have signed in before.
    LoginDevice,
    /// TOTP keys of second factors.
    SecondFactor,
    /// Recovery codes, which replace a second factor.
    RecoveryCode,
    /// Tokens of guests, who have no account.
    GuestToken,
    /// Codes in notifications, and the messages that the local stand-in keeps.
    Outbox,
}

impl KeyPurpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::AttemptLimits => b"comanda attempt limits 1",
            Self::ResetCode => b"comanda reset code 1",
            Self::ContactCode => b"comanda contact code 1",
            Self::LoginDevice => b"comanda login device 1",
            Self::SecondFactor => b"comanda second factor 1",
            Self::RecoveryCode => b"comanda recovery code 1",
            Self::GuestToken => b"comanda guest token 1",
            Self::Outbox => b"comanda outbox 1",
        }
    }
}

/// Encrypts and hashes with keys derived from the server's secret.
pub struct Encryption {
    secret: SecretString,
}

impl Encryption {
    /// Takes the value of `SEAL_SECRET`, the same on every node.
    pub const fn new(secret: SecretString) -> Self {
        Self { secret }
    }

    fn keyed(key: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        Hmac::<Sha256>::new_from_slice(key).expect("any key")
    }

    fn key(&self, purpose: KeyPurpose) -> [u8; 32] {
        let secret = self.secret.expose_secret().as_bytes();
        Self::keyed(secret).chain_update(purpose.label()).finalize().into_bytes().into()
    }

    fn mac(&self, purpose: KeyPurpose, parts: &[&[u8]]) -> Hmac<Sha256> {
        // Lengths are included, so that two different lists of parts never give the same bytes.
        parts.iter().fold(Self::keyed(&self.key(purpose)), |mac, part| {
            mac.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
        })
    }

    /// HMAC-SHA-256 of the parts, in which their lengths are included.
    pub fn hash(&self, purpose: KeyPurpose, parts: &[&[u8]]) -> [u8; 32] {
        self.mac(purpose, parts).finalize().into_bytes().into()
    }

    /// Whether the parts have this hash, compared in constant time.
    pub fn matches(&self, purpose: KeyPurpose, parts: &[&[u8]], hash: &[u8]) -> bool {
        self.mac(purpose, parts).verify_slice(hash).is_ok()
    }

    fn cipher(&self, purpose: KeyPurpose) -> Result<RandomizedNonceKey, Problem> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.key(purpose)).map_err(|error| Problem::internal(&error))
    }

    /// Encrypts `text` with AES-256-GCM under a random nonce, which is appended. `owner` is authenticated: the result
    /// is decrypted for the same owner only.
    pub fn encrypt(&self, purpose: KeyPurpose, owner: &[u8], text: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut encrypted = text.to_vec();
        let nonce = self
            .cipher(purpose)?
            .seal_in_place_append_tag(Aad::from(owner), &mut encrypted)
            .map_err(|error| Problem::internal(&error))?;
        encrypted.extend_from_slice(nonce.as_ref());
        Ok(encrypted)
    }

    /// Decrypts what was encrypted for `owner`.
    ///
    /// # Errors
    /// When it was encrypted with another secret, for another purpose or owner, or was altered.
    pub fn decrypt(&self, purpose: KeyPurpose, owner: &[u8], encrypted: &[u8]) -> Result<Vec<u8>, Problem> {
        let broken =
            || Problem::internal(&"a value cannot be decrypted: is SEAL_SECRET the one it was encrypted with?");
        let (text, nonce) = encrypted.split_last_chunk::<NONCE_LEN>().ok_or_else(broken)?;
        let mut text = text.to_vec();
        let opened = self
            .cipher(purpose)?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(owner), &mut text)
            .map_err(|_| broken())?;
        Ok(opened.to_vec())
    }
}
