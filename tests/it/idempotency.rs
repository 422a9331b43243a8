//! Idempotency keys: a repeated request is performed once.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::TestApp;
use crate::people::{Person, id_of};

#[tokio::test]
async fn the_same_key_and_body_get_the_first_response_byte_for_byte() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    let (key, body) = (Uuid::new_v4().to_string(), json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" }));
    let first = ada.asks_for_order(&key, &body).await;
    let order = first.expect(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    // Later changes of the order do not change the stored response.
    luigi.owner.moves(&order, "CONFIRMED").await;
    for _ in 0..3 {
        let again = ada.asks_for_order(&key, &body).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        assert_eq!(again.bytes, first.bytes);
        assert_eq!(again.header("content-type"), first.header("content-type"));
    }
    assert_eq!(app.count("select count(*) from orders").await, 1);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    let body = json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" });
    ada.asks_for_order("one", &body).await.expect(201);
    let mut other = body.clone();
    other["note"] = json!("no onions");
    ada.asks_for_order("one", &other).await.refused(422, "idempotency_key_reused");
    // The same key of another user is another key.
    let bob = app.customer("Bob").await;
    let cart = bob.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    bob.asks_for_order("one", &json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" })).await.expect(201);
}

#[tokio::test]
async fn an_order_requires_a_valid_idempotency_key() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    let body = json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" });
    ada.post("/api/orders", &body).await.refused(400, "idempotency_key_missing");
    for bad in ["", "two words", "ключ", &"x".repeat(256)] {
        ada.asks_for_order(bad, &body).await.refused(400, "malformed_request");
    }
    ada.asks_for_order(&"x".repeat(255), &body).await.expect(201);
}

#[tokio::test]
async fn a_refusal_does_not_use_up_the_key() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    let body = json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" });
    luigi.owner.patch(&luigi.path(""), &json!({ "accepting": false })).await.expect(200);
    ada.asks_for_order("one", &body).await.refused(409, "restaurant_closed");
    luigi.owner.patch(&luigi.path(""), &json!({ "accepting": true })).await.expect(200);
    let placed = ada.asks_for_order("one", &body).await;
    placed.expect(201);
    assert_eq!(placed.header("idempotency-replayed"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_with_one_key_at_once_make_one_order() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = Arc::new(app.customer("Ada").await);
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    let body = Arc::new(json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" }));
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let (ada, body) = (Arc::clone(&ada), Arc::clone(&body));
        requests.spawn(async move {
            loop {
                let reply = ada.asks_for_order("the-one", &body).await;
                if reply.status == 201 {
                    return reply;
                }
                // The first request is still being processed: the client repeats it, as the error says.
                reply.refused(409, "idempotency_in_progress");
                assert_eq!(reply.header("retry-after"), "1");
            }
        });
    }
    let replies = requests.join_all().await;
    assert!(replies.iter().all(|reply| reply.bytes == replies[0].bytes));
    let fresh = replies.iter().filter(|reply| reply.header("idempotency-replayed").is_empty()).count();
    assert_eq!(fresh, 1);
    assert_eq!(app.count("select count(*) from orders").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_cart_with_fifty_keys_at_once_becomes_one_order() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Tiramisù", 600, 100).opens().await;
    let ada = Arc::new(app.customer("Ada").await);
    let cart = Arc::new(ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await);
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let (ada, cart) = (Arc::clone(&ada), Arc::clone(&cart));
        requests.spawn(async move { ada.orders_cart(&cart, &Value::Null).await });
    }
    let replies = requests.join_all().await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        reply.refused(409, "cart_closed");
    }
    assert_eq!(luigi.stock_of(luigi.any_dish()).await, Some(98));
}

/// Responses that show a secret once are not stored.
const SHOWN_ONCE: [&str; 4] = [
    "/api/guests",
    "/api/me/second-factor",
    "/api/restaurants/{restaurantId}/invitations",
    "/api/restaurants/{restaurantId}/members",
];

#[test]
fn every_creating_operation_takes_an_idempotency_key() {
    let document = serde_json::to_value(comanda::router::document()).unwrap();
    let mut without = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let post = &item["post"];
        let parameters = post["parameters"].as_array().cloned().unwrap_or_default();
        let takes_a_key = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        if post["responses"]["201"].is_object() && !takes_a_key {
            without.push(path.as_str());
        }
    }
    assert_eq!(without, SHOWN_ONCE);
}

