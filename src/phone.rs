//! Phone numbers: parsed as people write them, stored in E.164.
//!
//! Google's numbering plans (the `phonenumber` crate) decide: spaces, hyphens and brackets do not matter, a trunk zero
//! that does not belong to the international form is dropped (`+49 (0)30 …`), one that does is kept (`+39 051 …`).

use std::str::FromStr as _;

use chrono_tz::Tz;
use icu_time::zone::IanaParser;
use phonenumber::metadata::{DATABASE, Metadata};
use phonenumber::{Mode, country};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

use crate::fold;
use crate::text::is_hidden;

/// The most characters of a number; longer texts are refused.
const LONGEST: usize = 40;
/// The number of digits of the shortest subscriber numbers, without the area code.
const MIN_DIGITS_AFTER_SLASH: usize = 4;
/// The same in bytes, before invisible characters are removed.
const LONGEST_WRITTEN: usize = 4 * LONGEST;

/// A phone number in E.164: `+`, country code, number, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, min_length = 8, max_length = 40, example = "+39 051 1234567")]
pub struct Phone(String);

/// Why a text is not a phone number in international form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhone {
    /// It contains letters or an extension, or is far too long.
    #[error("must be one phone number in digits, without letters or an extension, such as +39 051 1234567")]
    Signs,
    /// It does not begin with a country code, and the country is not known.
    #[error("must begin with + and the country code, such as +39 051 1234567")]
    NoCountry,
    /// It is in no numbering plan.
    #[error("must be a phone number that exists, in international form, such as +39 051 1234567")]
    Unknown,
    /// It is a premium-rate, shared-cost, freephone or company number, or a satellite number, or one that belongs to no
    /// country.
    #[error("must be the number of an ordinary line: no messages are sent to special numbers")]
    Special,
    /// It is neither in international form nor a number of this country.
    #[error("must be a phone number of {0}, the country of the time zone, or begin with + and another country's code")]
    Elsewhere(Region),
}

/// A country or territory with its own numbering plan, in which numbers are written without a country code; its code of
/// ISO 3166.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region(&'static str);

impl std::fmt::Display for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl Region {
    /// The two letters of ISO 3166.
    pub const fn code(self) -> &'static str {
        self.0
    }

    /// The country of a time zone; `None` for zones of no country, such as `UTC`, and of territories without phones.
    ///
    /// Unicode's identifiers of time zones (BCP 47, CLDR's `timezone.xml`) begin with the two letters of the
    /// country, as UN/LOCODEs do, with four exceptions.
    pub fn of_zone(zone: Tz) -> Option<Self> {
        let id = IanaParser::new().parse(zone.name());
        let letters = match id.as_str() {
            "jeruslm" => "il",
            "gazastrp" | "hebron" => "ps",
            "ancur" => "cw",
            id if id.len() >= 5 && id.bytes().all(|letter| letter.is_ascii_lowercase()) => &id[..2],
            _ => return None,
        };
        DATABASE.by_id(&letters.to_ascii_uppercase()).map(|plan| Self(plan.id()))
    }

    fn plan(self) -> Option<&'static Metadata> {
        DATABASE.by_id(self.code())
    }
}

/// Whether a slash gives another last digit or another number (`1234567 / 8`), and does not stand between area code and
/// number (`0664/1234567`): read as one, they would be somebody else's number.
fn names_alternatives(text: &str) -> bool {
    let mut parts = text.split('/');
    let (_, last) = (parts.next(), parts.next());
    let digits = |part: &str| part.chars().filter(char::is_ascii_digit).count();
    parts.next().is_some() || last.is_some_and(|last| digits(last) < MIN_DIGITS_AFTER_SLASH)
}

impl Phone {
    /// The number in E.164.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a number in international form.
    ///
    /// # Errors
    /// [`InvalidPhone`] when it does not begin with `+` or `00`, or is in no numbering plan.
    pub fn parse(text: &str) -> Result<Self, InvalidPhone> {
        Self::parse_in(text, None)
    }

    /// Reads a number as it is written in a region, or in international form.
    ///
    /// # Errors
    /// [`InvalidPhone`] when it is neither.
    pub fn parse_in(text: &str, region: Option<Region>) -> Result<Self, InvalidPhone> {
        if text.len() > LONGEST_WRITTEN {
            return Err(InvalidPhone::Signs);
        }
        // Normalises full-width characters and digits of other scripts, and removes the direction marks that phones add
        // when a number is copied.
        let shown = text
            .nfkc()
            .filter(|sign| sign.is_control() || !is_hidden(*sign))
            .map(fold::common_form)
            .collect::<String>();
        let text = shown.trim();
        // Only digits and separators are allowed, not the parser's other syntaxes (RFC 3966, extensions).
        let is_plain = |sign: char| sign.is_ascii_digit() || " -\u{2010}–−.()/".contains(sign);
        let number = text.strip_prefix('+');
        if !number.unwrap_or(text).chars().all(is_plain) || text.len() > LONGEST || names_alternatives(text) {
            return Err(InvalidPhone::Signs);
        }
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        // In most countries international calls begin with 00, and no national number does.
        let international = number.map(|_| digits.as_str()).or_else(|| digits.strip_prefix("00"));
        match (international, region) {
            (Some(digits), _) => international_number(digits).ok_or(InvalidPhone::Unknown),
            (None, Some(region)) => national_number(&digits, region).ok_or(InvalidPhone::Elsewhere(region)),
            (None, None) => Err(InvalidPhone::NoCountry),
        }
    }

