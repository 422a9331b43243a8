//! Acceptance of orders: an answer in time, and promised times that are kept or moved.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use comanda::orders::actions::overdue::{self, REASON};
use comanda::orders::status::CANCEL_WINDOW;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::{TestApp, eventually};
use crate::people::{Person, delivery_details, id_of};

/// An interval so long that only the test starts the job.
const SELDOM: (&str, &str) = ("ORDER_CHECK_INTERVAL", "1m");

fn time(body: &Value, field: &str) -> DateTime<Utc> {
    body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}")).parse().unwrap()
}

async fn promises(person: &Person, order: &Value, at: DateTime<Utc>) -> crate::reply::Reply {
    person.patch(&format!("/api/orders/{}/promise", id_of(order)), &json!({ "promisedAt": at })).await
}

#[tokio::test]
async fn an_order_that_nobody_accepts_is_cancelled_by_the_system() {
    let app = TestApp::with(&[("ORDER_CHECK_INTERVAL", "10ms"), ("ORDER_ACCEPT_WITHIN", "5m")]).await;
    let luigi = app.restaurant("Luigi").sells_counted("Tiramisù", 600, 5).opens().await;
    let ada = app.customer("Ada").await;
    let order = ada.places_order(&luigi, &[(luigi.any_dish(), 2)]).await;
    assert_eq!(time(&order, "acceptBy"), time(&order, "placedAt") + TimeDelta::minutes(5));
    assert_eq!(order["cancellableUntil"], order["acceptBy"]);
    app.advance_clock(TimeDelta::minutes(4));
    let later = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    app.advance_clock(TimeDelta::seconds(61));
    eventually("the cancellation", async || ada.reads_order(&order).await["status"] == "CANCELLED").await;
    let cancelled = ada.reads_order(&order).await;
    assert_eq!((&cancelled["cancelReason"], &cancelled["version"]), (&json!(REASON), &json!(2)));
    assert_eq!(cancelled["cancellableUntil"], Value::Null);
    assert_eq!(ada.reads_order(&later).await["status"], "PENDING", "the other one has time left");
    assert_eq!(luigi.stock_of(luigi.any_dish()).await, Some(4), "what it took is back");
    let events = ada.reads_events(&order, 2).await;
    assert_eq!((&events[1]["actor"], &events[1]["name"]), (&json!("SYSTEM"), &json!("order:status-changed")));
    assert_eq!(events[1]["event"]["order"], cancelled);
    luigi.owner.tries_to_move(&order, "CONFIRMED", None).await.refused(409, "illegal_transition");
    luigi.owner.moves(&later, "CONFIRMED").await;
}

