//! Invalid values for a field, by its documented type.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Fragments of JSON for any field: numbers beyond every type, texts beyond every column, unexpected types.
pub fn json_fragments() -> Vec<String> {
    let fixed = [
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\" \"",
        "0",
        "-1",
        "0.1",
        "-0.0",
        "1e308",
        "1e999",
        "-1e999",
        "32768",
        "2147483648",
        "-2147483649",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999999999",
        "\"\\u0000\"",
        "\"a\\u0000b\"",
        "\"\\ud800\"",
        "\"\\ud83d\"",
        "\"\\udc00\\ud800\"",
        "\"\\u202e\"",
        "\"\\u200b\"",
        "\"\\ufffe\\uffff\"",
        "\"\\u001b[31m\"",
        "\"NaN\"",
        "\"-1\"",
        "\"1e999\"",
        "\"+262142-12-31T23:59:59Z\"",
        "\"-9999-01-01T00:00:00Z\"",
        "\"-262143-01-01T00:00:00Z\"",
        "\"0000-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:59.999999999Z\"",
        "\"294277-01-01T00:00:00Z\"",
        "\"1969-12-31T23:59:59Z\"",
        "\"2199-12-31T23:59:59Z\"",
        "\"1970-01-01T00:00:00Z\"",
        "\"2026-05-01T23:59:60Z\"",
        "\"2026-05-01T00:00:00+23:59\"",
        "\"2026-05-01\"",
        "\"0000-01-01\"",
        "\"9999-12-31\"",
        "\"+262142-12-31\"",
        "\"2199-12-31\"",
        "\"1970-01-01\"",
        "\"2026-02-30\"",
        "\"24:00\"",
        "\"99:99\"",
        "\"-1:30\"",
        "\"' or 1=1; --\"",
        "\"../../etc/passwd\"",
        "\"%00\"",
        "\"=HYPERLINK(1)\"",
        "\"https://\\u0000\"",
        "\"a@b.c\\u0000\"",
        "\"+4900000000000\"",
        "\"Europe/\\u0000\"",
        "\"de-\\u0000\"",
        "[null]",
        "[[]]",
        "[{}]",
        "{\"\":null}",
        "{\"a\\u0000b\":1}",
        "{\"__proto__\":{}}",
        "{\"amount\":9223372036854775807,\"currency\":\"EUR\"}",
        "{\"amount\":-9223372036854775808,\"currency\":\"JPY\"}",
        "{\"lat\":1e308,\"lng\":-1e308}",
        "{\"lat\":-90,\"lng\":180}",
        "{\"value\":\"a\\u0000\",\"at\":\"-9999-01-01T00:00:00Z\"}",
        "{\"type\":\"Polygon\",\"coordinates\":[[[1e308,0],[0,1e308],[0,0],[1e308,0]]]}",
        "[1e308,-1e308]",
    ];
    let mut all: Vec<String> = fixed.map(ToOwned::to_owned).into();
    all.push(format!("\"{}\"", "x".repeat(10_000)));
    all.push(format!("\"{}\"", "💥".repeat(100)));
    all.push(format!("\"{}\"", "\\u0301".repeat(400)));
    all.push("[".repeat(110) + &"]".repeat(110));
    all.push("{\"a\":".repeat(110) + "1" + &"}".repeat(110));
    all.push(format!("[{}]", ["null"; 500].join(",")));
    all.push(format!("[{}]", ["0"; 500].join(",")));
    for prefix in ["ord", "itm", "rst", "usr", "crt"] {
        all.push(format!("\"{prefix}_7zzzzzzzzzzzzzzzzzzzzzzzzz\""));
        all.push(format!("\"{prefix}_00000000000000000000000000\""));
    }
    all
}

/// Values of a query or a path, escaped as a client would.
pub fn escaped_values() -> Vec<String> {
    let fixed = [
        "",
        "%00",
        "a%00b",
        "%ff%fe",
        "%c0%af",
        "%ed%a0%80",
        "%",
        "%zz",
        "%E2%80%AE",
        "%E2%80%8B",
        "%F0%9F%8D%95",
        "+",
        "%2B",
        "-1",
        "0",
        "1.5",
        "1e400",
        "NaN",
        "inf",
        "32768",
        "65536",
        "9223372036854775807",
        "-9223372036854775808",
        "99999999999999999999999",
        "true",
        "null",
        "[]",
        "{}",
        "2026-05-01T20:30:00+02:00",
        "2026-05-01",
        "yesterday",
        "%2B262142-12-31T23:59:59Z",
        "-9999-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2199-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
        "%2B262142-12-31",
        "0000-01-01",
        "9999-12-31",
        "2199-12-31",
        "1970-01-01",
        "90,180",
        "-90,-180",
        "NaN,NaN",
        "1e308,1e308",
        "0,0",
        "'%20or%201=1;--",
        "..%2f..%2fetc%2fpasswd",
        "*",
        "PENDING,%00",
    ];
    let mut all: Vec<String> = fixed.map(ToOwned::to_owned).into();
    all.push("x".repeat(3_000));
    all.push("%25".repeat(800));
    for time in [i64::MIN, i64::MAX, -377_705_116_800_000_000, 253_402_300_800_000_000, 0, -1] {
        all.push(URL_SAFE_NO_PAD.encode([&time.to_be_bytes()[..], &[0xff; 16]].concat()));
    }
    for metres in [f64::NAN, f64::INFINITY, f64::MAX, -1.0] {
        all.push(URL_SAFE_NO_PAD.encode([&b"d"[..], &metres.to_be_bytes(), &[0; 16]].concat()));
    }
    all
}

/// Values of headers, as bytes: everything that HTTP allows.
pub fn header_values() -> Vec<Vec<u8>> {
    let fixed: [&[u8]; 20] = [
        b"",
        b" ",
        b"*",
        b"\"\"",
        b"\"-1\"",
        b"\"9223372036854775807\"",
        b"\"99999999999999999999\"",
        b"W/\"1\"",
        b"\"+1\"",
        b"\xff\xfe",
        b"\xc3\xa9",
        b"\"\xe2\x80\xae\"",
        b"en;q=NaN",
        b"en;q=1e999,de;q=-1",
        b"zh-Hant-TW-x-private",
        b"a\tb",
        b"' or 1=1",
        b"Bearer",
        b"text/plain",
        b"application/json; charset=utf-16",
    ];
    let mut all: Vec<Vec<u8>> = fixed.iter().map(|value| value.to_vec()).collect();
    all.push(vec![b'x'; 300]);
    all.push(b"en,".repeat(400));
    all
}

/// Texts of libraries, which must not be in a response.
const OF_LIBRARIES: [&str; 24] = [
    "invalid type",
    "invalid value",
    "invalid length",
    ", expected",
    "expected one of",
    "missing field",
    "unknown field",
    "unknown variant",
    "duplicate field",
    "did not match any variant",
    "digit found",
    "target type",
    "premature end",
    "trailing input",
    "input contains",
    "input is out of range",
    "EOF while",
    "trailing characters",
    "recursion limit",
    "float literal",
    "provided string was not",
    "Failed to",
    "invalid utf-8",
    "lone leading surrogate",
];

/// The first text of a library in a response.
pub fn words_of_a_library(text: &str) -> Option<&'static str> {
    OF_LIBRARIES.into_iter().find(|words| text.contains(words))
}
