//! A guest's token: `gt_` and 256 random bits. It is stored as a keyed hash; what it is for is in `mod.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::encryption::{Encryption, KeyPurpose};

const PREFIX: &str = "gt_";

/// The secret of a guest. It is shown once, and only its hash is stored.
pub struct GuestToken([u8; 32]);

impl GuestToken {
    /// A new random token.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Parses a token; `None`: the text does not have the form of one.
    pub fn read(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let length = URL_SAFE_NO_PAD.decode_slice(text.strip_prefix(PREFIX)?, &mut bytes).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }

    /// The token as text.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// The keyed hash, which is stored.
    pub fn hash(&self, encryption: &Encryption) -> [u8; 32] {
        encryption.hash(KeyPurpose::GuestToken, &[&self.0])
    }
}

/// Whether a text has the prefix of a guest token, valid or not.
pub fn has_guest_prefix(text: &str) -> bool {
    text.starts_with(PREFIX)
}
