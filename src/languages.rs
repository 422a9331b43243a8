//! Languages of BCP 47: the form of tags, the languages that a client requests, and which available language is
//! nearest. The lookup of RFC 4647 with likely subtags and parents of Unicode's CLDR: readers in Taiwan get traditional
//! characters, a request for Portuguese of Portugal gets that of Brazil rather than another language, and Australians
//! get British before American English. Pure.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::{LazyLock, PoisonError, RwLock};

use icu_locale::fallback::LocaleFallbackConfig;
use icu_locale::subtags::{Region, language, region, script};
use icu_locale::{LanguageIdentifier, Locale, LocaleCanonicalizer, LocaleExpander, LocaleFallbacker};

/// The longest tag, in characters: a language, a script, a region and a variant.
const LONGEST_TAG: usize = 35;
/// The most languages of a header that are used.
const MAX_HEADER_LANGUAGES: usize = 20;

/// Tags of RFC 3066 that do not follow the grammar of BCP 47, with what they mean (`irregular` of RFC 5646, section
/// 2.1, by its registry and UTS 35, annex C). The list is closed; `i-default`, `i-enochian` and `i-mingo` are left out,
/// because no menu is written in them. Regular ones such as `zh-min-nan` or `art-lojban` follow the grammar.
const IRREGULAR: [(&str, &str); 14] = [
    ("en-gb-oed", "en-gb-oxendict"),
    ("i-ami", "ami"),
    ("i-bnn", "bnn"),
    ("i-hak", "hak"),
    ("i-klingon", "tlh"),
    ("i-lux", "lb"),
    ("i-navajo", "nv"),
    ("i-pwn", "pwn"),
    ("i-tao", "tao"),
    ("i-tay", "tay"),
    ("i-tsu", "tsu"),
    ("sgn-be-fr", "sfb"),
    ("sgn-be-nl", "vgt"),
    ("sgn-ch-de", "sgg"),
];

/// Tags of RFC 3066 that fit the grammar of BCP 47 but would be read as extended language subtags.
const REGULAR: [(&str, &str); 3] = [("no-bok", "nb"), ("no-nyn", "nn"), ("zh-min", "nan")];

/// The languages to which extended language subtags are registered (RFC 5646, section 2.2.2).
const WITH_EXTENDED: [&str; 8] = ["ar", "kok", "lv", "ms", "sgn", "sw", "uz", "zh"];
/// The most extended language subtags of a tag.
const MAX_EXTENDED_SUBTAGS: usize = 3;

/// Converts a tag to the grammar of Unicode (UTS 35): without extended language subtags, of which the last is the
/// language (`zh-cmn-Hant` is `cmn-Hant`; RFC 5646, section 4.5), and without extensions, which do not concern the
/// text.
fn without_extended(tag: &str) -> String {
    let tag = tag.replace('_', "-").to_ascii_lowercase();
    let mut preferred = IRREGULAR.iter().chain(&REGULAR);
    if let Some((_, modern)) = preferred.find(|(old, _)| *old == tag) {
        return (*modern).to_owned();
    }
    let mut subtags: Vec<_> = tag.split('-').collect();
    // Extensions and private use subtags begin with a single letter or digit.
    if let Some(index) = subtags.iter().position(|subtag| subtag.len() == 1) {
        subtags.truncate(index);
    }
    let is_extended = |subtag: &&&str| subtag.len() == 3 && subtag.bytes().all(|letter| letter.is_ascii_lowercase());
    if subtags.first().is_some_and(|language| WITH_EXTENDED.contains(language)) {
        let extended = subtags.iter().skip(1).take(MAX_EXTENDED_SUBTAGS).take_while(is_extended).count();
        subtags.drain(..extended);
    }
    subtags.join("-")
}

/// A tag in the stored form, lower case and canonical: `PT_br` is `pt-br`, `iw` is `he`, `zh-cmn-Hant` is `zh-hant`.
/// `None`: it is not a valid tag.
pub fn canonical(tag: &str) -> Option<String> {
    if tag.len() > 2 * LONGEST_TAG {
        return canonical_form(tag);
    }
    let known = KNOWN_TAGS.read().unwrap_or_else(PoisonError::into_inner).get(tag).cloned();
    known.unwrap_or_else(|| {
        let found = canonical_form(tag);
        let mut known = KNOWN_TAGS.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN_TAGS {
            known.clear();
        }
        known.insert(tag.to_owned(), found.clone());
        found
    })
}

