//! Accounts: who signs up, who signs in, and how the rest of the service knows who is asking.
//!
//! A sign-up is always a CUSTOMER; STAFF, DRIVER and ADMIN are granted by somebody else. An access token is short-lived
//! and names a session; what a user may do is read from the database, never from the token. Nothing here answers
//! differently for an e-mail address that is known and one that is not.
//!
//! A session is one sign-in on one device. Its access token is renewed with a refresh token (`refresh.rs`); it is the
//! session that is revoked, and every node learns of it (`revocation_listener.rs`) and drops it from its cache (`cache.rs`).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

use crate::ids::{DriverId, SessionId, UserId};
use crate::text;

pub mod actions;
pub mod addresses;
pub mod attempt_limits;
pub mod cache;
pub mod caller;
pub mod devices;
pub mod http;
pub mod idempotency_key;
pub mod hash_queue;
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
    /// Orders only; what signing up makes.
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
    /// A code that was sent to the address has come back. Until then the account may be somebody else's.
    pub email_verified: bool,
    /// The display name.
    pub name: String,
    /// The phone number in E.164 format; null if there is none.
    pub phone: Option<String>,
    /// A code that was sent to the number has come back.
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

/// Who is asking: a user, in a session that has not been revoked.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The signed-in user.
    pub user: UserId,
    /// The session the token belongs to.
    pub session: SessionId,
    /// As the database has it, to within a second.
    pub role: UserRole,
    /// The user's driver profile, if any.
    pub driver: Option<DriverId>,
    /// An administrator who has to set up a second factor before anything else (`ADMIN_SECOND_FACTOR`).
    pub is_locked: bool,
    /// Administrators need a second factor here (`ADMIN_SECOND_FACTOR`).
    pub admin_needs_factor: bool,
}

/// An e-mail address, as far as its form can be judged without sending to it, in one spelling: lower case; the domain as
/// IDNA reads it (UTS 46), in the letters of its language; the name before it in Unicode's composed form (NFC).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// What stands in quoted names and in literals only (RFC 5321, 4.1.2).
const QUOTED: &str = "<>()[]\\,;:\"";

impl Email {
    /// The address in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The beginning of an address, spelled as addresses are kept.
    pub fn beginning(text: &str) -> String {
        text.trim().nfc().collect::<String>().to_lowercase().nfc().collect()
    }
}

/// Longer than any spelling of an address of 254 bytes; what is longer is not looked at, because normalising it takes time.
const LONGEST_WRITTEN: usize = 2_000;

impl TryFrom<String> for Email {
    type Error = &'static str;

    /// RFC 5321 bounds the length; the form asked for is something@a.domain without spaces. Characters that RFC 5321 allows in
    /// quoted names and literals only are refused: programs that send mail read `<a@b.example>` and `"a"@b.example` as
    /// a@b.example, so that one mailbox would be several accounts.
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
