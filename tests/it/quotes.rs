//! Quotes: the complete price before the order, which is valid until the quote expires, and the differences if an order
//! at that price is not possible.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::{TestApp, eventually};
use crate::people::{Person, id_of};
use crate::reply::Reply;
use crate::shop::{Dish, Shop};

fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

/// The price of a basket for pickup.
async fn quoted(person: &Person, shop: &Shop, lines: &[(&Dish, u32)], more: Value) -> Reply {
    let line = |(dish, quantity): &(&Dish, u32)| json!({ "itemId": dish.id, "quantity": quantity });
    let mut body = json!({ "lines": lines.iter().map(line).collect::<Vec<_>>(), "fulfilment": "PICKUP" });
    merge(&mut body, more);
    person.post(&shop.path("/quotes"), &body).await
}

fn merge(body: &mut Value, more: Value) {
    if let Value::Object(more) = more {
        more.into_iter().for_each(|(name, value)| body[name] = value);
    }
}

/// An order from a quote.
async fn orders_quote(person: &Person, quote: &Value, more: Value) -> Reply {
    let mut body = json!({ "quoteId": id_of(quote) });
    merge(&mut body, more);
    person.asks_for_order(&Uuid::new_v4().to_string(), &body).await
}

async fn reprices(shop: &Shop, dish: &Dish, price: i64) {
    let item = shop.path(&format!("/items/{}", dish.id));
    shop.owner.patch(&item, &json!({ "price": euros(price) })).await.expect(200);
}

async fn switches_off(shop: &Shop, dish: &Dish) {
    let path = shop.path(&format!("/items/{}/availability", dish.id));
    shop.owner.put(&path, &json!({ "available": false })).await.expect(200);
}

#[tokio::test]
async fn a_quote_says_what_everything_costs_and_its_order_costs_that() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 855).sells("Acqua", 150);
    let luigi = luigi.with("taxBasisPoints", json!(1000)).with("deliveryFee", euros(290));
    let fee = json!({ "basisPoints": 1000, "cap": euros(120), "fixed": euros(30) });
    let luigi = luigi.with("serviceFee", fee.clone()).opens().await;
    assert_eq!(luigi.body["serviceFee"], fee);
    let ada = app.customer("Ada").await;
    let cart = ada.puts_in_cart(&luigi, &[(luigi.dish("Margherita"), 1), (luigi.dish("Acqua"), 3)]).await;
    let place = json!({ "lat": 44.4965, "lng": 11.3340 });
    let request_body = json!({ "cartId": id_of(&cart), "fulfilment": "DELIVERY", "place": place, "tip": euros(200) });
    let quote = ada.post(&luigi.path("/quotes"), &request_body).await.expect(201);
    let amount = |part: &str| quote["totals"][part]["amount"].as_i64().unwrap();
    // 10 % of 13.05 is 1.305, capped to 1.20; 0.30 is added.
    assert_eq!((amount("items"), amount("tax"), amount("deliveryFee"), amount("serviceFee")), (1305, 131, 290, 150));
    assert_eq!((amount("tip"), amount("discount"), amount("total")), (200, 0, 2076));
    assert_eq!((&quote["items"][1]["total"], &quote["items"][1]["unitPrice"]), (&euros(450), &euros(150)));
    assert_eq!(quote["items"][0]["taxes"], json!([{ "basisPoints": 1000, "net": euros(855), "tax": euros(86) }]));
    assert_eq!((&quote["discounts"], &quote["orderId"], &quote["place"]), (&json!([]), &Value::Null, &place));
    let span = |from: &str, until: &str| {
        let at = |field: &str| quote[field].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        at(until) - at(from)
    };
    assert_eq!(span("createdAt", "expiresAt"), TimeDelta::minutes(15));
    assert!(quote["earliestSlot"]["startsAt"].is_string(), "{quote}");

    // The menu, the fees and the tax change; the quote does not.
    reprices(&luigi, luigi.dish("Margherita"), 990).await;
    let dearer = json!({ "taxBasisPoints": 2200, "deliveryFee": euros(500), "serviceFee": { "fixed": euros(900) } });
    luigi.owner.patch(&luigi.path(""), &dearer).await.expect(200);
    let order = orders_quote(&ada, &quote, json!({ "address": "Via del Pratello 12" })).await.expect(201);
    assert_eq!((&order["totals"], &order["items"]), (&quote["totals"], &quote["items"]));
    assert_eq!(
        (&order["quoteId"], &order["cartId"], &order["fulfilment"]),
        (&quote["id"], &cart["id"], &json!("DELIVERY"))
    );
    let path = luigi.path(&format!("/quotes/{}", id_of(&quote)));
    let mut used = quote.clone();
    used["orderId"] = order["id"].clone();
    assert_eq!(ada.get(&path).await.expect(200), used);
    assert_eq!(ada.get(&luigi.path("/cart")).await.expect(200)["id"], Value::Null, "the order closed the cart");
    let refusal =
        orders_quote(&ada, &quote, json!({ "address": "Via del Pratello 12" })).await.refused(409, "quote_used");
    assert_eq!(refusal["orderId"], order["id"]);
    orders_quote(&ada, &quote, Value::Null).await.refused(409, "quote_used");
}

