//! Response headers, CORS, and clients that are slow, send too much or come from other origins.

use std::time::Duration;

use comanda::openapi;
use comanda::router;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{TestApp, eventually};
use crate::extract::{exchange, trickle};
use crate::reply::Reply;

/// A path with values for its parameters.
fn concrete(path: &str) -> String {
    let fill = |part: &str| if part.starts_with('{') { "something".to_owned() } else { part.to_owned() };
    path.split('/').map(fill).collect::<Vec<_>>().join("/")
}

fn assert_guarded(reply: &Reply, what: &str) {
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(reply.header("referrer-policy"), "no-referrer", "{what}");
    assert_eq!(reply.header("strict-transport-security"), "max-age=31536000; includeSubDomains", "{what}");
    let policy = reply.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{what}");
    // Pages may connect to their own origin only: no scheme or host is a wildcard.
    let sources = policy.split(';').find_map(|directive| directive.trim().strip_prefix("connect-src "));
    assert_eq!(sources, Some("'self'"), "{what}: {policy}");
    assert!(!reply.header("cache-control").is_empty(), "{what}");
    assert!(!reply.header("x-request-id").is_empty(), "{what}");
    if !reply.bytes.is_empty() {
        let kind = reply.header("content-type");
        assert!(kind.starts_with("application/") || kind.contains("charset=utf-8"), "{what}: {kind}");
    }
}

#[tokio::test]
async fn every_response_has_security_and_limit_headers() {
    let app = TestApp::with(&[("PUBLIC_URL", "https://api.example.com")]).await;
    let stranger = app.stranger();
    let mut asked = 0;
    for (path, method, _) in openapi::operations(&router::document()) {
        let reply = stranger.send(stranger.request(method.clone(), &concrete(&path))).await;
        assert_guarded(&reply, &format!("{method} {path} {}", reply.status));
        assert!(!reply.header("ratelimit").is_empty(), "{method} {path}");
        asked += 1;
    }
    assert!(asked > 30, "{asked} operations");
    for path in ["/", "/docs", "/api/openapi.json", "/nowhere", "/api/nowhere"] {
        let reply = stranger.get(path).await;
        assert_guarded(&reply, path);
    }
}

#[tokio::test]
async fn without_https_there_is_no_hsts_header() {
    let app = TestApp::start().await;
    assert_eq!(app.stranger().get("/api/health").await.header("strict-transport-security"), "");
}

#[tokio::test]
async fn only_listed_origins_may_read_and_none_with_credentials() {
    let app = TestApp::with(&[("CORS_ORIGINS", "https://good.test, http://localhost:5173")]).await;
    let stranger = app.stranger();
    let table = [
        ("https://good.test", true),
        ("http://localhost:5173", true),
        ("https://evil.test", false),
        ("null", false),
        ("https://good.test.evil.test", false),
        ("https://evil.test/https://good.test", false),
        ("http://good.test", false),
        ("https://good.test:8443", false),
        ("https://GOOD.test", false),
        ("http://localhost:5174", false),
        ("*", false),
    ];
    for (origin, is_listed) in table {
        let expected = if is_listed { origin } else { "" };
        for (method, path) in
            [(Method::GET, "/api/restaurants"), (Method::GET, "/api/me"), (Method::POST, "/api/auth/login")]
        {
            let reply = stranger.send(stranger.request(method.clone(), path).header("origin", origin)).await;
            assert_eq!(reply.header("access-control-allow-origin"), expected, "{origin} {method} {path}");
            assert_eq!(reply.header("access-control-allow-credentials"), "", "{origin} {path}");
            assert!(reply.header("vary").contains("origin"), "{origin} {path}: {}", reply.header("vary"));
        }
        let preflight = stranger
            .request(Method::OPTIONS, "/api/orders")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,idempotency-key");
        let reply = stranger.send(preflight).await;
        assert_eq!(reply.header("access-control-allow-origin"), expected, "{origin} asks before");
        let sockets = stranger.request(Method::GET, "/socket.io/?EIO=4&transport=polling").header("origin", origin);
        let reply = stranger.send(sockets).await;
        assert_eq!(reply.status, if is_listed { 200 } else { 403 }, "{origin} opens a socket");
    }
}

#[tokio::test]
async fn without_configured_origins_only_the_own_origin_is_allowed() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    let foreign =
        stranger.send(stranger.request(Method::GET, "/api/restaurants").header("origin", "https://a.test")).await;
    assert_eq!(foreign.header("access-control-allow-origin"), "");
    let own = format!("http://{}", app.address());
    let socket = stranger.request(Method::GET, "/socket.io/?EIO=4&transport=polling").header("origin", own);
    assert_eq!(stranger.send(socket).await.status, 200);
}

