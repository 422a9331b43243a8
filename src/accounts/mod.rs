//! Accounts: registration, sessions, and the authentication of requests; passwords, second factors and the profile.
//!
//! What needs other features, too, is in `users/`: sign-in, which merges a guest's carts; `GET /api/me`, which shows
//! memberships and the driver profile; the administration of accounts. This feature imports neither restaurants nor
//! carts.
//!
//! A registered account always has the role CUSTOMER; STAFF, DRIVER and ADMIN are granted by others
//! (`restaurants/http/members.rs`, `delivery/http/drivers.rs`, `users/http/admin.rs`). An access token is short-lived
//! and names a session; permissions are read from the database, never from the token. No response shows whether an
//! e-mail address has an account.
//!
//! A session is one sign-in on one device. Its access token is renewed with a refresh token (`refresh.rs`). A session
//! can be revoked; every node then learns of it (`revocation_listener.rs`) and removes it from its cache
//! (`caller_cache.rs`).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

use crate::ids::{DriverId, SessionId, UserId};
use crate::text;

pub mod actions;
pub mod addresses;
pub mod attempt_limits;
pub mod caller;
pub mod caller_cache;
pub mod devices;
pub mod hash_queue;
pub mod http;
pub mod idempotency_key;
pub mod login_device;
pub mod password;
pub mod preferences;
pub mod profile;
pub mod refresh;
pub mod revocation_listener;
pub mod second_factor;
pub mod secrets;
pub mod sessions;
pub mod sql;
pub mod token;
pub mod totp;

/// The platform role of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "user_role", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserRole {
    /// Places orders; the role after registration.
    Customer,
    /// Works for a restaurant.
    Staff,
    /// Has a driver profile and delivers.
    Driver,
    /// Runs the platform.
    Admin,
}

/// One sign-in on one device.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The id of the session.
    pub id: SessionId,
    /// The `User-Agent` of the client.
    #[schema(example = "Comanda/1.4 (Android 15)")]
    pub device: Option<String>,
    /// The network address of the last use.
    #[schema(example = "203.0.113.7")]
    pub address: Option<String>,
    /// When the session was created.
    pub created_at: DateTime<Utc>,
    /// When the session was last used, to within the lifetime of an access token.
    pub last_used_at: DateTime<Utc>,
    /// When the session ends if it is not used.
    pub expires_at: DateTime<Utc>,
    /// Whether it is the session of this request.
    pub current: bool,
}

/// A user account.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The id of the user.
    pub id: UserId,
    /// The e-mail address, in lower case.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// The display name.
    #[schema(example = "Ada")]
    pub name: String,
    /// Whether the e-mail address was verified with a code.
    pub email_verified: bool,
    /// The phone number in E.164 format; null if there is none.
    #[schema(example = "+390511234567")]
    pub phone: Option<String>,
    /// Whether the phone number was verified with a code.
    pub phone_verified: bool,
    /// The preferred language, a BCP 47 tag.
    #[schema(example = "it")]
    pub locale: String,
    /// The platform role.
    pub role: UserRole,
}

/// A user account, as administrators see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The id of the account.
    pub id: UserId,
    /// The e-mail address, in lower case.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// Whether the address was verified with a code. Until then the account may belong to somebody else.
    pub email_verified: bool,
    /// The display name.
    pub name: String,
    /// The phone number in E.164 format; null if there is none.
    pub phone: Option<String>,
    /// Whether the number was verified with a code.
    pub phone_verified: bool,
    /// The preferred language, a BCP 47 tag.
    pub locale: String,
    /// The platform role.
    pub role: UserRole,
    /// When the account was disabled; null while it is active. A disabled account cannot sign in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When the account was created.
    pub created_at: DateTime<Utc>,
}

/// The caller of a request: a user, in a session that has not been revoked.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The signed-in user.
    pub user: UserId,
    /// The session the token belongs to.
    pub session: SessionId,
    /// The user's role in the database, at most a second old.
    pub role: UserRole,
    /// The user's driver profile, if any.
    pub driver: Option<DriverId>,
    /// Whether the caller is an administrator who has to set up a second factor before anything else
    /// (`ADMIN_SECOND_FACTOR`).
    pub is_locked: bool,
    /// Whether administrators need a second factor (`ADMIN_SECOND_FACTOR`).
    pub admin_needs_factor: bool,
}

/// An e-mail address of valid form, in one spelling: lower case; the domain mapped by IDNA (UTS 46) and in Unicode
/// letters; the local part in Unicode's composed form (NFC). Whether it receives mail is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// Characters that occur only in quoted local parts and in address literals (RFC 5321, 4.1.2).
const QUOTED: &str = "<>()[]\\,;:\"";

impl Email {
    /// The address in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The beginning of an address, normalised as stored addresses are.
    pub fn beginning(text: &str) -> String {
        text.trim().nfc().collect::<String>().to_lowercase().nfc().collect()
    }
}

/// The longest text that is read as an e-mail address, in bytes. It is longer than any spelling of an address of 254
/// bytes; longer texts are refused first, because normalising them takes time.
const LONGEST_WRITTEN: usize = 2_000;

impl TryFrom<String> for Email {
    type Error = &'static str;

    /// RFC 5321 limits the length; the required form is name@domain.tld without spaces. Characters that RFC 5321 allows
    /// only in quoted local parts and address literals are refused: programs that send mail read `<a@b.example>` and
    /// `"a"@b.example` as a@b.example, so that one mailbox would be several accounts.
    fn try_from(text: String) -> Result<Self, &'static str> {
        let refused = "must be an e-mail address";
        if text.len() > LONGEST_WRITTEN {
            return Err(refused);
        }
        let address = Self::beginning(&text);
        let (name, domain) = address.split_once('@').ok_or(refused)?;
        let ascii = idna::domain_to_ascii(domain).map_err(|_| refused)?;
        let (domain, read) = idna::domain_to_unicode(&ascii);
        read.map_err(|_| refused)?;
        let address = format!("{name}@{domain}");
        let well_formed = {
            !name.is_empty()
                && domain.split('.').count() >= 2
                && domain.split('.').all(|label| !label.is_empty())
                && !domain.contains('@')
                && !address
                    .chars()
                    .any(|letter| letter.is_whitespace() || text::is_hidden(letter) || QUOTED.contains(letter))
        };
        if well_formed && address.len().max(name.len() + 1 + ascii.len()) <= 254 {
            Ok(Self(address))
        } else {
            Err(refused)
        }
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Email {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::Custom("email".into())))
            .max_length(Some(254))
            .examples([serde_json::json!("ada@example.com")])
            .build()
            .into()
    }
}

impl ToSchema for Email {}