/// A cache of tags and their canonical forms: a menu repeats the same few with each of thousands of texts.
static KNOWN_TAGS: LazyLock<RwLock<HashMap<String, Option<String>>>> = LazyLock::new(RwLock::default);
/// The maximum number of cached tags; at the limit the cache is emptied.
const MAX_KNOWN_TAGS: usize = 2_048;

fn canonical_form(tag: &str) -> Option<String> {
    let tag = without_extended(tag.trim());
    let primary = tag.split('-').next().unwrap_or_default();
    if tag.len() > LONGEST_TAG || !(2..=3).contains(&primary.len()) {
        return None;
    }
    let mut locale = Locale::from(LanguageIdentifier::from_str(&tag).ok()?);
    LocaleCanonicalizer::new_extended().canonicalize(&mut locale);
    let is_known = !locale.id.language.is_unknown();
    is_known.then(|| locale.id.to_string().to_ascii_lowercase())
}

/// The languages that a client requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestedLanguages {
    /// Canonical tags, the preferred one first; `*` is any other language.
    pub accepted: Vec<String>,
    /// Canonical tags of languages that the client does not read (`q=0`); `*` is any other language.
    pub refused: Vec<String>,
}

/// Any language that the client does not name.
const ANY: &str = "*";

/// The languages of an `Accept-Language` header (RFC 9110, 12.5.4). Entries that are not valid are left out.
pub fn accept_language(header: &str) -> RequestedLanguages {
    let entries = header.split(',').take(MAX_HEADER_LANGUAGES).filter_map(|entry| {
        let (tag, weight) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = weight.trim();
        let weight: f32 = weight
            .strip_prefix("q=")
            .or_else(|| weight.strip_prefix("Q="))
            .map_or(Some(1.0), |q| q.trim().parse().ok())?;
        let tag = if tag.trim() == ANY { ANY.to_owned() } else { canonical(tag)? };
        (weight >= 0.0).then_some((weight, tag))
    });
    let (mut accepted, refused): (Vec<_>, Vec<_>) = entries.partition(|(weight, _)| *weight > 0.0);
    accepted.sort_by(|one, other| other.0.total_cmp(&one.0));
    let tags = |entries: Vec<(f32, String)>| entries.into_iter().map(|(_, tag)| tag).collect();
    RequestedLanguages { accepted: tags(accepted), refused: tags(refused) }
}

impl RequestedLanguages {
    /// Whether the client does not read a language: its most specific entry about the language refuses it.
    fn refuses(&self, tag: &Tag<'_>) -> bool {
        let most_specific = |entries: &[String]| entries.iter().filter_map(|entry| specificity(entry, tag)).max();
        most_specific(&self.refused) > most_specific(&self.accepted)
    }
}

/// How specific an entry is about a language, by its number of subtags; 0 for `*`, `None` if it is about others. A
/// script is also that of a language which is usually written in it: `zh-Hant` is about `zh-TW`.
fn specificity(entry: &str, tag: &Tag<'_>) -> Option<usize> {
    if entry == ANY {
        return Some(0);
    }
    let (about, full) = (LanguageIdentifier::from_str(entry).ok()?, &tag.full);
    let written = LanguageIdentifier::from_str(tag.written).ok()?;
    let is_about = about.language == full.language
        && about.script.is_none_or(|script| full.script == Some(script))
        && about.region.is_none_or(|region| written.region == Some(region))
        && about.variants.iter().all(|variant| written.variants.iter().any(|other| other == variant));
    is_about.then(|| entry.split('-').count())
}

/// A language with its fallbacks.
struct Tag<'a> {
    written: &'a str,
    /// Itself and its parents by Unicode's CLDR, the nearest first: `es-MX`, `es-419`, `es`; `nn`, `no`.
    parents: Vec<String>,
    /// With its likely script and region.
    full: LanguageIdentifier,
    /// Whether its region is the most likely one of the language.
    is_usual: bool,
    /// Whether its script is the most likely one of the language.
    is_usual_script: bool,
}

impl<'a> Tag<'a> {
    fn of(written: &'a str) -> Option<Self> {
        let tag = LanguageIdentifier::from_str(written).ok()?;
        let expander = LocaleExpander::new_extended();
        let mut full = tag.clone();
        expander.maximize(&mut full);
        let mut usual = full.clone();
        usual.region = None;
        expander.maximize(&mut usual);
        let mut language: LanguageIdentifier = full.language.into();
        expander.maximize(&mut language);
        let fallbacker = LocaleFallbacker::new().for_config(LocaleFallbackConfig::default());
        let mut parents = fallbacker.fallback_for(tag.into());
        let mut chain = Vec::new();
        while !parents.get().is_unknown() && chain.len() < MAX_PARENTS {
            // The script is compared separately, because some parents include it and some do not.
            let parent = parents.get();
            let region = parent.region.map_or(String::new(), |region| region.to_string());
            chain.push(format!("{}-{region}-{}", parent.language, parent.variant.is_some()));
            match missed_parent(&full, parent.region) {
                Some(parent) => parents = fallbacker.fallback_for(parent.into()),
                None => {
                    parents.step();
                }
            }
        }
        let (is_usual, is_usual_script) = (usual.region == full.region, language.script == full.script);
        Some(Self { written, parents: chain, is_usual, is_usual_script, full })
    }

