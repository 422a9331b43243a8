//! The limits on everything that a client can use.

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::TRANSPORTS;
use super::phone::Phone;
use super::stage::{Stage, assert_same, token_of};
use crate::app::eventually;
use crate::people::{PASSWORD, id_of};
use crate::socket::Socket;

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_connection() {
    let stage = Stage::set().await;
    for transport in TRANSPORTS {
        let mut phone = stage.phone(transport).await;
        let fits = phone.ask("join", &json!([{ "room": "x".repeat(15_000) }])).await;
        assert_eq!(fits["error"]["status"], 422, "{fits}");
        phone.send("join", &json!({ "room": "x".repeat(30_000) })).await;
        assert!(phone.ended().await.starts_with("transport"));
        phone.sign_in(token_of(&stage.shop.owner)).await;
    }
}

#[tokio::test]
async fn the_rooms_of_a_socket_are_limited() {
    let stage = Stage::set_with(&[("SOCKET_MAX_ROOMS", "2")]).await;
    let order = stage.ada_orders().await;
    let third = format!("order:{}", id_of(&order));
    for transport in TRANSPORTS {
        let mut phone = stage.phone(transport).await;
        phone.join(&stage.room(), None).await;
        phone.join(&format!("user:{}", stage.shop.owner.id), None).await;
        let refusal = phone.try_join(&third, None).await;
        assert_eq!((&refusal["error"]["status"], &refusal["error"]["limit"]), (&json!(429), &json!(2)), "{refusal}");
        // Joining a room again does not count twice.
        phone.join(&stage.room(), None).await;
        phone.ask("leave", &json!([{ "room": stage.room() }])).await;
        phone.join(&third, None).await;
    }
}

/// One more is accepted once the server has noticed that another has ended.
async fn gets_in(phone: &mut Phone, auth: &Value) {
    eventually("there is a place", async || phone.connect(auth).await["connected"].is_string()).await;
}

#[tokio::test]
async fn the_sockets_of_a_user_are_limited() {
    let stage = Stage::set_with(&[("SOCKET_MAX_PER_USER", "2")]).await;
    let auth = json!({ "token": token_of(&stage.shop.owner) });
    for transport in TRANSPORTS {
        let (mut first, mut second) = (stage.phone(transport).await, stage.phone(transport).await);
        let mut third = Phone::new(stage.url(), transport);
        assert_eq!(third.connect(&auth).await, json!({ "refused": "too_many_sockets_of_user" }));
        // Other users are not affected, and those who are connected stay connected.
        stage.phone_of(&stage.bob, transport).await.hang_up().await;
        first.join(&stage.room(), None).await;
        first.hang_up().await;
        gets_in(&mut third, &auth).await;
        assert_eq!(first.connect(&auth).await, json!({ "refused": "too_many_sockets_of_user" }));
        second.hang_up().await;
        third.hang_up().await;
        gets_in(&mut first, &auth).await;
        gets_in(&mut second, &auth).await;
        first.hang_up().await;
        second.hang_up().await;
    }
}

#[tokio::test]
async fn a_socket_that_disappears_silently_is_no_longer_counted() {
    let stage = Stage::set_with(&[("SOCKET_MAX_PER_USER", "3")]).await;
    let open = async || Socket::open(stage.url(), token_of(&stage.ada)).await;
    for _ in 0..3 {
        let mut opened = Vec::new();
        eventually("three are in", async || {
            opened.extend(open().await.ok());
            opened.len() == 3
        })
        .await;
        let refused = open().await.err().unwrap_or_default();
        assert!(refused.contains("too_many_sockets_of_user"), "{refused}");
        // Without a disconnect packet: the connections break.
        drop(opened);
    }
    // A socket that the server disconnects is counted no more, too.
    let mut last = None;
    eventually("one is in", async || {
        last = open().await.ok();
        last.is_some()
    })
    .await;
    stage.ada.post("/api/auth/logout-all", &Value::Null).await.expect(204);
    let login = json!({ "email": stage.ada.email, "password": PASSWORD });
    let again = stage.ada.post("/api/auth/login", &login).await.expect(200);
    let mut opened = Vec::new();
    eventually("three are in again", async || {
        opened.extend(Socket::open(stage.url(), again["accessToken"].as_str().unwrap()).await.ok());
        opened.len() == 3
    })
    .await;
    drop(last);
}

#[tokio::test]
async fn concurrent_sockets_of_a_user_are_limited() {
    let stage = Stage::set_with(&[("SOCKET_MAX_PER_USER", "10")]).await;
    let tries = join_all((0..50).map(|_| Socket::open(stage.url(), token_of(&stage.ada)))).await;
    assert_eq!(tries.iter().filter(|opened| opened.is_ok()).count(), 10);
}

