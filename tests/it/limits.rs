//! Rate limits, and limits on attempts at secrets.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::app::{TestApp, eventually};
use crate::extract::{Line, Proxy, Redis};
use crate::people::{PASSWORD, Person};
use crate::program::Program;
use crate::reply::Reply;
use comanda::client::{Client, Forwarding, Peer};
use comanda::quota::Quota;

/// The test itself is the proxy in front of the server.
const BEHIND_US: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");

async fn signs_in_from(person: &Person, address: &str, email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    person.send(person.request(Method::POST, "/api/auth/login").header("x-forwarded-for", address).json(&body)).await
}

async fn reads_from(person: &Person, address: &str) -> Reply {
    person.send(person.request(Method::GET, "/api/restaurants").header("x-forwarded-for", address)).await
}

#[test]
fn forwarded_addresses_are_accepted_from_trusted_proxies_only() {
    let proxies = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    let table = [
        // peer, header, address
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, nonsense, 10.9.9.9", "10.9.9.9"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db9::1]:4711", "2001:db9::1"),
        ("10.0.0.1", "2001:db9::1", "2001:db9::1"),
        ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8::7", "198.51.100.1", "198.51.100.1"),
    ];
    for (peer, header, expected) in table {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static(header));
        headers.insert("forwarded", HeaderValue::from_static("for=6.6.6.6"));
        let peer = Peer(peer.parse().unwrap());
        let client = Client::of(peer, &headers, &proxies, Forwarding::XForwardedFor);
        assert_eq!(client.address(), expected.parse::<IpAddr>().unwrap(), "{peer:?} {header}");
    }
    // What a client writes need not be text; what the proxy adds is read all the same.
    for (header, expected) in [(&b"\xff, 198.51.100.1"[..], "198.51.100.1"), (b"198.51.100.1, \xff", "10.0.0.1")] {
        let headers = [(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_bytes(header).unwrap())];
        let headers = HeaderMap::from_iter(headers);
        let client = Client::of(Peer("10.0.0.1".parse().unwrap()), &headers, &proxies, Forwarding::XForwardedFor);
        assert_eq!(client.address(), expected.parse::<IpAddr>().unwrap());
        assert!(!client.is_unnamed(), "it has the limits of any client");
    }
    let peer = Peer("10.0.0.1".parse().unwrap());
    assert!(Client::of(peer, &HeaderMap::new(), &proxies, Forwarding::XForwardedFor).is_unnamed());
    let stranger = Peer("203.0.113.9".parse().unwrap());
    assert!(!Client::of(stranger, &HeaderMap::new(), &proxies, Forwarding::XForwardedFor).is_unnamed());
    let mut headers = HeaderMap::new();
    headers.append("forwarded", HeaderValue::from_static("for=1.1.1.1;proto=http, FOR=\"[2001:db9::2]:80\""));
    headers.append("forwarded", HeaderValue::from_static("proto=https;for=10.1.1.1"));
    headers.append("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
    let client = Client::of(Peer("10.0.0.1".parse().unwrap()), &headers, &proxies, Forwarding::Forwarded);
    assert_eq!(client.address(), "2001:db9::2".parse::<IpAddr>().unwrap());
}

#[test]
fn quotas_are_read_strictly() {
    for good in ["60/1m", "1/1s", "1200/15m", " 5 / 1h "] {
        assert!(Quota::parse(good).is_some(), "{good}");
    }
    for bad in ["", "60", "60/", "/1m", "0/1m", "60/0s", "60/1", "-1/1m", "1.5/1m", "60/1m/1m", "2000/1ms"] {
        assert!(Quota::parse(bad).is_none(), "{bad}");
    }
}

