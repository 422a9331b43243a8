//! Orders and changes of their status that are written in one call: what they were decided on is compared when they are
//! written.

use serde_json::{Value, json};
use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::task::{JoinHandle, JoinSet};

use crate::app::{TestApp, eventually};
use crate::delivery_life::Scene;
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
    wait(app, 1).await;
    ordering
}

/// Waits until this number of requests waits for locks of PostgreSQL.
async fn wait(app: &TestApp, requests: i64) {
    eventually("requests wait for locks", async || {
        let waiting =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&app.superuser).await.unwrap() == requests
    })
    .await;
}

/// Holds all orders, so that a change of a status waits after it was decided.
async fn hold_orders(app: &TestApp) -> PoolConnection<Postgres> {
    let mut holding = app.superuser.acquire().await.unwrap();
    sqlx::raw_sql("begin; select from orders for update").execute(&mut *holding).await.unwrap();
    holding
}

/// Sends a change of status, which waits while orders are held.
#[expect(clippy::disallowed_methods, reason = "a client that waits")]
fn begins_to_move(person: &Person, order: &Value, to: &'static str) -> JoinHandle<Reply> {
    let (person, order) = (person.clone(), order.clone());
    tokio::spawn(async move { person.tries_to_move(&order, to, None).await })
}

/// A server whose statements wait long for locks.
async fn patient() -> TestApp {
    TestApp::with(&[("DATABASE_LOCK_TIMEOUT", "20s")]).await
}

async fn of_luigi() -> (TestApp, Shop, Person) {
    let app = patient().await;
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

#[tokio::test]
async fn of_two_equal_changes_of_a_status_the_second_finds_it_made() {
    let scene = Scene::set_in(patient().await).await;
    let (order, _) = scene.confirmed().await;
    let cook = scene.app.staff_of(&scene.luigi).await;
    let mut holding = hold_orders(&scene.app).await;
    let first = begins_to_move(&scene.luigi.owner, &order, "PREPARING");
    wait(&scene.app, 1).await;
    let second = begins_to_move(&cook, &order, "PREPARING");
    wait(&scene.app, 2).await;
    release(&mut holding).await;
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let (done, late) = if first.status == 200 { (first, second) } else { (second, first) };
    let done = done.expect(200);
    assert_eq!(late.refused(409, "illegal_transition")["currentVersion"], done["version"]);
    assert_eq!(scene.ada.reads_order(&order).await, done);
    assert_eq!(scene.app.count("select count(*) from events where name = 'order:status-changed'").await, 2);
}

#[tokio::test]
async fn a_change_of_a_status_takes_the_delivery_as_it_is_when_it_is_written() {
    let scene = Scene::set_in(patient().await).await;
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    let cook = scene.app.staff_of(&scene.luigi).await;
    let luisa = scene.app.driver("Luisa").await;
    let profile = luisa.goes_online(44.4962, 11.3402).await;
    let mut holding = hold_orders(&scene.app).await;
    let leaving = begins_to_move(&cook, &order, "ON_THE_WAY");
    wait(&scene.app, 1).await;
    // Decided for Mario's delivery, and meanwhile it is Luisa's.
    let reassigned = scene.luigi.owner.assigns(&delivery, Some(&profile)).await.expect(200);
    release(&mut holding).await;
    leaving.await.unwrap().expect(200);
    let picked_up = luisa.get(&format!("/api/deliveries/{}", id_of(&delivery))).await.expect(200);
    assert_eq!((&picked_up["status"], &picked_up["driver"]["name"]), (&json!("PICKED_UP"), &json!("Luisa")));
    assert_eq!(picked_up["version"].as_i64(), reassigned["version"].as_i64().map(|version| version + 1));
    scene.mario.tries_to_move(&order, "DELIVERED", None).await.refused(409, "no_longer_assigned");
    luisa.moves(&order, "DELIVERED").await;
}

#[tokio::test]
async fn a_driver_who_loses_the_delivery_while_a_step_is_decided_does_not_take_it() {
    let scene = Scene::set_in(patient().await).await;
    let (order, delivery) = scene.carried().await;
    scene.luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    let profile = scene.app.driver("Luisa").await.goes_online(44.4962, 11.3402).await;
    let mut holding = hold_orders(&scene.app).await;
    let leaving = begins_to_move(&scene.mario, &order, "ON_THE_WAY");
    wait(&scene.app, 1).await;
    scene.luigi.owner.assigns(&delivery, Some(&profile)).await.expect(200);
    release(&mut holding).await;
    leaving.await.unwrap().refused(409, "no_longer_assigned");
    assert_eq!(scene.ada.reads_order(&order).await["status"], "READY");
}
