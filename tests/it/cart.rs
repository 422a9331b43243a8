//! The cart on the server.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::{Value, json};

use crate::app::TestApp;

#[tokio::test]
async fn a_customer_has_one_cart_per_restaurant_with_current_prices() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let mario = app.restaurant("Mario").opens().await;
    let ada = app.customer("Ada").await;
    let first = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 2)]).await;
    assert_eq!((&first["version"], &first["status"]), (&json!(1), &json!("OPEN")));
    assert_eq!(first["lines"][0]["total"], json!({ "amount": 1700, "currency": "EUR" }));
    let second = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    assert_eq!((&second["id"], &second["version"]), (&first["id"], &json!(2)));
    assert_ne!(ada.puts_in_cart(&mario, &[(mario.any_dish(), 1)]).await["id"], first["id"]);
    let item = luigi.path(&format!("/items/{}", luigi.any_dish().id));
    luigi.owner.patch(&item, &json!({ "price": { "amount": 900, "currency": "EUR" } })).await.expect(200);
    assert_eq!(ada.get(&luigi.path("/cart")).await.expect(200)["itemsTotal"]["amount"], 900);
    let bob = app.customer("Bob").await;
    assert_eq!(bob.get(&luigi.path("/cart")).await.expect(200)["lines"], json!([]));
}

#[tokio::test]
async fn a_cart_accepts_items_of_this_menu_in_valid_quantities() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let mario = app.restaurant("Mario").opens().await;
    let ada = app.customer("Ada").await;
    let own = json!({ "itemId": luigi.any_dish().id, "quantity": 1 });
    let put = async |lines: serde_json::Value| ada.put(&luigi.path("/cart"), &json!({ "lines": lines })).await;
    let kept = put(json!([own])).await.expect(200);
    let item = |id: &str, quantity: serde_json::Value| json!([own, { "itemId": id, "quantity": quantity }]);
    let dish = luigi.any_dish().id.as_str();
    let bad = [
        (item(&mario.any_dish().id, json!(1)), "/lines/1/itemId"),
        (item("itm_01h455vb4pex5vsknk084sn02q", json!(1)), "/lines/1/itemId"),
        (item(&luigi.id, json!(1)), "/lines/1/itemId"),
        (item(dish, json!(0)), "/lines/1/quantity"),
        (item(dish, json!(-3)), "/lines/1/quantity"),
        (item(dish, json!(100)), "/lines/1/quantity"),
        (item(dish, json!(9_223_372_036_854_775_807_i64)), "/lines/1/quantity"),
        (item(dish, json!(1e300)), "/lines/1/quantity"),
        (item(dish, json!(1.5)), "/lines/1/quantity"),
        (item(dish, json!("2")), "/lines/1/quantity"),
        (item(dish, json!(null)), "/lines/1/quantity"),
        (json!(vec![own.clone(); 101]), "/lines"),
        (json!([{ "itemId": dish, "quantity": 1, "note": "x".repeat(501) }]), "/lines/0/note"),
        (json!([{ "itemId": dish, "quantity": 1, "price": 1 }]), "/lines/0/price"),
        (json!({}), "/lines"),
    ];
    for (lines, pointer) in bad {
        let refusal = put(lines.clone()).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{lines}");
    }
    assert_eq!(ada.get(&luigi.path("/cart")).await.expect(200), kept, "what was refused left no trace");
    put(json!(vec![own.clone(); 100])).await.expect(200);
    ada.get("/api/restaurants/rst_01h455vb4pex5vsknk084sn02q/cart").await.refused(404, "not_found");
    let nowhere = ada.put("/api/restaurants/rst_01h455vb4pex5vsknk084sn02q/cart", &json!({ "lines": [] })).await;
    nowhere.refused(404, "not_found");
    app.stranger().get(&luigi.path("/cart")).await.refused(401, "unauthenticated");
}

/// The content of a cart, by the keys of its lines.
fn held(cart: &Value) -> BTreeMap<String, i64> {
    let line = |line: &Value| (line["key"].as_str().unwrap().to_owned(), line["quantity"].as_i64().unwrap());
    cart["lines"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn lines_are_changed_added_and_removed_by_key() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).sells("Calzone", 950).opens().await;
    let ada = app.customer("Ada").await;
    let path = luigi.path("/cart");
    let (margherita, calzone) = (&luigi.dish("Margherita").id, &luigi.dish("Calzone").id);
    let first = ada.puts_in_cart(&luigi, &[(luigi.dish("Margherita"), 2)]).await;
    let key = first["lines"][0]["key"].as_str().unwrap();
    assert!(!key.is_empty(), "the server names what the client does not");
    let changes = async |lines: Value| ada.patch(&path, &json!({ "lines": lines })).await;
    let cart = changes(json!([
        { "key": key, "itemId": margherita, "quantity": 3 },
        { "key": "mine", "itemId": calzone, "quantity": 1, "note": "well done" },
    ]))
    .await
    .expect(200);
    assert_eq!(held(&cart), [(key.to_owned(), 3), ("mine".to_owned(), 1)].into());
    assert_eq!((&cart["id"], &cart["version"]), (&first["id"], &json!(2)));
    assert_eq!(cart["itemsTotal"]["amount"], 3 * 850 + 950);
    let cart = changes(json!([{ "key": key, "quantity": 0 }])).await.expect(200);
    assert_eq!(held(&cart), [("mine".to_owned(), 1)].into());
    for (lines, pointer) in [
        (json!([{ "key": "a", "quantity": 1 }]), "/lines/0/itemId"),
        (json!([{ "key": "a", "quantity": 0, "note": "gone" }]), "/lines/0/quantity"),
        (json!([{ "key": "a", "quantity": 100, "itemId": calzone }]), "/lines/0/quantity"),
        (json!([{ "key": "", "quantity": 0 }]), "/lines/0/key"),
        (json!([{ "quantity": 0 }]), "/lines/0/key"),
        (json!([{ "key": "a", "quantity": 0 }, { "key": "a", "quantity": 0 }]), "/lines/1/key"),
        (json!([{ "key": "a", "quantity": 0 }, { "key": "b", "quantity": 1, "itemId": luigi.id }]), "/lines/1/itemId"),
        (json!(vec![json!({ "key": "a", "quantity": 0 }); 101]), "/lines"),
    ] {
        let refusal = changes(lines.clone()).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{lines}");
    }
    let many: Vec<_> = (0..100).map(|n| json!({ "key": format!("n{n}"), "quantity": 1, "itemId": calzone })).collect();
    changes(json!(many)).await.refused(422, "invalid_request");
    assert_eq!(held(&ada.get(&path).await.expect(200)), [("mine".to_owned(), 1)].into());
    ada.orders_cart(&cart, &Value::Null).await.expect(201);
}