#[tokio::test]
async fn a_quote_is_made_once_for_a_key_and_read_by_its_owner_only() {
    let app = TestApp::start().await;
    let (luigi, mario) = (app.restaurant("Luigi").opens().await, app.restaurant("Mario").opens().await);
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let request_body = json!({ "lines": [{ "itemId": luigi.any_dish().id, "quantity": 2 }], "fulfilment": "PICKUP" });
    let ask = || {
        ada.request(reqwest::Method::POST, &luigi.path("/quotes")).header("idempotency-key", "q-1").json(&request_body)
    };
    let first = ada.send(ask()).await;
    let again = ada.send(ask()).await;
    assert_eq!((first.expect(201), again.header("idempotency-replayed")), (again.expect(201), "true"));
    assert_eq!(app.count("select count(*) from quotes").await, 1);
    let quote = first.json();
    let id = id_of(&quote);
    bob.get(&luigi.path(&format!("/quotes/{id}"))).await.refused(404, "not_found");
    ada.get(&mario.path(&format!("/quotes/{id}"))).await.refused(404, "not_found");
    luigi.owner.get(&luigi.path(&format!("/quotes/{id}"))).await.refused(404, "not_found");
    orders_quote(&bob, &quote, Value::Null).await.refused(404, "not_found");
    // Nobody can get a quote for another user's cart.
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let theirs = json!({ "cartId": id_of(&cart), "fulfilment": "PICKUP" });
    bob.post(&luigi.path("/quotes"), &theirs).await.refused(404, "not_found");
    ada.post(&mario.path("/quotes"), &theirs).await.refused(404, "not_found");
    for (bad, pointer) in [
        (json!({ "fulfilment": "PICKUP" }), "/cartId"),
        (json!({ "fulfilment": "PICKUP", "cartId": id_of(&cart), "lines": [] }), "/cartId"),
        (json!({ "fulfilment": "DELIVERY", "lines": [] }), "/place"),
        (json!({ "fulfilment": "PICKUP", "lines": [], "price": 1 }), "/price"),
        (json!({ "fulfilment": "PICKUP", "lines": [], "couponCode": "x" }), "/couponCode"),
    ] {
        let refusal = ada.post(&luigi.path("/quotes"), &bad).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{bad}");
    }
    let nothing = json!({ "fulfilment": "PICKUP", "lines": [] });
    ada.post(&luigi.path("/quotes"), &nothing).await.refused(409, "cart_empty");
}

