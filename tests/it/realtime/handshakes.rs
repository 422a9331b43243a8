//! Engine.IO sessions, each of which costs a client one request: their number is limited, and each of them ends.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::stage::{Stage, token_of};
use crate::app::{PATIENCE, eventually};
use crate::socket::Socket;

/// The number of concurrent requests.
const AT_ONCE: usize = 32;
const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// An Engine.IO client behind a proxy that forwards its address.
struct Attacker {
    http: reqwest::Client,
    base: String,
}

/// The response to a handshake.
struct Handshake {
    status: StatusCode,
    retry_after: Option<u32>,
    body: String,
}

impl Handshake {
    fn id(&self) -> String {
        let opened: Value = serde_json::from_str(self.body.strip_prefix('0').expect("an opening")).unwrap();
        opened["sid"].as_str().unwrap().to_owned()
    }
}

impl Attacker {
    fn of(stage: &Stage) -> Self {
        Self { http: reqwest::Client::new(), base: stage.url().to_owned() }
    }

    async fn get(&self, address: impl AsRef<[u8]>, query: &str) -> Handshake {
        let address = HeaderValue::from_bytes(address.as_ref()).unwrap();
        let request = self.http.get(format!("{}{POLLING}{query}", self.base)).header("x-forwarded-for", address);
        let reply = request.send().await.unwrap();
        let retry_after = reply.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
        Handshake { status: reply.status(), retry_after, body: reply.text().await.unwrap() }
    }

    async fn post(&self, id: &str, packets: &str) -> StatusCode {
        let request = self.http.post(format!("{}{POLLING}&sid={id}", self.base)).body(packets.to_owned());
        request.send().await.unwrap().status()
    }

    /// Opens a session from each address; returns the number of 200 responses, and the errors.
    async fn opens(&self, addresses: impl IntoIterator<Item = String>) -> (usize, Vec<Handshake>) {
        let tries = stream::iter(addresses).map(async |address| self.get(&address, "").await);
        let answers: Vec<_> = tries.buffer_unordered(AT_ONCE).collect().await;
        let (opened, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        (opened.len(), refused)
    }
}

/// Checks the number of open sessions, and of those without a sign-in; all others have ended.
async fn are_open(stage: &Stage, what: &str, load: (usize, usize)) {
    eventually(what, async || stage.app.engine_sessions() == load).await;
}

fn assert_refused(refused: &[Handshake], status: u16, code: &str) {
    for answer in refused {
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status.as_u16(), &problem["code"]), (status, &json!(code)), "{problem}");
        assert!(answer.retry_after.is_some_and(|seconds| seconds > 0), "{:?}", answer.retry_after);
    }
}

#[tokio::test]
async fn handshakes_of_one_network_are_bounded() {
    let settings = [
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("SOCKET_CONNECT_TIMEOUT", "1h"),
        ("SOCKET_MAX_PENDING_PER_ADDRESS", "20"),
        ("SOCKET_MAX_SESSIONS_PER_ADDRESS", "23"),
    ];
    let stage = Stage::set_with(&settings).await;
    let attacker = Attacker::of(&stage);
    let from = async |address| Socket::open_from(stage.url(), token_of(&stage.ada), Some(address)).await;
    // A signed-in session is not pending.
    let mut before = from("203.0.113.7").await.unwrap();
    let (opened, refused) = attacker.opens(vec!["203.0.113.7".to_owned(); 3_000]).await;
    assert_eq!(opened, 20);
    assert_refused(&refused, 429, "too_many_requests");
    let direct = Socket::bare(stage.url(), "", Some("203.0.113.7")).await;
    assert!(direct.err().unwrap_or_default().contains("429"));
    // An IPv6 /64 counts as one network.
    let (opened, _) = attacker.opens((0..200).map(|host| format!("2001:db8::{host:x}"))).await;
    assert_eq!(opened, 20);
    // Others are accepted, and existing ones stay.
    from("198.51.100.1").await.unwrap();
    from("2001:db8:0:1::1").await.unwrap();
    assert_eq!(before.joins(&format!("user:{}", stage.ada.id)).await["ok"], true);
    // A forwarded address that cannot be read is no way around the limits.
    let unreadable = stream::iter(0..50).map(async |_| attacker.get(b"\xff", "").await);
    let unreadable: Vec<_> = unreadable.buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(unreadable.iter().filter(|answer| answer.status == 200).count(), 20);
    // A proxy that does not forward client addresses is not counted as one client.
    let unnamed =
        stream::iter(0..50).map(async |_| attacker.http.get(format!("{}{POLLING}", attacker.base)).send().await);
    let unnamed: Vec<_> = unnamed.buffer_unordered(AT_ONCE).collect().await;
    assert!(unnamed.into_iter().all(|reply| reply.unwrap().status() == 200));
}