#[tokio::test]
async fn a_resource_created_with_a_key_is_created_once() {
    let app = TestApp::with(&[("RATE_LIMIT_USER", "60/10h"), ("RATE_LIMIT_REPEATS", "20/10h")]).await;
    let (luigi, gino) = (app.restaurant("Luigi").opens().await, app.restaurant("Gino").opens().await);
    let (admin, owner, ada) = (app.admin().await, &luigi.owner, app.customer("Ada").await);
    let place = json!({ "lat": 44.4949, "lng": 11.3426 });
    let category = owner.get(&luigi.path("/menu")).await.expect(200)["categories"][0]["id"].clone();
    let price = json!({ "amount": 100, "currency": "EUR" });
    let restaurant = json!({ "name": "Mario", "address": "Via Zamboni 2", "place": place, "timezone": "Europe/Rome",
        "currency": "EUR" });
    let coupon = json!({ "code": "PIZZA", "kind": "FREE_DELIVERY" });
    let dough = json!({ "name": "Thick", "price": price });
    let made = [
        (&admin, "/api/restaurants".to_owned(), restaurant),
        (&admin, "/api/admin/drivers".to_owned(), json!({ "email": ada.email, "vehicle": "BICYCLE" })),
        (owner, luigi.path("/categories"), json!({ "name": "Soups" })),
        (owner, luigi.path("/items"), json!({ "categoryId": category, "name": "Minestrone", "price": price })),
        (owner, luigi.path("/modifier-groups"), json!({ "name": "Dough", "min": 0, "max": 1, "modifiers": [dough] })),
        (owner, luigi.path("/coupons"), coupon),
        (&ada, "/api/me/addresses".to_owned(), json!({ "label": "Home", "address": "Via Zamboni 1", "place": place })),
        (&ada, "/api/me/devices".to_owned(), json!({ "kind": "fcm", "target": "a-push-target", "locale": "it" })),
    ];
    let asks = async |person: &Person, path: &str, body: &Value| {
        let request = person.request(reqwest::Method::POST, path).header("idempotency-key", "the-one");
        person.send(request.json(body)).await
    };
    let mut answers = Vec::new();
    for (person, path, body) in &made {
        let first = asks(person, path, body).await;
        first.expect(201);
        assert_eq!(first.header("idempotency-replayed"), "", "{path}");
        let again = asks(person, path, body).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"), "{path}");
        assert_eq!(again.bytes, first.bytes, "{path}");
        answers.push(first);
    }
    // Reordered lines are in the cart once, however often the request is sent.
    let bob = app.customer("Bob").await;
    let order = bob.places_order(&luigi, &[(luigi.any_dish(), 2)]).await;
    for _ in 0..2 {
        let again = format!("/api/orders/{}/reorder", id_of(&order));
        let request = bob.request(reqwest::Method::POST, &again).header("idempotency-key", "the-one");
        assert_eq!(bob.send(request).await.expect(200)["cart"]["lines"].as_array().unwrap().len(), 1);
    }
    let soups = owner.get(&luigi.path("/menu")).await.expect(200);
    assert_eq!(soups["categories"].as_array().unwrap().len(), 2, "{soups}");
    let salads = owner.request(reqwest::Method::POST, &luigi.path("/categories")).header("idempotency-key", "the-one");
    owner.send(salads.json(&json!({ "name": "Salads" }))).await.refused(422, "idempotency_key_reused");
    // The request counts, not only the caller and the key: the same body at another restaurant is another request.
    admin.post(&gino.path("/members"), &json!({ "email": owner.email, "role": "MANAGER" })).await.expect(201);
    let request = owner.request(reqwest::Method::POST, &gino.path("/categories")).header("idempotency-key", "the-one");
    owner.send(request.json(&json!({ "name": "Soups" }))).await.refused(422, "idempotency_key_reused");
    // Above the rate limit nothing is created any more, and stored responses are returned.
    for person in [&admin, owner, &ada] {
        crate::repetition::uses_up_requests(person).await;
    }
    for ((person, path, body), first) in made.iter().zip(answers) {
        let again = asks(person, path, body).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"), "{path}");
        assert_eq!(again.bytes, first.bytes, "{path}");
        let new = person.request(reqwest::Method::POST, path).header("idempotency-key", "another");
        person.send(new.json(body)).await.refused(429, "too_many_requests");
    }
}
