//! Access tokens: short-lived JWTs (RFC 9068's `at+jwt`) that name a user and a session, and nothing else.
//!
//! The algorithm is always HS256, and the key is chosen by the server, never by the token; a token whose header names
//! another one is refused before its signature is checked.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::{SessionId, UserId};
use crate::problem::Problem;

const ISSUER: &str = "comanda";
const AUDIENCE: &str = "comanda-api";
const KIND: &str = "at+jwt";
/// The largest token, in bytes; issued tokens are shorter.
const LONGEST_TOKEN: usize = 2_048;
/// How far the clocks of two nodes may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Issues and checks access tokens.
pub struct Tokens {
    encoding: EncodingKey,
    /// The first key signs; the second, if any, is the previous key, which still verifies.
    keys: Vec<SigningKey>,
    life: TimeDelta,
}

/// A secret that tokens may be signed with, and its name in their headers.
struct SigningKey {
    kid: String,
    decoding: DecodingKey,
}

impl SigningKey {
    fn new(secret: &SecretString) -> Self {
        let secret = secret.expose_secret().as_bytes();
        let kid = Sha256::digest(secret).iter().take(4).fold(String::new(), |kid, byte| format!("{kid}{byte:02x}"));
        Self { kid, decoding: DecodingKey::from_secret(secret) }
    }
}

/// The content of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    iss: String,
    aud: String,
    /// The id of the user.
    pub sub: UserId,
    /// The id of the session.
    pub sid: SessionId,
    /// The number of the session when the token was issued (see `refresh.rs`).
    pub cnt: i32,
    iat: i64,
    nbf: i64,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
}

impl Tokens {
    /// Signs with `secret`; tokens are valid for `life`. Those signed with `previous` are still accepted.
    pub fn new(secret: &SecretString, previous: Option<&SecretString>, life: Duration) -> Self {
        Self {
            encoding: EncodingKey::from_secret(secret.expose_secret().as_bytes()),
            keys: std::iter::once(secret).chain(previous).map(SigningKey::new).collect(),
            life: TimeDelta::from_std(life).unwrap_or(TimeDelta::MAX),
        }
    }

    /// The lifetime of a token in seconds.
    pub const fn life_seconds(&self) -> i64 {
        self.life.num_seconds()
    }

    /// A token for a session.
    ///
    /// # Errors
    /// Only if the claims cannot be serialised.
    pub fn issue(&self, user: UserId, session: SessionId, counter: i32, now: DateTime<Utc>) -> Result<String, Problem> {
        let kid = self.keys.first().map(|key| key.kid.clone());
        let header = Header { typ: Some(KIND.into()), kid, ..Header::new(Algorithm::HS256) };
        let iat = now.timestamp();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user,
            sid: session,
            cnt: counter,
            iat,
            nbf: iat,
            exp: (now + self.life).timestamp(),
        };
        jsonwebtoken::encode(&header, &claims, &self.encoding).map_err(|error| Problem::internal(&error))
    }

    /// The content of a token with a valid signature that has not expired.
    ///
    /// # Errors
    /// 401, the same for every reason.
    pub fn check(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, Problem> {
        self.read(token, now).ok_or_else(Problem::unauthenticated)
    }

    fn read(&self, token: &str, now: DateTime<Utc>) -> Option<Claims> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        // Keys in a token or linked from it are never used; issued tokens have none.
        let brings_a_key = header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() || header.x5c.is_some();
        if header.alg != Algorithm::HS256 || header.typ.as_deref() != Some(KIND) || brings_a_key {
            return None;
        }
        let key = self.keys.iter().find(|key| header.kid.as_deref() == Some(key.kid.as_str()))?;
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are checked below, against the injected clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation).ok()?.claims;
        let in_time = now < at(claims.exp)? && at(claims.nbf)? <= now + LEEWAY && claims.iat <= claims.exp;
        in_time.then_some(claims)
    }
}

fn at(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}
