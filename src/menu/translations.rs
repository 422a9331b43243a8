//! Texts in several languages, with fallback. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text::{MultiLine, SingleLine};

/// Most languages a text may be in, beside its own.
pub const MOST_LANGUAGES: usize = 20;

/// What is said in another language; what is absent is said in the menu's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// The name.
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

/// The first language that cannot be one, or is one too many.
pub fn fault(translations: &Translations) -> Option<(&str, &'static str)> {
    let bad = translations
        .keys()
        .find(|language| !is_language(language))
        .map(|language| (language.as_str(), "must be a language in lower case, such as it or pt-br"));
    bad.or_else(|| translations.keys().nth(MOST_LANGUAGES).map(|one| (one.as_str(), "is one too many: at most 20")))
}

/// A language tag in lower case, of the simple kind: `it`, `pt-br`, `zh-hant`.
pub fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let plain = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    parts.next().is_some_and(|part| plain(part, 2, 3)) && parts.all(|part| plain(part, 2, 8)) && tag.len() <= 20
}

/// The languages an `Accept-Language` header asks for, the dearest first.
pub fn asked_for(header: &str) -> Vec<String> {
    let mut wanted: Vec<(f32, String)> = header
        .split(',')
        .take(MOST_LANGUAGES)
        .filter_map(|entry| {
            let (tag, weight) = entry.split_once(';').unwrap_or((entry, ""));
            let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse().ok())?;
            let tag = tag.trim().to_ascii_lowercase();
            (weight > 0.0 && is_language(&tag)).then_some((weight, tag))
        })
        .collect();
    wanted.sort_by(|one, other| other.0.total_cmp(&one.0));
    wanted.into_iter().map(|(_, tag)| tag).collect()
}

/// Which translation to show; `None`: the menu as it was written. `own` is the language it was written in, if that has
/// been said: a guest who would rather read that is not given a translation.
pub fn choose<'a>(wanted: &[String], own: Option<&str>, offered: &'a [String]) -> Option<&'a str> {
    for tag in wanted {
        let broader = std::iter::successors(Some(tag.as_str()), |tag| tag.rsplit_once('-').map(|(front, _)| front));
        for candidate in broader {
            if own == Some(candidate) {
                return None;
            }
            if let Some(found) = offered.iter().find(|language| *language == candidate) {
                return Some(found);
            }
        }
    }
    None
}
