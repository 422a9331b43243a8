//! Counted stock: sold once, returned when an order is cancelled.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::app::TestApp;

#[tokio::test]
async fn a_cancelled_order_returns_its_stock() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Tiramisù", 600, 5).sells("Acqua", 150).opens().await;
    let ada = app.customer("Ada").await;
    let (tiramisu, acqua) = (luigi.dish("Tiramisù"), luigi.dish("Acqua"));
    // The same item on two lines is counted together.
    let order = ada.places_order(&luigi, &[(tiramisu, 2), (acqua, 9), (tiramisu, 1)]).await;
    assert_eq!(luigi.stock_of(tiramisu).await, Some(2));
    ada.cancels(&order, "I am not hungry any more").await;
    assert_eq!(luigi.stock_of(tiramisu).await, Some(5));
    assert_eq!(luigi.stock_of(acqua).await, None);
    ada.tries_to_move(&order, "CANCELLED", Some("again")).await.refused(409, "illegal_transition");
    assert_eq!(luigi.stock_of(tiramisu).await, Some(5));
}

#[tokio::test]
async fn more_than_is_left_cannot_be_ordered() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("Tiramisù", 600, 3).opens().await;
    let ada = app.customer("Ada").await;
    let tiramisu = luigi.any_dish();
    let cart = ada.puts_in_cart(&luigi, &[(tiramisu, 2), (tiramisu, 2)]).await;
    let refusal = ada.orders_cart(&cart, &Value::Null).await.refused(409, "out_of_stock");
    let blocked = json!({ "itemId": tiramisu.id, "reason": "out_of_stock" });
    assert_eq!(refusal["items"], json!([blocked, blocked]));
    let short = json!({ "itemId": tiramisu.id, "modifierId": null, "name": "Tiramisù", "left": 3, "wanted": 4,
      "lines": [0, 1] });
    assert_eq!(refusal["shortages"], json!([short]));
    assert_eq!(refusal["errors"][1]["pointer"], "/lines/1");
    assert!(!refusal["detail"].as_str().unwrap().contains("faster"), "{refusal}");
    // The cart, a quote and an order from lines give the same error.
    assert_eq!((&cart["lines"][0]["orderable"], &cart["lines"][1]["shortages"]), (&json!(false), &json!([short])));
    let lines =
        json!([{ "itemId": tiramisu.id, "quantity": 2 }, { "itemId": tiramisu.id, "quantity": 2, "note": "no sugar" }]);
    let wanted = json!({ "lines": lines, "fulfilment": "PICKUP" });
    let quoted = ada.post(&luigi.path("/quotes"), &wanted).await.refused(409, "out_of_stock");
    let wanted = json!({ "restaurantId": luigi.id, "lines": lines, "fulfilment": "PICKUP" });
    let ordered = ada.asks_for_order("too-many", &wanted).await.refused(409, "out_of_stock");
    assert_eq!((&quoted["shortages"], &ordered["shortages"]), (&json!([short]), &json!([short])));
    let cart = ada.puts_in_cart(&luigi, &[(tiramisu, 4)]).await;
    assert_eq!(cart["lines"][0]["reason"], "out_of_stock");
    ada.orders_cart(&cart, &Value::Null).await.refused(409, "out_of_stock");
    assert_eq!(luigi.stock_of(tiramisu).await, Some(3));
    assert_eq!(app.count("select count(*) from orders").await, 0);
    ada.places_order(&luigi, &[(tiramisu, 3)]).await;
    assert_eq!(luigi.stock_of(tiramisu).await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_buyers_of_fifty_portions_get_exactly_fifty() {
    let app = TestApp::start().await;
    let luigi = Arc::new(app.restaurant("Luigi").sells_counted("Tiramisù", 600, 50).opens().await);
    let buyers = app.crowd(200).await;
    let start = Arc::new(Barrier::new(buyers.len()));
    let mut orders = JoinSet::new();
    for buyer in buyers {
        let (luigi, start) = (Arc::clone(&luigi), Arc::clone(&start));
        orders.spawn(async move {
            let cart = buyer.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
            start.wait().await;
            let reply = buyer.orders_cart(&cart, &Value::Null).await;
            if reply.status == 201 {
                return true;
            }
            reply.refused(409, "out_of_stock");
            false
        });
    }
    let sold = orders.join_all().await.into_iter().filter(|sold| *sold).count();
    assert_eq!(sold, 50);
    assert_eq!(luigi.stock_of(luigi.any_dish()).await, Some(0));
    assert_eq!(app.count("select -sum(delta) from stock_ledger where reason = 'SOLD'").await, 50);
    assert_eq!(app.count("select count(*) from carts where status = 'OPEN'").await, 150);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_the_same_items_in_any_sequence_do_not_deadlock() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").sells_counted("A", 100, 1_000).sells_counted("B", 100, 1_000);
    let luigi = Arc::new(luigi.sells_counted("C", 100, 1_000).opens().await);
    let mut orders = JoinSet::new();
    for (index, buyer) in app.crowd(60).await.into_iter().enumerate() {
        let luigi = Arc::clone(&luigi);
        orders.spawn(async move {
            let mut lines: Vec<_> = luigi.dishes.iter().map(|dish| (dish, 2)).collect();
            lines.rotate_left(index % 3);
            let order = buyer.places_order(&luigi, &lines).await;
            // Every second one is cancelled while others are placed, so that stock changes in both directions.
            if index % 2 == 0 {
                buyer.cancels(&order, "changed my mind").await;
            }
        });
    }
    orders.join_all().await;
    for dish in &luigi.dishes {
        assert_eq!(luigi.stock_of(dish).await, Some(1_000 - 2 * 30), "{}", dish.name);
    }
}

#[tokio::test]
async fn the_ledger_records_every_stock_change() {
    let app = TestApp::start().await;
    let luigi =
        app.restaurant("Luigi").sells_counted("Tiramisù", 600, 5).sells_counted("Cannolo", 300, 9).opens().await;
    let ada = app.customer("Ada").await;
    let (tiramisu, cannolo) = (luigi.dish("Tiramisù"), luigi.dish("Cannolo"));
    let order = ada.places_order(&luigi, &[(tiramisu, 3), (cannolo, 1)]).await;
    ada.cancels(&order, "I am not hungry any more").await;
    luigi.owner.put(&luigi.path(&format!("/items/{}/stock", tiramisu.id)), &json!({ "change": -2 })).await.expect(200);

    let path = luigi.path("/stock-ledger");
    let rows = async |query: &str| luigi.owner.get(&format!("{path}?{query}")).await.expect(200);
    let of_tiramisu = rows(&format!("itemId={}", tiramisu.id)).await;
    let movements: Vec<_> =
        of_tiramisu["data"].as_array().unwrap().iter().map(|row| (&row["change"], &row["reason"])).collect();
    let (set, sold, returned) = (json!("SET"), json!("SOLD"), json!("RETURNED"));
    assert_eq!(movements, [(&json!(-2), &set), (&json!(3), &returned), (&json!(-3), &sold), (&json!(5), &set)]);
    assert_eq!(of_tiramisu["data"][1]["orderId"], order["id"]);
    assert_eq!(of_tiramisu["data"][0]["orderId"], Value::Null);

    let of_order = rows(&format!("orderId={}", order["id"].as_str().unwrap())).await;
    assert_eq!(of_order["data"].as_array().unwrap().len(), 4);
    let both = format!("itemId={}&orderId={}", cannolo.id, order["id"].as_str().unwrap());
    assert_eq!(rows(&both).await["data"].as_array().unwrap().len(), 2);

    // In pages, each change once.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = rows(&format!("limit=2{cursor}")).await;
        seen.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 7);
    assert_eq!(seen.iter().filter_map(|row| row["change"].as_i64()).sum::<i64>(), 3 + 9);

    luigi.owner.get(&format!("{path}?itemId=itm_nonsense")).await.refused(422, "invalid_request");
    let modifier = comanda::ids::ModifierId::new();
    let two = format!("{path}?itemId={}&modifierId={modifier}", cannolo.id);
    luigi.owner.get(&two).await.refused(422, "invalid_request");
    ada.get(&path).await.refused(404, "not_found");
}