    /// Whether it is a fixed or mobile line in a country, at the usual rate.
    fn is_ordinary(&self) -> bool {
        split_number(self.0.trim_start_matches('+')).is_some_and(|(_, national, plans)| {
            plans.into_iter().any(|plan| plan.id() != NO_COUNTRY && is_ordinary(plan, national))
        })
    }

    fn from_parts(code: u16, national: &str) -> Option<Self> {
        let digits = format!("{code}{national}");
        (7..=15).contains(&digits.len()).then(|| Self(format!("+{digits}")))
    }

    /// Parses with the library, which removes trunk prefixes, carrier codes and international prefixes.
    fn read(country: Option<country::Id>, digits: &str) -> Option<Self> {
        let read = phonenumber::parse(country, digits).ok().filter(phonenumber::PhoneNumber::is_valid)?;
        let e164 = read.format().mode(Mode::E164).to_string();
        ((8..=16).contains(&e164.len()) && e164.starts_with('+')).then_some(Self(e164))
    }
}

/// A phone number that codes and messages are sent to: an ordinary line. Owners of premium-rate and similar numbers
/// earn from messages to them (SMS pumping).
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct MessagePhone(Phone);

impl MessagePhone {
    /// The number in E.164.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for MessagePhone {
    type Error = InvalidPhone;

    fn try_from(text: String) -> Result<Self, InvalidPhone> {
        let phone = Phone::parse(&text)?;
        if phone.is_ordinary() { Ok(Self(phone)) } else { Err(InvalidPhone::Special) }
    }
}

/// The id of the plans of codes that belong to no country (satellites, freephone, networks).
const NO_COUNTRY: &str = "001";

/// Whether a number is a fixed or mobile line, at the usual rate.
fn is_ordinary(plan: &Metadata, national: &str) -> bool {
    let kinds = plan.descriptors();
    let is = |kind: Option<&phonenumber::metadata::Descriptor>| kind.is_some_and(|kind| kind.is_match(national));
    let is_special = is(kinds.premium_rate())
        || is(kinds.shared_cost())
        || is(kinds.personal_number())
        || is(kinds.uan())
        || is(kinds.toll_free())
        || is(kinds.pager());
    let is_usual = is(kinds.mobile()) || is(kinds.fixed_line()) || is(kinds.voip());
    kinds.general().is_match(national) && is_usual && !is_special
}

/// Whether a number without any prefix is in a numbering plan.
fn has(plan: &Metadata, national: &str) -> bool {
    let kinds = plan.descriptors();
    let of_one_kind = [
        kinds.fixed_line(),
        kinds.mobile(),
        kinds.toll_free(),
        kinds.premium_rate(),
        kinds.shared_cost(),
        kinds.personal_number(),
        kinds.voip(),
        kinds.pager(),
        kinds.uan(),
    ];
    kinds.general().is_match(national) && of_one_kind.into_iter().flatten().any(|kind| kind.is_match(national))
}

/// A number after a country code. A number that is valid as it is written is not changed: the library would remove the
/// 8 of Russia's `+7 800 …`, which is the trunk prefix of other numbers.
fn international_number(digits: &str) -> Option<Phone> {
    let (code, national, plans) = split_number(digits)?;
    if plans.into_iter().any(|plan| has(plan, national)) {
        return Phone::from_parts(code, national);
    }
    Phone::read(None, &format!("+{digits}"))
}

/// The country code, the national number, and the numbering plans of the code.
fn split_number(digits: &str) -> Option<(u16, &str, Vec<&'static Metadata>)> {
    (1..=3).filter_map(|length| digits.split_at_checked(length)).find_map(|(code, national)| {
        let code: u16 = code.parse().ok()?;
        Some((code, national, DATABASE.by_code(&code)?))
    })
}

/// A number as it is dialled within a region, with or without the trunk prefix; also to another region with the same
/// country code, such as from Guadeloupe to Saint-Martin.
fn national_number(digits: &str, region: Region) -> Option<Phone> {
    let plan = region.plan()?;
    let plans = DATABASE.by_code(&plan.country_code()).unwrap_or_default();
    let bare = plan.national_prefix().and_then(|prefix| digits.strip_prefix(prefix));
    let mut written = [Some(digits), bare].into_iter().flatten();
    if let Some(national) = written.find(|national| plans.iter().any(|plan| has(plan, national))) {
        return Phone::from_parts(plan.country_code(), national);
    }
    Phone::read(Some(country::Id::from_str(region.code()).ok()?), digits)
}

impl TryFrom<String> for Phone {
    type Error = InvalidPhone;

    fn try_from(text: String) -> Result<Self, InvalidPhone> {
        Self::parse(&text)
    }
}
