//! The formats of the cells of a table. Pure.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::num::{IntErrorKind, ParseIntError};

use serde::Serialize;
use serde::de::IgnoredAny;

use crate::menu::allergens::{Declared, Diet, Level};
use crate::menu::csv::Separator;
use crate::menu::document::EntityKey;
use crate::money::Currency;

/// Writes an amount in major units: 1250 cents are `12.50`, or `12,50` if cells are separated by semicolons.
pub(super) fn write_price(out: &mut Vec<u8>, units: i64, currency: Currency, separator: Separator) -> io::Result<()> {
    let digits = currency.exponent() as usize;
    write!(out, "{units:0>width$}", width = digits + 1)?;
    if digits > 0 {
        let point = if separator == Separator::Semicolon { b',' } else { b'.' };
        out.insert(out.len() - digits, point);
    }
    Ok(())
}

/// Parses a price with a decimal point or comma, without thousands separators.
pub(super) fn price_units(text: &str, currency: Currency) -> Result<i64, String> {
    let digits = currency.exponent() as usize;
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(part) || part.len() > digits || text.ends_with(['.', ',']) {
        return Err(format!("must be an amount such as 12.50, with at most {digits} decimal digits"));
    }
    format!("{whole}{part:0<digits$}").parse().map_err(|_| "must be a smaller number".into())
}

/// Parses a whole number.
pub(super) fn whole_number(text: &str) -> Result<i32, &'static str> {
    text.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow => "must be a smaller number",
        IntErrorKind::NegOverflow => "must be a larger number",
        _ => "must be a whole number",
    })
}

/// Writes enum values, separated by spaces, with the names that JSON uses.
fn write_words<T: Serialize>(out: &mut Vec<u8>, words: &[T], after: impl Fn(&T) -> &'static [u8]) -> io::Result<()> {
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        let start = out.len();
        serde_json::to_writer(&mut *out, word)?;
        // The name of a variant contains nothing that JSON escapes, so only the quotes are removed.
        out.remove(start);
        out.pop();
        out.extend_from_slice(after(word));
    }
    Ok(())
}

/// Writes allergens such as `GLUTEN NUTS?`; the question mark means "may contain", `none` that there are none. An empty
/// cell means that they are not declared.
pub(super) fn write_allergens(out: &mut Vec<u8>, declared: &[Declared]) -> io::Result<()> {
    if declared.is_empty() {
        return out.write_all(b"none");
    }
    let names: Vec<_> = declared.iter().map(Name).collect();
    write_words(out, &names, |Name(one)| if one.level == Level::MayContain { b"?" } else { b"" })
}

/// An allergen without its level.
struct Name<'a>(&'a Declared);

impl Serialize for Name<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.allergen.serialize(serializer)
    }
}

pub(super) fn write_diets(out: &mut Vec<u8>, diets: &[Diet]) -> io::Result<()> {
    write_words(out, diets, |_| b"")
}

/// Adds a text as JSON.
pub(super) fn push_text(json: &mut String, text: &str) {
    json.push('"');
    // The text up to the next character that must be escaped is copied as it is.
    let must_escape = |letter: char| letter == '"' || letter == '\\' || letter < ' ';
    let mut rest = text;
    while let Some(at) = rest.find(must_escape) {
        json.push_str(&rest[..at]);
        let _ = write!(json, "\\u{:04x}", rest.as_bytes()[at]);
        rest = &rest[at + 1..];
    }
    json.push_str(rest);
    json.push('"');
}

/// Adds a list as JSON.
pub(super) fn push_list<'t>(
    json: &mut String,
    words: impl Iterator<Item = &'t str>,
    push: impl Fn(&mut String, &'t str),
) {
    json.push('[');
    for (at, word) in words.enumerate() {
        if at > 0 {
            json.push(',');
        }
        push(json, word);
    }
    json.push(']');
}

/// Adds what [`write_allergens`] writes, as JSON.
pub(super) fn push_allergens(json: &mut String, text: &str) {
    let words = if text == "none" { "" } else { text };
    push_list(json, words.split_whitespace(), |json, word| {
        let allergen = word.strip_suffix('?');
        json.push_str("{\"allergen\":");
        push_text(json, allergen.unwrap_or(word));
        let level = if allergen.is_some() { "MAY_CONTAIN" } else { "CONTAINS" };
        let _ = write!(json, ",\"level\":\"{level}\"}}");
    });
}

/// Writes keys separated by `|`; as a JSON list if a key contains `|` or begins with `[`.
pub(super) fn write_keys(out: &mut Vec<u8>, keys: &[EntityKey]) -> io::Result<()> {
    let is_plain = |key: &EntityKey| !key.contains('|') && !key.starts_with('[');
    if !keys.iter().all(is_plain) {
        return Ok(serde_json::to_writer(out, keys)?);
    }
    for (at, key) in keys.iter().enumerate() {
        if at > 0 {
            out.push(b'|');
        }
        out.extend_from_slice(key.as_bytes());
    }
    Ok(())
}

/// Adds what [`write_keys`] writes, as JSON.
///
/// # Errors
/// When it begins with `[` and is not JSON.
pub(super) fn push_keys(json: &mut String, text: &str) -> Result<(), &'static str> {
    if text.starts_with('[') {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        json.push_str(text);
        return if is_json { Ok(()) } else { Err("must be keys with | between them, or a list of keys as JSON") };
    }
    push_list(json, text.split('|'), |json, key| push_text(json, key.trim()));
    Ok(())
}
