//! What is wrong with the shape of a request, in the words of the API: a parser speaks of its own types.

/// The field that is meant, below the place where the parser stood, and what is wrong with it.
pub fn in_plain_words(message: &str) -> (Option<&str>, String) {
    if let Some((field, "")) = message.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
        return (Some(field), "is required".to_owned());
    }
    let mismatch = message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "));
    match mismatch {
        Some((found, wanted)) => (None, format!("must be {}, not {}", of_api(wanted), of_api(found))),
        None => (None, message.to_owned()),
    }
}

/// What the parser calls something, and what the reference calls it.
fn of_api(word: &str) -> &str {
    match word {
        "f32" | "f64" => "a number",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" | "isize" => "a whole number",
        "a sequence" | "sequence" => "a list",
        "a map" | "map" => "an object",
        "unit value" => "null",
        _ if word.starts_with("struct ") => "an object",
        _ if word.starts_with("enum ") || word.starts_with("variant of enum ") => {
            "one of the words that the reference names"
        }
        other => other,
    }
}

/// The parameter of a query that is meant, and what is wrong with it: `limit: invalid digit found in string`.
pub fn of_query(message: &str) -> (String, String) {
    let is_name = |text: &&str| !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric());
    let named = message.split_once(": ").filter(|(name, _)| is_name(name));
    let (name, rest) = named.map_or((None, message), |(name, rest)| (Some(name), rest));
    let unknown = rest.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')).map(|(field, _)| field);
    let (missing, words) = in_plain_words(rest);
    let pointer = name.or(unknown).or(missing).unwrap_or_default();
    let words = words.replace("invalid digit found in string", "must be a whole number");
    (format!("?{pointer}"), words)
}
