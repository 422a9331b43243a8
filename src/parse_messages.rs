//! Messages for requests that cannot be deserialised, in the terms of the API. Messages of serde, `serde_json` and
//! `serde_urlencoded` name Rust types, so they are translated here; those of the service's own types pass unchanged.

/// The field with the error, below the parser's position, and what is wrong with it.
pub fn in_plain_words(message: &str) -> (Option<&str>, String) {
    if let Some(field) = quoted_after(message, "missing field ") {
        return (Some(field), "is required".to_owned());
    }
    if let Some(field) = quoted_after(message, "duplicate field ") {
        return (Some(field), "must be given once".to_owned());
    }
    (None, words(message))
}

/// The name in backticks after a beginning of a message.
fn quoted_after<'m>(message: &'m str, beginning: &str) -> Option<&'m str> {
    message.strip_prefix(beginning)?.strip_prefix('`')?.strip_suffix('`')
}

/// Used where the parser's message has no details.
const SEE_REFERENCE: &str = "must have the form that the reference shows";

fn words(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let known = names_after(rest);
        return if known.is_empty() {
            "is not known here".into()
        } else {
            format!("is not known here; known are {known}")
        };
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let known = names_after(rest);
        return if known.is_empty() { SEE_REFERENCE.into() } else { format!("must be one of {known}") };
    }
    if let Some((found, expected)) = mismatch(message, "invalid type: ") {
        let (expected, found) = (of_api(expected), of_kind(found));
        return expected
            .map_or_else(|| SEE_REFERENCE.to_owned(), |expected| format!("must be {expected}, not {found}"));
    }
    if let Some((_, expected)) = mismatch(message, "invalid value: ") {
        let range = range_of(expected).map(|(min, max)| format!("must be a whole number from {min} to {max}"));
        return range
            .or_else(|| of_api(expected).map(|expected| format!("must be {expected}")))
            .unwrap_or(SEE_REFERENCE.into());
    }
    if message.starts_with("invalid length ") || message.starts_with("data did not match any variant") {
        return SEE_REFERENCE.to_owned();
    }
    of_text(message).unwrap_or(message).to_owned()
}

/// `X, expected Y` after a beginning.
fn mismatch<'m>(message: &'m str, beginning: &str) -> Option<(&'m str, &'m str)> {
    message.strip_prefix(beginning)?.rsplit_once(", expected ")
}

/// The names that a message lists as expected, without their backticks.
fn names_after(rest: &str) -> String {
    let expected = rest.split_once("expected ").map(|(_, expected)| expected).unwrap_or_default();
    let names: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
    names.join(", ")
}

/// Translates the parser's name of an expected type to that of the API reference; `None`: there is no translation.
fn of_api(expected: &str) -> Option<&'static str> {
    Some(match expected {
        "f32" | "f64" => "a number",
        "a string" | "a borrowed string" | "string" | "a character" => "a text",
        "a boolean" => "true or false",
        "unit" | "unit value" => "null",
        "any valid JSON value" => "a value",
        "a number or a list" => "a number or a list",
        _ if range_of(expected).is_some() => "a whole number",
        _ if expected.starts_with("a sequence")
            || expected.starts_with("an array")
            || expected.starts_with("a tuple") =>
        {
            "a list"
        }
        _ if expected.starts_with("a map") || expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("enum ") || expected.starts_with("variant ") || expected == "string or map" => {
            "one of the words that the reference names"
        }
        _ => return None,
    })
}

/// The type of the value that was found; the value itself is not repeated.
fn of_kind(found: &str) -> &'static str {
    let word = found.split([' ', '`', '"']).next().unwrap_or_default();
    match word {
        "null" | "unit" => "null",
        "boolean" => "true or false",
        "integer" => "a number",
        "floating" => "a number with a fraction, an exponent or too many digits",
        "string" | "character" => "a text",
        "sequence" => "a list",
        "map" => "an object",
        _ => "something else",
    }
}

/// The range of an integer type.
fn range_of(kind: &str) -> Option<(i128, i128)> {
    Some(match kind {
        "i8" => (i8::MIN.into(), i8::MAX.into()),
        "i16" => (i16::MIN.into(), i16::MAX.into()),
        "i32" => (i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => (i64::MIN.into(), i64::MAX.into()),
        "u8" => (0, u8::MAX.into()),
        "u16" => (0, u16::MAX.into()),
        "u32" => (0, u32::MAX.into()),
        "u64" | "usize" => (0, u64::MAX.into()),
        "a nonzero u16" => (1, u16::MAX.into()),
        _ => return None,
    })
}

/// Translates messages of the standard library about texts that are not a number or a boolean, such as query
/// parameters.
fn of_text(message: &str) -> Option<&'static str> {
    Some(match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => "must be a whole number",
        "number too large to fit in target type" | "number out of range" => "must be a smaller number",
        "number too small to fit in target type" => "must be a larger number",
        "invalid float literal" | "cannot parse float from empty string" => "must be a number",
        "provided string was not `true` or `false`" => "must be true or false",
        "expected unit variant" => SEE_REFERENCE,
        "expected value" | "expected `}`" => "must be one of the words that the reference names",
        "lone leading surrogate in hex escape" | "invalid unicode code point" | "unexpected end of hex escape" => {
            "must be a text of Unicode characters, without unpaired surrogates"
        }
        "recursion limit exceeded" => "is nested too deeply",
        "trailing characters" | "trailing comma" => "must not have so many elements",
        _ => return None,
    })
}

/// Whether a JSON string is invalid because it contains half of a surrogate pair, such as `"\ud800"`.
pub fn is_half_a_character(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    text.starts_with("lone leading surrogate") || text.starts_with("unexpected end of hex escape")
}

/// The query parameter with the error, and what is wrong with it: `limit: invalid digit found in string`.
pub fn of_query(message: &str) -> (String, String) {
    let is_name = |text: &&str| !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric());
    let named = message.split_once(": ").filter(|(name, _)| is_name(name));
    let (name, rest) = named.map_or((None, message), |(name, rest)| (Some(name), rest));
    // An invalid name, such as `%zz`, is followed by the message about it.
    let begins = rest.find("unknown field `").filter(|_| name.is_none()).unwrap_or_default();
    let rest = &rest[begins..];
    let unknown = rest.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')).map(|(field, _)| field);
    let (missing, words) = in_plain_words(rest);
    let pointer = name.or(unknown).or(missing).unwrap_or_default();
    (format!("?{pointer}"), words)
}
