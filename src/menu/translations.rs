//! Texts in several languages, with fallback. Pure.

use std::collections::BTreeMap;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::languages;
use crate::text::{MultiLine, SingleLine};

/// The most languages into which a text may be translated.
pub const MAX_LANGUAGES: usize = 20;

/// The texts in another language; absent ones are shown in the menu's own language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// The name in this language; absent: as in the menu's own language.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub name: Option<SingleLine<120>>,
    /// The description in this language; absent: as in the menu's own language.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub description: Option<MultiLine<2000>>,
}

/// By language, such as `it` or `pt-br`.
pub type Translations = BTreeMap<String, Texts>;

/// The first invalid language tag, with the error.
pub fn fault(translations: &Translations) -> Option<(&str, &'static str)> {
    let bad = translations.keys().find(|language| languages::canonical(language).is_none());
    bad.map(|language| (language.as_str(), NO_LANGUAGE))
}

/// The error of an invalid language tag.
pub const NO_LANGUAGE: &str = "must be a language such as it, pt-BR or zh-Hant";

struct TranslationsVisitor;

impl<'de> Visitor<'de> for TranslationsVisitor {
    type Value = Translations;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Translations, A::Error> {
        let mut translations = Translations::new();
        while let Some(written) = entries.next_key::<String>()? {
            if translations.len() == MAX_LANGUAGES {
                return Err(A::Error::custom(format_args!("must be at most {MAX_LANGUAGES}")));
            }
            // Invalid tags are reported later, with their pointers.
            let language = languages::canonical(&written).unwrap_or(written);
            let texts = entries.next_value()?;
            if translations.insert(language, texts).is_some() {
                return Err(A::Error::custom("must name each language once, however it is spelled"));
            }
        }
        Ok(translations)
    }
}

/// Texts in at most twenty languages, by their tags in the stored form.
///
/// # Errors
/// When there are more, or a language occurs twice.
pub fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Translations, D::Error> {
    deserializer.deserialize_map(TranslationsVisitor)
}

/// The same, or null.
///
/// # Errors
/// As [`map`].
pub fn some_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Translations>, D::Error> {
    struct Parsed(Translations);

    impl<'de> Deserialize<'de> for Parsed {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            map(deserializer).map(Self)
        }
    }

    Option::<Parsed>::deserialize(deserializer).map(|read| read.map(|read| read.0))
}