#[tokio::test]
async fn an_expired_quote_is_refused_with_current_prices_by_line() {
    let app = TestApp::with(&[("QUOTE_LIFETIME", "5m")]).await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).sells("Calzone", 950).sells("Acqua", 150);
    let luigi = luigi.opens().await;
    let ada = app.customer("Ada").await;
    let [margherita, calzone, acqua] = ["Margherita", "Calzone", "Acqua"].map(|name| luigi.dish(name));
    let lines = [(margherita, 2), (calzone, 1), (acqua, 1)];
    let quote = quoted(&ada, &luigi, &lines, json!({ "tip": euros(100) })).await.expect(201);
    app.advance_clock(TimeDelta::minutes(4));
    reprices(&luigi, margherita, 900).await;
    app.advance_clock(TimeDelta::seconds(61));
    let refusal = orders_quote(&ada, &quote, Value::Null).await.refused(409, "quote_expired");
    assert_eq!(refusal["expiredAt"], quote["expiresAt"]);
    assert_eq!((&refusal["quoted"], &refusal["now"]["total"]), (&quote["totals"], &euros(3000)));
    let dearer = json!({ "line": 1, "itemId": margherita.id, "name": "Margherita", "quoted": euros(1700),
                         "now": euros(1800), "reason": null });
    assert_eq!(refusal["lines"], json!([dearer]));
    // If it cannot be ordered at all, the error says why, and no price is returned.
    switches_off(&luigi, calzone).await;
    let refusal = orders_quote(&ada, &quote, Value::Null).await.refused(409, "quote_expired");
    let off = json!({ "line": 2, "itemId": calzone.id, "name": "Calzone", "quoted": euros(950), "now": null,
                      "reason": "unavailable" });
    assert_eq!(refusal["lines"], json!([dearer, off]));
    assert_eq!((&refusal["now"], &refusal["refusal"]["code"]), (&Value::Null, &json!("item_unavailable")));
    assert_eq!(app.count("select count(*) from orders").await, 0);
}

#[tokio::test]
async fn an_order_that_differs_from_its_quote_is_refused_with_fields_and_new_total() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").with("deliveryFee", euros(290)).opens().await;
    let ada = app.customer("Ada").await;
    let quote = quoted(&ada, &luigi, &[(luigi.any_dish(), 1)], Value::Null).await.expect(201);
    let soon = app.clock.now() + TimeDelta::hours(3);
    let delivery_details =
        json!({ "fulfilment": "DELIVERY", "address": "Via 1", "place": { "lat": 44.49, "lng": 11.34 } });
    let cases = [
        (delivery_details, json!(["/fulfilment", "/place"]), Some(850 + 290)),
        (json!({ "tip": euros(100) }), json!(["/tip"]), Some(950)),
        (json!({ "scheduledFor": soon }), json!(["/scheduledFor"]), Some(850)),
        (json!({ "couponCode": "ten" }), json!(["/couponCode"]), Some(765)),
        (json!({ "tip": { "amount": 0, "currency": "USD" } }), json!(["/tip"]), None),
    ];
    let coupon = json!({ "code": "TEN", "kind": "PERCENT", "basisPoints": 1000 });
    luigi.owner.post(&luigi.path("/coupons"), &coupon).await.expect(201);
    for (more, fields, total) in cases {
        let refusal = orders_quote(&ada, &quote, more.clone()).await.refused(409, "quote_changed");
        assert_eq!((&refusal["fields"], &refusal["quoted"]), (&fields, &quote["totals"]), "{more}");
        assert_eq!(refusal["now"]["total"]["amount"].as_i64(), total, "{refusal}");
        assert_eq!(refusal["lines"], json!([]), "{refusal}");
    }
    orders_quote(&ada, &quote, json!({ "couponCode": "nothing" })).await.refused(409, "coupon_unknown");
    orders_quote(&ada, &quote, json!({ "table": "7" })).await.refused(422, "invalid_request");
    // A repeated value of the quote is no difference.
    let same = json!({ "fulfilment": "PICKUP", "tip": euros(0), "note": "second bell" });
    let order = orders_quote(&ada, &quote, same).await.expect(201);
    assert_eq!((&order["note"], &order["totals"]), (&json!("second bell"), &quote["totals"]));
}

