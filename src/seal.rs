//! What the database may hold only sealed or hashed: second factors, codes on their way out, guesses counted.
//!
//! Every purpose has a key of its own, derived from `SEAL_SECRET`; a dump of the database alone opens nothing.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::problem::Problem;

/// What a key is for. A value sealed for one purpose does not open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Counting guesses.
    Guesses,
    /// Codes that reset a password.
    ResetCode,
    /// Codes that prove an address or a number.
    ContactCode,
    /// Tokens of devices that somebody has signed in on.
    LoginDevice,
    /// The keys of second factors.
    SecondFactor,
    /// Codes that stand in for a second factor.
    RecoveryCode,
    /// Tokens of guests.
    GuestToken,
    /// Codes in notifications, and what the stand-in keeps.
    Outbox,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Guesses => b"comanda guesses 1",
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

/// Seals and hashes with the server's secret.
pub struct Seal {
    secret: SecretString,
}

impl Seal {
    /// With `SEAL_SECRET`.
    pub const fn new(secret: SecretString) -> Self {
        Self { secret }
    }

    fn keyed(key: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        Hmac::<Sha256>::new_from_slice(key).expect("any key")
    }

    fn key(&self, purpose: Purpose) -> [u8; 32] {
        let secret = self.secret.expose_secret().as_bytes();
        Self::keyed(secret).chain_update(purpose.label()).finalize().into_bytes().into()
    }

    fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> Hmac<Sha256> {
        // Lengths go in too, so that no two lists of parts run together to the same bytes.
        parts.iter().fold(Self::keyed(&self.key(purpose)), |mac, part| {
            mac.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
        })
    }

    /// HMAC-SHA-256 of the parts.
    pub fn hash(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        self.mac(purpose, parts).finalize().into_bytes().into()
    }

    /// Whether the parts have this hash, compared in constant time.
    pub fn matches(&self, purpose: Purpose, parts: &[&[u8]], hash: &[u8]) -> bool {
        self.mac(purpose, parts).verify_slice(hash).is_ok()
    }

    fn cipher(&self, purpose: Purpose) -> Result<RandomizedNonceKey, Problem> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.key(purpose)).map_err(|error| Problem::internal(&error))
    }

    /// Seals a text for `owner`: AES-256-GCM under a random nonce. It opens for no other owner.
    pub fn close(&self, purpose: Purpose, owner: &[u8], text: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut sealed = text.to_vec();
        let nonce = self
            .cipher(purpose)?
            .seal_in_place_append_tag(Aad::from(owner), &mut sealed)
            .map_err(|error| Problem::internal(&error))?;
        sealed.extend_from_slice(nonce.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed for `owner`.
    ///
    /// # Errors
    /// When it was sealed with another secret, or is not what was written.
    pub fn open(&self, purpose: Purpose, owner: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Problem> {
        let broken = || Problem::internal(&"a sealed value does not open: is SEAL_SECRET the one it was sealed with?");
        let (text, nonce) = sealed.split_last_chunk::<NONCE_LEN>().ok_or_else(broken)?;
        let mut text = text.to_vec();
        let opened = self
            .cipher(purpose)?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(owner), &mut text)
            .map_err(|_| broken())?;
        Ok(opened.to_vec())
    }
}
