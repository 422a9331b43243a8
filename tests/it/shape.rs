//! Faults of shape are told in the words of the API.

use comanda::shape::{in_plain_words, of_query};

#[test]
fn a_parser_s_words_become_those_of_the_api() {
    let cases = [
        ("missing field `until`", Some("until"), "is required"),
        ("invalid type: integer `200`, expected struct RawMoney", None, "must be an object, not integer `200`"),
        ("invalid type: string \"44\", expected f64", None, "must be a number, not string \"44\""),
        ("invalid type: map, expected a sequence", None, "must be a list, not an object"),
        ("invalid type: null, expected u16", None, "must be a whole number, not null"),
        (
            "invalid type: string \"a, expected b\", expected a boolean",
            None,
            "must be a boolean, not string \"a, expected b\"",
        ),
        ("unknown field `colour`, expected `name`", None, "unknown field `colour`, expected `name`"),
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
            "unknown field `colour`, expected `limit` or `cursor`",
        ),
        ("missing field `orderId`", "?orderId", "is required"),
        ("something else: entirely", "?", "something else: entirely"),
    ];
    for (message, pointer, words) in cases {
        assert_eq!(of_query(message), (pointer.to_owned(), words.to_owned()), "{message}");
    }
}
