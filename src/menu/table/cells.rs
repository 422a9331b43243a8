//! The formats of the cells of a table. Pure.

use serde_json::{Value, json};

use crate::menu::allergens::{Declared, Level};
use crate::menu::csv::Separator;
use crate::money::Currency;

/// A price as a decimal number: `1250` of EUR is `12.50`, or `12,50` if the separator is a semicolon.
fn price_text(units: i64, currency: Currency, separator: Separator) -> String {
    let digits = currency.exponent() as usize;
    let text = format!("{units:0>width$}", width = digits + 1);
    let (whole, part) = text.split_at(text.len() - digits);
    let point = if separator == Separator::Semicolon { ',' } else { '.' };
    if digits == 0 { text.clone() } else { format!("{whole}{point}{part}") }
}

/// Parses a price with a decimal point or comma, without thousands separators.
pub(super) fn price_units(text: &str, currency: Currency) -> Option<i64> {
    let digits = currency.exponent() as usize;
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(part) || part.len() > digits || text.ends_with(['.', ',']) {
        return None;
    }
    format!("{whole}{part:0<digits$}").parse().ok()
}

/// Allergens as text, such as `GLUTEN NUTS?`: a question mark means "may contain"; `none`: no allergens; empty: not
/// declared.
pub(super) fn allergens_text(declared: Option<&[Declared]>) -> String {
    let Some(declared) = declared else { return String::new() };
    if declared.is_empty() {
        return "none".into();
    }
    let word = |one: &Declared| {
        let doubt = if one.level == Level::MayContain { "?" } else { "" };
        format!("{}{doubt}", json!(one.allergen).as_str().unwrap_or_default())
    };
    declared.iter().map(word).collect::<Vec<_>>().join(" ")
}

pub(super) fn allergens_value(text: &str) -> Value {
    if text == "none" {
        return json!([]);
    }
    let one = |word: &str| match word.strip_suffix('?') {
        Some(allergen) => json!({ "allergen": allergen, "level": "MAY_CONTAIN" }),
        None => json!({ "allergen": word, "level": "CONTAINS" }),
    };
    text.split_whitespace().map(one).collect()
}

/// Keys separated by bars, or as JSON if they contain bars.
fn keys_text(keys: &[Value]) -> String {
    let texts: Vec<_> = keys.iter().filter_map(Value::as_str).collect();
    let plain = |key: &&str| !key.contains('|') && !key.starts_with('[');
    if texts.iter().all(plain) { texts.join("|") } else { json!(texts).to_string() }
}

pub(super) fn keys_value(text: &str) -> Result<Value, String> {
    if text.starts_with('[') {
        return serde_json::from_str(text)
            .map_err(|_| "must be keys with | between them, or a list of keys as JSON".to_owned());
    }
    Ok(text.split('|').map(|key| json!(key.trim())).collect())
}

/// The cell of a value: texts unchanged, lists of words separated by spaces or bars, other values as JSON.
pub(super) fn cell(column: &str, value: &Value, currency: Currency, separator: Separator) -> String {
    match (column, value) {
        (_, Value::Null) => String::new(),
        ("price", price) => price_text(price["amount"].as_i64().unwrap_or_default(), currency, separator),
        ("available", on) => if on == &json!(true) { "yes" } else { "no" }.into(),
        ("modifierGroups", Value::Array(keys)) => keys_text(keys),
        ("diets", Value::Array(words)) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}