#[tokio::test]
async fn the_later_write_of_a_line_wins_in_any_order_of_arrival() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let dish = &luigi.any_dish().id;
    let now = app.clock.now();
    let at = |second: i64| now - TimeDelta::minutes(10) + TimeDelta::seconds(second);
    let line = |key: &str, quantity: i64, second: i64| {
        let item = (quantity > 0).then_some(dish);
        ("PATCH", json!({ "lines": [{ "key": key, "quantity": quantity, "itemId": item, "at": at(second) }] }))
    };
    let whole = |keys: &[&str], second: i64| {
        let lines: Vec<_> = keys.iter().map(|key| json!({ "key": key, "quantity": 9, "itemId": dish })).collect();
        ("PUT", json!({ "lines": lines, "at": at(second) }))
    };
    let writes = [
        line("a", 1, 1),
        line("a", 5, 5),
        whole(&["a", "c"], 3),
        line("b", 2, 2),
        line("c", 0, 6),
        line("c", 4, 4),
        line("d", 7, 7),
        line("d", 3, 7),
    ];
    let mut random = StdRng::seed_from_u64(5);
    for round in 0..12 {
        let ada = app.customer("Ada").await;
        let mut order: Vec<_> = writes.iter().chain(&writes).collect();
        order.shuffle(&mut random);
        for (method, body) in order {
            let request = ada.request(method.parse().unwrap(), &luigi.path("/cart")).json(body);
            ada.send(request).await.expect(200);
        }
        let cart = ada.get(&luigi.path("/cart")).await.expect(200);
        assert_eq!(held(&cart), [("a".to_owned(), 5), ("d".to_owned(), 7)].into(), "round {round}");
    }
}

#[tokio::test]
async fn a_client_clock_in_the_future_does_not_block_a_cart_line() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let path = luigi.path("/cart");
    let now = app.clock.now();
    let write = async |quantity: i64, at: Option<DateTime<Utc>>| {
        let line = json!({ "key": "a", "quantity": quantity, "itemId": luigi.any_dish().id, "at": at });
        ada.patch(&path, &json!({ "lines": [line] })).await
    };
    let far = write(1, Some("2099-01-01T00:00:00Z".parse().unwrap())).await;
    let refusal = far.refused(422, "clock_skew");
    assert_eq!(refusal["errors"][0]["pointer"], "/lines/0/at");
    assert!(refusal["serverTime"].is_string());
    let put = ada.put(&path, &json!({ "lines": [], "at": now + TimeDelta::hours(1) })).await;
    assert_eq!(put.refused(422, "clock_skew")["errors"][0]["pointer"], "/at");
    // A time slightly ahead counts as now; an earlier one loses, and online writes come after everything before them.
    write(2, Some(now + TimeDelta::minutes(4))).await.expect(200);
    let cart = write(3, Some("1970-01-01T00:00:00Z".parse().unwrap())).await.expect(200);
    assert_eq!(held(&cart), [("a".to_owned(), 2)].into());
    assert_eq!(held(&write(4, None).await.expect(200)), [("a".to_owned(), 4)].into());
}

#[tokio::test]
async fn lines_written_before_an_order_do_not_return_after_it() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let before = app.clock.now();
    app.advance_clock(TimeDelta::seconds(5));
    ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    let late = json!({ "lines": [{ "key": "a", "quantity": 1, "itemId": luigi.any_dish().id, "at": before }] });
    let cart = ada.patch(&luigi.path("/cart"), &late).await.expect(200);
    assert_eq!(cart["lines"], json!([]));
    app.advance_clock(TimeDelta::seconds(5));
    let fresh =
        json!({ "lines": [{ "key": "a", "quantity": 1, "itemId": luigi.any_dish().id, "at": app.clock.now() }] });
    assert_eq!(held(&ada.patch(&luigi.path("/cart"), &fresh).await.expect(200)), [("a".to_owned(), 1)].into());
}

#[tokio::test]
async fn a_cart_stores_a_limited_number_of_removed_lines() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    for part in 0..4 {
        let gone: Vec<_> = (0..100).map(|n| json!({ "key": format!("{part}-{n}"), "quantity": 0 })).collect();
        ada.patch(&luigi.path("/cart"), &json!({ "lines": gone })).await.expect(200);
    }
    // A line that the last request removed is deleted with the next one.
    assert!(app.count("select count(*) from cart_items").await <= 300);
    ada.patch(&luigi.path("/cart"), &json!({ "lines": [] })).await.expect(200);
    assert_eq!(app.count("select count(*) from cart_items").await, 200);
}
