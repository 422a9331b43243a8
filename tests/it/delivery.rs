//! Drivers and deliveries: assignment and disclosure.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::TestApp;
use crate::people::{Person, id_of};
use crate::shop::Shop;

/// A delivery order that has been confirmed, with its delivery.
async fn confirmed(luigi: &Shop, ada: &Person) -> (Value, Value) {
    let order = ada.orders_delivery(luigi, &[(luigi.any_dish(), 1)]).await;
    let order = luigi.owner.moves(&order, "CONFIRMED").await;
    let delivery = luigi.owner.finds_delivery(&order).await;
    (order, delivery)
}

async fn profile(driver: &Person) -> Value {
    driver.get("/api/me").await.expect(200)["driver"].clone()
}

#[tokio::test]
async fn a_delivery_passes_from_ready_to_delivered() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, mario) = (app.customer("Ada").await, app.driver("Mario").await);
    assert_eq!(mario.goes_online(44.4960, 11.3400).await["status"], "AVAILABLE");
    let (order, delivery) = confirmed(&luigi, &ada).await;
    assert_eq!((&delivery["status"], &delivery["driver"]), (&json!("WAITING"), &Value::Null));
    assert_eq!(delivery["pickup"]["name"], "Luigi");
    assert_eq!(delivery["dropoff"]["address"], "Via del Pratello 12");

    let assigned = luigi.owner.assigns(&delivery, None).await.expect(200);
    assert_eq!((&assigned["status"], &assigned["driver"]["name"]), (&json!("ASSIGNED"), &json!("Mario")));
    // It does not say how far away: a restaurant that moves its place would find out where drivers are.
    assert_eq!(assigned["assignedBecause"], "nearest of 1 free drivers");
    assert_eq!(profile(&mario).await["status"], "BUSY");
    assert_eq!(mario.get("/api/deliveries").await.expect(200)["data"], json!([assigned]));

    luigi.owner.makes_steps(&order, &["PREPARING", "READY"]).await;
    assert_eq!(mario.brings(&assigned, "ARRIVED").await["status"], "ARRIVED");
    assert_eq!(mario.brings(&assigned, "PICKED_UP").await["status"], "PICKED_UP");
    assert_eq!(ada.reads_order(&order).await["status"], "ON_THE_WAY");
    let closed = mario.brings(&assigned, "DELIVERED").await;
    assert!(closed["closedAt"].is_string());
    assert_eq!(ada.reads_order(&order).await["status"], "DELIVERED");
    assert_eq!(ada.finds_delivery(&order).await["status"], "DELIVERED");
    assert_eq!(profile(&mario).await["status"], "AVAILABLE");
    mario.tries_to_bring(&assigned, "FAILED", Some("too late")).await.refused(409, "illegal_transition");
}

#[tokio::test]
async fn the_nearest_available_driver_is_assigned() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let ada = app.customer("Ada").await;
    let (far, near, off) = (app.driver("Far").await, app.driver("Near").await, app.driver("Off").await);
    let (_, first) = confirmed(&luigi, &ada).await;
    luigi.owner.assigns(&first, None).await.refused(409, "no_driver_available");
    far.goes_online(44.53, 11.38).await;
    near.goes_online(44.4950, 11.3427).await;
    off.goes_online(44.4949, 11.3426).await;
    off.put("/api/drivers/me/availability", &json!({ "status": "OFFLINE" })).await.expect(200);
    assert_eq!(luigi.owner.assigns(&first, None).await.expect(200)["driver"]["name"], "Near");
    let (_, second) = confirmed(&luigi, &ada).await;
    assert_eq!(luigi.owner.assigns(&second, None).await.expect(200)["driver"]["name"], "Far");
    let (_, third) = confirmed(&luigi, &ada).await;
    // Rome is too far from Bologna to deliver there.
    app.driver("Roman").await.goes_online(41.8931, 12.4828).await;
    luigi.owner.assigns(&third, None).await.refused(409, "no_driver_available");
    luigi.owner.assigns(&third, Some(&profile(&near).await)).await.refused(409, "driver_busy");
    luigi.owner.assigns(&third, Some(&profile(&off).await)).await.refused(422, "invalid_request");
    // Until it is picked up it may be reassigned; the first driver is available again.
    off.goes_online(44.4949, 11.3426).await;
    assert_eq!(luigi.owner.assigns(&first, Some(&profile(&off).await)).await.expect(200)["driver"]["name"], "Off");
    assert_eq!(luigi.owner.assigns(&third, None).await.expect(200)["driver"]["name"], "Near");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_driver_is_given_two_deliveries_however_many_assign_at_once() {
    let app = TestApp::start().await;
    let luigi = Arc::new(app.restaurant("Luigi").opens().await);
    let drivers = [app.driver("A").await, app.driver("B").await, app.driver("C").await];
    for driver in &drivers {
        driver.goes_online(44.4950, 11.3427).await;
    }
    let mut deliveries = Vec::new();
    for guest in app.crowd(10).await {
        deliveries.push(confirmed(&luigi, &guest).await.1);
    }
    let mut assignments = JoinSet::new();
    for delivery in deliveries {
        let luigi = Arc::clone(&luigi);
        assignments.spawn(async move {
            let reply = luigi.owner.assigns(&delivery, None).await;
            if reply.status != 200 {
                reply.refused(409, "no_driver_available");
            }
            reply.status
        });
    }
    let taken = assignments.join_all().await.into_iter().filter(|status| *status == 200).count();
    assert_eq!(taken, 3);
}