#[tokio::test]
async fn unknown_methods_are_405_everywhere() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    for method in ["TRACE", "CONNECTED", "BREW", "PROPFIND"] {
        for path in ["/", "/api/health", "/api/orders", "/api/nowhere", "/socket.io/"] {
            let reply = stranger.send(stranger.request(Method::from_bytes(method.as_bytes()).unwrap(), path)).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            assert!(reply.header("allow").contains("GET"), "{method} {path}");
        }
    }
    for (method, path) in [("PUT", "/api/auth/login"), ("DELETE", "/api/health"), ("PATCH", "/api/orders")] {
        let reply = stranger.send(stranger.request(Method::from_bytes(method.as_bytes()).unwrap(), path)).await;
        reply.refused(405, "method_not_allowed");
        assert!(!reply.header("allow").is_empty(), "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let body = json!({ "email": "ada@example.com", "password": "three green apples" }).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", ""] {
        let request = ada.request(Method::POST, "/api/auth/login").header("content-type", kind).body(body.clone());
        ada.send(request).await.refused(415, "unsupported_media_type");
    }
    let nothing = ada.request(Method::POST, "/api/auth/login").body(body);
    ada.send(nothing).await.refused(415, "unsupported_media_type");
}

#[tokio::test]
async fn headers_and_bodies_have_a_size() {
    let app = TestApp::with(&[("MAX_HEADER_BYTES", "4096"), ("MAX_BODY_BYTES", "2048")]).await;
    let long = format!("GET /api/health HTTP/1.1\r\nhost: a\r\nx-long: {}\r\n\r\n", "a".repeat(8_000));
    assert!(exchange(app.address(), long.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many =
        (0..101).fold("GET /api/health HTTP/1.1\r\nhost: a\r\n".to_owned(), |head, n| format!("{head}x{n}: 1\r\n"));
    assert!(exchange(app.address(), format!("{many}\r\n").as_bytes()).await.starts_with("HTTP/1.1 431"));
    let stranger = app.stranger();
    let large = stranger.request(Method::POST, "/api/auth/login").json(&json!({ "email": "a".repeat(3_000) }));
    stranger.send(large).await.refused(413, "body_too_large");
}

#[tokio::test]
async fn lengths_that_contradict_each_other_end_the_connection() {
    let app = TestApp::start().await;
    let both = "POST /api/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\
                transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /api/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = exchange(app.address(), both.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    for junk in ["content-length: 4\r\ncontent-length: 5\r\n", "content-length: -1\r\n", "transfer-encoding: cow\r\n"] {
        let request = format!("POST /api/auth/login HTTP/1.1\r\nhost: a\r\n{junk}\r\nabcd");
        let answer = exchange(app.address(), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{junk}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_sends_single_header_bytes_is_disconnected() {
    let app = TestApp::with(&[("HEADER_TIMEOUT", "1s")]).await;
    let head = "GET /api/health HTTP/1.1\r\nhost: a\r\nx-slow: ";
    trickle(app.address(), head, b'a', Duration::from_millis(100)).await;
    trickle(app.address(), "", b' ', Duration::from_mins(2)).await;
}

#[tokio::test]
async fn a_client_that_sends_its_body_too_slowly_is_disconnected() {
    let app = TestApp::start().await;
    let head =
        "POST /api/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n";
    let (answer, took) = trickle(app.address(), head, b' ', Duration::from_millis(100)).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(took > Duration::from_secs(4), "closed after {took:?}");
}

#[tokio::test]
async fn connections_of_one_address_are_limited_and_others_are_served() {
    let app = TestApp::with(&[("MAX_CONNECTIONS_PER_ADDRESS", "5")]).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(TcpStream::connect(app.address()).await.unwrap());
    }
    // Connections are accepted in the order in which they arrive.
    let answer = exchange(app.address(), b"GET /api/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!(answer, "", "the sixth is closed without an answer");
    let mut byte = [0];
    let idle = tokio::time::timeout(Duration::from_millis(50), held[0].read(&mut byte)).await;
    assert!(idle.is_err(), "those within the bound stay");
    held.pop();
    eventually("a place is given up", async || {
        exchange(app.address(), b"GET /api/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .contains("200 OK")
    })
    .await;
}

#[tokio::test]
async fn a_client_that_stops_reading_is_disconnected() {
    let app = TestApp::with(&[("STALL_TIMEOUT", "1s"), ("MAX_CONNECTIONS_PER_ADDRESS", "1")]).await;
    let mut silent = TcpStream::connect(app.address()).await.unwrap();
    // More responses than the system's buffers hold, none of which is read.
    let question = b"GET /api/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n";
    silent.write_all(&question.repeat(200)).await.unwrap();
    eventually("its place is given up", async || {
        exchange(app.address(), b"GET /api/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .contains("200 OK")
    })
    .await;
    drop(silent);
}

#[tokio::test]
async fn a_trusted_proxy_has_no_connection_limit() {
    let changes = [("MAX_CONNECTIONS_PER_ADDRESS", "1"), ("TRUSTED_PROXIES", "127.0.0.0/8")];
    let app = TestApp::with(&changes).await;
    let _held = TcpStream::connect(app.address()).await.unwrap();
    let answer = exchange(app.address(), b"GET /api/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("200 OK"), "{answer}");
}
