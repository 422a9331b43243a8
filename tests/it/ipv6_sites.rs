//! Limits on the subnets of one IPv6 /48 together: its owner has 65,536 networks.

use comanda::network::{AddressBlock, Network, NetworkCounts, SiteFactor};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::extract::Redis;
use crate::networks::{BEHIND_US, HOME, order, posts, signs_in};
use crate::people::PASSWORD;
use crate::reply::Reply;

#[test]
fn an_ipv6_address_counts_in_its_subnet_and_its_site_and_an_ipv4_address_as_itself() {
    let of = |text: &str| {
        let blocks = Network::of(text.parse().unwrap()).blocks().map(|block| block.to_string());
        blocks.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64 2001:db8:1::/48");
    assert_eq!(of("2001:db8:1:2::9"), of("2001:db8:1:2:ffff::"));
    assert_eq!(of("198.51.100.7"), "198.51.100.7/32");
    assert_eq!(of("::ffff:198.51.100.7"), "198.51.100.7/32");
}

#[test]
fn counts_of_networks_are_bounded_for_each_subnet_and_each_site() {
    let (mut taken, factor) = (NetworkCounts::default(), SiteFactor::new(3));
    let of = |text: &str| Network::of(text.parse().unwrap());
    let max = |block: AddressBlock| factor.limit(block, 2);
    let is_let_in = |taken: &mut NetworkCounts, text: &str| {
        let has_room = taken.has_room(of(text), 1, max);
        if has_room {
            taken.add(of(text), 1);
        }
        has_room
    };
    let of_subnet: Vec<_> = (0..3).map(|_| is_let_in(&mut taken, "2001:db8:1:1::1")).collect();
    assert_eq!(of_subnet, [true, true, false]);
    let of_site = (2..20).filter(|subnet| is_let_in(&mut taken, &format!("2001:db8:1:{subnet}::1"))).count();
    assert_eq!(of_site, 4, "six in all, whatever the subnets");
    assert!(is_let_in(&mut taken, "2001:db8:2:1::1") && is_let_in(&mut taken, "192.0.2.1"), "others have their own");
    taken.subtract(of("2001:db8:1:1::1"), 1);
    assert!(is_let_in(&mut taken, "2001:db8:1:30::1") && !is_let_in(&mut taken, "2001:db8:1:31::1"));
    // A site may use half of what a subnet leaves of a shared limit.
    let shares = of("2001:db8::").blocks().map(|block| block.share(8, 16)).collect::<Vec<_>>();
    assert_eq!(shares, [8, 12]);
}

/// Requests without a token from this many subnets of one site; returns how many are let through.
async fn pass_from_subnets(app: &TestApp, subnets: u32) -> usize {
    let stranger = app.stranger();
    let mut passed = 0;
    for subnet in 0..subnets {
        let from = format!("2001:db8:1:{subnet:x}::1");
        let request = stranger.request(Method::GET, "/api/restaurants").header("x-forwarded-for", from);
        let reply = stranger.send(request).await;
        if reply.status == 200 {
            passed += 1;
        } else {
            reply.refused(429, "too_many_requests");
            assert!(reply.header("ratelimit-policy").starts_with("\"address\";q=15;"), "what the site may do");
        }
    }
    passed
}

#[tokio::test]
async fn the_subnets_of_one_ipv6_site_have_limits_together() {
    let redis = Redis::start().await;
    let url = format!("redis://{}", redis.address);
    let limits = [("RATE_LIMIT_ADDRESS", "5/1h"), ("IPV6_SITE_FACTOR", "3"), BEHIND_US];
    let shared = [limits.as_slice(), &[("REDIS_URL", url.as_str()), ("REDIS_OPERATION_TIMEOUT", "5s")]].concat();
    for settings in [limits.as_slice(), &shared] {
        let app = TestApp::with(settings).await;
        assert_eq!(pass_from_subnets(&app, 20).await, 15);
        let stranger = app.stranger();
        let request = stranger.request(Method::GET, "/api/restaurants").header("x-forwarded-for", "2001:db8:2::1");
        stranger.send(request).await.expect(200);
    }
    let other = TestApp::with(&shared).await;
    assert_eq!(pass_from_subnets(&other, 5).await, 0, "another node counts the same site");
}

/// Repeats a request from new subnets of one IPv6 site, and once from another site; returns how often it was allowed
/// in the first site, of eight times.
async fn allowed_in_a_site(mut tries: impl AsyncFnMut(usize, &str) -> bool) -> usize {
    let mut allowed = 0;
    for number in 0..8 {
        allowed += usize::from(tries(number, &format!("2001:db8:1:{number}::1")).await);
    }
    assert!(tries(8, "2001:db8:2::1").await, "another site has its own");
    allowed
}

/// All 65,536 networks of a /48 are counted together, too.
#[tokio::test]
async fn the_subnets_of_an_ipv6_site_share_what_they_may_do() {
    let limits = [
        ("IPV6_SITE_FACTOR", "3"),
        ("SIGN_UPS_PER_NETWORK", "1/24h"),
        ("GUESTS_PER_NETWORK", "1/24h"),
        ("MESSAGES_PER_NETWORK", "1/24h"),
        ("SYNC_DEVICES_PER_NETWORK", "1/24h"),
        ("ORDER_MAX_OPEN_PER_NETWORK", "1"),
        ("PASSWORD_ATTEMPTS_PER_NETWORK", "1/24h"),
        BEHIND_US,
    ];
    let app = TestApp::with(&limits).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (people, stranger) = (app.crowd(9).await, app.stranger());
    let was = |reply: &Reply, allowed: u16| {
        assert!([allowed, 429].contains(&reply.status), "{}", reply.text());
        reply.status == allowed
    };
    let sign_ups = allowed_in_a_site(async |number, from| {
        let request_body =
            json!({ "email": format!("e{number}@example.com"), "password": "four green pears", "name": "Eve" });
        was(&posts(&stranger, from, "/api/auth/register", &request_body).await, 202)
    });
    let guests =
        allowed_in_a_site(async |_, from| was(&posts(&stranger, from, "/api/guests", &Value::Null).await, 201));
    let codes = allowed_in_a_site(async |number, from| {
        let request_body = json!({ "email": people[number].email });
        was(&posts(&stranger, from, "/api/auth/forgot-password", &request_body).await, 202)
    });
    let phones = allowed_in_a_site(async |number, from| {
        let operation = json!({ "seq": 1, "opId": "one", "at": app.clock.now(), "kind": "profile.fields",
            "payload": { "locale": "en" } });
        let batch = json!({ "deviceId": "phone", "ops": [operation] });
        was(&posts(&people[number], from, "/api/orders/sync", &batch).await, 200)
    });
    let orders = allowed_in_a_site(async |number, from| {
        was(&posts(&people[number], from, "/api/orders", &order(&luigi, &Value::Null)).await, 201)
    });
    let passwords = allowed_in_a_site(async |number, from| {
        was(&signs_in(&stranger, from, &people[number].email, "not the password").await, 401)
    });
    let allowed = [sign_ups.await, guests.await, codes.await, phones.await, orders.await, passwords.await];
    assert_eq!(allowed, [3; 6], "three times as much as one network");
}

/// Without it the owner of a /48 could use up the attempts of all networks at one address.
#[tokio::test]
async fn an_ipv6_site_does_not_use_up_the_attempts_and_codes_of_others() {
    let app = TestApp::with(&[("RATE_LIMIT_AUTH", "100000/1m"), BEHIND_US]).await;
    let (ada, stranger) = (app.customer("Ada").await, app.stranger());
    let (mut looked_at, mut asked) = (0, 0);
    for number in 0..120 {
        let from = format!("2001:db8:1:{number:x}::1");
        looked_at += i32::from(signs_in(&stranger, &from, &ada.email, "not the password").await.status == 401);
        let request_body = json!({ "email": ada.email, "channel": "email" });
        asked += i32::from(posts(&stranger, &from, "/api/auth/forgot-password", &request_body).await.status == 202);
    }
    assert_eq!((looked_at, asked), (40, 12), "four times as many as a /64");
    signs_in(&stranger, HOME, &ada.email, PASSWORD).await.expect(200);
}
