//! A guest's token: `gt_` and 256 random bits.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::encryption::{Encryption, KeyPurpose};

const PREFIX: &str = "gt_";

/// The secret. It is shown to its guest once, and never written down.
pub struct GuestToken([u8; 32]);

impl GuestToken {
    /// One that nobody has.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Reads one; `None` for what cannot be one.
    pub fn read(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let length = URL_SAFE_NO_PAD.decode_slice(text.strip_prefix(PREFIX)?, &mut bytes).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }

    /// As it is shown.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// What the database knows of it.
    pub fn hash(&self, encryption: &Encryption) -> [u8; 32] {
        encryption.hash(KeyPurpose::GuestToken, &[&self.0])
    }
}

/// Whether a token means to be a guest's, good or not.
pub fn is_meant_by(text: &str) -> bool {
    text.starts_with(PREFIX)
}