#[tokio::test]
async fn a_user_sees_the_remaining_requests_and_is_limited_at_none() {
    let app = TestApp::with(&[("RATE_LIMIT_USER", "5/1m")]).await;
    let (ada, ben) = (app.customer("Ada").await, app.customer("Ben").await);
    for left in (0..5).rev() {
        let reply = ada.get("/api/me").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("ratelimit-policy"), "\"user\";q=5;w=60");
        assert_eq!(reply.header("ratelimit"), format!("\"user\";r={left};t={}", (5 - left) * 12));
    }
    let reply = ada.get("/api/me").await;
    reply.refused(429, "too_many_requests");
    let wait: i64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert!(reply.header("ratelimit").starts_with("\"user\";r=0;"));
    assert_eq!(ben.get("/api/me").await.status, 200, "somebody else is not held by it");
    assert_eq!(app.stranger().get("/api/restaurants").await.status, 200, "nor whoever is not signed in");
    app.advance_clock(TimeDelta::seconds(wait));
    assert_eq!(ada.get("/api/me").await.status, 200, "Retry-After is the truth");
}

#[tokio::test]
async fn a_spoofed_address_changes_no_bucket() {
    let app = TestApp::with(&[("RATE_LIMIT_ADDRESS", "3/1m")]).await;
    let stranger = app.stranger();
    let mut answers = Vec::new();
    for n in 0..6 {
        answers.push(reads_from(&stranger, &format!("198.51.100.{n}")).await.status);
    }
    assert_eq!(answers, [200, 200, 200, 429, 429, 429]);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_have_separate_buckets() {
    let app = TestApp::with(&[("RATE_LIMIT_ADDRESS", "3/1m"), BEHIND_US]).await;
    let stranger = app.stranger();
    for n in 0..6 {
        // The client's own value is left of the proxy's.
        let chain = format!("6.6.6.{n}, 198.51.100.1");
        assert_eq!(reads_from(&stranger, &chain).await.status, if n < 3 { 200 } else { 429 });
    }
    assert_eq!(reads_from(&stranger, "198.51.100.2").await.status, 200);
}

#[tokio::test]
async fn wrong_passwords_of_an_attacker_do_not_lock_out_the_owner() {
    let app = TestApp::with(&[BEHIND_US]).await;
    let ada = app.customer("Ada").await;
    let stranger = app.stranger();
    let mut answers = std::collections::BTreeMap::new();
    for _ in 0..200 {
        let reply = signs_in_from(&stranger, "198.51.100.1", &ada.email, "not the password").await;
        *answers.entry(reply.status).or_insert(0) += 1;
    }
    assert_eq!(answers, [(401, 10), (429, 190)].into(), "ten passwords are looked at");
    signs_in_from(&stranger, "198.51.100.1", &ada.email, PASSWORD).await.refused(429, "too_many_requests");
    signs_in_from(&stranger, "203.0.113.5", &ada.email, PASSWORD).await.expect(200);
    app.advance_clock(TimeDelta::minutes(15));
    signs_in_from(&stranger, "198.51.100.1", &ada.email, "not the password").await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn many_networks_share_a_hundred_attempts_and_a_familiar_network_still_signs_in() {
    let app = TestApp::with(&[BEHIND_US]).await;
    let ada = app.customer("Ada").await;
    let stranger = app.stranger();
    signs_in_from(&stranger, "203.0.113.5", &ada.email, PASSWORD).await.expect(200);
    let mut tried = 0;
    for n in 0..120 {
        let reply = signs_in_from(&stranger, &format!("198.51.100.{n}"), &ada.email, "not the password").await;
        tried += i32::from(reply.status == 401);
    }
    assert_eq!(tried, 100);
    signs_in_from(&stranger, "198.51.100.200", &ada.email, PASSWORD).await.refused(429, "too_many_requests");
    signs_in_from(&stranger, "203.0.113.5", &ada.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_address_without_an_account_is_counted_like_any_other() {
    let app = TestApp::start().await;
    let ada = app.customer("Ada").await;
    let stranger = app.stranger();
    let mut seen = Vec::new();
    for email in [ada.email.as_str(), "nobody.at.all@example.com"] {
        let mut answers = Vec::new();
        for _ in 0..14 {
            let body = json!({ "email": email, "password": "not the password" });
            let reply = stranger.post("/api/auth/login", &body).await;
            let names: Vec<_> = reply.headers.keys().cloned().collect();
            answers.push((reply.status, names, reply.without_request_id()));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].last().map(|answer| answer.0), Some(429));
}

#[tokio::test]
async fn concurrent_attempts_are_counted_exactly_and_a_correct_one_is_returned() {
    let app = TestApp::with(&[("PASSWORD_HASHES_WAITING", "1000"), ("PASSWORD_HASH_WAIT", "60s")]).await;
    let ada = app.customer("Ada").await;
    let stranger = app.stranger();
    for _ in 0..15 {
        stranger.post("/api/auth/login", &json!({ "email": ada.email, "password": PASSWORD })).await.expect(200);
    }
    let wrong = json!({ "email": ada.email, "password": "not the password" });
    let replies = join_all((0..60).map(|_| stranger.post("/api/auth/login", &wrong))).await;
    let tried = replies.iter().filter(|reply| reply.status == 401).count();
    let refused = replies.iter().filter(|reply| reply.status == 429).count();
    assert_eq!((tried, refused), (10, 50));
}

#[tokio::test]
async fn sign_in_and_up_draw_from_the_networks_bucket_also_with_a_token() {
    let app = TestApp::with(&[("RATE_LIMIT_AUTH", "4/1m"), BEHIND_US]).await;
    let people = [app.stranger(), app.customer("Ada").await];
    let mut answers = Vec::new();
    for n in 0..6 {
        let email = format!("nobody{n}@example.com");
        answers.push(signs_in_from(&people[n % 2], "198.51.100.1", &email, "wrong").await.status);
    }
    assert_eq!(answers, [401, 401, 401, 401, 429, 429]);
    assert_eq!(people[1].get("/api/me").await.status, 200, "the ordinary routes go on");
}

#[tokio::test]
async fn two_nodes_count_together_in_redis() {
    let redis = Redis::start().await;
    let url = format!("redis://{}", redis.address);
    let changes = [("RATE_LIMIT_ADDRESS", "10/1m"), ("REDIS_URL", url.as_str()), ("REDIS_OPERATION_TIMEOUT", "5s")];
    let (one, two) = (TestApp::with(&changes).await, TestApp::with(&changes).await);
    let mut answers = Vec::new();
    for n in 0..14 {
        let app = if n % 2 == 0 { &one } else { &two };
        answers.push(app.stranger().get("/api/restaurants").await);
    }
    let statuses: Vec<_> = answers.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [[200; 10].as_slice(), &[429; 4]].concat());
    assert!(answers[9].header("ratelimit").starts_with("\"address\";r=0;"), "{}", answers[9].header("ratelimit"));
    let keys = redis.say("KEYS *").await;
    assert!(keys.contains("comanda:limit:address:") && !keys.contains("127.0.0.1"), "{keys}");
}

/// Signs in with wrong passwords this many times; returns the statuses, and the slowest response.
async fn wrong_sign_ins(app: &TestApp, email: &str, times: usize) -> (Vec<u16>, Duration) {
    let stranger = app.stranger();
    let (mut statuses, mut slowest) = (Vec::new(), Duration::ZERO);
    for _ in 0..times {
        let begun = Instant::now();
        let body = json!({ "email": email, "password": "not the password" });
        statuses.push(stranger.post("/api/auth/login", &body).await.status);
        slowest = slowest.max(begun.elapsed());
    }
    (statuses, slowest)
}

#[tokio::test]
async fn without_redis_limits_apply_and_no_request_waits_for_it() {
    let mut redis = Redis::start().await;
    let proxy = Proxy::before(redis.address.clone()).await;
    let url = format!("redis://{}", proxy.address);
    let app = TestApp::with(&[("REDIS_URL", &url), ("RATE_LIMIT_AUTH", "30/10m")]).await;
    let ada = app.customer("Ada").await;
    assert_eq!(wrong_sign_ins(&app, &ada.email, 4).await.0, [401; 4]);
    for (line, email) in [(Line::Stalled, "stalled@example.com"), (Line::Cut, "cut@example.com")] {
        proxy.set(line);
        let (statuses, slowest) = wrong_sign_ins(&app, email, 4).await;
        assert_eq!(statuses, [401; 4], "{line:?}");
        assert!(slowest < Duration::from_secs(2), "{line:?}: {slowest:?}");
        assert_eq!(ada.get("/api/me").await.status, 200);
        assert_eq!(ada.get("/api/restaurants").await.status, 200);
    }
    redis.kill();
    // Ten were counted with or without Redis, those without it twice: more than twenty of thirty are used.
    let (statuses, slowest) = wrong_sign_ins(&app, "killed@example.com", 12).await;
    assert!(statuses.contains(&429), "the bucket empties without Redis: {statuses:?}");
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert_eq!(ada.get("/api/me").await.status, 200);
}

#[tokio::test]
async fn an_emptied_redis_gives_no_attempts_back() {
    let redis = Redis::start().await;
    let url = format!("redis://{}", redis.address);
    let app = TestApp::with(&[("REDIS_URL", &url)]).await;
    let ada = app.customer("Ada").await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.extend(wrong_sign_ins(&app, &ada.email, 2).await.0);
        assert_eq!(redis.say("FLUSHALL").await, "+OK\r\n");
        assert_eq!(ada.get("/api/me").await.status, 200, "no session is lost by it");
    }
    assert_eq!(statuses, [[401; 10].as_slice(), &[429; 4]].concat());
}

#[tokio::test]
async fn redis_is_used_again_after_it_comes_back() {
    let redis = Redis::start().await;
    let proxy = Proxy::before(redis.address.clone()).await;
    let url = format!("redis://{}", proxy.address);
    let app = TestApp::with(&[("REDIS_URL", &url)]).await;
    let stranger = app.stranger();
    proxy.set(Line::Stalled);
    for _ in 0..5 {
        assert_eq!(stranger.get("/api/restaurants").await.status, 200);
    }
    proxy.set(Line::Open);
    redis.say("FLUSHALL").await;
    eventually("Redis counts again", async || {
        stranger.get("/api/restaurants").await;
        redis.say("DBSIZE").await != ":0\r\n"
    })
    .await;
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
async fn a_flood_of_passwords_is_refused_quickly_with_bounded_memory() {
    let app = TestApp::start().await;
    let bounds = [("PASSWORD_HASHES_AT_ONCE", "1"), ("PASSWORD_HASHES_WAITING", "16")];
    let program = Program::serve(&app.database_url, &bounds).await;
    let stranger = program.stranger();
    let one = |n: usize| {
        let stranger = stranger.clone();
        async move {
            let begun = Instant::now();
            let body = json!({ "email": format!("nobody{n}@example.com"), "password": "not the password" });
            (stranger.post("/api/auth/login", &body).await, begun.elapsed())
        }
    };
    // How long as many concurrent requests take on this machine when there is nothing to do for them.
    let nothing = join_all((0..300).map(async |_| {
        let begun = Instant::now();
        stranger.get("/api/nowhere").await.refused(404, "not_found");
        begun.elapsed()
    }));
    let quiet = median(nothing.await);
    join_all((0..20).map(one)).await;
    let before = program.resident();
    let mut highest = before;
    let flood = join_all((0..300).map(one));
    tokio::pin!(flood);
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    let replies = loop {
        tokio::select! {
            replies = &mut flood => break replies,
            _ = beat.tick() => highest = highest.max(program.resident()),
        }
    };
    let mut refused = Vec::new();
    for (reply, took) in replies.iter().filter(|(reply, _)| reply.status != 401) {
        reply.refused(503, "busy");
        assert!(!reply.header("retry-after").is_empty());
        refused.push(*took);
    }
    let (count, middle) = (refused.len(), median(refused));
    assert!(count > 100, "{count} of 300 were refused");
    let grown = (highest - before) >> 20;
    let figures = format!("{count} refused, {middle:?} at the median, {quiet:?} for nothing; {grown} MiB more");
    assert!(grown < 19 + 32 && middle < Duration::from_millis(300) + 2 * quiet, "{figures}");
}
