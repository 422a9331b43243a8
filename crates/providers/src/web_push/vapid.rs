//! Our key for Web Push, and the header with which we say who sends (VAPID, RFC 8292).

use std::fmt;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::encryption::decode;
use crate::http::InvalidSettings;
use crate::jws;
use crate::time_source::TimeSource;

/// How long a header is valid, in seconds; push services accept at most a day.
const LIFE: u64 = 12 * 3600;

/// A key on P-256. Subscriptions are made for its public part: with another key they cannot be used any more, so it has
/// to be kept.
pub struct VapidKey {
    key: EcdsaKeyPair,
    private: SecretString,
    public: String,
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VapidKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl VapidKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, InvalidSettings> {
        let failed = |_| InvalidSettings("a key for Web Push could not be made".into());
        let key = PrivateKey::generate(&ECDH_P256).map_err(failed)?;
        let private: EcPrivateKeyBin<'_> = key.as_be_bytes().map_err(failed)?;
        Self::read(&URL_SAFE_NO_PAD.encode(private.as_ref()).into())
    }

    /// Reads a key: 32 bytes in base64url, as [`VapidKey::private`] and other tools for VAPID write it.
    ///
    /// # Errors
    /// When it is no private key on P-256.
    pub fn read(private: &SecretString) -> Result<Self, InvalidSettings> {
        let invalid = || InvalidSettings("the key for Web Push must be 32 bytes in base64url".into());
        let bytes: [u8; 32] = decode(private.expose_secret().trim()).ok_or_else(invalid)?;
        let agreement = PrivateKey::from_private_key(&ECDH_P256, &bytes).map_err(|_| invalid())?;
        let public = agreement.compute_public_key().map_err(|_| invalid())?;
        let key =
            EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, public.as_ref());
        let public = URL_SAFE_NO_PAD.encode(public.as_ref());
        Ok(Self { key: key.map_err(|_| invalid())?, private: URL_SAFE_NO_PAD.encode(bytes).into(), public })
    }

    /// The private key, to be kept.
    pub const fn private(&self) -> &SecretString {
        &self.private
    }

    /// The public key in base64url, which pages pass to `pushManager.subscribe` as `applicationServerKey`.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The header `Authorization` for a push service. `None`: the key cannot sign.
    pub(super) fn authorization(&self, origin: &str, subject: &str, time: &TimeSource) -> Option<String> {
        let claims = json!({ "aud": origin, "exp": time.unix_seconds() + LIFE, "sub": subject });
        let token = jws::es256(&self.key, &claims).ok()?;
        Some(format!("vapid t={token}, k={}", self.public))
    }
}