#[tokio::test]
async fn sessions_and_sockets_of_an_ipv6_site_are_bounded_together() {
    let settings = [
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("SOCKET_CONNECT_TIMEOUT", "1h"),
        ("IPV6_SITE_FACTOR", "3"),
        ("SOCKET_MAX_PENDING_PER_ADDRESS", "2"),
        ("SOCKET_MAX_PER_ADDRESS", "2"),
    ];
    let stage = Stage::set_with(&settings).await;
    let from = async |address: &str| Socket::open_from(stage.url(), token_of(&stage.ada), Some(address)).await;
    let mut sockets = Vec::new();
    for subnet in 0..6 {
        sockets.push(from(&format!("2001:db8:1:{subnet}::1")).await.unwrap());
    }
    let refusal = from("2001:db8:1:9::1").await.err().unwrap();
    assert!(refusal.contains("too_many_sockets_of_address"), "{refusal}");
    let attacker = Attacker::of(&stage);
    let (opened, refused) = attacker.opens((0..200).map(|subnet| format!("2001:db8:2:{subnet:x}::1"))).await;
    assert_eq!(opened, 6, "three times as many as of one network");
    assert_refused(&refused, 429, "too_many_requests");
    from("2001:db8:3::1").await.unwrap();
}

#[tokio::test]
async fn handshakes_of_all_networks_are_bounded_together() {
    let settings = [("TRUSTED_PROXIES", "127.0.0.1"), ("SOCKET_CONNECT_TIMEOUT", "2s"), ("SOCKET_MAX_PENDING", "40")];
    let stage = Stage::set_with(&settings).await;
    let attacker = Attacker::of(&stage);
    let everywhere = || (0..1_000).map(|host| format!("203.{}.113.{}", host / 250, host % 250));
    let (opened, refused) = attacker.opens(everywhere()).await;
    // Sessions that end during the test may be opened again.
    assert!((40..1_000).contains(&opened), "{opened}");
    assert_refused(&refused, 503, "busy");
    assert!(stage.app.engine_sessions().0 <= 40);
    eventually("an honest client gets in", async || {
        Socket::open_from(stage.url(), token_of(&stage.ada), Some("198.51.100.1")).await.is_ok()
    })
    .await;
    are_open(&stage, "all have ended", (0, 0)).await;
}

#[tokio::test]
async fn sessions_that_are_signed_in_are_bounded_too() {
    let settings = [
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("SOCKET_CONNECT_TIMEOUT", "1h"),
        ("SOCKET_MAX_SESSIONS", "5"),
        ("SOCKET_MAX_PENDING", "4"),
        ("SOCKET_MAX_SESSIONS_PER_ADDRESS", "3"),
    ];
    let stage = Stage::set_with(&settings).await;
    let from = async |address| Socket::open_from(stage.url(), token_of(&stage.ada), Some(address)).await;
    let mut opened = Vec::new();
    for _ in 0..3 {
        opened.push(from("203.0.113.7").await.unwrap());
    }
    assert!(from("203.0.113.7").await.err().unwrap_or_default().contains("429"));
    opened.push(from("203.0.113.8").await.unwrap());
    opened.push(from("203.0.113.9").await.unwrap());
    assert!(from("203.0.113.10").await.err().unwrap_or_default().contains("503"));
    assert_eq!(stage.app.engine_sessions(), (5, 0));
    drop(opened);
    are_open(&stage, "all have ended", (0, 0)).await;
}