    fn is_close(&self, other: &Self) -> bool {
        let pair = (self.full.language.as_str(), other.full.language.as_str());
        CLOSE.contains(&pair) && self.full.script == other.full.script
    }
}

/// A parent that the library does not find, because it looks it up without the script: Chinese of Macao has the parent
/// of Hong Kong (`zh-Hant-MO` in CLDR's `parentLocales`).
fn missed_parent(full: &LanguageIdentifier, region: Option<Region>) -> Option<LanguageIdentifier> {
    let is_macao =
        region == Some(region!("MO")) && full.language == language!("zh") && full.script == Some(script!("Hant"));
    is_macao.then(|| (language!("zh"), None, Some(region!("HK"))).into())
}

/// The most parents from a tag to its language: variant, region, group of regions, script.
const MAX_PARENTS: usize = 8;

/// Pairs of languages of which readers of the first also read the second, from the language matching data of Unicode's
/// CLDR.
const CLOSE: [(&str, &str); 9] = [
    ("gsw", "de"),
    ("lb", "de"),
    ("yue", "zh"),
    ("bs", "hr"),
    ("bs", "sr"),
    ("hr", "bs"),
    ("hr", "sr"),
    ("sr", "bs"),
    ("sr", "hr"),
];

/// The distance of an available language from the requested one, smallest first; `None`: it does not match. Nearest are
/// languages with a common parent, by the steps to it; then closely related languages; then other scripts, the most
/// likely one first.
fn distance(requested: &Tag<'_>, offered: &Tag<'_>) -> Option<(u8, usize, bool, usize)> {
    if requested.written == offered.written {
        return Some((0, 0, false, 0));
    }
    let meets = |(steps, parent)| Some((steps, offered.parents.iter().position(|other| other == parent)?));
    let other_script = (3, usize::from(!offered.is_usual_script), !offered.is_usual, 0);
    let common = requested.parents.iter().enumerate().find_map(meets);
    match common {
        Some((up, down)) if requested.full.script == offered.full.script => Some((1, up, !offered.is_usual, down)),
        _ if requested.is_close(offered) => {
            let is_elsewhere = requested.full.region != offered.full.region;
            Some((2, usize::from(is_elsewhere), !offered.is_usual, 0))
        }
        Some(_) => Some(other_script),
        None if requested.full.language == offered.full.language => Some(other_script),
        None => None,
    }
}

/// The translation to show; `None`: the menu's own texts. `own` is the language of these, if known: a client that
/// prefers it gets no translation. A language that the client refuses is shown only if it refuses all of them.
pub fn choose<'a>(requested: &RequestedLanguages, own: Option<&str>, offered: &'a [String]) -> Option<&'a str> {
    if offered.is_empty() {
        return None;
    }
    // Of two equally near ones the menu's own language comes first.
    let own = own.and_then(Tag::of).map(|own| (own, None));
    let is_own_known = own.is_some();
    let translated = offered.iter().filter_map(|one| Some((Tag::of(one)?, Some(one.as_str()))));
    let mut there: Vec<_> = own.into_iter().chain(translated).collect();
    if !requested.refused.is_empty() && there.iter().any(|(tag, _)| !requested.refuses(tag)) {
        there.retain(|(tag, _)| !requested.refuses(tag));
    }
    let named = |tag: &Tag<'_>| requested.accepted.iter().any(|entry| specificity(entry, tag) > Some(0));
    for entry in &requested.accepted {
        if entry == ANY {
            match there.iter().find(|(tag, _)| !named(tag)) {
                Some((_, shown)) if is_own_known => return *shown,
                // The menu's own language is not known, and may be any.
                _ => return None,
            }
        }
        let Some(tag) = Tag::of(entry) else { continue };
        let near = there.iter().filter_map(|(offered, shown)| Some((distance(&tag, offered)?, *shown)));
        if let Some((_, nearest)) = near.min_by_key(|(distance, _)| *distance) {
            return nearest;
        }
    }
    // The first is the menu's own language, unless the client refuses it.
    there.first().filter(|_| is_own_known).and_then(|(_, shown)| *shown)
}