#[tokio::test]
async fn a_failed_delivery_has_a_reason_and_the_restaurant_cancels_it() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, mario) = (app.customer("Ada").await, app.driver("Mario").await);
    mario.goes_online(44.4960, 11.3400).await;
    let (order, delivery) = confirmed(&luigi, &ada).await;
    luigi.owner.assigns(&delivery, None).await.expect(200);
    luigi.owner.moves(&order, "PREPARING").await;
    mario.brings(&delivery, "PICKED_UP").await;
    let refusal = mario.tries_to_bring(&delivery, "FAILED", None).await.refused(422, "invalid_request");
    assert_eq!(refusal["errors"][0]["pointer"], "/reason");
    let failed = mario.tries_to_bring(&delivery, "FAILED", Some("nobody opened")).await.expect(200);
    assert_eq!(failed["status"], "FAILED");
    assert_eq!(profile(&mario).await["status"], "AVAILABLE");
    assert_eq!(luigi.owner.cancels(&order, "nobody opened").await["status"], "CANCELLED");
    assert_eq!(ada.finds_delivery(&order).await["status"], "FAILED");
}

#[tokio::test]
async fn a_cancelled_order_frees_its_driver() {
    let app = TestApp::start().await;
    let luigi = app.restaurant("Luigi").opens().await;
    let (ada, mario) = (app.customer("Ada").await, app.driver("Mario").await);
    mario.goes_online(44.4960, 11.3400).await;
    let (order, delivery) = confirmed(&luigi, &ada).await;
    luigi.owner.assigns(&delivery, None).await.expect(200);
    ada.cancels(&order, "I changed my mind").await;
    assert_eq!(luigi.owner.finds_delivery(&order).await["status"], "CANCELLED");
    assert_eq!(profile(&mario).await["status"], "AVAILABLE");
    mario.tries_to_bring(&delivery, "PICKED_UP", None).await.refused(409, "illegal_transition");
}

#[tokio::test]
async fn a_delivery_is_read_and_changed_by_its_participants_only() {
    let app = TestApp::start().await;
    let (luigi, other) = (app.restaurant("Luigi").opens().await, app.restaurant("Other").opens().await);
    let (ada, bob) = (app.customer("Ada").await, app.customer("Bob").await);
    let (mario, idle) = (app.driver("Mario").await, app.driver("Idle").await);
    mario.goes_online(44.4960, 11.3400).await;
    let (order, delivery) = confirmed(&luigi, &ada).await;
    let path = format!("/api/deliveries/{}", id_of(&delivery));
    luigi.owner.assigns(&delivery, None).await.expect(200);
    for person in [&ada, &mario, &luigi.owner, &app.admin().await] {
        person.get(&path).await.expect(200);
    }
    for person in [&bob, &idle, &other.owner] {
        person.get(&path).await.refused(404, "not_found");
        person.get(&format!("/api/deliveries?orderId={}", id_of(&order))).await.refused(404, "not_found");
        person.tries_to_bring(&delivery, "PICKED_UP", None).await.refused(404, "not_found");
        person.assigns(&delivery, None).await.refused(404, "not_found");
    }
    ada.tries_to_bring(&delivery, "PICKED_UP", None).await.refused(403, "forbidden");
    ada.assigns(&delivery, None).await.refused(403, "forbidden");
    mario.assigns(&delivery, None).await.refused(403, "forbidden");
    let of_luigi = format!("/api/deliveries?restaurantId={}", luigi.id);
    assert_eq!(luigi.owner.get(&of_luigi).await.expect(200)["data"].as_array().unwrap().len(), 1);
    other.owner.get(&of_luigi).await.refused(404, "not_found");
    assert_eq!(bob.get("/api/deliveries").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn administrators_create_drivers_who_act_for_themselves_only() {
    let app = TestApp::start().await;
    let (ada, mario, admin) = (app.customer("Ada").await, app.driver("Mario").await, app.admin().await);
    let request_body = json!({ "email": ada.email, "vehicle": "SCOOTER" });
    mario.post("/api/admin/drivers", &request_body).await.refused(403, "forbidden");
    let again = json!({ "email": mario.email, "vehicle": "CAR" });
    admin.post("/api/admin/drivers", &again).await.refused(409, "already_exists");
    admin
        .post("/api/admin/drivers", &json!({ "email": ada.email, "vehicle": "ROCKET" }))
        .await
        .refused(422, "invalid_request");
    assert_eq!(admin.get("/api/admin/drivers").await.expect(200)["data"], json!([profile(&mario).await]));
    ada.put("/api/drivers/me/availability", &json!({ "status": "AVAILABLE" })).await.refused(403, "forbidden");
    let refusal = mario.put("/api/drivers/me/availability", &json!({ "status": "AVAILABLE" })).await;
    assert_eq!(refusal.refused(422, "invalid_request")["errors"][0]["pointer"], "/place");
    mario.put("/api/drivers/me/availability", &json!({ "status": "BUSY" })).await.refused(422, "invalid_request");
    mario.post("/api/drivers/me/location", &json!({ "place": { "lat": 44.5, "lng": 11.3 } })).await.expect(204);
    let nowhere = mario.post("/api/drivers/me/location", &json!({ "place": { "lat": 144.5, "lng": 11.3 } })).await;
    nowhere.refused(422, "invalid_request");
    // Off duty nothing of a report is stored.
    let refusal = mario.put("/api/drivers/me/availability", &json!({ "status": "AVAILABLE" })).await;
    assert_eq!(refusal.refused(422, "invalid_request")["errors"][0]["pointer"], "/place");
    mario.goes_online(44.5, 11.3).await;
    assert_eq!(profile(&mario).await["place"], json!({ "lat": 44.5, "lng": 11.3 }));
    assert_eq!(mario.get("/api/me").await.expect(200)["role"], "DRIVER");
}
