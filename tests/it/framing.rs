//! Requests by RFC 9112, byte by byte: a request that two programs could parse differently is refused, and the
//! connection is closed.

use comanda::framing::Framing;
use proptest::prelude::*;

use crate::app::TestApp;
use crate::extract::exchange;

/// The status lines of the responses.
fn statuses(said: &str) -> Vec<&str> {
    said.split("HTTP/1.").skip(1).map(|rest| &rest[2..5]).collect()
}

#[tokio::test]
async fn ambiguous_request_heads_are_refused_and_the_connection_closed() {
    let app = TestApp::start().await;
    let login = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let second = "GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n";
    let (chunked, bare) = ("Transfer-Encoding: chunked\r\n\r\n", "GET /api/health HTTP/1.1\nHost: x\n\n");
    for bad in [
        "GET /api/health HTTP/1.1\nHost: x\n\n",
        "GET /api/health HTTP/1.1\nHost: x\r\n\r\n",
        "GET /api/health HTTP/1.1\r\nHost: x\n\r\n",
        "GET /api/health HTTP/1.1\r\nHost: x\r\n\n",
        "GET /api/health HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
        "\nGET /api/health HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /api/health HTTP/1.1\r\n\r\n",
        "GET /api/health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /api/health HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        "GET /api/health HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /api/health HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /api/health HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /api/health HTTP/1.1\r\n Host: x\r\n\r\n",
        &format!("{login}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        &format!("{login}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
        &format!("{login}transfer-encoding: CHUNKED\r\ncontent-length: 0\r\n\r\n0\r\n\r\n"),
        &format!("{login}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}"),
        &format!("{login}Content-Length: 2, 2\r\n\r\n{{}}"),
        &format!("{login}Content-Length: +2\r\n\r\n{{}}"),
        &format!("{login}Content-Length: {}2\r\n\r\n{{}}", "0".repeat(200)),
        &format!("{login}Content-Length:{}2\r\n\r\n{{}}", " ".repeat(200)),
        &format!("{login}Transfer-Encoding:{}chunked\r\n\r\n0\r\n\r\n", " ".repeat(200)),
        &format!("{login}Transfer-Encoding: identity\r\n\r\n"),
        &format!("{login}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        &format!("{login}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        &format!("{login}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        &format!("{login}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{login}{chunked}2;a=b\n{{}}\r\n0\r\n\r\n"),
        &format!("{login}{chunked}2;a\rb\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{login}{chunked}2\r\n{{}}\r\n0\r\n\n"),
        &format!("{login}{chunked}2\r\n{{}}\r\n0\r\nX: y\n\r\n"),
        &format!("{login}{chunked}2\r\n{{}}\r\n0\r\nX: y\r\n\n"),
        &format!("{login}{chunked}2\r\n{{}}\r\n0\r\nX: y\rz\r\n\r\n"),
        // A server that accepts a bare LF as the end of the trailers would parse the rest as another request with a
        // body.
        &format!("{login}{chunked}2\r\n{{}}\r\n0\r\nX: y\n\r\nP: /x HTTP/1.1\r\nContent-Length: 9999\r\n\r\n{bare}"),
    ] {
        let said = exchange(app.address(), format!("{bad}{second}").as_bytes()).await;
        assert_eq!(statuses(&said), ["400"], "{bad:?}: {said}");
    }
    // In a later request of a connection as in the first one.
    let said =
        exchange(app.address(), format!("{second}GET /api/health HTTP/1.1\nHost: x\n\n{second}").as_bytes()).await;
    assert_eq!(statuses(&said), ["200", "400"], "{said}");
}

#[tokio::test]
async fn bodies_may_contain_bytes_that_headers_may_not() {
    let app = TestApp::start().await;
    let body = "{\n\"email\": \"ada@example.com\",\r\"password\":\n\n\"three green apples\" }\n";
    let head = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let plain = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let parts: Vec<_> = body.as_bytes().chunks(7).map(String::from_utf8_lossy).collect();
    let chunks = parts.iter().fold(String::new(), |all, part| all + &format!("{:x};a=b\r\n{part}\r\n", part.len()));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\nX-Trailer: y\r\n\r\n");
    let last = "GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let said = exchange(app.address(), format!("{plain}{chunked}\r\n{plain}{last}").as_bytes()).await;
    assert_eq!(statuses(&said), ["401", "401", "401", "200"], "{said}");
    let old = exchange(app.address(), b"GET /api/health HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
    let old = exchange(app.address(), b"GET /api/health HTTP/1.0\r\nHost: x\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
}

proptest! {
    /// However the network splits the bytes, the same bytes are accepted.
    #[test]
    fn framing_is_independent_of_the_sizes_of_reads(
        parts in prop::collection::vec(prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "Host: x\r\n", "\r\n", "\n", "\r", "Content-Length: 5\r\n", "hello", "Transfer-Encoding: chunked\r\n",
            "5\r\n", "0\r\n", "a", "5;x=\"y\"\r\n", "FFFFFFFFFFFFFFFFF\r\n", "Upgrade: websocket\r\n",
        ]), 0..16),
        cuts in prop::collection::vec(1_usize..9, 1..40),
    ) {
        let bytes = parts.concat().into_bytes();
        let mut whole = bytes.clone();
        Framing::default().inspect(&mut whole);
        let (mut cut, mut framing, mut at) = (bytes.clone(), Framing::default(), 0);
        for length in cuts.iter().cycle().take(bytes.len()) {
            let end = (at + length).min(cut.len());
            framing.inspect(&mut cut[at..end]);
            at = end;
        }
        prop_assert_eq!(&whole, &cut);
        prop_assert!(whole.iter().zip(&bytes).filter(|(one, other)| one != other).count() <= 1);
    }
}
