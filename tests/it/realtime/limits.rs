//! Sockets do not circumvent the rate limits of requests, and the bytes that wait for a client are limited.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::stage::{Stage, token_of};
use crate::app::eventually;
use crate::socket::Socket;

#[tokio::test]
async fn bytes_waiting_for_a_slow_client_are_bounded() {
    const LIMIT: usize = 131_072;
    const EVENT: usize = 9_000;
    let settings = [("SOCKET_BUFFER_PACKETS", "65536"), ("SOCKET_BUFFER_BYTES", "131072"), ("EVENT_RING", "16")];
    let stage = Stage::set_with(&settings).await;
    for _ in 0..3 {
        stage.write_events(200, 8_000).await;
    }
    let last = stage.last().await;
    let waiting = || stage.app.running().engine_sessions.waiting_bytes();
    let mut sleeper = Socket::open(stage.url(), token_of(&stage.shop.owner)).await.unwrap();
    for number in 0..20 {
        sleeper.send(format!("42{number}[\"join\",{{\"room\":\"{}\",\"after\":0}}]", stage.room())).await;
    }
    eventually("as much waits as may", async || waiting() > LIMIT - EVENT).await;
    // Others read at the same time, also from the beginning.
    for transport in super::TRANSPORTS {
        let mut phone = stage.phone(transport).await;
        assert!(phone.join(&stage.room(), Some(0)).await >= last);
        assert!(waiting() <= LIMIT + LIMIT + EVENT, "{}", waiting());
        phone.hang_up().await;
    }
    eventually("nothing waits for those who have read", async || waiting() <= LIMIT + EVENT).await;
    drop(sleeper);
    eventually("nothing waits for who has gone", async || waiting() == 0).await;
}

#[tokio::test]
async fn bytes_waiting_for_clients_of_one_network_are_bounded_together() {
    const LIMIT: usize = 131_072;
    const FLOOR: usize = 16_384;
    const EVENT: usize = 9_000;
    let settings = [
        ("SOCKET_BUFFER_PACKETS", "65536"),
        ("SOCKET_BUFFER_BYTES", "131072"),
        ("SOCKET_BUFFER_BYTES_PER_NODE", "524288"),
        ("EVENT_RING", "16"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let stage = Stage::set_with(&settings).await;
    for _ in 0..2 {
        stage.write_events(200, 8_000).await;
    }
    let last = stage.last().await;
    let waiting = || stage.app.running().engine_sessions.waiting_bytes();
    let from = async |address: &str| {
        let mut socket = Socket::open_from(stage.url(), token_of(&stage.shop.owner), Some(address)).await.unwrap();
        for number in 0..4 {
            socket.send(format!("42{number}[\"join\",{{\"room\":\"{}\",\"after\":0}}]", stage.room())).await;
        }
        socket
    };
    let mut sleepers = Vec::new();
    for _ in 0..4 {
        sleepers.push(from("203.0.113.7").await);
    }
    eventually("as much waits as may", async || waiting() > LIMIT - EVENT).await;
    let of_others = from("203.0.113.8").await;
    eventually("another network has its own", async || waiting() > 2 * (LIMIT - EVENT)).await;
    let mut phone = stage.phone("websocket").await;
    assert!(phone.join(&stage.room(), Some(0)).await >= last);
    phone.hang_up().await;
    assert!(waiting() <= 2 * LIMIT + 4 * (FLOOR + EVENT), "{}", waiting());
    drop((sleepers, of_others));
    eventually("nothing waits for who has gone", async || waiting() == 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_events_is_disconnected_at_a_number_of_bytes() {
    let settings =
        [("SOCKET_BUFFER_PACKETS", "65536"), ("SOCKET_BUFFER_BYTES", "131072"), ("EVENT_POLL_INTERVAL", "20ms")];
    let stage = Stage::set_with(&settings).await;
    let mut sleeper = Socket::open(stage.url(), token_of(&stage.shop.owner)).await.unwrap();
    assert_eq!(sleeper.joins(&stage.room()).await["ok"], true);
    for _ in 0..10 {
        stage.write_events(200, 8_000).await;
    }
    let waiting = || stage.app.running().engine_sessions.waiting_bytes();
    eventually("its buffers are full", async || waiting() > 100_000).await;
    let mut end = None;
    while let Some(packet) = sleeper.packet().await {
        if packet == "41" {
            end = Some(packet);
            break;
        }
    }
    assert!(end.is_some(), "it is disconnected, and comes back with `after`");
}

/// Whether a join was accepted; the error must be 429 otherwise.
fn is_let_in(answer: &Value) -> bool {
    assert!(answer["ok"] == true || answer["error"]["status"] == 429, "{answer}");
    answer["ok"] == true
}

#[tokio::test]
async fn messages_draw_from_the_limits_of_the_user_and_of_the_network_not_of_each_socket() {
    let settings = [("RATE_LIMIT_USER", "30/1h"), ("RATE_LIMIT_NETWORK", "70/1h")];
    let stage = Stage::set_with(&settings).await;
    let room = |person: &crate::people::Person| json!({ "room": format!("user:{}", person.id) });
    let mut all = 0;
    for person in [&stage.ada, &stage.bob, &stage.shop.owner] {
        let mut of_user = 0;
        for _ in 0..4 {
            let mut socket = Socket::open(stage.url(), token_of(person)).await.unwrap();
            for _ in 0..10 {
                of_user += usize::from(is_let_in(&socket.asks("join", &room(person)).await.1));
            }
            // A token that expires is renewed all the same.
            let renewed = socket.asks("auth:renew", &json!({ "token": token_of(person) })).await.1;
            assert_eq!(renewed["ok"], true, "{renewed}");
        }
        assert!((1..=30).contains(&of_user), "{of_user} of 40");
        all += of_user;
    }
    assert!((30..=70).contains(&all), "{all} of 120");
    stage.ada.get("/api/me").await.refused(429, "too_many_requests");
}

/// One renewal a minute is free, because the socket would be disconnected without it. Further ones draw from the
/// user's limit, or a socket could have its rooms checked without end.
#[tokio::test]
async fn renewals_beyond_one_a_minute_draw_from_the_limits() {
    let stage = Stage::set_with(&[("RATE_LIMIT_USER", "30/1h")]).await;
    let token = json!({ "token": token_of(&stage.ada) });
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(Socket::open(stage.url(), token_of(&stage.ada)).await.unwrap());
    }
    let mut renewed = 0;
    for _ in 0..30 {
        for socket in &mut sockets {
            renewed += usize::from(is_let_in(&socket.asks("auth:renew", &token).await.1));
        }
    }
    assert!((4..=33).contains(&renewed), "{renewed} of 90");
    stage.app.advance_clock(TimeDelta::seconds(61));
    for socket in &mut sockets {
        assert!(is_let_in(&socket.asks("auth:renew", &token).await.1));
    }
}

#[tokio::test]
async fn handshakes_draw_from_the_limit_of_the_network() {
    let settings = [("RATE_LIMIT_ADDRESS", "20/1h"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let stage = Stage::set_with(&settings).await;
    let mut opened = 0;
    for _ in 0..30 {
        opened += usize::from(Socket::bare(stage.url(), "", Some("203.0.113.9")).await.is_ok());
    }
    assert_eq!(opened, 20);
    assert!(Socket::bare(stage.url(), "", Some("203.0.113.10")).await.is_ok(), "another network has its own");
}