#[tokio::test]
async fn a_quoted_order_is_still_checked_for_availability() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).sells_counted("Tiramisù", 600, 3).opens().await;
    let ada = app.customer("Ada").await;
    let (margherita, tiramisu) = (luigi.dish("Margherita"), luigi.dish("Tiramisù"));
    let quote = quoted(&ada, &luigi, &[(margherita, 1), (tiramisu, 2)], Value::Null).await.expect(201);
    let patched = async |change: Value| _ = luigi.owner.patch(&luigi.path(""), &change).await.expect(200);

    patched(json!({ "accepting": false })).await;
    orders_quote(&ada, &quote, Value::Null).await.refused(409, "restaurant_closed");
    patched(json!({ "accepting": true, "minimumOrder": euros(5000) })).await;
    let refusal = orders_quote(&ada, &quote, Value::Null).await.refused(409, "below_minimum");
    assert_eq!(refusal["missing"], euros(5000 - 2050));
    patched(json!({ "minimumOrder": euros(0) })).await;
    let buyer = app.customer("Bob").await;
    let taken = buyer.places_order(&luigi, &[(tiramisu, 2)]).await;
    orders_quote(&ada, &quote, Value::Null).await.refused(409, "out_of_stock");
    buyer.cancels(&taken, "I am not hungry any more").await;
    switches_off(&luigi, margherita).await;
    orders_quote(&ada, &quote, Value::Null).await.refused(409, "item_unavailable");
    // An item that was deleted from the menu is a difference to the quote.
    luigi.owner.delete(&luigi.path(&format!("/items/{}", margherita.id))).await.expect(204);
    let refusal = orders_quote(&ada, &quote, Value::Null).await.refused(409, "quote_changed");
    assert_eq!((&refusal["lines"][0]["reason"], &refusal["now"]), (&json!("deleted"), &Value::Null));
    assert_eq!(luigi.stock_of(tiramisu).await, Some(3));
    assert_eq!(ada.get(&luigi.path(&format!("/quotes/{}", id_of(&quote)))).await.expect(200), quote);
}

