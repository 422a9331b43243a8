//! Clients that read nothing, or too slowly: their connections are closed, and those of others are not.

#![expect(
    clippy::disallowed_methods,
    clippy::large_stack_arrays,
    reason = "both ends of a connection are worked on at once, and what is sent is a constant"
)]

use std::io::ErrorKind;
use std::time::Duration;

use comanda::flow::{Flow, FlowCounts, FlowLimits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

const LIMITS: FlowLimits =
    FlowLimits { read_min_rate: 100_000, read_grace: Duration::from_millis(300), unread_bytes: 5_000 };

/// A connection with a buffer of a kilobyte, its client, and the bytes that were written.
fn connection() -> (Flow<DuplexStream>, DuplexStream, FlowCounts) {
    let (server, client) = duplex(1_024);
    let counts = FlowCounts::default();
    (Flow::new(server, LIMITS, counts.clone()), client, counts)
}

#[tokio::test]
async fn a_client_that_reads_too_slowly_is_disconnected() {
    let (mut server, mut client, counts) = connection();
    let reading = tokio::spawn(async move {
        // A few bytes every ten milliseconds: far below the minimum rate, but never nothing.
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        let mut taken = [0; 16];
        loop {
            pace.tick().await;
            if client.read(&mut taken).await.is_err() {
                return;
            }
        }
    });
    let error = server.write_all(&[b'x'; 1 << 20]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(counts.is_blocked() && (1_024..100_000).contains(&counts.written()), "{}", counts.written());
    assert!(server.write_all(b"more").await.is_err() && server.read_u8().await.is_err(), "it stays cut");
    reading.abort();
}

#[tokio::test]
async fn a_client_that_reads_at_the_minimum_rate_gets_everything() {
    let (mut server, mut client, counts) = connection();
    let reading = tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        let (mut taken, mut all) = ([0; 1_024], 0);
        while all < 400_000 {
            pace.tick().await;
            all += client.read(&mut taken).await.unwrap();
        }
    });
    server.write_all(&[b'x'; 400_000]).await.unwrap();
    reading.await.unwrap();
    assert_eq!((counts.written(), counts.is_blocked()), (400_000, false));
}

#[tokio::test]
async fn a_socket_whose_client_sends_and_does_not_read_is_disconnected() {
    let (mut server, mut client, _) = connection();
    server.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await.unwrap();
    let (mut from_client, mut to_client) = tokio::io::split(server);
    // Something waits for the client, as a pong would.
    let writing = tokio::spawn(async move { to_client.write_all(&[b'x'; 4_096]).await });
    let reading = tokio::spawn(async move {
        let mut pings = [0; 64];
        let mut came = 0;
        loop {
            match from_client.read(&mut pings).await {
                Ok(bytes) => came += bytes,
                Err(error) => return (came, error.kind()),
            }
        }
    });
    // Fails when the connection is dropped.
    while client.write_all(&[b'p'; 64]).await.is_ok() && !reading.is_finished() {}
    let (came, kind) = reading.await.unwrap();
    assert_eq!(kind, ErrorKind::ConnectionAborted);
    assert!((4_900..7_000).contains(&came), "{came}");
    assert!(writing.await.unwrap().is_err(), "a waiting write returns an error");
}

#[tokio::test]
async fn a_request_that_is_read_late_may_still_be_large() {
    let (server, mut client, _) = connection();
    let (mut from_client, mut to_client) = tokio::io::split(server);
    let writing = tokio::spawn(async move { to_client.write_all(&[b'x'; 2_048]).await });
    let reading = tokio::spawn(async move {
        let mut body = vec![0; 20_000];
        from_client.read_exact(&mut body).await.map(|_| ())
    });
    client.write_all(&[b'p'; 20_000]).await.unwrap();
    reading.await.unwrap().unwrap();
    let mut answer = [0; 2_048];
    client.read_exact(&mut answer).await.unwrap();
    writing.await.unwrap().unwrap();
}

/// Does nothing for this long, as a slow client does.
async fn lets_pass(time: Duration) {
    let mut pace = tokio::time::interval(time);
    pace.tick().await;
    pace.tick().await;
}

/// Time without anything to send is not counted: a client that was slow long ago is not disconnected for it.
#[tokio::test]
async fn a_client_that_paused_has_the_full_time_for_new_events() {
    let (mut server, mut client, counts) = connection();
    let reads = async |client: &mut DuplexStream, bytes: usize| {
        client.read_exact(&mut vec![0; bytes]).await.unwrap();
    };
    // Something waits for a third of the grace period, and then nothing does; little is written, often, for longer
    // than the grace period.
    let writes = async { server.write_all(&[b'x'; 2_048]).await.unwrap() };
    tokio::join!(writes, async {
        lets_pass(LIMITS.read_grace / 3).await;
        reads(&mut client, 2_048).await;
    });
    let mut often = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..30 {
        often.tick().await;
        server.write_all(b"little").await.unwrap();
        reads(&mut client, 6).await;
    }
    assert!(!counts.is_blocked());
    // Something waits again, for a moment.
    let writes = async { server.write_all(&[b'x'; 2_048]).await.unwrap() };
    tokio::join!(writes, async {
        lets_pass(LIMITS.read_grace / 10).await;
        reads(&mut client, 2_048).await;
    });
}
