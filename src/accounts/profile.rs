//! The fields of a profile that several devices may write. Pure.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

/// A language, BCP 47: `it`, `pt-BR`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", example = "it")]
pub struct Locale(String);

impl Locale {
    /// The language tag in its canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Locale {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let mut parts = text.split('-');
        let language = parts.next().unwrap_or_default();
        let well_formed = (2..=3).contains(&language.len())
            && language.bytes().all(|byte| byte.is_ascii_lowercase())
            && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if well_formed && text.len() <= 35 { Ok(Self(text)) } else { Err("must be a language tag such as it or pt-BR") }
    }
}

/// Fields to write; `None`: unchanged. Each comes with the instant of its write; `None`: the time of the transaction.
#[derive(Debug, Default)]
pub struct ProfileWrites {
    /// The display name.
    pub name: Option<(String, Option<DateTime<Utc>>)>,
    /// The phone number in E.164; an inner `None` removes it.
    pub phone: Option<(Option<String>, Option<DateTime<Utc>>)>,
    /// The preferred language.
    pub locale: Option<(String, Option<DateTime<Utc>>)>,
}