#[tokio::test]
async fn an_order_closes_the_cart_that_was_quoted_and_no_other() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let request_body = |cart: &Value| json!({ "cartId": id_of(cart), "fulfilment": "PICKUP" });
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let quote = ada.post(&luigi.path("/quotes"), &request_body(&cart)).await.expect(201);
    // A line was added since: it stays in the cart, and the quoted lines are ordered.
    let fuller = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 5)]).await;
    let order = orders_quote(&ada, &quote, Value::Null).await.expect(201);
    assert_eq!((&order["cartId"], &order["items"][0]["quantity"]), (&Value::Null, &json!(1)));
    assert_eq!(ada.get(&luigi.path("/cart")).await.expect(200), fuller);
    // A cart that was ordered already is not ordered again by its quote.
    let quote = ada.post(&luigi.path("/quotes"), &request_body(&fuller)).await.expect(201);
    let order = ada.orders_cart(&fuller, &Value::Null).await.expect(201);
    let refusal = orders_quote(&ada, &quote, Value::Null).await.refused(409, "cart_closed");
    assert_eq!(refusal["orderId"], order["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_becomes_one_order_however_many_place_it_at_once() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let quote = Arc::new(quoted(&ada, &luigi, &[(luigi.any_dish(), 1)], Value::Null).await.expect(201));
    let mut orders = JoinSet::new();
    for _ in 0..8 {
        let (ada, quote) = (ada.clone(), Arc::clone(&quote));
        orders.spawn(async move { orders_quote(&ada, &quote, Value::Null).await });
    }
    let replies = orders.join_all().await;
    let placed: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
    assert_eq!(placed.len(), 1);
    let order = placed[0].json();
    for refused in replies.iter().filter(|reply| reply.status != 201) {
        assert_eq!(refused.refused(409, "quote_used")["orderId"], order["id"]);
    }
    assert_eq!(app.count("select count(*) from orders").await, 1);
}

#[tokio::test]
async fn a_customer_has_a_limited_number_of_quotes_and_old_ones_are_deleted() {
    let app = TestApp::with(&[("RETENTION_INTERVAL", "1s")]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    quoted(&ada, &luigi, &[(luigi.any_dish(), 1)], Value::Null).await.expect(201);
    app.execute(
        "insert into quotes (restaurant_id, id, user_id, content, total, created_at, expires_at)
         select restaurant_id, gen_random_uuid(), user_id, content, total, created_at, expires_at
         from quotes, generate_series(1, 99)",
    )
    .await;
    quoted(&ada, &luigi, &[(luigi.any_dish(), 1)], Value::Null).await.refused(409, "too_many");
    quoted(&app.customer("Bob").await, &luigi, &[(luigi.any_dish(), 1)], Value::Null).await.expect(201);
    app.advance_clock(TimeDelta::minutes(16));
    quoted(&ada, &luigi, &[(luigi.any_dish(), 1)], Value::Null).await.expect(201);
    assert_eq!(app.count("select count(*) from quotes").await, 102, "an expired one can still be asked about");
    app.advance_clock(TimeDelta::hours(1));
    eventually("old quotes are forgotten", async || app.count("select count(*) from quotes").await == 1).await;
    app.advance_clock(TimeDelta::minutes(16));
    eventually("all of them", async || app.count("select count(*) from quotes").await == 0).await;
}

#[tokio::test]
async fn an_order_may_be_placed_from_lines_and_may_have_a_large_total() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells("A whole ox", 100_000_000).with("taxBasisPoints", json!(1000));
    let luigi = luigi.opens().await;
    let ada = app.customer("Ada").await;
    let lines = json!([{ "itemId": luigi.any_dish().id, "quantity": 99, "note": "well done" }]);
    let body = json!({ "restaurantId": luigi.id, "lines": lines, "fulfilment": "PICKUP" });
    let order = ada.asks_for_order("ox", &body).await.expect(201);
    assert_eq!((&order["items"][0]["note"], &order["cartId"]), (&json!("well done"), &Value::Null));
    assert_eq!(order["totals"]["total"], euros(99 * 110_000_000));
    assert_eq!(ada.reads_order(&order).await, order);
    let quote = ada.post(&luigi.path("/quotes"), &json!({ "lines": lines, "fulfilment": "PICKUP" })).await.expect(201);
    assert_eq!((&quote["totals"], &quote["items"]), (&order["totals"], &order["items"]));
    for bad in [
        json!({ "lines": lines, "fulfilment": "PICKUP" }),
        json!({ "restaurantId": luigi.id, "fulfilment": "PICKUP" }),
        json!({ "restaurantId": luigi.id, "lines": lines, "quoteId": id_of(&quote), "fulfilment": "PICKUP" }),
    ] {
        ada.asks_for_order(&Uuid::new_v4().to_string(), &bad).await.refused(422, "invalid_request");
    }
    let nowhere = json!({ "restaurantId": "rst_01h455vb4pex5vsknk084sn02q", "lines": lines, "fulfilment": "PICKUP" });
    ada.asks_for_order("nowhere", &nowhere).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_invalid_service_fee_is_refused_by_field() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let dollars = json!({ "amount": 100, "currency": "USD" });
    for (fee, pointer) in [
        (json!({ "cap": euros(100) }), "/serviceFee/cap"),
        (json!({ "basisPoints": 100, "cap": dollars }), "/serviceFee/cap"),
        (json!({ "fixed": dollars }), "/serviceFee/fixed"),
        (json!({ "basisPoints": 10_001 }), "/serviceFee/basisPoints"),
        (json!({ "percent": 5 }), "/serviceFee/percent"),
    ] {
        let refusal =
            luigi.owner.patch(&luigi.path(""), &json!({ "serviceFee": fee })).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{fee}");
    }
    let shown = luigi.owner.patch(&luigi.path(""), &json!({ "serviceFee": { "basisPoints": 500 } })).await.expect(200);
    assert_eq!(shown["serviceFee"], json!({ "basisPoints": 500, "cap": null, "fixed": euros(0) }));
}
