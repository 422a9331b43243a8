//! Languages by BCP 47: how tags are written, which languages a reader asks for, and which of those there are comes
//! nearest. RFC 4647's lookup, with likely subtags from Unicode's CLDR: what is read in Taiwan is written in traditional
//! characters, and who asks for Portugal's Portuguese would rather read Brazil's than another language. Pure.

use std::str::FromStr as _;

use icu_locale::{LanguageIdentifier, Locale, LocaleCanonicalizer, LocaleExpander};

/// Longest tag: a language, a script, a region and a variant.
const LONGEST_TAG: usize = 35;
/// Most languages of a header that are looked at.
const MOST_WANTED: usize = 20;

/// A tag as it is kept, in small letters: `PT_br` is `pt-br`, `iw` is `he`. `None`: it is no language.
pub fn canonical(tag: &str) -> Option<String> {
    let tag = tag.trim();
    let primary = tag.split(['-', '_']).next().unwrap_or_default();
    if tag.len() > LONGEST_TAG || !(2..=3).contains(&primary.len()) {
        return None;
    }
    let mut locale = Locale::from(LanguageIdentifier::from_str(&tag.replace('_', "-")).ok()?);
    LocaleCanonicalizer::new_extended().canonicalize(&mut locale);
    let is_known = !locale.id.language.is_unknown();
    is_known.then(|| locale.id.to_string().to_ascii_lowercase())
}

/// The languages an `Accept-Language` header asks for, the dearest first.
pub fn asked_for(header: &str) -> Vec<String> {
    let mut wanted: Vec<(f32, String)> = header
        .split(',')
        .take(MOST_WANTED)
        .filter_map(|entry| {
            let (tag, weight) = entry.split_once(';').unwrap_or((entry, ""));
            let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse().ok())?;
            (weight > 0.0).then_some(())?;
            Some((weight, canonical(tag)?))
        })
        .collect();
    wanted.sort_by(|one, other| other.0.total_cmp(&one.0));
    wanted.into_iter().map(|(_, tag)| tag).collect()
}

fn maximized(tag: &str) -> Option<LanguageIdentifier> {
    let mut language = LanguageIdentifier::from_str(tag).ok()?;
    LocaleExpander::new_extended().maximize(&mut language);
    Some(language)
}

/// How far a language is from the one that is wanted; `None`: it is another.
fn distance(wanted: &str, offered: &str) -> Option<usize> {
    if wanted == offered {
        return Some(0);
    }
    let (want, offer) = (maximized(wanted)?, maximized(offered)?);
    if want.language != offer.language {
        return None;
    }
    let broader = std::iter::successors(Some(wanted), |tag| tag.rsplit_once('-').map(|(front, _)| front));
    let truncated = broader.skip(1).position(|tag| tag == offered);
    // Where most of its readers live.
    let mut usual = offer.clone();
    usual.region = None;
    LocaleExpander::new_extended().maximize(&mut usual);
    Some(match truncated {
        _ if want.script != offer.script => 20,
        Some(steps) => 1 + steps,
        None if want.region == offer.region => 10,
        None if usual.region == offer.region => 11,
        None => 12,
    })
}

/// Which translation to show; `None`: the menu as it was written. `own` is the language it was written in, if that has
/// been said: a guest who would rather read that is not given a translation.
pub fn choose<'a>(wanted: &[String], own: Option<&str>, offered: &'a [String]) -> Option<&'a str> {
    if offered.is_empty() {
        return None;
    }
    for tag in wanted {
        let own = own.and_then(|own| distance(tag, own)).map(|distance| (distance, None));
        let translated = offered.iter().filter_map(|one| Some((distance(tag, one)?, Some(one.as_str()))));
        // Of two that are as near the menu's own comes first.
        if let Some((_, nearest)) = own.into_iter().chain(translated).min_by_key(|(distance, _)| *distance) {
            return nearest;
        }
    }
    None
}
