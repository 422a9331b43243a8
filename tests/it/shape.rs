//! Faults of shape are told in the words of the API.

use comanda::shape::{in_plain_words, of_query};

#[test]
fn a_parser_s_words_become_those_of_the_api() {
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
            "must be a whole number, not a number with a fraction",
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
fn the_parameter_that_is_meant_is_named() {
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
