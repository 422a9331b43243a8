//! The parts of the client that need no server, or a busy one: frames, addresses, latencies, repetitions.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse as _;
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
        // A written frame can be parsed.
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
fn a_histogram_is_within_its_documented_error() {
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

/// The requests to a busy server: their times and `Idempotency-Key`s.
type Seen = Arc<Mutex<Vec<(Instant, Option<String>)>>>;

/// A server that answers every sign-in, and refuses the first two other requests as a busy server does.
#[expect(clippy::disallowed_methods, reason = "ends with the test")]
async fn busy_server(seen: Seen) -> String {
    let answer = move |request: Request| {
        let seen = Arc::clone(&seen);
        async move {
            if request.uri().path() == "/api/auth/login" {
                let user = json!({ "id": "usr_1", "email": "ada@example.com", "name": "Ada", "role": "CUSTOMER" });
                return comanda::extract::Json(json!({ "accessToken": "t", "expiresIn": 600, "user": user }))
                    .into_response();
            }
            let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
            let mut seen = seen.lock().unwrap();
            seen.push((Instant::now(), key));
            if seen.len() > 2 {
                return comanda::extract::Json(json!({ "id": "cat_1", "name": "Pizze" })).into_response();
            }
            let body = json!({ "type": "/docs#problem-busy", "title": "Busy", "status": 503, "code": "busy",
                "detail": "Try again after the number of seconds in Retry-After.", "requestId": "r" });
            let head = [("retry-after", "1"), ("content-type", "application/problem+json")];
            (axum::http::StatusCode::SERVICE_UNAVAILABLE, head, body.to_string()).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    format!("http://{address}")
}

#[tokio::test]
async fn a_busy_server_is_retried_after_retry_after_with_the_same_key() {
    let seen = Seen::default();
    let client = Client::new(&busy_server(Arc::clone(&seen)).await).unwrap();
    let session = client.login("ada@example.com", "a password").await.unwrap();
    assert_eq!(session.create_category("rst_1", "Pizze").await.unwrap().id, "cat_1");
    let seen = seen.lock().unwrap().clone();
    let [first, second, third] = seen.as_slice() else { panic!("{} requests", seen.len()) };
    assert!(first.1.is_some() && first.1 == second.1 && second.1 == third.1, "{seen:?}");
    // Retry-After is a second; the client's own pauses are shorter.
    for (one, next) in [(first, second), (second, third)] {
        let pause = next.0 - one.0;
        assert!((1.0..5.0).contains(&pause.as_secs_f64()), "{pause:?}");
    }
}