#[tokio::test]
async fn the_sockets_of_an_ip_address_are_limited() {
    let settings = [("SOCKET_MAX_PER_ADDRESS", "2"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let stage = Stage::set_with(&settings).await;
    let from = async |address| Socket::open_from(stage.url(), token_of(&stage.ada), Some(address)).await;
    let refused = |opened: Result<Socket, String>| opened.err().unwrap_or_default();
    let (first, _second) = (from("203.0.113.7").await.unwrap(), from("203.0.113.7").await.unwrap());
    assert!(refused(from("203.0.113.7").await).contains("too_many_sockets_of_address"));
    // For every user: the token is not even checked.
    let forged = Socket::open_from(stage.url(), "forged", Some("203.0.113.7")).await;
    assert!(refused(forged).contains("too_many_sockets_of_address"));
    // An IPv6 /64 counts as one address; another one is separate.
    let _third = from("2001:db8::1").await.unwrap();
    let _fourth = from("2001:db8::2").await.unwrap();
    assert!(refused(from("2001:db8::3").await).contains("too_many_sockets_of_address"));
    from("2001:db8:0:1::1").await.unwrap();
    // A proxy that does not forward client addresses is not counted as one client.
    let mut unnamed = Vec::new();
    for _ in 0..5 {
        unnamed.push(Socket::open(stage.url(), token_of(&stage.bob)).await.unwrap());
    }
    drop(first);
    eventually("there is a place", async || from("203.0.113.7").await.is_ok()).await;
    // A connection with a forged token is counted only while the token is checked.
    for _ in 0..5 {
        let forged = Socket::open_from(stage.url(), "forged", Some("198.51.100.1")).await;
        assert!(refused(forged).contains("unauthorized"));
    }
}

#[tokio::test]
async fn messages_of_a_socket_are_rate_limited() {
    let stage = Stage::set_with(&[("SOCKET_EVENTS", "5/1h")]).await;
    for transport in TRANSPORTS {
        let (mut phone, mut other) = (stage.phone(transport).await, stage.phone(transport).await);
        let nowhere = json!([{ "room": stage.room() }]);
        for name in ["leave", "join", "shout", "join", "leave"] {
            assert_ne!(phone.ask(name, &nowhere).await["error"]["status"], 429, "{name}");
        }
        for name in ["leave", "join", "shout", "auth:renew"] {
            let refusal = phone.ask(name, &nowhere).await;
            assert_eq!(refusal["error"]["status"], 429, "{name}: {refusal}");
            assert!((1..=720).contains(&refusal["error"]["retryAfter"].as_i64().unwrap()), "{refusal}");
        }
        other.join(&stage.room(), None).await;
        stage.app.advance_clock(TimeDelta::minutes(12));
        phone.join(&stage.room(), None).await;
        assert_eq!(phone.ask("leave", &nowhere).await["error"]["status"], 429);
        phone.hang_up().await;
        other.hang_up().await;
    }
}

#[tokio::test]
async fn a_flood_of_requests_is_refused_and_not_queued() {
    let stage = Stage::set_with(&[("SOCKET_MAX_ROOMS", "2")]).await;
    let mut phone = stage.phone("websocket").await;
    let mut asked = Vec::new();
    for _ in 0..300 {
        asked.push(phone.ask_later("join", &json!([{ "room": stage.room(), "after": 0 }])).await);
    }
    let mut refused = 0;
    for id in asked {
        let answer = phone.answer(id).await;
        assert!(answer["ok"] == true || answer["error"]["status"] == 429, "{answer}");
        refused += usize::from(answer["ok"] == false);
    }
    assert!(refused > 0);
    phone.join(&stage.room(), None).await;
}

#[tokio::test]
async fn a_slow_client_is_disconnected_and_resumes_with_the_rest() {
    let settings =
        [("SOCKET_BUFFER_PACKETS", "256"), ("SOCKET_BUFFER_BYTES", "67108864"), ("EVENT_POLL_INTERVAL", "20ms")];
    let stage = Stage::set_with(&settings).await;
    let (mut phone, begin) = stage.watching("websocket").await;
    let (mut awake, _) = stage.watching("websocket").await;
    phone.fall_asleep().await;
    // More than the kernel's buffers hold. Events that become final together are sent together, so the awake client
    // receives each part before the next one is written.
    for _ in 0..10 {
        stage.write_events(200, 8_000).await;
        let last = *stage.numbers().await.last().unwrap();
        while awake.next().await.1["seq"] != last {}
    }
    let awaited = stage.numbers_after(begin).await;
    phone.wake_up().await;
    assert_eq!(phone.ended().await, "io server disconnect");
    let mut seen = phone.received_numbers();
    assert!(seen.len() < awaited.len());
    // No event before that is missing.
    assert_same(&seen, &awaited[..seen.len()]);

    phone.sign_in(token_of(&stage.shop.owner)).await;
    phone.join(&stage.room(), Some(seen.last().copied().unwrap_or(begin))).await;
    seen.extend(phone.received_numbers());
    assert_same(&seen, &awaited);
}

#[tokio::test]
async fn a_websocket_that_sends_pings_and_never_reads_is_disconnected() {
    /// What the system's buffers on both sides may hold of pings, and of pongs that are not read.
    const ENOUGH: usize = 64 << 20;
    let stage = Stage::set().await;
    let mut stream = TcpStream::connect(stage.url().trim_start_matches("http://")).await.unwrap();
    let handshake = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await.unwrap();
    // Masked with zeros: the largest possible ping.
    let mut ping = vec![0x89, 0x80 | 0x7d, 0, 0, 0, 0];
    ping.extend([b'x'; 125]);
    let pings = ping.repeat(500);
    let mut sent = 0;
    while sent < ENOUGH && stream.write_all(&pings).await.is_ok() {
        sent += pings.len();
    }
    assert!(sent < ENOUGH, "{sent} bytes of pings, and the connection is still open");
    stage.phone("websocket").await.hang_up().await;
}