/// Limits of three sessions, which end soon.
const BRIEF: [(&str, &str); 3] =
    [("TRUSTED_PROXIES", "127.0.0.1"), ("SOCKET_CONNECT_TIMEOUT", "1s"), ("SOCKET_MAX_PENDING_PER_ADDRESS", "3")];

/// The server ends the connection, whatever packets come before.
async fn ends(socket: &mut Socket) {
    let to_the_end = async { while socket.packet().await.is_some() {} };
    timeout(PATIENCE, to_the_end).await.expect("the server ends the connection");
}

#[tokio::test]
async fn a_socket_session_that_does_not_authenticate_is_closed() {
    let stage = Stage::set_with(&BRIEF).await;
    let attacker = Attacker::of(&stage);
    let address = "203.0.113.7";
    // It never polls.
    assert_eq!(attacker.opens(vec![address.to_owned(); 3]).await.0, 3);
    are_open(&stage, "never polled", (0, 0)).await;
    // It sends a close packet, or an invalid packet, or polls twice concurrently.
    for packets in ["1", "x", ""] {
        for _ in 0..3 {
            let id = attacker.get(address, "").await.id();
            if packets.is_empty() {
                let query = format!("&sid={id}");
                // The first one receives the heartbeat that is waiting.
                attacker.get(address, &query).await;
                futures_util::join!(attacker.get(address, &query), attacker.get(address, &query));
            } else {
                attacker.post(&id, packets).await;
            }
        }
        are_open(&stage, packets, (0, 0)).await;
    }
    // It signs in with an invalid token, connects to an unknown namespace, or sends nothing, over a WebSocket.
    for packet in ["40{\"token\":\"forged\"}", "40/nowhere,{\"token\":\"forged\"}", ""] {
        for _ in 0..3 {
            let mut socket = Socket::bare(stage.url(), "", Some(address)).await.unwrap();
            if !packet.is_empty() {
                socket.send(packet.to_owned()).await;
            }
            ends(&mut socket).await;
        }
        are_open(&stage, packet, (0, 0)).await;
    }
    // Its connection is lost.
    for _ in 0..3 {
        drop(Socket::bare(stage.url(), "", Some(address)).await.unwrap());
    }
    are_open(&stage, "broken", (0, 0)).await;
}

#[tokio::test]
async fn a_session_does_not_outlive_its_last_socket_for_long() {
    let stage = Stage::set_with(&BRIEF).await;
    let attacker = Attacker::of(&stage);
    let address = "203.0.113.7";
    let open = async || {
        let mut opened = Vec::new();
        for _ in 0..3 {
            opened.push(Socket::open_from(stage.url(), token_of(&stage.ada), Some(address)).await.unwrap());
        }
        opened
    };
    // The client disconnects the namespace, and still responds to heartbeats.
    let mut opened = open().await;
    for socket in &mut opened {
        socket.send("41".to_owned()).await;
    }
    are_open(&stage, "they are pending", (3, 3)).await;
    for socket in &mut opened {
        ends(socket).await;
    }
    are_open(&stage, "left", (0, 0)).await;
    // It reconnects in time.
    let mut socket = Socket::open_from(stage.url(), token_of(&stage.ada), Some(address)).await.unwrap();
    socket.send("41".to_owned()).await;
    socket.send(format!("40{}", json!({ "token": token_of(&stage.ada) }))).await;
    assert!(socket.packet().await.unwrap().starts_with("40{"));
    let (passing, _) = attacker.opens(vec![address.to_owned(); 3]).await;
    assert_eq!(passing, 3);
    are_open(&stage, "signed in again", (1, 0)).await;
    assert_eq!(socket.joins(&format!("user:{}", stage.ada.id)).await["ok"], true);
    // The server disconnects it.
    stage.ada.post("/api/auth/logout-all", &Value::Null).await.expect(204);
    ends(&mut socket).await;
    are_open(&stage, "sent away", (0, 0)).await;
}

