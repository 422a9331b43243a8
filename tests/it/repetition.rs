//! A request with an `Idempotency-Key` receives the stored response again, even if its sender has reached a limit in
//! the meantime.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::coupons::makes_coupon;
use crate::people::{Person, id_of};
use crate::reply::Reply;
use crate::shop::Shop;

/// Sends requests until the rate limit refuses one.
pub async fn uses_up_requests(person: &Person) {
    while person.get("/api/me").await.status == 200 {}
    person.get("/api/me").await.refused(429, "too_many_requests");
}

fn lines(shop: &Shop, more: &Value) -> Value {
    let mut body = json!({ "fulfilment": "PICKUP", "lines": [{ "itemId": shop.any_dish().id, "quantity": 1 }] });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

fn order(shop: &Shop, more: &Value) -> Value {
    let mut body = lines(shop, more);
    body["restaurantId"] = json!(shop.id);
    body
}

async fn asks(person: &Person, path: &str, key: &str, body: &Value) -> Reply {
    person.send(person.request(Method::POST, path).header("idempotency-key", key).json(body)).await
}

#[track_caller]
fn assert_replays(again: &Reply, first: &Reply) {
    assert_eq!((again.status, again.header("idempotency-replayed")), (first.status, "true"), "{:?}", again.text());
    assert_eq!(again.bytes, first.bytes);
}

/// Orders, quotes and batches of offline operations, which have limits of their own; other operations are tested in
/// `idempotency::a_resource_created_with_a_key_is_created_once`.
#[tokio::test]
async fn a_stored_response_is_repeated_before_any_limit_applies() {
    let settings = [
        ("RATE_LIMIT_USER", "90/10h"),
        ("RATE_LIMIT_REPEATS", "20/10h"),
        ("ORDER_MAX_RECENT", "4"),
        ("ORDER_MAX_OPEN", "4"),
    ];
    let app = TestApp::with(&settings).await;
    let luigi = app.restaurant("Luigi").opens().await;
    makes_coupon(&luigi, json!({ "code": "GOOD", "kind": "PERCENT", "basisPoints": 500 })).await;
    let ada = app.customer("Ada").await;
    let quotes = luigi.path("/quotes");
    let good = json!({ "couponCode": "GOOD" });
    let later = json!({ "scheduledFor": app.clock.now() + TimeDelta::hours(20), "couponCode": "GOOD" });
    let quote = asks(&ada, &quotes, "quote", &lines(&luigi, &good)).await;
    let from_quote = json!({ "quoteId": id_of(&quote.expect(201)) });
    let placed =
        json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP", "lines": lines(&luigi, &json!({}))["lines"] });
    let operation = json!({ "seq": 1, "opId": "one", "at": app.clock.now(), "kind": "order.place", "payload": placed });
    let batch = json!({ "deviceId": "phone", "ops": [operation] });
    let asked = [
        ("/api/orders", "order", order(&luigi, &good)),
        ("/api/orders", "from-quote", from_quote),
        ("/api/orders", "later", order(&luigi, &later)),
        ("/api/orders/sync", "batch", batch),
        (&quotes, "quote", lines(&luigi, &good)),
    ];
    let mut answered = Vec::new();
    for (path, key, body) in &asked {
        answered.push(asks(&ada, path, key, body).await);
    }
    let statuses: Vec<_> = answered.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [201, 201, 201, 200, 201], "{:?}", answered.iter().map(Reply::text).collect::<Vec<_>>());
    let all_replay = async || {
        for ((path, key, body), first) in asked.iter().zip(&answered) {
            assert_replays(&asks(&ada, path, key, body).await, first);
        }
    };
    // Open and recent orders are at their limits.
    asks(&ada, "/api/orders", "one-more", &order(&luigi, &good)).await.refused(429, "order_limit_reached");
    all_replay().await;
    for guess in 0..20 {
        let code = json!({ "couponCode": format!("GUESS{guess}") });
        asks(&ada, &quotes, "guess", &lines(&luigi, &code)).await.refused(409, "coupon_unknown");
    }
    asks(&ada, &quotes, "no-more", &lines(&luigi, &good)).await.refused(429, "too_many_requests");
    all_replay().await;
    uses_up_requests(&ada).await;
    all_replay().await;
    asks(&ada, "/api/orders", "order", &order(&luigi, &json!({}))).await.refused(422, "idempotency_key_reused");
    asks(&ada, "/api/orders", "another", &order(&luigi, &json!({}))).await.refused(429, "too_many_requests");
    // Without the key, or where no key is accepted, it is an ordinary request.
    ada.post("/api/orders", &asked[0].2).await.refused(429, "too_many_requests");
    let read = ada.request(Method::GET, "/api/orders").header("idempotency-key", "order");
    ada.send(read).await.refused(429, "too_many_requests");
}

/// The number of lookups of keys is limited as well, for a user and for the accounts of a network together.
#[tokio::test]
async fn repeated_keys_are_rate_limited() {
    let settings = [
        ("RATE_LIMIT_USER", "30/10h"),
        ("RATE_LIMIT_NETWORK", "60/10h"),
        ("RATE_LIMIT_REPEATS", "2/10h"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let app = TestApp::with(&settings).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let people = app.crowd(14).await;
    let sends = async |person: &Person, key: &str, from: &str| {
        let request = person.request(Method::POST, "/api/orders").header("idempotency-key", key);
        person.send(request.header("x-forwarded-for", from).json(&order(&luigi, &json!({})))).await
    };
    let (home, office) = ("198.51.100.1", "198.51.100.2");
    let mut placed = Vec::new();
    for person in &people {
        placed.push(sends(person, "mine", office).await);
        placed[placed.len() - 1].expect(201);
    }
    let ada = &people[0];
    // The user: 29 more requests, from any network, then two lookups.
    for _ in 0..29 {
        let read = ada.request(Method::GET, "/api/me").header("x-forwarded-for", home);
        ada.send(read).await.expect(200);
    }
    sends(ada, "never-sent", home).await.refused(429, "too_many_requests");
    assert_replays(&sends(ada, "mine", home).await, &placed[0]);
    sends(ada, "mine", home).await.refused(429, "too_many_requests");
    // The network: 46 more requests, then ten times as many lookups as a user has.
    for number in 0..46 {
        let person = &people[1 + number % 2];
        let read = person.request(Method::GET, "/api/me").header("x-forwarded-for", office);
        person.send(read).await.expect(200);
    }
    for (person, first) in people.iter().zip(&placed).skip(3).take(10) {
        assert_replays(&sends(person, "mine", office).await, first);
        sends(person, "never-sent", office).await.refused(429, "too_many_requests");
    }
    let last = people.last().unwrap();
    let refused = sends(last, "mine", office).await;
    refused.refused(429, "too_many_requests");
    assert!(refused.header("ratelimit").starts_with("\"network\";r=0;"), "{}", refused.header("ratelimit"));
    assert_replays(&sends(last, "mine", home).await, placed.last().unwrap());
    app.advance_clock(TimeDelta::hours(10));
    assert_replays(&sends(ada, "mine", home).await, &placed[0]);
    assert_eq!(app.count("select count(*) from orders").await, 14);
}
