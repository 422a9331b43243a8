//! Limits on all accounts of one network together: accounts cost nothing, so limits for each account are not
//! sufficient.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::{PASSWORD, Person};
use crate::reply::Reply;
use crate::retention::deletes_expired;
use crate::second_factor::sets_up;
use crate::shop::Shop;

/// The test itself is the proxy in front of the server.
pub const BEHIND_US: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");
const OFFICE: &str = "198.51.100.1";
pub const HOME: &str = "203.0.113.5";

pub async fn posts(person: &Person, from: &str, path: &str, body: &Value) -> Reply {
    let request = person.request(Method::POST, path).header("x-forwarded-for", from);
    person.send(request.header("idempotency-key", Uuid::new_v4().to_string()).json(body)).await
}

pub async fn signs_in(person: &Person, from: &str, email: &str, password: &str) -> Reply {
    posts(person, from, "/api/auth/login", &json!({ "email": email, "password": password })).await
}

pub fn order(shop: &Shop, more: &Value) -> Value {
    let lines = json!([{ "itemId": shop.any_dish().id, "quantity": 1 }]);
    let mut body = json!({ "restaurantId": shop.id, "fulfilment": "PICKUP", "lines": lines });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

#[track_caller]
fn assert_of_network(reply: &Reply, limit: i64) {
    let problem = reply.refused(429, "order_limit_reached");
    assert_eq!((&problem["limit"], &problem["count"]), (&json!(limit), &json!(limit)), "{problem}");
    assert_eq!(problem["limitOf"], "network");
    assert!(reply.header("retry-after").parse::<u64>().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_orders_of_a_network_at_a_restaurant_are_limited() {
    let limits = [
        ("ORDER_MAX_OPEN_PER_NETWORK", "4"),
        ("ORDER_MAX_SCHEDULED_PER_NETWORK", "2"),
        ("ORDER_MAX_RECENT_PER_NETWORK", "6"),
        BEHIND_US,
    ];
    let app = TestApp::with(&limits).await;
    let (luigi, gino) = (app.restaurant("Luigi").opens().await, app.restaurant("Gino").opens().await);
    let later = json!({ "scheduledFor": app.clock.now() + TimeDelta::hours(20) });
    let people = app.crowd(24).await;
    let all_at_once = async |people: &[Person], shop: &Shop, more: &Value| {
        let mut all = JoinSet::new();
        for (number, person) in people.iter().cloned().enumerate() {
            // An IPv6 /64: its addresses cost nothing.
            let (from, body) = (format!("2001:db8:0:1::{number}"), order(shop, more));
            all.spawn(async move { posts(&person, &from, "/api/orders", &body).await });
        }
        let replies = all.join_all().await;
        let (placed, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 201);
        (placed, refused)
    };
    let (scheduled, refused) = all_at_once(&people[..8], &luigi, &later).await;
    assert_eq!((scheduled.len(), refused.len()), (2, 6));
    for reply in &refused {
        assert_of_network(reply, 2);
    }
    let (placed, refused) = all_at_once(&people[8..16], &luigi, &Value::Null).await;
    assert_eq!((placed.len(), refused.len()), (2, 6));
    for reply in &refused {
        assert_of_network(reply, 4);
    }
    // Other networks, other restaurants and members of the restaurant are neither limited nor counted.
    let last = &people[23];
    posts(last, HOME, "/api/orders", &order(&luigi, &Value::Null)).await.expect(201);
    posts(last, "2001:db8:0:1::9", "/api/orders", &order(&gino, &Value::Null)).await.expect(201);
    for _ in 0..3 {
        posts(&luigi.owner, "2001:db8:0:1::9", "/api/orders", &order(&luigi, &Value::Null)).await.expect(201);
    }
    // Closed orders are not counted, until too many were placed within the hour.
    for (count, reply) in placed.iter().enumerate() {
        luigi.owner.cancels(&reply.json(), "closed").await;
        let (again, refused) = all_at_once(&people[16..18], &luigi, &Value::Null).await;
        assert_eq!((again.len(), refused.len()), (1, 1), "{count}");
    }
    luigi.owner.cancels(&scheduled[0].json(), "closed").await;
    let full = posts(&people[18], "2001:db8:0:1::9", "/api/orders", &order(&luigi, &Value::Null)).await;
    assert_of_network(&full, 6);
    assert_eq!(app.count("select count(*) from order_networks").await, 8);
    app.advance_clock(TimeDelta::hours(1));
    assert_eq!(deletes_expired(&app, "order_networks").await, 3, "what is closed; an open order is counted on");
    assert_eq!(app.count("select count(*) from order_networks where closed_at is null").await, 5);
}

/// An order from a cart and one from a quote of that cart lock the same rows in the same sequence; otherwise they
/// would deadlock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_from_a_cart_and_its_quote_do_not_deadlock() {
    let app = TestApp::with(&[("ORDER_MAX_OPEN", "500"), ("ORDER_MAX_OPEN_PER_NETWORK", "5000")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    for round in 0..20 {
        let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
        let wanted = json!({ "cartId": cart["id"], "fulfilment": "PICKUP" });
        let quote = ada.post(&luigi.path("/quotes"), &wanted).await.expect(201);
        let (from_cart, from_quote) = (format!("cart-{round}"), format!("quote-{round}"));
        let quoted = json!({ "quoteId": quote["id"] });
        let replies = tokio::join!(ada.asks_for_order(&from_cart, &wanted), ada.asks_for_order(&from_quote, &quoted));
        let mut statuses = [replies.0.status, replies.1.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", replies.0.text(), replies.1.text());
    }
}

#[tokio::test]
async fn orders_of_a_network_within_an_hour_are_limited_online_and_offline() {
    let limits = [("ORDER_MAX_RECENT_PER_NETWORK", "3"), ("SYNC_POLL_INTERVAL", "100ms"), BEHIND_US];
    let app = TestApp::with(&limits).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let people = app.crowd(4).await;
    let mut signed_in = Vec::new();
    for person in &people {
        let session = signs_in(person, OFFICE, &person.email, PASSWORD).await.expect(200);
        let token = session["accessToken"].as_str().unwrap().to_owned();
        signed_in.push(Person { token: Some(token), ..person.clone() });
    }
    let offline = async |person: &Person| {
        let operation = json!({ "seq": 1, "opId": "one", "at": app.clock.now(), "kind": "order.place",
            "payload": order(&luigi, &Value::Null) });
        posts(person, HOME, "/api/orders/sync", &json!({ "deviceId": "phone", "ops": [operation] })).await
    };
    let outcome = |reply: &Reply| reply.expect(200)["data"][0]["outcome"].clone();
    assert_eq!(outcome(&offline(&signed_in[0]).await), "applied");
    posts(&signed_in[1], OFFICE, "/api/orders", &order(&luigi, &Value::Null)).await.expect(201);
    let placed = posts(&signed_in[1], OFFICE, "/api/orders", &order(&luigi, &Value::Null)).await.expect(201);
    luigi.owner.cancels(&placed, "whatever becomes of it").await;
    assert_of_network(&posts(&signed_in[2], OFFICE, "/api/orders", &order(&luigi, &Value::Null)).await, 3);
    // Other users of the network have used up the limit: the order waits, and is not rejected.
    let waits = offline(&signed_in[3]).await;
    assert_eq!(outcome(&waits), "blocked");
    assert_eq!(waits.json()["data"][0]["waitsFor"]["why"], "retrying");
    app.advance_clock(TimeDelta::minutes(61));
    crate::app::eventually("the order that waited is placed", async || {
        app.count("select count(*) from sync_operations where state = 'APPLIED'").await == 2
    })
    .await;
}

#[tokio::test]
async fn wrong_passwords_are_counted_for_the_network_and_hold_no_known_device() {
    let app = TestApp::with(&[("PASSWORD_ATTEMPTS_PER_NETWORK", "6/1h"), BEHIND_US]).await;
    let people = app.crowd(8).await;
    let device = signs_in(&people[7], HOME, &people[7].email, PASSWORD).await.expect(200)["deviceToken"].clone();
    for _ in 0..10 {
        // A correct code is not counted.
        signs_in(&people[6], OFFICE, &people[6].email, PASSWORD).await.expect(200);
    }
    for (tries, person) in people.iter().take(5).enumerate() {
        let email = if tries % 2 == 0 { person.email.clone() } else { format!("nobody{tries}@example.com") };
        signs_in(person, OFFICE, &email, "not the password").await.refused(401, "invalid_credentials");
    }
    // The last one is an attempt of a signed-in user.
    let change = json!({ "currentPassword": "not the password", "newPassword": "four green pears" });
    posts(&people[0], OFFICE, "/api/auth/change-password", &change).await.refused(403, "reauth_required");
    posts(&people[1], OFFICE, "/api/auth/change-password", &change).await.refused(429, "too_many_requests");
    // All users there, whether or not they were there before, and whether or not the address has an account.
    for email in [people[5].email.as_str(), &people[6].email, "nobody@example.com"] {
        let refused = signs_in(&people[0], OFFICE, email, PASSWORD).await;
        refused.refused(429, "too_many_requests");
        assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    }
    let known = json!({ "email": people[7].email, "password": PASSWORD, "deviceToken": device });
    posts(&people[7], OFFICE, "/api/auth/login", &known).await.expect(200);
    signs_in(&people[5], HOME, &people[5].email, PASSWORD).await.expect(200);
    app.advance_clock(TimeDelta::hours(1));
    signs_in(&people[5], OFFICE, &people[5].email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn codes_of_second_factors_are_counted_for_the_network() {
    let app = TestApp::with(&[("SECOND_FACTOR_ATTEMPTS_PER_NETWORK", "4/24h"), BEHIND_US]).await;
    let mut guarded = Vec::new();
    for name in ["Ada", "Bob", "Cleo"] {
        guarded.push(sets_up(&app, app.customer(name).await).await);
    }
    let code = async |number: usize, from: &str, code: &str| {
        let person = &guarded[number].person;
        let half = signs_in(person, from, &person.email, PASSWORD).await.expect(200);
        let proof = json!({ "challenge": half["challenge"], "code": code });
        posts(person, from, "/api/auth/second-factor", &proof).await
    };
    for tries in 0..4 {
        code(tries % 2, OFFICE, "000000").await.refused(401, "invalid_code");
    }
    app.advance_clock(TimeDelta::minutes(1));
    let right = guarded[2].code(&app);
    code(2, OFFICE, &right).await.refused(429, "too_many_requests");
    code(2, HOME, &right).await.expect(200);
}

#[tokio::test]
async fn accounts_and_synchronising_devices_of_a_network_are_bounded() {
    let limits = [("SIGN_UPS_PER_NETWORK", "3/24h"), ("SYNC_DEVICES_PER_NETWORK", "2/1h"), BEHIND_US];
    let app = TestApp::with(&limits).await;
    let people = app.crowd(3).await;
    let stranger = app.stranger();
    let sign_up = |email: &str| json!({ "email": email, "password": "four green pears", "name": "Eve" });
    // Whether or not the address is new.
    for email in ["eve@example.com", &people[0].email, "eve@example.com"] {
        posts(&stranger, OFFICE, "/api/auth/register", &sign_up(email)).await.expect(202);
    }
    for email in ["mallory@example.com", &people[0].email] {
        posts(&stranger, OFFICE, "/api/auth/register", &sign_up(email)).await.refused(429, "too_many_requests");
    }
    posts(&stranger, HOME, "/api/auth/register", &sign_up("mallory@example.com")).await.expect(202);
    let comes = async |person: &Person, device: &str, from: &str| {
        let operation = json!({ "seq": 1, "opId": "one", "at": app.clock.now(), "kind": "profile.fields",
            "payload": { "locale": "en" } });
        posts(person, from, "/api/orders/sync", &json!({ "deviceId": device, "ops": [operation] })).await
    };
    comes(&people[0], "phone", OFFICE).await.expect(200);
    comes(&people[1], "phone", OFFICE).await.expect(200);
    comes(&people[2], "phone", OFFICE).await.refused(429, "too_many_requests");
    comes(&people[0], "tablet", OFFICE).await.refused(429, "too_many_requests");
    // A known one can continue.
    comes(&people[0], "phone", OFFICE).await.expect(200);
    comes(&people[2], "phone", HOME).await.expect(200);
    app.advance_clock(TimeDelta::hours(1));
    comes(&people[0], "tablet", OFFICE).await.expect(200);
}

/// Offline operations from an unknown network count for a network too: for one that all of them share.
#[tokio::test]
async fn offline_operations_whose_network_is_not_known_count_together() {
    let limits = [("ORDER_MAX_RECENT_PER_NETWORK", "2"), ("COUPON_ATTEMPTS_PER_NETWORK", "2/1h"), BEHIND_US];
    let app = TestApp::with(&limits).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let people = app.crowd(8).await;
    let offline = async |number: usize, more: &Value| {
        let operation = json!({ "seq": 1, "opId": "one", "at": app.clock.now(), "kind": "order.place",
            "payload": order(&luigi, more) });
        let batch = json!({ "deviceId": "phone", "ops": [operation] });
        let reply = posts(&people[number], &format!("198.51.100.{number}"), "/api/orders/sync", &batch).await;
        reply.expect(200)["data"][0]["outcome"].clone()
    };
    let attempt = json!({ "couponCode": "GUESS" });
    let mut outcomes = Vec::new();
    for number in 0..4 {
        outcomes.push(offline(number, &attempt).await);
    }
    assert_eq!(outcomes, ["rejected", "rejected", "blocked", "blocked"], "guesses");
    outcomes.clear();
    for number in 4..8 {
        outcomes.push(offline(number, &Value::Null).await);
    }
    assert_eq!(outcomes, ["applied", "applied", "blocked", "blocked"], "orders");
}

/// Ended sessions are deleted later, or by new sign-ins of their user: their operations are not run then, in any
/// network.
#[tokio::test]
async fn offline_operations_of_deleted_sessions_are_refused() {
    let limits = [("ORDER_MAX_RECENT_PER_NETWORK", "1"), ("SYNC_POLL_INTERVAL", "100ms"), BEHIND_US];
    let app = TestApp::with(&limits).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let people = app.crowd(3).await;
    for (number, person) in people.iter().enumerate() {
        let session = signs_in(person, OFFICE, &person.email, PASSWORD).await.expect(200);
        let token = session["accessToken"].as_str().unwrap().to_owned();
        let person = Person { token: Some(token), ..person.clone() };
        let operation = json!({ "seq": 1, "opId": "one", "at": app.clock.now(), "kind": "order.place",
            "payload": order(&luigi, &Value::Null) });
        let batch = json!({ "deviceId": "phone", "ops": [operation] });
        let outcome =
            posts(&person, OFFICE, "/api/orders/sync", &batch).await.expect(200)["data"][0]["outcome"].clone();
        assert_eq!(outcome, if number == 0 { "applied" } else { "blocked" });
    }
    app.execute("delete from sessions where ip is not null").await;
    app.advance_clock(TimeDelta::minutes(61));
    crate::app::eventually("all are finished", async || {
        app.count("select count(*) from sync_operations where finished_at is null").await == 0
    })
    .await;
    assert_eq!(app.count("select count(*) from orders").await, 1);
}