#[tokio::test]
async fn an_upgraded_session_counts_once_and_ends_like_any_other() {
    let settings = [BRIEF[0], BRIEF[1], ("SOCKET_MAX_SESSIONS_PER_ADDRESS", "1")];
    let stage = Stage::set_with(&settings).await;
    let attacker = Attacker::of(&stage);
    let address = "203.0.113.7";
    let id = attacker.get(address, "").await.id();
    let mut socket = Socket::bare(stage.url(), &format!("&sid={id}"), Some(address)).await.unwrap();
    socket.send("2probe".to_owned()).await;
    assert_eq!(socket.packet().await.unwrap(), "3probe");
    socket.send("5".to_owned()).await;
    socket.send(format!("40{}", json!({ "token": token_of(&stage.ada) }))).await;
    while !socket.packet().await.expect("it is let in").starts_with("40{") {}
    assert_eq!(attacker.get(address, "").await.status, 429);
    assert_eq!(socket.joins(&format!("user:{}", stage.ada.id)).await["ok"], true);
    socket.send("41".to_owned()).await;
    ends(&mut socket).await;
    are_open(&stage, "ended", (0, 0)).await;
}

#[tokio::test]
async fn a_polling_session_without_a_socket_is_closed_with_its_next_request() {
    let settings = [BRIEF[0], BRIEF[1], ("SOCKET_MAX_SESSIONS_PER_ADDRESS", "1")];
    let stage = Stage::set_with(&settings).await;
    let attacker = Attacker::of(&stage);
    let address = "203.0.113.7";
    let id = attacker.get(address, "").await.id();
    let sign_in = format!("40{}", json!({ "token": token_of(&stage.ada) }));
    assert_eq!(attacker.post(&id, &sign_in).await, 200);
    // The first packet is a heartbeat.
    eventually("it is let in", async || attacker.get(address, &format!("&sid={id}")).await.body.contains("40{")).await;
    assert_eq!(stage.app.engine_sessions(), (1, 0));
    assert_eq!(attacker.post(&id, "41").await, 200);
    // It polls, and responds to heartbeats: it would never end.
    eventually("it is over", async || attacker.post(&id, "3").await == 400).await;
    are_open(&stage, "ended", (0, 0)).await;
}

#[tokio::test]
async fn bytes_from_one_socket_session_are_bounded() {
    let stage = Stage::set_with(&[("SOCKET_EVENTS", "5/1h")]).await;
    let sign_in = format!("40{}", json!({ "token": token_of(&stage.ada) }));
    let mut socket = Socket::bare(stage.url(), "", None).await.unwrap();
    socket.packet().await.unwrap();
    // Signing in and out repeatedly, as fast as possible.
    for _ in 0..5 {
        socket.send(sign_in.clone()).await;
        assert!(socket.packet().await.unwrap().starts_with("40{"));
        socket.send("41".to_owned()).await;
    }
    socket.send(sign_in.clone()).await;
    assert_eq!(socket.packet().await.unwrap(), r#"44{"message":"too_many_requests"}"#);
    // Packets that announce attachments, attachments without a packet, events without a socket.
    for packet in ["451-[\"join\",{\"_placeholder\":true,\"num\":0}]", "461-[1]", "42[\"join\",{}]", "bAAAA", "4", "x"]
    {
        let mut socket = Socket::bare(stage.url(), "", None).await.unwrap();
        socket.packet().await.unwrap();
        socket.send(packet.to_owned()).await;
        timeout(Duration::from_secs(5), ends(&mut socket)).await.unwrap_or_else(|_| panic!("{packet}"));
    }
}
