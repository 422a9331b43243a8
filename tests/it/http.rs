//! Rules for every request: addresses, methods, ids, headers, slow clients.

use std::io::Read as _;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{PATIENCE, TestApp, eventually};
use crate::extract::exchange;
use crate::menu_document::euros;

#[tokio::test]
async fn the_health_check_succeeds() {
    let app = TestApp::start().await;
    let health = app.stranger().get("/api/health").await.expect(200);
    assert_eq!(health["status"], "ok");
    assert!(health["version"].is_string());
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_wrong_method_names_the_allowed_ones() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    for path in ["/api", "/api/", "/api/nothing", "/API/health", "/api/orders/", "/api//health", "/favicon.ico"] {
        stranger.get(path).await.refused(404, "not_found");
    }
    let wrong = stranger.send(stranger.request(Method::DELETE, "/api/orders")).await;
    wrong.refused(405, "method_not_allowed");
    let mut allowed: Vec<_> = wrong.header("allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    for odd in ["TRACE", "CONNECT", "BREW"] {
        let method = Method::from_bytes(odd.as_bytes()).unwrap();
        let reply = stranger.send(stranger.request(method, "/api/health")).await;
        assert!((400..500).contains(&reply.status), "{odd}: {}", reply.status);
    }
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    for path in ["/api/health", &luigi.path(""), &luigi.path("/menu"), "/api/openapi.json", "/docs", "/api/me"] {
        let get = ada.get(path).await;
        let head = ada.send(ada.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.bytes.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn a_valid_request_id_of_the_client_is_kept() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    let with_id = |id: &str| stranger.request(Method::GET, "/api/nothing").header("x-request-id", id);
    for good in ["abc-123", "01a204bf-a5f7-74dd-bf46-ab1798e7ff7e", "a.b:c_d", &"x".repeat(128)] {
        let reply = stranger.send(with_id(good)).await;
        assert_eq!(reply.refused(404, "not_found")["requestId"], good);
    }
    for bad in ["", "two words", "<script>", "a\"b", &"x".repeat(129)] {
        let reply = stranger.send(with_id(bad)).await;
        reply.refused(404, "not_found");
        assert!(reply.header("x-request-id").parse::<uuid::Uuid>().is_ok(), "{bad}");
    }
    let first = stranger.get("/api/health").await;
    assert_ne!(first.header("x-request-id"), stranger.get("/api/health").await.header("x-request-id"));
}

#[tokio::test]
async fn long_responses_are_compressed_for_clients_that_accept_it() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    let request = stranger.request(Method::GET, "/api/openapi.json").header("accept-encoding", "gzip");
    let packed = stranger.send(request).await;
    let plain = stranger.get("/api/openapi.json").await;
    assert_eq!((packed.header("content-encoding"), plain.header("content-encoding")), ("gzip", ""));
    assert_eq!(&packed.bytes[..2], [0x1f, 0x8b]);
    assert!(packed.bytes.len() * 4 < plain.bytes.len(), "{} of {}", packed.bytes.len(), plain.bytes.len());
    assert!(packed.header("vary").to_lowercase().contains("accept-encoding"));
}

#[tokio::test]
async fn a_compressed_response_has_the_same_content() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let owner = &luigi.owner;
    // More than 64 kB: compressed on separate threads.
    let items: Vec<_> = (0..300)
        .map(|n| {
            json!({ "key": n.to_string(), "name": format!("Pizza {n}"), "price": euros(1_000),
          "description": "x".repeat(300) })
        })
        .collect();
    let menu = json!({ "language": "it", "categories": [{ "key": "c", "name": "Pizze", "items": items }] });
    owner.put(&luigi.path("/menu"), &menu).await.expect(200);
    for path in [luigi.path(""), luigi.path("/menu/document"), luigi.path("/menu.csv"), "/docs".to_owned()] {
        let plain = owner.get(&path).await;
        let packed = owner.send(owner.request(Method::GET, &path).header("accept-encoding", "gzip")).await;
        assert_eq!((plain.status, packed.status), (200, 200), "{path}");
        assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("", "gzip"), "{path}");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(packed.bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain.bytes, "{path}");
        for reply in [plain, packed] {
            assert_eq!(reply.header("vary"), "accept-encoding", "{path}");
            assert_eq!(reply.header("content-length"), reply.bytes.len().to_string(), "{path}");
        }
    }
}

