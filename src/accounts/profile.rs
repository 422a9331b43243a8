//! The fields of a profile that several devices may write. Pure.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::languages;

/// A language, BCP 47, in its canonical form and in small letters: `it`, `pt-br`. In requests the spelling does not
/// matter.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, example = "it")]
pub struct Locale(String);

impl Locale {
    /// The language tag in its canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Locale {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        languages::canonical(&text).map(Self).ok_or("must be a language tag (BCP 47) such as it or pt-BR")
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
