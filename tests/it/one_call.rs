//! Orders that are written in one call: what they were decided on is compared when they are written.

use serde_json::{Value, json};
use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::task::{JoinHandle, JoinSet};

use crate::app::{TestApp, eventually};
use crate::people::{Person, delivery_details, id_of};
use crate::reply::Reply;
use crate::shop::Shop;

fn from_lines(shop: &Shop) -> Value {
    let mut order = delivery_details();
    order["restaurantId"] = json!(shop.id);
    order["lines"] = json!([{ "itemId": shop.dish("Margherita").id, "quantity": 2 }]);
    order
}

/// Holds the row from which the next order draws its number, so that the order waits after it was decided.
async fn hold_numbers(app: &TestApp) -> PoolConnection<Postgres> {
    let mut holding = app.superuser.acquire().await.unwrap();
    sqlx::raw_sql("begin; select from day_counters for update").execute(&mut *holding).await.unwrap();
    holding
}

async fn release(holding: &mut PgConnection) {
    sqlx::raw_sql("commit").execute(holding).await.unwrap();
}

/// Sends an order, and waits until PostgreSQL waits for its number.
#[expect(clippy::disallowed_methods, reason = "a client that waits")]
async fn begins_to_order(app: &TestApp, customer: &Person, key: &'static str, order: &Value) -> JoinHandle<Reply> {
    let (customer, order) = (customer.clone(), order.clone());
    let ordering = tokio::spawn(async move { customer.asks_for_order(key, &order).await });
    eventually("the order waits for its number", async || {
        let waiting =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&app.superuser).await.unwrap() == 1
    })
    .await;
    ordering
}

async fn of_luigi() -> (TestApp, Shop, Person) {
    let app = TestApp::with(&[("DATABASE_LOCK_TIMEOUT", "20s")]).await;
    let luigi = app.restaurant("Luigi").sells("Margherita", 850).opens().await;
    let ada = app.customer("Ada").await;
    ada.asks_for_order("the-first-number", &from_lines(&luigi)).await.expect(201);
    (app, luigi, ada)
}

#[tokio::test]
async fn an_order_is_placed_at_what_is_true_when_it_is_written() {
    let (app, luigi, ada) = of_luigi().await;
    let dish = luigi.path(&format!("/items/{}", luigi.dish("Margherita").id));
    let euros = |cents: i64| json!({ "amount": cents, "currency": "EUR" });
    let (restaurant, menu) = (luigi.path(""), dish.as_str());
    // The change, where the new value is in the order, and the value.
    let changes = [
        (menu, json!({ "price": euros(900) }), "/items/0/unitPrice/amount", json!(900)),
        (menu, json!({ "name": "Margherita DOP" }), "/items/0/name", json!("Margherita DOP")),
        (restaurant.as_str(), json!({ "deliveryFee": euros(410) }), "/totals/deliveryFee/amount", json!(410)),
        (restaurant.as_str(), json!({ "taxBasisPoints": 2_200 }), "/totals/taxes/0/basisPoints", json!(2_200)),
    ];
    for (path, change, pointer, expected) in changes {
        let mut holding = hold_numbers(&app).await;
        let ordering = begins_to_order(&app, &ada, Box::leak(pointer.into()), &from_lines(&luigi)).await;
        luigi.owner.patch(path, &change).await.expect(200);
        release(&mut holding).await;
        let order = ordering.await.unwrap().expect(201);
        assert_eq!(order.pointer(pointer), Some(&expected), "after {change}: {order}");
        assert_eq!(ada.reads_order(&order).await, order);
    }
}

#[tokio::test]
async fn an_order_is_refused_for_what_is_true_when_it_is_written() {
    let (app, luigi, ada) = of_luigi().await;
    let dish = luigi.path(&format!("/items/{}", luigi.dish("Margherita").id));
    let restaurant = luigi.path("");
    let changes = [
        (dish.as_str(), json!({ "available": false }), json!({ "available": true }), "item_unavailable"),
        (restaurant.as_str(), json!({ "accepting": false }), json!({ "accepting": true }), "restaurant_closed"),
    ];
    for (path, change, back, code) in changes {
        let mut holding = hold_numbers(&app).await;
        let ordering = begins_to_order(&app, &ada, code, &from_lines(&luigi)).await;
        luigi.owner.patch(path, &change).await.expect(200);
        release(&mut holding).await;
        ordering.await.unwrap().refused(409, code);
        luigi.owner.patch(path, &back).await.expect(200);
        // The key was not used up.
        ada.asks_for_order(code, &from_lines(&luigi)).await.expect(201);
    }
    let placed = app.count("select count(*) from orders").await;
    assert_eq!(placed, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_with_one_key_place_one_order() {
    let (app, luigi, ada) = of_luigi().await;
    for round in 0..5 {
        let key = format!("round {round}").replace(' ', "-");
        let mut all = JoinSet::new();
        for _ in 0..16 {
            let (ada, order, key) = (ada.clone(), from_lines(&luigi), key.clone());
            all.spawn(async move { ada.asks_for_order(&key, &order).await });
        }
        let replies = all.join_all().await;
        let orders: std::collections::BTreeSet<_> =
            replies.iter().map(|reply| id_of(&reply.expect(201)).to_owned()).collect();
        assert_eq!(orders.len(), 1, "{orders:?}");
    }
    assert_eq!(app.count("select count(*) from orders").await, 6);
    assert_eq!(app.count("select count(*) from events where name = 'order:new'").await, 6);
    assert_eq!(app.count("select last_number::bigint from day_counters").await, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_concurrent_requests_orders_a_cart() {
    let (app, luigi, ada) = of_luigi().await;
    for round in 0..5 {
        let cart = ada.puts_in_cart(&luigi, &[(luigi.dish("Margherita"), 1)]).await;
        let mut order = delivery_details();
        order["cartId"] = cart["id"].clone();
        let mut all = JoinSet::new();
        for each in 0..16 {
            let (ada, order, key) = (ada.clone(), order.clone(), format!("{round}-{each}"));
            all.spawn(async move { ada.asks_for_order(&key, &order).await });
        }
        let replies = all.join_all().await;
        let placed: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
        assert_eq!(placed.len(), 1);
        let order = placed[0].expect(201);
        for refused in replies.iter().filter(|reply| reply.status != 201) {
            assert_eq!(refused.refused(409, "cart_closed")["orderId"], order["id"]);
        }
    }
    assert_eq!(app.count("select count(*) from orders").await, 6);
}