#[tokio::test]
async fn static_files_are_revalidated_and_rate_limited() {
    let app = TestApp::with(&[("RATE_LIMIT_ADDRESS", "12/1h")]).await;
    let stranger = app.stranger();
    for path in ["/", "/docs", "/api/openapi.json", "/console/base.css"] {
        let etag = stranger.get(path).await.header("etag").to_owned();
        assert!(etag.len() > 8, "{path}: {etag}");
        for held in [etag.clone(), format!("W/{etag}, \"other\"")] {
            let again = stranger.send(stranger.request(Method::GET, path).header("if-none-match", held)).await;
            assert_eq!((again.status, again.bytes.len()), (304, 0), "{path}");
        }
    }
    for path in ["/", "/docs", "/api/openapi.json", "/console/base.css"] {
        stranger.get(path).await.refused(429, "too_many_requests");
    }
}

#[tokio::test]
async fn bodies_that_never_end_take_a_share_of_the_memory() {
    let bounds = [("BODIES_MAX_BYTES", "1048576"), ("MENU_MAX_BYTES", "300000"), ("IMAGE_MAX_BYTES", "100000")];
    let app = TestApp::with(&bounds).await;
    let luigi = app.restaurant("Luigi").opens().await;
    // A quarter is less than the largest body, 300,000 bytes, for which there is always memory; for two there is
    // none.
    let menu =
        json!({ "language": "it", "categories": [{ "key": "c", "name": "x".repeat(100), "items": [] }] }).to_string();
    let menu = format!("{menu}{}", " ".repeat(200_000 - menu.len()));
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: \
         {}\r\n\r\n",
        luigi.path("/menu"),
        luigi.owner.token.as_deref().unwrap(),
        menu.len(),
    );
    let puts = async || {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        stream.write_all(format!("{head}{menu}").as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        String::from_utf8(answer.to_vec()).unwrap()
    };
    // Whichever of the two comes first has the memory; repeated until that is the one that never ends.
    let mut unfinished = None;
    eventually("there is no memory for another", async || {
        unfinished = None;
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        stream.write_all(format!("{head}{}", &menu[..199_999]).as_bytes()).await.unwrap();
        unfinished = Some(stream);
        puts().await == "HTTP/1.1 503"
    })
    .await;
    drop(unfinished);
    eventually("there is, as soon as the client has gone", async || puts().await == "HTTP/1.1 200").await;
}

