//! Passwords: which are accepted, and hashing with Argon2id, a bounded number at once.
//!
//! A hash takes 19 MiB and about 25 ms of a core, so only a few run at once and a few more may wait; further requests
//! are refused with `Retry-After` (`hash_queue.rs`). For an unknown e-mail address a dummy hash is computed, at the
//! same cost.

use std::sync::LazyLock;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

use super::hash_queue::{Claimant, HashQueue, QueueEntry};
use crate::config;
use crate::problem::Problem;

/// The recommendation of OWASP and ASVS: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Common passwords, which attackers try first. Compared in lower case.
const COMMON: &str = include_str!("common_passwords.txt");

const SHORTEST: usize = 8;
const LONGEST: usize = 128;

/// A new password: 8 to 128 characters, not all of them blank, and not a common password.
#[derive(Clone)]
pub struct NewPassword(SecretString);

impl<'de> Deserialize<'de> for NewPassword {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !(SHORTEST..=LONGEST).contains(&text.chars().count()) {
            return Err(serde::de::Error::custom("must be 8 to 128 characters long"));
        }
        // Normalised as for hashing: texts with the same NFKC form are the same password.
        let lower = text.nfkc().collect::<String>().to_lowercase();
        if lower.chars().all(is_blank) {
            return Err(serde::de::Error::custom("must contain more than blanks"));
        }
        if COMMON.lines().any(|common| common == lower) {
            return Err(serde::de::Error::custom("is one of the first passwords that are tried; choose another"));
        }
        Ok(Self(text.into()))
    }
}

/// Whether a character is invisible: blanks of every width, and characters that only change others.
fn is_blank(sign: char) -> bool {
    let is_invisible = matches!(sign, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}');
    sign.is_whitespace() || sign.is_control() || is_invisible
}

impl utoipa::PartialSchema for NewPassword {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        password_schema(SHORTEST)
    }
}

impl ToSchema for NewPassword {}

impl NewPassword {
    /// Without checks: for the operator's commands and the demo city.
    pub(crate) fn trusted(text: &str) -> Self {
        Self(text.into())
    }
}

/// A password to be checked: its length is bounded, so that large texts are not hashed.
#[derive(Clone)]
pub struct GivenPassword(SecretString);

impl<'de> Deserialize<'de> for GivenPassword {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.chars().count() > LONGEST {
            return Err(serde::de::Error::custom("must be at most 128 characters long"));
        }
        Ok(Self(text.into()))
    }
}

impl utoipa::PartialSchema for GivenPassword {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        password_schema(0)
    }
}

impl ToSchema for GivenPassword {}

fn password_schema(shortest: usize) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::Password)))
        .min_length(Some(shortest))
        .max_length(Some(LONGEST))
        .examples([serde_json::json!("three green apples")])
        .build()
        .into()
}

/// Hashes and checks passwords, a bounded number at once.
#[derive(Debug)]
pub struct Passwords {
    queue: HashQueue,
}

/// The same characters typed on two keyboards are one password (NIST SP 800-63B: normalise with NFKC).
fn normalised(password: &SecretString) -> Vec<u8> {
    password.expose_secret().nfkc().collect::<String>().into_bytes()
}

#[expect(clippy::expect_used, reason = "constants that Argon2 accepts")]
fn argon2() -> Argon2<'static> {
    let parameters = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("parameters in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
}

/// The hash that passwords for unknown addresses are checked against.
static HASH_OF_NOTHING: LazyLock<String> = LazyLock::new(|| hash_now(b"nobody has this password"));

#[expect(clippy::expect_used, reason = "fails only without memory or without the system's randomness")]
fn hash_now(password: &[u8]) -> String {
    let hash: PasswordHash = argon2().hash_password(password).expect("a hash");
    hash.to_string()
}

/// Whether the password belongs to the hash. It blocks as long as hashing does, so it must not run on the async
/// runtime.
pub(crate) fn is_of(password: &SecretString, hash: &str) -> bool {
    matches(&normalised(password), hash)
}

fn matches(password: &[u8], hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(password, &hash).is_ok())
}

impl Passwords {
    /// Limited by the configuration.
    pub fn new(bounds: &config::Accounts) -> Self {
        let config::Accounts { hashes_at_once, hashes_waiting, hashes_per_network, hash_wait, .. } = *bounds;
        Self { queue: HashQueue::new(hashes_at_once, hashes_waiting, hashes_per_network, hash_wait) }
    }

    /// Joins the queue for hashing. Called before any other work for a request with a password, so that a
    /// refused request costs nothing, in particular no query.
    ///
    /// # Errors
    /// `busy` when too many are waiting, or too many of this claimant.
    pub fn join(&self, claimant: Claimant) -> Result<QueuedHash<'_>, Problem> {
        Ok(QueuedHash(self.queue.join(claimant)?))
    }

    /// Argon2id in PHC form.
    ///
    /// # Errors
    /// `busy` when too many are waiting, or too many of this claimant.
    pub async fn hash(&self, claimant: Claimant, password: &NewPassword) -> Result<String, Problem> {
        let password = normalised(&password.0);
        self.join(claimant)?.bounded(move || hash_now(&password)).await
    }
}

/// An entry of the queue for hashing, which leaves it when dropped.
pub struct QueuedHash<'a>(QueueEntry<'a>);

impl QueuedHash<'_> {
    /// Whether the password belongs to the hash; without a hash, `false` at the same cost.
    ///
    /// # Errors
    /// `busy` when the wait for hashing takes too long.
    pub async fn check(self, password: &GivenPassword, hash: Option<String>) -> Result<bool, Problem> {
        let password = normalised(&password.0);
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| HASH_OF_NOTHING.clone());
        Ok(self.bounded(move || matches(&password, &hash)).await? && known)
    }

    async fn bounded<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let permit = self.0.permit().await?;
        let work = move || {
            let done = work();
            drop(permit);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|panic| Problem::internal(&panic))
    }
}

/// Computes the hash for unknown addresses in advance, so that the first check takes no longer than later ones.
pub fn warm_up() {
    LazyLock::force(&HASH_OF_NOTHING);
}
