//! Texts in several languages, with fallback. Pure.

use std::collections::BTreeMap;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::languages;
use crate::text::{MultiLine, SingleLine};

/// Most languages a text may be in, beside its own.
pub const MOST_LANGUAGES: usize = 20;

/// What is said in another language; what is absent is said in the menu's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// The name in this language; absent: as in the menu's own language.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub name: Option<SingleLine<120>>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub description: Option<MultiLine<2000>>,
}

/// By language, such as `it` or `pt-br`.
pub type Translations = BTreeMap<String, Texts>;

/// The first language that cannot be one.
pub fn fault(translations: &Translations) -> Option<(&str, &'static str)> {
    let bad = translations.keys().find(|language| languages::canonical(language).is_none());
    bad.map(|language| (language.as_str(), NO_LANGUAGE))
}

/// What is wrong with a tag that is none.
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
            if translations.len() == MOST_LANGUAGES {
                return Err(A::Error::custom(format_args!("must be at most {MOST_LANGUAGES}")));
            }
            // Of what is no language the fault is told with its place.
            let language = languages::canonical(&written).unwrap_or(written);
            let texts = entries.next_value()?;
            if translations.insert(language, texts).is_some() {
                return Err(A::Error::custom("must name each language once, however it is spelled"));
            }
        }
        Ok(translations)
    }
}

/// Texts in at most twenty languages, by their tags as they are kept, however they are spelled.
///
/// # Errors
/// When there are more, or one is named twice.
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
