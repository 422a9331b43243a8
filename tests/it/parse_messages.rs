//! Errors of types and syntax in bodies use the words of the API.

use comanda::parse_messages::{in_plain_words, of_query};

#[test]
fn parser_messages_are_translated_to_terms_of_the_api() {
    let cases = [
        ("missing field `until`", Some("until"), "is required"),
        ("invalid type: integer `200`, expected struct RawMoney", None, "must be an object, not a number"),
        ("invalid type: string \"44\", expected f64", None, "must be a number, not a text"),
        ("invalid type: map, expected a sequence", None, "must be a list, not an object"),
        ("invalid type: null, expected u16", None, "must be a whole number, not null"),
        ("invalid type: string \"a, expected b\", expected a boolean", None, "must be true or false, not a text"),
        ("unknown field `colour`, expected `name`", None, "is not known here; known are name"),
        ("unknown field `x`, expected one of `a`, `b`, `c`", None, "is not known here; known are a, b, c"),
        ("unknown field `x`, there are no fields", None, "is not known here"),
        ("unknown variant `YES`, expected `ON` or `OFF`", None, "must be one of ON, OFF"),
        ("duplicate field `name`", Some("name"), "must be given once"),
        ("invalid value: integer `300`, expected u8", None, "must be a whole number from 0 to 255"),
        (
            "invalid type: floating point `1.5`, expected i32",
            None,
            "must be a whole number, not a number with a fraction, an exponent or too many digits",
        ),
        ("invalid length 3, expected an array of length 2", None, "must have the form that the reference shows"),
        (
            "data did not match any variant of untagged enum Payload",
            None,
            "must have the form that the reference shows",
        ),
        (
            "invalid type: integer `5`, expected tuple variant Odd::One",
            None,
            "must have the form that the reference shows",
        ),
        ("must be 1 to 5 characters long", None, "must be 1 to 5 characters long"),
    ];
    for (message, field, words) in cases {
        assert_eq!(in_plain_words(message), (field, words.to_owned()), "{message}");
    }
}

#[test]
fn an_invalid_parameter_is_named() {
    let cases = [
        ("limit: invalid digit found in string", "?limit", "must be a whole number"),
        ("near: must be two numbers: latitude, longitude", "?near", "must be two numbers: latitude, longitude"),
        (
            "unknown field `colour`, expected `limit` or `cursor`",
            "?colour",
            "is not known here; known are limit, cursor",
        ),
        ("missing field `orderId`", "?orderId", "is required"),
        ("something else: entirely", "?", "something else: entirely"),
    ];
    for (message, pointer, words) in cases {
        assert_eq!(of_query(message), (pointer.to_owned(), words.to_owned()), "{message}");
    }
}

/// A body with fields of every kind.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is only read")]
struct Anything {
    pair: [f64; 2],
    word: Word,
    small: u8,
    text: Option<String>,
    deep: Option<Box<Anything>>,
}

#[derive(Debug, serde::Deserialize)]
enum Word {
    One,
    Two,
}

/// JSON of many types, some of it nearly valid.
fn values() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "1",
        "-7",
        "1e999",
        "0.5",
        "300",
        "\"One\"",
        "\"x\"",
        "[]",
        "[1,2]",
        "[1,2,3]",
        "[1]",
        "{}",
        "[\"One\"]",
    ]);
    let leaf = leaf.prop_map(ToOwned::to_owned);
    leaf.prop_recursive(3, 24, 5, |inner| {
        let name = prop::sample::select(vec!["pair", "word", "small", "text", "deep", "other"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec((name, inner), 0..5).prop_map(|all| {
                let fields: Vec<_> = all.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(3_000))]

    /// Valid JSON never gives a syntax error, whatever its types; and invalid JSON always does.
    #[test]
    fn an_error_of_structure_is_not_a_syntax_error(text in values(), cut in 0_usize..40) {
        let code = |text: &str| {
            comanda::extract::read_json::<Anything>(text.as_bytes()).err().map(|problem| problem.code())
        };
        let is_invalid_request = code(&text).is_none_or(|code| code == comanda::problem::Code::InvalidRequest);
        proptest::prop_assert!(is_invalid_request, "{text}");
        let broken = &text[..text.len().saturating_sub(cut + 1)];
        if serde_json::from_str::<serde::de::IgnoredAny>(broken).is_err() {
            proptest::prop_assert_eq!(code(broken), Some(comanda::problem::Code::MalformedRequest), "{}", broken);
        }
    }
}