#[tokio::test]
async fn a_restaurant_has_its_own_time_to_accept() {
    let app = TestApp::with(&[SELDOM]).await;
    let luigi = app.restaurant("Luigi").with("acceptMinutes", json!(30)).opens().await;
    let ada = app.customer("Ada").await;
    let lasts = async || {
        let order = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
        time(&order, "acceptBy") - time(&order, "placedAt")
    };
    assert_eq!(lasts().await, TimeDelta::minutes(30));
    for bad in [json!(0), json!(121), json!(-1), json!(1.5), json!("10")] {
        luigi.owner.patch(&luigi.path(""), &json!({ "acceptMinutes": bad })).await.refused(422, "invalid_request");
    }
    let shown = luigi.owner.patch(&luigi.path(""), &json!({ "acceptMinutes": null })).await.expect(200);
    assert_eq!(shown["acceptMinutes"], Value::Null);
    assert_eq!(lasts().await, TimeDelta::minutes(10), "as everywhere");
    luigi.owner.patch(&luigi.path(""), &json!({ "autoAccept": true })).await.expect(200);
    let order = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    assert_eq!((&order["status"], &order["acceptBy"]), (&json!("CONFIRMED"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_either_accepted_or_cancelled_by_the_system() {
    let app = Arc::new(TestApp::with(&[SELDOM]).await);
    let luigi = app.restaurant("Luigi").sells_counted("Tiramisù", 600, 100).opens().await;
    let ada = app.customer("Ada").await;
    let mut orders = Vec::new();
    for _ in 0..40 {
        orders.push(ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await);
    }
    app.advance_clock(TimeDelta::minutes(11));
    let mut work = JoinSet::new();
    for order in orders.clone() {
        let owner = luigi.owner.clone();
        work.spawn(async move { usize::from(owner.tries_to_move(&order, "CONFIRMED", None).await.status == 200) });
    }
    let mut checks = JoinSet::new();
    for _ in 0..3 {
        let app = Arc::clone(&app);
        checks.spawn(async move { overdue::cancel_overdue_orders(&app.running().app).await.unwrap() });
    }
    let confirmed: usize = work.join_all().await.into_iter().sum();
    let mut cancelled: usize = checks.join_all().await.into_iter().sum();
    // Orders that another transaction had locked are found in the next run.
    cancelled += overdue::cancel_overdue_orders(&app.running().app).await.unwrap();
    assert_eq!(confirmed + cancelled, orders.len());
    assert_eq!(luigi.stock_of(luigi.any_dish()).await, Some(100 - i64::try_from(confirmed).unwrap()));
    for order in &orders {
        assert_eq!(ada.reads_order(order).await["version"], 2, "one step, and one only");
    }
}

#[tokio::test]
async fn an_overdue_order_that_cannot_be_cancelled_delays_no_other() {
    let app = TestApp::with(&[SELDOM]).await;
    let luigi = app.restaurant("Luigi").sells_counted("Tiramisù", 600, 5).opens().await;
    let ada = app.customer("Ada").await;
    let stuck = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    let other = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    app.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin
             if new.number = 1 then raise exception 'a fault of ours'; end if; return new; end $$;
         create trigger refuse before update on orders for each row execute function refuse()",
    )
    .await;
    app.advance_clock(TimeDelta::minutes(11));
    assert_eq!(overdue::cancel_overdue_orders(&app.running().app).await.unwrap(), 1);
    assert_eq!(ada.reads_order(&stuck).await["status"], "PENDING");
    assert_eq!(ada.reads_order(&other).await["status"], "CANCELLED");
    app.execute("drop trigger refuse on orders").await;
    assert_eq!(overdue::cancel_overdue_orders(&app.running().app).await.unwrap(), 1);
    assert_eq!(ada.reads_order(&stuck).await["status"], "CANCELLED");
}

#[tokio::test]
async fn a_longer_preparation_moves_the_promised_time() {
    let app = TestApp::with(&[SELDOM]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, staff) = (app.customer("Ada").await, app.staff_of(&luigi).await);
    let cart = ada.puts_in_cart(&luigi, &[(luigi.any_dish(), 1)]).await;
    let order = ada.orders_cart(&cart, &delivery_details()).await.expect(201);
    let now = app.clock.now();
    promises(&staff, &order, now + TimeDelta::hours(1)).await.refused(409, "illegal_transition");
    let order = staff.moves(&order, "CONFIRMED").await;
    let promised = time(&order, "promisedAt");
    for bad in [promised - TimeDelta::minutes(1), now - TimeDelta::hours(1), now + TimeDelta::hours(5)] {
        let refusal = promises(&staff, &order, bad).await.refused(422, "invalid_request");
        assert_eq!(refusal["errors"][0]["pointer"], "/promisedAt");
    }
    assert_eq!(promises(&staff, &order, promised).await.expect(200), order, "it is promised for then already");
    promises(&ada, &order, promised + TimeDelta::minutes(30)).await.refused(403, "forbidden");
    app.customer("Bob")
        .await
        .patch(&format!("/api/orders/{}/promise", id_of(&order)), &json!({}))
        .await
        .refused(404, "not_found");

    // The cancellation window has passed; a later promise opens it again.
    app.advance_clock(CANCEL_WINDOW + TimeDelta::seconds(1));
    ada.tries_to_move(&order, "CANCELLED", None).await.refused(409, "illegal_transition");
    let later = promises(&staff, &order, promised + TimeDelta::minutes(30)).await.expect(200);
    assert_eq!((&later["version"], &later["status"]), (&json!(3), &json!("CONFIRMED")));
    assert_eq!(time(&later, "promisedAt"), promised + TimeDelta::minutes(30));
    assert_eq!(time(&later, "cancellableUntil"), time(&later, "updatedAt") + CANCEL_WINDOW);
    assert_eq!(ada.reads_order(&order).await, later);
    // The response was lost, and the request is sent again.
    app.advance_clock(TimeDelta::seconds(5));
    assert_eq!(promises(&staff, &order, promised + TimeDelta::minutes(30)).await.expect(200), later);

    let cooking = staff.moves(&order, "PREPARING").await;
    assert_eq!(cooking["cancellableUntil"], Value::Null);
    let last = promises(&staff, &order, promised + TimeDelta::minutes(45)).await.expect(200);
    assert_eq!(last["cancellableUntil"], Value::Null, "what is being cooked is the restaurant's to cancel");
    let events = ada.reads_events(&order, 6).await;
    let names: Vec<_> = events.iter().map(|event| event["name"].as_str().unwrap()).collect();
    let (moved, promise) = ("order:status-changed", "order:promise-changed");
    assert_eq!(names, ["order:new", moved, "delivery:status-changed", promise, moved, promise]);
    assert_eq!(events[3]["event"]["order"], later);
    let ready = staff.moves(&order, "READY").await;
    promises(&staff, &ready, promised + TimeDelta::hours(1)).await.refused(409, "illegal_transition");
}

#[tokio::test]
async fn concurrent_promised_times_are_resolved_by_the_version() {
    let app = TestApp::with(&[SELDOM]).await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let order = ada.places_order(&luigi, &[(luigi.any_dish(), 1)]).await;
    let order = luigi.owner.moves(&order, "CONFIRMED").await;
    let path = format!("/api/orders/{}/promise", id_of(&order));
    let request_body = |minutes| json!({ "promisedAt": time(&order, "promisedAt") + TimeDelta::minutes(minutes) });
    let first = luigi.owner.patch_version(&path, "\"2\"", &request_body(5)).await;
    let current = first.expect(200);
    assert_eq!(first.header("etag"), "\"3\"");
    let second = luigi.owner.patch_version(&path, "\"2\"", &request_body(10)).await;
    assert_eq!(second.refused(412, "version_conflict")["current"], current);
}