#[tokio::test]
async fn a_client_without_accepted_coding_gets_plain_bytes_and_the_status() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    for (wanted, coding) in [
        ("*;q=0", ""),
        ("identity;q=0", ""),
        ("gzip;q=0, identity;q=0", ""),
        ("br, *;q=0", ""),
        ("*;q=0, gzip", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0, *", ""),
    ] {
        let request = stranger.request(Method::GET, "/api/openapi.json").header("accept-encoding", wanted);
        let reply = stranger.send(request).await;
        assert_eq!((reply.status, reply.header("content-encoding")), (200, coding), "{wanted}");
    }
    let request = stranger.request(Method::POST, "/api/guests").header("accept-encoding", "identity;q=0");
    assert_eq!(stranger.send(request).await.status, 201);
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let app = TestApp::start().await;
    for path in ["/", "/docs", "/api/health", "/api/nothing", "/console/base.css"] {
        let reply = app.stranger().get(path).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
        assert!(reply.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert!(!reply.header("cache-control").is_empty(), "{path}");
        assert!(!reply.header("x-request-id").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn the_console_loads_nothing_from_other_origins() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    for page in ["/", "/docs"] {
        let html = stranger.get(page).await;
        assert_eq!((html.status, html.header("content-type")), (200, "text/html; charset=utf-8"));
        let text = html.text();
        let links = text.split(['"', '\'']).filter(|part| part.starts_with("/console/") || part.contains("://"));
        for link in links.filter(|link| !link.contains("www.w3.org")) {
            assert!(link.starts_with('/'), "{page} asks for {link}");
            assert_eq!(stranger.get(link).await.status, 200, "{link}");
        }
    }
    stranger.get("/console/../Cargo.toml").await.refused(404, "not_found");
    stranger.get("/console/%2e%2e/Cargo.toml").await.refused(404, "not_found");
    stranger.get("/console/nothing.js").await.refused(404, "not_found");
}

/// The response of the server until it closes the connection.
async fn until_the_end(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    assert!(end.is_ok(), "the server did not hang up");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn a_client_that_sends_its_headers_slowly_is_disconnected() {
    let app = TestApp::with(&[("HEADER_TIMEOUT", "150ms")]).await;
    for begun in ["", "GET /api/health HTTP/1.1\r\nHost: x\r\nX-Slow"] {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let said = until_the_end(stream).await;
        assert!(!said.contains("200 OK"), "{said}");
    }
    app.stranger().get("/api/health").await.expect(200);
}

#[tokio::test]
async fn a_client_that_sends_its_body_slowly_is_answered_in_time() {
    let app = TestApp::with(&[("REQUEST_TIMEOUT", "200ms")]).await;
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let begun = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\
                 Connection: close\r\n\r\n{\"email\":";
    stream.write_all(begun.as_bytes()).await.unwrap();
    let said = until_the_end(stream).await;
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("request_timeout"), "{said}");
}

/// A body in chunks of one byte costs the server a hundred times as much as the same bytes at once.
#[tokio::test]
async fn a_body_of_thousands_of_tiny_chunks_is_refused_before_it_ends() {
    let app = TestApp::start().await;
    let of = |chunks: usize, size: usize| {
        let head = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        let chunk = format!("{size:x}\r\n{}\r\n", " ".repeat(size));
        format!("{head}{}0\r\n\r\n", chunk.repeat(chunks))
    };
    let said = exchange(app.address(), of(1_200, 1).as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("larger pieces"), "{said}");
    // A few of them, and many chunks of a reasonable size, are read to their end.
    for (chunks, size) in [(500, 1), (1_500, 80)] {
        let said = exchange(app.address(), of(chunks, size).as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("ends before it is complete"), "{said}");
    }
}

/// JSON and tables must not be compressed: they would be parsed as invalid JSON.
#[tokio::test]
async fn a_compressed_body_is_refused_as_unsupported() {
    let app = TestApp::start().await;
    for coding in ["gzip", "br", "identity, gzip"] {
        let stranger = app.stranger();
        let request = stranger.request(reqwest::Method::POST, "/api/auth/login").header("content-encoding", coding);
        let request = request.header("content-type", "application/json").body(vec![0x1f, 0x8b]);
        stranger.send(request).await.refused(415, "unsupported_media_type");
    }
    let stranger = app.stranger();
    let request = stranger.request(reqwest::Method::POST, "/api/auth/login").header("content-encoding", "Identity");
    let request = request.json(&serde_json::json!({ "email": "nobody@example.com", "password": "wrong password" }));
    stranger.send(request).await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn bytes_that_are_not_http_are_refused() {
    let app = TestApp::start().await;
    for noise in [
        "hello\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET /api/health HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000)),
        format!("GET /api/health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(1_000_000)),
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(),
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(),
    ] {
        let stream = TcpStream::connect(app.address()).await.unwrap();
        let (reader, mut writer) = stream.into_split();
        // The server may close the connection before it has read everything.
        let _ = writer.write_all(noise.as_bytes()).await;
        let _ = writer.shutdown().await;
        let said = tokio::time::timeout(PATIENCE, async {
            let (mut reader, mut said) = (reader, Vec::new());
            let _ = reader.read_to_end(&mut said).await;
            String::from_utf8_lossy(&said).into_owned()
        });
        let said = said.await.expect("the server hangs up");
        let shown: String = noise.chars().take(40).collect();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{shown}: {said}");
    }
    app.stranger().get("/api/health").await.expect(200);
}

#[tokio::test]
async fn a_stopping_server_finishes_running_requests() {
    let mut app = TestApp::start().await;
    let body = r#"{"email":"ada@example.com","password":"three green apples","name":"Ada"}"#;
    let head = format!(
        "POST /api/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream.write_all(format!("{head}{}", &body[..10]).as_bytes()).await.unwrap();
    // Connections are accepted in order: when this one is answered, the server has accepted the other.
    app.stranger().get("/api/health").await.expect(200);
    let address = app.address();
    let rest = async {
        crate::app::eventually("nobody listens any more", async || TcpStream::connect(address).await.is_err()).await;
        stream.write_all(&body.as_bytes()[10..]).await.unwrap();
        until_the_end(stream).await
    };
    let (said, ()) = tokio::join!(rest, app.stop());
    assert!(said.starts_with("HTTP/1.1 202 "), "{said}");
    assert_eq!(app.count("select count(*) from users").await, 1);
}
