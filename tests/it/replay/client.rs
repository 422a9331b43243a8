//! The client's parts that need no server: frames, addresses, the measure of time.

use std::time::Duration;

use comanda_client::{Client, Frame, Histogram, Packet};
use serde_json::{Value, json};

#[test]
fn frames_are_read_as_the_protocol_writes_them() {
    let event = |id, name: &str, args: Vec<Value>| Frame::Message(Packet::Event { id, name: name.to_owned(), args });
    let cases = [
        (
            r#"0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}"#,
            Frame::Open { ping_interval: 25_000, ping_timeout: 20_000 },
        ),
        ("1", Frame::Close),
        ("2", Frame::Ping(String::new())),
        ("2probe", Frame::Ping("probe".to_owned())),
        ("3", Frame::Pong(String::new())),
        ("6", Frame::Noop),
        (r#"40{"sid":"y"}"#, Frame::Message(Packet::Connect(json!({ "sid": "y" })))),
        ("40", Frame::Message(Packet::Connect(Value::Null))),
        ("41", Frame::Message(Packet::Disconnect)),
        (r#"42["order:new",{"seq":7}]"#, event(None, "order:new", vec![json!({ "seq": 7 })])),
        (r#"4212["join",{"room":"order:1"}]"#, event(Some(12), "join", vec![json!({ "room": "order:1" })])),
        (r#"42["leave"]"#, event(None, "leave", vec![])),
        (r#"4312[{"ok":true}]"#, Frame::Message(Packet::Ack { id: 12, args: vec![json!({ "ok": true })] })),
        (r#"44{"message":"unauthorized"}"#, Frame::Message(Packet::ConnectError("unauthorized".to_owned()))),
    ];
    for (text, frame) in cases {
        assert_eq!(Frame::parse(text).as_ref(), Ok(&frame), "{text}");
        // What is written can be read again.
        assert_eq!(Frame::parse(&frame.to_string()).as_ref(), Ok(&frame), "{text}");
    }
}

#[test]
fn frames_that_are_not_of_the_protocol_are_refused_with_a_reason() {
    let cases = [
        ("", "empty"),
        ("x", "'x' is not a type of frame"),
        ("0", "not what its type asks for"),
        ("4", "empty"),
        ("49", "'9' is not a type of frame"),
        (r#"40/admin,{"sid":"y"}"#, "another namespace"),
        (r#"451-["image",{"_placeholder":true,"num":0}]"#, "a binary packet"),
        ("42{}", "not what its type asks for"),
        ("42[]", "begins with its name"),
        ("42[7]", "begins with its name"),
        (r#"43[{"ok":true}]"#, "begins with an id"),
        (r#"4299999999999999999999["join"]"#, "too large"),
        ("5", "an upgrade"),
    ];
    for (text, reason) in cases {
        let error = Frame::parse(text).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn an_address_that_is_not_one_of_a_server_is_refused() {
    for url in ["", "localhost:3000", "ftp://127.0.0.1", "http://127.0.0.1:3000/?a=b", "//x"] {
        assert!(Client::new(url).is_err(), "{url}");
    }
    assert!(Client::new("http://127.0.0.1:3000/").is_ok());
}

#[test]
fn a_histogram_is_never_far_from_the_truth() {
    let mut histogram = Histogram::default();
    assert_eq!(histogram.per_mille(500), Duration::ZERO);
    (1..=10_000).for_each(|micros| histogram.record(Duration::from_micros(micros)));
    for (share, micros) in [(1, 10_u128), (500, 5_000), (990, 9_900), (1000, 10_000)] {
        let read = histogram.per_mille(share).as_micros();
        assert!(read.abs_diff(micros) * 50 <= micros, "{share}: {read} instead of {micros}");
    }
    histogram.record(Duration::from_secs(1_000_000));
    assert_eq!(histogram.count(), 10_001);
}
